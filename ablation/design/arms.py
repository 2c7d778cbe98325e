"""Space -> arms and replicates: what is to be run. Pure; trains and stores nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ablation.design.origin import Baseline, Level, Named, Origin
from ablation.errors import UserError
from ablation.files import from_home
from ablation.folders import study_name
from ablation.space.reader import MAX_BYTES, SHIPPED, SpaceError, nearest, parse, shipped
from ablation.space.schema import BASELINE, MAX_ARMS, MAX_SEED, MAX_TRAININGS, Space
from crnn.network.config import TRAIN_KEYS, Setting, Value, check, text_of
from crnn.network.shapes import Shapes, infeasible_because, shapes

SMALL_OPERATIONS = 8_000_000
"""What an image costs beside its multiply-accumulates, in these: measured on a CPU."""


@dataclass(frozen=True)
class Arm:
    """One complete setting under its name.

    Attributes:
        name: the same text everywhere: ``baseline``, ``hidden_size=256``, or a named arm's name.
        setting: the complete setting.
        against: the arm it is compared with; empty for the baseline.
        factor: the setting that it changes, where it changes one; else empty.
        level: that setting's value as text; else empty.
        note: the space's author's remark; of what a search drew, which trial it was.
        origins: where it comes from, as far as that is known. On a path it may be several things:
            a step as well as the chosen setting without a change.
        changes: the settings in which it differs from the baseline, in the space's order.
    """

    name: str
    setting: Setting
    against: str = ""
    factor: str = ""
    level: str = ""
    note: str = ""
    origins: tuple[Origin, ...] = ()
    changes: dict[str, Value] = field(default_factory=dict, compare=False)  # follow the setting

    @property
    def shapes(self) -> Shapes:
        """Sequence length, parameters and multiply-accumulates."""
        return shapes(self.setting.model)


@dataclass(frozen=True)
class Replicate:
    """An arm to be run with one seed; its identity is (digest of the arm's setting, seed)."""

    arm: Arm
    seed: int

    @property
    def identity(self) -> tuple[str, int]:
        """What makes it the same replicate wherever it is met."""
        return self.arm.setting.digest, self.seed


@dataclass(frozen=True)
class Stage:
    """Arms and the seeds that each of them is trained with.

    Attributes:
        name: ``ablation``, or in a search's confirmation ``confirm`` and ``path``.
        arms: the arms, the baseline first.
        seeds: the seeds, in the order of training.
    """

    name: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]

    def replicates(self) -> list[Replicate]:
        """Seed by seed, all arms of one before the next."""
        return [Replicate(arm, seed) for seed in self.seeds for arm in self.arms]


@dataclass(frozen=True)
class Plan:
    """A valid space and its arms, the baseline first.

    In a search the arms are those tried first; the sampler draws the others. `collapsed` names
    the cells of a factorial that came to the same network as an earlier one, with that one.
    `overrides` are the settings (``epochs``, ``train_size``) that replaced the space's own.
    """

    space: Space
    arms: tuple[Arm, ...]
    collapsed: tuple[tuple[str, str], ...] = ()
    overrides: dict[str, int] = field(default_factory=dict)

    @property
    def study_name(self) -> str:
        """What a study of this plan is called unless it is given a name."""
        words = {"epochs": "epochs", "train_size": "images"}
        parts = [f"{words[key]}{value}" for key, value in self.overrides.items()]
        return study_name("-".join([self.space.name, *parts]))

    @property
    def is_shipped(self) -> bool:
        """Whether the space is one that comes with the project, unchanged."""
        path = SHIPPED / f"{self.space.name}.toml"
        return path.is_file() and path.read_text(encoding="utf-8") == self.space.text

    def arm(self, name: str) -> Arm:
        """The arm called `name`."""
        return next(arm for arm in self.arms if arm.name == name)


def load(source: str, epochs: int | None = None, train_size: int | None = None) -> Plan:
    """The plan of a shipped space, by name, or of a space file, by path.

    Args:
        source: a shipped name, or a path to a TOML file.
        epochs: replaces the space's own, if given.
        train_size: replaces the space's own, if given.

    Raises:
        SpaceError: no such space, or it cannot be run; all errors together.
    """
    path = SHIPPED / f"{source}.toml" if source in shipped() else Path(from_home(source))
    try:
        if not path.is_file():
            hint = "no such file" if path.suffix == ".toml" else "no such space"
            valid = f"{nearest(source, shipped())}, or a path to a .toml"
            raise SpaceError(source, [f"{hint}; {valid}"])
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise SpaceError(source, [f"{error.strerror}; give another path"]) from None
    except UnicodeDecodeError as error:
        raise SpaceError(source, [f"not UTF-8 text: {error}"]) from None
    return build(path.stem, text, str(source), epochs, train_size)


def build(
    name: str,
    text: str,
    source: str = "",
    epochs: int | None = None,
    train_size: int | None = None,
) -> Plan:
    """The plan of a space given as text (see `load`)."""
    given = {"epochs": epochs, "train_size": train_size}
    overrides = {key: value for key, value in given.items() if value is not None}
    space, errors = parse(name, text, source)
    space, more = _override(space, overrides)
    arms, collapsed, rest = enumerate_arms(space)
    seeds = space.confirm.seeds if space.confirm else len(space.seeds)
    if why := _too_many(space, len(arms), seeds):
        more.append(why)
    if errors + more + rest:
        raise SpaceError(source or name, errors + more + rest)
    return Plan(space, tuple(arms), tuple(collapsed), overrides)


def _override(space: Space, given: dict[str, int]) -> tuple[Space, list[str]]:
    """The space with some settings replaced in every arm, and what speaks against it."""
    taken = [f.name for f in space.factors] + [n for a in space.arms.values() for n in a.set]
    errors = [f"{_option(key)}: the space varies {key} itself" for key in given if key in taken]
    for key, value in given.items():
        try:
            check(key, value)
        except ValueError as error:
            errors.append(f"{_option(key)}: {error}")
    if errors:
        return space, errors
    update: dict[str, Any] = {"baseline": space.baseline.replace(**given)}
    if space.search:
        training = {**space.search.training, **given}
        update["search"] = space.search.model_copy(update={"training": training})
    return space.model_copy(update=update), []


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


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
    reasons = {arm.name: why_not(space, arm.setting) for arm in arms}
    errors += [f"arm {name}: infeasible, {why}" for name, why in reasons.items() if why]
    errors += _unknown_names(space, [arm.name for arm in arms])
    return arms, collapsed, errors


def differences(space: Space, setting: Setting) -> dict[str, Value]:
    """The settings in which `setting` differs from the baseline, in the space's order."""
    ours, theirs = setting.values(), space.baseline.values()
    order = dict.fromkeys([*(factor.name for factor in space.factors), *ours])
    return {name: ours[name] for name in order if ours[name] != theirs[name]}


def arm_name(space: Space, setting: Setting, taken: Container[str] = ()) -> str:
    """The name that a setting goes by: its differences joined by ``+``, else ``baseline``.

    Args:
        space: whose baseline it differs from.
        setting: the setting.
        taken: the names of other settings. Where its own is one of them, the two are equal to the
            six digits that names have, and it gets all of its digits.
    """
    changed = differences(space, setting)
    name = change_text(changed) or BASELINE
    return change_text(changed, exact=True) if name in taken else name


def change_text(changes: Mapping[str, Value], *, exact: bool = False) -> str:
    """Changed settings with their values, joined by ``+``; numbers to six digits, or all."""

    def text(value: Value) -> str:
        return repr(value) if exact and isinstance(value, float) else text_of(value)

    return "+".join(f"{name}={text(value)}" for name, value in changes.items())


def full_length(space: Space, values: dict[str, Any]) -> Setting:
    """A search trial's setting as an arm's: its training was the search's own, not the arm's."""
    own = {factor.name for factor in space.factors}
    kept = {k: getattr(space.baseline.train, k) for k in TRAIN_KEYS if k not in own}
    return Setting.of({**values, **kept})


def cost(setting: Setting) -> float:
    """What one training costs, in multiply-accumulates; a backward pass is two forward ones."""
    train, validate = setting.train.images()
    passes = setting.train.epochs * (3 * train + validate) + 10_000
    return float(passes) * (shapes(setting.model).macs + SMALL_OPERATIONS)


def changes(old: Space, new: Space) -> list[str]:
    """What makes `new` another study than `old`; empty where it only adds arms or seeds.

    What a search's confirmation may still change depends on how far it is:
    `ablation.scheduling.confirmation.check_extension`.
    """
    found = [
        f"{key}: was {getattr(old, key)}, is {getattr(new, key)}"
        for key in ("design", "margin", "settle", "limits")
        if getattr(old, key) != getattr(new, key)
    ]
    if gone := sorted(set(old.seeds) - set(new.seeds)):
        found.append(f"seeds: {text_of(gone)} gone")
    if old.design == "search":
        found += _search_changes(old, new)
    now = {arm.name: arm for arm in enumerate_arms(new)[0]}
    for arm in enumerate_arms(old)[0]:
        if arm.name not in now:
            found.append(f"arm {arm.name}: gone")
        elif arm.setting.digest != now[arm.name].setting.digest:
            found.append(f"arm {arm.name}: {_difference(arm.setting, now[arm.name].setting)}")
        elif arm.against != now[arm.name].against:
            found.append(f"arm {arm.name}: was compared with {arm.against}")
    return found


def _search_changes(old: Space, new: Space) -> list[str]:
    parts = dict[str, tuple[Any, Any]]()
    for name in dict.fromkeys(factor.name for factor in (*old.factors, *new.factors)):
        both = [next((f for f in s.factors if f.name == name), None) for s in (old, new)]
        parts[f"factors.{name}"] = (both[0], both[1])
    if old.search and new.search:
        for key in ("seed", "sampler", "pruner", "duplicates", "training"):
            parts[f"search.{key}"] = (getattr(old.search, key), getattr(new.search, key))
    found = [_changed(key, was, now) for key, (was, now) in parts.items() if was != now]
    orders = [[factor.name for factor in space.factors] for space in (old, new)]
    if not found and orders[0] != orders[1]:
        found.append(f"factors: were in the order {text_of(orders[0])}, are {text_of(orders[1])}")
    return found


def _changed(key: str, was: Any, now: Any) -> str:
    """What became of a part of a search: each of its values that changed."""
    if was is None or now is None:
        return f"{key}: {'added' if was is None else 'gone'}"
    values = [_values(part) for part in (was, now)]
    names = [n for n in {**values[0], **values[1]} if values[0].get(n) != values[1].get(n)]
    texts = [
        f"{name} was {_shown(values[0].get(name))}, is {_shown(values[1].get(name))}".strip()
        for name in names
    ]
    return f"{key}: {', '.join(texts)}"


def _values(part: Any) -> dict[str, Any]:
    if isinstance(part, BaseModel):
        return {name: getattr(part, name) for name in type(part).model_fields}
    return dict(part) if isinstance(part, dict) else {"": part}


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "none"
    return text_of(value) if isinstance(value, str | int | float | tuple | list) else str(value)


def _difference(old: Setting, new: Setting) -> str:
    was, now = old.values(), new.values()
    return ", ".join(
        f"{k} was {text_of(was[k])}, is {text_of(now[k])}" for k in was if was[k] != now[k]
    )


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
        crossed = itertools.product(*(factor.levels for factor in factors))
        combinations = [dict(zip(names, levels, strict=True)) for levels in crossed]
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


def make_arm(
    space: Space,
    setting: Setting,
    name: str,
    origins: Sequence[Origin],
    against: str = BASELINE,
    note: str = "",
) -> Arm:
    """The arm of a setting: its factor and level are those of its only difference."""
    changed = differences(space, setting)
    factor, level = "", ""
    if len(changed) == 1:
        factor, level = next((key, text_of(value)) for key, value in changed.items())
    return Arm(name, setting, against, factor, level, note, tuple(origins), changed)


def why_not(space: Space, setting: Setting) -> str | None:
    """Why a setting cannot be trained, or goes beyond the space's limits; None where it can."""
    if why := infeasible_because(setting.model):
        return why
    if 0 in (*setting.train.images(), *space.trained(setting).train.images()):
        return "train_size and train_fraction leave no image to train or to validate"
    for trained in (setting, space.trained(setting)):
        if why := _nothing_to_normalise(trained):
            return why
    return _beyond(space, setting)


def _nothing_to_normalise(setting: Setting) -> str | None:
    """Batch normalisation needs two values of a channel in every batch, the last one too."""
    model, train = setting.model, setting.train
    if not model.batch_norm or train.images()[0] % train.batch_size != 1 % train.batch_size:
        return None
    blocks = enumerate(shapes(model).stages[: model.conv_layers])
    single = [n + 1 for n, stage in blocks if stage.shape[1] == 1 and not model.pools(n)]
    if not single:
        return None
    return (
        f"block {single[0]}: batch_norm has one value to normalise, its map is 1 x 1 and the last "
        f"batch of an epoch one image ({train.images()[0]:,} by {train.batch_size}); change "
        "batch_size"
    )


def _beyond(space: Space, setting: Setting) -> str | None:
    counted = shapes(setting.model)
    for key in excesses(space, setting):
        limit, value = getattr(space.limits, key), getattr(counted, key)
        if value > limit:
            return f"{key}: {value:,} is beyond the limit of {limit:,}"
    return None


def excesses(space: Space, setting: Setting) -> dict[str, float]:
    """By limit of the space: how far beyond a setting goes, as a part of it; else 0 or below.

    Raises:
        ValueError: the network cannot exist.
    """
    counted = shapes(setting.model)
    limits = {key: limit for key, limit in space.limits if limit is not None}
    return {key: getattr(counted, key) / limit - 1 for key, limit in limits.items()}


def _unknown_names(space: Space, valid: list[str]) -> list[str]:
    errors = []
    for name, arm in space.arms.items():
        others = [other for other in valid if other != name]
        if arm.against not in others:
            errors.append(
                f'arms.{name}.against: no arm "{arm.against}"; {nearest(arm.against, others)}'
            )
    by_arm = {"reported": list(space.reported), "reported_curves": list(space.reported_curves)}
    for key, names in by_arm.items():
        errors += [
            f'{key}."{name}": no such arm; {nearest(name, valid)}'
            for name in names
            if name not in valid
        ]
    return errors
