"""What an answer costs: trainings, and hours of a core, by how a study is made.

    python benchmarks/answer_cost.py

The plan is that of `source`: a baseline, 9 comparisons, a margin of 0.5 points. Of many simulated
studies six arms change nothing, one each changes the metric by 0.5, 1 and 3 points. An answer is to
find the 0.5 points in 94 % of them, with a family-wise error of 5 %. Trainings vary as those that
are stored do: between pairs by the root mean square over the comparisons of a study's own tables,
unpaired by that of its arms. Hours are those of `throughput.py`, of the baseline, divided among
20 epochs of 42,000 images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import machine
import numpy as np
import pandas as pd
from scipy import stats
from simulated.settling import EFFECTS, LOOKS, simulate
from simulated.studies import Array

from ablation.statistics.power import ALPHA
from ablation.statistics.settled_studies import SettledStudies, holm_rows

POWER = 0.94
MARGIN = 0.5  # points, as all figures here
REFERENCE = Path(__file__).parents[1] / "results" / "reference"
IMAGES = 20 * 42_000  # that a training of `source` is trained on
CORES = 2
STEP = 5  # seeds from look to look
MOST = 300  # seeds that are tried at most

# Images a second of both cores together, the baseline: the plain script, one after another and two
# at a time, and the engine; see the section on throughput.
RATES = {
    "Xeon, AMX, bf16": (1_433, 1_971, 6_943),
    "EPYC, AVX-512, bf16": (1_018, 1_380, 3_483),
    "EPYC, AVX2, fp32": (585, 790, 1_510),
}


@dataclass(frozen=True)
class Spread:
    """How much trainings of a study vary under one outcome, in points.

    Attributes:
        outcome: what an effect is computed on, in words.
        pairs: standard deviation between pairs, root mean square over comparisons.
        own: that of an arm's trainings, root mean square over arms.
        count: pairs behind it.
    """

    outcome: str
    pairs: float
    own: float
    count: int


@dataclass(frozen=True)
class Cost:
    """What one way to an answer costs.

    Attributes:
        way: in words.
        spread: the one that it was simulated with.
        seeds: how many seeds find 0.5 points often enough; of looks the last one's.
        trainings: on average.
        power: the share of studies in which 0.5 points are found.
        open: the share of comparisons without a verdict at 20 seeds.
    """

    way: str
    spread: Spread
    seeds: int
    trainings: float
    power: float
    open: float


def spread_of(epochs: pd.DataFrame, arms: pd.DataFrame, figure: str, last: int) -> Spread:
    """The spread of a study's trainings, from its own tables.

    Args:
        epochs: ``epochs.csv``.
        arms: ``effects.csv``, of which `arm` and `against` are used.
        figure: the column of `epochs`, a fraction.
        last: over how many last epochs its mean is taken.
    """
    ended = epochs.groupby(["arm", "seed"])["epoch"].transform("max") == epochs["epoch"].max()
    final = epochs[ended & (epochs["epoch"] > epochs["epoch"].max() - last)]
    values = 100 * final.groupby(["seed", "arm"])[figure].mean().unstack("arm")
    compared = arms[arms["against"].notna() & (arms["against"] != "")]
    differences = [values[row.arm] - values[row.against] for row in compared.itertuples()]
    pairs = float(np.sqrt(np.mean([d.var(ddof=1) for d in differences])))
    own = float(np.sqrt(values.var(ddof=1).mean()))
    words = figure.removesuffix("_accuracy").replace("ema_val", "averaged weights")
    over = "last epoch" if last == 1 else f"mean of the last {last}"
    return Spread(f"{words}, {over}", pairs, own, sum(int(d.count()) for d in differences))


def measured(last_weights: Path, averaged: Path) -> dict[str, Spread]:
    """The spreads of the trainings that are stored, by outcome.

    Args:
        last_weights: the folder of the study whose last weights are measured.
        averaged: of the one whose averaged weights are; left out while it has too few pairs.
    """

    def of(folder: Path, figure: str, last: int) -> Spread:
        epochs, arms = (pd.read_csv(folder / f"{name}.csv") for name in ("epochs", "effects"))
        return spread_of(epochs, arms, figure, last)

    spreads = {
        "last": of(last_weights, "val_accuracy", 1),
        "over 5": of(last_weights, "val_accuracy", 5),
    }
    if (averaged / "epochs.csv").exists():
        spreads["averaged"] = of(averaged, "ema_val_accuracy", 5)
    return spreads


def paired(rng: np.random.Generator, studies: int, spread: Spread, seeds: int) -> SettledStudies:
    """Studies of so many seeds, judged by paired t-tests."""
    noise = spread.pairs / np.sqrt(2) * rng.standard_normal((studies, len(EFFECTS) + 1, seeds))
    d = EFFECTS[:, None] + noise[:, 1:] - noise[:, :1]
    return judge(d.mean(2), d.std(2, ddof=1) / np.sqrt(seeds), seeds - 1, seeds)


def welch(rng: np.random.Generator, studies: int, spread: Spread, seeds: int) -> SettledStudies:
    """Studies of so many seeds, judged by Welch's tests, as if their trainings were no pairs."""
    values = spread.own * rng.standard_normal((studies, len(EFFECTS) + 1, seeds))
    share = values.var(2, ddof=1) / seeds
    variance = share[:, 1:] + share[:, :1]
    df = variance**2 * (seeds - 1) / (share[:, 1:] ** 2 + share[:, :1] ** 2)
    mean = EFFECTS + values[:, 1:].mean(2) - values[:, :1].mean(2)
    return judge(mean, np.sqrt(variance), df, seeds)


def judge(mean: Array, error: Array, df: Array | int, seeds: int) -> SettledStudies:
    """Better or worse by Holm's procedure, equivalent by two one-sided tests."""
    differs = holm_rows(2 * stats.t.sf(np.abs(mean) / error, df)) < ALPHA
    equivalent = stats.t.cdf((np.abs(mean) - MARGIN) / error, df) < ALPHA
    return SettledStudies(differs, ~differs & equivalent, np.full(mean.shape, seeds))


def with_looks(rng: np.random.Generator, studies: int, spread: Spread, last: int) -> SettledStudies:
    """Studies with looks every five seeds, the last at so many."""
    looks = range(STEP, last + 1, STEP)
    return simulate(rng, studies, EFFECTS, MARGIN, spread.pairs, looks)


def cost(
    way: str,
    make: Callable[..., SettledStudies],
    spread: Spread,
    options: argparse.Namespace,
    step: int,
) -> Cost:
    """Find the fewest seeds with which a way finds 0.5 points often enough.

    Args:
        way: in words.
        make: simulates its studies.
        spread: of trainings.
        options: of the command line: ``studies``, ``seed``.
        step: between numbers of seeds.
    """

    def studies_of(seeds: int) -> SettledStudies:
        return make(np.random.default_rng(options.seed), options.studies, spread, seeds)

    low, high = 0, MOST // step
    while high - low > 1:
        middle = (low + high) // 2
        enough = _found(studies_of(max(2, step * middle))) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    made, at_most = studies_of(step * high), studies_of(LOOKS[-1])
    left = ~(at_most.differs | at_most.equivalent)
    return Cost(
        way, spread, step * high, float(made.trainings.mean()), _found(made), float(left.mean())
    )


def _found(made: SettledStudies) -> float:
    """The share of studies in which the arm of 0.5 points is found."""
    return float(made.differs[:, EFFECTS == MARGIN].mean())


def costs(spreads: dict[str, Spread], options: argparse.Namespace) -> Iterator[Cost]:
    """Each way, the plain one first."""
    yield cost("unpaired, Welch", welch, spreads["last"], options, 1)
    for spread in spreads.values():
        yield cost("fixed seeds, pairs", paired, spread, options, 1)
        yield cost("looks", with_looks, spread, options, STEP)


def hours(trainings: float, rate: float) -> float:
    """Hours of one core."""
    return trainings * IMAGES / rate * CORES / 3600


def main() -> None:
    """Measure the spreads, simulate, print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--last-weights", type=Path, default=REFERENCE / "pilot")
    parser.add_argument("--averaged", type=Path, default=REFERENCE / "source")
    options = parser.parse_args()
    about = machine.describe(threads=1, studies=options.studies)
    spreads = measured(options.last_weights, options.averaged)
    for spread in spreads.values():
        print(
            f"{spread.outcome:35} {spread.pairs:.2f} points between pairs (n = {spread.count}), "
            f"{spread.own:.2f} unpaired"
        )
    found = list(costs(spreads, options))
    print(f"\n{'way':20} {'outcome':35} seeds trainings power open at {LOOKS[-1]}")
    for each in found:
        print(
            f"{each.way:20} {each.spread.outcome:35} {each.seeds:5} {each.trainings:9.0f} "
            f"{each.power:5.1%} {each.open:6.1%}"
        )
    print()
    for name, (plain, several, engine) in RATES.items():
        ordinary, best = hours(found[0].trainings, plain), hours(found[-1].trainings, engine)
        beside = hours(found[0].trainings, several)
        print(
            f"{name:20} plain way {ordinary:6.0f} core-hours ({beside:.0f} two at a time), "
            f"here {best:4.1f}: {ordinary / best:.0f} ({beside / best:.0f}) times less"
        )
    rows = [asdict(each) for each in found]
    machine.finish("answer_cost", about, spreads=[asdict(s) for s in spreads.values()], ways=rows)


if __name__ == "__main__":
    main()
