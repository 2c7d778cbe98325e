"""Looks: each stage counts those at which its verdicts were produced, and every output says so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna_dashboard import get_note

from ablation.dashboard.study_page import refresh
from ablation.design.loading import build
from ablation.folders import confirm_name
from ablation.report.data.loading import load_study
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.storage import save_study, study_attributes, url_of
from ablation.storage.record import Record, find_record, load_record
from tests.helpers.commands import cli
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import SEARCH, STUDY, begin, end, record, run_all

pytestmark = pytest.mark.usefixtures("lean")

CONFIRM = f"{SEARCH}[confirm]\ntop = 2\nseeds = 3\n"
NAME = confirm_name(STUDY)
TWICE = "Look 2, error rate not controlled: verdicts"


def search_with(storage: RDBStorage, path_seeds: int) -> Record:
    """The search, which has run, with so many seeds for its path."""
    plan = build("tiny", f"{CONFIRM}path_seeds = {path_seeds}\n")
    return begin(storage, replace(record(CONFIRM), plan=plan))


def whole_search(storage: RDBStorage) -> Record:
    """A search that has run to its end, with three seeds for its path."""
    search = search_with(storage, 3)
    run_all(SearchSource(storage, STUDY, search))
    return search


def go_on(storage: RDBStorage, search: Record, limit: int | None = None) -> None:
    """Train (made up) what the confirmation and then its path lack."""
    for _ in range(2):
        wanted = confirmation(storage, STUDY, search, search)
        assert wanted is not None
        begin(storage, wanted, NAME)
        run_all(DesignedSource(storage, NAME, wanted, wanted.stages), limit)


@pytest.fixture
def confirmed(storage: RDBStorage) -> RDBStorage:
    """A storage with a search, its confirmation and a path over three seeds."""

    def fill() -> None:
        search = whole_search(storage)
        go_on(storage, search)

    prepared(storage, ("looks",), fill)
    return storage


def report(storage: RDBStorage, folder: Path, *words: str) -> str:
    answer = cli.call(
        "report", STUDY, *words, "--storage", url_of(storage), "--results", str(folder)
    )
    assert answer.code == 0, answer.err
    return re.sub(r"\s+", " ", answer.out)


def arms_of_path(storage: RDBStorage) -> int:
    path = load_record(storage, NAME).path
    assert path is not None
    return len(path.arms)


@pytest.mark.slow
def test_a_path_raised_to_more_seeds_is_looked_at_twice(
    confirmed: RDBStorage, tmp_path: Path
) -> None:
    arms = arms_of_path(confirmed)
    assert "error rate" not in report(confirmed, tmp_path)
    found = load_record(confirmed, NAME)
    assert (found.looks, found.path_looks) == ((12,), (3 * arms,))
    go_on(confirmed, search_with(confirmed, 6))
    said = report(confirmed, tmp_path)
    found = load_record(confirmed, NAME)
    assert (found.looks, found.path_looks) == ((12,), (3 * arms, 6 * arms))
    sentence = f"{TWICE} on the path were produced at {3 * arms} and {6 * arms} finished trials."
    assert sentence in said
    assert sentence in report(confirmed, tmp_path, "--table", "md")
    assert sentence in report(confirmed, tmp_path, "--table", "tex")
    for name in ("report.md", "effects.tex"):
        assert sentence in " ".join((tmp_path / STUDY / name).read_text("utf-8").split()), name
    report(confirmed, tmp_path)
    assert load_record(confirmed, NAME).path_looks == (3 * arms, 6 * arms)  # the same data


@pytest.mark.slow
def test_the_dashboards_note_and_graphs_count_as_a_look(confirmed: RDBStorage) -> None:
    arms = arms_of_path(confirmed)
    refresh(confirmed, NAME)
    assert load_record(confirmed, NAME).path_looks == (3 * arms,)
    go_on(confirmed, search_with(confirmed, 6))
    refresh(confirmed, NAME)
    assert load_record(confirmed, NAME).path_looks == (3 * arms, 6 * arms)
    for study in (STUDY, NAME):
        opened = optuna.load_study(study_name=study, storage=confirmed)
        assert f"{TWICE} on the path were produced" in get_note(opened), study


def test_a_searchs_own_note_counts_the_verdicts_that_it_repeats(confirmed: RDBStorage) -> None:
    refresh(confirmed, STUDY)
    found = load_record(confirmed, NAME)
    assert (found.looks, found.path_looks) == ((12,), (3 * arms_of_path(confirmed),))


@pytest.mark.slow
def test_a_path_that_is_under_way_has_no_verdict_and_no_look(
    storage: RDBStorage, tmp_path: Path
) -> None:
    search = whole_search(storage)
    wanted = confirmation(storage, STUDY, search, search)
    assert wanted is not None
    begin(storage, wanted, NAME)
    run_all(DesignedSource(storage, NAME, wanted, wanted.stages))
    begun = confirmation(storage, STUDY, search, search)
    assert begun is not None
    begin(storage, begun, NAME)
    source = DesignedSource(storage, NAME, begun, begun.stages)
    run_all(source, 2 * arms_of_path(storage))
    report(storage, tmp_path)
    refresh(storage, NAME)
    found = load_record(storage, NAME)
    assert (found.looks, found.path_looks) == ((12,), ())
    run_all(source)
    report(storage, tmp_path)
    assert load_record(storage, NAME).path_looks == (3 * arms_of_path(storage),)


def as_before(storage: RDBStorage) -> None:
    """The confirmation as an earlier version stored it: one list of looks."""
    found = study_attributes(storage, NAME)
    study = storage.get_study_id_from_name(NAME)
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(
            f"DELETE FROM study_user_attributes WHERE study_id = {study} AND key = 'path_looks'"
        )
    save_study(storage, NAME, {"looks": [12]})
    assert "path_looks" in found
    assert "path_looks" not in study_attributes(storage, NAME)


@pytest.mark.slow
def test_a_finished_path_of_an_earlier_version_has_been_looked_at(
    confirmed: RDBStorage, tmp_path: Path
) -> None:
    as_before(confirmed)
    arms = arms_of_path(confirmed)
    main = load_study(confirmed, STUDY).confirmation
    assert main is not None
    assert main.path is not None
    assert (main.looks, main.path.looks) == ((12,), ())  # the confirmation's are not the path's
    go_on(confirmed, search_with(confirmed, 6))
    assert load_record(confirmed, NAME).path_looks == (3 * arms,)
    assert f"{TWICE} on the path were" in report(confirmed, tmp_path)
    as_before(confirmed)
    report(confirmed, tmp_path)
    assert load_record(confirmed, NAME).path_looks == (6 * arms,)


@pytest.mark.slow
def test_a_path_of_an_earlier_version_that_never_ended_was_not_looked_at(
    storage: RDBStorage,
) -> None:
    search = whole_search(storage)
    go_on(storage, search, 12)  # the confirmation, and a part of the path
    as_before(storage)
    wanted = confirmation(storage, STUDY, search_with(storage, 6), search)
    assert wanted is not None
    assert wanted.path_looks == ()


@pytest.mark.slow
def test_more_seeds_of_a_confirmation_are_a_look_of_its_own_stage(
    storage: RDBStorage, tmp_path: Path
) -> None:
    search = whole_search(storage)
    for count in (None, 5):
        wanted = confirmation(storage, STUDY, search, search, count)
        assert wanted is not None
        begin(storage, wanted, NAME)
        run_all(DesignedSource(storage, NAME, wanted, wanted.stages))
        refresh(storage, NAME)
    said = report(storage, tmp_path)
    assert f"{TWICE} were produced at 12 and 20 finished trials." in said
    found = find_record(storage, NAME)
    assert found is not None
    assert (found.looks, found.path_looks) == ((12, 20), ())


@pytest.mark.slow
def test_failures_are_an_end_of_a_path_and_no_part_of_its_looks(confirmed: RDBStorage) -> None:
    search = search_with(confirmed, 6)
    wanted = confirmation(confirmed, STUDY, search, search)
    assert wanted is not None
    begin(confirmed, wanted, NAME)
    source = DesignedSource(confirmed, NAME, wanted, wanted.stages)
    task = source.next()
    assert task is not None
    end(source, task, "FAIL")
    run_all(source)
    refresh(confirmed, NAME)
    arms = arms_of_path(confirmed)
    assert load_record(confirmed, NAME).path_looks[-1] == 6 * arms - 1
