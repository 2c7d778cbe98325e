"""Space -> arms and replicates: what is to be run. Pure; trains and stores nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.design.origin import Origin
from ablation.design.settling import Settling
from ablation.folders import study_name
from ablation.objective import Setting
from ablation.settings import Value, text_of
from ablation.space.reader import shipped_file
from ablation.space.schema import BASELINE, Space


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
        settling: the looks at which arms with a verdict stop; None where each has all seeds.
    """

    name: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    settling: Settling | None = None

    @property
    def common_seeds(self) -> tuple[int, ...]:
        """The seeds that every arm has; where arms may stop, those up to the earliest stop."""
        counts = self.settling.wanted().values() if self.settling else ()
        return self.seeds[: min(counts, default=len(self.seeds))]

    def replicates(self) -> list[Replicate]:
        """Seed by seed, all arms of one before the next; where arms may stop, the most of them."""
        return self._replicates(self.settling.wanted() if self.settling else {})

    def due(self) -> list[Replicate]:
        """Those of them that are trained before the next look at the arms."""
        return self._replicates(self.settling.due() if self.settling else {})

    def _replicates(self, counts: Mapping[str, int]) -> list[Replicate]:
        every = len(self.seeds)
        return [
            Replicate(arm, seed)
            for place, seed in enumerate(self.seeds)
            for arm in self.arms
            if place < counts.get(arm.name, every)
        ]


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
    overrides: dict[str, Value] = field(default_factory=dict)

    @property
    def study_name(self) -> str:
        """What a study of this plan is called unless it is given a name."""
        words = self.space.objective.options
        parts = [f"{words[key]}{text_of(value)}" for key, value in self.overrides.items()]
        return study_name("-".join([self.space.name, *parts]))

    @property
    def is_shipped(self) -> bool:
        """Whether the space is one that comes with the project, unchanged."""
        path = shipped_file(self.space.name)
        return path is not None and path.read_text(encoding="utf-8") == self.space.text

    def arm(self, name: str) -> Arm:
        """The arm called `name`."""
        return next(arm for arm in self.arms if arm.name == name)


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
    baseline = space.baseline.values()
    kept = {name: baseline[name] for name in space.objective.training if name not in own}
    return space.objective.setting({**values, **kept})


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
