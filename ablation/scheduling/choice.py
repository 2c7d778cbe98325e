"""Which arm of a confirmation is the best: the largest effect over the seeds that all share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

Values = Mapping[str, Mapping[int, float]]
"""By arm and seed, what its training came to."""


@dataclass(frozen=True)
class Choice:
    """The best arm of a confirmation.

    Attributes:
        arm: its name.
        seeds: over which it was compared: those that all candidates have finished. Empty where
            they share none: then each was compared over the seeds that it has.
        gains: by candidate, by how much it is better than the baseline over these seeds, whatever
            the direction of the metric; where the baseline is no candidate, than their mean.
    """

    arm: str
    seeds: tuple[int, ...]
    gains: Mapping[str, float]


def best_arm(values: Values, seeds: Sequence[int], diverged: Collection[str], sign: int) -> Choice:
    """The arm with the largest paired effect over the seeds that all candidates share.

    More seeds are no merit: an arm that looks have settled early has fewer than one that is open,
    and only seeds that all were to have are compared. Candidates have finished at least half of
    these: one that has lost more would leave the others few seeds to be compared over. An arm that
    diverged with a seed is none, save the baseline, which nothing has to be better than.

    Args:
        values: by arm, in the order of the design, the baseline first.
        seeds: those that every arm was to have.
        diverged: the arms that diverged with some seed.
        sign: 1 where more is better, -1 where less is.
    """
    base = next(iter(values))
    own = {
        arm: {seed: known[seed] for seed in seeds if seed in known}
        for arm, known in values.items()
        if arm == base or arm not in diverged
    }
    own = {arm: known for arm, known in own.items() if known}
    own = {arm: known for arm, known in own.items() if 2 * len(known) >= len(seeds)} or own
    if not own:
        return Choice(base, (), {})
    shared = tuple(seed for seed in seeds if all(seed in known for known in own.values()))
    reference = own.get(base) or _seed_means(own, seeds)
    gains = {
        arm: sign * fmean(known[seed] - reference[seed] for seed in common)
        for arm, known in own.items()
        if (common := shared or [seed for seed in known if seed in reference])
    }
    best = max(gains, key=gains.__getitem__)  # the first of equals
    return Choice(best, shared, gains)


def _seed_means(values: Values, seeds: Sequence[int]) -> dict[int, float]:
    """By seed, the mean over the arms that have finished it."""
    by_seed = {seed: [known[seed] for known in values.values() if seed in known] for seed in seeds}
    return {seed: fmean(known) for seed, known in by_seed.items() if known}
