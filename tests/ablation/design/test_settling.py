"""Which arms a study still trains after the looks that it has taken; figures are made up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ablation.design.settling import Settling, TakenLook
from ablation.statistics.settling import LookFigures

AGAINST = {"baseline": "", "y": "baseline", "x": "y", "z": "baseline"}
DECLARED = Settling((5, 10, 20), AGAINST)
FOUND = LookFigures(5, 3.0, 0.1, p=1e-9, e=1.0)
OPEN = LookFigures(5, 0.3, 1.0, p=0.5, e=0.5)


def after(*looks: dict[str, LookFigures], of: Settling = DECLARED) -> Settling:
    """The same once these looks have been taken."""
    seeds = of.all_looks
    taken = tuple(
        TakenLook(number, tuple(range(seeds[number - 1])), figures)
        for number, figures in enumerate(looks, 1)
    )
    return replace(of, taken=taken)


def test_before_the_first_look_every_arm_is_needed() -> None:
    assert DECLARED.needed == ("baseline", "y", "x", "z")
    assert (DECLARED.next_look, DECLARED.next_seeds, DECLARED.most) == (1, 5, 80)
    assert DECLARED.due() == dict.fromkeys(AGAINST, 5)
    assert DECLARED.wanted() == dict.fromkeys(AGAINST, 20)


def test_an_arm_that_another_is_compared_with_goes_on_and_keeps_its_verdict() -> None:
    settled = after({"y": FOUND, "x": OPEN, "z": FOUND})
    assert settled.active == ("x",)
    assert settled.needed == ("baseline", "y", "x")
    assert settled.due() == {"baseline": 10, "y": 10, "x": 10, "z": 0}
    assert settled.wanted() == {"baseline": 20, "y": 20, "x": 20, "z": 5}
    later = after({"y": FOUND, "x": OPEN, "z": FOUND}, {"x": FOUND})
    assert later.standings()["y"].last == FOUND
    assert later.standings()["y"].look == 1
    assert later.wanted() == {"baseline": 10, "y": 10, "x": 10, "z": 5}
    assert not any(later.due().values())


def test_it_ends_when_no_arm_is_open() -> None:
    over = after({"y": FOUND, "x": FOUND, "z": FOUND})
    assert over.is_over
    assert (over.next_look, over.next_seeds, over.needed) == (None, 0, ())
    assert sum(over.wanted().values()) == 20


def test_it_ends_with_the_last_look_whatever_is_open() -> None:
    nothing = dict.fromkeys(DECLARED.family, OPEN)
    over = after(nothing, nothing, nothing)
    assert over.is_over
    assert over.active == ("y", "x", "z")
    assert sum(over.wanted().values()) == over.most


def test_looks_beyond_the_last_one_come_from_the_reserve() -> None:
    nothing = dict.fromkeys(DECLARED.family, OPEN)
    extended = replace(DECLARED, reserve=True, extra=(25, 30))
    three = after(nothing, nothing, nothing, of=extended)
    assert (three.next_look, three.next_seeds) == (4, 25)
    five = after(*[nothing] * 5, of=extended)
    assert five.factors == [4, 4, 4, 8, 16]
    assert five.is_over


@pytest.mark.parametrize("failed", [LookFigures(0, math.nan, math.nan)])
def test_an_arm_without_a_pair_stays_open(failed: LookFigures) -> None:
    assert after({"y": FOUND, "x": failed, "z": FOUND}).active == ("x",)
