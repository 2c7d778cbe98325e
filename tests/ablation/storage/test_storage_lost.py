"""A storage that is taken away, replaced or locked while it is used, and who notices."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation import run_study
from ablation.process import signals
from ablation.process.signals import InterruptedRunError, caught_signals
from ablation.storage import (
    StorageError,
    create_trial,
    finish_trial,
    lock,
    open_storage,
    opened_storage,
    read_trials,
    save_study,
    settle,
    storage_url,
    study_names,
)
from tests.helpers import postgres
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import new_storage


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RDBStorage]:
    """A storage as a run has it, with a study of one trial."""
    new_storage(tmp_path).engine.dispose()
    url = storage_url(str(tmp_path / "studies.db"), tmp_path)
    with opened_storage(url, create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        finish_trial(storage, create_trial(storage, "a", {}, {}, {}), "COMPLETE", 0.5)
        yield storage


# Locks


def _by_symlink(path: Path, other: Path) -> None:
    other.symlink_to(path)


def _by_folder(path: Path, other: Path) -> None:
    (other.parent / "folder").symlink_to(path.parent)


@pytest.mark.parametrize(
    ("link", "name"), [(_by_symlink, "other.db"), (_by_folder, "folder/studies.db")]
)
def test_a_study_is_held_whatever_leads_to_its_storage(
    link: Callable[[Path, Path], None], name: str, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    link(tmp_path / "studies.db", tmp_path / "other.db")
    with opened_storage(storage_url(str(tmp_path / name), tmp_path)) as same:
        for one, other in ((sqlite_storage, same), (same, sqlite_storage)):
            with (
                lock(one, "a"),
                pytest.raises(StorageError, match="is being run by process"),
                lock(other, "a"),
            ):
                pytest.fail("held twice")


@pytest.mark.parametrize("how", ["hard link", "lock file removed"])
def test_a_study_is_held_under_a_second_name_and_without_its_lock_file(
    how: str, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    with lock(sqlite_storage, "a"):
        if how == "hard link":
            os.link(tmp_path / "studies.db", tmp_path / "other.db")
        else:
            (tmp_path / "studies.db.a.lock").unlink()
        name = "other.db" if how == "hard link" else "studies.db"
        with (
            opened_storage(storage_url(str(tmp_path / name), tmp_path)) as same,
            pytest.raises(StorageError, match=r"run by another process: under another name of"),
            lock(same, "a"),
        ):
            pytest.fail("held twice")
    with opened_storage(storage_url(str(tmp_path / name), tmp_path)) as same, lock(same, "a"):
        pass


@pytest.mark.slow  # the table may come yet
@pytest.mark.parametrize("create", [False, True], ids=["reader", "run"])
def test_a_table_that_was_dropped_is_not_made_anew(
    create: bool, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    with sqlite_storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text("DROP TABLE trial_user_attributes"))
    sqlite_storage.engine.dispose()
    with (
        pytest.raises(StorageError, match=r"studies\.db: it lacks the table trial_user_attributes"),
        opened_storage(storage_url(None, tmp_path), create=create),
    ):
        pytest.fail("opened")
    with closing(sqlite3.connect(tmp_path / "studies.db")) as opened:
        found = opened.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'trial_u%'")
        assert found.fetchone() == (0,)


def test_a_study_is_not_begun_in_a_database_of_two_names_and_goes_on_in_one(
    full_data: Path, tmp_path: Path
) -> None:
    said: list[str] = []

    def run() -> None:
        words: dict[str, Any] = {"data": full_data, "results": tmp_path, "say": said.append}
        run_study("smoke", executor=PlayedExecutor(), timeout=0.0, **words)

    new_storage(tmp_path).engine.dispose()
    os.link(tmp_path / "studies.db", tmp_path / "other.db")
    second = "studies.db: this file has a second name"
    with pytest.raises(StorageError, match=second):
        run()
    (tmp_path / "other.db").unlink()
    run()
    assert second not in "".join(said)
    os.link(tmp_path / "studies.db", tmp_path / "other.db")
    run()
    assert any(line.startswith(f"Note: {tmp_path / second}") for line in said)


def test_a_study_that_is_held_is_checked_as_often_as_one_likes(running: RDBStorage) -> None:
    with lock(running, "a") as held:
        for seed in range(3):
            held.check()
            create_trial(running, "a", {}, {}, {"seed": seed})
        held.check()


def test_a_lock_file_that_is_removed_is_noticed(
    running: RDBStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studies.db.a.lock"
    with lock(running, "a") as held:
        held.check()
        path.unlink()
        with pytest.raises(StorageError, match=r"a\.lock: this lock file was removed or replaced"):
            held.check()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with lock(running, "a") as second:  # by a process of another host, which may run it now
            second.check()
            with pytest.raises(StorageError, match=r"a\.lock: this lock file was removed or"):
                held.check()
    assert path.read_text(encoding="utf-8") == ""


# The database


def _deleted(path: Path) -> None:
    for each in path.parent.glob("studies.db*"):
        if not each.name.endswith(".lock"):
            each.unlink()


def _renamed(path: Path) -> None:
    path.rename(path.with_name("kept.db"))


def _replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def _truncated(path: Path) -> None:
    os.truncate(path, 0)


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_deleted, "the storage was deleted or renamed while study a ran. If it was renamed"),
        (_renamed, "the trials that have ended are in the renamed file: put it back, then the"),
        (_replaced, "another file has taken the storage's place while study a ran"),
        (_truncated, "the storage was emptied or cut short while study a ran, from"),
        (_cut_short, "the storage was emptied or cut short while study a ran, from"),
    ],
)
def test_a_database_that_is_no_longer_there_is_noticed(
    change: Callable[[Path], None], said: str, running: RDBStorage, tmp_path: Path
) -> None:
    path = tmp_path / "studies.db"
    with lock(running, "a") as held:
        held.check()
        change(path)
        with pytest.raises(StorageError) as caught:
            held.check()
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert said in line
    assert len(line.splitlines()) == 1


def test_what_was_renamed_has_the_trials(running: RDBStorage, tmp_path: Path) -> None:
    with lock(running, "a"):
        _renamed(tmp_path / "studies.db")
    with opened_storage(storage_url(str(tmp_path / "kept.db"), tmp_path)) as kept:
        assert [row.value for row in read_trials(kept, "a")] == [0.5]


def test_no_other_file_is_made_in_the_place_of_one_that_is_gone(
    running: RDBStorage, tmp_path: Path
) -> None:
    running.engine.dispose()
    _deleted(tmp_path / "studies.db")
    with pytest.raises(StorageError, match=r"studies\.db: it is gone, or cannot be opened"):
        study_names(running)
    assert not (tmp_path / "studies.db").exists()


def test_a_write_ahead_log_of_another_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    path.write_bytes(b"SQLite format 3\x00" + bytes([16, 0, 2, 2]) + bytes([255]) * 12000)
    with pytest.raises(StorageError) as caught:
        open_storage(storage_url(str(path), tmp_path))
    line = str(caught.value)
    assert "damaged" in line or "file is not a database" in line
    assert len(line.splitlines()) == 1


# Waiting


@contextmanager
def locked(path: Path, seconds: float, how: str = "IMMEDIATE") -> Iterator[None]:
    """Another program that locks the database, for writing or for reading too (``EXCLUSIVE``).

    For so many seconds at most: it ends with the block.
    """
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(path)
        other.execute(f"BEGIN {how}")
        taken.set()
        over.wait(seconds)
        other.rollback()
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_locked_storage_is_waited_for_and_that_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "studies.db"
    url = storage_url(str(path), tmp_path)
    told = {"patience": 60, "say": said.append, "said_after": 0.3}
    with opened_storage(url, create=True, **told) as storage:
        save_study(storage, "a", {"question": "?"})
        trial = create_trial(storage, "a", {}, {}, {})
        with locked(path, 0.9):
            finish_trial(storage, trial, "COMPLETE", 0.5, {"seconds": 1.0})
        (row,) = read_trials(storage, "a")
    assert (row.state, row.value, row.attributes) == ("COMPLETE", 0.5, {"seconds": 1.0})
    expected = f"Waiting for the storage {path}: another program has it locked; 60 s at most"
    assert said == [expected]


@pytest.mark.slow
@pytest.mark.parametrize("create", [False, True], ids=["reader", "run"])
def test_a_storage_without_a_log_is_waited_for_as_it_is_opened(
    create: bool, tmp_path: Path
) -> None:
    """As a finished run leaves it."""
    url, path = storage_url(None, tmp_path), tmp_path / "studies.db"
    with opened_storage(url, create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        settle(storage)
    with locked(path, 0.7, "EXCLUSIVE"), opened_storage(url, create=create) as found:
        assert study_names(found) == ["a"]


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_for_a_locked_storage(running: RDBStorage, tmp_path: Path) -> None:
    with locked(tmp_path / "studies.db", 3.0):
        began = time.monotonic()
        with caught_signals() as caught:
            threading.Timer(0.3, lambda: caught.append(2)).start()
            with pytest.raises(InterruptedRunError):
                create_trial(running, "a", {}, {}, {})
        assert time.monotonic() - began < 2.5
    signals.forget()
    create_trial(running, "a", {}, {}, {})
    assert len(read_trials(running, "a")) == 2


# PostgreSQL


@pytest.mark.slow
def test_a_lock_whose_connection_was_cut_is_noticed(database_server: postgres.Server) -> None:
    url = database_server.fresh()
    with opened_storage(url) as storage:
        save_study(storage, "a", {"question": "?"})
        with lock(storage, "a") as held:
            held.check()
            assert database_server.cut(url) >= 1
            with pytest.raises(StorageError) as caught:
                held.check()
        assert len(str(caught.value).splitlines()) == 1
        assert postgres.PASSWORD not in str(caught.value)
        assert study_names(storage) == ["a"]  # the pool has made new connections
        with lock(storage, "a") as held:
            held.check()


@pytest.mark.slow
def test_a_lock_that_is_lost_is_not_taken_for_held(database_server: postgres.Server) -> None:
    """A connection that is replaced without a word holds no lock."""
    url = database_server.fresh()
    with opened_storage(url) as storage, opened_storage(url) as second:
        save_study(storage, "a", {"question": "?"})
        with lock(storage, "a") as held:
            database_server.cut(url)
            with pytest.raises(StorageError):
                held.check()
            with lock(second, "a") as other:
                other.check()
                with pytest.raises(StorageError, match="the connection that held study a is lost"):
                    held.check()


@pytest.mark.slow
@pytest.mark.parametrize("pressed", [False, True], ids=["patience", "ctrl-c"])
def test_a_server_that_does_not_answer_is_not_waited_for_without_end(pressed: bool) -> None:
    said: list[str] = []
    told = {"patience": 60.0 if pressed else 2.0, "say": said.append, "said_after": 0.5}
    with postgres.server() as server, opened_storage(server.fresh(), **told) as storage:
        save_study(storage, "a", {"question": "?"})
        server.freeze()
        began = time.monotonic()
        try:
            with caught_signals() as caught:
                if pressed:
                    threading.Timer(0.5, lambda: caught.append(2)).start()
                expected = InterruptedRunError if pressed else StorageError
                with pytest.raises(expected) as ended:
                    study_names(storage)
            assert time.monotonic() - began < 30
        finally:
            signals.forget()
            server.freeze(signal.SIGCONT)
        if not pressed:
            assert "the database server is gone or does not answer" in str(ended.value)
            assert len(str(ended.value).splitlines()) == 1
            assert said[0].startswith(
                "Waiting for the storage postgresql+psycopg://crnn:***@/test_0"
            )
        assert study_names(storage) == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/test", "/none_such"), 'database "none_such'),
        (("crnn:", "nobody:"), 'role "nobody" does not exist'),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line(
    change: tuple[str, str], said: str, database_server: postgres.Server
) -> None:
    url = database_server.fresh().replace(*change)
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=True)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert postgres.PASSWORD not in str(caught.value)


def test_a_host_that_is_not_there_is_one_line() -> None:
    url = f"postgresql+psycopg://crnn:{postgres.PASSWORD}@no-such-host.invalid/db"
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=True)
    assert "no-such-host.invalid/db: cannot open the storage: " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert postgres.PASSWORD not in str(caught.value)
