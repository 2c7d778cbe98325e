"""Where a storage is, and how it is opened.

A run opens it to write. Everything else changes nothing of how an SQLite file is kept, and reads
one that it cannot write.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel

from ablation.errors import printable
from ablation.files import from_home
from ablation.folders import ENVIRONMENT_VARIABLE, FILE_NAME
from ablation.process.signals import raise_if_interrupted
from ablation.program import command
from ablation.storage import waiting
from ablation.storage.errors import OF_DATABASE, StorageError, explained, gone, opening_error
from ablation.storage.waiting import MOMENT, PatientConnection, Wait, Watchdog

CONNECT_TIMEOUT = 10  # seconds
TRIES = 10  # looks at a storage that another process may be making
CONNECTION = ("08", "28", "3D", "53", "57")  # classes of SQLSTATE that are of the connection
LIBPQ = ("psycopg", "psycopg2")  # the drivers that take its options
MADE_TWICE = ("already exists", "UNIQUE constraint failed", "duplicate key")  # by two at once
optuna.logging.set_verbosity(optuna.logging.WARNING)

Connect = Callable[[], sqlite3.Connection]


def storage_url(given: str | None, results: Path) -> str:
    """The storage's URL: given (a URL or an SQLite file), from the environment, or the default."""
    chosen = from_home(given or os.environ.get(ENVIRONMENT_VARIABLE) or str(results / FILE_NAME))
    if "://" in chosen:
        if chosen.startswith("sqlite") and "?" in chosen:
            raise StorageError(
                f"{_safe(chosen)}: an SQLite URL with options is not taken; give the file's path"
            )
        return chosen
    path = str(Path(chosen).absolute())
    try:
        path.encode()
    except UnicodeEncodeError:
        raise StorageError(
            f"{printable(path)}: its name is not valid UTF-8, so no storage can be there; rename "
            "it, or name another folder with --results"
        ) from None
    # Not put together by hand: a path may hold what has a meaning in a URL.
    return sqlalchemy.URL.create("sqlite", database=path).render_as_string()


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite URL; None for another database."""
    database = sqlalchemy.make_url(url).database
    return Path(database) if url.startswith("sqlite") and database else None


def display_url(url: str) -> str:
    """The URL without its password; an SQLite storage as its path."""
    if path := sqlite_file(url):
        return str(path)
    parsed = sqlalchemy.make_url(url)
    secret = [key for key in parsed.query if "password" in key]
    return parsed.difference_update_query(secret).render_as_string(hide_password=True)


def url_of(storage: RDBStorage) -> str:
    """The URL of an open storage, with its password: not for people's eyes (see `display_url`)."""
    return storage.engine.url.render_as_string(hide_password=False)


def same_storage(one: str, other: str) -> bool:
    """Whether two URLs name one database; files are compared as such, whatever leads to them."""
    files = [sqlite_file(one), sqlite_file(other)]
    if files[0] and files[1]:
        return files[0].exists() and files[1].exists() and files[0].samefile(files[1])
    return sqlalchemy.make_url(one) == sqlalchemy.make_url(other)


def open_storage(
    url: str,
    *,
    create: bool = False,
    read_only: bool = False,
    kind: type[RDBStorage] = RDBStorage,
    patience: float | None = None,
    say: Callable[[str], None] | None = None,
    said_after: float = waiting.SAID_AFTER,
) -> RDBStorage:
    """Open an Optuna storage.

    With `create`, SQLite is put into WAL mode, where readers and a writer do not lock each other
    out. Without, a file is left in the mode that it is in, and one that cannot be written is
    opened to be read only.

    Args:
        url: an SQLAlchemy URL.
        create: make it (and an SQLite file's folder) where it does not exist yet.
        read_only: open an SQLite file as one that cannot be written.
        kind: the class that it is opened as.
        patience: seconds to wait for other programs; `waiting.LOCK_TIMEOUT_SECONDS` unless given.
        say: told of a wait.
        said_after: seconds of waiting after which it is told.

    Raises:
        StorageError: it does not exist, or cannot be opened.
    """
    wait = None
    try:
        path = sqlite_file(url)
        if url.startswith("sqlite") and path in (None, Path(":memory:")):
            raise StorageError(f"{url}: workers do not see a storage in memory; give a file")
        seconds = waiting.LOCK_TIMEOUT_SECONDS if patience is None else patience
        wait = Wait(display_url(url), seconds, say, said_after)
        if path is None:
            return _open_server(url, kind, wait)
        may_write = create or (not read_only and _is_writable(path))
        return _open_file(url, path, create, may_write, kind, wait)
    except (*OF_DATABASE, OSError, ImportError, RuntimeError, ValueError) as error:
        waited = wait.patience if wait else None
        raise opening_error(error, _safe(url), waited) from None


@contextmanager
def opened_storage(url: str, **options: Any) -> Iterator[RDBStorage]:
    """An open storage (see `open_storage`) that lets go of its connections at the end."""
    storage = open_storage(url, **options)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def _open_file(
    url: str, path: Path, create: bool, may_write: bool, kind: type[RDBStorage], wait: Wait
) -> RDBStorage:
    if not create and not path.exists():
        raise StorageError(f"{path}: no such storage; start with: {command('run', 'SPACE')}")
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
        _connect(path, "mode=rwc", wait).close()  # from here on none is made in its place
    connect: Connect = partial(_writer, path, create, wait)
    copied = None
    if not may_write:
        connect, copied = _reader(path, wait)
    _check_tables(path, connect)
    engine = {"creator": connect}
    storage = _storage(kind, url, engine_kwargs=engine, skip_table_creation=not may_write)
    if copied:
        weakref.finalize(storage, shutil.rmtree, copied, ignore_errors=True)
    sqlalchemy.event.listen(storage.engine, "handle_error", partial(_explain, wait))
    return storage


def _storage(kind: type[RDBStorage], url: str, **options: Any) -> RDBStorage:
    """Make an Optuna storage, also where another process makes the same tables at this moment."""
    for tries_left in reversed(range(TRIES)):
        # Made in two steps, because one that fails has connections to let go of.
        storage = kind.__new__(kind)
        try:
            RDBStorage.__init__(storage, url, skip_compatibility_check=True, **options)
            _check_version(storage)
            break
        except (
            sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError
        ) as error:  # fmt: skip
            said = f"{error} {error.__cause__}"
            if not any(words in said for words in MADE_TWICE):
                raise
            storage.engine.dispose()
            if not tries_left:
                raise
        time.sleep(MOMENT)
    return storage


_compatible = set[str]()  # versions of tables that Optuna has taken


def _check_version(storage: RDBStorage) -> None:
    """Refuse tables of another Optuna, as Optuna does: which reads ten scripts each time it looks.

    Raises:
        RuntimeError: what Optuna says of them.
    """
    version = storage.get_current_version()
    if version not in _compatible:
        storage._version_manager.check_table_schema_compatibility()
        _compatible.add(version)


def _check_tables(path: Path, connect: Connect) -> None:
    """Refuse a storage of which somebody has dropped a table: Optuna would make an empty one.

    One that another process is making has all of them in a moment.
    """
    wanted, lacking = set(BaseModel.metadata.tables), list[str]()
    for _ in range(TRIES):
        with closing(connect()) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = {row[0] for row in rows}
        lacking = sorted(wanted - names)
        if "studies" not in names or not lacking:
            return
        time.sleep(MOMENT)
    raise StorageError(
        f"{path}: it lacks the table {lacking[0]}, which somebody has dropped; put a copy of it "
        "back, or start with another --storage"
    )


def _is_writable(path: Path) -> bool:
    """Whether this process may write the file, and the journal beside it."""
    return _may(path, os.W_OK) and _may(path.resolve().parent, os.W_OK | os.X_OK)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _connect(path: Path, how: str, wait: Wait) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=MOMENT,
        check_same_thread=False, factory=PatientConnection,
    )  # fmt: skip
    connection.wait = wait
    return connection


def _writer(path: Path, create: bool, wait: Wait) -> sqlite3.Connection:
    connection = _connect(path, "mode=rw", wait)
    try:
        pragma = "PRAGMA journal_mode=WAL" if create else "PRAGMA journal_mode"
        if connection.execute(pragma).fetchone()[0] == "wal":
            connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _reader(path: Path, wait: Wait) -> tuple[Connect, Path | None]:
    """How to connect to a file that cannot be written, and the folder of a copy if one is needed.

    SQLite needs the files of the write-ahead log beside one in WAL mode, and would make them where
    they are missing: the file's owner could not write those. So it reads the file alone if the log
    is empty, else a copy.
    """
    if not _may(path, os.R_OK):
        raise StorageError(f"{path}: it cannot be read; ask its owner for permission")
    log = path.resolve().with_name(f"{path.resolve().name}-wal")
    empty = not log.exists() or not log.stat().st_size
    index = log.with_name(f"{path.resolve().name}-shm")
    makes_none = not _has_log(path) or (log.exists() and index.exists())
    for how in [*(["mode=ro"] if makes_none else []), *(["immutable=1"] if empty else [])]:
        connect = partial(_connect, path, how, wait)
        connection = connect()
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connect, None
        except sqlite3.OperationalError:
            continue
        finally:
            connection.close()
    return _reader_of_copy(path.resolve(), wait)


def _has_log(path: Path) -> bool:
    """Whether an SQLite file is in WAL mode, by its header."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def _reader_of_copy(path: Path, wait: Wait) -> tuple[Connect, Path]:
    folder = Path(tempfile.mkdtemp(prefix="crnn-storage-"))
    for ending in ("", "-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            shutil.copyfile(beside, folder / beside.name)
    return partial(_connect, folder / path.name, "mode=rw", wait), folder


def _open_server(url: str, kind: type[RDBStorage], wait: Wait) -> RDBStorage:
    parsed = sqlalchemy.make_url(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    server = parsed.get_backend_name() == "postgresql"
    if server and parsed.get_driver_name() in LIBPQ:
        limits = {
            "connect_timeout": CONNECT_TIMEOUT, "keepalives_idle": 30, "keepalives_interval": 10,
            "keepalives_count": 3, "tcp_user_timeout": 60_000,
        }  # fmt: skip
        own = {key: value for key, value in limits.items() if key not in parsed.query}
        options = {"connect_args": own}  # the watchdog looks at each connection
    storage = _storage(kind, url, engine_kwargs=options)
    if "connect_args" in options:
        Watchdog(storage.engine, wait)
    sqlalchemy.event.listen(storage.engine, "handle_error", partial(_explain, wait))
    return storage


def _safe(url: str) -> str:
    try:
        return display_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return "--storage"  # not a URL: it may hold anything, a password as well


def _explain(wait: Wait, context: sqlalchemy.ExceptionContext) -> None:
    """Put into a line what a person must correct outside, where that is all there is to say."""
    original = context.original_exception
    if context.sqlalchemy_exception is None:  # not the database's: a signal's, for one
        return
    if known := explained(str(original), wait.where, wait.patience):
        raise known from original
    if context.dialect.name != "sqlite" and (context.is_disconnect or _is_of_connection(original)):
        raise_if_interrupted()
        raise gone(str(original), wait.where) from original


def _is_of_connection(error: BaseException) -> bool:
    """Whether an error is of the connection rather than of a statement."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    state = getattr(error, "sqlstate", None) or "08"
    return bool(kinds & {"OperationalError", "InterfaceError"}) and state[:2] in CONNECTION
