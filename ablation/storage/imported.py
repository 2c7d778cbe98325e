"""Studies of runs that were trained elsewhere: their attributes, checked whenever they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from optuna.storages import RDBStorage
from pydantic import Field, ValidationError, model_validator

from ablation.errors import one_line
from ablation.objective.metric import Direction
from ablation.statistics.comparison import Method
from ablation.storage.attributes import Attributes, Count, fault_text
from ablation.storage.errors import UnreadableError
from ablation.storage.trials import TrialRow, read_trials, save_study, study_attributes

FORMAT = 1
FIX = "go on with that version, or analyse its files again with --study NAME"
STATES = ("COMPLETE", "FAIL")
Name = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StoredMetric(Attributes):
    """What decides; see `ablation.objective.metric.Metric`."""

    name: Name
    unit: str
    direction: Direction
    test: str


class StoredComparison(Attributes):
    """How arms are compared; see `ablation.statistics.comparison.Comparison`."""

    method: Method
    folds: Count
    of: str
    blocks: str
    no_mean: str


class StoredArm(Attributes):
    """An arm; see ``Runs.arms``."""

    arm: Name
    against: str
    changes: dict[str, str]
    setting: dict[str, str]


class ImportedStudy(Attributes):
    """The attributes of such a study.

    Attributes:
        looks_noted: whether the latest look at these runs is among the looks.
    """

    design: Literal["imported"]
    files: dict[str, Sha256]
    paths: list[str] = Field([])
    options: list[str]
    arms: list[StoredArm] = Field(min_length=1)
    comparison: StoredComparison
    metric: StoredMetric
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    lines: list[str]
    looks: list[Count] = Field([])
    looks_noted: bool = False
    format: Literal[1]

    @model_validator(mode="after")
    def _check_arms(self) -> Self:
        names = [arm.arm for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("arms must have names of their own")
        for place, arm in enumerate(self.arms):
            if not place:
                if arm.against:
                    raise ValueError(f"{arm.arm} is the baseline and compared with none")
            elif arm.against not in names or arm.against == arm.arm:
                raise ValueError(f"{arm.arm} must be compared with another arm")
        return self


class Course(Attributes):
    """The values of a run's metric by epoch."""

    epochs: list[int] = Field(min_length=1)
    values: list[Number]

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len(self.epochs) != len(self.values):
            raise ValueError("must have a value for each epoch")
        return self


class ImportedTrial(Attributes):
    """The attributes of a run; see ``Runs.runs``."""

    arm: Name
    seed: str
    block: str = ""
    test_value: Number | None = None
    failure: str = ""
    sd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    n: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    history: Course | None = None


def checked_imported(study: str, attributes: Mapping[str, Any]) -> ImportedStudy:
    """A study's attributes.

    Raises:
        UnreadableError: one is missing, or has another type than this version gives it.
    """
    stored = attributes.get("format")
    if stored != FORMAT:
        fault = f"its format is {one_line(str(stored))}, this version reads {FORMAT}"
        raise UnreadableError(f"study {study}", fault, FIX)
    try:
        return ImportedStudy.model_validate(dict(attributes))
    except ValidationError as error:
        raise UnreadableError(f"study {study}", fault_text(error), FIX) from None


def checked_runs(
    storage: RDBStorage, study: str, stored: ImportedStudy
) -> list[tuple[TrialRow, ImportedTrial]]:
    """The study's trials by number, with their attributes; those of other tools have no arm.

    Raises:
        UnreadableError: one is not as this version writes it.
    """
    arms = {arm.arm for arm in stored.arms}
    found = [row for row in read_trials(storage, study) if "arm" in row.attributes]
    runs, seen = [], set[tuple[str, str, str]]()
    for row in found:
        try:
            run = ImportedTrial.model_validate(row.attributes)
        except ValidationError as error:
            raise UnreadableError(
                f"study {study}: trial {row.number}", fault_text(error), FIX
            ) from None
        fault = _fault(row, run, stored, arms)
        key = (run.arm, run.seed, run.block)
        if not fault and row.state == "COMPLETE" and key in seen:
            fault = "its arm and seed have a trial already"
        if fault:
            raise UnreadableError(f"study {study}: trial {row.number}", one_line(fault), FIX)
        if row.state == "COMPLETE":
            seen.add(key)
        runs.append((row, run))
    return runs


def _fault(row: TrialRow, run: ImportedTrial, stored: ImportedStudy, arms: set[str]) -> str:
    """What is wrong with a run; empty where nothing is."""
    if row.state not in STATES:
        return f"its state is {row.state}; a run that was trained elsewhere has {STATES[0]} or FAIL"
    if run.arm not in arms:
        return f"attribute arm: the study has no arm {run.arm}"
    if row.state == "COMPLETE":
        if row.value is None or abs(row.value) == float("inf"):
            return "it is complete and has no finite value"
        if stored.comparison.method == "summaries" and (run.sd is None or run.n is None):
            return "attribute sd or n: missing"
        if stored.comparison.blocks and not run.block:
            return "attribute block: missing"
    return ""


def note_look(storage: RDBStorage, study: str, trials: int) -> tuple[int, ...]:
    """Note that verdicts were produced from so many runs; all looks so far.

    Runs and margin are the same until the study is replaced: one look each.

    Args:
        storage: where the study is.
        study: its name.
        trials: the runs that count; 0 where nothing could be tested.
    """
    stored = checked_imported(study, study_attributes(storage, study))
    looks = tuple(stored.looks)
    if trials < 1 or stored.looks_noted:
        return looks
    save_study(storage, study, {"looks": [*looks, trials], "looks_noted": True})
    return (*looks, trials)
