"""Effects of studies that declared looks: verdicts from the figures stored at each look.

An arm is trained until a look settles it, so arms have unequal numbers of seeds. What is compared
is paired by seed, and rests on the seeds of an arm's last look and no others. An arm that awaits
a look has a mean and nothing else. Pure functions, which never change what they are given.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablation.design.settling import Settling
from ablation.objective.metric import sign_of
from ablation.report.data.study_table import StudyTable
from ablation.report.effects import effects as of_trials
from ablation.report.effects.health import SAME, divergence, withheld
from ablation.report.effects.replicates import pair_differences, replicate_keys, rounding_between
from ablation.scheduling.looks import UNTRAINED
from ablation.statistics.inference import (
    ALIKE,
    MeanDifference,
    effect_size,
    paired_test,
    unsound,
    without_verdict,
)
from ablation.statistics.power import minimum_detectable, seeds_to_settle
from ablation.statistics.settling import (
    LookFigures,
    Standing,
    repeated,
)

LOOK_COLUMNS = [
    "settled_look",
    "settled_seeds",
    "repeated_low",
    "repeated_high",
    "p_looks",
    "e_looks",
]
"""The columns that effects have beside those of other studies."""
HIDDEN = [
    *("val_sd", "test_sd"),
    *of_trials.COLUMNS[of_trials.COLUMNS.index("ci_low") : of_trials.COLUMNS.index("verdict")],
]
"""What is not shown of an arm that awaits a look, verdict and reason aside."""
NO_PAIR = "no seed was finished on both sides"
ONE_PAIR = "one pair shows no spread"


@dataclass(frozen=True)
class LastLook:
    """The last look at one arm.

    Attributes:
        figures: what its pairs say.
        seeds: the seeds that it looked at.
        factor: what its p is multiplied by.
    """

    figures: LookFigures
    seeds: tuple[int, ...]
    factor: int


def last_looks(settling: Settling) -> dict[str, LastLook]:
    """By arm that was looked at, its last look."""
    return {
        arm: LastLook(figures, look.seeds, factor)
        for look, factor in zip(settling.taken, settling.factors, strict=True)
        for arm, figures in look.figures.items()
    }


def awaiting(settling: Settling) -> tuple[str, ...]:
    """The arms that no look has settled, as long as one is awaited."""
    return () if settling.is_over else settling.active


def seeds_by_arm(settling: Settling) -> dict[str, int]:
    """By arm, how many seeds it has once the awaited look is due."""
    due = settling.due()
    return {arm: due[arm] or most for arm, most in settling.wanted().items()}


def at_looks(table: StudyTable) -> pd.DataFrame:
    """The trials that looks took, and those that the awaited one will take.

    These are an arm's trials with the first seeds, up to the last look that needed it; all trials
    where no looks were declared.
    """
    if table.settling is None:
        return table.trials
    seeds, trials = list(table.seeds), table.trials
    counts = seeds_by_arm(table.settling)
    keys = {(arm, seed) for arm, count in counts.items() for seed in seeds[:count]}
    return trials[_is_among(trials, keys)]


def pairs_at_looks(trials: pd.DataFrame, table: StudyTable, settling: Settling) -> pd.DataFrame:
    """As `pair_differences`, each arm's of the seeds of its last look; none of what awaits one."""
    pairs, waits = pair_differences(trials, table.arms), awaiting(settling)
    own = {arm: look for arm, look in last_looks(settling).items() if arm not in waits}
    keys = {(arm, seed) for arm, look in own.items() for seed in look.seeds}
    return pairs[_is_among(pairs, keys)].reset_index(drop=True)


def _is_among(rows: pd.DataFrame, keys: Container[tuple[str, int]]) -> npt.NDArray[np.bool_]:
    """By row, whether its arm and seed are among these."""
    return np.array([key in keys for key in zip(rows["arm"], rows["seed"], strict=True)], bool)


def stored_tests(table: StudyTable, settling: Settling) -> dict[str, MeanDifference]:
    """By arm, what its last look says at every look together (`repeated`).

    What awaits a look has a mean over the pairs so far and no test. Untrained arms have none
    either, whatever their pairs say.
    """
    own, trials = last_looks(settling), at_looks(table)
    none = withheld(trials, table.arms, table.metric.direction)
    nothing = LastLook(LookFigures(0, math.nan, math.nan), (), 1)
    so_far = dict(tuple(pair_differences(trials, table.arms).groupby("arm")["difference"]))
    tests = {}
    for arm in settling.family:
        look = own.get(arm, nothing)
        test = repeated(_test(look.figures), look.factor)
        tests[arm] = without_verdict(test, none[arm]) if arm in none else test
    waits = f"awaits look {settling.next_look}"
    for arm in awaiting(settling):
        pairs = so_far.get(arm, pd.Series(dtype=float))
        tests[arm] = MeanDifference(len(pairs), float(pairs.mean()), why_not=waits)
    return tests


def _test(figures: LookFigures) -> MeanDifference:
    """The ordinary paired test that the figures of a look come from."""
    n, mean, sd = figures.n, figures.mean, figures.sd
    if n < 2:
        why = ONE_PAIR if n else NO_PAIR
        return unsound(MeanDifference(n, mean, why_not=why), figures.reason)
    if sd <= 1e-12 * abs(mean) or (figures.p == figures.e == 1 and not figures.reason):
        return unsound(MeanDifference(n, mean, 0.0, why_not=ALIKE), figures.reason)
    error = sd / math.sqrt(n)
    test = MeanDifference(n, mean, sd, p=figures.p, df=n - 1, standard_error=error, sd_df=n - 1)
    return unsound(test, figures.reason)


def tests_of_other_figures(
    trials: pd.DataFrame, table: StudyTable, settling: Settling
) -> dict[str, MeanDifference]:
    """By arm, what other figures say over the seeds of its last look, at every look together.

    Args:
        trials: the trials with other figures for their values.
        table: the study.
        settling: its looks.
    """
    direction, own = table.metric.direction, last_looks(settling)
    pairs = dict(tuple(pairs_at_looks(trials, table, settling).groupby("arm")["difference"]))
    none, tests, rounding = pd.Series(dtype=float), {}, rounding_between(trials)
    for arm in settling.family:
        known = rounding(arm, settling.against[arm])
        test = paired_test(pairs.get(arm, none), rounding=known)
        tests[arm] = repeated(test, own[arm].factor if arm in own else 1)
    whole = at_looks(table)
    for arm, reason in divergence(whole, table.arms).items():
        tests[arm] = unsound(tests[arm], reason)
    for arm, reason in withheld(whole, table.arms, direction).items():
        tests[arm] = without_verdict(tests[arm], reason)
    return tests


def settled_effects(
    table: StudyTable, settling: Settling, tests: Mapping[str, MeanDifference]
) -> pd.DataFrame:
    """The effects of arms that looks settle; as `ablation.report.effects.effects.effects`.

    Args:
        table: the study.
        settling: its looks.
        tests: by arm, of `stored_tests`.

    Returns:
        Also the columns ``LOOK_COLUMNS``: the number of the look that settled the arm and the
        number of its seeds (empty while it is open), the repeated interval, and the smallest p and
        e of its looks times the number of looks. ``pairs``, ``delta``, ``ci_low``, ``ci_high`` and
        ``p_value`` are of the last look by itself, ``p_holm`` is ``p_looks`` after Holm's
        procedure; ``n`` and means are of all trainings that looks took. Of an arm that awaits a
        look there are only means.
    """
    described = of_trials.described(at_looks(table), table.arms, table.comparison)
    now, waits = settling.standings(table.metric.direction), awaiting(settling)
    rows = [_row(arm, test, now[arm], table, settling) for arm, test in tests.items()]
    names = of_trials.COLUMNS[of_trials.COLUMNS.index("pairs") :]
    own = pd.DataFrame(rows, columns=["arm", *(n for n in names if n != "diverged"), *LOOK_COLUMNS])
    whole = dict.fromkeys(["pairs", "settled_look", "settled_seeds"], "Int64")
    merged = described.merge(own, on="arm", how="left").astype(whole)
    shown = merged.fillna({"verdict": "", "reason": ""})[[*of_trials.COLUMNS, *LOOK_COLUMNS]]
    is_open = shown["arm"].isin(waits).to_numpy(bool)
    shown.loc[is_open, [*HIDDEN, *LOOK_COLUMNS]] = pd.NA
    shown.loc[is_open, "verdict"] = ""
    return shown


def _row(
    arm: str, test: MeanDifference, now: Standing, table: StudyTable, settling: Settling
) -> dict[str, Any]:
    look = last_looks(settling).get(arm)
    factor, family, untested = look.factor if look else 1, len(settling.family), bool(test.why_not)
    sd = math.nan if test.reason else test.sd
    low, high = seeds_to_settle(sd, test.n, family, table.margin, looks=factor)
    ordinary = repeated(test, 1)
    is_withheld = untested and (UNTRAINED in test.reason or test.reason == SAME)
    return {
        "arm": arm,
        "pairs": test.n,
        "delta": test.mean,
        "ci_low": ordinary.low,
        "ci_high": ordinary.high,
        "effect_size": effect_size(test),
        "p_value": now.last.p if now.last and not untested else math.nan,
        "p_holm": math.nan if is_withheld else now.p_holm,
        "minimum_detectable": minimum_detectable(sd, test.n, family * factor),
        "seeds_to_settle_low": low,
        "seeds_to_settle_high": high,
        "verdict": "" if is_withheld else now.verdict,
        "reason": test.reason or test.why_not,
        "settled_look": now.look or pd.NA,
        "settled_seeds": len(look.seeds) if look and now.look else pd.NA,
        "repeated_low": test.low,
        "repeated_high": test.high,
        "p_looks": now.p,
        "e_looks": now.e,
    }


def settled_gains(
    gains: pd.Series[float], tests: Mapping[str, MeanDifference], table: StudyTable
) -> pd.Series[float]:
    """The gains with the effects of the looks, where these are against the baseline.

    Args:
        gains: of `ablation.report.effects.gains.gains`, by the trials that looks took.
        tests: by arm, of `stored_tests`.
        table: the study.
    """
    base, sign = str(table.arms["arm"].iloc[0]), sign_of(table.metric.direction)
    against = dict(zip(table.arms["arm"], table.arms["against"], strict=True))
    stored = {
        arm: sign * test.mean
        for arm, test in tests.items()
        if against[arm] == base and base in gains.dropna()
    }
    by_arm = pd.Series(stored, dtype=float).reindex(gains.index)
    return gains.where(~gains.index.isin(list(stored)), by_arm)


def ended(table: StudyTable) -> int:
    """How many trainings have ended, whatever became of them."""
    return len(replicate_keys(table.trials, "COMPLETE", "FAIL"))


def awaited(table: StudyTable, settling: Settling) -> int:
    """How many trainings the look that is awaited waits for."""
    seeds = list(table.seeds)[: settling.next_seeds]
    wanted = {(arm, seed) for arm in settling.needed for seed in seeds}
    return len(wanted - replicate_keys(table.trials, "COMPLETE", "FAIL"))
