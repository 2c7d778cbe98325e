"""Copies of studies: whole or not at all, whatever ends them; a search with its confirmation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation.storage import (
    StorageError,
    copy_study,
    create_trial,
    lock,
    open_storage,
    opened_storage,
    read_trials,
    save_study,
    storage_url,
    study_attributes,
    study_names,
    url_of,
)
from tests.helpers.commands import cli
from tests.helpers.made.studies import new_storage

OLD, NEW = "Which was before?", "Which is now?"
PAIR = ["a", "a.confirm"]


def fill(storage: RDBStorage, question: str, names: list[str], trials: int) -> None:
    """Studies of these names, told from others by their question and number of trials."""
    for name in names:
        save_study(storage, name, {"question": question})
        for seed in range(trials):
            create_trial(storage, name, {}, {}, {"seed": seed})


def found(storage: RDBStorage) -> dict[str, tuple[str, int]]:
    """Question and number of trials of each study that has a name of its own."""
    own = [name for name in study_names(storage) if not name.endswith(")")]
    return {
        name: (study_attributes(storage, name)["question"], len(read_trials(storage, name)))
        for name in sorted(own)
    }


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RDBStorage]:
    (tmp_path / "source").mkdir()
    opened = new_storage(tmp_path / "source")
    yield opened
    opened.engine.dispose()


class EndedError(BaseException):
    """Ends a copy, as a signal does."""


@contextmanager
def ended_at(statement: int) -> Iterator[None]:
    """End whatever writes at its so many-th statement that changes something."""
    seen: list[int] = []

    def count(_connection: object, _cursor: object, text: str, *_: object) -> None:
        if text.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            seen.append(1)
            if len(seen) == statement:
                raise EndedError

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", count)


@pytest.mark.slow
def test_ended_at_any_statement_it_leaves_the_old_pair_or_the_new_one(
    storage: RDBStorage, source: RDBStorage
) -> None:
    fill(source, NEW, PAIR, 1)
    fill(storage, OLD, PAIR, 2)
    old, new = dict.fromkeys(PAIR, (OLD, 2)), dict.fromkeys(PAIR, (NEW, 1))
    ended, statement = 0, 1
    while found(storage) == old:
        with ended_at(statement):
            try:
                copy_study("a", url_of(source), url_of(storage), replace=True)
            except EndedError:
                ended += 1
        assert found(storage) in (old, new)
        statement += 5
    assert ended > 8
    assert found(storage) == new
    assert study_names(storage) == PAIR


@pytest.mark.parametrize("confirmed", ["source", "target"])
def test_a_search_and_its_confirmation_are_replaced_together(
    confirmed: str, storage: RDBStorage, source: RDBStorage
) -> None:
    fill(source, NEW, PAIR if confirmed == "source" else ["a"], 1)
    fill(storage, OLD, ["a"] if confirmed == "source" else PAIR, 2)
    before = found(storage)
    with pytest.raises(StorageError, match="has a study a already; --replace it"):
        copy_study("a", url_of(source), url_of(storage))
    assert found(storage) == before
    copy_study("a", url_of(source), url_of(storage), replace=True)
    assert found(storage) == found(source)


def test_a_confirmation_without_its_search_is_not_removed_unasked(
    storage: RDBStorage, source: RDBStorage
) -> None:
    fill(source, NEW, ["a"], 1)
    fill(storage, OLD, ["a.confirm"], 2)
    with pytest.raises(StorageError, match=r"has a study a\.confirm already; --replace it"):
        copy_study("a", url_of(source), url_of(storage))
    assert found(storage) == {"a.confirm": (OLD, 2)}


def test_other_studies_are_left_alone(storage: RDBStorage, source: RDBStorage) -> None:
    fill(source, NEW, ["a"], 1)
    fill(storage, OLD, ["a", "b"], 2)
    copy_study("a", url_of(source), url_of(storage), replace=True)
    assert found(storage) == {"a": (NEW, 1), "b": (OLD, 2)}


def _symlink(path: Path, other: Path) -> None:
    other.symlink_to(path)


@pytest.mark.parametrize("link", [_symlink, os.link], ids=["symlink", "hard link"])
def test_a_copy_onto_itself_by_another_path_loses_nothing(
    link: Callable[[Path, Path], None], sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    fill(sqlite_storage, OLD, PAIR, 2)
    link(tmp_path / "studies.db", tmp_path / "other.db")
    other = storage_url(str(tmp_path / "other.db"), tmp_path)
    copy_study("a", url_of(sqlite_storage), other, replace=True)
    assert found(sqlite_storage) == dict.fromkeys(PAIR, (OLD, 2))


def test_a_study_that_is_being_run_under_another_path_is_not_replaced(
    sqlite_storage: RDBStorage, source: RDBStorage, tmp_path: Path
) -> None:
    fill(source, NEW, PAIR, 1)
    fill(sqlite_storage, OLD, PAIR, 2)
    (tmp_path / "link.db").symlink_to(tmp_path / "studies.db")
    linked = storage_url(str(tmp_path / "link.db"), tmp_path)
    with lock(sqlite_storage, "a"), pytest.raises(StorageError, match="is being run by process"):
        copy_study("a", url_of(source), linked, replace=True)
    assert found(sqlite_storage) == dict.fromkeys(PAIR, (OLD, 2))


KILLED = """
import os, signal, sys
import sqlalchemy
from ablation.storage import copy_study

seen = []
def kill(connection, cursor, statement, *words):
    seen.append(statement.startswith("UPDATE studies"))
    if sum(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", kill)
copy_study("a", sys.argv[1], sys.argv[2], replace=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("renamed", [1, 2])
def test_killed_while_studies_take_their_places_it_leaves_the_old_ones(
    renamed: int, storage: RDBStorage, source: RDBStorage
) -> None:
    fill(source, NEW, PAIR, 1)
    fill(storage, OLD, PAIR, 2)
    words = [sys.executable, "-c", KILLED, url_of(source), url_of(storage), str(renamed)]
    killed = subprocess.run(words, cwd=cli.ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert found(storage) == dict.fromkeys(PAIR, (OLD, 2))
    copy_study("a", url_of(source), url_of(storage), replace=True)
    assert study_names(storage) == PAIR
    assert found(storage) == found(source)


# The command


def test_a_study_is_fetched_from_another_storage(
    source: RDBStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(source, NEW, PAIR, 1)
    answer = cli.call("copy", "a", "--from", "source/studies.db")
    assert answer.code == 0, answer.err
    own = tmp_path / "results" / "studies.db"
    assert answer.out == f"Copied a to {own}\n"
    with opened_storage(storage_url(str(own), tmp_path)) as copied:
        assert found(copied) == found(source)
    again = cli.call("copy", "a", "third.db", "--from", "source/studies.db")
    assert again.code == 0, again.err
    with opened_storage(storage_url("third.db", tmp_path)) as copied:
        assert found(copied) == found(source)


@pytest.mark.slow
def test_the_reference_studies_are_added_to_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    own = new_storage(tmp_path / "results")
    fill(own, OLD, ["mine"], 1)
    before = (cli.ROOT / "results" / "reference" / "studies.db").read_bytes()
    answer = cli.call("copy", "quick", "--from", "reference")
    assert answer.code == 0, answer.err
    assert study_names(own) == ["mine", "quick"]
    assert study_attributes(own, "mine")["question"] == OLD
    own.engine.dispose()
    assert cli.call("report", "quick", "--table", "md").code == 0
    assert (cli.ROOT / "results" / "reference" / "studies.db").read_bytes() == before


def test_a_copy_names_a_source_or_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli.call("copy", "a")
    assert answer.code == 2
    assert "copy: name the storage to copy to, or with --from the one to copy from" in answer.err


def test_a_document_never_copies_over_a_storage() -> None:
    texts = [*cli.ROOT.glob("*.md"), *cli.ROOT.glob("docs/*.md"), *cli.ROOT.glob("results/**/*.md")]
    assert texts
    for path in texts:
        lines: list[Any] = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "cp " in line and ".db" in line], path


def test_the_copy_of_a_copied_file_is_whole(tmp_path: Path, source: RDBStorage) -> None:
    """What the command leaves can be copied as a file, without what SQLite keeps beside it."""
    fill(source, NEW, PAIR, 3)
    target = tmp_path / "target.db"
    copy_study("a", url_of(source), storage_url(str(target), tmp_path))
    shutil.copy(target, tmp_path / "file.db")
    copied = open_storage(storage_url(str(tmp_path / "file.db"), tmp_path))
    assert found(copied) == found(source)
    copied.engine.dispose()
