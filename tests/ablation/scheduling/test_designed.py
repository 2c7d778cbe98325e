"""What of a design is still to be trained: compared with a real storage, nothing trained."""

from __future__ import annotations

import tomllib

import optuna
import pytest
from optuna.storages import RDBStorage

from ablation.scheduling.source import Task
from ablation.storage import read_trials
from crnn.objective import objective, own_setting
from tests.helpers.made.studies import ONE_FACTOR, STUDY, designed, document, end, record, run_all

ARMS = ["baseline", "hidden_size=64", "dropout=0.1"]
APART = ONE_FACTOR.replace("hidden_size = [64]", "batch_size = [32]\nhidden_size = [64]")


def names(tasks: list[Task]) -> list[tuple[str, int]]:
    return [(task.arm, task.seed) for task in tasks]


def stored(storage: RDBStorage) -> list[tuple[str, int, str]]:
    """Arm, seed and state of each trial, by number."""
    rows = read_trials(storage, STUDY)
    return [(row.attributes["arm"], row.attributes["seed"], row.state) for row in rows]


def test_a_design_is_created_seed_by_seed_when_its_turn_comes(storage: RDBStorage) -> None:
    source = designed(storage)
    assert stored(storage) == []
    tasks = run_all(source)
    assert names(tasks) == [(arm, seed) for seed in (0, 1) for arm in ARMS]
    assert stored(storage) == [(arm, seed, "COMPLETE") for arm, seed in names(tasks)]
    assert source.next() is None


def test_companions_take_as_many_steps_of_as_many_images(storage: RDBStorage) -> None:
    source = designed(storage, record(APART))
    first = source.next()
    assert first is not None
    packed_with = source.packed_with(first, 9)
    assert names([first, *packed_with]) == [
        ("baseline", 0),
        ("hidden_size=64", 0),
        ("dropout=0.1", 0),
        ("baseline", 1),
        ("hidden_size=64", 1),
        ("dropout=0.1", 1),
    ]
    assert [state for _, _, state in stored(storage)] == ["RUNNING"] * 6
    assert names(run_all(source)) == [("batch_size=32", 0), ("batch_size=32", 1)]


@pytest.mark.parametrize("most", [0, 1, 2])
def test_there_are_no_more_companions_than_asked_for(storage: RDBStorage, most: int) -> None:
    source = designed(storage, record(APART))
    first = source.next()
    assert first is not None
    assert len(source.packed_with(first, most)) == most
    rest = run_all(source)
    assert len(rest) == 7 - most
    assert names(rest)[0] == ("batch_size=32", 0)  # what was passed over comes next


def test_a_trial_has_its_setting_from_its_creation(storage: RDBStorage) -> None:
    source = designed(storage, record(precision="bf16"))
    run_all(source, 1)
    task = source.next()
    assert task is not None
    assert own_setting(task.setting).model.hidden_size == 64
    assert own_setting(task.setting).train.precision == "bf16"
    assert task.score
    assert task.pruner is None
    trial = optuna.load_study(study_name=STUDY, storage=storage).trials[1]
    assert trial.params == {"hidden_size": 64, "dropout": 0.25}
    found = trial.user_attrs
    assert found["setting"] == {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in task.setting.values().items()
    }
    assert (found["stage"], found["factor"], found["level"]) == ("ablation", "hidden_size", "64")
    assert found["digest"] == task.setting.digest
    assert found["sequence_length"] == 18


def test_nothing_is_left_of_a_complete_study(storage: RDBStorage) -> None:
    run_all(designed(storage))
    again = designed(storage)
    assert again.next() is None
    assert (again.progress.wanted, again.progress.complete) == (6, 6)
    assert again.progress.remaining_cost == 0
    assert len(stored(storage)) == 6


def test_a_stopped_study_goes_on_where_it_was(storage: RDBStorage) -> None:
    run_all(designed(storage), 4)
    assert names(run_all(designed(storage))) == [("hidden_size=64", 1), ("dropout=0.1", 1)]
    assert len(stored(storage)) == 6


def test_orphans_are_taken_up_in_place(storage: RDBStorage) -> None:
    dead = designed(storage)
    run_all(dead, 1)
    orphans = [dead.next(), dead.next()]
    source = designed(storage)
    taken = [source.next(), source.next()]
    assert taken == orphans  # the same trials, in the design's order
    third = source.next()
    assert third is not None
    assert (third.arm, third.seed) == ("baseline", 1)
    for task in (*taken, third):
        assert task is not None
        end(source, task)
    assert [state for _, _, state in stored(storage)] == ["COMPLETE"] * 4


def test_a_failure_is_final_until_it_is_to_be_retried(storage: RDBStorage) -> None:
    source = designed(storage)
    task = source.next()
    assert task is not None
    end(source, task, "FAIL")
    run_all(source)
    assert (source.progress.complete, source.progress.failed) == (5, 1)

    again = designed(storage)
    assert again.next() is None
    assert (again.progress.complete, again.progress.failed, again.progress.wanted) == (5, 1, 6)

    retried = designed(storage, retry_failed=True)
    assert (retried.progress.complete, retried.progress.failed) == (5, 0)
    assert names(run_all(retried)) == [("baseline", 0)]
    assert stored(storage)[0] == ("baseline", 0, "FAIL")  # kept, and outdone by
    assert stored(storage)[6] == ("baseline", 0, "COMPLETE")
    assert designed(storage, retry_failed=True).next() is None
    assert designed(storage).progress.failed == 0


def test_a_retry_that_was_stopped_goes_on_without_being_asked_again(storage: RDBStorage) -> None:
    source = designed(storage)
    task = source.next()
    assert task is not None
    end(source, task, "FAIL")
    run_all(source)
    retried = designed(storage, retry_failed=True).next()
    source = designed(storage)
    assert source.next() == retried
    assert source.next() is None


def test_more_seeds_are_the_new_ones_only(storage: RDBStorage) -> None:
    run_all(designed(storage))
    more = run_all(designed(storage, record(seeds=(0, 1, 2))))
    assert names(more) == [(arm, 2) for arm in ARMS]
    fewer = designed(storage, record(seeds=(0,)))
    assert fewer.next() is None
    assert (fewer.progress.wanted, fewer.progress.complete) == (3, 3)


def test_more_arms_are_the_new_ones_only(storage: RDBStorage) -> None:
    run_all(designed(storage))
    factors = {
        "filter_sizes": [[5, 5, 5]], "hidden_size": [64], "dropout": [0.05, 0.1],
        "optimizer": ["sgd"],
    }  # fmt: skip
    values = {**tomllib.loads(ONE_FACTOR), "factors": factors}
    more = run_all(designed(storage, record(document(values))))
    new = ["filter_sizes=5,5,5", "dropout=0.05", "optimizer=sgd"]
    assert names(more) == [(arm, seed) for seed in (0, 1) for arm in new]


def test_progress_counts_what_remains(storage: RDBStorage) -> None:
    source = designed(storage)
    costs = [objective.cost(arm.setting) for arm in record().plan.arms]
    assert source.progress.wanted == 6
    assert source.progress.remaining_cost == pytest.approx(2 * sum(costs))
    run_all(source, 1)
    assert source.progress.remaining_cost == pytest.approx(2 * sum(costs) - costs[0])
    assert source.progress.complete == 1
    again = designed(storage)
    assert again.progress.complete == 1
    assert again.progress.remaining_cost == pytest.approx(2 * sum(costs) - costs[0])
