"""A worker process: trains what it is handed, and sends messages to the coordinator.

It knows no storage and no pruner: the coordinator alone writes, so a worker that was given up and
wakes up late can change nothing but a checkpoint of its own.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.errors import DivergedError, StopRunError, UserError
from ablation.files import disk_full, too_large, trial_file
from ablation.folders import trial_folder
from ablation.objective import (
    Epoch,
    LastReports,
    Objective,
    OutcomeError,
    Pack,
    Result,
    load_objective,
    mean_of_last,
    value_of,
)
from ablation.process.quiet import silence_warnings
from ablation.running.executors.base import Offer, Wish
from ablation.running.messages import (
    Answer,
    BatchProgress,
    CheckpointDamaged,
    EpochFinished,
    FiguresLogged,
    Job,
    JobFinished,
    JobStarted,
    PackHalved,
    TrialOutcome,
    UntrackedFound,
)

if TYPE_CHECKING:
    from ablation.scheduling.source import Task

PROGRESS_SECONDS = 0.25  # between two messages on the batches done


class _PrunedError(Exception):
    """The pruner stops this training."""


def serve(orders: Connection, channel: Connection, parent: int, threads: int) -> None:
    """The life of a worker that is the coordinator's child: `obey`, and end with the coordinator.

    Ctrl-C is left to the coordinator.

    Args:
        orders: see `obey`.
        channel: see `obey`.
        parent: the coordinator's process number.
        threads: of its trainings.
    """
    silence_warnings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    obey(orders, channel, threads)


def obey(orders: Connection, channel: Connection, threads: int) -> None:
    """Do what is ordered until the coordinator hangs up.

    Args:
        orders: where each `Wish` and each `Job` comes from, and each `Answer` to a question
            meanwhile.
        channel: where the `Offer` goes, and of a job a `JobStarted`, messages on it and a
            `JobFinished`.
        threads: of its trainings.
    """

    def ask(message: object) -> Answer:
        channel.send(message)
        return _answer(orders.recv())

    with suppress(EOFError, BrokenPipeError):  # the coordinator has hung up
        while True:
            message = orders.recv()
            if isinstance(message, Wish):
                channel.send(find_offer(message))
                continue
            objective = load_objective(message.context.objective)
            worker = Worker(objective, threads, channel.send, ask, is_process=True)
            channel.send(JobStarted())
            channel.send(JobFinished(worker.work(message)))


def find_offer(wish: Wish) -> Offer:
    """What this process has of what is wished for."""
    objective = load_objective(wish.objective)
    gpus: tuple[str, ...] = ()
    try:
        gpus = tuple(objective.gpu_names())
        device = objective.pick_device(wish.device)
    except UserError as error:
        return Offer(gpus=gpus, no_device=str(error))
    try:
        precision = objective.pick_precision(wish.precision, device)
    except UserError as error:
        return Offer(device, gpus=gpus, no_precision=str(error))
    return Offer(device, precision, gpus)


def _answer(answer: object) -> Answer:
    if not isinstance(answer, Answer):
        raise TypeError(f"an answer was due, not {type(answer).__name__}")
    return answer


def _die_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Worker:
    """Trains jobs of one objective, and tells of them.

    Args:
        objective: what is trained.
        threads: of its trainings.
        send: takes each message.
        ask: takes a message that is a question, and gives the answer.
        is_process: whether this process is the worker's own.
    """

    def __init__(
        self,
        objective: Objective,
        threads: int,
        send: Callable[[object], None],
        ask: Callable[[object], Answer],
        *,
        is_process: bool = False,
    ) -> None:
        self.objective, self.send, self.ask = objective, send, ask
        self.is_process = is_process
        objective.begin_worker(threads)

    def work(self, job: Job) -> list[TrialOutcome]:
        """Train a job's tasks; what goes wrong in it comes back as an outcome, not as an exception.

        Returns:
            An outcome for each of its tasks.
        """
        known = [_Past() for _ in job.tasks]
        try:
            return self._train(job, 0, known)
        except _PrunedError:  # of a search, whose trials are trained alone
            return [self.pruned(job.tasks[0], known[0])]
        except Exception as error:
            return [_failed(error, past, len(job.tasks)) for past in known]

    def pruned(self, task: Task, past: _Past) -> TrialOutcome:
        """The outcome of a training that the pruner has stopped: over what it has reported.

        With its last report alone it would be compared with the means of others.
        """
        last = replace(task.last, count=min(task.last.count, len(past.epochs)))
        value = mean_of_last(past.figures, self.objective.metric.name, last)
        return TrialOutcome("PRUNED", value, past.attributes(1) | self._decided_by(last))

    def _train(self, job: Job, first: int, known: list[_Past]) -> list[TrialOutcome]:
        """Train side by side, or in halves where that does not fit into memory.

        What goes wrong in a half is the outcome of that half alone.

        Args:
            job: what is trained.
            first: the place of its first task among those that were handed over.
            known: by task that was handed over, what the coordinator knows of it.
        """
        count, listener = len(job.tasks), _Listener(self, job, first, known)
        try:
            results = self.objective.train(self._pack(job), listener)
        except _PrunedError:
            raise
        except Exception as error:
            if count == 1 or not _out_of_memory(error):
                return [_failed(error, past, count) for past in listener.past]
        else:
            ends = zip(job.tasks, results, listener.past, strict=True)
            return [self._ended(*end, count) for end in ends]
        self.objective.release_memory()  # only here, where nothing holds the failed network
        self.send(PackHalved(count))
        half = count // 2
        return [
            *self._train(replace(job, tasks=job.tasks[:half]), first, known),
            *self._train(replace(job, tasks=job.tasks[half:]), first + half, known),
        ]

    def _pack(self, job: Job) -> Pack:
        context = job.context
        kept = context.weights
        try:
            folders = [trial_folder(context.folders, task.number) for task in job.tasks]
        except UserError as error:
            raise StopRunError(str(error)) from None
        return Pack(
            members=[(task.setting, task.seed) for task in job.tasks],
            data=context.data,
            device=context.device,
            score=job.tasks[0].score,
            checkpoint=context.checkpoint(job.tasks, job.token),
            weights=[kept / trial_file(task.number) for task in job.tasks] if kept else [],
            folders=folders,
            log=context.log,
            pauses=context.pauses,
        )

    def _ended(
        self, task: Task, result: Result | DivergedError, past: _Past, packed: int
    ) -> TrialOutcome:
        if isinstance(result, DivergedError):
            return _failed(result, past, packed)
        try:
            value = value_of(result, past.figures, self.objective.metric.name, task.last)
        except OutcomeError as error:
            return _failed(error, past, packed)
        known = {**past.attributes(packed), **self._decided_by(task.last), **result.scores}
        return TrialOutcome("COMPLETE", value, {"seconds": result.seconds, **known})

    def _decided_by(self, last: LastReports) -> dict[str, Any]:
        """What a trial's value is, where that is not simply the last report of the usual figure."""
        figure, usual = self.objective.metric.name, self.objective.usual_figure
        is_usual = last.asked == 1 and figure == usual
        return {} if is_usual else {"decided_by": {"figure": figure, "over_last": last.count}}


@dataclass
class _Past:
    """What a training has told so far.

    Attributes:
        epochs: with the metric.
        logged: figures that came without it.
    """

    epochs: list[Epoch] = field(default_factory=list)
    logged: list[Epoch] = field(default_factory=list)

    @property
    def figures(self) -> list[Mapping[str, float]]:
        """Those of each epoch."""
        return [epoch.figures for epoch in self.epochs]

    def attributes(self, packed: int) -> dict[str, Any]:
        """As attributes of its trial."""
        lists = {"history": self.epochs, "logged": self.logged}
        stored = {name: [each.stored() for each in epochs] for name, epochs in lists.items()}
        return {"fused": packed, **{name: epochs for name, epochs in stored.items() if epochs}}


class _Listener:
    """Passes on what a pack, or a part of one, tells; each epoch once.

    Attributes:
        past: by member, what it has told.
    """

    def __init__(self, worker: Worker, job: Job, first: int, known: list[_Past]) -> None:
        self.worker, self.tasks, self.first, self.known = worker, job.tasks, first, known
        self.pauses = job.context.pauses
        self.past = [_Past() for _ in job.tasks]
        self.sent = 0.0  # when batches were last told of

    def on_epoch(self, place: int, epoch: Epoch, *, again: bool = False) -> None:
        """Tell of an epoch, and end the training where the pruner says so."""
        self.past[place].epochs.append(epoch)
        known = self.known[self.first + place].epochs
        if any(earlier.number == epoch.number for earlier in known):
            return  # begun anew after a split
        known.append(epoch)
        task = self.tasks[place]
        prunes = task.pruner is not None and epoch.number < (task.epochs or inf)
        asks = prunes or (self.pauses and not again)
        message = EpochFinished(self.first + place, epoch, again, asks)
        if not asks:
            self.worker.send(message)
        elif self.worker.ask(message).prune:
            raise _PrunedError

    def on_note(self, place: int, epoch: Epoch) -> None:
        """Keep figures that came without the metric; tell of them where the worker pauses."""
        self.past[place].logged.append(epoch)
        self.known[self.first + place].logged.append(epoch)
        if self.pauses:
            self.worker.send(FiguresLogged(epoch))

    def on_batch(self, epoch: int, done: int, of: int) -> None:
        """Tell of batches, some times a second at most."""
        if done == of or time.monotonic() - self.sent >= PROGRESS_SECONDS:
            self.sent = time.monotonic()
            self.worker.send(BatchProgress(epoch, done, of))

    def on_damaged(self, path: Path) -> None:
        """Tell of a checkpoint that was of no use."""
        self.worker.send(CheckpointDamaged(path))

    def on_untracked(self, names: Sequence[str]) -> None:
        """Tell of variables whose state no checkpoint has."""
        self.worker.send(UntrackedFound(tuple(names)))

    def leave(self) -> None:
        """Tell that the pruner has stopped the training, and end the process, if it is its own."""
        if self.worker.is_process:
            self.worker.send(JobFinished([self.worker.pruned(self.tasks[0], self.known[0])]))
            os._exit(0)


def _failed(error: Exception, past: _Past, packed: int) -> TrialOutcome:
    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    attributes = {"failure": reason, "traceback": trace, **past.attributes(packed)}
    if isinstance(error, DivergedError):
        attributes["diverged"] = (past.epochs[-1].number if past.epochs else 0) + 1
    if isinstance(error, StopRunError):
        return TrialOutcome("STOP", None, {"failure": str(error)})
    if too_large(error):
        why = f"{reason}; raise the shell's limit: ulimit -f"
        return TrialOutcome("STOP", None, {"failure": why})
    if disk_full(error):
        return TrialOutcome("DISK", None, attributes)
    return TrialOutcome("MEMORY" if _out_of_memory(error) else "FAIL", None, attributes)


def _out_of_memory(error: Exception) -> bool:
    # On a CPU PyTorch raises a plain RuntimeError, on a GPU a class of its own.
    lacking = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return lacking or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
