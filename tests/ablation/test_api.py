"""Studies from Python, in the words of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import ablation
from ablation import UserError, effects, load_trials, run_study
from ablation.report.data.csv_file import csv_text
from tests.ablation.running.test_executors import SPACE
from tests.helpers.commands import cli
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import ONE_FACTOR, document, outcome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(ONE_FACTOR, encoding="utf-8")
    return tmp_path


def played() -> PlayedExecutor:
    """Trains nothing: the accuracies are made up."""
    from ablation.running.messages import TrialOutcome

    return PlayedExecutor(lambda job: [TrialOutcome(*outcome(task)) for task in job.tasks])


@pytest.mark.slow
def test_a_study_from_python_is_that_of_the_command_line(
    folder: Path, full_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.WAY, "lean")
    words = {"results": folder, "data": full_data, "say": lambda line: None}
    done = run_study(folder / "tiny.toml", executor=played(), **words)  # type: ignore[arg-type]
    assert (done.complete, done.wanted) == (6, 6)
    trials, found = load_trials("tiny", results=folder), effects(results=folder)
    answer = cli.call("report", "tiny", "--results", str(folder))
    assert answer.code == 0, answer.err
    assert csv_text(trials) == (folder / "tiny" / "trials.csv").read_text(encoding="utf-8")
    assert csv_text(found) == (folder / "tiny" / "effects.csv").read_text(encoding="utf-8")
    again = load_trials(str(folder / "tiny" / "trials.csv"))
    assert list(again["val_accuracy"]) == list(trials["val_accuracy"])
    more = run_study(folder / "tiny.toml", executor=played(), seeds=3, **words)  # type: ignore[arg-type]
    assert (more.complete, more.wanted) == (9, 9)


@pytest.mark.slow
def test_any_objective_is_trained_from_python(folder: Path) -> None:
    space = folder / "valley.toml"
    space.write_text(document(SPACE), encoding="utf-8")
    events: list[str] = []
    done = run_study(space, results=folder, jobs=2, on_event=lambda e: events.append(e.what))
    assert done.complete == 8
    assert events.count("ended") == 8


def test_what_is_wrong_is_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match="no such space; did you mean"):
        run_study("quik", results=folder)
    with pytest.raises(UserError, match="no such storage"):
        effects("tiny", results=folder / "none")
    with pytest.raises(TypeError, match="sedes"):
        run_study(folder / "tiny.toml", results=folder, sedes=3)


def test_names_that_are_not_there_are_not_made_up() -> None:
    with pytest.raises(AttributeError, match="no attribute 'efects'"):
        _ = ablation.efects
