"""What happens in a run, as those are told who show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ablation.running.messages import BatchProgress, CheckpointDamaged, PackHalved, TrialOutcome
from ablation.scheduling.source import Progress, Task


@dataclass(frozen=True)
class Event:
    """Something happened to a task: `what` says what, `detail` more.

    ``started`` (None), ``epoch`` and ``resumed`` (an `Epoch`, of this worker or of an earlier one)
    and ``ended`` (a `TrialOutcome`) are told of every task; ``batches`` (a `BatchProgress`),
    ``split`` (a `PackHalved`) and ``set aside`` (a `CheckpointDamaged`) of the first of those that
    are trained side by side.
    """

    what: str
    slot: int
    task: Task
    progress: Progress
    detail: object = None


OnTrialEnd = Callable[[Task, TrialOutcome], None]


NAMES: dict[type, str] = {
    BatchProgress: "batches",
    PackHalved: "split",
    CheckpointDamaged: "set aside",
}
