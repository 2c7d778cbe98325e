"""The user attributes of studies: their types, checked whenever they are read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator

from ablation.design.arms import Arm
from ablation.design.origin import Baseline, Drawn, Level, Named, Origin, Step, WithoutChange
from ablation.design.settling import Settling, TakenLook, settling_of
from ablation.objective import DEFAULT, Objective
from ablation.settings import Value, check
from ablation.space.schema import MAX_TRAININGS, Design
from ablation.storage import UnreadableError
from ablation.storage.attributes import (
    Attributes,
    Count,
    Seed,
    fault_text,
    objective_named,
    valid_setting,
)

if TYPE_CHECKING:
    from ablation.statistics.settling import LookFigures

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


def _increasing(numbers: list[int]) -> list[int]:
    if numbers != sorted(set(numbers)):
        raise ValueError("must be increasing")
    return numbers


def _all_different(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("must be all different")
    return seeds


def _options(given: dict[str, Any], info: ValidationInfo) -> dict[str, Value]:
    objective: Objective = (info.context or {})["objective"]
    if alien := sorted(given.keys() - objective.options.keys()):
        raise ValueError(f"{alien[0]} is none of {', '.join(objective.options)}")
    return {name: check(objective.fields[name], value) for name, value in given.items()}


class _StoredPlain(Attributes):
    kind: Literal["baseline", "level", "named"]

    def origin(self) -> Origin:
        kinds: dict[str, Origin] = {"baseline": Baseline(), "level": Level(), "named": Named()}
        return kinds[self.kind]


class _StoredDrawn(Attributes):
    kind: Literal["drawn"]
    trial: Count | None
    rank: Count | None

    def origin(self) -> Origin:
        return Drawn(self.trial, self.rank)


class _StoredStep(Attributes):
    kind: Literal["step"]
    number: int = Field(ge=1)

    def origin(self) -> Origin:
        return Step(self.number)


class _StoredWithoutChange(Attributes):
    kind: Literal["without_change"]
    names: list[str] = Field(min_length=1)

    def origin(self) -> Origin:
        return WithoutChange(tuple(self.names))


StoredOrigin = Annotated[
    _StoredPlain | _StoredDrawn | _StoredStep | _StoredWithoutChange, Field(discriminator="kind")
]


class StoredArm(Attributes):
    """An arm of a confirmation: no space file names it.

    `origins` is empty in a storage written before they were kept.
    """

    name: str = Field(min_length=1)
    setting: Annotated[dict[str, Any], AfterValidator(valid_setting)]
    against: str
    note: str
    origins: list[StoredOrigin] = []


class StoredFigures(Attributes):
    """What the pairs of an arm said at a look; mean and sd are None where there is none."""

    n: Count
    mean: Finite | None
    sd: Finite | None
    p: Share
    e: Share
    reason: str = ""

    def figures(self) -> LookFigures:
        """As the statistics have them."""
        from ablation.statistics.settling import LookFigures

        mean, sd = (math.nan if x is None else x for x in (self.mean, self.sd))
        return LookFigures(self.n, mean, sd, self.p, self.e, self.reason)


class StoredLook(Attributes):
    """A look that has been taken at the arms without a verdict."""

    seeds: Annotated[list[Seed], AfterValidator(_all_different)]
    figures: dict[str, StoredFigures]


class StoredSettling(Attributes):
    """The looks that a study declared, by their numbers of seeds, and those taken."""

    looks: Annotated[list[Count], Field(min_length=1), AfterValidator(_increasing)]
    reserve: bool
    extra: Annotated[list[Count], AfterValidator(_increasing)] = []
    taken: list[StoredLook] = []
    untested: list[str] = []

    @model_validator(mode="after")
    def _of_declared_looks(self) -> StoredSettling:
        looks = _increasing([*self.looks, *self.extra])
        if [len(look.seeds) for look in self.taken] != looks[: len(self.taken)]:
            raise ValueError("taken: not with the seeds of the looks that were declared")
        return self

    def settling(self, arms: Iterable[Arm]) -> Settling:
        """As it is acted on.

        Args:
            arms: of the study's stage that it is of.
        """
        taken = tuple(
            TakenLook(number, tuple(look.seeds), {a: f.figures() for a, f in look.figures.items()})
            for number, look in enumerate(self.taken, 1)
        )
        declared = settling_of(arms, self.looks, reserve=self.reserve, untested=self.untested)
        return replace(declared, extra=tuple(self.extra), taken=taken)


def stored_settling(settling: Settling) -> dict[str, Any]:
    """As a study's attribute."""
    return {
        "looks": list(settling.looks),
        "reserve": settling.reserve,
        "extra": list(settling.extra),
        "taken": [_stored_look(look) for look in settling.taken],
        **({"untested": list(settling.untested)} if settling.untested else {}),
    }


def _stored_look(look: TakenLook) -> dict[str, Any]:
    figures = {arm: asdict(figures) for arm, figures in look.figures.items()}
    for own in figures.values():
        own |= {name: None for name in ("mean", "sd") if math.isnan(own[name])}
    return {"seeds": list(look.seeds), "figures": figures}


class StoredPath(Attributes):
    """The path of a confirmation, from the baseline to the arm that was chosen."""

    chosen: str
    arms: list[StoredArm]
    seeds: Annotated[list[Seed], AfterValidator(_all_different)]
    settling: StoredSettling | None = None


class StudyAttributes(Attributes):
    """A study's, its format aside."""

    question: str
    design: Design | Literal["confirmation"]
    space_name: str
    space: str
    overrides: Annotated[dict[str, Any], AfterValidator(_options)]
    objective: str = DEFAULT
    seeds: Annotated[list[Seed], AfterValidator(_all_different)]
    trials: int = Field(ge=0, le=MAX_TRAININGS)
    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    threads: int = Field(ge=1, le=10_000)
    environments: list[dict[str, str]]
    looks: list[Count] = []
    path_looks: list[Count] = []
    exhausted: Count = 0
    arms: list[StoredArm] = []
    path: StoredPath | None = None
    settling: StoredSettling | None = None
    identity: str = ""
    confirms: str = ""


def checked_study(study: str, attributes: dict[str, Any]) -> StudyAttributes:
    """A study's attributes.

    Raises:
        UnreadableError: one is missing, or has another type than this version gives it.
    """
    try:
        context = {"objective": objective_named(study, attributes)}
        return StudyAttributes.model_validate(attributes, context=context)
    except ValidationError as error:
        raise UnreadableError(f"study {study}", fault_text(error)) from None
