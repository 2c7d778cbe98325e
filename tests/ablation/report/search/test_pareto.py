"""The Pareto front and the expected best, each against a definition that is slow and plain."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ablation.report.search.expected_best import (
    POINTS,
    expected_maximum,
    expected_performance,
    random_draws,
)
from ablation.report.search.pareto import on_front, pareto
from ablation.report.search.trials import finished
from crnn.network.config import CHANCE
from tests.helpers.made.report_studies import study

STUDY = study("search", arms=40, epochs=1)
FIRST = {"baseline", "source-best"}  # tried before anything is drawn
POINT = st.tuples(st.integers(0, 6), st.integers(0, 6))


# The front


def beaten(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the other costs no more, is no less accurate, and is better in one of these."""
    return other[0] <= one[0] and other[1] >= one[1] and other != one


@given(st.lists(POINT, max_size=30))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    index = range(10, 10 + len(points))
    costs = pd.Series([float(cost) for cost, _ in points], index, dtype=float)
    accuracies = pd.Series([float(accuracy) for _, accuracy in points], index, dtype=float)
    expected = [not any(beaten(one, other) for other in points) for one in points]
    assert on_front(costs, accuracies).tolist() == expected


def test_fronts_begin_with_the_cheapest_and_end_with_the_best() -> None:
    rows = finished(STUDY.trials, STUDY.arms, STUDY.factors)
    rows.loc[rows["value"].idxmax(), "seconds"] = np.nan
    found = pareto(rows)
    for cost, front in found.groupby("cost"):
        assert front[str(cost)].is_monotonic_increasing
        assert front["value"].is_monotonic_increasing
        known = rows[rows[str(cost)].notna()]
        assert front["value"].iloc[-1] == known["value"].max()
    assert set(found["cost"]) == {"macs", "seconds"}


def test_where_less_is_better_the_front_is_that_of_the_lowest() -> None:
    rows = finished(STUDY.trials, STUDY.arms, STUDY.factors)
    less = pareto(rows.assign(value=-rows["value"]), "minimize")
    assert_frame_equal(less.assign(value=-less["value"]), pareto(rows))


# The expected best


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_where_less_is_better_it_falls_from_the_mean_to_the_lowest(values: list[float]) -> None:
    less = expected_performance(pd.Series(values), "minimize")
    assert less["expected_value"].iloc[-1] == pytest.approx(min(values))
    more = expected_performance(-pd.Series(values))
    assert less["expected_value"].tolist() == pytest.approx((-more["expected_value"]).tolist())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.data())
def test_the_expected_maximum_is_the_mean_over_all_subsets(
    values: list[float], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))
    every = [max(subset) for subset in combinations(values, count)]
    assert expected_maximum(values, count) == pytest.approx(np.mean(every), rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_it_grows_from_the_mean_to_the_best(values: list[float]) -> None:
    curve = expected_performance(pd.Series(values))["expected_value"].to_numpy()
    assert curve[0] == pytest.approx(np.mean(values))
    assert curve[-1] == pytest.approx(max(values))
    assert (np.diff(curve) >= -1e-9).all()


def test_a_long_search_has_a_curve_of_few_points() -> None:
    values = pd.Series(np.linspace(0, 1, 5000))
    curve = expected_performance(values)
    assert len(curve) <= POINTS
    assert curve["trials"].iloc[[0, -1]].tolist() == [1, 5000]
    assert curve["expected_value"].is_monotonic_increasing


def test_what_was_not_drawn_is_left_out() -> None:
    trials = STUDY.trials.copy()
    again = trials[trials["arm"] == "source-best"].assign(number=99)  # drawn as well, later
    trials.loc[3, "state"] = "FAIL"
    trials.loc[3, "value"] = np.nan
    draws, why = random_draws(pd.concat([again, trials]), "random", 0, FIRST)
    assert why == ""
    trials.loc[3, "value"] = CHANCE  # it was a draw, and gave nothing
    kept = [trials["value"].drop([0, 1]), again["value"]]
    assert draws.tolist() == pd.concat(kept).tolist()


@pytest.mark.parametrize(
    ("sampler", "stopped", "trials", "reason"),
    [
        ("tpe", 0, 40, "the sampler is tpe"),
        ("random", 3, 40, "of 3 trials that were stopped early"),
        ("random", 0, 3, "it takes 2 finished draws, and there are 1"),
    ],
)
def test_where_it_does_not_hold_it_is_said(
    sampler: str, stopped: int, trials: int, reason: str
) -> None:
    shortened = replace(STUDY, trials=STUDY.trials.head(trials))
    draws, why = random_draws(shortened.trials, sampler, stopped, FIRST)
    assert draws.empty
    assert reason in why
