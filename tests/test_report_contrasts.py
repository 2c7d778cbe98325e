"""Main effects, interactions and sums of effects, against least squares and sums by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crnn.report.contrasts import COLUMNS, contrasts, empty_cells, idle_arms
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
    arms["changed"] = [{"a": a, "b": b} for a, b in names]
    arms["kind"] = ["baseline", *["level"] * 5]
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
    assert empty_cells(fewer, arms) == ["a=2+b=y"]
    assert empty_cells(trials, arms) == []
    assert contrasts(fewer, arms, "factorial", ["a", "b"]).empty


def conditional(seeds: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A factorial in which b has no effect at a=0 (a dropout's count, where nothing drops out)."""
    draw = np.random.default_rng(1)
    cells = [(a, b, c) for a in "012" for b in ("xy" if a != "0" else [""]) for c in "pq"]
    names = ["baseline", *(f"a={a}+b={b}+c={c}" for a, b, c in cells[1:])]
    arms = pd.DataFrame(cells, columns=["a", "b", "c"]).assign(arm=names, against="baseline")
    arms["changed"] = [dict(zip("abc", cell, strict=True)) for cell in cells]
    arms["kind"] = "level"
    rows = [
        (arm, seed, 0.9 + 0.01 * place + 0.001 * seed + draw.normal(0, 0.002))
        for place, arm in enumerate(names)
        for seed in range(seeds)
    ]
    trials = pd.DataFrame(rows, columns=["arm", "seed", "val_accuracy"])
    return trials.assign(state="COMPLETE", number=range(len(rows))), arms


def test_an_arm_in_which_a_factor_has_no_effect_is_left_out_of_that_factors_means_alone() -> None:
    trials, arms = conditional()
    rows = contrasts(trials, arms, "factorial", ["a", "b", "c"]).set_index("term")
    y = trials.pivot(index="seed", columns="arm", values="val_accuracy")
    cells = zip(arms["a"], arms["b"], arms["c"], arms["arm"], strict=True)
    m = {(a, b, c): float(y[arm].mean()) for a, b, c, arm in cells}
    at = {level: np.mean([mean for cell, mean in m.items() if cell[0] == level]) for level in "012"}
    assert list(rows.index[rows["kind"] == "main"]) == [
        "a 1 instead of 0", "a 2 instead of 0", "b y instead of x", "c q instead of p",
    ]  # fmt: skip
    assert rows.loc["a 1 instead of 0", "delta"] == pytest.approx(at["1"] - at["0"])
    of_b = np.mean([m[a, "y", c] - m[a, "x", c] for a in "12" for c in "pq"])
    assert rows.loc["b y instead of x", "delta"] == pytest.approx(of_b)
    of_c = np.mean([m[a, b, "q"] - m[a, b, "p"] for a, b, c in m if c == "p"])
    assert rows.loc["c q instead of p", "delta"] == pytest.approx(of_c)
    ab = [m["2", "y", c] - m["2", "x", c] - m["1", "y", c] + m["1", "x", c] for c in "pq"]
    assert rows.loc["a 2 with b y", "delta"] == pytest.approx(np.mean(ab))
    assert list(rows.index[rows["kind"] == "interaction"]) == [
        "a 2 with b y", "a 1 with c q", "a 2 with c q", "b y with c q",
    ]  # fmt: skip
    # Each cell has a mean of its own: the residuals are those of cells and seeds.
    residuals = y.sub(y.mean(), axis=1).sub(y.mean(axis=1) - y.to_numpy().mean(), axis=0)
    degrees = 3 * 9
    error = np.sqrt((residuals.to_numpy() ** 2).sum() / degrees * 2 / (4 * 4))
    row = rows.loc["b y instead of x"]
    half = stats.t.ppf(0.975, degrees) * error
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((of_b - half, of_b + half))
    assert idle_arms(arms, ["a", "b", "c"]) == {"b": ["baseline", "a=0+b=+c=q"]}


def test_levels_that_meet_other_levels_elsewhere_are_not_compared() -> None:
    trials, arms = grid()
    gone = "a=2+b=z"  # as where a combination is the same network as another
    rows = contrasts(
        trials[trials["arm"] != gone], arms[arms["arm"] != gone], "factorial", ["a", "b"]
    )
    assert rows["term"].tolist() == ["b y instead of x", "a 2 with b y"]


def test_the_fewest_seeds_of_any_cell_are_told() -> None:
    trials, arms = grid()
    fewer = trials[(trials["arm"] != "a=2") | (trials["seed"] != 3)]
    assert contrasts(fewer, arms, "factorial", ["a", "b"])["n"].tolist() == [3] * 5


def test_three_factors_and_one_seed_are_not_tested() -> None:
    trials, arms = grid(seeds=1)
    third = [arms.assign(c=c, arm=arms["arm"] + f"+c={c}" * (c == "q")) for c in "pq"]
    both = [trials, trials.assign(arm=trials["arm"] + "+c=q", val_accuracy=0.5)]
    assert contrasts(pd.concat(both), pd.concat(third), "factorial", ["a", "b", "c"]).empty


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
