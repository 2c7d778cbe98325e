"""Simulated paths: the error rates of their steps, and of the test of steps that interact."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ablation.report.path.interactions import interactions
from ablation.report.path.steps import SCIENTIFIC
from ablation.statistics import power
from simulated.studies import NOISE, Array, Simulated, judge, trials_of

STEPS, LOOKS = 4, (5, 10, 15, 20)  # of a path, and the numbers of seeds that it is raised to


def raised_path_seeds(rng: np.random.Generator, studies: int) -> tuple[float, float]:
    """How often a path without any effect has a significant step: at its last look, at any look."""
    trained = NOISE * rng.standard_normal((studies, STEPS + 1, LOOKS[-1]))
    steps = np.diff(trained, axis=1)  # each against the one before
    wrong = np.stack([judge(steps[:, :, :seeds]).rejected.any(1) for seeds in LOOKS])
    return float(wrong[-1].mean()), float(wrong.any(0).mean())


def path_interactions(
    studies: int, seed: int, steps: int = 4, seeds: int = 5
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Whether a path's steps depend on the order: error rate and coverage of that test.

    A path of `steps` scientific steps, all but the last of which are taken back alone as well. What
    is tested of each of these is ``(y_k - y_(k-1)) - (y_best - y_(best without k))`` by seed, as in
    `ablation.report.path.interactions.interactions`: once without any interaction, once with one
    of the first step. The ranges are a share's own, plus or minus 3.3 standard errors of the
    binomial.
    """
    rng = np.random.default_rng(seed)

    def simulated(real: float) -> Simulated:
        y = NOISE * rng.standard_normal((studies, steps + 1, seeds))  # the baseline and the steps
        back = NOISE * rng.standard_normal((studies, steps - 1, seeds))
        back[:, 0] += real
        judged = judge((y[:, 1:-1] - y[:, :-2]) - (y[:, -1:] - back))
        agree_on_interactions(y, back, judged)
        return judged

    def around(share: float) -> tuple[float, float]:
        error = 3.3 * math.sqrt(share * (1 - share) / studies)
        return share - error, share + error

    null, one = simulated(0.0), simulated(4 * NOISE)
    nominal = 1 - power.ALPHA
    shares, ranges = dict[str, float](), dict[str, tuple[float, float]]()
    for name, each, true in (("no interaction", null, 0.0), ("one", one, 4 * NOISE)):
        share = ((each.low[:, 0] <= true) & (true <= each.high[:, 0])).mean()
        shares[f"path, {name}: coverage"] = float(share)
        ranges[f"path, {name}: coverage"] = around(nominal)
    for name, wrong in (("no interaction", null.rejected), ("one", one.rejected[:, 1:])):
        shares[f"path, {name}: family-wise error"] = float(wrong.any(1).mean())
        ranges[f"path, {name}: family-wise error"] = (0.0, around(power.ALPHA)[1])
    return shares, ranges


def agree_on_interactions(y: Array, back: Array, judged: Simulated, studies: int = 20) -> None:
    """Compare with the function that the reports use."""
    names = [f"x{place}" for place in range(1, y.shape[1])]
    walked = [dict.fromkeys(names[:place], 1) for place in range(len(names) + 1)]
    without = [{other: 1 for other in names if other != name} for name in names[:-1]]
    changed = [*walked, *without]
    arms = pd.DataFrame({"arm": [f"arm {place}" for place in range(len(changed))]})
    arms["path_step"] = pd.array([None, *range(1, len(walked)), *[None] * len(without)], "Int64")
    arms["changed"] = pd.Series(changed, dtype=object)
    for study in range(min(studies, len(y))):
        trials = trials_of(arms["arm"].tolist(), np.vstack([y[study], back[study]]))
        rows = interactions(trials, arms, [SCIENTIFIC] * len(walked)).iloc[1:-1]
        np.testing.assert_allclose(rows["interaction"], judged.differences[study].mean(1))
        np.testing.assert_allclose(rows["interaction_ci_low"], judged.low[study])
        np.testing.assert_allclose(rows["interaction_ci_high"], judged.high[study])
        assert ((rows["interaction_p_holm"] < power.ALPHA) == judged.rejected[study]).all()
