"""What a person asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ablation.design.arms import Plan
from ablation.errors import UserError
from ablation.folders import check_name, study_folder
from ablation.scheduling.source import Progress


@dataclass(frozen=True)
class Request:
    """What a person asked for; None leaves a choice to the study or the machine.

    Attributes:
        plan: the space, overrides applied.
        study: the study's name.
        url: the storage's URL.
        results: the folder that results go to.
        data: the data folder.
        seeds: a number of seeds in place of the space's own (a search's: of its confirmation).
        looks: numbers of seeds at which arms with a verdict stop, in place of the space's own;
            empty for none.
        trials: a search's trials in place of the space's own.
        confirm: confirm what a search finds, where its space says how.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32`` or ``bf16``.
        threads: threads of a worker.
        jobs: trainings at a time.
        pack: replicates that a worker trains side by side: ``auto``, ``off`` or a number.
        retry_failed: train failed replicates once more.
        timeout: nothing new starts after so many seconds.
        keep_weights: keep the final weights of what is trained.
        same_code: go on although the code has changed, since it computes the same.
        force: resume killed trainings although a check found that they then end otherwise.
        executor: where to train: ``local`` or ``debug``.
        check: the command that checks its code, for messages; in general terms unless given.
    """

    plan: Plan
    study: str
    url: str
    results: Path
    data: Path | None = None
    seeds: int | None = None
    looks: tuple[int, ...] | None = None
    trials: int | None = None
    confirm: bool = True
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    jobs: int | None = None
    pack: str = "auto"
    retry_failed: bool = False
    timeout: float | None = None
    keep_weights: bool = False
    same_code: bool = False
    force: bool = False
    executor: str = "local"
    check: str = ""

    @property
    def confirms(self) -> bool:
        """Whether a search is to be confirmed in this run."""
        return self.confirm and self.plan.space.confirm is not None


def check_folder(request: Request) -> None:
    """Refuse a study whose name or folder cannot be.

    Raises:
        UserError: what is wrong with it.
    """
    check_name(request.study)
    folder = study_folder(request.results, request.study)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{there}: cannot be written; choose another folder with --results")


def say_what_diverged(request: Request, progress: Progress, say: Callable[[str], None]) -> None:
    """Say why --retry-failed leaves some trials as they are."""
    if request.retry_failed and progress.diverged:
        many = "1 training" if progress.diverged == 1 else f"{progress.diverged:,} trainings"
        say(f"{many} diverged and would diverge again: not trained again.")
