"""Studies that train an arm until it is settled: what they find, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ablation.statistics.power import ALPHA
from ablation.statistics.settling import LookFigures, look_factors, look_figures, standings
from simulated.studies import Array, Figure, holm_rows

LOOKS = (5, 10, 15, 20)
PAIRS = 0.4  # standard deviation between pairs; all figures here are points
EFFECTS = np.array([0.0] * 6 + [0.5, 1.0, 3.0])
BATCH = 5_000  # studies at a time


@dataclass(frozen=True)
class Settled:
    """What came of many studies; arrays are (studies, arms).

    Attributes:
        differs: which arms are found better or worse.
        equivalent: which are found equivalent.
        seeds: how many seeds each arm was trained with.
    """

    differs: npt.NDArray[np.bool_]
    equivalent: npt.NDArray[np.bool_]
    seeds: npt.NDArray[np.int64]

    @property
    def trainings(self) -> Array:
        """By study; the baseline goes on with the arms that are open."""
        return np.asarray(self.seeds.sum(1) + self.seeds.max(1), float)


def settle(differences: Array, margin: float) -> Settled:
    """The procedure of `ablation.statistics.settling` for many studies at once.

    Args:
        differences: of the pairs, (studies, arms, seeds).
        margin: the smallest difference that matters.
    """
    studies, arms, _ = differences.shape
    p, e = np.ones((2, studies, arms))
    active = np.ones((studies, arms), bool)
    seeds = np.zeros((studies, arms), np.int64)
    for n, factor in zip(LOOKS, look_factors(len(LOOKS), len(LOOKS)), strict=True):
        d = differences[:, :, :n]
        mean, error = d.mean(2), d.std(2, ddof=1) / np.sqrt(n)
        own_p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
        own_e = stats.t.cdf((np.abs(mean) - margin) / error, n - 1)  # the larger of the two
        p = np.where(active, np.minimum(p, factor * own_p), p)
        e = np.where(active, np.minimum(e, factor * own_e), e)
        seeds = np.where(active, n, seeds)
        differs = holm_rows(p) < ALPHA
        active &= ~differs & ~(e < ALPHA)
    return Settled(differs, ~differs & (e < ALPHA), seeds)


def agree(differences: Array, margin: float, settled: Settled, studies: int = 40) -> None:
    """Compare with the functions that a study uses."""
    names = [str(arm) for arm in range(differences.shape[1])]
    for study in range(studies):
        taken: list[dict[str, LookFigures]] = []
        for n in LOOKS:
            now = standings(taken, names, look_factors(len(LOOKS), len(taken)))
            open_still = [arm for arm, name in enumerate(names) if now[name].is_active]
            pairs = differences[study, :, :n]
            taken.append({names[arm]: look_figures(pairs[arm], margin) for arm in open_still})
        now = standings(taken, names, look_factors(len(LOOKS), len(taken)))
        for arm, name in enumerate(names):
            verdict, last = now[name].verdict, now[name].last
            assert (verdict in ("better", "worse")) == settled.differs[study, arm]
            assert (verdict == "equivalent") == settled.equivalent[study, arm]
            assert last is not None
            assert last.n == settled.seeds[study, arm]


def simulate(
    rng: np.random.Generator, studies: int, effects: Array, margin: float, spread: float = PAIRS
) -> Settled:
    """Studies with these true effects, whose arms share the baseline's trainings."""
    parts = []
    for begin in range(0, studies, BATCH):
        count = min(BATCH, studies - begin)
        noise = spread / np.sqrt(2) * rng.standard_normal((count, len(effects) + 1, LOOKS[-1]))
        differences = effects[:, None] + noise[:, 1:] - noise[:, :1]
        parts.append(settle(differences, margin))
        if not begin:
            agree(differences, margin, parts[0])
    kinds = ("differs", "equivalent", "seeds")
    return Settled(*(np.concatenate([getattr(part, kind) for part in parts]) for kind in kinds))


def settling_figures(seed: int, studies: int = 40_000) -> Iterator[Figure]:
    """What is said of the procedure: its errors, what it finds, and its trainings."""
    rng = np.random.default_rng(seed)
    looks = "/".join(map(str, LOOKS))
    small = simulate(rng, studies, np.zeros(len(EFFECTS)), 0.02)
    wrong = float(small.differs.any(1).mean())
    yield f"looks {looks}: family-wise error where nothing is equivalent", wrong, 0.032, 0.042
    usual = simulate(rng, studies, EFFECTS, 0.5)
    none, half = EFFECTS == 0, EFFECTS == 0.5
    yield f"looks {looks}: family-wise error", float(usual.differs[:, none].any(1).mean()), 0, 0.04
    yield f"looks {looks}: finds 0.5 points", float(usual.differs[:, half].mean()), 0.935, 0.95
    found = float(usual.equivalent[:, none].mean())
    yield f"looks {looks}: no effect is 'equivalent'", found, 0.99, 0.996
    false = float(usual.equivalent[:, half].mean())
    yield f"looks {looks}: 0.5 points are 'equivalent'", false, 0.022, 0.033
    trainings = float(usual.trainings.mean()) / ((len(EFFECTS) + 1) * LOOKS[-1])
    yield f"looks {looks}: trainings, of those with {LOOKS[-1]} seeds each", trainings, 0.52, 0.53
