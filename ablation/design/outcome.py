"""What the trainings of a plan come to, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ablation.design.arms import Arm, Plan
from ablation.objective import LastReports
from ablation.objective.outcome import each, mean_text
from ablation.space.outcome import last_reports
from ablation.space.schema import Space

FEW = 3  # arms that are named


def most_reports(space: Space, arms: Iterable[Arm]) -> int:
    """Over how many of their last reports the outcomes of these arms are means, at most."""
    return max(last_reports(space, arm.setting).count for arm in arms)


def decision_lines(plan: Plan) -> Iterator[str]:
    """What decides, and the figures beside it, a sentence each.

    There is none where it is the last value of an objective's usual figure.
    """
    space = plan.space
    objective, outcome = space.objective, space.outcome
    metric, word = objective.metric, objective.words.epoch
    if objective.beside_space or outcome.over_last > 1 or metric.about:
        whole = max(
            LastReports.of(outcome.over_last, objective.epochs(arm.setting)).count
            for arm in plan.arms
        )
        text = mean_text(metric.text, whole, word) if whole > 1 else metric.text
        yield f"Decided by {text}: {'more' if metric.sign > 0 else 'less'} is better."
        if (own := most_reports(space, plan.arms)) < whole:
            last = f"the mean of the last {own}" if own > 1 else f"the last {each(word)} alone"
            yield f"The search's trainings are shorter: there {last} decides."
        yield from filter(None, [metric.about])
    yield from shorter(plan)
    if outcome.also:
        known = objective.metrics
        names = [known[name].text if name in known else name for name in outcome.also]
        yield f"Secondary figures, each tested as a family of its own: {', '.join(names)}."


def shorter(plan: Plan) -> Iterator[str]:
    """That trainings have fewer epochs than the space takes the mean of; a sentence or none."""
    space, asked = plan.space, plan.space.outcome.over_last
    full = {arm.name: space.objective.epochs(arm.setting) or asked for arm in plan.arms}
    short = {name: epochs for name, epochs in full.items() if epochs < asked}
    if not short:
        return
    names = ", ".join(short) if len(short) <= FEW else f"{len(short)} arms"
    which = "Trainings have" if len(short) == len(full) else f"Trainings of {names} have"
    epochs = set(short.values())
    count = f"fewer than {asked} epochs" if len(epochs) > 1 else f"{min(epochs)} epochs"
    count = "1 epoch" if epochs == {1} else count
    their = "its value decides" if epochs == {1} else "the mean of these decides"
    yield f"{which} {count}, so {their}, whatever [outcome] over_last = {asked} says."
