"""Figures beside the one whose looks settle arms: what their verdicts and intervals are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ablation.objective.metric import Metric
from ablation.report.effects.secondary import Figure as Beside
from ablation.report.effects.secondary import secondary
from ablation.statistics.inference import MeanDifference, paired_test
from ablation.statistics.power import ALPHA
from ablation.statistics.settled_studies import differences, holm_rows, settle_studies
from ablation.statistics.settling import repeated
from simulated.settling import BATCH, EFFECTS, LOOKS, PAIRS
from simulated.studies import Array, Figure

CORRELATIONS = (0.7, 1.0)  # of the noise of both figures, training by training


def secondary_figures(seed: int, studies: int = 40_000) -> Iterator[Figure]:
    """What the second figures' tests and intervals are worth, with and without their correction.

    The second figure has no effect in any arm. The margin of the first is small or usual: with a
    small one, arms stop where they seem to differ and nowhere else.
    """
    for margin, effects in ((0.02, np.zeros(len(EFFECTS))), (0.5, EFFECTS)):
        for correlation in CORRELATIONS:
            rng = np.random.default_rng(seed)
            parts = [
                _batch(rng, min(BATCH, studies - begin), effects, margin, correlation)
                for begin in range(0, studies, BATCH)
            ]
            wrong, uncovered, naive, narrow = np.mean(parts, axis=0)
            where = f"second figure, correlation {correlation:g}, margin {margin:g}"
            yield f"{where}: family-wise error", wrong, 0.0, ALPHA
            yield f"{where}: repeated intervals cover", 1 - uncovered, 1 - ALPHA, 1.0
            yield f"{where}: family-wise error without the factor of looks", naive, 0.0, 1.0
            yield f"{where}: ordinary intervals cover", 1 - narrow, 0.0, 1.0


def _batch(
    rng: np.random.Generator, studies: int, effects: Array, margin: float, correlation: float
) -> tuple[float, float, float, float]:
    """Of some studies: the share with a wrong finding, and of intervals that miss, both ways."""
    none, most = np.zeros(len(effects)), LOOKS[-1]
    first = differences(rng, studies, none, PAIRS, most)
    other = differences(rng, studies, none, PAIRS, most)
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    seeds = settle_studies(first + effects[:, None], LOOKS, margin).seeds
    p, missed, missed_plain = np.ones((3, studies, len(effects)))
    for n in LOOKS:
        d, here = second[:, :, :n], seeds == n
        t = np.abs(d.mean(2)) / (d.std(2, ddof=1) / np.sqrt(n))
        p = np.where(here, 2 * stats.t.sf(t, n - 1), p)
        missed = np.where(here, t > stats.t.ppf(1 - ALPHA / (2 * len(LOOKS)), n - 1), missed)
        missed_plain = np.where(here, t > stats.t.ppf(1 - ALPHA / 2, n - 1), missed_plain)
    adjusted = holm_rows(np.minimum(len(LOOKS) * p, 1))
    agree(second, seeds, adjusted, missed)
    wrong, plain = ((each < ALPHA).any(1).mean() for each in (adjusted, holm_rows(p)))
    return float(wrong), float(missed.mean()), float(plain), float(missed_plain.mean())


def agree(
    second: Array, seeds: NDArray[np.int_], adjusted: Array, missed: Array, studies: int = 5
) -> None:
    """Compare with the function that the reports use."""
    count = second.shape[1]
    names = [f"x={place}" for place in range(count)]
    arms = pd.DataFrame({"arm": ["baseline", *names], "against": ["", *["baseline"] * count]})
    trials = pd.DataFrame({"arm": names, "seed": 0, "state": "COMPLETE", "value": 0.0, "f1": 0.0})
    for study in range(studies):
        tests = {
            name: repeated(paired_test(second[study, arm, : int(seeds[study, arm])]), len(LOOKS))
            for arm, name in enumerate(names)
        }
        rows = secondary(trials, arms, [Beside(Metric("f1"))], partial(_given, tests)).iloc[1:]
        np.testing.assert_allclose(rows["p_holm"].astype(float), adjusted[study], rtol=1e-9)
        outside = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)
        assert list(outside) == list(missed[study] == 1)
        assert list(rows["verdict"] != "inconclusive") == list(adjusted[study] < ALPHA)


def _given(
    tests: Mapping[str, MeanDifference], known: pd.DataFrame
) -> Mapping[str, MeanDifference]:
    """The tests themselves, whatever is known of the figure."""
    return tests
