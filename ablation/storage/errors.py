"""What is wrong with a storage, as one line that says what a person can do."""

from __future__ import annotations

import sqlite3

import optuna
import sqlalchemy

from ablation.errors import UserError
from ablation.files import causes, disk_full

OF_DATABASE = (
    sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError
)  # fmt: skip
NO_SPACE = "no space left on its disk; free some, then the same command goes on"


RUN_ANEW = "go on with that version, or run its space as a study of its own with --study NAME"


class StorageError(UserError):
    """A storage or study that cannot be used; one line with the fix."""


class FullError(StorageError):
    """The disk that the storage is on is full."""


class ReadOnlyError(StorageError):
    """The storage can be read but not written."""


class UnreadableError(StorageError):
    """A study or a trial that this version did not write so.

    Args:
        whose: what cannot be read.
        fault: what is wrong with it.
        fix: what to do.
    """

    def __init__(self, whose: str, fault: str, fix: str = RUN_ANEW) -> None:
        super().__init__(
            f"{whose}: {fault}; another version wrote it, or somebody changed it: {fix}"
        )


class ImportedError(StorageError):
    """A study of runs that were trained elsewhere, where one that can be trained is needed."""

    def __init__(self, study: str) -> None:
        super().__init__(
            f"study {study}: its runs were trained elsewhere, and nothing can be trained in it; "
            "choose another name with --study NAME"
        )


def out_of_space(error: BaseException) -> bool:
    """Whether an error says that a disk is full, a file's or the storage's."""
    return disk_full(error) or any(isinstance(each, FullError) for each in causes(error))


LOCKED = "another program has kept it locked for {patience:g} seconds; end that, then {again}"
SIGNS: list[tuple[str, type[StorageError], str]] = [
    ("database or disk is full", FullError, NO_SPACE),  # SQLite
    ("No space left on device", FullError, NO_SPACE),  # PostgreSQL
    ("database is locked", StorageError, LOCKED),
    ("canceling statement due to", StorageError, LOCKED),
    (
        "readonly database",
        ReadOnlyError,
        "it cannot be written; correct its permissions, and those of its -wal and -shm files if "
        "there are any, or copy the study with the command copy and use the copy",
    ),
    ("permission denied", ReadOnlyError, "this user may not write it; ask its owner"),
    ("read-only transaction", ReadOnlyError, "the server lets nobody write it now"),
    (
        "disk image is malformed",
        StorageError,
        "the file is damaged, or the -wal file beside it belongs to another database that it "
        "replaced: move its -wal and -shm files away and try again, put a copy of it back, or "
        "start with another --storage",
    ),
    (
        "unable to open database file",
        StorageError,
        "it is gone, or cannot be opened; put it back, or correct its permissions",
    ),
    (
        "no such table",
        StorageError,
        "it has none of Optuna's tables: it was emptied, or is no storage; put a copy of it back, "
        "or start with another --storage",
    ),
    ("disk I/O error", StorageError, "its disk cannot be read or written; check that disk"),
]
"""What a database says, and what a person is told: the storage, then this."""

GONE = "the database server is gone or does not answer ({cause}); once it is back, {again}"
AGAIN = "the same command goes on"


def explained(said: str, where: str, patience: float) -> StorageError | None:
    """The error for what a database said, where that is for a person to correct."""
    for sign, error, line in SIGNS:
        if sign in said:
            return error(f"{where}: {line.format(patience=patience, again=AGAIN)}")
    return None


def gone(said: str, where: str) -> StorageError:
    """The error for a server that can no longer be reached."""
    cause = said.strip().split("\n")[0] or "no reason given"
    return StorageError(f"{where}: {GONE.format(cause=cause, again=AGAIN)}")


def opening_error(error: Exception, where: str, patience: float | None) -> StorageError:
    """What kept a storage from being opened, in words for a person.

    Args:
        error: what was raised.
        where: the storage, without its password.
        patience: seconds that were waited for other programs; None where it was not opened yet.
    """
    if isinstance(error, OF_DATABASE):
        said = str(getattr(error, "orig", None) or error.__cause__ or error)
        if patience is not None and (known := explained(said, where, patience)):
            return known
        cause = said.strip().split("\n")[0]
        return StorageError(f"{where}: cannot open the storage: {cause}")
    if isinstance(error, OSError):
        return StorageError(f"{error.filename}: {error.strerror}; choose another --results")
    if isinstance(error, ImportError):
        return StorageError(f"{where}: {error}; for PostgreSQL: pip install psycopg")
    if isinstance(error, RuntimeError):  # of another version of Optuna; its message says what to do
        return StorageError(f"{where}: {error}")
    return StorageError(  # a port that is no number, as after a password with an @ of its own
        "--storage: not a URL; in a password write @ as %40, : as %3A and / as %2F"
    )
