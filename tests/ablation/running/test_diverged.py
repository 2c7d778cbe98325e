"""Trainings that diverge: an end of its own in a search, a design and a confirmation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import RDBStorage
from rich.console import Console

from ablation.cli.live_display import Display
from ablation.errors import UserError
from ablation.objective.metric import Metric
from ablation.planning import pace
from ablation.report import mark
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.effects.replicates import best_so_far
from ablation.report.figures.search import draw_history
from ablation.report.search.expected_best import random_draws
from ablation.report.search.trials import finished as counted
from ablation.report.search.trials import unfinished_levels
from ablation.report.sections.search import parts
from ablation.report.text.tables.study import failures_table
from ablation.running.coordinator import Coordinator
from ablation.running.events import Event
from ablation.running.messages import TrainingContext, TrialOutcome
from ablation.running.recording import Recorder
from ablation.running.request import Request, say_what_diverged
from ablation.running.resources import Resources
from ablation.scheduling import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.samplers import value_of_diverged
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Progress, Source, Task
from ablation.storage import finish_trial, url_of
from ablation.storage.attributes import checked_trials
from ablation.storage.record import Record
from ablation.storage.status import status, studies
from ablation.storage.studies import fingerprint
from crnn.network.config import CHANCE
from crnn.objective import objective, own_setting
from crnn.trace.subject import finished
from tests.helpers.commands.cli import call
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import (
    HEAD,
    ONE_FACTOR,
    STUDY,
    begin,
    designed,
    end,
    outcome,
    record,
)

RATES = f"""{HEAD}
design = "search"
[baseline]
learning_rate = 0.01
weight_decay  = 0.0
epochs        = 2
train_size    = 100
[factors]
learning_rate = {{ low = 0.01, high = 10.0, log = true }}
weight_decay  = {{ low = 0.0, high = 10.0 }}
[search]
trials  = 20
sampler = {{ name = "SAMPLER", n_startup_trials = 5 }}
"""
FEW = f"""{HEAD}
design = "search"
[baseline]
epochs     = 2
train_size = 100
[factors]
learning_rate = [0.001, 0.1]
dropout       = [0.25, 0.1]
[search]
trials     = 6
duplicates = "reuse"
sampler    = {{ name = "random" }}
[confirm]
top   = 1
seeds = 2
"""


def diverged(task: Task, epoch: int = 1) -> TrialOutcome:
    """How a worker tells of a divergence, in the first epoch without any history."""
    _, _, attributes = outcome(task)
    reason = f"DivergedError: the loss is nan in epoch {epoch}, batch 1 of 2"
    found = {"device": "cpu", "threads": 1, "fused": 1, "failure": reason, "traceback": reason}
    if epoch > 1:
        found["history"] = attributes["history"][: epoch - 1]
    return TrialOutcome("FAIL", None, {**found, "diverged": epoch})


def train(source: Source, diverges: Callable[[Task], bool], as_before: bool = False) -> list[Task]:
    """Train all, made up; `as_before`: the divergences recorded as failures, as once was."""
    tasks = []
    while task := source.next():
        tasks.append(task)
        if not diverges(task):
            end(source, task)
            continue
        found = diverged(task).attributes
        if as_before:
            finish_trial(source.storage, task.trial_id, "FAIL", attributes=found)  # type: ignore[attr-defined]
            source.progress.count("FAIL", True)
        else:
            source.finish(task, "FAIL", None, found)
    return tasks


def is_fast(task: Task) -> bool:
    return own_setting(task.setting).train.learning_rate > 0.05


def few(storage: RDBStorage) -> tuple[SearchSource, list[Task]]:
    """A search of four settings, of which two diverge in their first epoch."""
    wanted = begin(storage, record(FEW))
    source = SearchSource(storage, STUDY, wanted)
    return source, train(source, is_fast)


# A search


def test_the_value_of_a_diverged_draw() -> None:
    assert value_of_diverged(Metric("x", "x", chance=0.1), [0.05, 0.9]) == 0.1
    assert value_of_diverged(Metric("x", "x"), [0.7, 0.6, 0.9]) == 0.6
    assert value_of_diverged(Metric("x", "x", direction="minimize"), [0.7, 0.6, 0.9]) == 0.9
    assert value_of_diverged(Metric("x", "x"), []) is None


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "most"), [("tpe", 8), ("gp", 4)])
def test_a_sampler_leaves_the_region_that_diverges(
    sqlite_storage: RDBStorage, sampler: str, most: int
) -> None:
    numbers = {}
    for as_before in (True, False):
        wanted = begin(sqlite_storage, record(RATES.replace("SAMPLER", sampler)), f"{as_before}")
        source = SearchSource(sqlite_storage, f"{as_before}", wanted)
        tasks = train(source, is_fast, as_before)
        numbers[as_before] = sum(is_fast(task) for task in tasks[5:])
        assert source.progress.ended == len(tasks) == 20
        assert (source.progress.failed, source.progress.diverged > 0) == (0, True)
    assert numbers[False] <= most < numbers[True]


@pytest.mark.slow
def test_a_diverged_draw_has_the_chance_level_and_counts(storage: RDBStorage) -> None:
    source, tasks = few(storage)
    assert len(tasks) < 6  # the same setting is drawn again
    rows = checked_trials(storage, STUDY)
    bad = [row for row in rows if "diverged" in row.attributes]
    again = [row for row in bad if "duplicate_of" in row.attributes]
    assert bad
    assert again
    for row in bad:
        assert (row.state, row.value, row.attributes["diverged"]) == ("COMPLETE", CHANCE, 1)
        assert "history" not in row.attributes
    assert source.progress == Progress(6, 6 - len(bad), 0, len(bad))
    assert SearchSource(storage, STUDY, record(FEW)).progress == source.progress
    study = optuna.load_study(study_name=STUDY, storage=storage)
    assert all(study.trials[row.number].value == CHANCE for row in bad)


def test_a_diverged_draw_is_in_no_figure_of_a_report(sqlite_storage: RDBStorage) -> None:
    source, _ = few(sqlite_storage)
    table = load_study(sqlite_storage, STUDY)
    bad = table.trials["diverged"].notna()
    assert bad.sum() == source.progress.diverged
    assert table.trials.loc[bad, "value"].isna().all()
    rows = counted(table.trials, table.arms, table.factors)
    assert (rows["value"] > CHANCE).all()
    assert (rows["learning_rate"] == 0.001).all()
    assert (best_so_far(table.trials)["value"] > CHANCE).all()
    absent = unfinished_levels(table.trials, table.arms, table.factors)
    own = int((bad & table.trials["duplicate_of"].isna()).sum())
    assert absent["learning_rate=0.1"] == 0
    lost = unfinished_levels(table.trials, table.arms, table.factors, "DIVERGED")
    assert own <= lost["learning_rate=0.1"] <= bad.sum()
    text = parts(Analysis(table))[0].lines[0]
    assert f"Draws that diverged do not count: {bad.sum()}" in text
    assert "diverged)" in text
    cells = failures_table(table).rows
    assert [cells[0][0], cells[0][2], cells[0][3]] == ["DIVERGED", str(bad.sum()), "0"]
    figure = draw_history(best_so_far(table.trials), table.trials, float("nan"), table.metric)
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert "diverged" in legends


def test_a_diverged_draw_is_never_confirmed(storage: RDBStorage) -> None:
    few(storage)
    rows = checked_trials(storage, STUDY, confirmation.OF_SEARCH)
    found = confirmation.ranked_results(record(FEW), rows)
    assert {own_setting(each.setting).train.learning_rate for each in found} == {0.001}
    begun = confirmation.confirmation(storage, STUDY, record(FEW), record(FEW))
    assert begun is not None
    assert all(own_setting(arm.setting).train.learning_rate == 0.001 for arm in begun.plan.arms)


def test_a_diverged_draw_has_neither_times_nor_weights(storage: RDBStorage) -> None:
    _, tasks = few(storage)
    assert pace.measured_rate(storage, objective).value > 0
    number = next(task.number for task in tasks if is_fast(task))
    with pytest.raises(UserError, match=r"it diverged; choose one that is COMPLETE"):
        finished(storage, f"{STUDY}:{number}")


def test_failed_and_diverged_draws_count_in_the_expected_best() -> None:
    trials = pd.DataFrame(
        {
            "number": range(6),
            "arm": ["baseline", *(f"dropout={x}" for x in range(5))],
            "is_baseline": [True, *[False] * 5],
            "state": ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "PRUNED", "COMPLETE"],
            "value": [0.8, 0.6, None, None, None, 0.9],
            "diverged": pd.array([None, None, None, 2, None, None], dtype="Int64"),
            "chance": CHANCE,
        }
    )
    draws, why = random_draws(trials, "random", 0, {"baseline"})
    assert (list(draws), why) == ([0.6, CHANCE, CHANCE, 0.9], "")


# A design


def test_a_divergence_is_an_end_and_is_not_retried(storage: RDBStorage) -> None:
    source = designed(storage)
    for state in ("COMPLETE", "FAIL"):
        task = source.next()
        assert task
        end(source, task, state)
    task = source.next()
    assert task
    source.finish(task, "FAIL", None, diverged(task, epoch=2).attributes)
    train(source, lambda task: False)
    assert source.progress == Progress(6, 4, 1, 1, remaining_cost=0)
    assert source.progress.all_ended
    row = checked_trials(storage, STUDY)[2]
    assert (row.state, row.attributes["diverged"]) == ("FAIL", 2)
    later = DesignedSource(storage, STUDY, record(), record().stages, retry_failed=True)
    assert (later.progress.failed, later.progress.diverged) == (0, 1)
    assert [task.number for task in train(later, lambda task: False)] == [6]
    assert (later.progress.complete, later.progress.ended) == (5, 6)


def test_a_divergence_of_before_is_an_end_too(storage: RDBStorage) -> None:
    source = designed(storage)
    task = source.next()
    assert task
    found = diverged(task, epoch=2).attributes
    finish_trial(storage, task.trial_id, "FAIL", attributes=_without(found, "diverged"))
    later = DesignedSource(storage, STUDY, record(), record().stages, retry_failed=True)
    assert later.progress.diverged == 1
    assert status(storage, STUDY)["divergences"] == [
        {"number": 0, "arm": "baseline", "seed": 0, "epoch": 2}
    ]


def _without(found: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key}


def test_progress_adds_up() -> None:
    assert Progress(4, 1, 1, 2) + Progress(2, 1, 0, 1) == Progress(6, 2, 1, 3)
    assert Progress(4, 1, 1, 2).all_ended
    assert not Progress(4, 1, 1, 1).all_ended


def test_what_is_not_retried_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    request = Request(record().plan, STUDY, "", tmp_path, retry_failed=True)
    say_what_diverged(request, Progress(4, 2, 0, 2), said.append)
    say_what_diverged(request, Progress(4, 4), said.append)
    assert said == ["2 trainings diverged and would diverge again: not trained again."]


@pytest.mark.slow
def test_status_shows_divergences_apart(storage: RDBStorage) -> None:
    source = designed(storage)
    task = source.next()
    assert task
    source.finish(task, "FAIL", None, diverged(task, epoch=2).attributes)
    train(source, lambda task: False)
    found = status(storage, STUDY)
    assert (found["complete"], found["failed"], found["diverged"]) == (5, 0, 1)
    assert found["waiting"] == 0
    assert found["failures"] == []
    assert found["divergences"] == [{"number": 0, "arm": "baseline", "seed": 0, "epoch": 2}]
    assert studies(storage)[0]["diverged"] == 1


def test_divergences_are_no_failures_alike(sqlite_storage: RDBStorage, tmp_path: Path) -> None:
    source = designed(sqlite_storage)
    told: list[Event] = []
    executor = PlayedExecutor(lambda job: [diverged(task) for task in job.tasks])
    recorder = Recorder(sqlite_storage, STUDY, objective.metric)
    coordinator = Coordinator(
        source, executor, TrainingContext(tmp_path), recorder, Resources(), told.append
    )
    assert coordinator.run() == ""
    assert [event.what for event in told].count("ended") == 6
    assert not coordinator.is_hopeless
    assert source.progress.diverged == 6


def test_the_line_of_a_divergence(sqlite_storage: RDBStorage) -> None:
    source = designed(sqlite_storage)
    task = source.next()
    assert task
    console = Console(width=200, record=True, force_terminal=False)
    with Display(console, STUDY, objective) as display:
        ended = diverged(task, epoch=2)
        source.finish(task, ended.state, ended.value, ended.attributes)
        display(Event("ended", 0, task, source.progress, ended))
    assert "baseline seed 0  diverged in epoch 2  (1/6)" in console.export_text()


@pytest.mark.slow
@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 3)])
def test_a_divergence_alone_is_no_failure_of_the_run(
    failed: int,
    code: int,
    storage: RDBStorage,
    tmp_path: Path,
) -> None:
    space, page = tmp_path / "tiny.toml", tmp_path / "tiny" / "report.html"
    space.write_text(ONE_FACTOR)
    source = designed(storage)
    for _ in range(failed):
        task = source.next()
        assert task
        end(source, task, "FAIL")
    train(source, lambda task: task.arm == "dropout=0.1")
    assert source.progress == Progress(6, 4 - failed, failed, 2, remaining_cost=0)
    page.parent.mkdir()
    page.touch()
    mark.write(page.parent, fingerprint(storage, STUDY))
    words = ["run", str(space), "--results", str(tmp_path), "--storage", url_of(storage)]
    answer = call(*words, "--executor", "debug")
    assert answer.code == code, answer.err
    also = ", 1 failed" if failed else ""
    assert f"{4 - failed} of 6 trials are complete{also}, 2 diverged." in answer.out
    assert "2 diverged; when:" in answer.out


# A confirmation

WAY = FEW.replace("top   = 1", "top   = 2")


def confirming(storage: RDBStorage, diverges: Callable[[Task], bool]) -> Record:
    """A confirmed search, all trainings of the confirmation ended; its record."""
    wanted = begin(storage, record(WAY))
    train(SearchSource(storage, STUDY, wanted), lambda task: False)
    name = f"{STUDY}.confirm"
    begun = confirmation.confirmation(storage, STUDY, wanted, wanted)
    assert begun
    begin(storage, begun, name)
    train(DesignedSource(storage, name, begun, begun.stages), diverges)
    return begun


def test_a_divergence_holds_up_no_path(storage: RDBStorage) -> None:
    begun = confirming(storage, lambda task: task.arm != "baseline" and task.seed == 2)
    later = confirmation.confirmation(storage, STUDY, record(WAY), begun)
    assert later is not None
    assert (later.chosen, later.path is not None) == ("baseline", True)


def test_an_arm_that_diverged_is_not_chosen(storage: RDBStorage) -> None:
    begun = confirming(storage, lambda task: False)
    values = {arm.name: 0.5 + place / 10 for place, arm in enumerate(begun.plan.arms)}
    rows = [
        replace(row, value=values[row.attributes["arm"]])
        for row in checked_trials(storage, f"{STUDY}.confirm")
    ]
    for arm in reversed(begun.plan.arms):  # the best first, the baseline last
        assert confirmation.chosen(begun, rows) == arm
        one = next(row for row in rows if row.attributes["arm"] == arm.name)
        one.attributes["diverged"] = 1
    assert (
        confirmation.chosen(begun, rows).name == "baseline"
    )  # which nothing has to be better than
