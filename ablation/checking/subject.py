"""What is checked: the baseline of a space or of a file, two seeds, and another arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ablation.design.arms import Arm, Plan, arm_name, make_arm
from ablation.design.loading import load
from ablation.errors import UserError
from ablation.files import from_home
from ablation.objective import Objective, Setting
from ablation.planning.random_settings import random_settings
from ablation.settings import Value
from ablation.space.errors import SpaceError
from ablation.space.figure_keys import is_loss
from ablation.space.new_training import FUNCTION, LENGTHS, figures, other_level
from ablation.space.schema import BASELINE, Space
from ablation.space.training_code import training_code
from ablation.user_code.objective import UserObjective
from ablation.user_code.settings.schema import Description
from ablation.user_code.source.description import describe

Describe = Callable[[str, Path], Description]
DRAWS = 20  # settings of a search among which one is to be found that is not the baseline's


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        plan: of the space; of a file that has none, one with the arms that are checked.
        other_arm: the arm that is compared with the baseline; None where there is none.
        seeds: two.
        metric_found: whether the metric was read from the code, since nobody named one.
    """

    plan: Plan
    other_arm: Arm | None
    seeds: tuple[int, int]
    metric_found: bool = False

    @property
    def objective(self) -> Objective:
        """What is trained."""
        return self.plan.space.objective

    @property
    def returns_outcome(self) -> bool:
        """Whether a function seems to return what decides, though that is a mean over reports."""
        objective = self.objective
        if self.plan.space.outcome.over_last == 1 or not isinstance(objective, UserObjective):
            return False
        definition = objective.definition
        function = definition.trains.rpartition(":")[2]
        return objective.metric.name in figures(Path(definition.file), function)[1]

    @property
    def baseline(self) -> Setting:
        """The baseline's setting, at its full length."""
        return self.plan.space.baseline


def find_subject(source: str, overrides: Mapping[str, Value] = {}, metric: str = "") -> Subject:
    """What is to be checked.

    Args:
        source: a shipped space's name, a path to a TOML file, or ``file.py[:function]``.
        overrides: settings for all arms, of a space.
        metric: the figure that decides, of a file; the first one that it reports unless given.

    Raises:
        UserError: there is no such space or code, or it cannot be trained.
    """
    if source.partition(":")[0].endswith(".py"):
        if overrides:
            raise UserError("--set: belongs to a space; change the defaults in the file")
        return file_subject(source, metric)
    if metric:
        raise UserError("--metric: a space names its own; leave it out")
    plan = load(source, overrides)
    space = plan.space
    first, second, *_ = dict.fromkeys([*space.seeds, 0, 1])
    other = plan.arms[1] if len(plan.arms) > 1 else _drawn(space)
    return Subject(plan, other, (first, second))


def _drawn(space: Space) -> Arm | None:
    """An arm that a search may draw."""
    for setting in random_settings(space, DRAWS):
        if setting.digest != space.baseline.digest:
            return make_arm(space, setting, arm_name(space, setting), ())
    return None


def file_subject(source: str, metric: str = "", describe: Describe = describe) -> Subject:
    """What is to be checked of a file: its defaults, and the first other value that can be trained.

    Args:
        source: ``file.py``, and after a colon the function's name unless that is ``train``.
        metric: the figure that decides; the first one that it reports unless given.
        describe: describes code; `ablation.user_code.source.description.describe` unless given.

    Raises:
        UserError: there is no such code, or it cannot be trained.
    """
    named, _, function = source.partition(":")
    path = Path(from_home(named))
    trains = f"{path.name}:{function or FUNCTION}"
    found = describe(trains, path.parent)
    reported, returned = figures(found.file, found.function)
    decides = metric or next(iter([*reported, *returned]), "")
    if not decides:
        raise UserError(f"{source}: no figure is named where it reports; name one with --metric")
    whole = [field.name for field in found.schema.fields if field.kind == "int"]
    document = {"trains": trains, "metric": decides, "margin": 1.0}
    document["direction"] = "min" if is_loss(decides) else "max"
    document["budget"] = next((name for name in whole if name in LENGTHS), "")
    errors: list[str] = []
    objective = training_code(document, path.parent, errors, lambda trains, folder: found)
    if objective is None:
        raise SpaceError(source, errors)
    space = Space(
        name=path.stem, text="", objective=objective, baseline=_baseline(source, objective, found)
    )
    other = _other_arm(space, found)
    arms = [Arm(BASELINE, space.baseline), *([other] if other else [])]
    return Subject(Plan(space, tuple(arms)), other, (0, 1), metric_found=not metric)


def _baseline(source: str, objective: Objective, found: Description) -> Setting:
    """The defaults of a file; what has none gets some value."""
    needed = {
        objective.setting_name(field.name): other_level(field)
        for field in found.schema.fields
        if field.required
    }
    try:
        setting = objective.setting(needed)
    except ValidationError as error:
        names = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise UserError(f"{source}: {names}: no default; give one, or check a space") from None
    if why := objective.infeasible(setting):
        raise UserError(f"{source}: its defaults cannot be trained: {why}; change them")
    return setting


def _other_arm(space: Space, found: Description) -> Arm | None:
    """The first arm with one other value that can be trained, the length aside."""
    for field in found.schema.fields:
        name, level = space.objective.setting_name(field.name), other_level(field)
        if name == space.objective.length or level is None:
            continue
        setting = space.baseline.replace(**{name: level})
        if setting.digest != space.baseline.digest and not space.objective.infeasible(setting):
            return make_arm(space, setting, arm_name(space, setting), ())
    return None
