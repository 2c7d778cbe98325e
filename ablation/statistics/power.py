"""How many seeds it takes: power, the smallest effect that is found, seeds that settle.

Imports little, so that a plan can say beforehand what its seeds cannot show. n is the number of
pairs, s their standard deviation, m the number of comparisons in the family.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

ALPHA = 0.05  # of a family of comparisons
POWER = 0.8
MOST_SEEDS = 10_000  # beyond which nobody will go to settle a comparison
FEW_SEEDS = 5  # with fewer the spread between pairs is hardly known
MORE_SEEDS = 10


def power(delta: float, sd: float, n: int, m: int) -> float:
    """The chance that the test at α/m finds a true difference `delta` in its direction.

    1 - F(t*; n-1, δ√n/s) with F of the noncentral t and t* = t(1 - 0.05/(2m), n-1). The chance of
    significance in the other direction is left out: it is below α/2, and numerically fragile.
    """
    critical = float(special.stdtrit(n - 1, 1 - ALPHA / (2 * m)))
    return 1 - float(special.nctdtr(n - 1, delta * math.sqrt(n) / sd, critical))


def minimum_detectable(sd: float, n: int, m: int) -> float:
    """The smallest true difference that n pairs find with a power of 80 %; NaN for n < 2."""
    if n < 2 or not sd > 0 or m < 1:
        return math.nan
    unit = sd / math.sqrt(n)

    def lacking(shift: float) -> float:
        return power(shift * unit, sd, n, m) - POWER

    top = 2.0
    while not lacking(top) > 0:  # NaN, far out in the tail, is not enough either
        top *= 2
        if top > 1e9:
            return math.nan
    return float(optimize.brentq(lacking, 0.0, top)) * unit


def seeds_to_settle(sd: float, n: int, m: int, margin: float) -> tuple[float, float]:
    """How many seeds would settle a comparison, whatever its true difference: a range.

    The smallest N with (t(1 - 0.05/(2m), N-1) + t(0.95, N-1))·s/√N ≤ margin: what is not found
    different at α/m is then found equivalent. From s as measured, where it settles in half of the
    cases, to its `upper_spread`, which is what to plan for. It looks at the spread only, never at
    the observed difference. NaN for n < 2; infinite beyond `MOST_SEEDS`.
    """
    if n < 2 or not sd > 0 or m < 1:
        return math.nan, math.nan
    return _settled_at(sd, m, margin), _settled_at(upper_spread(sd, n), m, margin)


def upper_spread(sd: float, n: int) -> float:
    """The upper 80 % confidence bound of a standard deviation of n values; NaN for n < 2.

    s·√((n-1) / χ²(0.2, n-1)).
    """
    if n < 2:
        return math.nan
    return sd * math.sqrt((n - 1) / float(special.chdtri(n - 1, 0.8)))


def about(seeds: float) -> int:
    """A number of seeds, rounded up to two digits: ``4085`` as 4100."""
    unit = int(10 ** max(0, math.floor(math.log10(seeds)) - 1))
    return math.ceil(seeds / unit) * unit


def _settled_at(sd: float, m: int, margin: float) -> float:
    enough = _widths(m) * sd <= margin
    return float(2 + np.argmax(enough)) if enough.any() else math.inf


@lru_cache(maxsize=64)
def _widths(m: int) -> npt.NDArray[np.float64]:
    """Both quantiles over √N for N from 2; it falls with N."""
    counts = np.arange(2, MOST_SEEDS + 1)
    quantiles = special.stdtrit(counts - 1, 1 - ALPHA / (2 * m))
    return np.asarray((quantiles + special.stdtrit(counts - 1, 0.95)) / np.sqrt(counts))
