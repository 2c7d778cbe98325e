"""Main effects, interactions and sums of effects: by hand, by least squares, by an ANOVA.

statsmodels, pingouin and scipy are oracles here; the program itself needs none of the first two.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from ablation.report.effects.contrasts import COLUMNS, contrasts, empty_cells, idle_arms
from ablation.statistics.inference import holm, paired_test
from tests.helpers.made.report_studies import study

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
    arms = arms.assign(changed=pd.Series([{"a": a, "b": b} for a, b in names]))
    arms["kind"] = ["baseline", *["level"] * 5]
    trials = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    return trials.assign(state="COMPLETE", number=range(len(rows))), arms


def cell_means(trials: pd.DataFrame, arms: pd.DataFrame) -> dict[tuple[str, str], float]:
    means = trials.groupby("arm")["value"].mean()
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


def by_seed_of(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.pivot(index="seed", columns="arm", values="value")


def test_a_contrast_is_tested_by_seed_over_its_own_cells() -> None:
    trials, arms = grid(seeds=5)
    rows = contrasts(trials, arms, "factorial", ["a", "b"]).set_index("term")
    y = by_seed_of(trials)
    cells = zip(arms["a"], arms["b"], arms["arm"], strict=True)
    at = {a + b: y[arm] for a, b, arm in cells}
    by_hand = {
        "a 2 instead of 1": sum(at["2" + b] - at["1" + b] for b in "xyz") / 3,
        "b z instead of x": sum(at[a + "z"] - at[a + "x"] for a in "12") / 2,
        "a 2 with b y": at["2y"] - at["1y"] - at["2x"] + at["1x"],
    }
    for term, values in by_hand.items():
        theirs, row = stats.ttest_1samp(values, 0.0), rows.loc[term]
        assert row["delta"] == pytest.approx(np.mean(values)), term
        assert row["p_value"] == pytest.approx(theirs.pvalue), term
        ends = theirs.confidence_interval(0.95)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high)), term


def test_complete_blocks_have_the_estimates_of_sum_coded_least_squares() -> None:
    trials, arms = grid(seeds=5, interaction=0.01)
    rows = contrasts(trials, arms, "factorial", ["a", "b"]).set_index("term")
    data = trials.merge(arms[["arm", "a", "b"]], on="arm")
    fit = smf.ols("value ~ C(seed, Sum) + C(a, Sum) * C(b, Sum)", data).fit()
    at = arms[["a", "b"]].assign(seed=0)
    mean = {a + b: x for a, b, x in zip(at["a"], at["b"], fit.predict(at), strict=True)}
    main = np.mean([mean["2" + b] - mean["1" + b] for b in "xyz"])
    assert rows.loc["a 2 instead of 1", "delta"] == pytest.approx(main)
    both = mean["2z"] - mean["1z"] - mean["2x"] + mean["1x"]
    assert rows.loc["a 2 with b z", "delta"] == pytest.approx(both)


def test_three_factors_have_the_estimates_of_the_model_of_two_way_interactions() -> None:
    draw = np.random.default_rng(3)
    cells = list(itertools.product("12", "xyz", "pq"))
    arms = pd.DataFrame(cells, columns=["a", "b", "c"])
    names = ["baseline", *(f"a={a}+b={b}+c={c}" for a, b, c in cells[1:])]
    changed = pd.Series([dict(zip("abc", cell, strict=True)) for cell in cells])
    arms = arms.assign(arm=names, changed=changed, against=["", *["baseline"] * 11])
    arms["kind"] = ["baseline", *["level"] * 11]
    trials = pd.DataFrame([(n, s) for n in names for s in range(4)], columns=["arm", "seed"])
    trials = trials.assign(value=draw.normal(0.9, 0.01, 48), state="COMPLETE")
    rows = contrasts(trials, arms, "factorial", ["a", "b", "c"]).set_index("term")
    data = trials.merge(arms[["arm", "a", "b", "c"]], on="arm")
    model = "(C(a, Sum) + C(b, Sum) + C(c, Sum)) ** 2"  # what goes beyond is residual
    fit = smf.ols(f"value ~ C(seed, Sum) + {model}", data).fit()
    at = arms[["a", "b", "c"]].assign(seed=0)
    at["mean"] = fit.predict(at)
    of_b = at.groupby("b")["mean"].mean()
    assert rows.loc["b z instead of x", "delta"] == pytest.approx(of_b["z"] - of_b["x"])
    of_ac = at.groupby(["a", "c"])["mean"].mean()
    both = of_ac["2", "q"] - of_ac["1", "q"] - of_ac["2", "p"] + of_ac["1", "p"]
    assert rows.loc["a 2 with c q", "delta"] == pytest.approx(both)


def test_an_interaction_of_two_levels_is_that_of_an_anova_with_repeated_measures() -> None:
    trials, arms = grid(seeds=6, interaction=0.003)
    two = arms[arms["b"] != "z"]
    rows = contrasts(trials, two, "factorial", ["a", "b"]).set_index("term")
    data = trials.merge(two[["arm", "a", "b"]], on="arm")
    found = pingouin.rm_anova(data, dv="value", within=["a", "b"], subject="seed")
    p = dict(zip(found["Source"], found.filter(regex="^p.unc").iloc[:, 0], strict=True))
    assert rows.loc["a 2 instead of 1", "p_value"] == pytest.approx(p["a"])
    assert rows.loc["b y instead of x", "p_value"] == pytest.approx(p["b"])
    assert rows.loc["a 2 with b y", "p_value"] == pytest.approx(p["a * b"])


def test_a_noisy_cell_widens_no_contrast_but_its_own() -> None:
    trials, arms = grid(seeds=6)
    noise = np.random.default_rng(5).normal(0, 0.05, 6)
    noisy = trials["arm"].isin(["b=z", "a=2+b=z"])
    shaken = trials["value"] + noise[trials["seed"]] * noisy
    before = contrasts(trials, arms, "factorial", ["a", "b"]).set_index("term")
    after = contrasts(trials.assign(value=shaken), arms, "factorial", ["a", "b"])
    after = after.set_index("term")
    own = ["b y instead of x", "a 2 with b y"]
    numbers = ["delta", "ci_low", "ci_high", "p_value"]
    assert after.loc[own, numbers].to_numpy() == pytest.approx(before.loc[own, numbers].to_numpy())
    assert after["ci_high"]["b z instead of x"] > before["ci_high"]["b z instead of x"]


def test_each_kind_is_a_family_of_its_own() -> None:
    trials, arms = grid()
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    for kind, group in rows.groupby("kind"):
        assert group["p_holm"].tolist() == pytest.approx(list(holm(list(group["p_value"])))), kind


def test_an_empty_cell_takes_only_the_contrasts_that_need_it() -> None:
    trials, arms = grid()
    fewer = trials[trials["arm"] != "a=2+b=y"]
    assert empty_cells(fewer, arms) == ["a=2+b=y"]
    assert empty_cells(trials, arms) == []
    whole = contrasts(trials, arms, "factorial", ["a", "b"]).set_index("term")
    rows = contrasts(fewer, arms, "factorial", ["a", "b"]).set_index("term")
    assert list(rows.index) == list(whole.index)  # the family is the design's
    assert rows["n"].to_dict() == {
        "a 2 instead of 1": 0, "b y instead of x": 0, "b z instead of x": 4,
        "a 2 with b y": 0, "a 2 with b z": 4,
    }  # fmt: skip
    gone, kept = ["a 2 instead of 1", "b y instead of x"], "b z instead of x"
    assert rows.loc[gone, ["delta", "ci_low", "p_value", "p_holm"]].isna().all(axis=None)
    assert rows.loc[kept, "delta"] == pytest.approx(whole.loc[kept, "delta"])
    assert rows.loc[kept, "p_holm"] == pytest.approx(min(1, 3 * rows["p_value"][kept]))


def test_a_training_that_diverged_leaves_its_seed_out_of_its_contrasts() -> None:
    trials, arms = grid(seeds=5)
    lost = (trials["arm"] == "a=2+b=y") & (trials["seed"] == 1)
    diverged = trials.assign(diverged=np.where(lost, 2.0, np.nan))
    rows = contrasts(diverged, arms, "factorial", ["a", "b"]).set_index("term")
    assert rows["n"].tolist() == [4, 4, 5, 4, 5]
    y = by_seed_of(trials).drop(index=1)
    values = (y["a=2+b=y"] - y["b=y"]) - (y["a=2"] - y["baseline"])
    assert rows.loc["a 2 with b y", "delta"] == pytest.approx(values.mean())


def test_seeds_that_do_not_differ_are_no_test() -> None:
    trials, arms = grid()
    means = trials.groupby("arm")["value"].transform("mean")
    flat = trials.assign(value=means + 0.001 * trials["seed"])
    rows = contrasts(flat, arms, "factorial", ["a", "b"])
    assert rows["n"].tolist() == [4] * 5
    assert rows["p_value"].isna().all()


def conditional(seeds: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A factorial in which b has no effect at a=0 (a dropout's count, where nothing drops out)."""
    draw = np.random.default_rng(1)
    cells = [(a, b, c) for a in "012" for b in ("xy" if a != "0" else [""]) for c in "pq"]
    names = ["baseline", *(f"a={a}+b={b}+c={c}" for a, b, c in cells[1:])]
    arms = pd.DataFrame(cells, columns=["a", "b", "c"]).assign(arm=names, against="baseline")
    changed = [dict(zip("abc", cell, strict=True)) for cell in cells]
    arms = arms.assign(changed=pd.Series(changed))
    arms["kind"] = "level"
    rows = [
        (arm, seed, 0.9 + 0.01 * place + 0.001 * seed + draw.normal(0, 0.002))
        for place, arm in enumerate(names)
        for seed in range(seeds)
    ]
    trials = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    return trials.assign(state="COMPLETE", number=range(len(rows))), arms


def test_an_arm_in_which_a_factor_has_no_effect_is_left_out_of_that_factors_means_alone() -> None:
    trials, arms = conditional()
    rows = contrasts(trials, arms, "factorial", ["a", "b", "c"]).set_index("term")
    y = trials.pivot(index="seed", columns="arm", values="value")
    cells = zip(arms["a"], arms["b"], arms["c"], arms["arm"], strict=True)
    names = {(a, b, c): arm for a, b, c, arm in cells}
    m = {cell: float(y[arm].mean()) for cell, arm in names.items()}
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
    values = sum(y[names[a, "y", c]] - y[names[a, "x", c]] for a in "12" for c in "pq")
    theirs = stats.ttest_1samp(values / 4, 0.0).confidence_interval(0.95)
    row = rows.loc["b y instead of x"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((theirs.low, theirs.high))
    assert idle_arms(arms, ["a", "b", "c"]) == {"b": ["baseline", "a=0+b=+c=q"]}


def test_levels_that_meet_other_levels_elsewhere_are_not_compared() -> None:
    trials, arms = grid()
    gone = "a=2+b=z"  # as where a combination is the same network as another
    rows = contrasts(
        trials[trials["arm"] != gone], arms[arms["arm"] != gone], "factorial", ["a", "b"]
    )
    assert rows["term"].tolist() == ["b y instead of x", "a 2 with b y"]


def test_each_contrast_counts_its_own_seeds() -> None:
    trials, arms = grid()
    fewer = trials[(trials["arm"] != "b=y") | (trials["seed"] != 3)]
    rows = contrasts(fewer, arms, "factorial", ["a", "b"])
    assert rows["n"].tolist() == [3, 3, 4, 3, 4]


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_do_not_break_it(seeds: int) -> None:
    trials, arms = grid(seeds)
    rows = contrasts(trials, arms, "factorial", ["a", "b"])
    assert rows["n"].tolist() == [seeds] * 5
    assert rows["delta"].notna().all()
    assert rows["p_holm"].notna().tolist() == [seeds > 1] * 5


def test_a_factor_may_have_any_name() -> None:
    trials, arms = grid()
    odd = arms.rename(columns={"a": "Q('x') ~ 1"})
    rows = contrasts(trials, odd, "factorial", ["Q('x') ~ 1", "b"])
    assert rows["term"].iloc[0] == "Q('x') ~ 1 2 instead of 1"


def test_additivity_is_together_less_the_sum_of_the_single_effects() -> None:
    table = study(arms=10, seeds=4)
    rows = contrasts(table.trials, table.arms, table.design, list(table.factors))
    assert rows["kind"].tolist() == ["additivity"]
    assert rows["term"].tolist() == ["concluded less hidden_size=256 and dropout=0.1"]
    by_seed = table.trials.pivot(index="seed", columns="arm", values="value")
    alone = by_seed["hidden_size=256"] + by_seed["dropout=0.1"] - by_seed["baseline"]
    test = paired_test(by_seed["concluded"] - alone)
    assert rows["delta"].iloc[0] == pytest.approx(test.mean)
    assert rows["p_value"].iloc[0] == pytest.approx(test.p)
    assert rows["p_holm"].iloc[0] == pytest.approx(test.p)


def test_a_search_has_no_contrasts() -> None:
    table = study("search", arms=6)
    assert contrasts(table.trials, table.arms, "search", list(table.factors)).empty
