"""Are the intervals, tests and verdicts what they claim to be? Many simulated studies say.

    python benchmarks/calibration.py

Each simulated study has a baseline, 9 arms and 10 seeds; every training has noise of its own, and
what a seed does to all arms is left out, as it cancels out in the pairs. These go through the
formulas of `ablation.statistics.inference`, here for all studies at once, and both are compared on
200 of each kind. Then contrasts of factorials whose cells spread unequally, the advice to keep the
baseline, arms that diverge in some seeds, arms that are trained until they are settled, other
figures of these, the interactions of a path's steps, and what is made of runs that were trained
elsewhere: unpaired ones, folds, several data sets. Exits with 1 where a figure is out of range.
Reported without a range: arms that spread unequally, tails heavier than normal, and what other
tests would have said.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator

import machine
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from simulated.comparisons import comparison_figures
from simulated.contrasts import contrast_figures
from simulated.paths import LOOKS, path_interactions, raised_path_seeds
from simulated.secondary import secondary_figures
from simulated.settling import settling_figures
from simulated.studies import (
    ARMS,
    MARGIN,
    NOISE,
    SEEDS,
    Array,
    Figure,
    near,
    simulate,
    trials_of,
)

from ablation.report.effects.effects import effects
from ablation.report.effects.gains import may_be_better
from ablation.statistics import inference, power

PAIRS = 0.004  # standard deviation between pairs that share the baseline


def measure(studies: int, seed: int) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """All figures, and the range that some of them must lie in."""
    rng = np.random.default_rng(seed)
    shares: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}

    def say(name: str, share: float, low: float = 0.0, high: float = 1.0) -> None:
        shares[name] = float(share)
        if (low, high) != (0.0, 1.0):
            ranges[name] = (low, high)

    large = 4 * NOISE
    for real in (0, 4, 8):
        effects = np.where(np.arange(ARMS) < real, large, 0.0)
        simulated = simulate(rng, studies, effects)
        covered = (simulated.low <= effects) & (effects <= simulated.high)
        say(f"coverage, {real} real effects", covered.mean(), 0.945, 0.955)
        wrong = simulated.rejected[:, real:].any(1).mean()
        say(f"family-wise error, {real} real effects", wrong, 0.0 if real else 0.03, 0.055)
    for size in (0.6, 1.0, 1.4):
        effect = size * NOISE * np.sqrt(2)
        simulated = simulate(rng, studies, np.full(ARMS, effect))
        rate = ((simulated.p < power.ALPHA / ARMS) & (simulated.differences.mean(2) > 0)).mean()
        expected = power.power(effect, NOISE * np.sqrt(2), SEEDS, ARMS)
        name = f"power at {size:g} standard deviations, less the noncentral t's {expected:.3f}"
        say(name, rate - expected, -0.015, 0.015)
    simulated = simulate(rng, studies, np.full(ARMS, MARGIN))
    say("false 'equivalent' at effect = margin", simulated.equivalent.mean(), 0.0, 0.055)
    simulated = simulate(rng, studies, np.zeros(ARMS))
    say("true 'equivalent' at no effect", simulated.equivalent.mean())
    unequal = np.where(np.arange(ARMS) % 2, 4 * NOISE, NOISE)
    for name, options in (
        ("unequal spreads", {"spread": unequal}),
        ("t5 tails", {"heavy": True}),
    ):
        simulated = simulate(rng, studies, np.zeros(ARMS), **options)
        covered = (simulated.low <= 0) & (simulated.high >= 0)
        say(f"{name}: coverage", covered.mean())
        say(f"{name}: family-wise error", simulated.rejected.any(1).mean())
    once, ever = raised_path_seeds(np.random.default_rng(seed), studies)
    say(f"a path's false steps, {LOOKS[-1]} seeds at once", once)
    raised = "/".join(map(str, LOOKS))
    say(f"a path's false steps, path_seeds raised {raised} with a look at each", ever)
    parts = contrast_figures, baseline_figures, diverging_arms, comparison_figures
    for figure in itertools.chain.from_iterable(part(rng, studies) for part in parts):
        say(*figure)
    for part in (settling_figures, secondary_figures):
        for figure in part(seed, 2 * studies):
            say(*figure)
    return shares, ranges


def baseline_figures(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """How often the baseline is said to be the one to keep: with better arms, and without."""
    effects = np.where(np.arange(ARMS) < 2, MARGIN, 0.0)
    for seeds, spread in ((3, PAIRS), (5, PAIRS), (10, PAIRS), (10, PAIRS / 4)):
        name = f"'keep the baseline', two arms better by the margin, {seeds} seeds"
        wrong, high = (
            kept(rng, studies, effects, seeds, spread),
            3 * math.sqrt(0.05 * 0.95 / studies),
        )
        yield f"{name}, {100 * spread:.1f} points between pairs", wrong, 0.0, 0.05 + high
    right = kept(rng, studies, np.zeros(ARMS), SEEDS, PAIRS)
    yield f"'keep the baseline' at no effect, {SEEDS} seeds", right, *near(0.87, studies, 0.01)


def kept(
    rng: np.random.Generator, studies: int, effects: Array, seeds: int, spread: float
) -> float:
    """The share of studies in which no arm may be better than the baseline by the margin."""
    noise = spread / math.sqrt(2) * rng.standard_normal((studies, ARMS + 1, seeds))
    values = noise + np.r_[0.0, effects][:, None]
    pairs = values[:, 1:] - values[:, :1]
    error = pairs.std(2, ddof=1) / math.sqrt(seeds)
    ruled_out = pairs.mean(2) + stats.t.ppf(0.95, seeds - 1) * error < MARGIN
    names = ["baseline", *(f"x={place}" for place in range(1, ARMS + 1))]
    arms = pd.DataFrame({"arm": names, "against": ["", *["baseline"] * ARMS]})
    for study in range(min(20, studies)):  # compare with the function that the reports use
        left = may_be_better(trials_of(names, values[study]), arms, MARGIN)
        assert set(left["arm"]) == set(np.array(names[1:])[~ruled_out[study]])
    return float(ruled_out.all(1).mean())


def diverging_arms(rng: np.random.Generator, studies: int) -> Iterator[Figure]:
    """How often an arm without effect is "better", of which the worst fifth of pairs diverges.

    Without a range, what the pairs of the seeds that survive would have said alone.
    """
    for seeds in (5, 10, 18):
        values = NOISE * rng.standard_normal((studies, 2, seeds))
        gone = values[:, 1] - values[:, 0] < NOISE * math.sqrt(2) * stats.norm.ppf(0.2)
        naive, said = [], []
        for own, lost in zip(values, gone, strict=True):
            test = inference.paired_test((own[1] - own[0])[~lost])
            naive.append(test.p < power.ALPHA and test.mean > 0)
            rule = inference.unsound(test, "diverged" if lost.any() else "")
            said.append(inference.verdict(rule, rule.p, MARGIN) == "better")
        agree_on_divergence(values, gone, said)
        name = f"an arm without effect whose worst fifth diverges is 'better', {seeds} seeds"
        yield name, float(np.mean(said)), 0.0, power.ALPHA
        yield f"{name}, over the survivors alone", float(np.mean(naive)), 0.0, 1.0


def agree_on_divergence(
    values: Array, gone: npt.NDArray[np.bool_], said: list[bool], studies: int = 20
) -> None:
    """Compare with the function that the reports use."""
    arms = pd.DataFrame({"arm": ["baseline", "x"], "against": ["", "baseline"]})
    columns = ["factor", "level", "reported_test_accuracy", "reported_test_loss"]
    for study in range(min(studies, len(values))):
        trials = trials_of(["baseline", "x"], values[study])
        lost = (trials["arm"] == "x").to_numpy() & np.r_[np.zeros_like(gone[study]), gone[study]]
        trials = trials.assign(
            test_accuracy=0.0,
            test_loss=0.0,
            state=np.where(lost, "FAIL", "COMPLETE"),
            value=trials["value"].mask(lost),
            diverged=pd.Series(np.where(lost, 1.0, math.nan)).astype("Int64"),
        )
        rows = effects(trials, arms.reindex(columns=[*arms, *columns]), MARGIN)
        assert (rows["verdict"].iloc[1] == "better") == said[study]


def main() -> None:
    """Simulate and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    about = machine.describe(threads=1, studies=options.studies, arms=ARMS, seeds=SEEDS)
    shares, ranges = measure(options.studies, options.seed)
    for part, limits in [path_interactions(options.studies, options.seed)]:
        shares |= part
        ranges |= limits
    bad = []
    for name, share in shares.items():
        low, high = ranges.get(name, (-1.0, 1.0))
        told = f"  (from {low:.1%} to {high:.1%})" if name in ranges else ""
        print(f"{share:8.2%}  {name}{told}")
        if not low <= share <= high:
            bad.append(name)
    print(f"\n{'out of range: ' + '; '.join(bad) if bad else 'all in range'}")
    machine.finish("calibration", about, figures=shares, out_of_range=bad)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
