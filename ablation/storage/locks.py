"""Who runs a study: one process at a time, and nobody in its place unnoticed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage

from ablation.folders import search_of, study_name
from ablation.process.signals import InterruptedRunError
from ablation.storage.errors import AGAIN, ReadOnlyError, StorageError
from ablation.storage.opening import display_url, sqlite_file, url_of


@dataclass(frozen=True)
class Lock:
    """A study that this process holds; `check` says whether it still does.

    Attributes:
        check: raises `StorageError` where the storage is no longer the one that was opened, or
            where another process may hold the study by now. To be called before each write.
    """

    check: Callable[[], None]


@contextmanager
def lock(storage: RDBStorage, study: str) -> Iterator[Lock]:
    """Hold the study for this process; free at once when the process ends, however it ends.

    A search and its confirmation have one lock.

    Raises:
        StorageError: another process holds it; the message names that process.
    """
    path, held = sqlite_file(url_of(storage)), search_of(study)
    with _file_lock(path, held) if path else _advisory_lock(storage, held) as held_lock:
        yield held_lock


def second_name(storage: RDBStorage) -> str:
    """Why a database that has a second name is not to be written; empty where it has one."""
    database = sqlite_file(url_of(storage))
    if database is None or not database.exists() or database.stat().st_nlink == 1:
        return ""
    return (
        f"{database}: this file has a second name (a hard link), and SQLite damages a database "
        "that is written under two names; remove one of them, or make a copy instead"
    )


@dataclass(frozen=True)
class Holder:
    """Who may be running a study.

    Attributes:
        name: the process and its host, as in ``process 12 on lab``.
        certain: whether it certainly runs; a process of another host may have ended.
    """

    name: str
    certain: bool


def holder(storage: RDBStorage, study: str) -> Holder | None:
    """The coordinator that may hold the study; None only where there certainly is none."""
    study = search_of(study)
    database = sqlite_file(url_of(storage))
    if database is None:
        with storage.engine.connect() as connection:
            holders = connection.execute(_HOLDERS, _names(study)).scalars().all()
        return Holder(" ".join(holders) or "another process", True) if holders else None
    path = _lock_file(database, study)
    text = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""
    if not text:
        return None
    known = PROCESS.fullmatch(text)
    if known is None or known[2] != os.uname().nodename:
        return Holder(text, False)
    try:
        os.kill(int(known[1]), 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # it runs, as another user's
        return Holder(text, True)
    return Holder(text, True)


def _lock_file(database: Path, study: str) -> Path:
    """Beside the database itself, whatever link leads to it: all who use it find one lock."""
    resolved = database.resolve()
    return resolved.with_name(f"{resolved.name}.{study_name(study)}.lock")


PROCESS = re.compile(r"process ([1-9]\d{0,9}) on (\S+)")  # what `_this_process` writes


def _this_process() -> str:
    """What a lock says of its holder; `holder` reads it back."""
    return f"process {os.getpid()} on {os.uname().nodename}"


@contextmanager
def _file_lock(database: Path, study: str) -> Iterator[Lock]:
    path = _lock_file(database, study)
    held = FileLock(path)
    try:
        held.acquire(timeout=0)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip() or "another process"
        raise StorageError(f"study {study} is being run by {holder}; wait or stop it") from None
    except OSError as error:  # of another user, for one
        raise ReadOnlyError(
            f"{path}: {error.strerror}; a run and a copy write this file: correct its permissions"
        ) from None
    watched = _Files(database, path, study)
    try:
        with _held_by_any_name(database, study):
            path.write_text(_this_process(), encoding="utf-8")
            yield Lock(watched.check)
    finally:
        if watched.holds_lock():  # else it may be another process's by now
            path.write_text("", encoding="utf-8")
        held.release()


@contextmanager
def _held_by_any_name(database: Path, study: str) -> Iterator[None]:
    """Hold the study whatever the database is called: hard links to it have lock files each.

    By a file among the temporary ones, named after the database's device and inode. Where another
    user's is in the way, only a database with a second name is refused.
    """
    status = database.stat()
    name = f"crnn-study-{status.st_dev:x}-{status.st_ino:x}-{study_name(study)}.lock"
    held = FileLock(Path(tempfile.gettempdir()) / name)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise StorageError(
            f"study {study} is being run by another process: under another name of {database} (a "
            "hard link), or its lock file was removed; wait or stop it"
        ) from None
    except OSError:
        if status.st_nlink > 1:
            raise StorageError(
                f"{database}: this file has a second name (a hard link), and whether another "
                f"process runs study {study} under that cannot be seen; remove one of the names"
            ) from None
        yield
        return
    try:
        yield
    finally:
        Path(held.lock_file).unlink(missing_ok=True)
        held.release()


class _Files:
    """The database and the lock file as they were, to be compared with what is there now.

    The database is never opened for that: closing it again would release SQLite's own locks.
    """

    def __init__(self, database: Path, lock_file: Path, study: str) -> None:
        self.database, self.lock_file, self.study = database, lock_file, study
        self.identities = [_identity(database), _identity(lock_file)]
        self.size = 0

    def holds_lock(self) -> bool:
        """Whether the lock file is still the one that this process has locked."""
        return _identity(self.lock_file) == self.identities[1]

    def check(self) -> None:
        """See `Lock.check`."""
        where = self.database
        identity, size = _identity(where), where.stat().st_size if where.exists() else 0
        if identity is None:
            raise StorageError(
                f"{where}: the storage was deleted or renamed while study {self.study} ran. If it "
                "was renamed, the trials that have ended are in the renamed file: put it back, "
                f"then {AGAIN}"
            )
        if identity != self.identities[0]:
            raise StorageError(
                f"{where}: another file has taken the storage's place while study {self.study} "
                "ran. The trials that have ended are in the file that was there, if it was "
                f"renamed: put it back, then {AGAIN}"
            )
        if size < self.size:
            raise StorageError(
                f"{where}: the storage was emptied or cut short while study {self.study} ran, from "
                f"{self.size:,} to {size:,} bytes; put a copy of it back, then {AGAIN}"
            )
        self.size = size
        if not self.holds_lock():
            raise StorageError(
                f"{self.lock_file}: this lock file was removed or replaced while study "
                f"{self.study} ran, so that a second process may run the study; {AGAIN} once no "
                "other process runs it"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _advisory_lock(storage: RDBStorage, study: str) -> Iterator[Lock]:
    # Autocommit: no transaction stays open for as long as the lock is held.
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(_TRY_LOCK, _names(study)).scalar():
            holders = connection.execute(_HOLDERS, _names(study)).scalars().all()
            holder = " ".join(holders) or "another process"
            raise StorageError(f"study {study} is being run by {holder}; wait or stop it")

        def check() -> None:
            # A lost connection would be replaced without a word, by one that holds no lock.
            if connection.invalidated or not connection.execute(_HELD, _names(study)).scalar():
                raise StorageError(
                    f"{display_url(url_of(storage))}: the connection that held study {study} is "
                    f"lost, so that a second process may run the study; {AGAIN} once no "
                    "other process runs it"
                )

        try:
            yield Lock(check)
        except (StorageError, InterruptedRunError):
            connection.invalidate()  # without a word to the server, which may not answer
            raise
        finally:
            if not connection.invalidated:
                with suppress(sqlalchemy.exc.DBAPIError, StorageError):
                    connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock_all()"))


_TRY_LOCK = sqlalchemy.text(
    "SELECT pg_try_advisory_lock(25458, hashtext(CAST(:study AS text)))"
    " FROM set_config('application_name', CAST(:process AS text), false)"
)
_MINE = (
    " l.locktype = 'advisory' AND l.granted AND l.classid = 25458 AND l.objsubid = 2"
    " AND l.objid = CAST(hashtext(CAST(:study AS text)) AS oid)"
)
_HOLDERS = sqlalchemy.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    f" WHERE {_MINE} AND a.datname = current_database()"
)
_HELD = sqlalchemy.text(
    f"SELECT count(*) FROM pg_locks l WHERE {_MINE} AND l.pid = pg_backend_pid()"
)


def _names(study: str) -> dict[str, str]:
    return {"study": study, "process": _this_process()}
