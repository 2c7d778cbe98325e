"""What a person asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablation.design.arms import Plan


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
        executor: where to train: ``local`` or ``debug``.
    """

    plan: Plan
    study: str
    url: str
    results: Path
    data: Path | None = None
    seeds: int | None = None
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
    executor: str = "local"

    @property
    def confirms(self) -> bool:
        """Whether a search is to be confirmed in this run."""
        return self.confirm and self.plan.space.confirm is not None
