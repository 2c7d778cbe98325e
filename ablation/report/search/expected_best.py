"""What a random search of so many trials may be expected to find."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from ablation.objective.metric import Direction, sign_of
from ablation.report.effects.replicates import DIVERGED, ends

LEAST = 2  # draws
POINTS = 200  # numbers of trials at most that the curve has


def expected_maximum(values: npt.ArrayLike, count: int) -> float:
    """The mean, over all ways to take ``count`` of the values without replacement, of the highest.

    With the values sorted, ``v(1) <= ... <= v(n)``, the i-th is the highest of ``C(i-1, k-1)`` of
    the ``C(n, k)`` subsets: ``sum_i v(i) C(i-1, k-1) / C(n, k)``. It is unbiased for the expected
    maximum of k draws (Tang et al. 2020, "Showing Your Work Doesn't Always Work"); drawing with
    replacement, as is more usual, is not.

    Args:
        values: (n,), finite.
        count: k, from 1 to n.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    size = len(ordered)
    rank = np.arange(count, size + 1)
    logarithms = _log_choose(rank - 1, count - 1) - _log_choose(np.array([size]), count)
    weights = np.exp(logarithms)
    return float(weights @ ordered[count - 1 :] / weights.sum())  # they sum to 1 but for rounding


def _log_choose(n: npt.NDArray[np.int_], k: int) -> npt.NDArray[np.float64]:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def expected_performance(
    values: pd.Series[float], direction: Direction = "maximize"
) -> pd.DataFrame:
    """The expected best value by the number of trials.

    Args:
        values: one a draw of a random search, all finished.
        direction: of the metric.

    Returns:
        ``trials`` (from 1 to n, ``POINTS`` of them at most) and ``expected_value``.
    """
    size, sign = len(values), sign_of(direction)
    counts = np.arange(1, size + 1)
    if size > POINTS:
        counts = np.unique(np.geomspace(1, size, POINTS).round().astype(int))
    best = [sign * expected_maximum(sign * values, int(count)) for count in counts]
    return pd.DataFrame({"trials": counts, "expected_value": best})


def random_draws(
    trials: pd.DataFrame, sampler: str, stopped: int, fixed: Collection[str], noun: str = "value"
) -> tuple[pd.Series[float], str]:
    """The values of a search's random draws; or, where the estimate does not hold, why.

    A setting that was drawn twice counts twice, since a random search may draw it twice. A draw
    that failed or diverged gave nothing but was a draw all the same: it counts as one that guesses.

    Args:
        trials: the columns of ``trials.csv``, of the search alone.
        sampler: what drew them.
        stopped: how many were stopped before their last epoch.
        fixed: the baseline and the arms with names of their own, which are tried first, once,
            without a draw.
        noun: what a training comes to: of the metric.
    """
    none = pd.Series(dtype=float)
    if sampler != "random":
        return none, f"it holds for trials drawn at random, and the sampler is {sampler}."
    if stopped:
        return none, f"of {stopped} trials that were stopped early the last {noun} is unknown."
    ordered = trials.sort_values("number")
    # The arms that are tried first have no draw.
    first = ordered["arm"].isin(fixed) & ~ordered["arm"].duplicated()
    values = pd.to_numeric(ordered["value"]).astype(float)
    ended = ends(ordered).isin(["COMPLETE", "FAIL", DIVERGED]) & ~first
    gave = (ends(ordered) == "COMPLETE") & np.isfinite(values)
    if (done := int((ended & gave).sum())) < LEAST:
        return none, f"it takes {LEAST} finished draws, and there are {done}."
    guessing = ordered["chance"].astype(float)
    if (lost := int((ended & ~gave).sum())) and guessing[ended].isna().any():
        return none, f"{lost} draws failed or diverged, and what guessing gives is not known."
    draws = pd.Series(np.where(gave, values, guessing), index=ordered.index)
    return draws[ended], ""
