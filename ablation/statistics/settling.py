"""Seeds where they are needed: comparisons that end at the first look that settles them.

Looks at n_1 < ... < n_K seeds are declared before the first training, and verdicts are made at
these alone. Each arm's smallest p over its looks so far, times K, is a valid p at any time that
its trainings stop (union bound over the looks); Holm's procedure over all comparisons follows.
An arm that has a verdict gets no more seeds, and its p is not changed any more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from ablation.objective.metric import Direction, sign_of
from ablation.statistics.inference import MeanDifference, holm, with_intervals
from ablation.statistics.power import ALPHA
from ablation.statistics.rounding import are_alike


@dataclass(frozen=True)
class LookFigures:
    """What the pairs of one comparison say at one look; stored, and never computed again.

    Attributes:
        n: pairs.
        mean: of the differences; NaN without a pair.
        sd: their standard deviation, ddof 1; NaN below two pairs.
        p: two-sided p of the paired t-test; 1 where there is no test.
        e: the larger p of the two one-sided tests against ±margin (Schuirmann 1987); likewise.
        reason: why what they show is no finding, such as trainings that diverged; then p and e
            are 1. Else empty.
    """

    n: int
    mean: float
    sd: float
    p: float = 1.0
    e: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """How a comparison stands after the looks so far.

    Attributes:
        verdict: ``better``, ``worse``, ``equivalent`` or ``inconclusive``.
        p: the smallest p of its looks, times the number of looks declared, at most 1.
        p_holm: the same after Holm's procedure over all comparisons.
        e: the smallest e of its looks, likewise.
        look: the number of the look, from 1, that settled it; 0 while it is not settled.
        last: its figures at its last look; None before the first.
    """

    verdict: str
    p: float
    p_holm: float
    e: float
    look: int
    last: LookFigures | None

    @property
    def is_active(self) -> bool:
        """Whether more seeds could settle it."""
        return not self.look


def look_figures(
    differences: npt.ArrayLike, margin: float, reason: str = "", rounding: float | None = None
) -> LookFigures:
    """The figures of one look at a comparison.

    Args:
        differences: by pair, of the seeds up to the look's that both arms have finished.
        margin: the smallest difference that matters, above 0.
        reason: why they can be no finding; empty where they can.
        rounding: of `rounding_of` what they are differences of; None where that is not known.
    """
    d = np.asarray(differences, float)
    n = len(d)
    mean = float(d.mean()) if n else math.nan
    sd = float(d.std(ddof=1)) if n > 1 else math.nan
    if reason or n < 2 or are_alike(d, rounding):
        return LookFigures(n, mean, sd, reason=reason)
    error = sd / math.sqrt(n)
    p = 2 * stats.t.sf(abs(mean) / error, n - 1)
    e = max(stats.t.cdf(-(mean + margin) / error, n - 1),
            stats.t.cdf((mean - margin) / error, n - 1))  # fmt: skip
    return LookFigures(n, mean, sd, float(p), float(e))


def standings(
    looks: Sequence[Mapping[str, LookFigures]],
    comparisons: Sequence[str],
    factors: Sequence[int],
    direction: Direction = "maximize",
) -> dict[str, Standing]:
    """How all comparisons stand after the looks that have been taken.

    Args:
        looks: by look the figures of the comparisons that were active at it; others are ignored.
        comparisons: all of the plan, which are one family.
        factors: by look what its p is multiplied by: the number of looks that were declared.
        direction: of the metric.
    """
    now = {name: Standing("inconclusive", 1.0, 1.0, 1.0, 0, None) for name in comparisons}
    for number, (figures, factor) in enumerate(zip(looks, factors, strict=True), 1):
        for name, own in figures.items():
            if now[name].is_active:
                p, e = (min(1.0, factor * value) for value in (own.p, own.e))
                now[name] = Standing("", min(now[name].p, p), 1.0, min(now[name].e, e), 0, own)
        adjusted = holm([each.p for each in now.values()])
        now = {
            name: _judged(each, float(p_holm), number, direction)
            for (name, each), p_holm in zip(now.items(), adjusted, strict=True)
        }
    return now


def _judged(standing: Standing, p_holm: float, number: int, direction: Direction) -> Standing:
    """The same with its verdict; an equivalent arm may still turn out to differ."""
    verdict = "inconclusive"
    if p_holm < ALPHA and standing.last:
        verdict = "better" if sign_of(direction) * standing.last.mean > 0 else "worse"
    elif standing.e < ALPHA:
        verdict = "equivalent"
    settled = standing.look or (0 if verdict == "inconclusive" else number)
    return Standing(verdict, standing.p, p_holm, standing.e, settled, standing.last)


def look_factors(declared: int, taken: int, *, reserve: bool = False) -> list[int]:
    """What the p of each look is multiplied by: the shares of the level add up to it at most.

    K for each of K looks. With a reserve, K + 1, and (K + 1)·2^j for the j-th look beyond these.

    Args:
        declared: K, the number of looks declared.
        taken: the number of looks to weigh.
        reserve: whether looks beyond the declared ones were provided for; else there are none.

    Raises:
        ValueError: more looks than were declared, without a reserve.
    """
    if taken > declared and not reserve:
        raise ValueError(f"{taken} looks, and {declared} were declared without a reserve")
    share = declared + reserve
    return [share * 2 ** max(0, number - declared) for number in range(1, taken + 1)]


def repeated_interval(figures: LookFigures, factor: int) -> tuple[float, float]:
    """The interval that covers at every look together with 95 %: mean ± t(1 - 0.05/(2K))·s/√n.

    Args:
        figures: of one look.
        factor: K, the number of looks that were declared.
    """
    if figures.n < 2:
        return math.nan, math.nan
    half = _half(figures.sd / math.sqrt(figures.n), figures.n - 1, ALPHA / factor)
    return figures.mean - half, figures.mean + half


def repeated(test: MeanDifference, factor: int) -> MeanDifference:
    """A test of one look as what it says at every look together.

    Its p times K, at most 1, and the repeated intervals of 95 % and 90 % in place of the ordinary
    ones. The latter lies within ±margin exactly where K·e is below 0.05.

    Args:
        test: the paired test of one look.
        factor: K, the number of looks that were declared.
    """
    if test.why_not:
        return test
    outer, inner = (
        _half(test.standard_error, test.df, alpha / factor) for alpha in (ALPHA, 2 * ALPHA)
    )
    return replace(with_intervals(test, outer, inner), p=min(1.0, factor * test.p))


def _half(error: float, df: float, alpha: float) -> float:
    """Half the width of a two-sided interval of 1 - alpha."""
    return float(stats.t.ppf(1 - alpha / 2, df)) * error
