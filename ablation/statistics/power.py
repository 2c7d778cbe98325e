"""How many runs it takes: power, the smallest effect that is found, runs that settle.

Imports little, so that a plan can say beforehand what its seeds cannot show. n is the number of
pairs, s their standard deviation, m the number of comparisons in the family. Of other tests s is
that of the difference of one run from another, and n is (s/standard error)².
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from scipy import optimize, special

ALPHA = 0.05  # of a family of comparisons
POWER = 0.8
MOST_SEEDS = 10_000  # beyond which nobody will go to settle a comparison
FEW_SEEDS = 5  # with fewer the spread between pairs is hardly known
MORE_SEEDS = 10


@dataclass(frozen=True)
class Growth:
    """How a comparison gets more precise with N runs on each side, or N pairs.

    Its standard error is s·√(1/N + floor), with (N-1)·degrees degrees of freedom.

    Attributes:
        degrees: degrees of freedom that one more gives: 1 of pairs; of unpaired runs
            (s₁² + s₂²)² / (s₁⁴ + s₂⁴), from 1 to 2, as of Welch's test with equal numbers.
        floor: the part of the variance that does not fall with N: 1/(K-1) of the folds of one
            cross-validation.
    """

    degrees: float = 1.0
    floor: float = 0.0


PAIRS = Growth()


def power(delta: float, sd: float, n: float, m: int, df: float | None = None) -> float:
    """The chance that the test at α/m finds a true difference `delta` in its direction.

    1 - F(t*; df, δ√n/s) with F of the noncentral t and t* = t(1 - 0.05/(2m), df); df is n-1 unless
    given. The chance of significance in the other direction is left out: it is below α/2, and
    numerically fragile.
    """
    df = n - 1 if df is None else df
    critical = float(special.stdtrit(df, 1 - ALPHA / (2 * m)))
    return 1 - float(special.nctdtr(df, delta * math.sqrt(n) / sd, critical))


def minimum_detectable(sd: float, n: float, m: int, df: float | None = None) -> float:
    """The smallest true difference that is found with a power of 80 %; NaN for n < 2 pairs.

    Args:
        sd: s.
        n: pairs, or (s/standard error)².
        m: comparisons in the family.
        df: degrees of freedom; n-1 unless given.
    """
    df = n - 1 if df is None else df
    if not (df > 0 and sd > 0 and m >= 1):
        return math.nan
    unit = sd / math.sqrt(n)

    def lacking(shift: float) -> float:
        return power(shift * unit, sd, n, m, df) - POWER

    top = 2.0
    while not lacking(top) > 0:  # NaN, far out in the tail, is not enough either
        top *= 2
        if top > 1e9:
            return math.nan
    return float(optimize.brentq(lacking, 0.0, top)) * unit


def detectable_by(sd: float, count: int, m: int, growth: Growth = PAIRS) -> float:
    """The smallest true difference that `count` pairs, or runs on each side, find as often.

    Of few unpaired runs nearly as often: 77 % at 5 on each side, as a sample's degrees of freedom
    are below those of the true spreads.
    """
    if not growth.floor:
        return minimum_detectable(sd, count, m, (count - 1) * growth.degrees)
    return minimum_detectable(sd, 1 / (1 / count + growth.floor), m, count - 1)


def seeds_to_settle(
    sd: float, n: float, m: int, margin: float, growth: Growth = PAIRS, looks: int = 1
) -> tuple[float, float]:
    """How many pairs, or runs on each side, would settle a comparison, whatever its difference.

    The smallest N whose (t(1 - 0.05/(2m), df) + t(0.95, df))·standard error is at most the margin:
    what is not found different at α/m is then found equivalent. A range: from s as measured, where
    it settles in half of the cases, to its `upper_spread`, which is what to plan for. It looks at
    the spread only, never at the observed difference. NaN for n < 2 and without a margin; infinite
    beyond `MOST_SEEDS`, which of folds it often is, as their standard error does not fall to 0.

    Args:
        sd: s.
        n: how many values it is known from: its degrees of freedom and 1.
        m: comparisons in the family.
        margin: the smallest difference that matters.
        growth: how the standard error and its degrees of freedom change with N.
        looks: K, how many are declared: 0.05/K in place of 0.05 in both quantiles.
    """
    if not (n > 1 and sd > 0 and m >= 1 and margin > 0):
        return math.nan, math.nan
    spreads = sd, upper_spread(sd, n)
    low, high = (_settled_at(spread, m, margin, growth, looks) for spread in spreads)
    return low, high


def upper_spread(sd: float, n: float) -> float:
    """The upper 80 % confidence bound of a standard deviation of n values; NaN for n < 2.

    s·√((n-1) / χ²(0.2, n-1)).
    """
    if not n > 1:
        return math.nan
    return sd * math.sqrt((n - 1) / float(special.chdtri(n - 1, 0.8)))


def about(seeds: float) -> int:
    """A number of seeds, rounded up to two digits: ``4085`` as 4100."""
    unit = int(10 ** max(0, math.floor(math.log10(seeds)) - 1))
    return math.ceil(seeds / unit) * unit


def _settled_at(sd: float, m: int, margin: float, growth: Growth, looks: int) -> float:
    counts = range(2, MOST_SEEDS + 1)
    place = bisect_left(
        counts, True, key=lambda count: _width(count, m, growth, looks) * sd <= margin
    )
    return float(counts[place]) if place < len(counts) else math.inf


def _width(count: int, m: int, growth: Growth, looks: int) -> float:
    """Both quantiles times the standard error over s, for a number of pairs; it falls with that."""
    df = (count - 1) * growth.degrees
    levels = 1 - ALPHA / (2 * m * looks), 1 - ALPHA / looks
    quantiles = float(sum(special.stdtrit(df, level) for level in levels))
    if growth.floor:
        return quantiles * math.sqrt(1 / count + growth.floor)
    return quantiles / math.sqrt(count)
