"""What a study with declared looks may cost: arms stop at the look that settles them."""

from __future__ import annotations

from dataclasses import dataclass

from ablation.design.arms import Plan
from ablation.design.settling import Settling
from ablation.planning.detectable import scatter_of
from ablation.planning.pace import Pace, clock
from ablation.space.settle import ADVISED

STUDIES, SEED = 2_000, 0  # simulated


@dataclass(frozen=True)
class Costs:
    """Trainings of a study, and their cost (`Objective.cost`).

    Attributes:
        trainings: how many.
        work: what they cost together.
    """

    trainings: int
    work: float

    @classmethod
    def of(cls, plan: Plan, seeds: float, baseline: float) -> Costs:
        """Where each arm gets so many seeds, and the baseline its own number.

        Args:
            plan: the study's.
            seeds: of an arm, on average.
            baseline: of the baseline.
        """
        cost = plan.space.objective.cost
        base, *others = (cost(arm.setting) for arm in plan.arms)
        return cls(round(len(others) * seeds + baseline), sum(others) * seeds + base * baseline)


def look_lines(plan: Plan, pace: Pace, settling: Settling) -> list[str]:
    """The fewest trainings, the most, and how many are likely where the spread is known.

    Args:
        plan: the study's.
        pace: how fast it is trained, and what scatter was measured.
        settling: the looks that it declares.
    """
    first, last = settling.looks[0], settling.looks[-1]
    fewest, most = (Costs.of(plan, seeds, seeds) for seeds in (first, last))
    looks = _listed(settling.looks)
    lines = [
        f"Looks at {looks} seeds: an arm stops at the first that settles it. At least "
        f"{_told(fewest, pace)}, at most {_told(most, pace)}."
    ]
    lines += filter(None, [_likely(plan, pace, settling), few_seeds(settling)])
    return lines


def few_seeds(settling: Settling) -> str:
    """That the first look has few seeds; empty where it has enough."""
    first = settling.looks[0]
    if first >= ADVISED:
        return ""
    return (
        f"The first look has {first} seeds, and fewer than {ADVISED} hardly show the spread: few "
        "arms will stop there, and each look costs power."
    )


def _likely(plan: Plan, pace: Pace, settling: Settling) -> str:
    scatter = scatter_of(plan, pace, plan.study_name)
    if scatter is None or not scatter.pairs or not settling.family:
        return ""
    import numpy as np

    from ablation.statistics.settled_studies import differences, settle_studies

    rng = np.random.default_rng(SEED)
    effects = np.zeros(len(settling.family))
    d = differences(rng, STUDIES, effects, scatter.measured, settling.looks[-1])
    settled = settle_studies(d, settling.looks, plan.space.margin, reserve=settling.reserve)
    seeds, baseline = float(settled.seeds.mean()), float(settled.seeds.max(1).mean())
    likely = Costs.of(plan, seeds, baseline)
    spread = f"{plan.space.objective.metric.size(scatter.measured)} {scatter.source}"
    return (
        f"If no arm differs from the baseline, {_told(likely, pace)} on average ({STUDIES:,} "
        f"simulated studies with a spread between pairs of {spread})."
    )


def _told(costs: Costs, pace: Pace) -> str:
    return f"{costs.trainings:,} trainings (about {clock(pace.seconds(costs.work))})"


def _listed(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
