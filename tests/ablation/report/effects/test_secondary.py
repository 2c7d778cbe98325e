"""Figures beside the metric: means, differences and verdicts, each figure a family of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.rendering.formatting import records
from ablation.report.sections.secondary import secondary_parts
from ablation.statistics.inference import holm
from ablation.statistics.settling import look_figures, repeated_interval
from tests.ablation.report.effects.test_settling import BIG, HALF, NOISY, NULL, SOME
from tests.helpers.made.report_studies import METRIC
from tests.helpers.made.settled import Differences, settled

EMA = Metric("ema_val_accuracy", text="EMA validation accuracy", noun="accuracy", unit="fraction")
OTHER = np.random.default_rng(8).normal(0, 0.003, 2_000)


def beside(table: StudyTable, figure: Metric = EMA, *, known: bool = True) -> StudyTable:
    """The study with another figure, which follows the metric but for noise."""
    values = table.trials["value"] - 0.1 + OTHER[table.trials["number"].to_numpy(int) % 2_000]
    return replace(
        table,
        trials=table.trials.assign(**{figure.name: values}),
        secondary=(figure.name,),
        metrics={METRIC.name: METRIC, figure.name: figure} if known else {},
    )


def rows_of(table: StudyTable) -> pd.DataFrame:
    """Of the other figure, by arm, the baseline's aside."""
    return Analysis(table).secondary.set_index("arm").iloc[1:]


def pairs_of(table: StudyTable, arm: str, seeds: int) -> list[Any]:
    """The differences of the other figure over the first seeds, taken here."""
    trials = table.trials[table.trials["seed"] < seeds].set_index(["arm", "seed"])
    values = trials[table.secondary[0]]
    return list(values[arm] - values["baseline"].reindex(values[arm].index))


def test_figures_of_a_study_with_looks_are_tested_at_the_last_look_of_each_arm() -> None:
    table = beside(settled(SOME))
    first, rows = Analysis(table).effects.set_index("arm").iloc[1:], rows_of(table)
    p = []
    for arm, row in zip(map(str, rows.index), records(rows), strict=True):
        seeds = int(first["pairs"][arm])
        look = look_figures(pairs_of(table, arm, seeds), table.margin)
        assert (row["pairs"], row["delta"]) == (seeds, pytest.approx(look.mean))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(repeated_interval(look, 4))
        assert row["p_value"] == pytest.approx(min(1, 4 * look.p))
        p.append(min(1, 4 * look.p))
    assert list(rows["p_holm"]) == pytest.approx(list(holm(p)))
    assert len(set(rows["pairs"])) > 1


def test_a_reserve_is_paid_for_by_other_figures_too() -> None:
    plain, more = (rows_of(beside(settled(SOME, reserve=x))) for x in (False, True))
    assert more["p_value"]["half"] == pytest.approx(min(1, 5 / 4 * plain["p_value"]["half"]))


def test_what_awaits_a_look_has_means_alone_and_counts_in_the_family() -> None:
    table = beside(settled(SOME, most=1, begun=2))
    rows = rows_of(table)
    for arm in ("half", "noisy"):
        assert rows["delta"][arm] == pytest.approx(float(np.mean(pairs_of(table, arm, 7))))
        assert rows[["ci_low", "ci_high", "p_value", "p_holm"]].loc[arm].isna().all()
        assert (rows["verdict"][arm], rows["reason"][arm]) == ("", "awaits look 2")
        assert rows["pairs"][arm] == 7
    assert rows["p_holm"]["big"] == pytest.approx(4 * rows["p_value"]["big"])
    assert rows["verdict"]["big"] == "better"


MORE = [x + 0.7 for x in HALF]
SURE: Differences = {"big": BIG, "null": [*NULL, *NULL], "more": MORE, "noisy": NOISY}


@pytest.mark.parametrize(
    ("figure", "known", "verdicts"),
    [
        (EMA, True, ["better", "equivalent", "better", "inconclusive"]),
        (replace(EMA, direction="minimize"), True, ["worse", "equivalent", "worse", "inconcl"]),
        (replace(EMA, unit="s"), True, ["better", "inconclusive", "better", "inconclusive"]),
        (Metric("f1"), False, ["higher", "inconclusive", "higher", "inconclusive"]),
    ],
)
def test_verdicts_have_the_direction_and_the_margin_that_are_known(
    figure: Metric, known: bool, verdicts: list[str]
) -> None:
    table = beside(settled(SURE, looks=(20,), most=0, begun=20), figure, known=known)
    rows = rows_of(replace(table, settling=None))
    for verdict, start in zip(rows["verdict"], verdicts, strict=True):
        assert verdict.startswith(start)


def test_a_difference_below_the_margin_is_said_to_be_small() -> None:
    table = beside(settled({"big": BIG, "little": [0.3]}, looks=(20,), margin=0.9))
    rows = rows_of(table)
    assert list(rows["verdict"]) == ["better", "better"]
    assert list(rows["slight"]) == [False, True]


@pytest.mark.parametrize("looks", [True, False])
def test_files_say_which_intervals_they_have(looks: bool) -> None:
    table = beside(settled(SURE, looks=(20,)))
    (part,) = secondary_parts(Analysis(table if looks else replace(table, settling=None)))
    columns = set(part.files["secondary.csv"])
    assert ({"repeated_low", "repeated_high", "p_looks"} <= columns) == looks
    assert ({"ci_low", "ci_high", "p_value"} <= columns) != looks
    assert "slight" not in columns
