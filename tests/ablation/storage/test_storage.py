"""The Optuna storage, held against what Optuna itself reads from it."""

from __future__ import annotations

import gc
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from sqlalchemy.dialects import mysql, postgresql

from ablation.folders import ENVIRONMENT_VARIABLE
from ablation.storage import (
    Holder,
    StorageError,
    copy_study,
    create_trial,
    delete_study,
    display_url,
    finish_trial,
    holder,
    lock,
    open_storage,
    opened_storage,
    read_trials,
    reported_steps,
    save_study,
    sqlite_file,
    storage_url,
    study_attributes,
    study_names,
    url_of,
)
from ablation.storage.trials import deletion_of_waiting, drop_waiting_attributes
from tests.helpers import postgres
from tests.helpers.made.studies import new_storage

PARAMS = {"hidden_size": 128, "dropout": 0.15, "padding": "source"}
DISTRIBUTIONS = {
    "hidden_size": IntDistribution(1, 4096),
    "dropout": FloatDistribution(0.0, 0.95),
    "padding": CategoricalDistribution(["source", "matched"]),
}
ODD_NAMES = ["two words.db", "größe 数.db", "100%25.db", "a?b=c#d.db", "{x}&{}.db", "a:b@c+d.db"]


def add_trial(storage: RDBStorage, study: str = "a", **attributes: Any) -> int:
    return create_trial(storage, study, PARAMS, dict(DISTRIBUTIONS), attributes)


def fill(storage: RDBStorage, study: str = "a") -> None:
    """A study with a trial in every state."""
    save_study(storage, study, {"question": "Größer?", "seeds": [0, 1], "nested": {"a": [1.5]}})
    done, failed, pruned = (add_trial(storage, study, arm=f"arm {n}", seed=n) for n in range(3))
    for trial_id in (done, pruned):
        storage.set_trial_intermediate_value(trial_id, 1, 0.5)
    storage.set_trial_intermediate_value(done, 2, 0.625)
    history = [{"epoch": 1, "val_loss": 0.1 + 0.2}, {"epoch": 2, "val_loss": 1e-17}]
    finish_trial(storage, done, "COMPLETE", 0.8125, {"history": history, "note": 'ü "\n'})
    finish_trial(storage, failed, "FAIL", attributes={"failure": "ValueError: x"})
    finish_trial(storage, pruned, "PRUNED", 0.5)
    add_trial(storage, study, arm="running", seed=None)


@pytest.mark.parametrize(("dialect", "name"), [(mysql, "`key`"), (postgresql, "key")])
def test_the_name_of_a_column_is_quoted_where_it_is_a_word(dialect: Any, name: str) -> None:
    text = str(deletion_of_waiting(1, ["arm"]).compile(dialect=dialect.dialect()))
    assert f"trial_user_attributes.{name} IN" in text


def assert_read_as_optuna_reads(storage: RDBStorage, study: str = "a") -> None:
    rows = read_trials(storage, study)
    trials = optuna.load_study(study_name=study, storage=storage).get_trials()
    assert [row.number for row in rows] == [trial.number for trial in trials]
    for row, trial in zip(rows, trials, strict=True):
        assert row.trial_id == trial._trial_id
        assert row.state == trial.state.name
        assert row.value == (trial.values[0] if trial.values else None)
        assert row.attributes == trial.user_attrs
        assert (row.started, row.finished) == (trial.datetime_start, trial.datetime_complete)
        assert reported_steps(storage, row.trial_id) == set(trial.intermediate_values)


# Where a storage is


def test_a_storage_is_a_url_a_file_the_environment_or_in_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert storage_url("postgresql://host/db", tmp_path) == "postgresql://host/db"
    assert sqlite_file(storage_url(None, tmp_path)) == tmp_path / "studies.db"
    assert sqlite_file(storage_url("other.db", tmp_path)) == Path.cwd() / "other.db"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "postgresql://host/shared")
    assert storage_url(None, tmp_path) == "postgresql://host/shared"
    assert sqlite_file(storage_url("other.db", tmp_path)) == Path.cwd() / "other.db"
    assert sqlite_file("postgresql://host/db") is None


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / name
    new_storage(tmp_path).engine.dispose()
    path.parent.mkdir()
    (tmp_path / "studies.db").rename(path)
    opened = open_storage(storage_url(str(path), tmp_path))
    save_study(opened, "a", {})
    with lock(opened, "a"):
        assert holder(opened, "a")
    again = open_storage(url_of(opened))  # as a worker is given it
    assert study_names(again) == ["a"]
    assert display_url(url_of(again)) == str(path)
    for each in (opened, again):
        each.engine.dispose()
    assert sorted(p.name for p in path.parent.iterdir()) == sorted([name, f"{name}.a.lock"])


def test_writers_and_readers_do_not_lock_each_other_out(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for it" / "studies.db"
    new = open_storage(storage_url(str(path), tmp_path), create=True)
    with new.engine.connect() as connection:
        pragmas = [
            connection.execute(sqlalchemy.text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous")
        ]
    new.engine.dispose()
    assert pragmas == ["wal", 1]


# Studies and trials


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_one_that_several_make_at_once_serves_them_all(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = storage_url(None, tmp_path)
    if kind == "postgresql":
        server: postgres.Server = request.getfixturevalue("database_server")
        server.execute("CREATE DATABASE at_once")
        url = server.url("at_once")
    together = threading.Barrier(6)

    def names() -> list[str]:
        together.wait()
        with opened_storage(url, create=True) as opened:
            return study_names(opened)

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(names) for _ in range(6)]
    assert [reader.result() for reader in readers] == [[]] * 6


def test_trials_are_read_as_optuna_reads_them(storage: RDBStorage) -> None:
    fill(storage)
    save_study(storage, "other", {})
    add_trial(storage, "other", arm="of another study")
    assert_read_as_optuna_reads(storage)
    assert_read_as_optuna_reads(storage, "other")


def test_a_trial_is_created_whole(storage: RDBStorage) -> None:
    save_study(storage, "a", {})
    before = datetime.now()
    trial_id = add_trial(storage, arm="baseline", seed=3)
    trial = optuna.load_study(study_name="a", storage=storage).trials[0]
    assert trial._trial_id == trial_id
    assert (trial.number, trial.state.name) == (0, "RUNNING")
    assert (trial.params, trial.distributions) == (PARAMS, DISTRIBUTIONS)
    assert trial.user_attrs == {"arm": "baseline", "seed": 3}
    assert trial.datetime_start is not None
    assert before <= trial.datetime_start <= datetime.now()


def test_only_the_attributes_asked_for_are_read(storage: RDBStorage) -> None:
    fill(storage)
    rows = read_trials(storage, "a", ("seed", "failure", "none such"))
    assert [row.attributes for row in rows] == [
        {"seed": 0}, {"seed": 1, "failure": "ValueError: x"}, {"seed": 2}, {"seed": None},
    ]  # fmt: skip
    assert read_trials(storage, "no such study") == []


def test_a_study_has_its_attributes_and_its_place(storage: RDBStorage) -> None:
    save_study(storage, "b", {"question": "Größer?", "seeds": [0]})
    save_study(storage, "a", {})
    save_study(storage, "b", {"seeds": [0, 1]})
    assert study_names(storage) == ["b", "a"]
    assert study_attributes(storage, "b") == {"question": "Größer?", "seeds": [0, 1]}
    assert study_attributes(storage, "none") == {}
    direction = optuna.load_study(study_name="b", storage=storage).direction
    assert direction == optuna.study.StudyDirection.MAXIMIZE
    fill(storage, "c")
    delete_study(storage, "b")
    assert study_names(storage) == ["a", "c"]


def test_optunas_own_tools_work(storage: RDBStorage, tmp_path: Path) -> None:
    fill(storage)
    study = optuna.load_study(study_name="a", storage=storage)
    assert study.best_value == 0.8125
    frame = study.trials_dataframe()
    assert frame["params_dropout"].tolist() == [0.15] * 4
    assert frame["user_attrs_seed"].tolist()[:3] == [0, 1, 2]
    other = f"sqlite:///{tmp_path}/optuna.db"
    optuna.copy_study(from_study_name="a", from_storage=storage, to_storage=other)
    assert len(optuna.load_study(study_name="a", storage=other).trials) == 4


# What cannot be opened


def message(url: str, *, create: bool = False) -> str:
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=create)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "studies.db"
    expected = f"{path}: no such storage; start with: python -m ablation run SPACE"
    assert message(storage_url(str(path), tmp_path)) == expected
    assert not path.parent.exists()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, and long enough to be looked at" * 100, encoding="utf-8")
    for create in (False, True):
        found = message(storage_url(str(path), tmp_path), create=create)
        assert found == f"{path}: cannot open the storage: file is not a database"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = tmp_path / "file" / "studies.db"
    found = message(storage_url(str(path), tmp_path), create=True)
    assert found.startswith(f"{tmp_path / 'file'}")
    assert found.endswith("; choose another --results")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*psycopg.Connection.*still open:ResourceWarning")
def test_a_database_of_another_optuna(storage: RDBStorage) -> None:
    with storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = 'v9.9.9'"))
    assert "no longer compatible with the table schema" in message(url_of(storage))
    gc.collect()  # Optuna leaves the connection open that it has refused


def test_options_in_an_sqlite_url_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="an SQLite URL with options is not taken"):
        storage_url("sqlite:///file:a/studies.db?uri=true", tmp_path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_storage_in_memory_is_refused(url: str) -> None:
    assert message(url, create=True).endswith("workers do not see a storage in memory; give a file")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql+psycopg://me:s3cret@127.0.0.1:1/db",
            "postgresql+psycopg://me:***@127.0.0.1:1/db: cannot open the storage: connection ",
        ),
        (
            "postgresql+psycopg://127.0.0.1:1/db?user=me&password=s3cret",
            "postgresql+psycopg://127.0.0.1:1/db?user=me: cannot open the storage: connection ",
        ),
        ("nonsense://me:s3cret@host/db", "nonsense://me:***@host/db: cannot open the storage: "),
        ("mysql://me:s3cret@host/db", "mysql://me:***@host/db: Failed to import"),
        ("post gres://me:s3cret@host/db", "--storage: cannot open the storage: "),
        ("postgresql://me:s3cret@x:y@host/db", "--storage: not a URL; in a password write @ as"),
    ],
)
def test_a_url_that_cannot_be_opened_is_shown_without_its_password(url: str, expected: str) -> None:
    found = message(url, create=True)
    assert found.startswith(expected)
    assert "s3cret" not in found


# Locks


HOLDER = """
import sys, time
from ablation.storage import lock, open_storage
storage = open_storage(sys.argv[1])
with lock(storage, "a"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(storage: RDBStorage) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds study a."""
    words = [sys.executable, "-c", HOLDER, url_of(storage)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(words, cwd=root, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def assert_locks_out_until_killed(storage: RDBStorage, patience: float = 0) -> None:
    """`patience`: seconds that a server may take to see that a process has died."""
    with held_elsewhere(storage) as process:
        named = rf"^study a is being run by process {process.pid} on {os.uname().nodename}; wait or"
        for _ in range(2):  # being refused does not make the holder forgotten
            with pytest.raises(StorageError, match=named), lock(storage, "a"):
                pytest.fail("two processes hold one study")
            assert holder(storage, "a")
        with lock(storage, "b"):  # another study is free
            assert holder(storage, "b")
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + patience
        while holder(storage, "a") and time.monotonic() < deadline:
            time.sleep(0.02)
        with lock(storage, "a"):
            assert holder(storage, "a")


def assert_free_again_after_an_error(storage: RDBStorage) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), lock(storage, "a"):
            raise KeyError
        assert not holder(storage, "a")


def test_one_process_holds_a_study_until_it_ends(storage: RDBStorage) -> None:
    assert not holder(storage, "a")
    server = sqlite_file(url_of(storage)) is None
    assert_locks_out_until_killed(storage, patience=10 if server else 0)
    assert_free_again_after_an_error(storage)


def test_one_process_does_not_hold_a_study_twice(storage: RDBStorage) -> None:
    with lock(storage, "a"):
        mine = f"process {os.getpid()} on"
        with pytest.raises(StorageError, match=mine), lock(storage, "a"):
            pytest.fail("held twice")
        assert holder(storage, "a")


@pytest.mark.parametrize(
    ("written", "certain"),
    [
        ("", None),
        (f"process {os.getpid()} on {os.uname().nodename}", True),
        (f"process 4194305 on {os.uname().nodename}", None),  # beyond Linux's largest
        ("process 4194305 on another-machine", False),  # nothing is known of it from here
    ],
    ids=["never run", "this process", "a dead process", "elsewhere"],
)
def test_who_may_be_running_a_study(
    written: str, certain: bool | None, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    (tmp_path / "studies.db.a.lock").write_text(written, encoding="utf-8")
    found = holder(sqlite_storage, "a")
    assert found == (None if certain is None else Holder(written, certain))


# Copies


def assert_same_study(one: RDBStorage, other: RDBStorage, study: str = "a") -> None:
    """Everything that Optuna knows of a study, the trials' ids aside."""
    studies = [optuna.load_study(study_name=study, storage=storage) for storage in (one, other)]
    assert studies[0].user_attrs == studies[1].user_attrs
    assert studies[0].directions == studies[1].directions
    for trials in zip(studies[0].trials, studies[1].trials, strict=True):
        known = [vars(trial) for trial in trials]
        for trial in known:
            del trial["_trial_id"]
        assert known[0] == known[1]


@pytest.mark.parametrize("name", ["other.db", "größe, in %20.db"])
def test_a_copy_is_whole(name: str, storage: RDBStorage, tmp_path: Path) -> None:
    fill(storage)
    folder = tmp_path / "to take along"
    folder.mkdir()
    new_storage(folder).engine.dispose()
    (folder / "studies.db").rename(folder / name)  # as it makes one half a second faster
    url = storage_url(str(folder / name), tmp_path)
    copy_study("a", url_of(storage), url)
    copied = open_storage(url)
    assert study_names(copied) == ["a"]
    assert_same_study(storage, copied)
    copied.engine.dispose()


@pytest.mark.slow
def test_a_copy_replaces_only_when_told_to(storage: RDBStorage, tmp_path: Path) -> None:
    fill(storage)
    target = storage_url(str(tmp_path / "made" / "new.db"), tmp_path)
    copy_study("a", url_of(storage), target)
    add_trial(storage, arm="later", seed=9)
    with pytest.raises(StorageError, match=r"new\.db has a study a already; --replace it"):
        copy_study("a", url_of(storage), target)
    copied = open_storage(target)
    assert len(read_trials(copied, "a")) == 4
    copy_study("a", url_of(storage), target, replace=True)
    assert study_names(copied) == ["a"]
    assert_same_study(storage, copied)
    copied.engine.dispose()


@pytest.mark.slow
def test_a_copy_that_breaks_off_leaves_what_was_there(
    storage: RDBStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage)
    (tmp_path / "other").mkdir()
    other = new_storage(tmp_path / "other")
    copy_study("a", url_of(storage), url_of(other))
    whole = optuna.copy_study

    def broken_off(**words: Any) -> None:
        whole(**words)
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna, "copy_study", broken_off)
    with pytest.raises(KeyboardInterrupt):
        copy_study("a", url_of(storage), url_of(other), replace=True)
    assert_same_study(storage, other)
    monkeypatch.undo()
    copy_study("a", url_of(storage), url_of(other), replace=True)
    assert study_names(other) == ["a"]
    other.engine.dispose()


def test_a_copy_onto_itself_loses_nothing(storage: RDBStorage) -> None:
    fill(storage)
    before = [row.attributes for row in read_trials(storage, "a")]
    copy_study("a", url_of(storage), url_of(storage), replace=True)
    assert [row.attributes for row in read_trials(storage, "a")] == before
    assert study_attributes(storage, "a")["question"] == "Größer?"


def test_a_study_that_is_being_run_is_not_replaced(storage: RDBStorage, tmp_path: Path) -> None:
    fill(storage)
    (tmp_path / "other").mkdir()
    other = new_storage(tmp_path / "other")
    save_study(other, "a", {"question": "Another?"})
    with lock(other, "a"), pytest.raises(StorageError, match="is being run by process"):
        copy_study("a", url_of(storage), url_of(other), replace=True)
    assert study_attributes(other, "a") == {"question": "Another?"}
    other.engine.dispose()


def test_a_copy_of_no_study_makes_nothing(storage: RDBStorage, tmp_path: Path) -> None:
    fill(storage, "source")
    target = tmp_path / "made" / "new.db"
    where = re.escape(display_url(url_of(storage)))
    expected = f"{where} has no study sorce; did you mean source\\? Valid: source"
    with pytest.raises(StorageError, match=expected):
        copy_study("sorce", url_of(storage), storage_url(str(target), tmp_path))
    with pytest.raises(StorageError, match="no such storage"):
        copy_study("a", storage_url(str(tmp_path / "none.db"), tmp_path), f"sqlite:///{target}")
    assert not target.parent.exists()


# What must be mended outside


def test_a_storage_that_another_program_keeps_locked_says_so(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    url = storage_url(str(path), tmp_path)
    with opened_storage(url, create=True, patience=0.2) as storage:
        save_study(storage, "a", {})
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            StorageError, match=r"studies\.db: another program has kept it locked for 0\.2 s"
        ):
            save_study(storage, "b", {})
        assert study_names(storage) == ["a"]  # a writer locks no reader out
        other.rollback()
        other.close()
        save_study(storage, "b", {})
        assert study_names(storage) == ["a", "b"]


def test_a_damaged_storage_says_so(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with opened_storage(storage_url(str(path), tmp_path), create=True) as storage:
        save_study(storage, "a", {"question": "x" * 20_000})
        with storage.engine.connect() as connection:
            connection.execute(sqlalchemy.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    content = bytearray(path.read_bytes())
    content[8192:] = bytes([255]) * (len(content) - 8192)  # all but the first pages
    path.write_bytes(content)
    with (
        pytest.raises(StorageError, match=r"studies\.db: .*(malformed|damaged)"),
        opened_storage(storage_url(str(path), tmp_path)) as storage,
    ):
        study_attributes(storage, "a")


# PostgreSQL


@pytest.mark.slow
def test_a_lock_holds_no_transaction_open(database_server: postgres.Server) -> None:
    with opened_storage(database_server.fresh()) as there, lock(there, "a"):
        query = sqlalchemy.text(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
            " AND datname = current_database()"
        )
        with there.engine.connect() as connection:
            assert connection.execute(query).scalar() == 0


@pytest.mark.slow
def test_a_study_goes_to_postgresql_and_back(
    database_server: postgres.Server, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    url = database_server.fresh()
    assert postgres.PASSWORD not in display_url(url)
    fill(sqlite_storage)
    copy_study("a", url_of(sqlite_storage), url)
    with pytest.raises(StorageError, match="has a study a already") as caught:
        copy_study("a", url_of(sqlite_storage), url)
    assert postgres.PASSWORD not in str(caught.value)
    add_trial(sqlite_storage, arm="later", seed=9)
    copy_study("a", url_of(sqlite_storage), url, replace=True)
    back = storage_url(str(tmp_path / "back.db"), tmp_path)
    copy_study("a", url, back)
    with opened_storage(url) as there, opened_storage(back) as returned:
        assert study_names(there) == ["a"]
        assert_same_study(sqlite_storage, there)
        assert_same_study(sqlite_storage, returned)


def test_only_what_waits_loses_attributes(tmp_path: Path) -> None:
    storage = new_storage(tmp_path)
    for study in ("a", "b"):
        fill(storage, study)
        loaded = optuna.load_study(study_name=study, storage=storage)
        loaded.enqueue_trial({}, user_attrs={"arm": "mine", "note": "kept"})
    before = [storage.get_all_trials(storage.get_study_id_from_name(name)) for name in "ab"]
    drop_waiting_attributes(storage, "a", ["arm", "seed"])
    after = [storage.get_all_trials(storage.get_study_id_from_name(name)) for name in "ab"]
    assert after[0][-1].user_attrs == {"note": "kept"}
    assert [after[0][:-1], after[1]] == [before[0][:-1], before[1]]
    storage.engine.dispose()
