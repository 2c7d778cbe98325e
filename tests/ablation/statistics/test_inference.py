"""The statistics of pairs, against scipy, statsmodels and what can be counted or simulated."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from ablation.statistics.inference import (
    EXACT,
    effect_size,
    holm,
    mean_interval,
    paired_test,
    prediction_interval,
    sign_flip,
    verdict,
    welch_test,
)
from ablation.statistics.power import MOST_SEEDS, minimum_detectable, power, seeds_to_settle
from ablation.statistics.rounding import rounding_of
from tests.helpers.fuzzing import examples

some = st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=12).filter(lambda d: np.std(d) > 1e-6)


@pytest.mark.slow
@given(some)
def test_p_and_interval_are_scipys_and_statsmodels(d: list[float]) -> None:
    test, theirs = paired_test(d), stats.ttest_1samp(d, 0.0)
    assert test.p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
    for alpha, ends in ((0.05, (test.low, test.high)), (0.1, (test.inner_low, test.inner_high))):
        assert ends == pytest.approx(DescrStatsW(d).tconfint_mean(alpha), rel=1e-9, abs=1e-12)
    assert (test.n, test.why_not) == (len(d), "")


@given(some, st.floats(0.001, 0.1))
def test_equivalence_is_two_one_sided_tests(d: list[float], margin: float) -> None:
    p = ttost_paired(np.array(d), np.zeros(len(d)), -margin, margin)[0]
    if abs(p - 0.05) > 1e-9:
        assert (verdict(paired_test(d), 1.0, margin) == "equivalent") is bool(p < 0.05)


@examples(25)  # it takes 10 ms for each
@given(some, st.integers(1, 12))
def test_pingouin_says_the_same(d: list[float], m: int) -> None:
    test, none = paired_test(d), np.zeros(len(d))
    theirs = pingouin.ttest(d, none, paired=True).iloc[0]
    assert test.p == pytest.approx(theirs["p_val"], rel=1e-9)
    assert test.n - 1 == theirs["dof"]
    equivalent = pingouin.tost(d, none, bound=0.005, paired=True)["pval"].iloc[0]
    if abs(equivalent - 0.05) > 1e-9:
        assert (verdict(test, 1.0, 0.005) == "equivalent") is bool(equivalent < 0.05)
    size = 2.5 / math.sqrt(test.n)  # where the other tail counts for nothing
    found = pingouin.power_ttest(d=size, n=test.n, alpha=0.05 / m, contrast="paired")
    assert power(size, 1.0, test.n, m) == pytest.approx(found, abs=1e-3)
    p = list(np.abs(d))
    assert holm(p) == pytest.approx(pingouin.multicomp(p, method="holm")[1])


@pytest.mark.parametrize(("d", "why"), [
    ([], "no seed was finished on both sides"),
    ([0.01], "one pair shows no spread"),
    ([0.01, 0.01, 0.01], "all pairs differ by the same amount"),
    ([0.0, 0.0], "both sides of each pair are equal"),
    ([0.1 + 0.2, 0.3, 0.3], "all pairs differ by the same amount"),
])  # fmt: skip
def test_what_cannot_be_tested_says_why(d: list[float], why: str) -> None:
    test = paired_test(d)
    assert (test.n, test.why_not) == (len(d), why)
    assert math.isnan(test.p)
    assert verdict(test, 0.0, 0.005) == ""
    assert math.isnan(effect_size(test))
    assert math.isnan(minimum_detectable(test.sd, test.n, 9))
    assert all(map(math.isnan, seeds_to_settle(test.sd, test.n, 9, 0.005)))


def test_equal_differences_of_float32_results_show_no_spread() -> None:
    hits = np.array([[349, 345], [348, 344]], np.float32)
    ours, theirs = (hits / np.float32(360)).astype(float)
    d = ours - theirs
    assert np.ptp(d) > 0
    known = rounding_of([*ours, *theirs])
    assert paired_test(d, rounding=known).why_not == "all pairs differ by the same amount"
    assert paired_test(d, rounding=rounding_of([0.1, 0.9])).why_not == ""
    counts = np.array([16_000_000, 16_000_001, 16_000_003])
    assert paired_test(counts - 16e6, rounding=rounding_of(counts)).why_not == ""


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e12])
def test_rounding_goes_by_the_size_of_the_values(scale: float) -> None:
    known = rounding_of([scale, 0.9 * scale])
    ours, theirs = scale * np.array([0.9, 0.8, 0.7]), scale * np.array([0.8, 0.7, 0.6])
    assert (
        paired_test(ours - theirs, rounding=known).why_not == "all pairs differ by the same amount"
    )
    noise = scale * np.array([1e-16, 0.0, -1e-16])
    assert paired_test(noise, rounding=known).why_not == "both sides of each pair are equal"
    apart = scale * np.array([0.1, 0.100001, 0.1])
    assert paired_test(apart, rounding=known).why_not == ""
    assert paired_test(apart).why_not == ""
    assert welch_test(apart, apart + scale).why_not == ""


@pytest.mark.parametrize("p", [[0.3], [0.01, 0.04, 0.03], [0.5, 0.0, 1.0, 0.5, 0.02, 1e-9]])
def test_holm_is_statsmodels(p: list[float]) -> None:  # which takes 0.2 s, however many there are
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_r(p: list[float]) -> None:
    ranked = sorted(range(len(p)), key=p.__getitem__)
    highest, by_hand = 0.0, [0.0] * len(p)
    for place, index in enumerate(ranked):
        highest = max(highest, min(1.0, (len(p) - place) * p[index]))
        by_hand[index] = highest
    assert holm(p) == pytest.approx(by_hand)


def test_an_arm_that_failed_counts_in_the_family() -> None:
    assert holm([0.02, math.nan, 0.03]) == pytest.approx([0.06, 1.0, 0.06])
    assert list(holm([])) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "n", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 10, 30, 200))]
)
def test_the_effect_size_is_unbiased_as_hedges_says(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [effect_size(paired_test(row)) for row in rng.normal(1.0, 2.0, (4000, n))]
    assert np.mean(found) == pytest.approx(0.5, abs=float(4 * np.std(found) / math.sqrt(4000)))


def test_the_effect_size_is_hedges_exact_factor() -> None:
    # J for 9 degrees of freedom: Γ(4.5) / (√4.5 Γ(4)), in fractions of √π.
    gamma = Fraction(7, 2) * Fraction(5, 2) * Fraction(3, 2) * Fraction(1, 2)
    j = float(gamma) * math.sqrt(math.pi) / (math.sqrt(4.5) * 6)
    d = [0.1 * k for k in range(10)]
    assert effect_size(paired_test(d)) == pytest.approx(j * np.mean(d) / np.std(d, ddof=1))
    assert math.isnan(effect_size(paired_test([0.1, 0.2])))


@pytest.mark.parametrize("m", [1, 9])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 20])
def test_the_minimum_detectable_has_a_power_of_80_percent(n: int, m: int) -> None:
    sd = 0.004
    delta = minimum_detectable(sd, n, m)
    assert power(delta, sd, n, m) == pytest.approx(0.8, abs=1e-6)
    one_sided = TTestPower().power(delta / sd, n, 0.05 / (2 * m), alternative="larger")
    assert one_sided == pytest.approx(0.8, abs=1e-4)
    assert minimum_detectable(2 * sd, n, m) == pytest.approx(2 * delta, rel=1e-6)


def test_power_is_what_is_found() -> None:
    rng = np.random.default_rng(1)
    d = rng.normal(0.004, 0.004, (20_000, 10))
    t = d.mean(1) / d.std(1, ddof=1) * math.sqrt(10)
    share = (t > stats.t.ppf(1 - 0.05 / 18, 9)).mean()
    assert power(0.004, 0.004, 10, 9) == pytest.approx(share, abs=0.01)


@given(st.floats(0.0005, 0.02), st.integers(2, 30), st.integers(1, 20), st.floats(0.002, 0.02))
def test_seeds_to_settle_is_the_smallest_number_that_does(
    sd: float, n: int, m: int, margin: float
) -> None:
    def half_widths(seeds: float) -> float:
        quantiles = stats.t.ppf([1 - 0.05 / (2 * m), 0.95], seeds - 1)
        return float(quantiles.sum() * sd / math.sqrt(seeds))

    low, high = seeds_to_settle(sd, n, m, margin)
    assert 2 <= low <= high
    if math.isfinite(low):
        assert half_widths(low) <= margin
        assert low == 2 or half_widths(low - 1) > margin


def test_seeds_to_settle_has_an_upper_80_percent_bound_of_the_spread() -> None:
    rng = np.random.default_rng(2)
    sds = rng.normal(0.0, 0.004, (400, 6)).std(1, ddof=1)
    true = seeds_to_settle(0.004, 1_000_000, 9, 0.005)[0]
    enough = [seeds_to_settle(float(sd), 6, 9, 0.005)[1] >= true for sd in sds]
    assert np.mean(enough) == pytest.approx(0.8, abs=0.08)


def test_what_no_number_of_seeds_settles_is_infinite() -> None:
    low, high = seeds_to_settle(1.0, 5, 9, 0.0001)
    assert (low, high) == (math.inf, math.inf)
    assert MOST_SEEDS >= 1000


@pytest.mark.parametrize(("d", "p_holm", "expected"), [
    ([0.02, 0.021, 0.019], 0.01, "better"),
    ([-0.02, -0.021, -0.019], 0.01, "worse"),
    ([0.001, 0.0011, 0.0009], 0.049, "better"),  # significant though within the margin
    ([0.001, 0.0011, 0.0009], 0.05, "equivalent"),
    ([0.02, -0.02, 0.03], 0.9, "inconclusive"),
    ([0.02, 0.021, 0.019], 0.05, "inconclusive"),
])  # fmt: skip
def test_the_verdict_is_the_first_that_holds(d: list[float], p_holm: float, expected: str) -> None:
    assert verdict(paired_test(d), p_holm, 0.005) == expected


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_sign_flips_are_counted(d: list[int]) -> None:
    sums = [abs(sum(s * x for s, x in zip(signs, d, strict=True)))
            for signs in product((1, -1), repeat=len(d))]  # fmt: skip
    share = sum(total >= abs(sum(d)) for total in sums) / len(sums)
    assert sign_flip([float(x) for x in d]) == pytest.approx(share)
    assert sign_flip([float(x) for x in d]) >= 2.0 ** (1 - len(d)) - 1e-12


def test_sign_flips_have_their_bounds() -> None:
    assert math.isnan(sign_flip([]))
    assert math.isnan(sign_flip([0.1] * (EXACT + 1)))
    assert sign_flip([0.1, 0.2, 0.3]) == 0.25


@pytest.mark.slow
def test_a_new_run_falls_into_the_prediction_interval_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    runs = rng.normal(0.9, 0.004, (8000, 6))
    inside = [low <= new <= high for *old, new in runs for low, high in [prediction_interval(old)]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)
    low, high = mean_interval([0.9, 0.91, 0.92])
    assert (low, high) == pytest.approx(DescrStatsW([0.9, 0.91, 0.92]).tconfint_mean())
    assert all(map(math.isnan, (*prediction_interval([0.9]), *mean_interval([0.9]))))
