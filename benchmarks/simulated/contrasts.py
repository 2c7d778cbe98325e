"""Simulated factorials: do the intervals of their contrasts cover what they say?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from ablation.report.effects.contrasts import contrasts
from simulated.studies import NOISE, Array, Figure, near, trials_of

CELLS = list(itertools.product(range(2), range(4)))  # of a factorial: levels of a and of b
SPREADS = {
    "equal spreads": np.ones(8),
    "one noisy cell of eight": np.array([1.0, 1, 1, 1, 1, 1, 1, 8]),
    "one noisy level of four": np.array([1.0, 1, 1, 8, 1, 1, 1, 8]),
}
"""By what is simulated, the spread of each cell, in units of `NOISE`."""


def weights() -> Array:
    """The contrasts of the 2 x 4 grid: main effects, then interactions; (contrasts, cells)."""
    a, b = np.array(CELLS).T
    first = (a == 1) / 4 - (a == 0) / 4
    others = [(b == level) / 2 - (b == 0) / 2 for level in (1, 2, 3)]
    both = [np.where(a == 1, 1, -1) * ((b == level) * 1.0 - (b == 0)) for level in (1, 2, 3)]
    return np.array([first, *others, *both])


def contrast_figures(rng: np.random.Generator, studies: int, seeds: int = 5) -> Iterator[Figure]:
    """How often the 95 % intervals of a factorial's contrasts cover the truth, which is 0.

    Contrast by contrast: a mean over them would hide one that covers too much behind one that
    covers too little. Without a range, what a spread pooled over all cells would have covered.
    """
    for name, spread in SPREADS.items():
        own = NOISE * spread * rng.standard_normal((studies, seeds, len(CELLS)))
        values = own + NOISE * rng.standard_normal((studies, seeds, 1))
        by_seed = values @ weights().T  # (studies, seeds, contrasts)
        mean, error = by_seed.mean(1), by_seed.std(1, ddof=1) / math.sqrt(seeds)
        half = stats.t.ppf(0.975, seeds - 1) * error
        agree_on_contrasts(values, mean, half)
        covered = (np.abs(mean) <= half).mean(0)
        low, high = near(0.95, studies, 0.005)
        yield f"contrasts, {name}: lowest coverage", float(covered.min()), low, high
        yield f"contrasts, {name}: highest coverage", float(covered.max()), low, high
        pooled = float((np.abs(mean) <= pooled_half(values)).mean(0).min())
        yield f"contrasts, {name}: lowest coverage if the spread were pooled", pooled, 0.0, 1.0


def pooled_half(values: Array) -> Array:
    """Half an interval's width by least squares with a mean for each cell and seeds as blocks."""
    seeds, cells = values.shape[1:]
    rest = values - values.mean(1, keepdims=True) - values.mean(2, keepdims=True)
    rest += values.mean((1, 2), keepdims=True)
    degrees = (seeds - 1) * (cells - 1)
    variance = (rest**2).sum((1, 2)) / degrees
    error = np.sqrt(variance[:, None] * (weights() ** 2).sum(1) / seeds)
    return np.asarray(stats.t.ppf(0.975, degrees) * error)


def agree_on_contrasts(values: Array, mean: Array, half: Array, studies: int = 5) -> None:
    """Compare with the function that the reports use."""
    names = ["baseline", *(f"a={a}+b={b}" for a, b in CELLS[1:])]
    arms = pd.DataFrame([(str(a), str(b)) for a, b in CELLS], columns=["a", "b"])
    arms = arms.assign(
        arm=names,
        changes=names,
        kind=["baseline", *["level"] * (len(names) - 1)],
        changed=pd.Series([{} for _ in names], dtype=object),
        against=["", *["baseline"] * (len(names) - 1)],
    )
    for study in range(min(studies, len(values))):
        rows = contrasts(trials_of(names, values[study].T), arms, "factorial", ["a", "b"])
        np.testing.assert_allclose(rows["delta"], mean[study], atol=1e-12)
        np.testing.assert_allclose(rows["ci_high"], (mean + half)[study], atol=1e-12)
