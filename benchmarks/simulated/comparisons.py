"""Simulated runs that were trained elsewhere: unpaired runs, folds, several data sets.

How often an arm without effect is found better or worse, and how often intervals cover the truth.
The formulas of `ablation.statistics.inference` are here for all studies at once; both are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ablation.report.data.block_means import block_means
from ablation.report.effects.blocks import block_effects
from ablation.report.effects.effects import mean_differences
from ablation.statistics import inference, power
from ablation.statistics.comparison import Comparison
from simulated.studies import MARGIN, NOISE, Array, Figure, near, trials_of

FOLDS = 5
EXAMPLES, FEATURES = 40, 24  # of a simulated cross-validation
CROSS_VALIDATIONS = 4_000
BLOCKS, ARMS, SEEDS = 3, 3, 5  # arms beside the baseline
SPREADS = {"equal spreads": 1.0, "one side spreads three times as much": 3.0}
COMPARED = 20  # studies that are also judged by the functions that the reports use


def comparison_figures(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """All figures, with their ranges."""
    yield from _unpaired(rng, studies)
    yield from _folds(rng, studies)
    yield from _blocks(rng, studies)


def _unpaired(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """Welch's test at no effect: its false positives and the coverage of its interval.

    Of few runs it is conservative where the spreads are alike, and a little liberal where one
    differs and has fewer runs, so the ranges are wider than those of the paired test.
    """
    for runs in (3, 4, 5, 10):
        for name, ratio in SPREADS.items():
            a = NOISE * ratio * rng.standard_normal((studies, runs))
            b = NOISE * rng.standard_normal((studies, runs))
            p, half = _welch(a, b)
            _agree_on_welch(a, b, p)
            where = f"unpaired, {runs} runs a side, {name}"
            yield f"{where}: false positives", float((p < power.ALPHA).mean()), 0.03, 0.065
            covered = np.abs(a.mean(1) - b.mean(1)) <= half
            yield f"{where}: coverage", float(covered.mean()), 0.935, 0.97
    a, b = NOISE * rng.standard_normal((2, studies, 5))
    a += MARGIN
    equivalent = _within(a, b) & (_welch(a, b)[0] >= power.ALPHA)
    name = "unpaired, 5 runs a side: false 'equivalent' at effect = margin"
    yield name, float(equivalent.mean()), 0.0, 0.055


def _welch(a: Array, b: Array) -> tuple[Array, Array]:
    """The p values, and half the widths of the 95 % intervals."""
    error, df = _satterthwaite(a, b)
    p = 2 * stats.t.sf(np.abs(a.mean(1) - b.mean(1)) / error, df)
    return p, stats.t.ppf(0.975, df) * error


def _satterthwaite(a: Array, b: Array) -> tuple[Array, Array]:
    """Standard errors and their degrees of freedom."""
    parts = [x.var(1, ddof=1) / x.shape[1] for x in (a, b)]
    freedom = [x.shape[1] - 1 for x in (a, b)]
    total = parts[0] + parts[1]
    spread = sum(part**2 / nu for part, nu in zip(parts, freedom, strict=True))
    return np.sqrt(total), total**2 / spread


def _within(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    error, df = _satterthwaite(a, b)
    half = stats.t.ppf(0.95, df) * error
    return np.asarray(np.abs(a.mean(1) - b.mean(1)) + half < MARGIN)


def _agree_on_welch(a: Array, b: Array, p: Array) -> None:
    ours = [inference.welch_test(*sides).p for sides in zip(a[:200], b[:200], strict=True)]
    np.testing.assert_allclose(ours, p[:200], rtol=1e-9)


def _folds(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """Two learners that are equally good, compared by the folds of one cross-validation.

    First folds whose differences correlate as Nadeau and Bengio suppose, by 1/K: there the
    correction is exact. Then cross-validations of least squares, each on half of the features,
    which matter alike: their folds correlate less, and the corrected test is conservative. Without
    a range, what the paired test says of the same folds.
    """
    shared, own = (rng.standard_normal((studies, count)) for count in (1, FOLDS))
    supposed = math.sqrt(1 / FOLDS) * shared + math.sqrt(1 - 1 / FOLDS) * own
    fitted = np.array([_cross_validated(rng) for _ in range(CROSS_VALIDATIONS)])
    exact, no_more = near(0.05, studies, 0.005), near(0.05, len(fitted), 0.005)[1]
    for name, d, ends in (
        ("that correlate by 1/K", supposed, exact),
        ("of fits", fitted, (0.0, no_more)),
    ):
        p = _corrected_p(d)
        ours = [inference.folds_test(folds, FOLDS).p for folds in d[:200]]
        np.testing.assert_allclose(ours, p[:200], rtol=1e-9)
        where = f"equal learners, {FOLDS} folds {name}: false positives"
        yield f"{where}, corrected", float((p < power.ALPHA).mean()), *ends
        yield f"{where} of the paired test", float((_paired_p(d) < power.ALPHA).mean()), 0.0, 1.0


def _corrected_p(d: Array) -> Array:
    """The p values of folds, which are along the last axis."""
    n = d.shape[-1]
    error = d.std(-1, ddof=1) * math.sqrt(1 / n + 1 / (FOLDS - 1))
    return np.asarray(2 * stats.t.sf(np.abs(d.mean(-1)) / error, n - 1))


def _cross_validated(rng: np.random.Generator) -> Array:
    """By fold, the squared error of one learner less that of the other."""
    x = rng.standard_normal((EXAMPLES, FEATURES))
    y = x.sum(1) + rng.standard_normal(EXAMPLES)
    half = FEATURES // 2
    errors = np.empty((FOLDS, 2))
    places = np.arange(EXAMPLES) % FOLDS
    for fold in range(FOLDS):
        train, test = places != fold, places == fold
        for side, own in enumerate((x[:, :half], x[:, half:])):
            fit = np.linalg.solve(own[train].T @ own[train], own[train].T @ y[train])
            errors[fold, side] = ((y[test] - own[test] @ fit) ** 2).mean()
    return np.asarray(errors[:, 0] - errors[:, 1])


def _blocks(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """Arms without effect on several data sets, whose runs differ in level and in spread."""
    shape = (studies, BLOCKS, ARMS + 1, SEEDS)
    spread = NOISE * np.array([1.0, 2.0, 6.0])[:, None, None]
    values = spread * rng.standard_normal(shape) + spread * rng.standard_normal(
        (studies, BLOCKS, 1, SEEDS)
    )
    pairs = values[:, :, 1:] - values[:, :, :1]
    overall, by_block = _paired_p(pairs.mean(1)), _paired_p(pairs).reshape(studies, -1)
    _agree_on_blocks(values, overall, by_block)
    where = f"{ARMS} arms without effect, {BLOCKS} data sets, {SEEDS} seeds"
    for name, p in (("their mean", overall), ("one family of all", by_block)):
        ends = near(0.045, studies, 0.01)
        yield f"{where}, {name}: family-wise error", _family_error(p), *ends


def _family_error(p: Array) -> float:
    """The share of families in which Holm rejects any: where the smallest p is below α/m."""
    return float((p.min(1) < power.ALPHA / p.shape[1]).mean())


def _paired_p(d: Array) -> Array:
    """The p values of pairs, which are along the last axis."""
    n = d.shape[-1]
    t = d.mean(-1) / (d.std(-1, ddof=1) / math.sqrt(n))
    return np.asarray(2 * stats.t.sf(np.abs(t), n - 1))


def _agree_on_blocks(values: Array, overall: Array, by_block: Array) -> None:
    """Compare with the functions that the reports use."""
    names = ["baseline", *(f"x={place}" for place in range(1, ARMS + 1))]
    arms = pd.DataFrame({"arm": names, "against": ["", *["baseline"] * ARMS]})
    comparison = Comparison(blocks="dataset")
    for study in range(min(COMPARED, len(values))):
        runs = pd.concat(
            [
                trials_of(names, values[study, block]).assign(block=str(block), test_value=math.nan)
                for block in range(BLOCKS)
            ],
            ignore_index=True,
        )
        tests = mean_differences(block_means(runs), arms, comparison=comparison)
        np.testing.assert_allclose([t.p for t in tests.values()], overall[study], rtol=1e-7)
        rows = block_effects(
            runs,
            arms.assign(factor="", level="", reported_test_accuracy=0, reported_test_loss=0),
            MARGIN,
            "maximize",
            comparison,
        )
        found = rows.loc[rows["against"] != "", "p_value"]
        np.testing.assert_allclose(found, by_block[study], rtol=1e-7)
