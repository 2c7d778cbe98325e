"""Unpaired runs, summaries and folds, against scipy, statsmodels, pingouin and the formulas."""

from __future__ import annotations

import math

import numpy as np
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from ablation.statistics.inference import (
    MeanDifference,
    Summary,
    effect_size,
    folds_test,
    paired_test,
    summaries_test,
    summary_interval,
    verdict,
    welch_test,
)
from ablation.statistics.power import (
    PAIRS,
    Growth,
    detectable_by,
    minimum_detectable,
    power,
    seeds_to_settle,
    upper_spread,
)
from tests.helpers.fuzzing import examples

A = [0.9351, 0.9344, 0.9361, 0.9347]
B = [0.9318, 0.9322, 0.9315]
side = st.lists(st.floats(-1, 1), min_size=2, max_size=8).filter(lambda x: np.std(x) > 1e-6)


@examples(100)
@given(side, side)
def test_welchs_test_is_scipys_and_statsmodels(a: list[float], b: list[float]) -> None:
    test, theirs = welch_test(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert test.p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
    assert test.df == pytest.approx(theirs.df, rel=1e-9)
    means = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    for alpha, ends in ((0.05, (test.low, test.high)), (0.1, (test.inner_low, test.inner_high))):
        expected = means.tconfint_diff(alpha, usevar="unequal")
        assert ends == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert (test.n, test.n_against, test.why_not) == (len(a), len(b), "")


@examples(50)
@given(side, side, st.floats(0.01, 1))
def test_unpaired_equivalence_is_two_one_sided_tests(
    a: list[float], b: list[float], margin: float
) -> None:
    p = ttost_ind(np.array(a), np.array(b), -margin, margin, usevar="unequal")[0]
    if abs(p - 0.05) > 1e-9:
        said = verdict(welch_test(a, b), 1.0, margin)
        assert (said == "equivalent") is bool(p < 0.05)


@examples(50)
@given(side, side)
def test_summaries_say_what_their_runs_say(a: list[float], b: list[float]) -> None:
    sides = [Summary(float(np.mean(x)), float(np.std(x, ddof=1)), len(x)) for x in (a, b)]
    test, runs = summaries_test(*sides), welch_test(a, b)
    for name in ("mean", "sd", "low", "high", "inner_low", "inner_high", "p", "df", "sd_df"):
        assert getattr(test, name) == pytest.approx(getattr(runs, name), rel=1e-9, abs=1e-12)
    theirs = stats.ttest_ind_from_stats(
        *(sides[0].mean, sides[0].sd, sides[0].n), *(sides[1].mean, sides[1].sd, sides[1].n),
        equal_var=False,
    )  # fmt: skip
    assert test.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert summary_interval(sides[0]) == pytest.approx(DescrStatsW(a).tconfint_mean(0.05))


def test_pingouin_says_the_same_of_unpaired_runs() -> None:
    theirs = pingouin.ttest(B, A, correction=True).iloc[0]
    test = welch_test(B, A)
    assert (test.p, test.df) == pytest.approx((theirs["p_val"], theirs["dof"]))


def test_one_side_without_spread_is_a_test_of_the_other() -> None:
    test, theirs = welch_test([0.5] * 4, A), stats.ttest_1samp(A, 0.5)
    assert test.p == pytest.approx(theirs.pvalue)
    assert test.df == pytest.approx(3)


ONE, NONE = Summary(0.5, math.nan, 1), Summary(math.nan, math.nan, 0)


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (welch_test([], A), "a side has no run"),
        (summaries_test(NONE, Summary(0.5, 0.1, 3)), "a side has no run"),
        (welch_test([0.5], [0.6]), "one run shows no spread"),
        (summaries_test(ONE, ONE), "one run shows no spread"),
        (welch_test([0.5], A), "a side has only one run"),
        (welch_test([0.1 + 0.2, 0.3], [0.4, 0.4]), "all runs of a side have the same figure"),
        (folds_test([], 5), "no fold was finished on both sides"),
        (folds_test([0.1], 5), "one pair shows no spread"),
        (folds_test([0.1, 0.1], 5), "all pairs differ by the same amount"),
        (paired_test([], "split"), "no split was finished on both sides"),
    ],
)
def test_what_cannot_be_tested_says_why(test: MeanDifference, why: str) -> None:
    assert test.why_not == why
    assert math.isnan(test.p)
    assert math.isnan(test.low)
    assert verdict(test, 1.0, 0.005) == ""
    assert math.isnan(minimum_detectable(test.sd, 2, 1, test.df))
    assert math.isnan(effect_size(test))


def test_what_one_run_a_side_shows_is_a_mean() -> None:
    assert welch_test([0.5], [0.6]).mean == pytest.approx(-0.1)
    assert math.isnan(welch_test([], A).mean)


@pytest.mark.parametrize(("folds", "n"), [(5, 5), (10, 10), (5, 4), (2, 2), (5, 25)])
def test_folds_have_the_standard_error_of_nadeau_and_bengio(folds: int, n: int) -> None:
    d = np.random.default_rng(n).normal(0.01, 0.02, n)
    test, plain = folds_test(d, folds), paired_test(d)
    error = d.std(ddof=1) * math.sqrt(1 / n + 1 / (folds - 1))
    assert test.standard_error == pytest.approx(error)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / error, n - 1))
    for level, low, high in ((0.95, test.low, test.high), (0.9, test.inner_low, test.inner_high)):
        assert (low, high) == pytest.approx(stats.t.interval(level, n - 1, d.mean(), error))
    assert test.p > plain.p
    assert math.isnan(effect_size(test))


def test_the_effect_size_of_unpaired_runs_is_delacres() -> None:
    test = welch_test(B, A)
    variances = np.var(B, ddof=1), np.var(A, ddof=1)
    nu = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    j = special.gamma(nu / 2) / (math.sqrt(nu / 2) * special.gamma((nu - 1) / 2))
    expected = j * (np.mean(B) - np.mean(A)) / math.sqrt(sum(variances) / 2)
    assert effect_size(test) == pytest.approx(expected)


@pytest.mark.parametrize("sds", [(1.0, 1.0), (1.0, 3.0)])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 8)])
def test_the_minimum_detectable_of_unpaired_runs_is_found_four_times_in_five(
    sds: tuple[float, float], sizes: tuple[int, int]
) -> None:
    """Where the spreads are what they are: the noncentral t with Satterthwaite's degrees."""
    sides = [Summary(0.0, sd, n) for sd, n in zip(sds, sizes, strict=True)]
    test = summaries_test(*sides)
    least = minimum_detectable(test.sd, test.size, 3, test.df)
    assert power(least, test.sd, test.size, 3, test.df) == pytest.approx(0.8, abs=1e-6)
    critical = stats.t.ppf(1 - 0.05 / 6, test.df)
    found = stats.nct.sf(critical, test.df, least / test.standard_error)
    assert found == pytest.approx(0.8, abs=1e-4)


@pytest.mark.slow
def test_what_unpaired_runs_find_is_nearly_what_simulations_find() -> None:
    """A sample's degrees of freedom are below those of the true spreads, and so is the power."""
    growth = welch_test([0.0, 1.0], [0.0, 1.0]).growth
    assert growth == Growth(2.0)
    least = detectable_by(math.sqrt(2), 5, 1, growth)
    draw = np.random.default_rng(0).standard_normal((20_000, 2, 5))
    found = stats.ttest_ind(draw[:, 0] + least, draw[:, 1], axis=1, equal_var=False)
    share = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert 0.75 < share < 0.8


growths = st.sampled_from([PAIRS, Growth(1.3), Growth(2.0), Growth(floor=0.25), Growth(floor=1.0)])


@examples(50)
@given(st.floats(0.0005, 0.02), st.floats(2, 30), st.integers(1, 20), growths)
def test_the_number_that_settles_is_the_smallest_that_does(
    sd: float, n: float, m: int, growth: Growth
) -> None:
    def half_width(count: float) -> float:
        quantiles = stats.t.ppf([1 - 0.05 / (2 * m), 0.95], (count - 1) * growth.degrees)
        return float(quantiles.sum() * sd * math.sqrt(1 / count + growth.floor))

    low, high = seeds_to_settle(sd, n, m, 0.005, growth)
    assert 2 <= low <= high
    if math.isfinite(low):
        assert half_width(low) <= 0.005 * (1 + 1e-9)
        assert low == 2 or half_width(low - 1) > 0.005 * (1 - 1e-9)
    else:
        assert half_width(10_000) > 0.005


def test_no_number_of_folds_settles_what_is_below_their_floor() -> None:
    growth, spread = folds_test([0.01, 0.02, 0.03, 0.02, 0.01], 5).growth, 0.02
    assert growth.floor == 0.25
    assert seeds_to_settle(spread, 5, 1, 0.005, growth) == (math.inf, math.inf)
    assert math.isfinite(seeds_to_settle(spread, 5, 1, 0.005)[1])
    assert math.isfinite(seeds_to_settle(spread / 100, 5, 1, 0.005, growth)[1])
    assert detectable_by(spread, 10_000, 1, growth) > spread


def test_without_a_margin_nothing_settles() -> None:
    assert all(map(math.isnan, seeds_to_settle(0.01, 5, 3, 0.0)))
    assert verdict(paired_test([1e-6, -1e-6, 2e-6]), 1.0, 0.0) == "inconclusive"


def test_the_spread_of_unpaired_runs_is_known_from_both_sides() -> None:
    alike = summaries_test(Summary(0.0, 1.0, 6), Summary(0.0, 1.0, 6))
    assert alike.sd_df == pytest.approx(10)
    expected = math.sqrt(2) * math.sqrt(10 / stats.chi2.ppf(0.2, 10))
    assert upper_spread(alike.sd, alike.sd_df + 1) == pytest.approx(expected)
