"""The user attributes of studies: their types, checked whenever they are read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo

from ablation.design.origin import Baseline, Drawn, Level, Named, Origin, Step, WithoutChange
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


class StoredPath(Attributes):
    """The path of a confirmation, from the baseline to the arm that was chosen."""

    chosen: str
    arms: list[StoredArm]
    seeds: Annotated[list[Seed], AfterValidator(_all_different)]


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
