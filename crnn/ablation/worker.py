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
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

    from crnn.ablation.tasks import Task
    from crnn.data import FashionMNIST
    from crnn.training import Epoch, Result

STORAGE_VARIABLE = "CRNN_STUDY_WORKER_STORAGE"
PROGRESS_INTERVAL = 0.25  # seconds between two words on the batches done


@dataclass(frozen=True)
class Batches:
    """Word from a worker: batches done in an epoch (from 1)."""

    epoch: int
    done: int
    of: int


@dataclass(frozen=True)
class Outcome:
    """How a training ended: COMPLETE, PRUNED or FAIL, and what to record with the trial."""

    state: str
    value: float | None
    attributes: dict[str, Any]


class _PrunedError(Exception):
    """The pruner stops this training."""


_channel: Connection | None = None


def start(channel: Connection, parent: int, threads: int) -> None:
    """Begin a worker's life: leave Ctrl-C to the coordinator, and never outlive it."""
    global _channel
    _channel = channel
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _die_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def work(task: Task, study: str, data: Path, device: str) -> Outcome:
    """Train one replicate. What goes wrong in it comes back as an outcome, not as an exception."""
    epochs: list[Epoch] = []
    try:
        report = _reporter(task, study)

        def on_epoch(epoch: Epoch) -> None:
            epochs.append(epoch)
            _send(epoch)
            report(epoch)

        return _complete(_train(task, data, device, on_epoch))
    except _PrunedError:
        return Outcome("PRUNED", epochs[-1].val_accuracy, _history(epochs))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        found = {"failure": reason, "traceback": traceback.format_exc(), **_history(epochs)}
        return Outcome("FAIL", None, found)


def _train(task: Task, data: Path, device: str, on_epoch: Callable[[Epoch], None]) -> Result:
    from crnn.training import train

    last = 0.0

    def on_batch(epoch: int, done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            _send(Batches(epoch, done, of))

    return train(
        task.setting,
        task.seed,
        _data(data),
        device=device,
        score_test=task.score_test,
        on_epoch=on_epoch,
        on_batch=on_batch,
    )


def _complete(result: Result) -> Outcome:
    attributes: dict[str, Any] = {"seconds": result.seconds, **_history(list(result.epochs))}
    if result.test:
        attributes["test_accuracy"] = result.test.accuracy
        attributes["test_loss"] = result.test.loss
        attributes["confusion"] = result.test.confusion
    return Outcome("COMPLETE", result.val_accuracy, attributes)


def _history(epochs: list[Epoch]) -> dict[str, Any]:
    return {"history": [asdict(epoch) for epoch in epochs]} if epochs else {}


def _send(message: object) -> None:
    if _channel is not None:
        _channel.send(message)


@cache
def _data(folder: Path) -> FashionMNIST:
    from crnn.data import load

    return load(folder)


def _reporter(task: Task, study: str) -> Callable[[Epoch], None]:
    """A function that reports an epoch to the storage, and raises where the pruner says so."""
    trial, reported = _trial(task, study)

    def report(epoch: Epoch) -> None:
        if epoch.epoch in reported:
            return  # an orphan taken up again: these epochs have been reported, and not pruned
        trial.report(epoch.val_accuracy, epoch.epoch)
        if task.pruner and epoch.epoch < task.setting.train.epochs and trial.should_prune():
            raise _PrunedError

    return report


def _trial(task: Task, study: str) -> tuple[optuna.Trial, set[int]]:
    import optuna

    from crnn.ablation.search import make_pruner
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
