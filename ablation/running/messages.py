"""What passes between the coordinator and its workers: orders, words, outcomes; all of it pickles.

A worker sends these and nothing else: it knows no storage and no pruner.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.files import checkpoint_file
from ablation.objective import DEFAULT

if TYPE_CHECKING:
    from ablation.objective import Epoch
    from ablation.scheduling.source import Task


@dataclass(frozen=True)
class JobStarted:
    """Word from a worker: it has its job, and everything that it imports for it."""


@dataclass(frozen=True)
class WorkerLost:
    """Word of an executor: a job has lost its worker, for this reason."""

    reason: str


@dataclass(frozen=True)
class BatchProgress:
    """Word from a worker: batches done in an epoch (from 1)."""

    epoch: int
    done: int
    of: int


@dataclass(frozen=True)
class EpochFinished:
    """Word from a worker: an epoch of its task number `member` (from 0).

    `again` where an earlier worker trained it, and this one goes on from its checkpoint; `asks`
    where the worker waits for an answer: whether the pruner stops the training here.
    """

    member: int
    epoch: Epoch
    again: bool = False
    asks: bool = False


@dataclass(frozen=True)
class FiguresLogged:
    """Word from a worker that pauses at each epoch: figures came without the metric."""

    epoch: Epoch


@dataclass(frozen=True)
class PackHalved:
    """Word from a worker: so many replicates do not fit into memory side by side."""

    members: int


@dataclass(frozen=True)
class CheckpointDamaged:
    """Word from a worker: a checkpoint was damaged; where it is now. The training starts over."""

    path: Path


@dataclass(frozen=True)
class UntrackedFound:
    """Word from a worker: variables whose state no checkpoint has, by name."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class TrainingContext:
    """What all trainings of a run have in common.

    Attributes:
        data: what the objective's data are prepared in.
        objective: what is trained, by its spec.
        device: where to train.
        checkpoints: the folder for trainings under way; None to write none.
        weights: the folder in which to keep the final weights; None to keep none.
        folders: the folder in which each trial has one of its own.
        log: whether to keep what trainings print.
        pauses: whether workers keep a checkpoint of every epoch, wait for an answer at each, and
            tell of figures without the metric as they come.
    """

    data: Path
    objective: str = DEFAULT
    device: str = "cpu"
    checkpoints: Path | None = None
    weights: Path | None = None
    folders: Path = Path()
    log: bool = True
    pauses: bool = False

    def checkpoint(self, tasks: list[Task], token: str) -> Path | None:
        """The file for one task, or for tasks that are trained side by side: the first's.

        It holds the token of the worker's claim: a worker that was given up, and wakes up late,
        writes beside the file of the one that took its place.
        """
        return self.checkpoints and self.checkpoints / checkpoint_file(tasks[0].number, token)


@dataclass(frozen=True)
class TrialOutcome:
    """How a training ended: COMPLETE, PRUNED or FAIL, and what to record with the trial.

    Or why it did not: MEMORY is out, DISK is full, or the run has to STOP for what a person must
    correct first, which its failure says.
    """

    state: str
    value: float | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class JobFinished:
    """Word from a worker: what came of all its tasks (see `work`); it waits for the next ones."""

    outcomes: list[TrialOutcome]


@dataclass(frozen=True)
class Job:
    """Word to a worker: trainings to be done side by side.

    Attributes:
        tasks: the trainings.
        context: what they have in common with all others of the run.
        token: of the claim on them, fresh each time that they are handed out.
    """

    tasks: list[Task]
    context: TrainingContext
    token: str


@dataclass(frozen=True)
class Answer:
    """Word to a worker that asked: whether the pruner stops its training."""

    prune: bool
