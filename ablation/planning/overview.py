"""What `spaces` and `plan` show, as plain data. Imports optuna only for a storage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ablation.design.arms import Arm, Plan, differences
from ablation.design.checks import check_beginning, wanted_seeds
from ablation.design.declaration import declared, declared_in_confirmation
from ablation.design.loading import check_counts, load
from ablation.design.outcome import decision_lines
from ablation.design.settling import Settling
from ablation.planning.detectable import detectable_lines, families, seeds_text
from ablation.planning.looks import confirmation_lines, look_lines
from ablation.planning.pace import Pace, clock, existing_storage
from ablation.planning.random_settings import random_settings
from ablation.settings import text_of
from ablation.space.reader import shipped
from ablation.space.schema import Factor, Space
from ablation.space.settle import Confirm

GUESSED = 100
"""Random settings whose mean cost stands for that of what a search draws."""


def check_plan(
    plan: Plan,
    seeds: int | None,
    storage: str | None,
    results: Path,
    looks: tuple[int, ...] | None = None,
) -> None:
    """Refuse what `run` would refuse: to begin a study of this plan, or to add such seeds to it.

    Args:
        plan: of the study.
        seeds: the number of seeds asked for.
        storage: as given on the command line.
        results: the folder of results, whose storage it is unless one is given.
        looks: those asked for in place of the space's own; empty for none.

    Raises:
        UserError: the study would not begin, or not go on.
    """
    stored = _stored_seeds(plan.study_name, storage, results)
    if stored is None:
        check_beginning(plan, seeds)
        if plan.space.search:
            declared_in_confirmation(plan.space, looks, seeds)
        else:
            declared(plan, looks, seeds)
    elif not plan.space.search:
        wanted_seeds(plan.space, seeds, stored)


def _stored_seeds(study: str, storage: str | None, results: Path) -> list[int] | None:
    """The seeds of a study of the storage; None where it has none of that name."""
    url = existing_storage(storage, results)
    if url is None:
        return None
    from ablation.storage import opened_storage, study_attributes

    with opened_storage(url) as opened:
        attributes = study_attributes(opened, study)
    return attributes.get("seeds", []) if "format" in attributes else None


def spaces(pace: Pace) -> list[dict[str, Any]]:
    """The shipped spaces: name, question, design, runs, rough time."""
    rows = []
    for name in shipped():
        plan = load(name)
        parts = _parts(plan, None, None, *_looks_of(plan, None, None))
        runs, work = sum(part.trainings for part in parts), sum(part.work for part in parts)
        rows.append(
            {
                "name": name,
                "question": plan.space.question,
                "design": plan.space.design,
                "runs": runs,
                "time": clock(pace.seconds(work)),
            }
        )
    return rows


def _looks_of(
    plan: Plan, looks: tuple[int, ...] | None, seeds: int | None
) -> tuple[Settling | None, tuple[int, ...]]:
    """The looks that a study of the plan declares, and of a search those at its confirmation.

    Of earlier versions' files none.
    """
    if plan.space.search:
        return None, declared_in_confirmation(plan.space, looks, seeds)
    settle = plan.space.settle
    is_old = looks is None and settle is not None and not settle.is_acted_on
    return None if is_old else declared(plan, looks), ()


def plan(
    plan: Plan,
    pace: Pace,
    seeds: int | None,
    trials: int | None,
    looks: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Every arm with its shapes, cost and time, and what else a person should know."""
    space = plan.space
    check_counts(plan, seeds, trials)
    declared_looks = _looks_of(plan, looks, seeds)
    parts = _parts(plan, seeds, trials, *declared_looks)
    return {
        "study": plan.study_name,
        "question": space.question,
        "design": space.design,
        "runs": sum(part.trainings for part in parts),
        "seconds": round(sum(pace.seconds(part.work) for part in parts)),
        "arms": [_arm(plan, arm, pace) for arm in plan.arms],
        "fixed": space.held_fixed(),
        "lines": _lines(plan, pace, parts, seeds, *declared_looks),
    }


def _arm(plan: Plan, arm: Arm, pace: Pace) -> dict[str, Any]:
    objective = plan.space.objective
    size = objective.size(arm.setting)
    work = objective.cost(plan.space.trained(arm.setting))
    return {
        "arm": arm.name,
        "changes": _changes(plan, arm),
        "against": arm.against,
        "sequence_length": size.steps,
        "parameters": size.parameters,
        "macs": size.macs,
        "mmacs": "" if size.macs is None else f"{size.macs / 1e6:.1f}",
        "seconds": round(work / pace.value, 1),
        "time": clock(work / pace.value),
        "note": arm.note,
    }


def _changes(plan: Plan, arm: Arm) -> str:
    changed = differences(plan.space, arm.setting)
    return ", ".join(f"{name}={text_of(value)}" for name, value in changed.items())


def _named(plan: Plan, arm: Arm) -> str:
    """What a named arm is, as its name does not say it."""
    return f"{arm.name}: {_changes(plan, arm)}" + (f" ({arm.note})" if arm.note else "")


@dataclass(frozen=True)
class _Part:
    """A part of a study: what it is, its trainings (at most) and their cost.

    `arms` has what a training of each arm costs, where these are known.
    """

    what: str
    trainings: int
    work: float
    arms: tuple[float, ...] = ()


def _parts(
    plan: Plan,
    seeds: int | None,
    trials: int | None,
    settling: Settling | None,
    looks: tuple[int, ...],
) -> list[_Part]:
    """The parts of a study; what a search draws is taken to cost what random settings do.

    `looks` are those at a search's confirmation.
    """
    space = plan.space
    cost = space.objective.cost
    costs = [cost(space.trained(arm.setting)) for arm in plan.arms]
    if not (search := space.search):
        count = settling.looks[-1] if settling else seeds or len(space.seeds)
        runs = len(costs) * count
        most = "at most " if settling else ""
        what = f"{len(costs)} arms x {most}{seeds_text(count)} = {most}{runs} trainings"
        return [_Part(what, runs, count * sum(costs))]
    runs = trials or search.trials
    pruned = "" if search.pruner.name == "none" else f", pruned by {search.pruner.name}"
    first = f"{runs} trials of {space.objective.amount_text(space.trained(space.baseline))}{pruned}"
    drawn = f", then draws of {search.sampler.name}" if runs > len(costs) else ""
    what = f"{first}: the arms above first{drawn}"
    own, guessed = costs[:runs], random_settings(space, GUESSED) or [space.baseline]
    typical = fmean(cost(space.trained(setting)) for setting in guessed)
    parts = [_Part(what, runs, sum(own) + (runs - len(own)) * typical)]
    if confirm := space.confirm:
        typical = fmean(cost(setting) for setting in guessed)
        parts += _confirmed(plan, confirm, seeds or confirm.seeds, typical, looks)
    return parts


def _confirmed(
    plan: Plan, confirm: Confirm, count: int, typical: float, looks: tuple[int, ...]
) -> list[_Part]:
    """What confirms a search: its best at full length, and the path, which may be shorter.

    `typical` is what a setting that may be drawn costs.
    """
    arms, space = len(plan.arms) + confirm.top, plan.space
    cost, count, most = (
        space.objective.cost,
        looks[-1] if looks else count,
        "at most " * bool(looks),
    )
    costs = (*(cost(arm.setting) for arm in plan.arms), *[typical] * confirm.top)
    runs = arms * count
    amount = space.objective.amount_text(space.baseline)
    what = f"Then {arms} arms (the best {confirm.top} with those above) of {amount}"
    what = f"{what} x {most}{seeds_text(count, 'fresh ')} = {most}{runs} trainings"
    parts = [_Part(what, runs, count * sum(costs), costs)]
    count, changes = confirm.path_count(count), _changes_at_most(plan.space)
    if count:
        named = plan.arms[1:]
        arms = 2 * changes + len(named)
        runs, work = arms * count, 2 * changes * typical + sum(cost(arm.setting) for arm in named)
        also = " and the named ones" if named else ""
        what = f"Then the path to the best, {changes} changes at most{also}: up to {arms} arms"
        what = f"{what} x {most}{seeds_text(count)} = {most}{runs} trainings"
        parts.append(_Part(what, runs, count * work))
    return parts


def _changes_at_most(space: Space) -> int:
    """The steps of the longest path: a scientific factor each, the nuisances together."""
    roles = [factor.role for factor in space.factors]
    return roles.count("scientific") + ("nuisance" in roles)


def _lines(
    plan: Plan,
    pace: Pace,
    parts: list[_Part],
    seeds: int | None,
    settling: Settling | None,
    looks: tuple[int, ...],
) -> list[str]:
    space = plan.space
    named = [_named(plan, arm) for arm in plan.arms if arm.name in space.arms]
    if space.search:
        lines = ["Drawn:", *(f"  {_drawn(factor)}" for factor in space.factors), _limits(space)]
    else:
        lines = [
            f"{cell}: the same network as {twin}, not run twice" for cell, twin in plan.collapsed
        ]
    lines += [f"{part.what}, {_about(part, pace)}" for part in parts]
    lines += look_lines(plan, pace, settling) if settling else []
    costs = next((part.arms for part in parts if part.arms), ())
    lines += confirmation_lines(plan, pace, looks, costs)
    if len(parts) > 1:
        work = sum(part.work for part in parts)
        lines.append(f"All together at most {clock(pace.seconds(work))}.")
    where = " in the search" if space.search else ""
    lines.append(f"Times from {pace.source}; time in the table is one training's{where}.")
    for family in families(plan, seeds, settling, looks):
        lines += detectable_lines(plan, pace, family)
    held = ", ".join(f"{name}={text}" for name, text in space.held_fixed().items())
    fixed = [f"Held fixed: {held}"] if held else []
    said = [*named, *decision_lines(plan), *lines]
    return [*said, *_resources(space), *fixed, *space.objective.remarks]


def _resources(space: Space) -> list[str]:
    """What the space asks for its trainings, a sentence each."""
    lines = []
    if space.silence:
        lines.append(f"A training that reports nothing for {space.silence} gets a new process.")
    each = space.resources.gpus
    if each is None:
        return lines
    sharing = f"{int(1 / each + 1e-9)} trainings share one GPU" if each < 1 else ""
    own = "each training has a GPU of its own" if each == 1 else f"each training has {each:g} GPUs"
    return [*lines, f"On CUDA {sharing or own}."]


def _drawn(factor: Factor) -> str:
    """``dropout_count: 1 to 3 step 1 (where dropout is above 0)``."""
    notes = ["nuisance"] if factor.role == "nuisance" else []
    notes += [f"where {name} is {condition.text()}" for name, condition in factor.when.items()]
    noted = f" ({'; '.join(notes)})" if notes else ""
    return f"{factor.name}: {' | '.join(factor.texts())}{noted}"


def _limits(space: Space) -> str:
    """What goes beyond is never trained."""
    units = {"parameters": "parameters", "macs": f"MACs an {space.objective.words.example}"}
    limits = {units[key]: limit for key, limit in dict(space.limits).items() if limit is not None}
    said = " or ".join(f"{limit:,} {unit}" for unit, limit in limits.items())
    return f"Never trained: what goes beyond {said}." if said else "No limits on size and cost."


def _about(part: _Part, pace: Pace) -> str:
    return f"about {clock(pace.seconds(part.work))} with {pace.jobs} at a time"
