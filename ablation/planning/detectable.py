"""Which differences a plan can find, and how many seeds it takes to settle one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.design.arms import Plan
from ablation.design.settling import Settling
from ablation.folders import confirm_name
from ablation.objective.metric import Metric
from ablation.planning.pace import Pace, Spread

ASSUMED_SPREAD = 0.004
"""Standard deviation between pairs, a fraction, until there is a measured one."""


@dataclass(frozen=True)
class _Family:
    """Comparisons that are tested together: what of, over how many seeds, how many.

    `tests` is how many share the level: with K looks each comparison is tested K times.
    """

    where: str
    seeds: int
    comparisons: int
    study: str
    looks: int = 1

    @property
    def tests(self) -> int:
        return self.comparisons * self.looks


def families(
    plan: Plan,
    seeds: int | None,
    settling: Settling | None = None,
    looks: Sequence[int] = (),
) -> list[_Family]:
    """The families of a study's tests; of a search those of its confirmation, at their largest.

    Args:
        plan: of the study.
        seeds: the number of seeds in place of the space's own.
        settling: the looks that the study declares.
        looks: of a search, those at its confirmation, by their numbers of seeds.
    """
    space, arms = plan.space, len(plan.arms)
    if settling:
        shares = len(settling.looks) + settling.reserve
        return [_Family("", settling.looks[-1], arms - 1, plan.study_name, shares)]
    if not space.search:
        return [_Family("", seeds or len(space.seeds), arms - 1, plan.study_name)]
    if not (confirm := space.confirm):
        return []
    study = confirm_name(plan.study_name)
    count, comparisons = seeds or confirm.seeds, arms + confirm.top - 1
    steps = [factor.role for factor in space.factors].count("scientific")
    if looks:
        families = [_Family("In the confirmation, ", looks[-1], comparisons, study, len(looks))]
        if on_path := confirm.path_looks(looks):
            every = 2 * steps + arms - 1  # steps, each taken back, named arms
            families.append(_Family("On the path, ", on_path[-1], every, study, len(on_path)))
        return families
    families = [_Family("In the confirmation, ", count, comparisons, study)]
    if path_seeds := confirm.path_count(count):
        families.append(_Family("On the path, ", path_seeds, steps, study))
    return families


@dataclass(frozen=True)
class _Scatter:
    """The spread between pairs to plan with, in words, and the seeds that settle a comparison."""

    spread: float
    text: str
    pairs: int = 0
    measured: float = math.nan
    source: str = ""

    def settling(self, comparisons: int, margin: float) -> float:
        """How many seeds settle whatever difference there may be."""
        from ablation.statistics.power import seeds_to_settle

        if not self.pairs:
            return seeds_to_settle(self.spread, 2, comparisons, margin)[0]
        return seeds_to_settle(self.measured, self.pairs, comparisons, margin)[1]


def _scatter(
    metric: Metric, amount: tuple[float, ...], spreads: Mapping[str, Spread], study: str
) -> _Scatter | None:
    """Of the study itself, else of what was trained as long, else assumed of fractions.

    What was measured is taken at its upper 80 % bound: a few pairs may hardly show it.
    """
    from ablation.statistics.power import upper_spread

    own = spreads.get(study)
    alike = {
        name: each
        for name, each in spreads.items()
        if each.amount == amount and math.isfinite(each.value)
    }
    alike = {name: each for name, each in alike.items() if not each.other} or alike
    if own and math.isfinite(own.value):
        best, source = own, "as measured so far"
    elif alike:
        name = max(alike, key=lambda name: upper_spread(alike[name].value, alike[name].pairs))
        best, source = alike[name], f"as measured in {name}, whose trainings are as long"
        if best.other:
            source += f", but of another outcome: {best.other}"
    elif not metric.is_fraction:
        return None
    else:
        why = " until some have been trained; short trainings scatter more"
        if own:
            why = ", as no arm has two pairs yet of which both sides have learned anything"
        text = f"{metric.size(ASSUMED_SPREAD)} between pairs (assumed{why})"
        return _Scatter(ASSUMED_SPREAD, text)
    upper = upper_spread(best.value, best.pairs)
    text = (
        f"up to {metric.size(upper)} between pairs (the upper 80 % bound of "
        f"{metric.unsigned(best.value)} {source})"
    )
    return _Scatter(upper, text, best.pairs, best.value, source)


def scatter_of(plan: Plan, pace: Pace, study: str) -> _Scatter | None:
    """The spread between pairs to plan a study with; None where nothing is known of it."""
    return _scatter(plan.space.objective.metric, _amount(plan), pace.spreads, study)


def _amount(plan: Plan) -> tuple[float, ...]:
    return plan.space.objective.amount(plan.space.baseline)


def detectable_lines(plan: Plan, pace: Pace, family: _Family) -> list[str]:
    """What so many seeds cannot show, where that is more than the margin."""
    from ablation.statistics.power import FEW_SEEDS, MORE_SEEDS, minimum_detectable

    seeds, comparisons, margin = family.seeds, family.comparisons, plan.space.margin
    metric = plan.space.objective.metric
    scatter = scatter_of(plan, pace, family.study)
    if seeds < 2:
        return ["With 1 seed nothing can be tested; two show a spread, ten a difference."]
    if scatter is None:
        return []
    smallest = minimum_detectable(scatter.spread, seeds, family.tests)
    if not comparisons or smallest <= margin:
        return []
    ending = "" if comparisons == 1 else "s"
    counted = f"{seeds_text(seeds)} and {comparisons} comparison{ending}"
    counted += f" at {family.looks} looks each" if family.looks > 1 else ""
    least = _findable(metric, smallest)
    few = ""
    if seeds < FEW_SEEDS:
        five, ten = (
            _findable(metric, minimum_detectable(scatter.spread, count, family.tests))
            for count in (FEW_SEEDS, MORE_SEEDS)
        )
        few = f" {FEW_SEEDS} seeds find {five}, {MORE_SEEDS} seeds {ten}."
    return [
        f"{family.where}{counted} cannot be counted on to find an effect as small as the margin of "
        f"{metric.margin(margin)}: four times in five they find {least}, "
        f"at a spread of {scatter.text}.{few} {_settling(scatter, family.tests, margin)}"
    ]


def _settling(scatter: _Scatter, comparisons: int, margin: float) -> str:
    """The seeds to plan for."""
    from ablation.statistics.power import MOST_SEEDS, about

    seeds = scatter.settling(comparisons, margin)
    if not math.isfinite(seeds):
        return f"Not even {MOST_SEEDS:,} seeds are sure to settle a difference near the margin."
    up_to = "up to " if scatter.pairs else ""
    return (
        f"To settle even a difference near the margin, plan for {up_to}about {about(seeds):,} "
        "seeds."
    )


def _findable(metric: Metric, least: float) -> str:
    """A smallest difference; one in points without that word, which stands before it."""
    if least > metric.largest:
        return "no difference that can exist"
    return f"{metric.unsigned(least) if metric.in_percent else metric.size(least)} or more"


def seeds_text(count: int, which: str = "") -> str:
    """A number of seeds in words."""
    ending = "" if count == 1 else "s"
    return f"{count} {which}seed{ending}"
