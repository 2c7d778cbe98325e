"""The statistics of paired differences: plain functions of numbers, each with its formula.

Throughout, d are n differences paired by seed, s is their standard deviation (ddof 1), and m is
the number of comparisons in the family, fixed by the plan before anything runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from crnn.power import ALPHA

EXACT = 16  # pairs up to which all 2^n signs are gone through

VERDICTS = ("better", "worse", "equivalent", "inconclusive")


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
    error = sd / math.sqrt(n)
    outer, inner = (float(stats.t.ppf(q, n - 1)) * error for q in (0.975, 0.95))
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return PairedTest(n, mean, sd, mean - outer, mean + outer, mean - inner, mean + inner, p)


def holm(p_values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Holm's step-down adjustment (1979) over a family; a missing p (NaN) counts as 1."""
    values = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    return values if not len(values) else np.asarray(multipletests(values, method="holm")[1])


def effect_size(test: PairedTest) -> float:
    """Hedges' g = J·mean/s with J = Γ(ν/2) / (√(ν/2)·Γ((ν-1)/2)), ν = n-1; NaN for n < 3."""
    if test.n < 3 or not test.sd > 0:
        return math.nan
    nu = test.n - 1
    log_j = special.gammaln(nu / 2) - special.gammaln((nu - 1) / 2) - 0.5 * math.log(nu / 2)
    return math.exp(log_j) * test.mean / test.sd


def verdict(test: PairedTest, p_holm: float, margin: float) -> str:
    """``better``, ``worse``, ``equivalent`` or ``inconclusive``; empty where there is no test.

    The first that holds: significant after Holm; the 90 % interval within ±margin (two one-sided
    tests, Schuirmann 1987); neither.
    """
    if test.why_not:
        return ""
    if p_holm < ALPHA:
        return "better" if test.mean > 0 else "worse"
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


def prediction_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """Where one new run would fall with 95 %: mean ± t·s·√(1 + 1/n); NaN below two values."""
    x = np.asarray(values, float)
    if len(x) < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(x) - 1)) * float(x.std(ddof=1)) * math.sqrt(1 + 1 / len(x))
    return float(x.mean()) - half, float(x.mean()) + half


def mean_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """The 95 % interval of a mean, mean ± t·s/√n; NaN below two values."""
    x = np.asarray(values, float)
    if len(x) < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return float(x.mean()) - half, float(x.mean()) + half
