"""Whether a step of a path is worth something else where it stood than at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.design.arms import change_text
from ablation.report.effects.health import diverged_arms, of_arms, untrained_arms
from ablation.report.effects.replicates import paired, rounding_between
from ablation.report.path.steps import SCIENTIFIC, change_of, steps_of
from ablation.settings import Value
from ablation.statistics.inference import (
    MeanDifference,
    holm,
    paired_test,
    unsound,
    without_verdict,
)
from ablation.statistics.power import ALPHA
from ablation.statistics.settling import repeated

INTERACTIONS = [
    *("interaction", "interaction_ci_low", "interaction_ci_high"),
    *("interaction_p", "interaction_p_holm", "depends_on_order", "other_order", "other_where"),
]
"""The columns that say it."""


def interactions(
    trials: pd.DataFrame, arms: pd.DataFrame, roles: Sequence[str], looks: int = 1
) -> pd.DataFrame:
    """Whether a step is worth something else where it stood than at the end, paired by seed.

    By seed ``I_k = (y_k - y_(k-1)) - (y_best - y_(best without k))``: of each scientific step but
    the last whose change alone was taken back. These are one family of Holm's. Where one is
    significant, the step and all later ones depend on the order. That none is does not show that
    none does.

    Args:
        trials, arms: as in `ablation.report.path.effects.path_effects`.
        roles: of the baseline and the steps.
        looks: how many were declared: p is multiplied by it, and intervals hold at all of them.

    Returns:
        A row for the baseline and each step: ``interaction`` (its mean), ``interaction_ci_low``,
        ``interaction_ci_high``, ``interaction_p``, ``interaction_p_holm``, ``depends_on_order``,
        and of these steps the effect in another order, where it was trained: ``other_order``, and
        with which changes, or without which, in ``other_where``.
    """
    steps = steps_of(arms)
    tests = {
        place: repeated(test, looks)
        for place in range(1, len(steps) - 1)
        if roles[place] == SCIENTIFIC
        and (test := _interaction(trials, arms, steps, place)) is not None
    }
    adjusted = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    first = min((place for place, p in adjusted.items() if p < ALPHA), default=len(steps))
    rows: list[dict[str, Any]] = []
    for place in range(len(steps)):
        row: dict[str, Any] = {"depends_on_order": place >= first}
        if place in tests:
            test = tests[place]
            p_holm = math.nan if test.why_not else float(adjusted[place])
            ends = [test.mean, test.low, test.high, test.p, p_holm]
            row |= dict(zip(INTERACTIONS, ends, strict=False))
        if place >= first:
            row |= _other_order(trials, arms, steps, place, first)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=INTERACTIONS)
    return frame.astype(dict.fromkeys([*INTERACTIONS[:5], "other_order"], "float64"))


def _interaction(
    trials: pd.DataFrame, arms: pd.DataFrame, steps: pd.DataFrame, place: int
) -> MeanDifference | None:
    """A step's effect where it stood less that at the end, by seed; None where not trained."""
    best, change = steps.iloc[-1], change_of(steps, place)
    without = {name: value for name, value in best["changed"].items() if name not in change}
    back = [str(arm) for arm, changed in _changed(arms) if changed == without]
    if not back:
        return None
    used = [*(str(steps["arm"].iloc[at]) for at in (place, place - 1)), str(best["arm"]), back[0]]
    excess = paired(trials, used[0], used[1]) - paired(trials, used[2], used[3])
    test = unsound(
        paired_test(excess.dropna(), rounding=rounding_between(trials)(*used)),
        of_arms(diverged_arms(trials), used),
    )
    none = of_arms(untrained_arms(trials), used)
    return without_verdict(test, none) if none else test


def _other_order(
    trials: pd.DataFrame, arms: pd.DataFrame, steps: pd.DataFrame, place: int, first: int
) -> dict[str, Any]:
    """What a step gives among other changes than where it stood, if two such arms were trained.

    Of the first that depends on the order this is what it gives at the end, of later ones what
    they give without that.
    """
    change, lost = change_of(steps, place), change_of(steps, first)
    stood = steps["changed"].iloc[place - 1]
    for before, having in _changed(arms):
        for after, wanted in _changed(arms):
            if wanted != {**having, **change} or wanted == having or having == stood:
                continue
            if place > first and not lost.keys().isdisjoint(having):
                continue
            known = rounding_between(trials)(after, before)
            test = paired_test(paired(trials, after, before), rounding=known)
            more = {name: x for name, x in having.items() if name not in stood}
            less = {name: x for name, x in stood.items() if name not in having}
            words = [
                f"{word} {change_text(x)}" for word, x in (("with", more), ("without", less)) if x
            ]
            return {"other_order": test.mean, "other_where": " and ".join(words)}
    return {}


def _changed(arms: pd.DataFrame) -> list[tuple[str, dict[str, Value]]]:
    return list(zip(arms["arm"], arms["changed"], strict=True))
