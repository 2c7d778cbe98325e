"""What `spaces` and `plan` show, as plain data. Imports optuna only for a storage."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from joblib import cpu_count

from ablation.design.arms import Arm, Plan, check_counts, cost, differences, load
from ablation.design.checks import check_beginning, wanted_seeds
from ablation.folders import ENVIRONMENT_VARIABLE, FILE_NAME, confirm_name
from ablation.planning.pace import REFERENCE, Spread, clock, measured_rate, measured_spreads
from ablation.planning.random_settings import random_settings
from ablation.space.reader import shipped
from ablation.space.schema import Confirm, Factor, Space
from crnn.network.config import TrainConfig, text_of

GUESSED = 100
"""Random settings whose mean cost stands for that of what a search draws."""

ASSUMED_SPREAD = 0.004
"""Standard deviation between pairs, a fraction, until there is a measured one."""


@dataclass(frozen=True)
class Pace:
    """How fast this machine trains: cost a second of one worker, workers, and the evidence.

    `spreads` is what was measured, by study of the storage.
    """

    value: float
    jobs: int
    source: str
    spreads: Mapping[str, Spread] = field(default_factory=dict)

    def seconds(self, work: float) -> float:
        """The time that `work` takes over all workers."""
        return work / self.value / self.jobs


def rate(
    storage: str | None, results: Path, jobs: int | None = None, *, spreads: bool = False
) -> Pace:
    """The pace measured in the storage, where there is one with finished trainings.

    Args:
        storage: as given on the command line.
        results: the folder of results, whose storage it is unless one is given.
        jobs: trainings at a time; one a core unless given.
        spreads: measure the spread between pairs, too.
    """
    workers = jobs or int(cpu_count(only_physical_cores=True))
    found, measured = REFERENCE, dict[str, Spread]()
    if url := _existing_storage(storage, results):
        from ablation.storage import opened_storage

        with opened_storage(url) as opened:
            found = measured_rate(opened)
            measured = measured_spreads(opened) if spreads else measured
    return Pace(found.value, workers, found.source, measured)


def check_plan(found: Plan, seeds: int | None, storage: str | None, results: Path) -> None:
    """Refuse what `run` would refuse: to begin a study of this plan, or to add such seeds to it.

    Args:
        found: the plan.
        seeds: the number of seeds asked for.
        storage: as given on the command line.
        results: the folder of results, whose storage it is unless one is given.

    Raises:
        UserError: the study would not begin, or not go on.
    """
    stored = _stored_seeds(found.study_name, storage, results)
    if stored is None:
        check_beginning(found, seeds)
    elif not found.space.search:
        wanted_seeds(found.space, seeds, stored)


def _stored_seeds(study: str, storage: str | None, results: Path) -> list[int] | None:
    """The seeds of a study of the storage; None where it has none of that name."""
    url = _existing_storage(storage, results)
    if url is None:
        return None
    from ablation.storage import opened_storage, study_attributes

    with opened_storage(url) as opened:
        found = study_attributes(opened, study)
    return found.get("seeds", []) if "format" in found else None


def _existing_storage(given: str | None, results: Path) -> str | None:
    """The storage's URL; None where it is a file that does not exist. Imports optuna otherwise."""
    named = given or os.environ.get(ENVIRONMENT_VARIABLE)
    if not named and not (results / FILE_NAME).exists():
        return None
    from ablation.storage import sqlite_file, storage_url

    url = storage_url(given, results)
    path = sqlite_file(url)
    return url if path is None or path.exists() else None


def spaces(pace: Pace) -> list[dict[str, Any]]:
    """The shipped spaces: name, question, design, runs, rough time."""
    rows = []
    for name in shipped():
        found = load(name)
        parts = _parts(found, None, None)
        runs, work = sum(part.trainings for part in parts), sum(part.work for part in parts)
        rows.append(
            {
                "name": name,
                "question": found.space.question,
                "design": found.space.design,
                "runs": runs,
                "time": clock(pace.seconds(work)),
            }
        )
    return rows


def plan(found: Plan, pace: Pace, seeds: int | None, trials: int | None) -> dict[str, Any]:
    """Every arm with its shapes, cost and time, and what else a person should know."""
    space = found.space
    check_counts(found, seeds, trials)
    parts = _parts(found, seeds, trials)
    return {
        "study": found.study_name,
        "question": space.question,
        "design": space.design,
        "runs": sum(part.trainings for part in parts),
        "seconds": round(sum(pace.seconds(part.work) for part in parts)),
        "arms": [_arm(found, arm, pace) for arm in found.arms],
        "fixed": space.held_fixed(),
        "lines": _lines(found, pace, parts, seeds),
    }


def _arm(found: Plan, arm: Arm, pace: Pace) -> dict[str, Any]:
    shapes, work = arm.shapes, cost(found.space.trained(arm.setting))
    return {
        "arm": arm.name,
        "changes": _changes(found, arm),
        "against": arm.against,
        "sequence_length": shapes.sequence_length,
        "parameters": shapes.parameters,
        "macs": shapes.macs,
        "mmacs": f"{shapes.macs / 1e6:.1f}",
        "seconds": round(work / pace.value, 1),
        "time": clock(work / pace.value),
        "note": arm.note,
    }


def _changes(found: Plan, arm: Arm) -> str:
    changed = differences(found.space, arm.setting)
    return ", ".join(f"{name}={text_of(value)}" for name, value in changed.items())


def _named(found: Plan, arm: Arm) -> str:
    """What a named arm is, as its name does not say it."""
    return f"{arm.name}: {_changes(found, arm)}" + (f" ({arm.note})" if arm.note else "")


@dataclass(frozen=True)
class _Part:
    """A part of a study: what it is, its trainings (at most) and their cost."""

    what: str
    trainings: int
    work: float


def _parts(found: Plan, seeds: int | None, trials: int | None) -> list[_Part]:
    """The parts of a study; what a search draws is taken to cost what random settings do."""
    space = found.space
    costs = [cost(space.trained(arm.setting)) for arm in found.arms]
    if not (search := space.search):
        count = seeds or len(space.seeds)
        runs = len(costs) * count
        what = f"{len(costs)} arms x {_seeds(count)} = {runs} trainings"
        return [_Part(what, runs, count * sum(costs))]
    runs = trials or search.trials
    train = space.trained(space.baseline).train
    pruned = f", pruned by {search.pruner.name}" * (search.pruner.name != "none")
    first = f"{runs} trials of {_length(train)}{pruned}"
    drawn = f", then draws of {search.sampler.name}" if runs > len(costs) else ""
    what = f"{first}: the arms above first{drawn}"
    own, guessed = costs[:runs], random_settings(space, GUESSED) or [space.baseline]
    typical = fmean(cost(space.trained(setting)) for setting in guessed)
    parts = [_Part(what, runs, sum(own) + (runs - len(own)) * typical)]
    if confirm := space.confirm:
        typical = fmean(cost(setting) for setting in guessed)
        parts += _confirmed(found, confirm, seeds or confirm.seeds, typical)
    return parts


def _seeds(count: int, which: str = "") -> str:
    return f"{count} {which}seed{'s' * (count != 1)}"


def _length(train: TrainConfig) -> str:
    return f"{train.epochs} epochs on {train.images()[0]:,} training images"


def _confirmed(found: Plan, confirm: Confirm, count: int, typical: float) -> list[_Part]:
    """What confirms a search: its best at full length, and the path, which may be shorter.

    `typical` is what a setting that may be drawn costs.
    """
    arms = len(found.arms) + confirm.top
    work = sum(cost(arm.setting) for arm in found.arms) + confirm.top * typical
    runs = arms * count
    train = found.space.baseline.train
    what = f"Then {arms} arms (the best {confirm.top} with those above) of {_length(train)}"
    what = f"{what} x {_seeds(count, 'fresh ')} = {runs} trainings"
    parts = [_Part(what, runs, count * work)]
    count, changes = confirm.path_count(count), _changes_at_most(found.space)
    if count:
        named = found.arms[1:]
        arms = 2 * changes + len(named)
        runs, work = arms * count, 2 * changes * typical + sum(cost(arm.setting) for arm in named)
        also = " and the named ones" if named else ""
        what = f"Then the path to the best, {changes} changes at most{also}: up to {arms} arms"
        what = f"{what} x {_seeds(count)} = {runs} trainings"
        parts.append(_Part(what, runs, count * work))
    return parts


def _changes_at_most(space: Space) -> int:
    """The steps of the longest path: a scientific factor each, the nuisances together."""
    roles = [factor.role for factor in space.factors]
    return roles.count("scientific") + ("nuisance" in roles)


def _lines(found: Plan, pace: Pace, parts: list[_Part], seeds: int | None) -> list[str]:
    space = found.space
    named = [_named(found, arm) for arm in found.arms if arm.name in space.arms]
    if space.search:
        lines = ["Drawn:", *(f"  {_drawn(factor)}" for factor in space.factors), _limits(space)]
    else:
        lines = [
            f"{cell}: the same network as {twin}, not run twice" for cell, twin in found.collapsed
        ]
    lines += [f"{part.what}, {_about(part, pace)}" for part in parts]
    if len(parts) > 1:
        work = sum(part.work for part in parts)
        lines.append(f"All together at most {clock(pace.seconds(work))}.")
    where = " in the search" * bool(space.search)
    lines.append(f"Times from {pace.source}; time in the table is one training's{where}.")
    for family in _families(found, seeds):
        lines += _detectable(found, pace, family)
    held = ", ".join(f"{name}={text}" for name, text in space.held_fixed().items())
    return [*named, *lines, f"Held fixed: {held}"]


def _drawn(factor: Factor) -> str:
    """``dropout_count: 1 to 3 step 1 (where dropout is above 0)``."""
    notes = ["nuisance"] * (factor.role == "nuisance")
    notes += [f"where {name} is {condition.text()}" for name, condition in factor.when.items()]
    return f"{factor.name}: {' | '.join(factor.texts())}" + f" ({'; '.join(notes)})" * bool(notes)


def _limits(space: Space) -> str:
    """What goes beyond is never trained."""
    units = {"parameters": "parameters", "macs": "MACs an image"}
    limits = {units[key]: limit for key, limit in dict(space.limits).items() if limit is not None}
    said = " or ".join(f"{limit:,} {unit}" for unit, limit in limits.items())
    return f"Never trained: what goes beyond {said}." if said else "No limits on size and cost."


def _about(part: _Part, pace: Pace) -> str:
    return f"about {clock(pace.seconds(part.work))} with {pace.jobs} at a time"


@dataclass(frozen=True)
class _Family:
    """Comparisons that are tested together: what of, over how many seeds, how many."""

    where: str
    seeds: int
    comparisons: int
    study: str


def _families(found: Plan, seeds: int | None) -> list[_Family]:
    """The families of a study's tests; of a search those of its confirmation, at their largest."""
    space, arms = found.space, len(found.arms)
    if not space.search:
        return [_Family("", seeds or len(space.seeds), arms - 1, found.study_name)]
    if not (confirm := space.confirm):
        return []
    study, count = confirm_name(found.study_name), seeds or confirm.seeds
    families = [_Family("In the confirmation, ", count, arms + confirm.top - 1, study)]
    if path_seeds := confirm.path_count(count):
        steps = [factor.role for factor in space.factors].count("scientific")
        families.append(_Family("On the path, ", path_seeds, steps, study))
    return families


@dataclass(frozen=True)
class _Scatter:
    """The spread between pairs to plan with, in words, and the seeds that settle a comparison."""

    spread: float
    told: str
    pairs: int = 0
    measured: float = math.nan

    def settling(self, comparisons: int, margin: float) -> float:
        """How many seeds settle whatever difference there may be."""
        from ablation.statistics.power import seeds_to_settle

        if not self.pairs:
            return seeds_to_settle(self.spread, 2, comparisons, margin)[0]
        return seeds_to_settle(self.measured, self.pairs, comparisons, margin)[1]


def _scatter(train: TrainConfig, spreads: Mapping[str, Spread], study: str) -> _Scatter:
    """Of the study itself, else of what was trained as long, else assumed.

    What was measured is taken at its upper 80 % bound: a few pairs may hardly show it.
    """
    from ablation.statistics.power import upper_spread

    own = spreads.get(study)
    alike = {
        name: each
        for name, each in spreads.items()
        if (each.epochs, each.train_size) == (train.epochs, train.train_size)
        and math.isfinite(each.value)
    }
    if own and math.isfinite(own.value):
        best, source = own, "as measured so far"
    elif alike:
        name = max(alike, key=lambda name: upper_spread(alike[name].value, alike[name].pairs))
        best, source = alike[name], f"as measured in {name}, whose trainings are as long"
    else:
        why = " until some have been trained; short trainings scatter more"
        if own:
            why = ", as no arm has two pairs yet of which both sides have learned anything"
        told = f"{100 * ASSUMED_SPREAD:.2f} points between pairs (assumed{why})"
        return _Scatter(ASSUMED_SPREAD, told)
    upper = upper_spread(best.value, best.pairs)
    told = (
        f"up to {100 * upper:.2f} points between pairs (the upper 80 % bound of "
        f"{100 * best.value:.2f} {source})"
    )
    return _Scatter(upper, told, best.pairs, best.value)


def _detectable(found: Plan, pace: Pace, family: _Family) -> list[str]:
    """What so many seeds cannot show, where that is more than the margin."""
    from ablation.statistics.power import FEW_SEEDS, MORE_SEEDS, minimum_detectable

    seeds, comparisons, margin = family.seeds, family.comparisons, found.space.margin
    scatter = _scatter(found.space.baseline.train, pace.spreads, family.study)
    if seeds < 2:
        return ["With 1 seed nothing can be tested; two show a spread, ten a difference."]
    smallest = minimum_detectable(scatter.spread, seeds, comparisons)
    if not comparisons or smallest <= margin:
        return []
    counted = f"{_seeds(seeds)} and {comparisons} comparison{'s' * (comparisons != 1)}"
    least = _findable(smallest)
    few = ""
    if seeds < FEW_SEEDS:
        five, ten = (
            _findable(minimum_detectable(scatter.spread, count, comparisons))
            for count in (FEW_SEEDS, MORE_SEEDS)
        )
        few = f" {FEW_SEEDS} seeds find {five}, {MORE_SEEDS} seeds {ten}."
    return [
        f"{family.where}{counted} cannot be counted on to find an effect as small as the margin of "
        f"{100 * margin:.2f} points: four times in five they find {least}, "
        f"at a spread of {scatter.told}.{few} {_settling(scatter, comparisons, margin)}"
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


def _findable(least: float) -> str:
    """A smallest difference, in points."""
    return f"{100 * least:.2f} or more" if least <= 1 else "no difference that can exist"
