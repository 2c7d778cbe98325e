"""SQLite's write-ahead log: what is in it reaches the file, so that a copy of the file has it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from optuna.storages import RDBStorage

from ablation.storage.opening import sqlite_file, url_of
from ablation.storage.waiting import MOMENT

TRIES = 10


def checkpoint(storage: RDBStorage) -> None:
    """Move what the write-ahead log holds into the database file, as far as readers let it."""
    if sqlite_file(url_of(storage)):
        with storage.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def settle(
    storage: RDBStorage, say: Callable[[str], None] = lambda line: None, tries: int = TRIES
) -> None:
    """Leave an SQLite file as anybody can read and copy it, at the end of a run.

    All of the write-ahead log goes into the file; where no other program has it open, the log
    ends, since a reader who may not write the folder cannot use one. The storage can be used
    further.

    Args:
        storage: the storage, which no thread uses at the moment.
        say: told where another program keeps trials out of the file.
        tries: how often to look whether another program has let go, with a moment between.
    """
    path = sqlite_file(url_of(storage))
    storage.engine.dispose()
    if path is None or not path.exists():
        return
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=MOMENT)) as connection:
        for _ in range(tries):
            try:
                busy, logged, moved = connection.execute(
                    "PRAGMA wal_checkpoint(TRUNCATE)"
                ).fetchone()
                if not busy:
                    connection.execute("PRAGMA journal_mode=DELETE").fetchone()
                    return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    return  # the run has ended, and the next one says what is wrong
                busy = logged = moved = 0
            if logged == moved:  # all is in the file, and others have it open: the log may stay
                return
            time.sleep(MOMENT)
    say(
        f"Another program is reading {path}, so that some trials are in {path.name}-wal only: a "
        "copy of the file alone would lack them, one by the command copy has them"
    )
