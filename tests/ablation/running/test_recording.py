"""What an epoch does to the storage, and when the pruner is asked."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.storages import RDBStorage

from ablation.objective import Epoch
from ablation.running.recording import Recorder
from ablation.scheduling.source import Task
from ablation.space.schema import Pruner
from ablation.storage import reported_steps
from crnn.objective import objective
from tests.helpers.made.studies import STUDY, designed
from tests.helpers.made.studies import epoch as made_epoch


def epoch(number: int, accuracy: float = 0.5) -> Epoch:
    return made_epoch(number, accuracy)


@pytest.fixture
def task(storage: RDBStorage) -> Task:
    first = designed(storage).next()
    assert first is not None
    setting = first.setting.replace(epochs=5)
    return replace(first, setting=setting, epochs=5, pruner=Pruner())


def test_an_epoch_is_reported_once(storage: RDBStorage, task: Task) -> None:
    recorder = Recorder(storage, STUDY, objective.metric)
    for number, accuracy in [(1, 0.25), (2, 0.5), (1, 0.75)]:
        assert not recorder.record(replace(task, pruner=None), epoch(number, accuracy))
    found = storage.get_trial(task.trial_id).intermediate_values
    assert found == {1: 0.25, 2: 0.5}


def test_the_pruner_is_asked_after_each_epoch_but_the_last(
    storage: RDBStorage, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def should_prune(trial: optuna.Trial) -> bool:
        asked.append(max(reported_steps(storage, trial._trial_id)))
        return asked[-1] == 3

    monkeypatch.setattr(optuna.Trial, "should_prune", should_prune)
    recorder = Recorder(storage, STUDY, objective.metric)
    answers = [recorder.record(task, epoch(number)) for number in range(1, 6)]
    assert (asked, answers) == ([1, 2, 3, 4], [False, False, True, False, False])


def test_a_pruning_that_was_cut_off_is_decided_again(
    storage: RDBStorage, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after its report of epoch 2, before the coordinator knew that it was pruned there."""
    asked: list[int] = []

    def should_prune(trial: optuna.Trial) -> bool:
        asked.append(max(reported_steps(storage, trial._trial_id)))
        return True

    Recorder(storage, STUDY, objective.metric).record(replace(task, pruner=None), epoch(1))
    Recorder(storage, STUDY, objective.metric).record(replace(task, pruner=None), epoch(2))
    monkeypatch.setattr(optuna.Trial, "should_prune", should_prune)
    later = Recorder(storage, STUDY, objective.metric)
    assert [later.record(task, epoch(number)) for number in (1, 2)] == [False, True]
    assert asked == [2]


def test_the_median_pruner_stops_what_is_below_the_others(storage: RDBStorage) -> None:
    source = designed(storage)
    recorder = Recorder(storage, STUDY, objective.metric)
    pruner = Pruner(name="median", n_startup_trials=2, n_warmup_steps=0)
    answers = []
    for accuracy in (0.8, 0.7, 0.1):
        trial = source.next()
        assert trial is not None
        trial = replace(trial, setting=trial.setting.replace(epochs=5), pruner=pruner)
        answers.append(recorder.record(trial, epoch(1, accuracy)))
        if accuracy > 0.5:
            source.finish(trial, "COMPLETE", accuracy, {})
    assert answers == [False, False, True]
