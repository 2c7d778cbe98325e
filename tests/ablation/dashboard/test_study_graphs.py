"""The graphs of a study's page: what they show when, and as what they are stored."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from ablation.dashboard.study_graphs import curves, forest, shown
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import mean_curves
from tests.helpers.made.report_studies import METRIC, NASTY, nasty, study


def compared(table: StudyTable) -> pd.DataFrame:
    return Analysis(table).effects.iloc[1:]


def stored(figure: Any) -> dict[str, Any]:
    """As optuna-dashboard keeps it."""
    found: dict[str, Any] = json.loads(figure.to_json())
    return found


def test_effects_are_in_points_with_their_intervals_below_each_other() -> None:
    rows = compared(study())
    rows = rows[rows["verdict"] == rows["verdict"].mode()[0]]
    (trace,) = stored(forest(rows, 0.005, METRIC, settled=True))["data"]
    np.testing.assert_allclose(trace["x"], 100 * rows["delta"], atol=1e-5)
    ends = np.add(trace["x"], trace["error_x"]["array"])
    np.testing.assert_allclose(ends, 100 * rows["ci_high"], atol=1e-4)
    ends = np.subtract(trace["x"], trace["error_x"]["arrayminus"])
    np.testing.assert_allclose(ends, 100 * rows["ci_low"], atol=1e-4)
    assert trace["y"] == list(range(len(rows)))


def test_intervals_and_verdicts_show_only_when_they_are_settled() -> None:
    rows = compared(study())
    before, after = (forest(rows, 0.005, METRIC, settled=settled) for settled in (False, True))
    assert "no intervals before the last trial" in stored(before)["layout"]["title"]["text"]
    assert "better" not in before.to_json()
    assert "error_x" not in before.to_json()
    assert len(stored(before)["data"][0]["x"]) == 9
    drawn = {trace["name"]: len(trace["x"]) for trace in stored(after)["data"]}
    assert drawn == dict(rows["verdict"].value_counts())


def test_an_arm_without_a_pair_or_an_interval_is_left_open() -> None:
    rows = compared(study(arms=3, seeds=1, missing=(("conv_layers=2", 0),)))
    (trace,) = stored(forest(rows, 0.005, METRIC, settled=True))["data"]
    assert trace["x"][0] is None
    assert trace["error_x"]["array"] == [None, None]


def test_curves_are_means_over_the_seeds_in_the_order_given() -> None:
    table = study(arms=4, seeds=3, epochs=5)
    names = {"conv_layers=2": "#7", "baseline": "baseline"}
    found = stored(curves(mean_curves(table.epochs), names, METRIC))["data"]
    assert [line["name"] for line in found] == ["#7", "baseline"]
    rows = table.epochs[(table.epochs["arm"] == "baseline") & (table.epochs["epoch"] == 5)]
    assert found[1]["x"] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found[1]["y"][-1], rows["value"].mean(), atol=1e-5)


def test_no_markup_of_a_user_counts() -> None:
    table = nasty(study(arms=4, seeds=3))
    graphs = [
        forest(compared(table), 0.005, METRIC, settled=True),
        curves(mean_curves(table.epochs), {NASTY: NASTY}, METRIC),
    ]
    for graph in graphs:
        assert "<script" not in graph.to_json()
        assert "<img" not in graph.to_json()
    assert shown("a <b>b</b>\n& c") == "a &lt;b&gt;b&lt;/b&gt; &amp; c"


def test_a_graph_is_small_enough_to_be_written_often() -> None:
    table = study(arms=30)
    graphs = [
        forest(compared(table), 0.005, METRIC, settled=True),
        curves(mean_curves(table.epochs), {arm: arm for arm in table.arms["arm"][:9]}, METRIC),
    ]
    assert all(len(graph.to_json()) < 6_000 for graph in graphs)
