"""How long trainings take: measured where there are some, else on a machine that is named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from joblib import cpu_count

from ablation.folders import ENVIRONMENT_VARIABLE, FILE_NAME
from ablation.objective import Objective, load_objective

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.storage import TrialRow


@dataclass(frozen=True)
class Rate:
    """Cost (`Objective.cost`) that one worker gets through in a second, and where that was seen."""

    value: float
    source: str


def measured_rate(storage: RDBStorage, objective: Objective, otherwise: Rate | None = None) -> Rate:
    """The rate of the trainings in `storage`; where there is none `otherwise`, else a guess.

    Their median: a training that was paused, or ran beside other work, moves it little.
    """
    rates = [
        own.cost(own.setting(row.attributes["setting"])) / row.attributes["seconds"]
        for own, rows in complete_trials(storage, objective, ("arm", "setting", "seconds")).values()
        for row in rows
        if row.attributes["seconds"]
    ]
    if not rates:
        return otherwise or Rate(*objective.pace)
    count = "1 training" if len(rates) == 1 else f"{len(rates)} trainings"
    return Rate(median(rates), f"{count} in this storage")


def complete_trials(
    storage: RDBStorage, objective: Objective, keys: tuple[str, ...]
) -> dict[str, tuple[Objective, list[TrialRow]]]:
    """The complete trials of each study of the objective; what cannot be read says nothing.

    Each stands beside the objective as the study has it: a user's code may have changed since.
    """
    from ablation.storage import ImportedError, UnreadableError
    from ablation.storage.attributes import checked_trials, objective_of
    from ablation.storage.studies import own_studies

    by_study = {}
    for study in own_studies(storage):
        with suppress(UnreadableError, ImportedError):
            own = objective_of(storage, study)
            if not _trains_the_same(own, objective):
                continue
            rows = checked_trials(storage, study, (*keys, "diverged"))
            complete = [r for r in rows if r.state == "COMPLETE" and "arm" in r.attributes]
            ended = [row for row in complete if "diverged" not in row.attributes]
            by_study[study] = (own, ended)
    return by_study


def _trains_the_same(one: Objective, other: Objective) -> bool:
    """Whether two objectives train the same, whatever decides and has changed in a user's code."""
    names = [(each.name, each.usual_figure, each.length) for each in (one, other)]
    if one.beside_space and other.beside_space:
        return names[0][::2] == names[1][::2]
    return one is other or (bool(one.metrics) and names[0] == names[1])


def clock(seconds: float) -> str:
    """A time for people: ``40 s``, ``7 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


@dataclass(frozen=True)
class Spread:
    """How far the pairs of a study scatter, and how long its baseline was trained.

    Attributes:
        value: standard deviation of validation accuracy between pairs, a fraction, over its arms:
            the root of the mean variance of (arm - baseline) by seed. NaN where no arm has two
            pairs of which both sides have learned anything.
        pairs: of an arm, the median over its arms. The arms share the baseline, so the spread is
            known at least as well as by so many pairs of one arm.
        amount: how much a training of its baseline was; see `Objective.amount`.
        other: what its outcomes are, in words, where they are not those asked for.
    """

    value: float
    pairs: int
    amount: tuple[float, ...]
    other: str = ""


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
    storage: str | None,
    results: Path,
    jobs: int | None = None,
    *,
    objective: Objective | None = None,
    checked: Rate | None = None,
) -> Pace:
    """The pace measured in the storage, where there is one with finished trainings.

    Args:
        storage: as given on the command line.
        results: the folder of results, whose storage it is unless one is given.
        jobs: trainings at a time; one a core unless given.
        objective: what is to be trained; the default one unless given.
        checked: what a check has measured, where no training is stored.
    """
    workers = jobs or int(cpu_count(only_physical_cores=True))
    objective = objective or load_objective()
    pace = checked or Rate(*objective.pace)
    if url := existing_storage(storage, results):
        from ablation.storage import opened_storage

        with opened_storage(url) as opened:
            pace = measured_rate(opened, objective, checked)
    return Pace(pace.value, workers, pace.source)


def existing_storage(given: str | None, results: Path) -> str | None:
    """The storage's URL; None where it is a file that does not exist. Imports optuna otherwise."""
    named = given or os.environ.get(ENVIRONMENT_VARIABLE)
    if not named and not (results / FILE_NAME).exists():
        return None
    from ablation.storage import sqlite_file, storage_url

    url = storage_url(given, results)
    path = sqlite_file(url)
    return url if path is None or path.exists() else None
