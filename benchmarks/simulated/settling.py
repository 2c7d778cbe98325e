"""Studies that train an arm until it is settled: what they find, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ablation.statistics.settled_studies import SettledStudies, differences, settle_studies
from ablation.statistics.settling import LookFigures, look_factors, look_figures, standings
from simulated.studies import Array, Figure

LOOKS = (5, 10, 15, 20)
PAIRS = 0.4  # standard deviation between pairs; all figures here are points
EFFECTS = np.array([0.0] * 6 + [0.5, 1.0, 3.0])
BATCH = 5_000  # studies at a time


def agree(
    d: Array, margin: float, looks: Sequence[int], settled: SettledStudies, studies: int = 40
) -> None:
    """Compare with the functions that a study uses."""
    names = [str(arm) for arm in range(d.shape[1])]
    for study in range(studies):
        taken: list[dict[str, LookFigures]] = []
        for n in looks:
            now = standings(taken, names, look_factors(len(looks), len(taken)))
            open_still = [arm for arm, name in enumerate(names) if now[name].is_active]
            pairs = d[study, :, :n]
            taken.append({names[arm]: look_figures(pairs[arm], margin) for arm in open_still})
        now = standings(taken, names, look_factors(len(looks), len(taken)))
        for arm, name in enumerate(names):
            verdict, last = now[name].verdict, now[name].last
            assert (verdict in ("better", "worse")) == settled.differs[study, arm]
            assert (verdict == "equivalent") == settled.equivalent[study, arm]
            assert last is not None
            assert last.n == settled.seeds[study, arm]


def simulate(
    rng: np.random.Generator,
    studies: int,
    effects: Array,
    margin: float,
    spread: float = PAIRS,
    looks: Sequence[int] = LOOKS,
) -> SettledStudies:
    """Studies with these true effects, whose arms share the baseline's trainings."""
    parts = []
    for begin in range(0, studies, BATCH):
        count = min(BATCH, studies - begin)
        d = differences(rng, count, effects, spread, looks[-1])
        parts.append(settle_studies(d, looks, margin))
        if not begin:
            agree(d, margin, looks, parts[0])
    kinds = ("differs", "equivalent", "seeds")
    return SettledStudies(
        *(np.concatenate([getattr(part, kind) for part in parts]) for kind in kinds)
    )


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
