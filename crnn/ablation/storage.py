"""The Optuna storage: open it, keep studies and trials in it, read them back quickly.

This module alone touches Optuna's storage layer. Designed trials are created from a template in
one transaction, and identities and tables are read by one query each: Optuna's own calls read
every attribute of every trial one by one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from crnn.ablation.folders import check_name, confirm_name, search_of
from crnn.ablation.space_file import nearest
from crnn.errors import UserError, one_line
from crnn.files import causes, disk_full

ENVIRONMENT_VARIABLE = "CRNN_STUDY_STORAGE"
FILE_NAME = "studies.db"
PATIENCE = 30  # seconds that SQLite waits for another program's lock
optuna.logging.set_verbosity(optuna.logging.WARNING)


class StorageError(UserError):
    """A storage or study that cannot be used; one line with the fix."""


class FullError(StorageError):
    """The disk that the storage is on is full."""


class UnreadableError(StorageError):
    """A study or a trial that this version did not write so."""

    def __init__(self, whose: str, fault: str) -> None:
        super().__init__(
            f"{whose}: {fault}; another version wrote it, or somebody changed it: go on with that "
            "version, or run its space as a study of its own with --study NAME"
        )


NO_SPACE = "no space left on its disk; free some, then the same command goes on"
_OUTSIDE: list[tuple[str, type[StorageError], str]] = [
    ("database or disk is full", FullError, NO_SPACE),  # SQLite
    ("No space left on device", FullError, NO_SPACE),  # PostgreSQL
    (
        "database is locked",
        StorageError,
        f"another program has kept it locked for {PATIENCE} seconds; end that, then the same "
        "command goes on",
    ),
    (
        "readonly database",
        StorageError,
        "it cannot be written; mend its permissions, or copy it and give the copy",
    ),
    (
        "disk image is malformed",
        StorageError,
        "the file is damaged; put a copy of it back, or start with another --storage",
    ),
]
"""What a database says, and what a person is told: the storage, then this."""


@dataclass(frozen=True)
class TrialRow:
    """One trial as the storage has it; `attributes` are its user attributes, decoded."""

    trial_id: int
    number: int
    state: str
    started: datetime | None
    finished: datetime | None
    value: float | None
    attributes: dict[str, Any]


def storage_url(given: str | None, results: Path) -> str:
    """The storage's URL: given (a URL or an SQLite file), from the environment, or the default."""
    chosen = given or os.environ.get(ENVIRONMENT_VARIABLE) or str(results / FILE_NAME)
    if "://" in chosen:
        return chosen
    # Not put together by hand: a path may hold what has a meaning in a URL.
    return sqlalchemy.URL.create("sqlite", database=str(Path(chosen).absolute())).render_as_string()


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite URL; None for another database."""
    database = sqlalchemy.make_url(url).database
    return Path(database) if url.startswith("sqlite") and database else None


def shown(url: str) -> str:
    """The URL without its password; an SQLite storage as its path."""
    if path := sqlite_file(url):
        return str(path)
    parsed = sqlalchemy.make_url(url)
    secret = [key for key in parsed.query if "password" in key]
    return parsed.difference_update_query(secret).render_as_string(hide_password=True)


def url_of(storage: RDBStorage) -> str:
    """The URL of an open storage, with its password: not for people's eyes (see `shown`)."""
    return storage.engine.url.render_as_string(hide_password=False)


def open_storage(
    url: str, *, create: bool = False, kind: type[RDBStorage] = RDBStorage
) -> RDBStorage:
    """Open an Optuna storage.

    SQLite is put into WAL mode, where readers and a writer do not lock each other out.

    Args:
        url: an SQLAlchemy URL.
        create: make it (and an SQLite file's folder) where it does not exist yet.
        kind: the class that it is opened as.

    Raises:
        StorageError: it does not exist, or cannot be opened.
    """
    try:
        path = sqlite_file(url)
        if url.startswith("sqlite") and path in (None, Path(":memory:")):
            raise StorageError(f"{url}: workers do not see a storage in memory; give a file")
        if path and not create and not path.exists():
            raise StorageError(f"{path}: no such storage; start with: python study.py run quick")
        if path and create:
            path.parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": PATIENCE}} if path else {"pool_pre_ping": True}
        storage = kind(url, engine_kwargs=options)
        if path:
            sqlalchemy.event.listen(storage.engine, "connect", _set_pragmas)
            storage.engine.dispose()
        sqlalchemy.event.listen(storage.engine, "handle_error", _explain)
        return storage
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = str(getattr(error, "orig", None) or error.__cause__ or error).strip().split("\n")[0]
        raise StorageError(f"{_safe(url)}: cannot open the storage: {cause}") from None
    except OSError as error:
        raise StorageError(
            f"{error.filename}: {error.strerror}; choose another --results"
        ) from None
    except ImportError as error:
        raise StorageError(f"{_safe(url)}: {error}; for PostgreSQL: pip install psycopg") from None
    except RuntimeError as error:  # of another version of Optuna; its message says what to do
        raise StorageError(f"{_safe(url)}: {error}") from None
    except ValueError:  # a port that is no number, as after a password with an @ of its own
        raise StorageError(
            "--storage: not a URL; in a password write @ as %40, : as %3A and / as %2F"
        ) from None


def _safe(url: str) -> str:
    try:
        return shown(url)
    except sqlalchemy.exc.ArgumentError:
        return "--storage"  # not a URL: it may hold anything, a password as well


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _explain(context: sqlalchemy.ExceptionContext) -> None:
    """Put into a line what a person must mend outside, where that is all there is to be said."""
    found = str(context.original_exception)
    where = shown(context.engine.url.render_as_string()) if context.engine else "the storage"
    for sign, error, line in _OUTSIDE:
        if sign in found:
            raise error(f"{where}: {line}") from context.original_exception


def study_names(storage: RDBStorage) -> list[str]:
    """All studies of the storage, the latest last."""
    query = "SELECT study_name FROM studies ORDER BY study_id"
    with storage.engine.connect() as connection:
        return [row[0] for row in connection.execute(sqlalchemy.text(query))]


def studies_with(storage: RDBStorage, attribute: str) -> list[str]:
    """The studies that have a user attribute of this name, the latest last."""
    query = (
        "SELECT s.study_name FROM studies s JOIN study_user_attributes a"
        " ON a.study_id = s.study_id WHERE a.key = :key ORDER BY s.study_id"
    )
    with storage.engine.connect() as connection:
        return list(connection.execute(sqlalchemy.text(query), {"key": attribute}).scalars())


def study_attributes(storage: RDBStorage, study: str) -> dict[str, Any]:
    """A study's user attributes; empty where there is no such study."""
    query = (
        "SELECT a.key, a.value_json FROM study_user_attributes a JOIN studies s"
        " ON s.study_id = a.study_id WHERE s.study_name = :study"
    )
    with storage.engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(query), {"study": study})
        return {key: _decoded(value, f"study {study}", key) for key, value in rows}


def _decoded(value: str, whose: str, key: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UnreadableError(whose, one_line(f"attribute {key}: no JSON")) from None


def save_study(storage: RDBStorage, study: str, attributes: Mapping[str, Any]) -> None:
    """Create the study where it does not exist, and set its user attributes (what differs)."""
    if study not in study_names(storage):
        _create_study(storage, study, dict(islice(attributes.items(), 1)))
    study_id = storage.get_study_id_from_name(study)
    present = study_attributes(storage, study)
    for key, value in attributes.items():
        if key not in present or present[key] != value:
            storage.set_study_user_attr(study_id, key, value)


def _create_study(storage: RDBStorage, study: str, first: dict[str, Any]) -> None:
    """Create it under a name that no study can have, until it has an attribute.

    A kill in between would leave a study without one, which may be anybody's.
    """
    part = f"{study} (being begun)"
    _remove(storage, part)
    study_id = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], part)
    for key, value in first.items():
        storage.set_study_user_attr(study_id, key, value)
    _rename(storage, part, study)


def _remove(storage: RDBStorage, study: str) -> None:
    """Remove a study where there is one of that name."""
    if study in study_names(storage):
        delete_study(storage, study)


def _rename(storage: RDBStorage, old: str, new: str) -> None:
    renamed = sqlalchemy.text("UPDATE studies SET study_name = :new WHERE study_name = :old")
    with storage.engine.begin() as connection:
        connection.execute(renamed, {"old": old, "new": new})


def read_trials(
    storage: RDBStorage, study: str, keys: tuple[str, ...] | None = None
) -> list[TrialRow]:
    """The study's trials by number, with their user attributes (or only those in `keys`)."""
    with storage.engine.connect() as connection:
        attributes = _trial_attributes(connection, study, keys)
        rows = connection.execute(_TRIALS, {"study": study}).all()
    return [TrialRow(**row._asdict(), attributes=attributes.get(row.trial_id, {})) for row in rows]


_TRIALS = sqlalchemy.text(
    "SELECT t.trial_id, t.number, t.state, t.datetime_start AS started,"
    " t.datetime_complete AS finished, v.value"
    " FROM trials t JOIN studies s ON s.study_id = t.study_id"
    " LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0"
    " WHERE s.study_name = :study ORDER BY t.number"
).columns(  # SQLite gives times as text unless they are said to be times
    sqlalchemy.column("trial_id", sqlalchemy.Integer),
    sqlalchemy.column("number", sqlalchemy.Integer),
    sqlalchemy.column("state", sqlalchemy.String),
    sqlalchemy.column("started", sqlalchemy.DateTime),
    sqlalchemy.column("finished", sqlalchemy.DateTime),
    sqlalchemy.column("value", sqlalchemy.Float),
)


def _trial_attributes(
    connection: sqlalchemy.Connection, study: str, keys: tuple[str, ...] | None
) -> dict[int, dict[str, Any]]:
    query = (
        "SELECT a.trial_id, t.number, a.key, a.value_json FROM trial_user_attributes a"
        " JOIN trials t ON t.trial_id = a.trial_id JOIN studies s ON s.study_id = t.study_id"
        " WHERE s.study_name = :study"
    )
    values: dict[str, Any] = {"study": study}
    statement = sqlalchemy.text(query)
    if keys is not None:
        statement = sqlalchemy.text(query + " AND a.key IN :keys")
        statement = statement.bindparams(sqlalchemy.bindparam("keys", expanding=True))
        values["keys"] = keys
    found: dict[int, dict[str, Any]] = {}
    for trial_id, number, key, value in connection.execute(statement, values):
        whose = f"study {study}: trial {number}"
        found.setdefault(trial_id, {})[key] = _decoded(value, whose, key)
    return found


def reported_steps(storage: RDBStorage, trial_id: int) -> set[int]:
    """The epochs whose validation accuracy the storage has already."""
    query = "SELECT step FROM trial_intermediate_values WHERE trial_id = :trial"
    with storage.engine.connect() as connection:
        return {row[0] for row in connection.execute(sqlalchemy.text(query), {"trial": trial_id})}


def report_steps(storage: RDBStorage, trial_id: int, values: Mapping[int, float]) -> None:
    """Report a trial's intermediate values, by step: those that the storage lacks."""
    present = reported_steps(storage, trial_id)
    for step, value in values.items():
        if step not in present:
            storage.set_trial_intermediate_value(trial_id, step, value)


def create_trial(
    storage: RDBStorage,
    study: str,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    attributes: dict[str, Any],
    constraints: Mapping[str, float] | None = None,
) -> int:
    """A new RUNNING trial, whole in one transaction; its id.

    `constraints` are what a sampler is told of it: 0 or below where it keeps to one.
    """
    template = FrozenTrial(
        number=-1,  # the storage gives the number
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params=params,
        distributions=distributions,
        user_attrs=attributes,
        system_attrs={},
        intermediate_values={},
    )
    for key, value in (constraints or {}).items():
        template.set_constraint(key, value)
    return storage.create_new_trial(storage.get_study_id_from_name(study), template)


def out_of_space(error: BaseException) -> bool:
    """Whether an error says that a disk is full, a file's or the storage's."""
    return disk_full(error) or any(isinstance(each, FullError) for each in causes(error))


def finish_trial(
    storage: RDBStorage,
    trial_id: int,
    state: str,
    value: float | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Set the attributes, then the state: Optuna refuses attributes after the end."""
    for key, item in (attributes or {}).items():
        storage.set_trial_user_attr(trial_id, key, item)
    values = None if value is None else [value]
    storage.set_trial_state_values(trial_id, TrialState[state], values)


def delete_study(storage: RDBStorage, study: str) -> None:
    """Remove the study with everything in it."""
    storage.delete_study(storage.get_study_id_from_name(study))


def copy_study(study: str, source: str, target: str, *, replace: bool = False) -> None:
    """Copy a study into another storage, whole or not at all; a search with its confirmation.

    Raises:
        UserError: the name is none, no such study, the target has one of that name and `replace`
            is off, or another process runs that one.
    """
    check_name(study)
    with opened_storage(source) as read:
        if study not in (names := study_names(read)):
            raise StorageError(f"{shown(source)} has no study {study}; {nearest(study, names)}")
        with opened_storage(target, create=True) as written:
            if study in study_names(written) and not replace:
                raise StorageError(f"{shown(target)} has a study {study} already; --replace it")
            with lock(written, study):
                both = [study, confirm_name(study)]
                _copy(read, written, [name for name in both if name in names])
                if both[1] not in names:
                    _remove(written, both[1])  # of the one that was replaced


@contextmanager
def opened_storage(url: str, *, create: bool = False) -> Iterator[RDBStorage]:
    """An open storage (see `open_storage`) that lets go of its connections at the end."""
    storage = open_storage(url, create=create)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def _copy(read: RDBStorage, written: RDBStorage, studies: list[str]) -> None:
    """Copy under names that no study can have; only whole copies take the studies' places."""
    parts = {study: f"{study} (being copied)" for study in studies}
    for study, part in parts.items():
        _remove(written, part)
        optuna.copy_study(
            from_study_name=study, from_storage=read, to_storage=written, to_study_name=part
        )
    for study, part in parts.items():
        _remove(written, study)
        _rename(written, part, study)


@contextmanager
def lock(storage: RDBStorage, study: str) -> Iterator[None]:
    """Hold the study for this process; free at once when the process ends, however it ends.

    A search and its confirmation have one lock.

    Raises:
        StorageError: another process holds it; the message names that process.
    """
    path, held = sqlite_file(url_of(storage)), search_of(study)
    with _file_lock(path, held) if path else _advisory_lock(storage, held):
        yield


def may_be_running(storage: RDBStorage, study: str) -> bool:
    """Whether a coordinator may hold the study: False only where it certainly does not."""
    study = search_of(study)
    database = sqlite_file(url_of(storage))
    if database is None:
        with storage.engine.connect() as connection:
            return bool(connection.execute(_HOLDERS, _names(study)).all())
    path = _lock_file(database, study)
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    if not words:
        return False
    if words[-1] != os.uname().nodename:
        return True
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lock_file(database: Path, study: str) -> Path:
    return database.with_name(f"{database.name}.{study}.lock")


def _this_process() -> str:
    """What a lock says of its holder; `may_be_running` reads it back."""
    return f"process {os.getpid()} on {os.uname().nodename}"


@contextmanager
def _file_lock(database: Path, study: str) -> Iterator[None]:
    path = _lock_file(database, study)
    held = FileLock(path)
    try:
        held.acquire(timeout=0)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip() or "another process"
        raise StorageError(f"study {study} is being run by {holder}; wait or stop it") from None
    try:
        path.write_text(_this_process(), encoding="utf-8")
        yield
    finally:
        path.write_text("", encoding="utf-8")
        held.release()


@contextmanager
def _advisory_lock(storage: RDBStorage, study: str) -> Iterator[None]:
    # Autocommit: no transaction stays open for as long as the lock is held.
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(_TRY_LOCK, _names(study)).scalar():
            holders = connection.execute(_HOLDERS, _names(study)).scalars().all()
            holder = " ".join(holders) or "another process"
            raise StorageError(f"study {study} is being run by {holder}; wait or stop it")
        try:
            yield
        finally:
            with suppress(sqlalchemy.exc.DBAPIError):  # a broken connection has let go of it
                connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock_all()"))


_TRY_LOCK = sqlalchemy.text(
    "SELECT pg_try_advisory_lock(25458, hashtext(:study))"
    " FROM set_config('application_name', :process, false)"
)
_HOLDERS = sqlalchemy.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 25458 AND l.objsubid = 2"
    " AND l.objid = CAST(hashtext(:study) AS oid) AND a.datname = current_database()"
)


def _names(study: str) -> dict[str, str]:
    return {"study": study, "process": _this_process()}
