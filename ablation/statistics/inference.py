"""The statistics of differences of means: plain functions of numbers, each with its formula.

Of pairs, d are n differences by seed and s is their standard deviation (ddof 1). Of unpaired runs
s₁ and s₂ are the standard deviations of n₁ and n₂ runs. m is the number of comparisons in the
family: all that the space asks for. Arms that are added one by one, after a look at those before,
find differences by chance more often than the level says.
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
from ablation.statistics.comparison import Method
from ablation.statistics.power import ALPHA, PAIRS, Growth
from ablation.statistics.rounding import are_alike, rounding_of

EXACT = 16  # pairs up to which all 2^n signs are gone through


@dataclass(frozen=True)
class MeanDifference:
    """What runs of two sides say of the difference of their means.

    Attributes:
        n: pairs; of unpaired runs those of the first side.
        mean: NaN where a side has none.
        sd: standard deviation (ddof 1) between pairs; of unpaired runs √(s₁² + s₂²), that of the
            difference of one run from another; NaN without a test, unless no pair differs.
        low: lower end of the 95 % interval, mean ± t(0.975, df)·standard error; NaN without a test.
        high: its upper end.
        inner_low: lower end of the 90 % interval, which two one-sided tests at 5 % look at.
        inner_high: its upper end.
        p: two-sided p of the test; NaN without one.
        why_not: why there is no test; empty where there is one.
        reason: why what it shows is no finding, such as trainings that diverged; else empty. Its p
            is 1 then; mean and intervals describe the pairs that there are.
        method: how the two sides are compared.
        n_against: of unpaired runs those of the second side; 0 of pairs.
        df: degrees of freedom; NaN without a test.
        standard_error: of the mean; NaN without a test.
        sd_df: degrees of freedom that the sd rests on; NaN without a test.
        growth: how the standard error falls with more runs.
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
    method: Method = "paired"
    n_against: int = 0
    df: float = math.nan
    standard_error: float = math.nan
    sd_df: float = math.nan
    growth: Growth = PAIRS

    @property
    def size(self) -> float:
        """How many pairs would have this standard error: (sd/standard error)²; n of pairs."""
        return self.n if self.method == "paired" else (self.sd / self.standard_error) ** 2


def paired_test(
    differences: npt.ArrayLike, of: str = "seed", rounding: float | None = None
) -> MeanDifference:
    """The paired t-test and its intervals, per comparison.

    Args:
        differences: finite, one a pair.
        of: what pairs them, as in ``no seed was finished on both sides``.
        rounding: of `rounding_of` what they are differences of; None where that is not known.
    """
    d = np.asarray(differences, float)
    test = _degenerate(d, of, rounding)
    if test is not None:
        return test
    n, mean, sd = len(d), float(d.mean()), float(d.std(ddof=1))
    error = sd / math.sqrt(n)
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    ends = (*mean_interval(d), *mean_interval(d, 0.90))
    return MeanDifference(n, mean, sd, *ends, p, df=n - 1, standard_error=error, sd_df=n - 1)


def folds_test(
    differences: npt.ArrayLike, folds: int, of: str = "fold", rounding: float | None = None
) -> MeanDifference:
    """The corrected resampled t-test of pairs that are folds of one cross-validation.

    The training sets of its folds overlap, so their differences are correlated and s/√n is too
    small. The standard error is s·√(1/n + 1/(K-1)) instead, where 1/(K-1) is the size of a test set
    in units of a training set; n-1 degrees of freedom. Nadeau and Bengio (2003), Inference for the
    generalization error, Machine Learning 52, 239-281, section 4.3.

    Args:
        differences: finite, one a fold.
        folds: K, how many folds the cross-validation has, 2 at least.
        of: what pairs them.
        rounding: see `paired_test`.
    """
    d = np.asarray(differences, float)
    growth, test = Growth(floor=1 / (folds - 1)), _degenerate(d, of, rounding)
    if test is not None:
        return replace(test, method="folds", growth=growth)
    n, mean, sd = len(d), float(d.mean()), float(d.std(ddof=1))
    error = sd * math.sqrt(1 / n + growth.floor)
    test = MeanDifference(n, mean, sd, method="folds", sd_df=n - 1, growth=growth)
    return _with_test(test, error, n - 1)


def _degenerate(
    d: npt.NDArray[np.float64], of: str, rounding: float | None
) -> MeanDifference | None:
    """What pairs say that are too few or too much alike for a test; None where there is one."""
    n = len(d)
    if n == 0:
        return MeanDifference(0, math.nan, why_not=f"no {of} was finished on both sides")
    mean = float(d.mean())
    if n == 1:
        return MeanDifference(1, mean, why_not="one pair shows no spread")
    if are_alike(d, rounding):
        is_none = are_alike(np.append(d, 0.0), rounding)
        why_not = "both sides of each pair are equal" if is_none else ALIKE
        return MeanDifference(n, mean, 0.0, why_not=why_not)
    return None


ALIKE = "all pairs differ by the same amount"


def welch_test(values: npt.ArrayLike, against: npt.ArrayLike) -> MeanDifference:
    """Welch's test of runs that belong to no other, and its intervals, per comparison.

    Args:
        values: finite, one a run.
        against: those of the other side.
    """
    sides = [_summary(np.asarray(side, float)) for side in (values, against)]
    return replace(summaries_test(*sides), method="welch")


@dataclass(frozen=True)
class Summary:
    """A side of a comparison by its runs' mean alone.

    Attributes:
        mean: of the runs; NaN where there are none.
        sd: their standard deviation, ddof 1; NaN below two runs.
        n: how many they are.
    """

    mean: float
    sd: float
    n: int


def _summary(x: npt.NDArray[np.float64]) -> Summary:
    if len(x) < 2:
        return Summary(float(x.mean()) if len(x) else math.nan, math.nan, len(x))
    is_rounding = np.ptp(x) <= rounding_of(x)
    return Summary(float(x.mean()), 0.0 if is_rounding else float(x.std(ddof=1)), len(x))


def summaries_test(side: Summary, against: Summary) -> MeanDifference:
    """Welch's test (1947) from means, standard deviations and numbers of runs.

    The standard error is √(s₁²/n₁ + s₂²/n₂); its degrees of freedom are Satterthwaite's (1946),
    (s₁²/n₁ + s₂²/n₂)² / (s₁⁴/(n₁²(n₁-1)) + s₂⁴/(n₂²(n₂-1))).
    """
    test = MeanDifference(side.n, side.mean - against.mean, method="summaries", n_against=against.n)
    if not (side.n and against.n):
        return replace(test, mean=math.nan, why_not="a side has no run")
    if side.n == 1 or against.n == 1:
        why = "one run shows no spread" if side.n == against.n else "a side has only one run"
        return replace(test, why_not=why)
    variances = side.sd**2, against.sd**2
    if not sum(variances) > 0:
        return replace(test, sd=0.0, why_not="all runs of a side have the same figure")
    parts = variances[0] / side.n, variances[1] / against.n
    degrees = side.n - 1, against.n - 1
    test = replace(
        test,
        sd=math.sqrt(sum(variances)),
        sd_df=satterthwaite(variances, degrees),
        growth=Growth(satterthwaite(variances, (1, 1))),
    )
    return _with_test(test, math.sqrt(sum(parts)), satterthwaite(parts, degrees))


def satterthwaite(variances: Sequence[float], degrees: Sequence[float]) -> float:
    """The degrees of freedom of a sum of independent estimated variances, (Σv)² / Σ(v²/ν)."""
    spread = sum(v**2 / nu for v, nu in zip(variances, degrees, strict=True))
    return sum(variances) ** 2 / spread


def _with_test(test: MeanDifference, error: float, df: float) -> MeanDifference:
    """The difference with the test and the intervals that a standard error gives."""
    outer, inner = (error * float(stats.t.ppf(level, df)) for level in (0.975, 0.95))
    p = float(2 * stats.t.sf(abs(test.mean) / error, df))
    return replace(with_intervals(test, outer, inner), p=p, df=df, standard_error=error)


def with_intervals(test: MeanDifference, outer: float, inner: float) -> MeanDifference:
    """The difference with intervals of 95 % and 90 % that reach so far to either side."""
    return replace(
        test,
        low=test.mean - outer,
        high=test.mean + outer,
        inner_low=test.mean - inner,
        inner_high=test.mean + inner,
    )


def unsound(test: MeanDifference, reason: str) -> MeanDifference:
    """The test as description: no finding, for the reason, and with a p of 1 in its family."""
    if not reason:
        return test
    if test.why_not:
        return replace(test, why_not=reason, reason=reason)
    return replace(test, p=1.0, reason=reason)


def without_verdict(test: MeanDifference, reason: str) -> MeanDifference:
    """The mean and spread alone, without a test, for the reason; it counts as a p of 1."""
    why = ", ".join(filter(None, (test.reason, reason)))
    return MeanDifference(
        test.n,
        test.mean,
        test.sd,
        why_not=why,
        reason=why,
        method=test.method,
        n_against=test.n_against,
    )


def sign(test: MeanDifference, direction: Direction = "maximize") -> str:
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


def effect_size(test: MeanDifference) -> float:
    """Hedges' g = J·mean/s with J = Γ(ν/2) / (√(ν/2)·Γ((ν-1)/2)); NaN for n < 3.

    Of pairs s is between them and ν = n-1. Of unpaired runs s² is (s₁² + s₂²)/2 and ν its degrees
    of freedom by Satterthwaite: g*s of Delacre et al. (2021), Why Hedges' g*s based on the
    non-pooled standard deviation should be reported with Welch's t-test. NaN of folds, whose
    spread is smaller than that between runs on other data.
    """
    if test.method == "folds" or not test.sd_df >= 2 or not test.sd > 0:
        return math.nan
    nu, sd = test.sd_df, test.sd
    if test.n_against:
        sd /= math.sqrt(2)
    log_j = special.gammaln(nu / 2) - special.gammaln((nu - 1) / 2) - 0.5 * math.log(nu / 2)
    return math.exp(log_j) * test.mean / sd


def verdict(
    test: MeanDifference, p_holm: float, margin: float, direction: Direction = "maximize"
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


def within(test: MeanDifference, margin: float) -> bool:
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


def summary_interval(side: Summary, level: float = 0.95) -> tuple[float, float]:
    """The interval of a mean of which no run is known, mean ± t·s/√n; NaN below two runs."""
    if side.n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, side.n - 1)) * side.sd / math.sqrt(side.n)
    return side.mean - half, side.mean + half


def narrowed(mean: float, high: float, df: float) -> tuple[float, float]:
    """The 90 % interval of a mean whose 95 % interval, of `df` degrees, ends at `high`."""
    half = (high - mean) * float(stats.t.ppf(0.95, df) / stats.t.ppf(0.975, df))
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
