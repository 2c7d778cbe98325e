"""A worker process: trains what it is handed, and sends messages to the coordinator.

It knows no storage and no pruner: the coordinator alone writes, so a worker that was given up and
wakes up late can change nothing but a checkpoint of its own.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.files import disk_full, set_aside, too_large, trial_file
from ablation.quiet import silence_warnings
from ablation.running.messages import (
    Answer,
    BatchProgress,
    CheckpointDamaged,
    EpochFinished,
    Job,
    JobFinished,
    PackHalved,
    TrialOutcome,
)

if TYPE_CHECKING:
    from ablation.running.messages import TrainingContext
    from ablation.scheduling.source import Task
    from crnn.data.fashion_mnist import FashionMNIST
    from crnn.training.results import DivergedError, Epoch, Result, TrainingState

PROGRESS_INTERVAL = 0.25  # seconds between two words on the batches done
OF_FOLDERS = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EROFS, errno.ELOOP)


class _PrunedError(Exception):
    """The pruner stops this training."""


_orders: Connection | None = None
_channel: Connection | None = None


def serve(orders: Connection, channel: Connection, parent: int, threads: int) -> None:
    """A worker's life: do what is ordered until the coordinator is gone or hangs up.

    Ctrl-C is left to the coordinator.

    Args:
        orders: where each `Job` comes from, and each `Answer` to a question meanwhile.
        channel: where words on it go, an `JobFinished` at the end of each order.
        parent: the coordinator's process number.
        threads: for PyTorch.
    """
    global _orders, _channel
    _orders, _channel = orders, channel
    silence_warnings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    with suppress(EOFError, BrokenPipeError):  # the coordinator has hung up
        while True:
            _send(JobFinished(work(orders.recv())))


def _die_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def work(order: Job) -> list[TrialOutcome]:
    """Train a replicate, or several side by side.

    What goes wrong in it comes back as an outcome, not as an exception.

    Args:
        order: what to train, and where.

    Returns:
        An outcome for each of its tasks.
    """
    tasks = order.tasks
    epochs: list[list[Epoch]] = [[] for _ in tasks]

    def on_epoch(member: int, epoch: Epoch, again: bool) -> None:
        if any(seen.epoch == epoch.epoch for seen in epochs[member]):
            return  # begun anew after a split
        epochs[member].append(epoch)
        task = tasks[member]
        asks = task.pruner is not None and epoch.epoch < task.setting.train.epochs
        _send(EpochFinished(member, epoch, again, asks))
        if asks and _answer().prune:
            raise _PrunedError

    try:
        return _train(tasks, 0, order.place, order.token, on_epoch)
    except _PrunedError:  # of a search, whose trials are trained alone
        return [TrialOutcome("PRUNED", epochs[0][-1].val_accuracy, _history(epochs[0], 1))]
    except Exception as error:
        return [_failed(error, seen, len(tasks)) for seen in epochs]


def _train(
    tasks: list[Task],
    first: int,
    place: TrainingContext,
    token: str,
    on_epoch: Callable[[int, Epoch, bool], None],
) -> list[TrialOutcome]:
    """Train side by side, or in halves where that does not fit into memory.

    What goes wrong in a half is the outcome of that half alone.

    Args:
        tasks: what is trained.
        first: the number of the first of them among those that were handed over.
        place: where.
        token: of the claim on all that were handed over.
        on_epoch: told of each epoch, and whether an earlier worker trained it.
    """
    import torch

    from crnn.data.fashion_mnist import check_unchanged
    from crnn.training.checkpoint import write_checkpoint
    from crnn.training.results import StateError
    from crnn.training.train import train_packed

    last, path, own = 0.0, place.checkpoint(tasks, token), _marks(tasks, place.device)

    def on_batch(epoch: int, done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            _send(BatchProgress(epoch, done, of))

    epochs: list[list[Epoch]] = [[] for _ in tasks]

    def told(member: int, epoch: Epoch, again: bool = False) -> None:
        if not again:
            check_unchanged(place.data)
        epochs[member].append(epoch)
        on_epoch(first + member, epoch, again)

    def on_state(state: TrainingState) -> None:
        check_unchanged(place.data)  # what it was trained on is in the checkpoint for good
        if path:
            with _placed():
                write_checkpoint(path, state, own)

    def on_resume(state: TrainingState) -> None:
        for member, seen in enumerate(state.epochs):
            for epoch in seen:
                told(member, epoch, again=True)

    def trained(resume_from: TrainingState | None) -> list[Result | DivergedError]:
        results = train_packed(
            [(task.setting, task.seed) for task in tasks],
            _data(place.data),
            device=place.device,
            score_test=tasks[0].score_test,
            on_epoch=told,
            on_batch=on_batch,
            resume_from=resume_from,
            on_resume=on_resume,
            on_state=on_state,
        )
        check_unchanged(place.data)
        return results

    try:
        try:
            results = trained(_earlier(path, own))
        except StateError:  # whole, but not of this training
            if path is None:
                raise
            with _placed():
                _send(CheckpointDamaged(set_aside(path)))
            results = trained(None)
    except _PrunedError:
        raise
    except Exception as error:
        error = _cause(error, place.data)
        if len(tasks) == 1 or not _out_of_memory(error):
            return [_failed(error, seen, len(tasks)) for seen in epochs]
    else:
        if place.weights:
            _keep(tasks, results, place.weights)
        ends = zip(results, epochs, strict=True)
        return [_ended(result, seen, len(tasks)) for result, seen in ends]
    torch.cuda.empty_cache()  # only here, where nothing holds the failed network any more
    _send(PackHalved(len(tasks)))
    half = len(tasks) // 2
    return [
        *_train(tasks[:half], first, place, token, on_epoch),
        *_train(tasks[half:], first + half, place, token, on_epoch),
    ]


class _PlaceError(Exception):
    """The folder of the checkpoints is none, or may not be written."""


@contextmanager
def _placed() -> Iterator[None]:
    """No fault of a training: what is wrong with the place of its checkpoint."""
    try:
        yield
    except OSError as error:
        if error.errno not in OF_FOLDERS:
            raise
        raise _PlaceError(f"{error.filename}: {error.strerror}") from error


def _marks(tasks: list[Task], device: str) -> dict[str, str]:
    """Whose checkpoint it is: only the same training goes on from it."""
    import torch

    members = [(task.setting.digest, task.seed) for task in tasks]
    conditions = {"device": device, "precision": tasks[0].setting.train.precision}
    return {"members": str(members), "threads": str(torch.get_num_threads()), **conditions}


def _earlier(path: Path | None, marks: dict[str, str]) -> TrainingState | None:
    """What an earlier worker left of this training."""
    from crnn.training.checkpoint import DamagedError, read_checkpoint

    if path is None:
        return None
    try:
        return read_checkpoint(path, marks)
    except DamagedError:
        with _placed():
            _send(CheckpointDamaged(set_aside(path)))
        return None


def _keep(tasks: list[Task], results: list[Result | DivergedError], folder: Path) -> None:
    """Keep the final weights: before a trial is told complete, so that a complete one has them."""
    from crnn.training.weights import marks, save_weights

    for task, result in zip(tasks, results, strict=True):
        if not isinstance(result, Exception):
            own = marks(task.setting, task.seed)
            save_weights(result.model, folder / trial_file(task.number), own)


def _ended(result: Result | DivergedError, epochs: list[Epoch], fused: int) -> TrialOutcome:
    if isinstance(result, Exception):
        return _failed(result, epochs, fused)
    attributes: dict[str, Any] = {"seconds": result.seconds, **_history(epochs, fused)}
    if result.test:
        attributes["test_accuracy"] = result.test.accuracy
        attributes["test_loss"] = result.test.loss
        attributes["confusion"] = result.test.confusion
    return TrialOutcome("COMPLETE", result.val_accuracy, attributes)


def _failed(error: Exception, epochs: list[Epoch], fused: int) -> TrialOutcome:
    from crnn.data.idx import DataError
    from crnn.training.results import DivergedError

    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    found = {"failure": reason, "traceback": trace, **_history(epochs, fused)}
    if isinstance(error, DivergedError):
        found["diverged"] = len(epochs) + 1
    if isinstance(error, DataError):
        return TrialOutcome("STOP", None, {"failure": str(error)})
    if too_large(error):
        return TrialOutcome(
            "STOP", None, {"failure": f"{reason}; raise the shell's limit: ulimit -f"}
        )
    if disk_full(error):
        return TrialOutcome("DISK", None, found)
    if isinstance(error, _PlaceError):
        return TrialOutcome("STOP", None, {"failure": f"{error}; mend that"})
    return TrialOutcome("MEMORY" if _out_of_memory(error) else "FAIL", None, found)


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


def _answer() -> Answer:
    """Wait for the coordinator's answer.

    Raises:
        EOFError: it has gone.
    """
    answer = _orders.recv() if _orders is not None else Answer(prune=False)
    if not isinstance(answer, Answer):
        raise TypeError(f"an answer was due, not {type(answer).__name__}")
    return answer


def _cause(error: Exception, folder: Path) -> Exception:
    """The error, or that the images were written to: whatever came of that is their fault."""
    from crnn.data.fashion_mnist import check_unchanged
    from crnn.data.idx import DataError

    try:
        check_unchanged(folder)
    except DataError as changed:
        return changed
    return error


def _data(folder: Path) -> FashionMNIST:
    from crnn.data.fashion_mnist import load_once

    return load_once(folder)
