"""Studies whose outcome is a mean over the last reports: run, changed, searched, reported."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest

from ablation.design.loading import build
from ablation.objective import LastReports, mean_of_last
from ablation.report.analysis import Analysis
from ablation.report.build import build_report
from ablation.report.data.loading import load_study, load_trials
from ablation.report.data.study_table import StudyTable
from ablation.running.launch import launch
from ablation.running.request import Request
from ablation.scheduling.source import Progress
from ablation.storage import StorageError, TrialRow, opened_storage, read_trials, storage_url
from tests.helpers.commands import cli
from tests.helpers.made import tiny
from tests.helpers.made.studies import document
from tests.helpers.made.tiny import edited

SPACE: dict[str, Any] = {
    "format": 1,
    "question": "How does one get down?",
    "objective": "tests.helpers.valley:objective",
    "design": "one-factor",
    "seeds": 3,
    "margin": 0.01,
    "outcome": {"over_last": 3},
    "factors": {"rate": [0.05, 0.2]},
}
SEARCH: dict[str, Any] = {
    **{key: value for key, value in SPACE.items() if key != "seeds"},
    "design": "search",
    "baseline": {"steps": 9},
    "factors": {"rate": {"low": 0.01, "high": 0.5, "log": True}},
    "search": {
        "trials": 12,
        "training": {"steps": 6},
        "pruner": {"name": "median", "n_startup_trials": 2, "n_warmup_steps": 2},
    },
    "confirm": {"top": 1, "seeds": 2, "path_seeds": 0},
}


def run(folder: Path, space: Mapping[str, Any] = SPACE, **options: Any) -> Progress:
    """Train a study of a valley in this process."""
    plan = build("valley", document(dict(space)))
    url = storage_url(None, folder)
    request = Request(plan, "valley", url, folder, executor="debug", **options)
    return launch(request, lambda study: nullcontext(lambda event: None), lambda line: None)


def rows(folder: Path, study: str = "valley") -> list[TrialRow]:
    with opened_storage(storage_url(None, folder)) as storage:
        return read_trials(storage, study)


def table(folder: Path) -> StudyTable:
    with opened_storage(storage_url(None, folder)) as storage:
        return load_study(storage, "valley")


def report(folder: Path) -> list[str]:
    with opened_storage(storage_url(None, folder)) as storage:
        return build_report(storage, "valley", folder, lambda line: None, figures=False).answer


def last(row: TrialRow, count: int) -> float:
    """The mean over a trial's last reports, added up here."""
    return fmean(epoch["height"] for epoch in row.attributes["history"][-count:])


def test_the_value_of_a_trial_is_the_mean_of_its_last_reports(tmp_path: Path) -> None:
    run(tmp_path)
    for row in rows(tmp_path):
        assert row.value == last(row, 3) != last(row, 1)
        assert row.attributes["decided_by"] == {"figure": "height", "over_last": 3}


@pytest.mark.slow
def test_tables_have_the_outcome_and_the_last_epoch(tmp_path: Path) -> None:
    run(tmp_path)
    report(tmp_path)
    trials = pd.read_csv(tmp_path / "valley" / "trials.csv")
    stored = rows(tmp_path)
    assert sorted(trials["outcome"]) == sorted(last(row, 3) for row in stored)
    assert sorted(trials["height"]) == sorted(last(row, 1) for row in stored)
    assert list(load_trials(storage_url(None, tmp_path), "valley").columns) == list(trials.columns)
    by_arm = trials.groupby("arm")["outcome"].mean()
    effects = pd.read_csv(tmp_path / "valley" / "effects.csv").set_index("arm")
    assert effects["val_mean"].to_dict() == pytest.approx(by_arm.to_dict())
    text = (tmp_path / "valley" / "report.md").read_text(encoding="utf-8")
    assert "Mean height of the last 3 epochs decides." in text
    assert "effect, last epoch alone" in text


@pytest.mark.slow
def test_the_answer_says_what_decides(tmp_path: Path) -> None:
    run(tmp_path)
    assert "Mean height of the last 3 epochs decides." in report(tmp_path)


@pytest.mark.slow
def test_without_the_section_nothing_is_added(tmp_path: Path) -> None:
    run(tmp_path, {key: value for key, value in SPACE.items() if key != "outcome"})
    said = report(tmp_path)
    assert not any("decides" in line for line in said)
    assert "outcome" not in pd.read_csv(tmp_path / "valley" / "trials.csv")
    assert all("decided_by" not in row.attributes for row in rows(tmp_path))


@pytest.mark.slow
def test_trainings_of_one_step_run_and_it_is_said(tmp_path: Path) -> None:
    run(tmp_path, {**SPACE, "baseline": {"steps": 1}})
    said = report(tmp_path)
    assert "Trainings have 1 epoch, so its value decides" in " ".join(said)
    assert "outcome" not in pd.read_csv(tmp_path / "valley" / "trials.csv")
    assert all(row.value == last(row, 1) for row in rows(tmp_path))


@pytest.mark.slow
def test_an_outcome_that_changes_before_a_look_is_computed_anew(tmp_path: Path) -> None:
    run(tmp_path)
    stored = rows(tmp_path)
    changed = {**SPACE, "outcome": {"over_last": 2}}
    run(tmp_path, changed)
    assert [row.value for row in rows(tmp_path)] == [row.value for row in stored]
    shown = table(tmp_path).trials.set_index("number")["value"]
    assert shown.to_dict() == {row.number: last(row, 2) for row in stored}
    run(tmp_path, {**SPACE, "outcome": {}})
    shown = table(tmp_path).trials.set_index("number")["value"]
    assert shown.to_dict() == {row.number: last(row, 1) for row in stored}


@pytest.mark.slow
def test_an_outcome_that_changes_after_a_look_is_another_study(tmp_path: Path) -> None:
    run(tmp_path)
    report(tmp_path)
    with pytest.raises(StorageError, match=r"outcome\.over_last: was 3, is 2"):
        run(tmp_path, {**SPACE, "outcome": {"over_last": 2}})


@pytest.mark.slow
def test_a_search_compares_means_pruned_or_not(tmp_path: Path) -> None:
    run(tmp_path, SEARCH, confirm=False)
    by_state: dict[str, list[TrialRow]] = {}
    for row in rows(tmp_path):
        by_state.setdefault(row.state, []).append(row)
    assert by_state["COMPLETE"]
    assert by_state["PRUNED"]
    for row in by_state["COMPLETE"]:
        assert row.value == last(row, 2)
    for row in by_state["PRUNED"]:
        history = row.attributes["history"]
        count = min(2, len(history))
        assert row.value == mean_of_last(history, "height", LastReports(count, 3))
    assert any(len(row.attributes["history"]) > 1 for row in by_state["PRUNED"])


@pytest.mark.slow
def test_a_confirmation_takes_the_whole_number(tmp_path: Path) -> None:
    run(tmp_path, SEARCH)
    for row in rows(tmp_path, "valley.confirm"):
        assert row.value == last(row, 3)
    study = Analysis(table(tmp_path))
    assert (study.table.over_last, study.main.table.over_last) == (2, 3)
    report(tmp_path)
    trials = pd.read_csv(tmp_path / "valley" / "trials.csv")
    done = trials[trials["state"] == "COMPLETE"]
    assert done["outcome"].notna().all()
    assert done["height"].notna().all()


AVERAGED = edited(
    tiny.SPACE,
    ("epochs      = 4", "epochs = 4\naveraging = 0.9"),
    (
        "[factors]",
        '[outcome]\nof = "ema_val_accuracy"\nover_last = 3\nalso = ["val_accuracy"]\n[factors]',
    ),
)


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_averaged_weights_decide_over_epochs_whatever_was_killed(
    full_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(AVERAGED, encoding="utf-8")
    words = ["run", "tiny.toml", *tiny.options(full_data), "--jobs", "1"]
    for folder in ("undisturbed", "killed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tiny.toml").write_text(AVERAGED, encoding="utf-8")
    answer = cli.run(*words, cwd=tmp_path / "undisturbed")
    assert answer.code == 0, answer.err
    process = cli.start(*words, cwd=tmp_path / "killed")
    tiny.wait_for_epoch(process, 3)
    os.killpg(process.pid, signal.SIGKILL)
    cli.finish(process)
    assert cli.run(*words, cwd=tmp_path / "killed").code == 0
    names = ("trials.csv", "epochs.csv", "effects.csv", "secondary.csv")
    same, other = (
        tiny.tables(tmp_path / folder / "results", names=names, but=("fused",))
        for folder in ("undisturbed", "killed")
    )
    assert same == other
    trials, epochs = (
        pd.read_csv(tmp_path / "killed" / "results" / "tiny" / name)
        for name in ("trials.csv", "epochs.csv")
    )
    late = epochs[epochs["epoch"] > 1].groupby("number")
    means = late[["ema_val_accuracy", "val_accuracy"]].mean()
    trials = trials.set_index("number")
    assert trials["outcome"].to_dict() == pytest.approx(means["ema_val_accuracy"].to_dict())
    beside = pd.read_csv(tmp_path / "killed" / "results" / "tiny" / "secondary.csv")
    own = means["val_accuracy"].groupby(trials["arm"], sort=False).mean()
    assert list(beside["mean"]) == pytest.approx(list(own))
    effects = pd.read_csv(tmp_path / "killed" / "results" / "tiny" / "effects.csv")
    tested = trials.groupby("arm", sort=False)["ema_test_accuracy"].mean()
    assert list(effects["test_mean"]) == pytest.approx(list(tested))
