"""A report, or a note, that is behind its storage is built again, whatever ended the last one."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna_dashboard import get_note, save_note

from ablation.dashboard.renewal import renew_pages
from ablation.dashboard.state import KEY, behind
from ablation.dashboard.study_page import refresh
from ablation.folders import confirm_name
from ablation.report import mark
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.storage import copy_study, open_storage, storage_url, url_of
from ablation.storage.studies import fingerprint
from tests.helpers.commands import cli
from tests.helpers.made.studies import (
    ONE_FACTOR,
    SEARCH,
    STUDY,
    begin,
    designed,
    end,
    record,
    run_all,
)

pytestmark = pytest.mark.usefixtures("lean")


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(ONE_FACTOR, encoding="utf-8")
    return path


@pytest.fixture
def stored(default_storage: str, tmp_path: Path) -> Iterator[RDBStorage]:
    """The storage of commands with this results folder."""
    opened = open_storage(storage_url(None, tmp_path / "results"), create=True)
    yield opened
    opened.engine.dispose()


def run(space: Path, folder: Path, *words: str) -> cli.Answer:
    return cli.call("run", str(space), "--results", str(folder / "results"), *words)


def page(folder: Path) -> str:
    return (folder / "results" / STUDY / "report.md").read_text(encoding="utf-8")


def note_of(storage: RDBStorage) -> str:
    return str(get_note(optuna.load_study(study_name=STUDY, storage=storage)))


def test_a_report_of_an_earlier_state_is_built_again(
    stored: RDBStorage, space: Path, tmp_path: Path
) -> None:
    run_all(designed(stored), 3)
    assert cli.call("report", STUDY, "--results", str(tmp_path / "results")).code == 0
    assert "3 of 6 trials" in page(tmp_path)
    run_all(designed(stored))  # a run that was ended before its report
    answer = run(space, tmp_path)
    assert "Nothing to do: 6 of 6" in answer.out
    assert "Writing the report" in answer.out
    assert "6 of 6 trials" in page(tmp_path)
    before = cli.files(tmp_path)
    again = run(space, tmp_path)
    assert "Writing the report" not in again.out
    assert cli.files(tmp_path) == before


@pytest.mark.slow
def test_more_seeds_in_the_storage_than_in_the_report(
    stored: RDBStorage, space: Path, tmp_path: Path
) -> None:
    run_all(designed(stored))
    run(space, tmp_path)
    run_all(designed(stored, record(seeds=(0, 1, 2))))
    assert "Writing the report" in run(space, tmp_path, "--seeds", "3").out
    assert "9 of 9 trials" in page(tmp_path)
    told = run(space, tmp_path).out
    assert "Nothing to do: 6 of 6 trials with these seeds, of 9 in the study, are complete." in told


HALF = """
import os, signal, sys
import ablation.report.write as module
import study
from ablation.cli.app import Tools
def stopped(folder, kept):
    os.kill(os.getpid(), signal.SIGKILL)
module._remove_stale = stopped
sys.argv = ["study.py", *sys.argv[1:]]
study.main(Tools(figures=False))
"""


@pytest.mark.slow
def test_a_report_that_a_kill_ended_is_built_again(
    stored: RDBStorage, space: Path, tmp_path: Path
) -> None:
    run_all(designed(stored))
    run(space, tmp_path)
    (tmp_path / "results" / STUDY / "effects.csv").write_text("old", encoding="utf-8")
    words = ["report", STUDY, "--results", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, "-c", HALF, *words], cwd=cli.ROOT, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "Writing the report" in run(space, tmp_path).out


@pytest.mark.slow
def test_a_report_that_a_full_disk_ended_is_built_again(
    stored: RDBStorage, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(designed(stored))
    run(space, tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report.html")

    with monkeypatch.context() as patched:
        patched.setattr("ablation.report.page.html", full)
        answer = cli.call("report", STUDY, "--results", str(tmp_path / "results"))
    assert answer.code == 2
    assert "No space left" in answer.err
    assert "Writing the report" in run(space, tmp_path).out


@pytest.mark.slow
def test_two_storages_with_one_results_folder(
    stored: RDBStorage, space: Path, tmp_path: Path
) -> None:
    other = storage_url(str(tmp_path / "other.db"), tmp_path)
    run_all(designed(stored))
    copy_study(STUDY, url_of(stored), other)
    assert "Writing the report" in run(space, tmp_path).out
    assert "Writing the report" not in run(space, tmp_path, "--storage", other).out  # the same
    third = open_storage(storage_url(str(tmp_path / "third.db"), tmp_path), create=True)
    run_all(designed(third))
    third.engine.dispose()
    assert "Writing the report" in run(space, tmp_path, "--storage", str(tmp_path / "third.db")).out
    assert "Writing the report" in run(space, tmp_path).out


@pytest.mark.parametrize("damage", ["", "[]", "\xff", "{"])
def test_a_mark_that_is_none_is_no_current_one(damage: str, tmp_path: Path) -> None:
    assert not mark.is_current(tmp_path, "a")
    mark.write(tmp_path, "a")
    assert mark.is_current(tmp_path, "a")
    assert not mark.is_current(tmp_path, "b")
    (tmp_path / mark.NAME).write_bytes(damage.encode("latin-1"))
    assert not mark.is_current(tmp_path, "a")


def test_what_a_fingerprint_depends_on(storage: RDBStorage) -> None:
    source = designed(storage)
    seen = [fingerprint(storage, STUDY)]
    task = source.next()
    assert task
    seen.append(fingerprint(storage, STUDY))
    end(source, task)
    seen.append(fingerprint(storage, STUDY))
    begin(storage, record(seeds=(0, 1, 2)))
    seen.append(fingerprint(storage, STUDY))
    assert len(set(seen)) == len(seen)
    study_id = storage.get_study_id_from_name(STUDY)
    storage.set_study_user_attr(study_id, "looks", [1])
    assert fingerprint(storage, STUDY) == seen[-1]


def test_a_searchs_fingerprint_has_what_confirms_it(storage: RDBStorage) -> None:
    search = begin(storage, record(f"{SEARCH}[confirm]\ntop = 1\nseeds = 2\n"))
    run_all(SearchSource(storage, STUDY, search))
    before = fingerprint(storage, STUDY)
    wanted = confirmation(storage, STUDY, search, search)
    assert wanted
    begin(storage, wanted, confirm_name(STUDY))
    begun = fingerprint(storage, STUDY)
    run_all(DesignedSource(storage, confirm_name(STUDY), wanted, wanted.stages), 1)
    assert len({before, begun, fingerprint(storage, STUDY)}) == 3


# The note in optuna-dashboard


@pytest.fixture
def behind_its_trials(stored: RDBStorage) -> RDBStorage:
    """A study that has ended, with a note of before that."""
    run_all(designed(stored), 3)
    refresh(stored, STUDY)
    assert behind(stored, STUDY) == ""
    run_all(designed(stored))
    assert "3 of 6 trials finished." in note_of(stored)
    assert behind(stored, STUDY) == STUDY
    return stored


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "report"])
def test_a_note_that_is_behind_is_renewed(
    command: str, behind_its_trials: RDBStorage, space: Path, tmp_path: Path
) -> None:
    words = {"run": ["run", str(space)], "report": ["report", STUDY]}
    answer = cli.call(*words[command], "--results", str(tmp_path / "results"))
    assert answer.code == 0, answer.err
    assert "6 of 6 trials finished." in note_of(behind_its_trials)
    assert behind(behind_its_trials, STUDY) == ""


@pytest.mark.slow
def test_a_dashboard_renews_the_notes_that_are_behind_before_it_serves(
    behind_its_trials: RDBStorage, tmp_path: Path
) -> None:
    process = cli.start("dashboard", "--port", "0", cwd=tmp_path)
    try:
        assert process.stdout
        assert process.stdout.readline().startswith("optuna-dashboard: http://")
        assert "6 of 6 trials finished." in note_of(behind_its_trials)
        assert behind(behind_its_trials, STUDY) == ""
    finally:
        process.send_signal(signal.SIGINT)
        cli.finish(process)


@pytest.mark.slow
def test_a_note_of_somebody_else_is_left_alone(
    behind_its_trials: RDBStorage, space: Path, tmp_path: Path
) -> None:
    save_note(optuna.load_study(study_name=STUDY, storage=behind_its_trials), "Mine.")
    run(space, tmp_path)
    assert note_of(behind_its_trials) == "Mine."


def test_why_a_note_cannot_be_renewed_is_told_and_nothing_else_depends_on_it(
    behind_its_trials: RDBStorage,
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("made\nup")

    said: list[str] = []
    renew_pages(behind_its_trials, STUDY, said.append, refresh=fail)
    assert said == ["optuna-dashboard lacks the study's note and graphs (made up)"]
    assert behind(behind_its_trials, STUDY) == STUDY


def test_the_pages_of_an_earlier_version_are_no_readers_to_renew(stored: RDBStorage) -> None:
    run_all(designed(stored))
    renew_pages(stored, STUDY, print, unmarked=False)
    study_id = stored.get_study_id_from_name(STUDY)
    assert KEY not in stored.get_study_system_attrs(study_id)
