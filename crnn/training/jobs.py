"""Trainings as a study orders them: gone on with from checkpoints, their weights kept.

What a person must correct first, damaged data or a folder that cannot be written, is told apart
from what is wrong with a training.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ablation import objective as contract
from ablation.errors import DivergedError, StopRunError
from ablation.files import set_aside
from ablation.objective import Listener, Pack, Result
from crnn.data.fashion_mnist import FashionMNIST, check_unchanged, load_once
from crnn.data.idx import DataError
from crnn.network.config import Setting
from crnn.training.checkpoint import DamagedError, read_checkpoint, write_checkpoint
from crnn.training.results import Epoch, StateError, TrainingState
from crnn.training.results import Result as Trained
from crnn.training.train import train_packed
from crnn.training.weights import averaged_file, save_weights
from crnn.training.weights import marks as marks_of_weights

OF_FOLDERS = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EROFS, errno.ELOOP)
Members = Sequence[tuple[Setting, int]]
Load = Callable[[Path], FashionMNIST]
Train = Callable[..., list[Trained | DivergedError]]


def train_job(
    pack: Pack,
    members: Members,
    listener: Listener,
    load: Load | None = None,
    train: Train | None = None,
) -> list[Result | DivergedError]:
    """Train a pack; see `ablation.objective.Objective.train`.

    Args:
        pack: what is trained, and where.
        members: its settings, as the network's own, and seeds.
        listener: told of it.
        load: gives the images of a folder; `load_once` unless given.
        train: trains; `train_packed` unless given.

    Raises:
        StopRunError: the data are damaged, or the folder of checkpoints cannot be written.
    """
    try:
        return _train(pack, members, listener, load or load_once, train or train_packed)
    except StopRunError:
        raise
    except DataError as error:
        raise StopRunError(str(error)) from error
    except Exception:
        try:
            check_unchanged(pack.data)  # whatever came of that is its fault
        except DataError as changed:
            raise StopRunError(str(changed)) from changed
        raise


def _train(
    pack: Pack, members: Members, listener: Listener, load: Load, train: Train
) -> list[Result | DivergedError]:
    marks = _marks(pack, members)
    try:
        state = _earlier(pack, marks, listener)
        results = _run(pack, listener, members, marks, state, load, train)
    except StateError:  # whole, but not of these trainings
        if pack.checkpoint is None:
            raise
        _set_aside(pack.checkpoint, listener)
        results = _run(pack, listener, members, marks, None, load, train)
    _keep_weights(pack, members, results)
    return [each if isinstance(each, DivergedError) else _reported(each) for each in results]


def _run(
    pack: Pack,
    listener: Listener,
    members: Members,
    marks: Mapping[str, str],
    resume_from: TrainingState | None,
    load: Load,
    train: Train,
) -> list[Trained | DivergedError]:
    def on_epoch(place: int, epoch: Epoch) -> None:
        check_unchanged(pack.data)
        listener.on_epoch(place, _epoch(epoch))

    def on_state(state: TrainingState) -> None:
        check_unchanged(pack.data)  # what it was trained on is in the checkpoint for good
        if pack.checkpoint:
            with _place_of_checkpoints():
                write_checkpoint(pack.checkpoint, state, marks)

    def on_resume(state: TrainingState) -> None:
        for place, epochs in enumerate(state.epochs):
            for epoch in epochs:
                listener.on_epoch(place, _epoch(epoch), again=True)

    results = train(
        members,
        load(pack.data),
        device=pack.device,
        score_test=pack.score,
        on_epoch=on_epoch,
        on_batch=listener.on_batch,
        resume_from=resume_from,
        on_resume=on_resume,
        on_state=on_state,
    )
    check_unchanged(pack.data)
    return results


def _epoch(epoch: Epoch) -> contract.Epoch:
    figures = epoch.known()
    del figures["epoch"], figures["seconds"]
    return contract.Epoch(epoch.epoch, figures, epoch.seconds)


def _reported(result: Trained) -> Result:
    scores: dict[str, Any] = {}
    if result.test:
        scores = {"test_accuracy": result.test.accuracy, "test_loss": result.test.loss}
        scores["confusion"] = result.test.confusion
    if average := result.ema_test:
        scores |= {"ema_test_accuracy": average.accuracy, "ema_test_loss": average.loss}
    return Result(result.seconds, scores)


def _marks(pack: Pack, members: Members) -> dict[str, str]:
    """Whose checkpoint it is: only the same trainings go on from it."""
    names = [(setting.digest, seed) for setting, seed in members]
    conditions = {"device": pack.device, "precision": members[0][0].train.precision}
    return {"members": str(names), "threads": str(torch.get_num_threads()), **conditions}


def _earlier(pack: Pack, marks: Mapping[str, str], listener: Listener) -> TrainingState | None:
    """What an earlier worker left of these trainings."""
    if pack.checkpoint is None:
        return None
    try:
        return read_checkpoint(pack.checkpoint, marks)
    except DamagedError:
        _set_aside(pack.checkpoint, listener)
        return None


def _set_aside(path: Path, listener: Listener) -> None:
    with _place_of_checkpoints():
        listener.on_damaged(set_aside(path))


@contextmanager
def _place_of_checkpoints() -> Iterator[None]:
    """What is wrong with the folder of checkpoints is no fault of a training.

    Raises:
        StopRunError: it is none, or cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in OF_FOLDERS:
            raise
        raise StopRunError(f"{error.filename}: {error.strerror}; mend that") from error


def _keep_weights(pack: Pack, members: Members, results: list[Trained | DivergedError]) -> None:
    """Keep final weights, and averages: before a trial is told complete, so that it has them."""
    for (setting, seed), result, path in zip(members, results, pack.weights, strict=False):
        if path and not isinstance(result, DivergedError):
            marks = marks_of_weights(setting, seed)
            if result.average is not None:
                averaging = {"averaging": repr(setting.train.averaging)}
                save_weights(result.average, averaged_file(path), marks | averaging)
            save_weights(result.model, path, marks)
