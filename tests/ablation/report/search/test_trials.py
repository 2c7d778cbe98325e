"""The trials of a search that count, by levels of its factors; where its best lies at an end."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.search.interactions import isolation, spans_a_plane, surface, together
from ablation.report.search.range_edges import edges
from ablation.report.search.trials import finished, levels, numeric, scientific
from ablation.report.text.answer import findings
from tests.helpers.made.report_studies import study

STUDY = study("search", arms=60, epochs=1)
ROWS = finished(STUDY.trials, STUDY.arms, STUDY.factors)


def factor(
    low: float = 0.0,
    high: float = 1.0,
    log: bool = False,
    limits: tuple[float, float] | None = None,
) -> dict[str, Any]:
    drawn = {"low": low, "high": high, "step": None, "log": log, "whole": False}
    return {"role": "scientific", "levels": [], "range": drawn, "limits": limits}


def listed(*texts: str) -> dict[str, Any]:
    return {"role": "scientific", "levels": list(texts), "range": None, "limits": None}


# What counts


def test_only_finished_trials_of_the_search_count_each_setting_once() -> None:
    trials = STUDY.trials.head(8).copy()
    trials.loc[2, "state"] = "PRUNED"
    trials.loc[3, "value"] = np.nan
    trials.loc[4, "stage"] = "confirm"
    trials["arm"] = trials["arm"].where(trials["number"] != 6, trials["arm"][5])
    found = finished(trials.iloc[::-1], STUDY.arms, STUDY.factors)
    assert found["number"].tolist() == [0, 1, 5, 7]


def test_values_are_numbers_and_empty_where_they_have_no_effect() -> None:
    assert ROWS["hidden_size"].dtype == float
    assert set(ROWS["filter_sizes"]) == {"2,2,2", "3,3,2", "3,3,3", "5,5,5"}
    idle = ROWS["dropout"] == 0
    assert idle.any()
    assert (ROWS["dropout_count"].isna() == idle).all()
    drawn = STUDY.trials.set_index("number")["learning_rate"].astype(float)
    assert ROWS["learning_rate"].tolist() == drawn[ROWS["number"]].tolist()


def test_a_list_of_numbers_is_numeric_and_one_of_tuples_is_not() -> None:
    assert numeric(factor())
    assert numeric(listed("0", "1e-05", "0.001"))
    assert not numeric(listed("3,3,2", "2,2,2"))
    assert not numeric(listed("true", "false"))
    assert scientific(STUDY.factors) == [name for name in STUDY.factors if name != "learning_rate"]


# Levels


def test_levels_are_in_order() -> None:
    numbers = levels(pd.Series([256.0, 64.0, np.nan, 128.0]), factor(64, 256))
    assert list(numbers.cat.categories) == ["64", "128", "256"]
    assert numbers.isna().tolist() == [False, False, True, False]
    texts = levels(pd.Series(["b", "a"]), listed("b", "c", "a"))
    assert list(texts.cat.categories) == ["b", "c", "a"]


@given(st.lists(st.floats(1e-4, 1e-2), min_size=11, max_size=60, unique=True), st.booleans())
def test_every_value_of_a_wide_range_is_in_its_part(values: list[float], log: bool) -> None:
    parts = levels(pd.Series(values), factor(1e-4, 1e-2, log))
    ends = (np.geomspace if log else np.linspace)(1e-4, 1e-2, 7)
    assert parts.notna().all()
    for value, code in zip(values, parts.cat.codes, strict=True):
        assert ends[code] * (1 - 1e-9) <= value <= ends[code + 1] * (1 + 1e-9)


# The best of each level, and two factors together


def test_the_best_of_each_level_by_hand() -> None:
    found = isolation(ROWS, STUDY.factors)
    assert set(found["parameter"]) == set(scientific(STUDY.factors))
    for row in found[found["parameter"] == "hidden_size"].to_dict("records"):
        same = ROWS[ROWS["hidden_size"] == float(row["level"])]
        assert row["trials"] == len(same)
        assert row["best_value"] == same["value"].max()
        assert row["arm"] == same.loc[same["number"] == row["number"], "arm"].item()
    sizes = found[found["parameter"] == "hidden_size"]["level"].astype(int)
    assert sizes.is_monotonic_increasing
    counted = found[found["parameter"] == "dropout_count"]["trials"].sum()
    assert counted == ROWS["dropout_count"].notna().sum() < len(ROWS)


PAIRS = list(combinations(["filter_sizes", "hidden_size", "dropout_count"], 2))


@pytest.mark.parametrize("pair", PAIRS)
def test_two_factors_together_by_hand(pair: tuple[str, str]) -> None:
    found = together(ROWS, STUDY.factors, *pair)
    assert found["trials"].sum() == ROWS[list(pair)].notna().all(axis=1).sum()
    for row in found.to_dict("records"):
        texts = [ROWS[name].map(lambda x: f"{x:g}" if x == x and not isinstance(x, str) else x)
                 for name in pair]  # fmt: skip
        same = ROWS[(texts[0] == row["level_1"]) & (texts[1] == row["level_2"])]["value"]
        figures = [row["trials"], row["mean_value"], row["best_value"]]
        assert figures == pytest.approx([len(same), same.mean(), same.max()])


def test_points_drawn_twice_are_averaged() -> None:
    rows = pd.DataFrame({"a": [1.0, 1.0, 2.0], "b": [3.0, 3.0, np.nan], "value": [1, 2, 3]})
    found = surface(rows, "a", "b")
    assert found.to_numpy().tolist() == [[1.0, 3.0, 2, 1.5]]


def test_where_less_is_better_the_best_of_a_level_is_its_lowest() -> None:
    mirrored = ROWS.assign(value=-ROWS["value"])
    more, less = isolation(ROWS, STUDY.factors), isolation(mirrored, STUDY.factors, "minimize")
    assert_frame_equal(less.assign(best_value=-less["best_value"]), more)
    more = together(ROWS, STUDY.factors, *PAIRS[0])
    less = together(mirrored, STUDY.factors, *PAIRS[0], "minimize")
    for name in ("best_value", "mean_value"):
        assert less[name].tolist() == pytest.approx((-more[name]).tolist())


@pytest.mark.parametrize(
    ("points", "plane"),
    [
        ([], False),
        ([(0, 0, 1), (1, 1, 2), (2, 2, 3)], False),
        ([(0, 0, 1), (1, 0, 2), (2, 0, 3)], False),
        ([(0, 0, 1), (1, 1, 1), (2, 0, 1)], False),
        ([(0, 0, 1), (1e6, 1e-6, 2), (2e6, 0, 1)], True),
    ],
)
def test_a_contour_takes_points_off_one_line(points: list[Any], plane: bool) -> None:
    frame = pd.DataFrame(points, columns=["x", "y", "mean_value"])
    assert spans_a_plane(frame) is plane


# Ends of ranges


@pytest.mark.parametrize(
    ("form", "value", "end"),
    [
        (factor(64, 384), 384, 384),
        (factor(64, 384), 64, 64),
        (factor(64, 384), 320, None),
        (factor(64, 384), 370, 384),
        (factor(1e-4, 1e-2, log=True), 1.2e-4, 1e-4),
        (factor(1e-4, 1e-2, log=True), 5e-4, None),
        (factor(0.0, 0.4, limits=(0.0, 0.95)), 0.0, None),
        (factor(0.0, 0.4, limits=(0.0, 0.95)), 0.4, 0.4),
        (factor(2, 2), 2, None),
        (listed("0", "1e-05", "0.001"), 1e-3, 1e-3),
        (listed("0", "1e-05", "0.001"), 1e-5, None),
        (listed("0", "0.001"), 1e-3, None),
        (listed("3,3,2", "2,2,2", "5,5,5"), "5,5,5", None),
        (factor(64, 384), np.nan, None),
    ],
)
def test_the_best_at_an_end(form: dict[str, Any], value: Any, end: float | None) -> None:
    rows = pd.DataFrame({"value": [0.5, 0.9, 0.7], "x": [1, value, 2]})
    found = edges(rows, {"x": form})
    assert [edge.end for edge in found] == ([] if end is None else [end])
    if found:
        assert found[0].is_upper == (end == found[0].high)


def test_where_less_is_better_the_lowest_is_the_best_at_an_end() -> None:
    rows = pd.DataFrame({"value": [0.5, 0.9, 0.7], "x": [64, 128, 256]})
    form = {"x": factor(64, 384)}
    assert edges(rows, form) == []
    assert [edge.end for edge in edges(rows, form, "minimize")] == [64]


def test_no_trial_lies_at_no_end() -> None:
    assert edges(ROWS.head(0), STUDY.factors) == []


def answers(table: StudyTable) -> str:
    return "\n".join(findings(Analysis(table)))


def test_the_answer_warns_of_an_end() -> None:
    wide = (STUDY.arms["hidden_size"] == "384").to_numpy(bool)
    best = STUDY.trials.index[STUDY.trials["arm"] == STUDY.arms.loc[wide, "arm"].iloc[0]][0]
    trials = STUDY.trials.copy()
    trials.loc[best, "value"] = 0.99
    text = answers(replace(STUDY, trials=trials))
    assert (
        "hidden_size=384 of the best trial lies at the upper end of what was tried, 64 to 384."
    ) in text
    trials.loc[0, "value"] = 0.999  # the baseline's
    assert "end of what was tried" not in answers(replace(STUDY, trials=trials))
