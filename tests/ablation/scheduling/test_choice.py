"""Which arm of a confirmation is chosen: the best over the seeds that all candidates share."""

from __future__ import annotations

import pytest

from ablation.scheduling.choice import best_arm

SEEDS = (1, 2, 3, 4)
BASE = dict.fromkeys(SEEDS, 0.5)
SETTLED = {1: 0.6, 2: 0.6}
OPEN = {1: 0.55, 2: 0.55, 3: 0.9, 4: 0.9}


def test_more_seeds_are_no_merit() -> None:
    values = {"baseline": BASE, "settled": SETTLED, "open": OPEN}
    choice = best_arm(values, SEEDS, (), 1)
    assert (choice.arm, choice.seeds) == ("settled", (1, 2))
    assert choice.gains == pytest.approx({"baseline": 0, "settled": 0.1, "open": 0.05})


def test_less_may_be_better() -> None:
    values = {"baseline": BASE, "low": {1: 0.4, 2: 0.4}, "high": {1: 0.6, 2: 0.6}}
    assert best_arm(values, (1, 2), (), -1).arm == "low"


def test_what_diverged_or_lost_most_seeds_is_no_candidate() -> None:
    values = {"baseline": BASE, "diverged": SETTLED, "lucky": {1: 0.9}, "whole": OPEN}
    choice = best_arm(values, SEEDS, ("diverged",), 1)
    assert (choice.arm, choice.seeds) == ("whole", SEEDS)


def test_where_nothing_has_finished_it_is_the_baseline() -> None:
    assert best_arm({"baseline": {}, "lost": {}}, SEEDS, (), 1).arm == "baseline"
    assert best_arm({"baseline": {}}, (), (), 1).arm == "baseline"
    assert best_arm({"baseline": {}, "alone": OPEN}, SEEDS, (), 1).arm == "alone"
