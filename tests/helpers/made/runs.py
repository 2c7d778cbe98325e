"""Runs that were trained elsewhere, made by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ablation.objective.metric import Metric
from ablation.runs.runs import COLUMNS, Runs
from ablation.statistics.comparison import Comparison

DIGEST = "0" * 64
VALUES = {
    "plain": (0.853, 0.841, 0.867, 0.868, 0.858),
    "wide": (0.866, 0.852, 0.879, 0.882, 0.869),
    "focal": (0.851, 0.842, 0.866, None, 0.861),
}


def made_runs(values: Mapping[str, Sequence[float | None]] | None = None, **changes: Any) -> Runs:
    """Paired runs of three arms, one of them without a result.

    Args:
        values: by arm, the value of each seed from 11 on; None is a run without a result.
        changes: fields of the runs that are others.
    """
    values = VALUES if values is None else values
    rows = [
        {
            "arm": arm,
            "seed": str(seed),
            "block": "",
            "state": "FAIL" if value is None else "COMPLETE",
            "value": math.nan if value is None else value,
            "test_value": math.nan,
            "failure": "val_auc is empty" if value is None else "",
            "sd": math.nan,
            "n": math.nan,
        }
        for arm, own in values.items()
        for seed, value in enumerate(own, 11)
    ]
    baseline = next(iter(values))
    arms = [
        {"arm": arm, "against": "" if arm == baseline else baseline, "changes": {}, "setting": {}}
        for arm in values
    ]
    runs = Runs(
        study="table",
        metric=Metric("val_auc", unit="fraction"),
        margin=0.005,
        comparison=Comparison(),
        arms=pd.DataFrame(arms),
        runs=pd.DataFrame(rows, columns=COLUMNS),
        history=pd.DataFrame(columns=["arm", "seed", "block", "epoch", "value"]),
        lines=["val_auc: higher is better, by its name"],
        files={"table.csv": DIGEST},
        options=["--arm", "arm", "--metric", "val_auc", "--against", baseline],
    )
    return replace(runs, **changes)
