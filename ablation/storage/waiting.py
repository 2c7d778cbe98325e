"""Waiting for a storage: bounded, said, and ended by Ctrl-C.

SQLite's own wait and libpq's are spent inside the library, where no signal gets through. So an
SQLite statement waits for a moment only and is tried again, and a thread watches the statements
that a PostgreSQL server has not answered.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy

from ablation.process import signals

LOCK_TIMEOUT_SECONDS = 30.0  # that a command waits for another program's lock
RUN_LOCK_TIMEOUT_SECONDS = 300.0  # that a run does: hours of training may depend on it
SAID_AFTER = 3.0  # seconds of waiting after which it is said
MOMENT = 0.2  # seconds of one attempt
INTERRUPTED_AFTER = 2.0  # seconds that a server may still take once Ctrl-C was pressed

Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Wait:
    """How long to wait for a storage, and who is told of it.

    Attributes:
        where: the storage, as people may see it.
        patience: seconds to wait at most.
        say: told once a wait has taken a while.
        said_after: seconds of waiting after which it is told.
    """

    where: str
    patience: float = LOCK_TIMEOUT_SECONDS
    say: Callable[[str], None] | None = None
    said_after: float = SAID_AFTER

    def until_free(self, action: Callable[[], Returned]) -> Returned:
        """What `action` returns, tried again while another program has the database locked."""
        began, said = time.monotonic(), False
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                if code & 0xFF != sqlite3.SQLITE_BUSY or waited >= self.patience:
                    raise
            signals.raise_if_interrupted()
            if waited >= self.said_after and not said:
                said = True
                self.tell("another program has it locked")

    def tell(self, why: str) -> None:
        """Say that this process waits, and for how long at most."""
        if self.say:
            self.say(f"Waiting for the storage {self.where}: {why}; {self.patience:g} s at most")


class PatientCursor(sqlite3.Cursor):
    """A cursor that waits for a locked database by trying again."""

    connection: PatientConnection

    def execute(self, *words: Any) -> PatientCursor:
        """Execute a statement; where the database is locked nothing of it has been done."""
        self.connection.wait.until_free(lambda: super(PatientCursor, self).execute(*words))
        return self

    def executemany(self, *words: Any) -> PatientCursor:
        """Execute a statement for each of several rows."""
        self.connection.wait.until_free(lambda: super(PatientCursor, self).executemany(*words))
        return self


class PatientConnection(sqlite3.Connection):
    """A connection whose statements and commits wait for a locked database."""

    wait: Wait

    def cursor(self, factory: Any = None) -> Any:
        """A patient cursor, whatever is asked for."""
        return super().cursor(PatientCursor)

    def execute(self, *words: Any) -> sqlite3.Cursor:
        """Execute a statement by a patient cursor: by itself it would make a plain one."""
        return self.cursor().execute(*words)  # type: ignore[no-any-return]

    def commit(self) -> None:
        """Commit; with a rollback journal a reader may lock the writer out for a moment."""
        self.wait.until_free(super().commit)


class Watchdog:
    """Ends statements that a PostgreSQL server does not answer, by closing their sockets.

    A time limit on the server is none where the server itself is stopped.
    """

    def __init__(self, engine: sqlalchemy.Engine, wait: Wait) -> None:
        """Watch all statements of an engine from now on."""
        self.wait = wait
        self.lock = threading.Lock()
        self.since: dict[int, tuple[Any, float]] = {}  # by connection: itself and when it began
        self.thread: threading.Thread | None = None
        listen = sqlalchemy.event.listen
        listen(engine, "before_cursor_execute", self._before)
        listen(engine, "after_cursor_execute", self._after)
        listen(engine, "handle_error", self._failed)
        listen(engine, "commit", self._begin_on)
        listen(engine, "rollback", self._begin_on)
        listen(engine, "checkout", self._check)
        listen(engine, "checkin", lambda connection, _record: self._end(connection))
        listen(engine, "close", lambda connection, _record: self._end(connection))
        listen(engine, "close_detached", self._end)

    def _before(self, connection: Any, *_: object) -> None:
        self._begin_on(connection)

    def _after(self, connection: Any, *_: object) -> None:
        self._end(connection.connection.dbapi_connection)

    def _failed(self, context: sqlalchemy.ExceptionContext) -> None:
        if context.connection is not None and not context.connection.invalidated:
            self._end(context.connection.connection.dbapi_connection)

    def _begin_on(self, connection: Any) -> None:
        if not connection.invalidated:
            self._begin(connection.connection.dbapi_connection)

    def _check(self, connection: Any, _record: object, _proxy: object) -> None:
        """Look whether a pooled connection still lives; the pool makes another in its place."""
        self._begin(connection)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if not connection.autocommit:
                connection.rollback()
        except Exception as error:
            signals.raise_if_interrupted()
            raise sqlalchemy.exc.DisconnectionError(str(error)) from error
        finally:
            self._end(connection)

    def _begin(self, connection: Any) -> None:
        with self.lock:
            self.since[id(connection)] = (connection, time.monotonic())
            if self.thread is None:
                self.thread = threading.Thread(target=self._watch, daemon=True)
                self.thread.start()

    def _end(self, connection: Any) -> None:
        with self.lock:
            self.since.pop(id(connection), None)

    def _watch(self) -> None:
        said, idle = False, 0
        while True:
            time.sleep(MOMENT)
            with self.lock:
                begun = list(self.since.values())
                idle = 0 if begun else idle + 1
                if idle > 5:  # the next statement starts another thread
                    self.thread = None
                    return
            for connection, since in begun:
                waited = time.monotonic() - since
                if waited >= self.wait.said_after and not said:
                    said = True
                    self.wait.tell("no answer yet")
                limit = INTERRUPTED_AFTER if signals.interrupted() else self.wait.patience
                if waited >= limit:
                    _shut(connection)
                    self._end(connection)
            said = said and bool(begun)


def _shut(connection: Any) -> None:
    """End what a thread waits for on a connection, which then finds it closed by the server."""
    with suppress(Exception):  # closed in the meantime, by whoever used it
        descriptor = os.dup(connection.fileno())
        with socket.socket(fileno=descriptor) as there:
            there.shutdown(socket.SHUT_RDWR)
