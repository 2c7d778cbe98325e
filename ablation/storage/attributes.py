"""The user attributes of studies and trials: their types, checked whenever they are read.

Another version may have written them, and in optuna-dashboard anybody can change them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Annotated, Any, Literal

from optuna.storages import RDBStorage
from optuna.trial import TrialState
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic_core import ErrorDetails

from ablation.errors import UserError, one_line
from ablation.objective import DEFAULT, Objective, load_objective
from ablation.space.schema import MAX_SEED
from ablation.storage import (
    ImportedError,
    TrialRow,
    UnreadableError,
    read_trials,
    study_attributes,
)

CREATED = (
    *("stage", "factor", "level", "seed", "digest", "sequence_length", "parameters", "macs"),
    "setting",
)  # what a trial of ours has from the moment that it has an arm
STATES = tuple(state.name for state in TrialState)
MAX_EPOCHS = 10_000  # of a setting
IMPORTED = "imported"  # the design of a study of runs that were trained elsewhere
DECIDED_BY = "decided_by"
"""The attribute of a trial whose value is not simply the last report of the usual figure."""
ENDED = ("history", "seconds")  # what a complete one has besides, unless it diverged


@dataclass(frozen=True)
class _Judged:
    """A setting: its digest and why it is infeasible (else empty), or what it lacks to be one."""

    digest: str = ""
    infeasible: str = ""
    fault: str = ""


@lru_cache(maxsize=10_000)
def _judge(objective: Objective, text: str) -> _Judged:
    """Judge a setting, given as JSON; once for all replicates of an arm."""
    try:
        setting = objective.setting(json.loads(text))
    except KeyError as error:
        return _Judged(fault=str(error.args[0]))
    except ValidationError as error:
        return _Judged(fault=_said(error.errors()[0]))
    try:
        objective.size(setting)
    except ValueError as error:
        return _Judged(setting.digest, str(error))
    return _Judged(setting.digest)


def valid_setting(values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """Refuse what is no setting of the objective that the validation's context names."""
    objective: Objective = (info.context or {})["objective"]
    if fault := _judge(objective, json.dumps(values)).fault:
        raise ValueError(fault)
    return values


def _not_empty(counts: list[int]) -> list[int]:
    if not sum(counts):
        raise ValueError("must count an image")
    return counts


LARGEST = 10**15  # of a count or of seconds: none comes near, and sums of these have digits left
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Figure = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Attributes(BaseModel):
    """Strict; what has other names is nobody's business here. Defaults stand for what is absent."""

    model_config = ConfigDict(strict=True)


class FreeEpoch(Attributes):
    """A step with figures of any names."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)


class DecidedBy(Attributes):
    """What a trial's value is: the mean of a figure over so many of its last reports."""

    figure: str
    over_last: int = Field(1, ge=1)


class TrialAttributes(Attributes):
    """A trial's: of its creation, then of its end; `trial_attributes_of` has those of results."""

    stage: Literal["ablation", "search", "confirm", "path"] = "ablation"
    factor: str = ""
    level: str = ""
    seed: Seed = 0
    digest: str = ""
    sequence_length: Count | None = None
    parameters: Count | None = None
    macs: Count | None = None
    setting: Annotated[dict[str, Any], AfterValidator(valid_setting)] = {}
    arm: str = Field("", min_length=1)
    device: str = ""
    threads: Count = 0
    fused: Count = 0
    seconds: Figure = 0
    failure: str = ""
    traceback: str = ""
    diverged: int = Field(1, ge=1)
    duplicate_of: Count = 0
    decided_by: DecidedBy | None = None


@cache
def trial_attributes_of(objective: Objective) -> type[TrialAttributes]:
    """The attributes of a trial of this objective: its epochs, its scores, its confusions too."""
    may_lack = objective.figures if objective.free_figures else objective.optional
    numbers: Any = {
        name: (_figure(*ends), None if name in may_lack and name != objective.metric.name else ...)
        for name, ends in objective.figures.items()
    }
    epoch: Any = create_model(
        "_Epoch",
        __base__=FreeEpoch if objective.free_figures else Attributes,
        epoch=(Annotated[int, Field(ge=0 if objective.free_figures else 1)], ...),
        **numbers,
        seconds=(Figure, ...),
    )
    scores = {name: (_figure(*ends), 0.0) for name, ends in objective.scores.items()}
    history: Any = (list[epoch], Field([], min_length=1))
    fields: Any = {**scores, "history": history}
    if objective.free_figures:
        fields["logged"] = (list[dict[str, float]], [])
        fields["code"] = (dict[str, str], {})
        fields["returned"] = (dict[str, float], {})
    if count := len(objective.classes):
        each = Field(min_length=count, max_length=count)
        line = Annotated[list[Count], each, AfterValidator(_not_empty)]
        fields["confusion"] = (list[line], Field([], min_length=count, max_length=count))
    return create_model("TrialAttributes", __base__=TrialAttributes, **fields)


def _figure(low: float, high: float) -> Any:
    """The type of a figure from `low` to `high`."""
    return (
        float if math.isinf(low) and math.isinf(high) else Annotated[float, Field(ge=low, le=high)]
    )


def is_imported(attributes: Mapping[str, Any]) -> bool:
    """Whether a study with these attributes is of runs that were trained elsewhere."""
    return attributes.get("design") == IMPORTED


def objective_of(storage: RDBStorage, study: str) -> Objective:
    """What a study is of.

    Raises:
        ImportedError: its runs were trained elsewhere.
        UnreadableError: it is of something that cannot be had here.
    """
    return objective_named(study, study_attributes(storage, study))


def objective_named(study: str, attributes: Mapping[str, Any]) -> Objective:
    """What a study with these attributes is of; see `objective_of`."""
    if is_imported(attributes):
        raise ImportedError(study)
    try:
        return load_objective(str(attributes.get("objective", DEFAULT)))
    except UserError as error:
        raise UnreadableError(f"study {study}", str(error)) from None


def diverged_epoch(attributes: Mapping[str, Any]) -> int | None:
    """The epoch (from 1) in which a trial's training diverged; None where it did not.

    Args:
        attributes: of the trial. Storages of earlier versions say it in the failure's reason only.
    """
    if "diverged" in attributes:
        return int(attributes["diverged"])
    if str(attributes.get("failure", "")).startswith("DivergedError: "):
        return len(attributes.get("history", [])) + 1
    return None


def is_ours(attributes: Mapping[str, Any], *, is_search: bool) -> bool:
    """Whether a trial with these attributes is the study's: any tool may add trials of its own.

    A trial of a search may have ended without an arm: it was infeasible, or enqueued with values
    that no arm can have.
    """
    return "arm" in attributes or (is_search and "stage" in attributes)


IS_DIVERGED = ("diverged", "failure")
"""The attributes that tell whether a training diverged, without the epoch in earlier versions."""


def is_diverged(attributes: Mapping[str, Any]) -> bool:
    """Whether a trial's training diverged; its attributes `IS_DIVERGED` are enough."""
    return diverged_epoch(attributes) is not None


def checked_trials(
    storage: RDBStorage, study: str, keys: tuple[str, ...] | None = None
) -> list[TrialRow]:
    """The study's trials by number (see `storage.read_trials`), their attributes checked.

    Any tool may have added trials of its own: they have no attribute ``arm``. One that waits is
    not the study's yet, whatever attributes it was enqueued with.

    Raises:
        UnreadableError: an attribute is missing, or has another type than this version gives it.
    """
    if keys and set(keys) & set(ENDED):
        keys = (*keys, "diverged")  # without which these may be missing
    rows = [
        replace(row, attributes={}) if row.state == "WAITING" else row
        for row in read_trials(storage, study, keys)
    ]
    objective = objective_of(storage, study)
    for row in rows:
        if row.state not in STATES:
            fault = one_line(f"its state is {row.state}; there are {', '.join(STATES)}")
            raise UnreadableError(f"study {study}: trial {row.number}", fault)
        if fault := _fault_of_trial(objective, row, keys):
            raise UnreadableError(f"study {study}: trial {row.number}", fault)
    return rows


def _fault_of_trial(objective: Objective, row: TrialRow, keys: tuple[str, ...] | None) -> str:
    attributes = row.attributes
    try:
        model = trial_attributes_of(objective)
        model.model_validate(attributes, context={"objective": objective})
    except ValidationError as error:
        return fault_text(error)
    if "arm" not in attributes:
        return ""
    # A draw of a search that diverged has a value, but perhaps not a single epoch behind it.
    finished = row.state == "COMPLETE" and "diverged" not in attributes
    needed = CREATED + (ENDED if finished else ())
    lacking = [key for key in needed if key not in attributes and (keys is None or key in keys)]
    if lacking:
        return f"attribute {lacking[0]}: missing"
    epochs = attributes.get("setting", {}).get(objective.length, MAX_EPOCHS)
    if not objective.free_figures and len(attributes.get("history", ())) > epochs:
        return "attribute history: more epochs than its setting has"
    return _fault_of_setting(objective, attributes) if "setting" in attributes else ""


def _fault_of_setting(objective: Objective, attributes: dict[str, Any]) -> str:
    if not objective.judges(attributes["setting"]):
        return ""
    judged = _judge(objective, json.dumps(attributes["setting"]))
    if attributes.get("digest", judged.digest) != judged.digest:
        return "attribute digest: not that of its setting"
    return f"attribute setting: infeasible, {judged.infeasible}" if judged.infeasible else ""


def fault_text(error: ValidationError) -> str:
    """The first fault of attributes, in one line."""
    first, *others = error.errors()
    more = f" (and {len(others)} faults more)" if others else ""
    return one_line(f"attribute {_said(first)}{more}")


def _said(error: ErrorDetails) -> str:
    """Where and what, in the tone of the errors in a space."""
    if error["type"] == "missing":
        text = "missing"
    else:
        text = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return ".".join(map(str, error["loc"])) + f": {text}"
