"""A storage beside its run: copied as a file, or read by somebody who may not write it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ablation.storage import (
    ReadOnlyError,
    copy_study,
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
from tests.helpers.commands import cli
from tests.helpers.made.studies import finished_study, new_storage

ROOT = os.geteuid() == 0


def url_in(folder: Path) -> str:
    return storage_url(str(folder / "studies.db"), folder)


def journal_mode(path: Path) -> str:
    """The mode that is written into the file itself."""
    return "wal" if path.read_bytes()[18:20] == b"\x02\x02" else "rollback"


def values_in_file_alone(path: Path) -> list[float | None]:
    """The values of the trials in the file, copied without what lies beside it."""
    with TemporaryDirectory() as name:
        shutil.copy(path, name)
        with opened_storage(url_in(Path(name))) as copied:
            return [row.value for row in read_trials(copied, "a")]


# The file alone


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "with a dashboard"])
def test_each_trial_that_has_ended_is_in_the_file(watched: bool, tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with opened_storage(url_in(tmp_path), create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        if watched:
            dashboard = open_storage(url_in(tmp_path))
            assert study_names(dashboard) == ["a"]
        for place in range(3):
            trial = create_trial(storage, "a", {}, {}, {"seed": place})
            finish_trial(storage, trial, "COMPLETE", place / 4)
            assert values_in_file_alone(path) == [n / 4 for n in range(place + 1)]
        save_study(storage, "a", {"looks": [3]})
        settle(storage)
        assert values_in_file_alone(path) == [0, 0.25, 0.5]
        if watched:
            dashboard.engine.dispose()


@pytest.mark.slow
def test_trials_that_a_reader_keeps_out_of_the_file_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "studies.db"
    with opened_storage(url_in(tmp_path), create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM trials").fetchone()
            finish_trial(storage, create_trial(storage, "a", {}, {}, {}), "COMPLETE", 0.5)
            settle(storage, said.append, tries=2)
            reader.rollback()
        assert len(said) == 1
        assert said[0].startswith(f"Another program is reading {path}, so that some trials are in ")
        settle(storage, said.append)
    assert len(said) == 1
    assert values_in_file_alone(path) == [0.5]


def test_at_the_end_the_file_is_as_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with opened_storage(url_in(tmp_path), create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        assert journal_mode(path) == "wal"
        settle(storage)
    assert journal_mode(path) == "rollback"
    before = path.read_bytes()
    with opened_storage(url_in(tmp_path)) as storage:
        assert study_names(storage) == ["a"]
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["studies.db"]


KILLED = """
import os, signal, sys
from ablation.storage import create_trial, finish_trial, open_storage, save_study
storage = open_storage(sys.argv[1], create=True)
save_study(storage, "a", {"question": "?"})
for place in range(8):
    finish_trial(storage, create_trial(storage, "a", {}, {}, {}), "COMPLETE", place / 8)
create_trial(storage, "a", {}, {}, {})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a storage whose run was killed after eight trials; not to be opened."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, url_in(folder)], cwd=cli.ROOT, check=False)
    assert (folder / "studies.db-wal").stat().st_size
    return folder


def test_the_file_of_a_killed_run_has_what_had_ended(killed: Path) -> None:
    assert values_in_file_alone(killed / "studies.db")[:8] == [n / 8 for n in range(8)]


# Somebody else's


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A folder of somebody else's that everybody may read; pytest's own lets no other user in."""
    with TemporaryDirectory(prefix="crnn-theirs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def closed(folder: Path, *, shared: bool = False) -> Path:
    """The folder, whose files others may read from now on; in a shared one they may make some."""
    for path in folder.iterdir():
        path.chmod(0o644 if ROOT else 0o444)
    folder.chmod(0o777 if shared else 0o755 if ROOT else 0o555)
    return folder


@contextmanager
def nobody() -> Iterator[None]:
    """This process as another user, where it is root; else the folder's mode keeps it out."""
    if not ROOT:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "shared",
    [
        pytest.param(False, id="their folder"),
        pytest.param(True, id="a shared folder", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("left", ["settled", "wal", "killed", "killed without -shm", "running"])
def test_a_storage_that_cannot_be_written_is_read(
    left: str, shared: bool, killed: Path, theirs: Path, tmp_path: Path
) -> None:
    if left.startswith("killed"):
        shutil.copytree(killed, theirs, dirs_exist_ok=True)
        if left != "killed":
            (theirs / "studies.db-shm").unlink()
    else:
        storage = new_storage(theirs)
        save_study(storage, "a", {"question": "?"})
        for place in range(8):
            finish_trial(storage, create_trial(storage, "a", {}, {}, {}), "COMPLETE", place / 8)
        if left == "settled":
            settle(storage)
        if left != "running":
            storage.engine.dispose()
    before = listing(closed(theirs, shared=shared))
    target = storage_url(str(tmp_path / "copy.db"), tmp_path)
    with nobody(), opened_storage(url_in(theirs)) as found:
        assert study_names(found) == ["a"]
        assert [row.value for row in read_trials(found, "a")][:8] == [n / 8 for n in range(8)]
        if left != "killed without -shm":  # a copy, which is written for nobody
            with pytest.raises(ReadOnlyError, match="it cannot be written"):
                save_study(found, "b", {})
    assert listing(theirs) == before
    copy_study("a", url_in(theirs), target)
    with opened_storage(target) as copied:
        assert len(read_trials(copied, "a")) >= 8
    if left == "running":
        storage.engine.dispose()


def test_a_lock_file_that_cannot_be_written_is_named(theirs: Path) -> None:
    with opened_storage(url_in(theirs), create=True) as storage:
        save_study(storage, "a", {"question": "?"})
        (theirs / "studies.db.a.lock").touch(mode=0o444)
        with (
            nobody(),
            pytest.raises(ReadOnlyError, match=r"studies\.db\.a\.lock: Permission denied; a run"),
            lock(storage, "a"),
        ):
            pytest.fail("held")


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize("left", ["settled", "wal"])
def test_every_command_reads_a_storage_that_cannot_be_written(left: str, theirs: Path) -> None:
    storage = finished_study(theirs)
    if left == "settled":
        settle(storage)
    storage.engine.dispose()
    with TemporaryDirectory(prefix="crnn-mine-") as name:
        mine = Path(name)
        mine.chmod(0o777)
        shutil.copytree(theirs, mine / "before")  # loads what the other user may not load
        commands = (["status", "tiny"], ["plan", "quick"], ["report", "tiny"],
                    ["copy", "tiny", str(mine / "copy.db"), "--replace"])  # fmt: skip
        for words in commands:
            own = ["--storage", str(mine / "before" / "studies.db"), "--results", f"{mine}/first"]
            assert cli.call(*words, *own).code == 0
        for path in mine.glob("copy.db*"):
            path.unlink()
        before = listing(closed(theirs))
        own = ["--storage", str(theirs / "studies.db"), "--results", str(mine)]
        with nobody():
            status, plan, report, copied = (cli.call(*words, *own) for words in commands)
            with pytest.raises(ReadOnlyError, match=r"studies\.db: it cannot be written"):
                open_storage(url_in(theirs), create=True)  # as a run does
    for answer in (status, plan, report, copied):
        assert answer.code == 0, answer.err
    assert "6 of 6 trials are complete." in status.out
    assert "This look at 6 finished trials could not be noted in the study. " in report.out
    assert listing(theirs) == before
