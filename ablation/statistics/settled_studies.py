"""The procedure of `ablation.statistics.settling` for many simulated studies at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ablation.statistics.power import ALPHA
from ablation.statistics.settling import look_factors

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SettledStudies:
    """What came of many studies; arrays are (studies, arms).

    Attributes:
        differs: which arms are found better or worse.
        equivalent: which are found equivalent.
        seeds: how many seeds each arm was trained with.
    """

    differs: npt.NDArray[np.bool_]
    equivalent: npt.NDArray[np.bool_]
    seeds: npt.NDArray[np.int64]

    @property
    def trainings(self) -> Array:
        """By study; the baseline goes on with the arms that are open."""
        return np.asarray(self.seeds.sum(1) + self.seeds.max(1), float)


def settle_studies(
    differences: Array, looks: Sequence[int], margin: float, *, reserve: bool = False
) -> SettledStudies:
    """Take the looks at many studies.

    Args:
        differences: of the pairs, (studies, arms, seeds).
        looks: by look its number of seeds.
        margin: the smallest difference that matters.
        reserve: whether looks beyond these are provided for.
    """
    studies, arms, _ = differences.shape
    p, e = np.ones((2, studies, arms))
    active = np.ones((studies, arms), bool)
    seeds = np.zeros((studies, arms), np.int64)
    factors = look_factors(len(looks), len(looks), reserve=reserve)
    for n, factor in zip(looks, factors, strict=True):
        d = differences[:, :, :n]
        mean, error = d.mean(2), d.std(2, ddof=1) / np.sqrt(n)
        own_p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
        own_e = stats.t.cdf((np.abs(mean) - margin) / error, n - 1)  # the larger of the two
        p = np.where(active, np.minimum(p, factor * own_p), p)
        e = np.where(active, np.minimum(e, factor * own_e), e)
        seeds = np.where(active, n, seeds)
        differs = holm_rows(p) < ALPHA
        active &= ~differs & ~(e < ALPHA)
    return SettledStudies(differs, ~differs & (e < ALPHA), seeds)


def holm_rows(p: Array) -> Array:
    """Holm's adjustment of the p of (studies, comparisons), study by study."""
    order = p.argsort(1)
    steps = np.take_along_axis(p, order, 1) * np.arange(p.shape[1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, 1), 1), 1)
    return adjusted


def differences(rng: np.random.Generator, studies: int, effects: Array, spread: float,
                seeds: int) -> Array:  # fmt: skip
    """Pairs of arms with these true effects, which share the baseline's trainings.

    Args:
        rng: draws the noise.
        studies: how many.
        effects: by arm.
        spread: standard deviation between pairs.
        seeds: of each arm.

    Returns:
        (studies, arms, seeds).
    """
    noise = spread / np.sqrt(2) * rng.standard_normal((studies, len(effects) + 1, seeds))
    return np.asarray(effects[:, None] + noise[:, 1:] - noise[:, :1])
