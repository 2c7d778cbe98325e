"""What a study in the storage is a study of: its space and the conditions it runs under."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from optuna.storages import RDBStorage

from crnn.ablation.attributes import StudyAttributes, checked_study
from crnn.ablation.design import Plan, build, changes
from crnn.ablation.space_file import NAME, SpaceError, nearest
from crnn.ablation.storage import (
    StorageError,
    UnreadableError,
    save_study,
    shown,
    studies_with,
    study_attributes,
    study_names,
    url_of,
)
from crnn.errors import one_line

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """A study's plan, what it wants, and what every one of its trials has in common.

    Attributes:
        plan: the space and its arms, overrides applied.
        seeds: the seeds wanted (one-factor and factorial).
        trials: the trials wanted (search).
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16``.
        threads: threads of a worker.
        environments: versions and hardware of each machine and version that it ran on.
        looks: the numbers of pairs at which verdicts were produced, in order.
    """

    plan: Plan
    seeds: tuple[int, ...] = ()
    trials: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 1
    environments: tuple[dict[str, str], ...] = ()
    looks: tuple[int, ...] = ()

    @property
    def wanted(self) -> int:
        """How many trials the study wants."""
        return self.trials or len(self.plan.arms) * len(self.seeds)

    def attributes(self) -> dict[str, Any]:
        """As the study's user attributes."""
        space = self.plan.space
        return {
            "question": space.question,
            "design": space.design,
            "space_name": space.name,
            "space": space.text,
            "space_digest": hashlib.sha256(space.text.encode()).hexdigest(),
            "overrides": self.plan.overrides,
            "seeds": list(self.seeds),
            "trials": self.trials,
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "environments": list(self.environments),
            "looks": list(self.looks),
            "format": FORMAT,  # last: a study without it was never begun
        }


def find_record(storage: RDBStorage, study: str) -> Record | None:
    """The record of a study; None where the storage has no such study (or only begun one).

    Raises:
        StorageError: the study is not one of this program's.
        UnreadableError: it is of another format, or not as this version writes it.
    """
    found = study_attributes(storage, study)
    if "format" not in found:
        if "question" not in found and study in study_names(storage):
            raise StorageError(f"study {study}: not one of this program's; choose --study NAME")
        return None
    if found["format"] != FORMAT:
        fault = f"its format is {one_line(str(found['format']))}, this version reads {FORMAT}"
        raise UnreadableError(f"study {study}", fault)
    stored = checked_study(study, found)
    plan = _plan(study, stored)
    if bool(stored.trials) != bool(plan.space.search) or bool(stored.seeds) == bool(stored.trials):
        wants = "trials and no seeds" if plan.space.search else "seeds and no trials"
        raise UnreadableError(f"study {study}", f"a {plan.space.design} design has {wants}")
    return Record(
        plan=plan,
        seeds=tuple(stored.seeds),
        trials=stored.trials,
        device=stored.device,
        precision=stored.precision,
        threads=stored.threads,
        environments=tuple(stored.environments),
        looks=tuple(stored.looks),
    )


def _plan(study: str, stored: StudyAttributes) -> Plan:
    given = stored.overrides
    try:
        return build(
            stored.space_name, stored.space, "", given.get("epochs"), given.get("train_size")
        )
    except SpaceError as error:
        first, *others = error.errors
        more = f" (and {len(others)} errors more)" if others else ""
        raise UnreadableError(f"study {study}", f"its space: {first}{more}") from None


def note_look(storage: RDBStorage, study: str, pairs: int) -> tuple[int, ...]:
    """Note that verdicts were produced from so many pairs; all looks so far.

    Looking again at the same number is no new look: the data are the same.
    """
    looks = load_record(storage, study).looks
    if pairs < 2 or pairs in looks:
        return looks
    save_study(storage, study, {"looks": [*looks, pairs]})
    return (*looks, pairs)


def load_record(storage: RDBStorage, study: str) -> Record:
    """The record of a study that must exist.

    Raises:
        StorageError: it does not; the message has the nearest names.
    """
    record = find_record(storage, study) if NAME.fullmatch(study) else None
    if record is None:
        where, others = shown(url_of(storage)), own_studies(storage)
        raise StorageError(f"no study {one_line(study)} in {where}; {nearest(study, others)}")
    return record


def own_studies(storage: RDBStorage) -> list[str]:
    """The names of this program's studies, the latest last: a storage may have others.

    It may have half a copy, too, which has no name that a study can have.
    """
    return [name for name in studies_with(storage, "format") if NAME.fullmatch(name)]


def latest_study(storage: RDBStorage) -> str:
    """The name of the study begun last.

    Raises:
        StorageError: there is none.
    """
    names = own_studies(storage)
    if not names:
        raise StorageError(
            f"no study in {shown(url_of(storage))} yet; start with: python study.py run quick"
        )
    return names[-1]


def merge(study: str, stored: Record | None, wanted: Record) -> Record:
    """The record that a study goes on with: stored conditions, seeds and trials of both.

    Raises:
        StorageError: the space has changed otherwise than by arms or seeds added.
    """
    if stored is None:
        return wanted
    found = changes(stored.plan.space, wanted.plan.space)
    if stored.plan.overrides != wanted.plan.overrides:
        found.append(f"overrides: were {stored.plan.overrides}, are {wanted.plan.overrides}")
    if found:
        raise StorageError(
            f"study {study}: its space has changed ({'; '.join(found)}); "
            "take the changes back, or run it as a study of its own with --study NAME"
        )
    new = [e for e in wanted.environments if e not in stored.environments]
    return replace(
        stored,
        plan=wanted.plan,
        seeds=(*stored.seeds, *(seed for seed in wanted.seeds if seed not in stored.seeds)),
        trials=max(stored.trials, wanted.trials),
        environments=(*stored.environments, *new),
    )
