"""A worker process: trains what it is handed, and reports each epoch to the storage.

Its storage's URL comes from the environment, never with a task: a task is pickled, and a URL may
hold a password.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crnn.files import set_aside, trial_file
from crnn.quiet import silence_warnings

if TYPE_CHECKING:
    import optuna

    from crnn.ablation.tasks import Task
    from crnn.data import FashionMNIST
    from crnn.training import DivergedError, Epoch, Result, State

STORAGE_VARIABLE = "CRNN_STUDY_WORKER_STORAGE"
PROGRESS_INTERVAL = 0.25  # seconds between two words on the batches done


@dataclass(frozen=True)
class Batches:
    """Word from a worker: batches done in an epoch (from 1)."""

    epoch: int
    done: int
    of: int


@dataclass(frozen=True)
class Told:
    """Word from a worker: an epoch of its task number `member` (from 0).

    `again` where an earlier worker trained it, and this one goes on from its checkpoint.
    """

    member: int
    epoch: Epoch
    again: bool = False


@dataclass(frozen=True)
class Split:
    """Word from a worker: so many replicates do not fit into memory side by side."""

    members: int


@dataclass(frozen=True)
class SetAside:
    """Word from a worker: a checkpoint was damaged; where it is now. The training starts over."""

    path: Path


@dataclass(frozen=True)
class Workplace:
    """What all trainings of a run have in common.

    Attributes:
        study: the Optuna study's name.
        data: the folder of the decoded images.
        device: where to train.
        checkpoints: the folder for trainings under way; None to write none.
        weights: the folder in which to keep the final weights; None to keep none.
    """

    study: str
    data: Path
    device: str = "cpu"
    checkpoints: Path | None = None
    weights: Path | None = None

    def checkpoint(self, tasks: list[Task]) -> Path | None:
        """The file for one task, or for tasks that are trained side by side: the first's."""
        return self.checkpoints and self.checkpoints / trial_file(tasks[0].number)


@dataclass(frozen=True)
class Outcome:
    """How a training ended: COMPLETE, PRUNED or FAIL, and what to record with the trial.

    Or why it did not: MEMORY is out, or DISK is full.
    """

    state: str
    value: float | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """Word from a worker: what came of all its tasks (see `work`); it waits for the next ones."""

    outcomes: list[Outcome]


class _PrunedError(Exception):
    """The pruner stops this training."""


class _SupersededError(Exception):
    """The trial is another worker's now, or has ended: nothing more is to be written of it."""


_channel: Connection | None = None


def serve(orders: Connection, channel: Connection, parent: int, threads: int) -> None:
    """A worker's life: do what is ordered until the coordinator is gone or hangs up.

    Ctrl-C is left to the coordinator.

    Args:
        orders: where the arguments of `work` come from, one order after another.
        channel: where words on it go, an `Ended` at the end of each order.
        parent: the coordinator's process number.
        threads: for PyTorch.
    """
    global _channel
    _channel = channel
    silence_warnings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    with suppress(EOFError, BrokenPipeError):  # the coordinator has hung up
        while True:
            _send(Ended(work(*orders.recv())))


def _die_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def work(tasks: list[Task], place: Workplace, token: str) -> list[Outcome]:
    """Train a replicate, or several side by side.

    What goes wrong in it comes back as an outcome, not as an exception.

    Args:
        tasks: what to train.
        place: where, and what goes with it.
        token: of the claim on the tasks' trials.

    Returns:
        An outcome for each task; none at all where they are another worker's by now.
    """
    epochs: list[list[Epoch]] = [[] for _ in tasks]
    try:
        with _Reports(tasks, place.study, token) as reports:

            def on_epoch(member: int, epoch: Epoch, again: bool) -> None:
                if any(seen.epoch == epoch.epoch for seen in epochs[member]):
                    return  # begun anew after a split
                epochs[member].append(epoch)
                _send(Told(member, epoch, again))
                reports.add(member, epoch)

            return _train(tasks, 0, place, token, on_epoch)
    except _SupersededError:
        return []
    except _PrunedError:  # of a search, whose trials are trained alone
        return [Outcome("PRUNED", epochs[0][-1].val_accuracy, _history(epochs[0], 1))]
    except Exception as error:
        return [_failed(error, seen, len(tasks)) for seen in epochs]


def _train(
    tasks: list[Task],
    first: int,
    place: Workplace,
    token: str,
    on_epoch: Callable[[int, Epoch, bool], None],
) -> list[Outcome]:
    """Train side by side, or in halves where that does not fit into memory.

    What goes wrong in a half is the outcome of that half alone.

    Args:
        tasks: what is trained.
        first: the number of the first of them among those that were handed over.
        place: where.
        token: of the claim on the trials of all that were handed over.
        on_epoch: told of each epoch, and whether an earlier worker trained it.
    """
    import torch

    from crnn.checkpoint import write_checkpoint
    from crnn.training import train_together

    last, path, own = 0.0, place.checkpoint(tasks), _marks(tasks, place.device)

    def on_batch(epoch: int, done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            _send(Batches(epoch, done, of))

    epochs: list[list[Epoch]] = [[] for _ in tasks]

    def told(member: int, epoch: Epoch, again: bool = False) -> None:
        epochs[member].append(epoch)
        on_epoch(first + member, epoch, again)

    def on_state(state: State) -> None:
        if path:
            _check_claim(tasks, token)
            write_checkpoint(path, state, own)

    begin = _earlier(path, own)
    for member, seen in enumerate(begin.epochs if begin else ()):
        for epoch in seen:
            told(member, epoch, again=True)

    try:
        results = train_together(
            [(task.setting, task.seed) for task in tasks],
            _data(place.data),
            device=place.device,
            score_test=tasks[0].score_test,
            on_epoch=told,
            on_batch=on_batch,
            begin=begin,
            on_state=on_state,
        )
    except (_PrunedError, _SupersededError):
        raise
    except Exception as error:
        if len(tasks) == 1 or not _out_of_memory(error):
            return [_failed(error, seen, len(tasks)) for seen in epochs]
    else:
        if place.weights:
            _keep(tasks, results, place.weights)
        ends = zip(results, epochs, strict=True)
        return [_ended(result, seen, len(tasks)) for result, seen in ends]
    torch.cuda.empty_cache()  # only here, where nothing holds the failed network any more
    _send(Split(len(tasks)))
    half = len(tasks) // 2
    return [
        *_train(tasks[:half], first, place, token, on_epoch),
        *_train(tasks[half:], first + half, place, token, on_epoch),
    ]


def _marks(tasks: list[Task], device: str) -> dict[str, str]:
    """Whose checkpoint it is: only the same training goes on from it."""
    import torch

    members = [(task.setting.digest, task.seed) for task in tasks]
    conditions = {"device": device, "precision": tasks[0].setting.train.precision}
    return {"members": str(members), "threads": str(torch.get_num_threads()), **conditions}


def _earlier(path: Path | None, marks: dict[str, str]) -> State | None:
    """What an earlier worker left of this training."""
    from crnn.checkpoint import DamagedError, read_checkpoint

    if path is None:
        return None
    try:
        return read_checkpoint(path, marks)
    except DamagedError:
        _send(SetAside(set_aside(path)))
        return None


def _check_claim(tasks: list[Task], token: str) -> None:
    from crnn.ablation.storage import holds_claim

    if not holds_claim(_storage(), [task.trial_id for task in tasks], token):
        raise _SupersededError


def _keep(tasks: list[Task], results: list[Result | DivergedError], folder: Path) -> None:
    """Keep the final weights: before a trial is told complete, so that a complete one has them."""
    from crnn.weights import marks, save_weights

    for task, result in zip(tasks, results, strict=True):
        if not isinstance(result, Exception):
            own = marks(task.setting, task.seed)
            save_weights(result.model, folder / trial_file(task.number), own)


def _ended(result: Result | DivergedError, epochs: list[Epoch], fused: int) -> Outcome:
    if isinstance(result, Exception):
        return _failed(result, epochs, fused)
    attributes: dict[str, Any] = {"seconds": result.seconds, **_history(epochs, fused)}
    if result.test:
        attributes["test_accuracy"] = result.test.accuracy
        attributes["test_loss"] = result.test.loss
        attributes["confusion"] = result.test.confusion
    return Outcome("COMPLETE", result.val_accuracy, attributes)


def _failed(error: Exception, epochs: list[Epoch], fused: int) -> Outcome:
    from crnn.ablation.storage import out_of_space
    from crnn.training import DivergedError

    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    found = {"failure": reason, "traceback": trace, **_history(epochs, fused)}
    if isinstance(error, DivergedError):
        found["diverged"] = len(epochs) + 1
    if out_of_space(error):
        return Outcome("DISK", None, found)
    return Outcome("MEMORY" if _out_of_memory(error) else "FAIL", None, found)


def _out_of_memory(error: Exception) -> bool:
    import torch

    # On a CPU PyTorch raises a plain RuntimeError.
    lacking = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return lacking or isinstance(error, MemoryError | torch.OutOfMemoryError)


def _history(epochs: list[Epoch], fused: int) -> dict[str, Any]:
    history = {"history": [asdict(epoch) for epoch in epochs]} if epochs else {}
    return {"fused": fused, **history}


def _send(message: object) -> None:
    if _channel is not None:
        _channel.send(message)


@cache
def _data(folder: Path) -> FashionMNIST:
    from crnn.data import load

    return load(folder)


class _Reports:
    """Reports epochs to the storage: beside the training, save where a pruner is to be asked.

    Raises:
        _PrunedError: the pruner stops the training.
        _SupersededError: the trial is another worker's by now.
    """

    def __init__(self, tasks: list[Task], study: str, token: str) -> None:
        self.tasks, self.token = tasks, token
        self.writer = ThreadPoolExecutor(max_workers=1)
        self.trials = [self.writer.submit(_trial, task, study) for task in tasks]
        self.written: list[Future[None]] = []

    def __enter__(self) -> _Reports:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until all is written; what went wrong in it is raised."""
        self.writer.shutdown()
        for loaded in self.trials:
            loaded.result()
        for report in self.written:
            report.result()

    def add(self, member: int, epoch: Epoch) -> None:
        """Report an epoch of task number `member`."""
        if self.tasks[member].pruner is None:
            self.written.append(self.writer.submit(self._report, member, epoch))
            return
        self._report(member, epoch)
        trial, reported = self.trials[member].result()
        last = epoch.epoch == self.tasks[member].setting.train.epochs
        # An orphan taken up again was not pruned before the last epoch that it has reported.
        if not last and epoch.epoch >= max(reported, default=0) and trial.should_prune():
            raise _PrunedError

    def _report(self, member: int, epoch: Epoch) -> None:
        trial, reported = self.trials[member].result()
        if epoch.epoch not in reported:
            _check_claim([self.tasks[member]], self.token)
            trial.report(epoch.val_accuracy, epoch.epoch)


def _trial(task: Task, study: str) -> tuple[optuna.Trial, set[int]]:
    import optuna

    from crnn.ablation.samplers import make_pruner
    from crnn.ablation.storage import reported_steps

    storage = _storage()
    pruner = make_pruner(task.pruner, task.setting.train.epochs) if task.pruner else None
    loaded = optuna.load_study(
        study_name=study,
        storage=storage,
        sampler=optuna.samplers.RandomSampler(),
        pruner=pruner or optuna.pruners.NopPruner(),
    )
    return optuna.Trial(loaded, task.trial_id), reported_steps(storage, task.trial_id)


@cache
def _storage() -> optuna.storages.RDBStorage:
    from crnn.ablation.storage import open_storage

    return open_storage(os.environ[STORAGE_VARIABLE])
