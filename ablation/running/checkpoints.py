"""The checkpoints of a study's trainings under way, as whoever runs it sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from optuna.storages import RDBStorage

from ablation.files import DAMAGED, checkpoint_files, checkpoint_number, remove, wanted_file
from ablation.storage import read_trials


def take_over(path: Path, number: int) -> None:
    """Make the latest checkpoint of a trial, whoever wrote it, that of a new claim.

    Any of them is as good: the training goes on from it bit for bit as if nothing had happened.
    """
    checkpoints = checkpoint_files(path.parent, number)
    for older in checkpoints[:-1]:
        remove(older)
    for latest in checkpoints[-1:]:
        latest.rename(path)


def tidy(storage: RDBStorage, study: str, folder: Path) -> None:
    """Remove checkpoints that nothing goes on from, and what a kill left half written.

    Args:
        storage: where the study is.
        study: its name.
        folder: of its checkpoints.
    """
    rows = read_trials(storage, study, ()) if folder.exists() else []
    kept = {row.number for row in rows if row.state == "RUNNING"}
    for path in folder.glob("*trial-*"):
        if checkpoint_number(path.name) not in kept and not path.name.endswith(DAMAGED):
            remove(path)
    with suppress(OSError):  # there is none, or it is still needed
        folder.rmdir()
        folder.parent.rmdir()


def is_behind(checkpoint: Path, report: float) -> bool:
    """Whether a checkpoint was written before a report came, and so lacks what came after it.

    Args:
        checkpoint: the file, which need not exist.
        report: when the report came, as `time.time` has it.
    """
    try:
        return checkpoint.stat().st_mtime < report
    except FileNotFoundError:
        return False


@contextmanager
def wanted(checkpoints: Collection[Path]) -> Iterator[None]:
    """Have trainings write these checkpoints at their next reports, though that is not due."""
    marks = list(map(wanted_file, checkpoints))
    try:
        for mark in marks:
            mark.touch()
        yield
    finally:
        for mark in marks:
            remove(mark)
