"""Studies of runs that were trained elsewhere, from a frame of runs: nothing here reads a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ablation.objective.metric import Metric
from ablation.report.data.imported import table_of
from ablation.report.data.study_table import StudyTable
from ablation.runs.runs import COLUMNS
from ablation.statistics.comparison import Comparison
from tests.helpers.made.runs import made_runs

PAIRED = Comparison()


def imported(
    runs: pd.DataFrame,
    metric: Metric,
    margin: float,
    comparison: Comparison = PAIRED,
    against: Mapping[str, str] | None = None,
    history: pd.DataFrame | None = None,
    **changes: Any,
) -> StudyTable:
    """A study of such runs.

    Args:
        runs: ``arm``, ``seed`` and ``value``; with blocks ``block``; of summaries ``sd`` and ``n``;
            the baseline's first. What has no value has failed.
        metric: what decides.
        margin: the smallest difference that matters; 0 where there is none.
        comparison: how arms are compared.
        against: by arm, what it is compared with where that is not the baseline.
        history: ``arm``, ``seed``, ``epoch`` and ``value``, where there is one.
        **changes: fields of ``StudyTable`` to set at the end.
    """
    names, unlike = list(dict.fromkeys(runs["arm"])), against or {}
    done = runs["value"].notna()
    rows = runs.assign(
        seed=runs["seed"].astype(str),
        state=np.where(done, "COMPLETE", "FAIL"),
        failure=np.where(done, "", f"{metric.name} is empty"),
    ).reindex(columns=COLUMNS)
    arms = [
        {
            "arm": name,
            "against": unlike.get(name, names[0]) if place else "",
            "changes": {},
            "setting": {},
        }
        for place, name in enumerate(names)
    ]
    made = made_runs(
        metric=metric,
        margin=margin,
        comparison=comparison,
        arms=pd.DataFrame(arms),
        runs=rows.fillna({"block": ""}),
        lines=[],
    )
    if history is not None:
        texts = history.assign(seed=history["seed"].astype(str), block="")
        made = replace(made, history=texts)
    return replace(table_of(made), **changes)


def rows(values: Mapping[str, Sequence[float]], block: str = "") -> pd.DataFrame:
    """Runs with these values by arm, seeds from 0; NaN is a run without a result."""
    cells = [
        (arm, seed, block, value) for arm, own in values.items() for seed, value in enumerate(own)
    ]
    return pd.DataFrame(cells, columns=["arm", "seed", "block", "value"])


def summary(values: Mapping[str, tuple[float, float, int]]) -> pd.DataFrame:
    """Means, standard deviations and numbers of runs by arm."""
    cells = [(arm, "", "", *own) for arm, own in values.items()]
    return pd.DataFrame(cells, columns=["arm", "seed", "block", "value", "sd", "n"])
