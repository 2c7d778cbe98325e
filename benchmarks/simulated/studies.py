"""Simulated studies, and what the formulas of the report make of them: shared by the calibration.

The formulas of `ablation.statistics.inference` are here for all studies at once; both are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ablation.statistics import inference, power
from ablation.statistics.settled_studies import holm_rows

ARMS, SEEDS, MARGIN = 9, 10, 0.005
NOISE = 0.003  # of each training
Array = npt.NDArray[np.float64]
Figure = tuple[str, float, float, float]  # name, share, and the range that it must lie in


@dataclass(frozen=True)
class Simulated:
    """Pairs of many studies and what is made of them; arrays are (studies, arms)."""

    differences: Array  # (studies, arms, seeds)
    low: Array
    high: Array
    p: Array
    p_holm: Array
    equivalent: npt.NDArray[np.bool_]
    rejected: npt.NDArray[np.bool_]


def simulate(
    rng: np.random.Generator,
    studies: int,
    effects: Array,
    spread: Array | float = NOISE,
    heavy: bool = False,
) -> Simulated:
    """Simulate studies whose arms have these true effects (fractions)."""

    def noise(*shape: int) -> Array:
        if heavy:  # Student's t of 5 degrees of freedom, scaled to a variance of 1
            return np.asarray(rng.standard_t(5, shape) / np.sqrt(5 / 3))
        return rng.standard_normal(shape)

    baseline = NOISE * noise(studies, 1, SEEDS)
    own = np.reshape(spread, (-1, 1)) * noise(studies, ARMS, SEEDS)
    simulated = judge(effects[:, None] + own - baseline)
    agree(simulated)
    return simulated


def judge(d: Array) -> Simulated:
    """What `ablation.statistics.inference` makes of the pairs, for all studies at once."""
    n = d.shape[2]
    mean, error = d.mean(2), d.std(2, ddof=1) / np.sqrt(n)
    outer, inner = stats.t.ppf([0.975, 0.95], n - 1)
    p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
    adjusted = holm_rows(p)
    rejected = adjusted < power.ALPHA
    within = (mean - inner * error > -MARGIN) & (mean + inner * error < MARGIN)
    low, high = mean - outer * error, mean + outer * error
    return Simulated(d, low, high, p, adjusted, within & ~rejected, rejected)


def agree(simulated: Simulated, studies: int = 200) -> None:
    """Compare with the functions that the reports use."""
    for study in range(studies):
        tests = [inference.paired_test(pairs) for pairs in simulated.differences[study]]
        p_holm = inference.holm([test.p for test in tests])
        np.testing.assert_allclose(p_holm, simulated.p_holm[study], rtol=1e-9)
        for arm, test in enumerate(tests):
            ours = (simulated.low[study, arm], simulated.high[study, arm])
            np.testing.assert_allclose((test.low, test.high), ours, rtol=1e-9)
            verdict = inference.verdict(test, p_holm[arm], MARGIN)
            assert (verdict in ("better", "worse")) == simulated.rejected[study, arm]
            assert (verdict == "equivalent") == simulated.equivalent[study, arm]


def near(level: float, studies: int, least: float) -> tuple[float, float]:
    """What a share of `level` may come to: at least this far off, or three standard errors."""
    half = max(least, 3 * math.sqrt(level * (1 - level) / studies))
    return level - half, level + half


def trials_of(arms: list[str], values: Array) -> pd.DataFrame:
    """Finished trials with these accuracies, (arms, seeds)."""
    rows = [
        (arm, seed, x) for arm, xs in zip(arms, values, strict=True) for seed, x in enumerate(xs)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    return frame.assign(state="COMPLETE", number=range(len(frame)))
