"""Effects by how arms are compared: unpaired runs, summaries, folds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ablation.objective.metric import Direction, Metric
from ablation.report.analysis import Analysis
from ablation.report.effects.effects import COLUMNS
from ablation.report.effects.gains import inner_intervals
from ablation.report.text.tables.details import details_table
from ablation.statistics.comparison import Comparison
from ablation.statistics.inference import folds_test, welch_test
from tests.helpers.made.imported import imported, rows, summary

ACC = Metric("val_acc", unit="fraction", test="test_acc")
RUNS = {
    "base": (0.9351, 0.9344, 0.9361, 0.9347),
    "gate": (0.9354, 0.9340, 0.9353, 0.9354),
    "none": (0.9318, 0.9322, 0.9315, math.nan),
}
WELCH, FOLDS = Comparison("welch", of="run"), Comparison("folds", folds=4, of="fold")
SUMMARIES = Comparison("summaries")


def of_summaries(ddof: int = 1) -> Analysis:
    done = {arm: np.array(own)[np.isfinite(own)] for arm, own in RUNS.items()}
    sides = {arm: (x.mean(), x.std(ddof=ddof), len(x)) for arm, x in done.items()}
    return Analysis(imported(summary(sides), ACC, 0.005, SUMMARIES))


def test_unpaired_runs_are_compared_by_their_means() -> None:
    study = Analysis(imported(rows(RUNS), ACC, 0.005, WELCH))
    row, test = study.effects.iloc[2], welch_test(RUNS["none"][:3], RUNS["base"])
    assert (row["delta"], row["ci_low"], row["ci_high"]) == (test.mean, test.low, test.high)
    assert (row["n"], row["n_against"], row["test"]) == (3, 4, "Welch")
    assert study.pairs.empty
    assert list(study.by_gain) == ["base", "gate", "none"]
    inner = inner_intervals(study.effects).iloc[2]
    assert tuple(inner) == pytest.approx((test.inner_low, test.inner_high))


def test_the_order_of_unpaired_runs_does_not_matter() -> None:
    frame = rows(RUNS)
    other = frame.assign(seed=[3, 2, 1, 0, *frame["seed"].iloc[4:]])
    one, two = (Analysis(imported(x, ACC, 0.005, WELCH)).effects for x in (frame, other))
    assert one.equals(two)
    paired = [Analysis(imported(x, ACC, 0.005)).effects["p_value"] for x in (frame, other)]
    assert not paired[0].equals(paired[1])


def test_summaries_give_what_their_runs_give() -> None:
    runs, means = Analysis(imported(rows(RUNS), ACC, 0.005, WELCH)), of_summaries()
    same = ["arm", "n", "n_against", "verdict"]
    assert means.effects[same].equals(runs.effects[same])
    for name in ("val_mean", "val_sd", "delta", "ci_low", "p_holm", "minimum_detectable"):
        expected = list(runs.effects[name])
        assert list(means.effects[name]) == pytest.approx(expected, nan_ok=True)
    assert set(means.effects["test"]) == {"", "Welch, from summaries"}


def test_folds_are_corrected() -> None:
    study = Analysis(imported(rows(RUNS), ACC, 0.005, FOLDS))
    row = study.effects.iloc[1]
    test = folds_test(np.subtract(RUNS["gate"], RUNS["base"]), 4)
    assert (row["p_value"], row["df"], row["pairs"]) == (test.p, 3, 4)
    assert row["test"] == "corrected resampled t"
    assert np.isnan(row["effect_size"])
    assert len(study.pairs) == 7


@pytest.mark.parametrize("comparison", [WELCH, FOLDS, SUMMARIES, Comparison()])
def test_the_columns_of_effects(comparison: Comparison) -> None:
    frame = rows({arm: own[:1] for arm, own in RUNS.items()}).assign(sd=0.001, n=4)
    found = list(Analysis(imported(frame, ACC, 0.005, comparison)).effects.columns)
    more = {"paired": [], "folds": ["test", "df"]}
    added = more.get(comparison.method, ["test", "n_against", "df"])
    assert [name for name in found if name not in COLUMNS] == added
    assert [name for name in found if name in COLUMNS] == COLUMNS


@pytest.mark.parametrize("comparison", [WELCH, FOLDS, Comparison()])
def test_verdicts_turn_round_where_less_is_better(comparison: Comparison) -> None:
    runs = RUNS | {"none": (0.9248, 0.9246, 0.9259, 0.9251)}
    turned = {"better": "worse", "worse": "better"}
    directions: tuple[Direction, ...] = ("maximize", "minimize")
    up, down = (
        list(
            Analysis(
                imported(rows(runs), replace(ACC, direction=direction), 0.005, comparison)
            ).effects["verdict"]
        )
        for direction in directions
    )
    assert "worse" in up
    assert down == [turned.get(verdict, verdict) for verdict in up]


def test_effects_on_test_data_are_tested_as_effects_are() -> None:
    frame = rows(RUNS).assign(test_value=lambda x: x["value"] - 0.01 * (x["arm"] == "gate"))
    study = Analysis(imported(frame, ACC, 0.005, WELCH))
    gap = study.gaps_on_test.set_index("arm").loc["gate"]
    assert gap["gap"] == pytest.approx(0.01)
    assert Analysis(of_summaries().table).gaps_on_test["n"].eq(0).all()


@pytest.mark.parametrize(
    ("comparison", "present", "absent"),
    [
        (WELCH, {"runs", "degrees of freedom", "runs an arm to plan for"}, {"p of sign flips"}),
        (FOLDS, {"corrected standard error", "folds to plan for"},
         {"p of sign flips", "effect size g"}),
        (Comparison(), {"p of sign flips", "seeds to plan for"}, {"degrees of freedom"}),
    ],
)  # fmt: skip
def test_what_stands_behind_a_verdict(
    comparison: Comparison, present: set[str], absent: set[str]
) -> None:
    table = details_table(Analysis(imported(rows(RUNS), ACC, 0.005, comparison)))
    assert table
    assert present <= set(table.titles)
    assert absent.isdisjoint(table.titles)
    none = details_table(Analysis(imported(rows(RUNS), ACC, 0.0, comparison)))
    assert none
    assert not [title for title in none.titles if "to plan for" in title]


def test_an_arm_may_be_compared_with_another_than_the_baseline() -> None:
    study = Analysis(imported(rows(RUNS), ACC, 0.005, WELCH, against={"none": "gate"}))
    row = study.effects.iloc[2]
    theirs = stats.ttest_ind(RUNS["none"][:3], RUNS["gate"], equal_var=False)
    assert (row["against"], row["p_value"]) == ("gate", pytest.approx(theirs.pvalue))
