"""Studies that another program renamed or deleted: found by what they are, told where they went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation import run_study
from ablation.dashboard.study_page import refresh
from ablation.folders import confirm_name, study_name
from ablation.report.data.loading import load_study
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.storage import (
    StorageError,
    copy_study,
    lock,
    open_storage,
    read_trials,
    storage_url,
    study_names,
    url_of,
)
from ablation.storage.record import load_record
from ablation.storage.studies import confirmation_of, confirmed_by, confirming, unless_gone
from tests.helpers.commands import cli
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, new_storage, record, run_all

CONFIRMED = f"{SEARCH}[confirm]\ntop = 1\nseeds = 2\npath_seeds = 0\n"


def rename(storage: RDBStorage, old: str, new: str) -> None:
    """As optuna-dashboard does."""
    query = "UPDATE studies SET study_name = :new WHERE study_name = :old"
    with storage.engine.begin() as connection:
        assert connection.execute(sqlalchemy.text(query), {"old": old, "new": new}).rowcount == 1


def confirmed(storage: RDBStorage, **more: Any) -> None:
    """A search that has been confirmed, in a storage that was empty."""
    prepared(storage, ("confirmed", str(more)), lambda: confirm(storage, STUDY, **more))


def confirm(storage: RDBStorage, study: str, **more: Any) -> None:
    """A search and its confirmation, to the end."""
    search = begin(storage, record(CONFIRMED, **more), study)
    run_all(SearchSource(storage, study, search))
    wanted = confirmation(storage, study, search, search)
    assert wanted
    begin(storage, wanted, confirm_name(study))
    run_all(DesignedSource(storage, confirm_name(study), wanted, wanted.stages))


@pytest.fixture
def stored(default_storage: str, tmp_path: Path) -> Iterator[RDBStorage]:
    """The storage of commands with this results folder."""
    if default_storage == "sqlite":
        (tmp_path / "results").mkdir()
        opened = new_storage(tmp_path / "results")
    else:
        opened = open_storage(storage_url(None, tmp_path / "results"), create=True)
    yield opened
    opened.engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"identity": "a"}, {}])
def test_a_renamed_search_keeps_its_confirmation(more: dict[str, str], stored: RDBStorage) -> None:
    confirmed(stored, **more)
    assert confirmation_of(stored, STUDY) == "tiny.confirm"
    rename(stored, STUDY, "old")
    assert confirmation_of(stored, "old") == confirming(stored, "old") == "tiny.confirm"
    table = load_study(stored, "old")
    assert table.confirmation
    assert len(table.confirmation.trials) == 6
    search = load_record(stored, "old")
    wanted = confirmation(stored, "old", search, search)
    assert wanted
    assert wanted.plan.arms == load_record(stored, "tiny.confirm").plan.arms


@pytest.mark.slow
def test_a_renamed_confirmation_is_found(stored: RDBStorage) -> None:
    confirmed(stored, identity="a")
    rename(stored, "tiny.confirm", "fresh seeds")
    assert confirmation_of(stored, STUDY) == "fresh seeds"
    assert confirmed_by(stored, "fresh seeds") == STUDY
    assert load_study(stored, STUDY).confirmation
    refresh(stored, "fresh seeds")


@pytest.mark.slow
def test_a_copy_takes_a_renamed_confirmation_with_it(stored: RDBStorage, tmp_path: Path) -> None:
    confirmed(stored, identity="a")
    rename(stored, STUDY, "a search/of mine")
    rename(stored, "tiny.confirm", "fresh seeds")
    target = tmp_path / "copy.db"
    answer = cli.call(
        *("copy", "a search/of mine", str(target), "--results", str(tmp_path / "results"))
    )
    assert answer.code == 0, answer.err
    copied = open_storage(storage_url(str(target), tmp_path))
    assert confirmation_of(copied, "a search/of mine") == "fresh seeds"
    assert load_study(copied, "a search/of mine").confirmation
    copied.engine.dispose()


def copied(source: RDBStorage, target: RDBStorage) -> None:
    copy_study(STUDY, url_of(source), url_of(target), replace=True, confirmation=confirmation_of)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[RDBStorage]:
    """Another storage, which a study is copied to."""
    (tmp_path / "target").mkdir()
    opened = new_storage(tmp_path / "target")
    yield opened
    opened.engine.dispose()


def test_a_copy_replaces_no_study_that_is_called_as_its_confirmation(
    stored: RDBStorage, target: RDBStorage
) -> None:
    confirmed(stored, identity="a")
    rename(stored, "tiny.confirm", "mine")
    run_all(designed(target, study="mine"))
    with pytest.raises(StorageError, match="has another study mine, as the confirmation of tiny"):
        copied(stored, target)
    assert study_names(target) == ["mine"]
    assert len(read_trials(target, "mine")) == 6


@pytest.mark.slow
def test_a_copy_replaces_the_confirmation_of_what_was_there_whatever_it_is_called(
    stored: RDBStorage, target: RDBStorage
) -> None:
    confirmed(target, identity="b")
    rename(target, "tiny.confirm", "mine")
    run_all(SearchSource(stored, STUDY, begin(stored, record(SEARCH, identity="a"))))
    with lock(target, "mine"), pytest.raises(StorageError, match="study mine is being run by"):
        copied(stored, target)
    copied(stored, target)
    assert study_names(target) == [STUDY]
    assert load_study(target, STUDY).confirmation is None


def test_a_new_search_of_the_old_name_has_a_confirmation_of_its_own(stored: RDBStorage) -> None:
    confirmed(stored, identity="a")
    rename(stored, STUDY, "old")
    begin(stored, record(CONFIRMED, identity="b"))
    assert confirmation_of(stored, STUDY) is None
    assert confirmation_of(stored, "old") == "tiny.confirm"
    with pytest.raises(StorageError, match=r"confirm confirms another search than tiny"):
        confirming(stored, STUDY)


def test_of_two_older_searches_of_the_same_space_none_is_guessed(stored: RDBStorage) -> None:
    confirmed(stored)
    confirm(stored, "second")
    rename(stored, STUDY, "old")
    assert confirmation_of(stored, "second") == "second.confirm"
    rename(stored, "second", "older")
    assert confirmation_of(stored, "old") is None
    assert confirmation_of(stored, "older") is None


def test_a_run_gives_a_study_an_identity(
    full_data: Path, tmp_path: Path, stored: RDBStorage
) -> None:
    words: dict[str, Any] = {"data": full_data, "results": tmp_path / "results"}
    run_study("smoke", executor=PlayedExecutor(), timeout=0.0, **words)
    assert load_record(stored, "smoke").identity


ODD = ["größe 실험", "../out", "a\x1b[31mb"]
AS_ODD = ["my study", "a/b", "x" * 300, "reference", "[red]x[/]"]


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize(
    "name", [*ODD, *(pytest.param(name, marks=pytest.mark.slow) for name in AS_ODD)]
)
def test_a_study_of_any_name_can_be_shown(name: str, stored: RDBStorage, tmp_path: Path) -> None:
    prepared(stored, ("ended",), lambda: run_all(designed(stored)))
    rename(stored, STUDY, name)
    results = tmp_path / "results"
    listed = json.loads(cli.call("status", "--json", "--results", str(results)).out)
    assert [row["study"] for row in listed] == [name]
    assert cli.call("status", "--results", str(results)).code == 0
    found = json.loads(cli.call("status", name, "--json", "--results", str(results)).out)
    assert found["complete"] == 6
    answer = cli.call("report", name, "--results", str(results))
    assert answer.code == 0, answer.err
    assert "\x1b" not in answer.out
    assert (results / study_name(name) / "report.html").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_a_study_that_goes_while_it_runs(how: str, storage: RDBStorage) -> None:
    source = designed(storage)
    run_all(source, 1)
    if how == "deleted":
        optuna.delete_study(study_name=STUDY, storage=storage)
    else:
        rename(storage, STUDY, "old")
    expected = r"study tiny has gone from .*: it was deleted or renamed"
    with pytest.raises(StorageError, match=expected), unless_gone(storage, STUDY):
        run_all(source)


def test_another_key_that_is_missing_is_told_as_it_is(storage: RDBStorage) -> None:
    designed(storage)
    with pytest.raises(KeyError, match="mine"), unless_gone(storage, STUDY):
        raise KeyError("mine")
