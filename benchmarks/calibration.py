"""Are the intervals, tests and verdicts what they claim to be? Many simulated studies say.

    python benchmarks/calibration.py

Each simulated study has a baseline, 9 arms and 10 seeds; every training has noise of its own, and
what a seed does to all arms is left out, as it cancels out in the pairs. These go through the
formulas of `ablation.statistics.inference`, here for all studies at once, and both are compared on
200 of each kind. Then contrasts of factorials whose cells spread unequally, the advice to keep the
baseline, arms that diverge in some seeds, and the interactions of a path's steps. Exits with 1
where a figure is out of range. Reported without a range: arms that spread unequally, and tails
heavier than normal.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import machine
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ablation.report.effects.confirmation import SCIENTIFIC, interactions
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.effects import effects
from ablation.report.effects.gains import may_be_better
from ablation.statistics import inference, power

ARMS, SEEDS, MARGIN = 9, 10, 0.005
NOISE = 0.003  # of each training
STEPS, LOOKS = 4, (5, 10, 15, 20)  # of a path, and the numbers of seeds that it is raised to
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
    found = judge(effects[:, None] + own - baseline)
    agree(found)
    return found


def judge(d: Array) -> Simulated:
    """What `ablation.statistics.inference` makes of the pairs, for all studies at once."""
    n, m = d.shape[2], d.shape[1]
    mean, error = d.mean(2), d.std(2, ddof=1) / np.sqrt(n)
    outer, inner = stats.t.ppf([0.975, 0.95], n - 1)
    p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
    order = p.argsort(1)
    steps = np.take_along_axis(p, order, 1) * np.arange(m, 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, 1), 1), 1)
    rejected = adjusted < power.ALPHA
    within = (mean - inner * error > -MARGIN) & (mean + inner * error < MARGIN)
    low, high = mean - outer * error, mean + outer * error
    return Simulated(d, low, high, p, adjusted, within & ~rejected, rejected)


def agree(found: Simulated, studies: int = 200) -> None:
    """Compare with the functions that the reports use."""
    for study in range(studies):
        tests = [inference.paired_test(pairs) for pairs in found.differences[study]]
        p_holm = inference.holm([test.p for test in tests])
        np.testing.assert_allclose(p_holm, found.p_holm[study], rtol=1e-9)
        for arm, test in enumerate(tests):
            ours = (found.low[study, arm], found.high[study, arm])
            np.testing.assert_allclose((test.low, test.high), ours, rtol=1e-9)
            verdict = inference.verdict(test, p_holm[arm], MARGIN)
            assert (verdict in ("better", "worse")) == found.rejected[study, arm]
            assert (verdict == "equivalent") == found.equivalent[study, arm]


def raised_path_seeds(rng: np.random.Generator, studies: int) -> tuple[float, float]:
    """How often a path without any effect has a significant step: at its last look, at any look."""
    trained = NOISE * rng.standard_normal((studies, STEPS + 1, LOOKS[-1]))
    steps = np.diff(trained, axis=1)  # each against the one before
    wrong = np.stack([judge(steps[:, :, :seeds]).rejected.any(1) for seeds in LOOKS])
    return float(wrong[-1].mean()), float(wrong.any(0).mean())


def measure(studies: int, seed: int) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """All figures, and the range that some of them must lie in."""
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}

    def say(name: str, share: float, low: float = 0.0, high: float = 1.0) -> None:
        found[name] = float(share)
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
    parts = contrast_figures, baseline_figures, diverging_arms
    for figure in itertools.chain.from_iterable(part(rng, studies) for part in parts):
        say(*figure)
    return found, ranges


def near(level: float, studies: int, least: float) -> tuple[float, float]:
    """What a share of `level` may come to: at least this far off, or three standard errors."""
    half = max(least, 3 * math.sqrt(level * (1 - level) / studies))
    return level - half, level + half


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
        found = contrasts(trials_of(names, values[study].T), arms, "factorial", ["a", "b"])
        np.testing.assert_allclose(found["delta"], mean[study], atol=1e-12)
        np.testing.assert_allclose(found["ci_high"], (mean + half)[study], atol=1e-12)


def trials_of(arms: list[str], values: Array) -> pd.DataFrame:
    """Finished trials with these accuracies, (arms, seeds)."""
    rows = [
        (arm, seed, x) for arm, xs in zip(arms, values, strict=True) for seed, x in enumerate(xs)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "val_accuracy"])
    return frame.assign(state="COMPLETE", number=range(len(frame)))


PAIRS = 0.004  # standard deviation between pairs that share the baseline


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
            val_accuracy=trials["val_accuracy"].mask(lost),
            diverged=pd.Series(np.where(lost, 1.0, math.nan)).astype("Int64"),
        )
        found = effects(trials, arms.reindex(columns=[*arms, *columns]), MARGIN)
        assert (found["verdict"].iloc[1] == "better") == said[study]


def path_interactions(
    studies: int, seed: int, steps: int = 4, seeds: int = 5
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Whether a path's steps depend on the order: error rate and coverage of that test.

    A path of `steps` scientific steps, all but the last of which are taken back alone as well. What
    is tested of each of these is ``(y_k - y_(k-1)) - (y_best - y_(best without k))`` by seed, as in
    `ablation.report.effects.confirmation.interactions`: once without any interaction, once with one
    of the first step. The ranges are a share's own, plus or minus 3.3 standard errors of the
    binomial.
    """
    rng = np.random.default_rng(seed)

    def simulated(real: float) -> Simulated:
        y = NOISE * rng.standard_normal((studies, steps + 1, seeds))  # the baseline and the steps
        back = NOISE * rng.standard_normal((studies, steps - 1, seeds))
        back[:, 0] += real
        found = judge((y[:, 1:-1] - y[:, :-2]) - (y[:, -1:] - back))
        agree_on_interactions(y, back, found)
        return found

    def around(share: float) -> tuple[float, float]:
        error = 3.3 * math.sqrt(share * (1 - share) / studies)
        return share - error, share + error

    null, one = simulated(0.0), simulated(4 * NOISE)
    nominal = 1 - power.ALPHA
    found, ranges = dict[str, float](), dict[str, tuple[float, float]]()
    for name, each, true in (("no interaction", null, 0.0), ("one", one, 4 * NOISE)):
        share = ((each.low[:, 0] <= true) & (true <= each.high[:, 0])).mean()
        found[f"path, {name}: coverage"] = float(share)
        ranges[f"path, {name}: coverage"] = around(nominal)
    for name, wrong in (("no interaction", null.rejected), ("one", one.rejected[:, 1:])):
        found[f"path, {name}: family-wise error"] = float(wrong.any(1).mean())
        ranges[f"path, {name}: family-wise error"] = (0.0, around(power.ALPHA)[1])
    return found, ranges


def agree_on_interactions(y: Array, back: Array, found: Simulated, studies: int = 20) -> None:
    """Compare with the function that the reports use."""
    names = [f"x{place}" for place in range(1, y.shape[1])]
    walked = [dict.fromkeys(names[:place], 1) for place in range(len(names) + 1)]
    without = [{other: 1 for other in names if other != name} for name in names[:-1]]
    changed = [*walked, *without]
    arms = pd.DataFrame({"arm": [f"arm {place}" for place in range(len(changed))]})
    arms["step"] = pd.array([None, *range(1, len(walked)), *[None] * len(without)], "Int64")
    arms["changed"] = pd.Series(changed, dtype=object)
    for study in range(min(studies, len(y))):
        trials = trials_of(arms["arm"].tolist(), np.vstack([y[study], back[study]]))
        rows = interactions(trials, arms, [SCIENTIFIC] * len(walked)).iloc[1:-1]
        np.testing.assert_allclose(rows["interaction"], found.differences[study].mean(1))
        np.testing.assert_allclose(rows["interaction_ci_low"], found.low[study])
        np.testing.assert_allclose(rows["interaction_ci_high"], found.high[study])
        assert ((rows["interaction_p_holm"] < power.ALPHA) == found.rejected[study]).all()


def main() -> None:
    """Simulate and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    about = machine.describe(threads=1, studies=options.studies, arms=ARMS, seeds=SEEDS)
    found, ranges = measure(options.studies, options.seed)
    for part, limits in [path_interactions(options.studies, options.seed)]:
        found |= part
        ranges |= limits
    bad = []
    for name, share in found.items():
        low, high = ranges.get(name, (-1.0, 1.0))
        told = f"  (from {low:.1%} to {high:.1%})" if name in ranges else ""
        print(f"{share:8.2%}  {name}{told}")
        if not low <= share <= high:
            bad.append(name)
    print(f"\n{'out of range: ' + '; '.join(bad) if bad else 'all in range'}")
    machine.finish("calibration", about, figures=found, out_of_range=bad)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
