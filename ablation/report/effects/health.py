"""Which trainings diverged or learned nothing: pure functions, which never change their input."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ablation.objective.metric import Direction, sign_of
from ablation.report.data.study_table import GIVEN
from ablation.report.effects.replicates import DIVERGED, ends, replicates
from ablation.report.rendering.formatting import listed
from ablation.scheduling.looks import UNTRAINED, diverged_text
from ablation.statistics.collapse import is_collapsed


def ended_seeds(trials: pd.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """By arm, how many of its seeds diverged, and how many ended: complete or diverged.

    A seed that diverged and was then trained to its end did not diverge.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
    """
    if "diverged" not in trials:
        return {}, {}
    states = ends(trials)
    rows = trials[states.isin([DIVERGED, "COMPLETE"])].assign(finished=states == "COMPLETE")
    seeds = rows.groupby(["arm", "seed"])["finished"].any()
    by_arm = seeds.groupby(level="arm")
    diverged = by_arm.size() - by_arm.sum()
    return (
        {str(arm): int(count) for arm, count in diverged.items()},
        {str(arm): int(count) for arm, count in by_arm.size().items()},
    )


def diverged_arms(trials: pd.DataFrame) -> dict[str, str]:
    """By arm of which a seed diverged: ``diverged in 2 of 10 seeds``."""
    diverged, ended = ended_seeds(trials)
    return {arm: diverged_text(count, ended[arm]) for arm, count in diverged.items() if count}


def is_diverged(trials: pd.DataFrame) -> pd.Series[bool]:
    """By trial, whether it diverged and its arm and seed have not been trained to the end since.

    Of a seed that diverged twice only the first trial counts: it is one end.
    """
    states = ends(trials)
    has = states == DIVERGED
    keys = pd.MultiIndex.from_frame(trials[["arm", "seed"]])
    done = keys[(states == "COMPLETE").to_numpy(bool)]
    again = trials[has].duplicated(["arm", "seed"]).reindex(trials.index, fill_value=False)
    return has & ~keys.isin(done) & ~again


def divergence(trials: pd.DataFrame, arms: pd.DataFrame) -> dict[str, str]:
    """By arm, why its comparison has no finding: it or what it is compared with diverged.

    The seeds that survived are a selection: an arm without effect whose worst trainings diverge
    looks better over the others.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm (``arm``, ``against``).

    Returns:
        Only the arms for which there is such a reason.
    """
    return _of_pairs(arms, diverged_arms(trials))


SAME = "seeds gave the same figures"


def untrained_arms(trials: pd.DataFrame, direction: Direction = "maximize") -> dict[str, str]:
    """By arm that has learned nothing: its median value is within chance of guessing.

    That is, no better than its ``chance_limit``.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        direction: of the metric.
    """
    if "chance_limit" not in trials:
        return {}
    done = trials[(ends(trials) == "COMPLETE") & trials["value"].notna()]
    margins = _above_chance(done, direction).groupby(done["arm"]).median()
    return dict.fromkeys(map(str, margins.index[margins < 0]), UNTRAINED)


def is_at_chance(done: pd.DataFrame, direction: Direction = "maximize") -> pd.Series[bool]:
    """By finished training, whether its value is within chance of guessing."""
    return _above_chance(done, direction) < 0


def _above_chance(done: pd.DataFrame, direction: Direction) -> pd.Series[float]:
    """By how much values are better than the best that guessing would give by chance."""
    above = done["value"].astype(float) - done["chance_limit"].astype(float)
    return sign_of(direction) * above


def unlearned(trials: pd.DataFrame, arms: pd.DataFrame, direction: Direction = "maximize") -> str:
    """Why no arm can be compared with the baseline: which arms have learned nothing.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm, the baseline first.

    Returns:
        Of the arms that have a finished training ``all``, only the ``baseline`` or all ``others``;
        else empty.
    """
    none, base = set(untrained_arms(trials, direction)), str(arms["arm"].iloc[0])
    done = set(trials.loc[(ends(trials) == "COMPLETE") & trials["value"].notna(), "arm"])
    if none and done <= none:
        return "all"
    if base in none:
        return "baseline"
    return "others" if none and done - {base} <= none else ""


def withheld(
    trials: pd.DataFrame, arms: pd.DataFrame, direction: Direction = "maximize"
) -> dict[str, str]:
    """By arm, why there is no verdict on it: it or what it is compared with is untrained."""
    reasons = _of_pairs(arms, untrained_arms(trials, direction))
    found = {arm: UNTRAINED if why.startswith(UNTRAINED) else why for arm, why in reasons.items()}
    if same_seeds(trials):
        compared = arms.loc[arms["against"] != "", "arm"]
        found = dict.fromkeys(map(str, compared), SAME)
    return found


def same_seeds(trials: pd.DataFrame) -> list[int]:
    """The seeds of a user's code that gave the same figures as another, to the last digit.

    They did in all arms that both have finished, as a training that ignores its seed does.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
    """
    if GIVEN not in trials or trials.empty:
        return []
    by_arm = replicates(trials).pivot(index="seed", columns="arm", values=GIVEN)
    same: list[int] = []
    for _, rows in by_arm.groupby(list(by_arm.columns[:1])):
        both = rows.notna() & rows.iloc[0].notna()
        alike = rows.index[((rows == rows.iloc[0]) | ~both).all(axis=1)]
        same += [int(seed) for seed in alike] if len(alike) > 1 else []
    return sorted(same)


def seeds_text(seeds: list[int]) -> str:
    """``seeds 0, 1, 2``; of many the first ones and how many more."""
    return f"seeds {listed(list(map(str, seeds)), 10, ', ')}"


def collapsed(trials: pd.DataFrame, direction: Direction = "maximize") -> pd.DataFrame:
    """The complete trainings that ended nearer to chance than to their arm's other seeds.

    An arm that is untrained as a whole has none.
    """
    none = untrained_arms(trials, direction)
    done = trials[(ends(trials) == "COMPLETE") & trials["value"].notna()]
    done = done[~done["arm"].isin(list(none))]
    if "chance" not in trials:
        return done[:0]
    labels, sign = [], sign_of(direction)
    for _, rows in done.groupby("arm", sort=False):
        values = [sign * float(x) for x in rows["value"]]
        chance = rows["chance"].iloc[0]
        guessing = None if pd.isna(chance) else sign * float(chance)
        for place, at in enumerate(rows.index):
            if is_collapsed(values[place], values[:place] + values[place + 1 :], guessing):
                labels.append(at)
    return done.loc[labels]


def _of_pairs(arms: pd.DataFrame, faults: Mapping[str, str]) -> dict[str, str]:
    """By compared arm, the faults of both sides, the other side's with its name."""
    reasons = {}
    for arm, against in zip(arms["arm"], arms["against"], strict=True):
        own = [faults[arm]] if arm in faults else []
        other = [f"{against} {faults[against]}"] if against in faults else []
        if against and (own or other):
            reasons[str(arm)] = ", ".join(own + other)
    return reasons


def of_arms(faults: Mapping[str, str], arms: list[str]) -> str:
    """The faults among these arms, each with its arm's name; empty where there is none."""
    return ", ".join(f"{arm} {faults[arm]}" for arm in arms if arm in faults)
