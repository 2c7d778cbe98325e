"""Commands for studies take the file of a space, too: its study is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablation.storage import opened_storage, storage_url, study_names
from tests.helpers.commands import cli
from tests.helpers.made.studies import ONE_FACTOR, STUDY, begin, finished_study, record

DONE = "6 of 6 trials are complete."


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space file in the working directory, and a finished study of it in `results`."""
    monkeypatch.chdir(tmp_path)
    finished_study(tmp_path / "results").engine.dispose()
    path = Path("tiny.toml")
    path.write_text(ONE_FACTOR, encoding="utf-8")
    return path


def longer(study: str) -> None:
    """Begin a study of the same space with another number of epochs."""
    with opened_storage(storage_url(None, Path("results"))) as storage:
        begin(storage, record(), study)


def rename(study: str) -> None:
    with (
        opened_storage(storage_url(None, Path("results"))) as storage,
        storage.engine.begin() as db,
    ):
        db.exec_driver_sql(f"UPDATE studies SET study_name = '{study}'")


@pytest.mark.parametrize("given", ["tiny.toml", "./tiny.toml", "elsewhere/tiny.toml"])
def test_the_study_of_a_file_is_meant(given: str, file: Path) -> None:
    assert cli.call("status", given).out.splitlines()[-1] == DONE
    assert cli.call("status", given).out == cli.call("status", STUDY).out


def test_as_json_there_is_nothing_else(file: Path) -> None:
    file.write_text(ONE_FACTOR.replace("seeds  = 2", "seeds = 3"), encoding="utf-8")
    assert json.loads(cli.call("status", str(file), "--json").out)["study"] == STUDY


def test_that_the_file_has_changed_is_told(file: Path) -> None:
    file.write_text(ONE_FACTOR.replace("seeds  = 2", "seeds = 3"), encoding="utf-8")
    assert "tiny.toml has changed since" in cli.call("status", str(file)).out
    assert "tiny.toml has changed since" in cli.call("report", str(file), "--table", "md").out
    assert "has changed" not in cli.call("status", STUDY).out


def test_a_study_of_the_file_under_another_name(file: Path) -> None:
    rename("tiny-epochs2")
    told = cli.call("status", str(file)).out
    assert told.startswith("The study of tiny.toml: tiny-epochs2\n")
    assert told.endswith(f"{DONE}\n")


def test_others_of_the_file_are_named_beside_its_own(file: Path) -> None:
    longer("tiny-epochs9")
    assert "Also of tiny.toml: tiny-epochs9\n" in cli.call("status", str(file)).out


def test_which_of_several_is_for_the_user_to_say(file: Path) -> None:
    rename("tiny-epochs2")
    longer("tiny-epochs9")
    answer = cli.call("report", str(file))
    assert answer.code == 2
    assert "are of it: tiny-epochs2, tiny-epochs9; name one" in answer.err


@pytest.mark.parametrize("words", [["status"], ["report"], ["dashboard"], ["copy"]])
def test_a_file_that_nothing_has_been_made_of(words: list[str], file: Path) -> None:
    other = file.with_name("other.toml")
    more = ["a.db"] if words == ["copy"] else []
    answer = cli.call(*words, str(other), *more)
    assert answer.code == 2
    assert "other.toml: no such file, and no study other in " in answer.err
    other.write_text(ONE_FACTOR, encoding="utf-8")
    answer = cli.call(*words, str(other), *more)
    assert answer.code == 2
    assert "other.toml: no study of it in " in answer.err
    assert answer.err.rstrip().endswith(" run other.toml")


def test_a_study_that_is_called_like_a_file(file: Path) -> None:
    rename("tiny.toml")
    longer("tiny")
    assert cli.call("status", "tiny.toml").out.splitlines()[-1] == DONE


def test_it_is_copied_by_the_file(file: Path) -> None:
    assert cli.call("copy", str(file), "copy.db").out.startswith("Copied tiny to ")
    with opened_storage(storage_url("copy.db", Path())) as storage:
        assert study_names(storage) == [STUDY]
