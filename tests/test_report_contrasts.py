"""Main effects, interactions and sums of effects, against least squares and sums by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crnn.report.contrasts import COLUMNS, contrasts, empty_cells, inactive_arms
from crnn.report.inference import holm, paired_test
from tests.report_studies import study

LEVELS = {"a": ["1", "2"], "b": ["x", "y", "z"]}


def grid(seeds: int = 4, interaction: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A 2 x 3 factorial with noise: arms and trials."""
    draw = np.random.default_rng(0)
    names, rows = {}, []
    for a, b in itertools.product(*LEVELS.values()):
        name = "+".join(f"{f}={x}" for f, x in (("a", a), ("b", b)) if x != LEVELS[f][0])
        names[a, b] = name or "baseline"
        for seed in range(seeds):
            value = 0.9 + 0.01 * (a == "2") + 0.02 * (b == "z") + interaction * (a + b == "2z")
            rows.append((names[a, b], seed, value + 0.001 * seed + draw.normal(0, 0.002)))
    arms = pd.DataFrame({"arm": list(names.values()), "a": [a for a, _ in names],
                         "b": [b for _, b in names]})  # fmt: skip
    arms["against"] = ["", *["baseline"] * 5]
    arms["changes"] = arms["arm"].where(arms["arm"] != "baseline", "")
    trials = pd.DataFrame(rows, columns=["arm", "seed", "val_accuracy"])
    return trials.assign(state="COMPLETE", number=range(len(rows))), arms


def cell_means(trials: pd.DataFrame, arms: pd.DataFrame) -> dict[tuple[str, str], float]:
    means = trials.groupby("arm")["val_accuracy"].mean()
    return {(a, b): means[arm] for arm, a, b in zip(arms["arm"], arms["a"], arms["b"], strict=True)}


def test_main_effects_and_interactions_are_differences_of_cell_means() -> None:
    trials, arms = grid(interaction=0.01)
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    assert list(rows.columns) == COLUMNS
    m = cell_means(trials, arms)
    expected = {
        "a 2 instead of 1": np.mean([m["2", b] - m["1", b] for b in "xyz"]),
        "b y instead of x": np.mean([m[a, "y"] - m[a, "x"] for a in "12"]),
        "b z instead of x": np.mean([m[a, "z"] - m[a, "x"] for a in "12"]),
        "a 2 with b y": m["2", "y"] - m["2", "x"] - m["1", "y"] + m["1", "x"],
        "a 2 with b z": m["2", "z"] - m["2", "x"] - m["1", "z"] + m["1", "x"],
    }
    assert rows["delta"].tolist() == pytest.approx(list(expected.values()))
    assert rows["term"].tolist() == list(expected)
    assert rows["kind"].tolist() == ["main"] * 3 + ["interaction"] * 2
    assert rows["n"].tolist() == [4] * 5


def test_intervals_are_those_of_least_squares_with_seeds_as_blocks() -> None:
    trials, arms = grid()
    rows = contrasts(trials, arms, "factorial", ["a", "b"]).set_index("term")
    y = trials.pivot(index="seed", columns="arm", values="val_accuracy").to_numpy()
    residuals = y - y.mean(0) - y.mean(1, keepdims=True) + y.mean()
    degrees = 3 * 5  # (seeds - 1) x (cells - 1)
    variance = (residuals**2).sum() / degrees
    error = np.sqrt(variance * 2 / (4 * 3))  # of a difference of two means of 4 x 3
    half = stats.t.ppf(0.975, degrees) * error
    row = rows.loc["a 2 instead of 1"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        (row["delta"] - half, row["delta"] + half)
    )
    p = 2 * stats.t.sf(abs(row["delta"]) / error, degrees)
    assert row["p_value"] == pytest.approx(p)


def test_each_kind_is_a_family_of_its_own() -> None:
    trials, arms = grid()
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    for kind, group in rows.groupby("kind"):
        assert group["p_holm"].tolist() == pytest.approx(list(holm(list(group["p_value"])))), kind


def test_empty_cells_are_named_and_nothing_is_averaged() -> None:
    trials, arms = grid()
    fewer = trials[trials["arm"] != "a=2+b=y"]
    assert empty_cells(fewer, arms, ["a", "b"]) == ["a=2+b=y"]
    assert empty_cells(trials, arms, ["a", "b"]) == []
    assert contrasts(fewer, arms, "factorial", ["a", "b"]).empty


def test_an_arm_in_which_a_factor_has_no_effect_is_in_no_mean() -> None:
    trials, arms = grid()
    idle = pd.DataFrame(
        [{"arm": "a=0", "a": "0", "b": "", "against": "baseline", "changes": "a=0"}]
    )
    more = trials[trials["arm"] == "baseline"].assign(arm="a=0", val_accuracy=0.1)
    wider = contrasts(pd.concat([trials, more]), pd.concat([arms, idle]), "factorial", ["a", "b"])
    pd.testing.assert_frame_equal(wider, contrasts(trials, arms, "factorial", ["a", "b"]))


def test_a_baseline_in_which_a_factor_has_no_effect_leaves_another_reference() -> None:
    trials, arms = grid()
    arms.loc[arms["a"] == "1", "b"] = ""  # as a dropout's count has none where nothing drops out
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    assert rows["term"].tolist() == ["b y instead of x", "b z instead of x"]
    assert rows[["delta", "ci_low", "p_value", "p_holm"]].notna().all(axis=None)
    assert inactive_arms(arms, ["a", "b"]) == arms.loc[arms["a"] == "1", "arm"].tolist()


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_do_not_break_it(seeds: int) -> None:
    trials, arms = grid(seeds)
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    assert len(rows) == (0 if seeds == 1 else 5)


def test_names_of_users_do_not_reach_the_formula() -> None:
    trials, arms = grid()
    odd = arms.rename(columns={"a": "Q('x') ~ 1"})
    rows = contrasts(trials, odd, "factorial", ["Q('x') ~ 1", "b"])
    assert rows["term"].iloc[0] == "Q('x') ~ 1 2 instead of 1"


def test_additivity_is_together_less_the_sum_of_the_single_effects() -> None:
    table = study(arms=10, seeds=4)
    rows = contrasts(table.trials, table.arms, table.design, list(table.factors))
    assert rows["kind"].tolist() == ["additivity"]
    assert rows["term"].tolist() == ["concluded less hidden_size=256 and dropout=0.1"]
    by_seed = table.trials.pivot(index="seed", columns="arm", values="val_accuracy")
    alone = by_seed["hidden_size=256"] + by_seed["dropout=0.1"] - by_seed["baseline"]
    test = paired_test(by_seed["concluded"] - alone)
    assert rows["delta"].iloc[0] == pytest.approx(test.mean)
    assert rows["p_value"].iloc[0] == pytest.approx(test.p)
    assert rows["p_holm"].iloc[0] == pytest.approx(test.p)


def test_a_search_has_no_contrasts() -> None:
    table = study("search", arms=6)
    assert contrasts(table.trials, table.arms, "search", list(table.factors)).empty
