"""The statistics of paired differences: plain functions of numbers, each with its formula.

Throughout, d are n differences paired by seed, s is their standard deviation (ddof 1), and m is
the number of comparisons in the family: all that the space asks for. Arms that are added one by
one, after a look at those before, find differences by chance more often than the level says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from ablation.objective.metric import Direction, sign_of
from ablation.statistics.power import ALPHA

EXACT = 16  # pairs up to which all 2^n signs are gone through


@dataclass(frozen=True)
class PairedTest:
    """What n paired differences say of their mean.

    Attributes:
        n: pairs.
        mean: NaN without a pair.
        sd: standard deviation, ddof 1; NaN below two pairs.
        low: lower end of the 95 % interval, mean ± t(0.975, n-1)·s/√n; NaN without a test.
        high: its upper end.
        inner_low: lower end of the 90 % interval, which two one-sided tests at 5 % look at.
        inner_high: its upper end.
        p: two-sided p of the paired t-test; NaN without a test.
        why_not: why there is no test; empty where there is one.
        reason: why what it shows is no finding, such as trainings that diverged; else empty. Its p
            is 1 then; mean and intervals describe the pairs that there are.
    """

    n: int
    mean: float
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    inner_low: float = math.nan
    inner_high: float = math.nan
    p: float = math.nan
    why_not: str = ""
    reason: str = ""


def paired_test(differences: npt.ArrayLike) -> PairedTest:
    """The paired t-test and its intervals, per comparison.

    Args:
        differences: finite, one a pair.
    """
    d = np.asarray(differences, float)
    n = len(d)
    if n == 0:
        return PairedTest(0, math.nan, why_not="no seed was finished on both sides")
    mean = float(d.mean())
    if n == 1:
        return PairedTest(1, mean, why_not="one pair shows no spread")
    if np.ptp(d) <= 1e-12 * max(1.0, float(np.abs(d).max())):  # but for rounding, the same
        return PairedTest(n, mean, 0.0, why_not="all pairs differ by the same amount")
    sd = float(d.std(ddof=1))
    p = float(2 * stats.t.sf(abs(mean) / (sd / math.sqrt(n)), n - 1))
    return PairedTest(n, mean, sd, *mean_interval(d), *mean_interval(d, 0.90), p)


def unsound(test: PairedTest, reason: str) -> PairedTest:
    """The test as description: no finding, for the reason, and with a p of 1 in its family."""
    if not reason:
        return test
    if test.why_not:
        return replace(test, why_not=reason, reason=reason)
    return replace(test, p=1.0, reason=reason)


def without_verdict(test: PairedTest, reason: str) -> PairedTest:
    """The mean and spread alone, without a test, for the reason; it counts as a p of 1."""
    why = ", ".join(filter(None, (test.reason, reason)))
    return PairedTest(test.n, test.mean, test.sd, why_not=why, reason=why)


def sign(test: PairedTest, direction: Direction = "maximize") -> str:
    """``better`` or ``worse`` where a test that is alone in its family shows that; else empty."""
    if test.why_not or test.reason or test.low <= 0 <= test.high:
        return ""
    return "better" if sign_of(direction) * test.mean > 0 else "worse"


def holm(p_values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Holm's step-down adjustment (1979) over a family; a missing p (NaN) counts as 1."""
    values = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    order = np.argsort(values)
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def effect_size(test: PairedTest) -> float:
    """Hedges' g = J·mean/s with J = Γ(ν/2) / (√(ν/2)·Γ((ν-1)/2)), ν = n-1; NaN for n < 3."""
    if test.n < 3 or not test.sd > 0:
        return math.nan
    nu = test.n - 1
    log_j = special.gammaln(nu / 2) - special.gammaln((nu - 1) / 2) - 0.5 * math.log(nu / 2)
    return math.exp(log_j) * test.mean / test.sd


def verdict(
    test: PairedTest, p_holm: float, margin: float, direction: Direction = "maximize"
) -> str:
    """``better``, ``worse``, ``equivalent`` or ``inconclusive``; empty where there is no test.

    The first that holds: significant after Holm; the 90 % interval within ±margin (two one-sided
    tests, Schuirmann 1987); neither.
    """
    if test.why_not:
        return ""
    if test.reason:
        return "inconclusive"
    if p_holm < ALPHA:
        return "better" if sign_of(direction) * test.mean > 0 else "worse"
    return "equivalent" if within(test, margin) else "inconclusive"


def within(test: PairedTest, margin: float) -> bool:
    """Whether the 90 % interval lies inside ±margin."""
    return -margin < test.inner_low and test.inner_high < margin


def sign_flip(differences: npt.ArrayLike) -> float:
    """Exact two-sided p of the mean under all 2^n changes of sign; NaN beyond `EXACT` pairs.

    It can't be below 2^(1-n).
    """
    d = np.asarray(differences, float)
    if not 1 <= len(d) <= EXACT:
        return math.nan
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
    sums = np.abs(signs @ d)
    return float((sums >= abs(d.sum()) - 1e-12 * np.abs(d).sum()).mean())


def mean_interval(values: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The interval of a mean, mean ± t·s/√n, t of n-1 degrees; NaN below two values."""
    return _interval(np.asarray(values, float), level, lambda n: 1 / math.sqrt(n))


def narrowed(mean: float, high: float, n: int) -> tuple[float, float]:
    """The 90 % interval of a mean of n values whose 95 % interval ends at `high`."""
    half = (high - mean) * float(stats.t.ppf(0.95, n - 1) / stats.t.ppf(0.975, n - 1))
    return mean - half, mean + half


def prediction_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """Where one new run would fall with 95 %: mean ± t·s·√(1 + 1/n); NaN below two values."""
    return _interval(np.asarray(values, float), 0.95, lambda n: math.sqrt(1 + 1 / n))


def _interval(
    x: npt.NDArray[np.float64], level: float, width: Callable[[int], float]
) -> tuple[float, float]:
    """Mean ± t·s·width(n)."""
    if len(x) < 2:
        return math.nan, math.nan
    t = float(stats.t.ppf((1 + level) / 2, len(x) - 1))
    half = t * (float(x.std(ddof=1)) * width(len(x)))
    return float(x.mean()) - half, float(x.mean()) + half
