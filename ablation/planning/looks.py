"""What a study with declared looks may cost: arms stop at the look that settles them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.design.arms import Plan
from ablation.design.settling import Settling
from ablation.folders import confirm_name
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
    def of(cls, arms: Sequence[float], seeds: float, baseline: float) -> Costs:
        """Where each arm gets so many seeds, and the baseline its own number.

        Args:
            arms: what a training of each costs, the baseline's first.
            seeds: of an arm, on average.
            baseline: of the baseline.
        """
        base, *others = arms
        return cls(round(len(others) * seeds + baseline), sum(others) * seeds + base * baseline)


def look_lines(plan: Plan, pace: Pace, settling: Settling) -> list[str]:
    """The fewest trainings, the most, and how many are likely where the spread is known.

    Args:
        plan: the study's.
        pace: how fast it is trained, and what scatter was measured.
        settling: the looks that it declares.
    """
    costs = [plan.space.objective.cost(arm.setting) for arm in plan.arms]
    looks = settling.looks
    return [
        f"Looks at {_listed(looks)} seeds: an arm stops at the first that settles it. "
        f"{_range(pace, costs, looks)}",
        *filter(None, [_likely(plan, pace, costs, settling), few_seeds(looks)]),
    ]


def confirmation_lines(
    plan: Plan, pace: Pace, looks: Sequence[int], costs: Sequence[float]
) -> list[str]:
    """The same of a search's confirmation, and which looks its path has.

    Args:
        plan: the search's.
        pace: how fast it is trained, and what scatter was measured.
        looks: at the confirmation, by their numbers of seeds; empty for none.
        costs: what a training of each arm that is confirmed costs, the baseline's first.
    """
    confirm = plan.space.confirm
    if not looks or confirm is None:
        return []
    others = {str(place): "baseline" for place in range(1, len(costs))}
    settling = Settling(tuple(looks), {"baseline": "", **others})
    path = confirm.path_looks(looks)
    on_path = f" The path has looks of its own, at {_listed(path)} seeds." if path else ""
    return [
        f"Looks at {_listed(looks)} seeds: an arm stops at the first that settles it. The "
        f"confirmation takes {_range(pace, costs, looks).lower()}{on_path}",
        *filter(None, [_likely(plan, pace, costs, settling), few_seeds(looks)]),
    ]


def _range(pace: Pace, costs: Sequence[float], looks: Sequence[int]) -> str:
    """The fewest trainings and the most, a sentence."""
    fewest, most = (Costs.of(costs, seeds, seeds) for seeds in (looks[0], looks[-1]))
    return f"At least {_told(fewest, pace)}, at most {_told(most, pace)}."


def few_seeds(looks: Sequence[int]) -> str:
    """That the first look has few seeds; empty where it has enough."""
    first = looks[0]
    if first >= ADVISED:
        return ""
    return (
        f"The first look has {first} seeds, and fewer than {ADVISED} hardly show the spread: few "
        "arms will stop there, and each look costs power."
    )


def _likely(plan: Plan, pace: Pace, costs: Sequence[float], settling: Settling) -> str:
    study = confirm_name(plan.study_name) if plan.space.search else plan.study_name
    scatter = scatter_of(plan, pace, study)
    if scatter is None or not scatter.pairs or not settling.family:
        return ""
    import numpy as np

    from ablation.statistics.settled_studies import differences, settle_studies

    rng = np.random.default_rng(SEED)
    effects = np.zeros(len(settling.family))
    d = differences(rng, STUDIES, effects, scatter.measured, settling.looks[-1])
    settled = settle_studies(d, settling.looks, plan.space.margin, reserve=settling.reserve)
    seeds, baseline = float(settled.seeds.mean()), float(settled.seeds.max(1).mean())
    likely = Costs.of(costs, seeds, baseline)
    spread = f"{plan.space.objective.metric.size(scatter.measured)} {scatter.source}"
    return (
        f"If no arm differs from the baseline, {_told(likely, pace)} on average ({STUDIES:,} "
        f"simulated studies with a spread between pairs of {spread})."
    )


def _told(costs: Costs, pace: Pace) -> str:
    return f"{costs.trainings:,} trainings (about {clock(pace.seconds(costs.work))})"


def _listed(numbers: Sequence[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
