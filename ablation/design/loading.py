"""From a space's file to its arms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.design.arms import Arm, Plan, arm_name, make_arm
from ablation.design.feasibility import infeasible_reason, unreported
from ablation.design.origin import Baseline, Level, Named
from ablation.errors import UserError, did_you_mean
from ablation.files import from_home
from ablation.objective import Objective
from ablation.settings import Value, check
from ablation.space.errors import SpaceError
from ablation.space.reader import MAX_BYTES, parse, shipped, shipped_file
from ablation.space.schema import BASELINE, MAX_ARMS, MAX_SEED, MAX_TRAININGS, Space


def rebuild(plan: Plan, objective: Objective) -> Plan:
    """A plan of the same space with another form of its objective.

    Raises:
        SpaceError: the space cannot be run with it.
    """
    if objective is plan.space.objective:
        return plan
    space = plan.space
    return build(space.name, space.text, "", plan.overrides, objective=objective)


WITH_OPTION = ("epochs", "train_size")
"""Settings for all arms that commands have options for; for others they have `--set`."""


def load(source: str, overrides: Mapping[str, Value] = {}) -> Plan:
    """The plan of a shipped space, by name, or of a space file, by path.

    A space that names code has it imported, in a process of its own.

    Args:
        source: a shipped name, or a path to a TOML file.
        overrides: settings that replace the space's own in every arm, by name. The space's
            objective says which there are.

    Raises:
        SpaceError: no such space, or it cannot be run; all errors together.
    """
    path = shipped_file(source) or Path(from_home(source))
    try:
        if not path.is_file():
            hint = "no such file" if path.suffix == ".toml" else "no such space"
            valid = f"{did_you_mean(source, shipped())}, or a path to a .toml"
            raise SpaceError(source, [f"{hint}; {valid}"])
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise SpaceError(source, [f"{error.strerror}; give another path"]) from None
    except UnicodeDecodeError as error:
        raise SpaceError(source, [f"not UTF-8 text: {error}"]) from None
    return build(path.stem, text, str(source), overrides, folder=path.parent)


def build(
    name: str,
    text: str,
    source: str = "",
    overrides: Mapping[str, Value] = {},
    *,
    folder: Path | None = None,
    objective: Objective | None = None,
) -> Plan:
    """The plan of a space given as text; see `load` and `ablation.space.reader.parse`.

    Raises:
        SpaceError: it cannot be run; all errors together.
    """
    space, errors = parse(name, text, source, folder=folder, objective=objective)
    given = {space.objective.setting_name(name): value for name, value in overrides.items()}
    space, more = _override(space, given)
    arms, collapsed, rest = enumerate_arms(space)
    rest += unreported(space, {arm.name: arm.setting for arm in arms})
    seeds = space.confirm.seeds if space.confirm else len(space.seeds)
    if why := _too_many(space, len(arms), seeds):
        more.append(why)
    if errors + more + rest:
        raise SpaceError(source or name, errors + more + rest)
    return Plan(space, tuple(arms), tuple(collapsed), given)


def _override(space: Space, given: dict[str, Value]) -> tuple[Space, list[str]]:
    """The space with some settings replaced in every arm, and what speaks against it."""
    taken = [f.name for f in space.factors] + [n for a in space.arms.values() for n in a.set]
    errors = [f"{_option(key)}: the space varies {key} itself" for key in given if key in taken]
    values: dict[str, Value] = {}
    for key, value in given.items():
        if key not in space.objective.options:
            valid = did_you_mean(key, space.objective.options)
            errors.append(f"{_option(key)}: {space.objective.name} has no such setting; {valid}")
            continue
        try:
            values[key] = check(space.objective.fields[key], value)
        except ValueError as error:
            errors.append(f"{_option(key)}: {error}")
    if errors:
        return space, errors
    update: dict[str, Any] = {"baseline": space.baseline.replace(**values)}
    if space.search:
        training = {**space.search.training, **values}
        update["search"] = space.search.model_copy(update={"training": training})
    return space.model_copy(update=update), []


def _option(key: str) -> str:
    """How a command is given a setting for all arms."""
    return f"--{key.replace('_', '-')}" if key in WITH_OPTION else f"--set {key}"


def check_counts(plan: Plan, seeds: int | None, trials: int | None) -> None:
    """Refuse a number of seeds or trials that the design has no use for, or that is too large.

    The seeds of a search are those of its confirmation.

    Raises:
        UserError: what was given does not belong to the plan's design, or is too large or small.
    """
    space = plan.space
    if trials is not None and not space.search:
        raise UserError("--trials: belongs to a search; this space's runs are arms x seeds")
    if seeds is not None and space.search and not space.confirm:
        raise UserError(
            "--seeds: they are those of a search's confirmation, and this one has no [confirm]; "
            "its own is [search] seed in the space file"
        )
    if seeds is not None and space.search and seeds < 2:
        raise UserError("--seeds: a confirmation takes 2 or more, else nothing can be tested")
    if seeds is not None and space.search and space.search.seed + 2 * seeds > MAX_SEED:
        raise UserError("--seeds: [search] seed leaves no room for so many after it; lower it")
    if trials is not None and trials > MAX_TRAININGS:
        raise UserError(f"--trials: at most {MAX_TRAININGS:,}")
    if seeds is not None and (why := _too_many(space, len(plan.arms), seeds)):
        raise UserError(f"--{why}")


def _too_many(space: Space, arms: int, seeds: int) -> str:
    """What to say of more trainings than a study can have; empty where it can.

    A confirmation has the best of those drawn beside the arms of the space.
    """
    arms += space.confirm.top if space.confirm else 0
    if arms * seeds <= MAX_TRAININGS:
        return ""
    return f"seeds: {arms:,} arms x {seeds:,} seeds are more than {MAX_TRAININGS:,} trainings"


def enumerate_arms(space: Space) -> tuple[list[Arm], list[tuple[str, str]], list[str]]:
    """The arms of a space, the cells that collapsed into another, and every error."""
    if (count := _count(space)) > MAX_ARMS:
        fix = "take levels out, or let a search draw" if space.factors else "take some out"
        return [], [], [f"{count:,} arms; at most {MAX_ARMS:,}: {fix}"]
    base = Arm(BASELINE, space.baseline, origins=(Baseline(),))
    first = {space.baseline.digest: base}
    collapsed, errors = list[tuple[str, str]](), list[str]()
    for arm in [*_cells(space), *_named(space)]:
        twin = first.setdefault(arm.setting.digest, arm)
        if twin is arm:
            continue
        if space.design == "factorial" and arm.name not in space.arms:
            collapsed.append((arm.name, twin.name))
        else:
            errors.append(f"arm {arm.name}: the same network and training as {twin.name}; drop one")
    arms = list(first.values())
    reasons = {arm.name: infeasible_reason(space, arm.setting) for arm in arms}
    errors += [f"arm {name}: infeasible, {why}" for name, why in reasons.items() if why]
    errors += _unknown_names(space, [arm.name for arm in arms])
    return arms, collapsed, errors


def _count(space: Space) -> int:
    """The arms that a space comes to, those that collapse counted too."""
    levels = [len(factor.levels) for factor in space.factors if factor.levels]
    cells = {"one-factor": 1 + sum(levels) - len(levels), "factorial": math.prod(levels)}
    return cells.get(space.design, 1) + len(space.arms)


def _cells(space: Space) -> list[Arm]:
    """One level alone (one-factor) or every combination of levels (factorial)."""
    own = space.baseline.values()
    factors = [factor for factor in space.factors if factor.levels]
    names = [factor.name for factor in factors]
    if space.design == "one-factor":
        alone = [(f.name, level) for f in factors for level in f.levels]
        combinations = [{name: level} for name, level in alone if level != own[name]]
    elif space.design == "factorial":
        grid = itertools.product(*(factor.levels for factor in factors))
        combinations = [dict(zip(names, levels, strict=True)) for levels in grid]
    else:
        combinations = []
    settings = [space.baseline.replace(**changed) for changed in combinations]
    arms, taken = list[Arm](), set[str]()
    for setting in settings:
        if setting != space.baseline:
            arms.append(make_arm(space, setting, arm_name(space, setting, taken), (Level(),)))
            taken.add(arms[-1].name)
    return arms


def _named(space: Space) -> list[Arm]:
    return [
        make_arm(space, space.baseline.replace(**arm.set), name, (Named(),), arm.against, arm.note)
        for name, arm in space.arms.items()
    ]


def _unknown_names(space: Space, valid: list[str]) -> list[str]:
    errors = []
    for name, arm in space.arms.items():
        others = [other for other in valid if other != name]
        if arm.against not in others:
            errors.append(
                f'arms.{name}.against: no arm "{arm.against}"; {did_you_mean(arm.against, others)}'
            )
    by_arm = {"reported": list(space.reported), "reported_curves": list(space.reported_curves)}
    for key, names in by_arm.items():
        errors += [
            f'{key}."{name}": no such arm; {did_you_mean(name, valid)}'
            for name in names
            if name not in valid
        ]
    return errors
