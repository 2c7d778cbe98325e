"""Comparisons that end at the first of several declared looks that settles them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from ablation.objective.metric import Direction
from ablation.statistics.inference import holm, paired_test, verdict, within
from ablation.statistics.power import ALPHA, seeds_to_settle
from ablation.statistics.settling import (
    LookFigures,
    Standing,
    look_factors,
    look_figures,
    repeated,
    repeated_interval,
    standings,
)

LOOKS = (5, 10, 15, 20)
MARGIN = 0.5
BIG = [3.1, 2.8, 3.2, 2.9, 3.0]
NULL = [0.1, -0.2, 0.05, 0, 0.1, -0.1, 0.2, 0, -0.05, 0.1]
FAILED = [1.0, None, 0.9, 1.2, 1.1, 0.8, 1.0, 1.1, 0.9, 1.3]  # one training failed
Differences = Mapping[str, Sequence[float | None]]


def settle(
    differences: Differences,
    looks: Sequence[int] = LOOKS,
    margin: float = MARGIN,
    direction: Direction = "maximize",
) -> tuple[dict[str, Standing], list[dict[str, LookFigures]]]:
    """Take looks as a study does: only what is still active is looked at."""
    taken: list[dict[str, LookFigures]] = []

    def now() -> dict[str, Standing]:
        factors = look_factors(len(looks), len(taken))
        return standings(taken, list(differences), factors, direction)

    for seeds in looks:
        active = [name for name, each in now().items() if each.is_active]
        if not active:
            break
        pairs = {name: [d for d in differences[name][:seeds] if d is not None] for name in active}
        taken.append({name: look_figures(own, margin) for name, own in pairs.items()})
    return now(), taken


def longer(values: Sequence[float | None]) -> list[float | None]:
    """Later seeds repeat the first value."""
    return [*values, *[values[0]] * (LOOKS[-1] - len(values))]


def test_three_comparisons_end_at_the_first_look() -> None:
    arms = {"big": longer(BIG), "null": longer(NULL), "failed": longer(FAILED)}
    now, taken = settle(arms)
    assert len(taken) == 1
    assert {arm: (each.verdict, each.look) for arm, each in now.items()} == {
        "big": ("better", 1), "null": ("equivalent", 1), "failed": ("better", 1),
    }  # fmt: skip
    assert now["big"].p == pytest.approx(7.38005e-06, rel=1e-5)
    assert now["null"].e == pytest.approx(0.00183922, rel=1e-5)
    assert now["failed"].p == pytest.approx(0.00202194, rel=1e-5)
    assert taken[0]["failed"].n == 4


def test_one_look_is_the_test_of_a_fixed_number_of_seeds() -> None:
    rng = np.random.default_rng(0)
    shifts = np.repeat([0.0, 0.4, -0.6, 2.0], 3)
    arms = {str(i): list(rng.normal(shift, 0.5, 10)) for i, shift in enumerate(shifts)}
    now, _ = settle(arms, looks=(10,))
    tests = {arm: paired_test(own) for arm, own in arms.items()}
    adjusted = holm([test.p for test in tests.values()])
    for (arm, test), p_holm in zip(tests.items(), adjusted, strict=True):
        assert now[arm].verdict == verdict(test, p_holm, MARGIN)
        assert now[arm].p == pytest.approx(test.p, rel=1e-12)
        figures = now[arm].last
        assert figures is not None
        assert repeated_interval(figures, 1) == pytest.approx((test.low, test.high), rel=1e-12)
    assert len({each.verdict for each in now.values()}) == 4  # every kind occurred


def test_the_figures_of_a_look_are_those_of_scipy() -> None:
    d = np.random.default_rng(1).normal(0.2, 0.3, 8)
    figures = look_figures(d, MARGIN)
    assert figures.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-12)
    above = stats.ttest_1samp(d, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(d, MARGIN, alternative="less").pvalue
    assert figures.e == pytest.approx(max(above, below), rel=1e-12)


@pytest.mark.parametrize("differences", [[], [0.3], [0.3, 0.3, 0.3]])
def test_without_spread_a_look_shows_nothing(differences: list[float]) -> None:
    figures = look_figures(differences, MARGIN)
    assert (figures.p, figures.e) == (1.0, 1.0)


def test_a_comparison_without_a_pair_still_counts_in_the_family() -> None:
    p = look_figures(BIG, MARGIN).p
    alone, _ = settle({"arm": BIG}, looks=(5,))
    beside, _ = settle({"arm": BIG, "gone": [None] * 5}, looks=(5,))
    assert alone["arm"].p_holm == pytest.approx(p)
    assert beside["arm"].p_holm == pytest.approx(2 * p)
    assert beside["gone"].verdict == "inconclusive"


def test_what_has_settled_is_frozen_and_may_still_be_found_different() -> None:
    small = LookFigures(5, 0.2, 0.1, p=0.009, e=0.001)  # 3 · 2 · 0.009 is above 0.05
    other = LookFigures(5, 3.0, 3.0, p=0.02, e=1.0)
    later = LookFigures(10, 3.0, 1.0, p=1e-6, e=1.0)
    first = {"small": small, "a": other, "b": other}
    second = {"small": LookFigures(10, 9.0, 0.1, 0.9, 0.9), "a": later, "b": later}
    names = list(first)
    before = standings([first], names, look_factors(2, 1))
    after = standings([first, second], names, look_factors(2, 2))
    assert (before["small"].verdict, before["small"].look) == ("equivalent", 1)
    assert (
        after["small"].last == small
    )  # what it is said to be at the later look counts for nothing
    assert (after["small"].verdict, after["small"].look) == ("better", 1)
    assert [after[name].look for name in ("a", "b")] == [2, 2]


def test_less_is_better_where_the_direction_says_so() -> None:
    now, _ = settle({"lower": [-x for x in BIG], "higher": BIG}, direction="minimize")
    assert {arm: each.verdict for arm, each in now.items()} == {
        "lower": "better",
        "higher": "worse",
    }


def test_the_shares_of_all_looks_add_up_to_the_level() -> None:
    assert look_factors(4, 4) == [4, 4, 4, 4]
    assert look_factors(4, 7, reserve=True) == [5, 5, 5, 5, 10, 20, 40]
    assert math.fsum(1 / factor for factor in look_factors(4, 40, reserve=True)) <= 1
    with pytest.raises(ValueError, match="5 looks, and 4 were declared"):
        look_factors(4, 5)


def test_a_repeated_interval_covers_at_every_look_together() -> None:
    d = np.random.default_rng(2).normal(0, 1, (500, LOOKS[-1]))
    ends = [
        [repeated_interval(look_figures(row[:n], MARGIN), len(LOOKS)) for n in LOOKS] for row in d
    ]
    low, high = np.moveaxis(np.asarray(ends), 2, 0)
    assert ((low < 0) & (high > 0)).all(axis=1).mean() > 0.96


@pytest.mark.parametrize("looks", [1, 4])
def test_repeated_intervals_belong_to_the_p_and_the_e_of_all_looks(looks: int) -> None:
    """The 95 % one excludes 0 where K·p < 0.05, the 90 % one lies within ±margin where K·e is."""
    rng = np.random.default_rng(3)
    kinds = set()
    for shift in np.linspace(-0.8, 0.8, 60):
        d = rng.normal(shift, 0.5, 8)
        figures, test = look_figures(d, MARGIN), repeated(paired_test(d), looks)
        assert (test.low, test.high) == pytest.approx(repeated_interval(figures, looks), rel=1e-12)
        assert test.p == pytest.approx(min(1, looks * figures.p))
        differs, is_small = test.low > 0 or test.high < 0, within(test, MARGIN)
        assert differs == (looks * figures.p < ALPHA)
        assert is_small == (looks * figures.e < ALPHA)
        kinds.add((differs, is_small))
    assert len(kinds) > 2


def test_more_looks_take_more_seeds_to_settle() -> None:
    one, four = (seeds_to_settle(0.4, 10, 9, MARGIN, looks=looks)[0] for looks in (1, 4))
    assert one == seeds_to_settle(0.4, 10, 9, MARGIN)[0]
    t = [stats.t.ppf(1 - 0.05 / (2 * 9 * 4), n - 1) + stats.t.ppf(1 - 0.05 / 4, n - 1)
         for n in range(2, 100)]  # fmt: skip
    widths = [0.4 * each / math.sqrt(n) for n, each in enumerate(t, 2)]
    assert four == next(n for n, width in enumerate(widths, 2) if width <= MARGIN) > one
