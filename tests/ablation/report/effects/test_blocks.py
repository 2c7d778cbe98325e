"""Runs averaged over blocks, and effects block by block."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.block_means import block_means
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.blocks import constant_arms
from ablation.statistics.comparison import Comparison
from tests.helpers.made.imported import imported, rows

ERROR = Metric("error", direction="minimize")
BY_TASK = Comparison(blocks="task")
EASY = {"base": (0.10, 0.12, 0.11, 0.13), "deep": (0.08, 0.095, 0.09, 0.11), "flat": (0.2,) * 4}
HARD = {
    "base": (0.50, 0.52, 0.51, 0.55),
    "deep": (0.56, 0.565, 0.555, math.nan),
    "flat": (0.51, 0.50, 0.52, 0.55),
}


def frame() -> pd.DataFrame:
    """Two tasks; deep lacks seed 3 on hard."""
    return pd.concat([rows(EASY, "easy"), rows(HARD, "hard")], ignore_index=True)


def table(comparison: Comparison = BY_TASK) -> StudyTable:
    return imported(frame(), ERROR, 0.01, comparison)


def test_a_mean_over_blocks_is_of_seeds_that_are_complete_in_all_of_them() -> None:
    means = block_means(table().blocks)
    assert "block" not in means
    assert list(means.loc[means["arm"] == "deep", "seed"]) == [0, 1, 2]
    base = means[means["arm"] == "base"].set_index("seed")["value"]
    assert base.to_dict() == pytest.approx({0: 0.3, 1: 0.32, 2: 0.31, 3: 0.34})
    assert means["number"].is_unique


def test_a_score_on_test_data_is_averaged_where_every_block_has_it() -> None:
    runs = table().blocks
    runs["test_value"] = runs["value"] + 1
    runs.loc[(runs["arm"] == "base") & (runs["seed"] == 0) & (runs["block"] == "easy"),
             "test_value"] = np.nan  # fmt: skip
    means = block_means(runs).set_index(["arm", "seed"])["test_value"]
    assert math.isnan(means["base", 0])
    assert means["base", 1] == pytest.approx(1.32)


def test_the_order_of_runs_does_not_matter_to_means_over_blocks() -> None:
    runs = table().blocks
    keys = ["arm", "seed"]
    one, other = (
        block_means(each).sort_values(keys)[[*keys, "value"]].reset_index(drop=True)
        for each in (runs, runs.sample(frac=1, random_state=1))
    )
    pd.testing.assert_frame_equal(one, other)


def test_an_arm_without_a_block_has_no_mean() -> None:
    runs = table().blocks
    runs = runs[(runs["arm"] != "flat") | (runs["block"] == "easy")]
    assert "flat" not in set(block_means(runs)["arm"])


def test_the_mean_over_blocks_is_one_family_and_the_blocks_are_another() -> None:
    study = Analysis(table())
    assert len(study.tests) == 2
    found = study.block_effects
    assert list(found.columns[:3]) == ["block", "arm", "against"]
    compared = found[found["against"] != ""]
    pairs = [np.subtract(own[arm], own["base"]) for own in (EASY, HARD) for arm in ("deep", "flat")]
    p = [stats.ttest_1samp(d[np.isfinite(d)], 0).pvalue for d in pairs]
    assert list(compared["p_value"]) == pytest.approx(p)
    assert list(compared["p_holm"]) == pytest.approx(multipletests(p, method="holm")[1])
    assert list(zip(compared["block"], compared["arm"], compared["verdict"], strict=True)) == [
        ("easy", "deep", "better"), ("easy", "flat", "worse"),  # less is better
        ("hard", "deep", "worse"), ("hard", "flat", "inconclusive"),
    ]  # fmt: skip


def test_blocks_of_unpaired_runs_are_tested_by_welch() -> None:
    found = Analysis(table(Comparison("welch", of="run", blocks="task"))).block_effects
    row = found[(found["block"] == "hard") & (found["arm"] == "deep")].iloc[0]
    theirs = stats.ttest_ind(HARD["deep"][:3], HARD["base"], equal_var=False)
    assert (row["p_value"], row["df"]) == pytest.approx((theirs.pvalue, theirs.df))
    assert (row["n"], row["n_against"], row["test"]) == (3, 4, "Welch")
    assert pd.isna(row["pairs"])


@pytest.mark.parametrize(
    "comparison", [Comparison(blocks="task", no_mean="they differ"),
                   Comparison("summaries", blocks="task")],
)  # fmt: skip
def test_where_a_mean_says_nothing_there_is_none(comparison: Comparison) -> None:
    assert not comparison.has_mean
    runs = frame().assign(sd=0.01, n=5)
    if comparison.method == "summaries":
        runs = runs[runs["seed"] == 0]
    study = Analysis(imported(runs, ERROR, 0.01, comparison))
    assert study.table.trials.empty
    assert study.effects["delta"].isna().all()
    assert study.block_effects["delta"].notna().sum() == 4


def test_a_study_without_blocks_has_none() -> None:
    assert Analysis(imported(rows(EASY), ERROR, 0.01)).block_effects.empty


def test_arms_with_one_figure_for_all_runs_are_found() -> None:
    assert constant_arms(table().blocks) == [("easy", "flat", 4)]
    assert constant_arms(imported(rows(EASY), ERROR, 0.01).trials) == [("", "flat", 4)]
    assert constant_arms(imported(rows({"a": (1.0,), "b": (1.0,)}), ERROR, 0.01).trials) == []


@pytest.mark.parametrize(
    ("column", "one", "several"),
    [
        ("dataset", "data set", "data sets"),
        ("Task", "task", "tasks"),
        ("data_name", "value of data_name", "values of data_name"),
    ],
)
def test_what_blocks_are_called(column: str, one: str, several: str) -> None:
    comparison = Comparison(blocks=column)
    assert (comparison.block_noun, comparison.block_nouns) == (one, several)
    assert comparison.counted_blocks(1) == f"1 {one}"
    assert comparison.counted_blocks(1200) == f"1,200 {several}"
