"""Trials that another program enqueues: what cannot be trained fails, and the study goes on."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from ablation.report.data.loading import load_study
from ablation.report.effects.progress import all_ended
from ablation.report.text.tables.study import failures_table
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Task
from ablation.storage import read_trials
from ablation.storage.record import load_record
from ablation.storage.status import status
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import HEAD, STUDY, begin, designed, record, run_all

SWEEP = f"""{HEAD}
design = "search"
[baseline]
epochs      = 1
train_size  = 600
lstm_layers = 1
hidden_size = 32
[factors]
optimizer     = ["adam", "sgd"]
batch_norm    = [true, false]
batch_size    = [256, 32, 64, 100]
filter_sizes  = [[3, 3, 2], [5, 5, 5]]
learning_rate = {{ low = 1e-5, high = 1e-1, log = true }}
hidden_size   = {{ low = 16, high = 64, step = 16 }}
dropout       = {{ low = 0.0, high = 0.5, step = 0.25 }}
dropout_count = {{ low = 1, high = 3, when = {{ dropout = {{ above = 0 }} }} }}
[limits]
parameters = 300_000
[search]
trials  = 6
sampler = {{ name = "random" }}
"""
UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"learning_rate": 100}, "learning_rate = 100 is none of 1e-05 to 0.1 log"),
    ({"learning_rate": -1.0}, "learning_rate = -1.0 is none of"),
    ({"learning_rate": "0.01"}, "learning_rate = '0.01' is none of"),
    ({"learning_rate": "fast"}, "learning_rate = 'fast' is none of"),
    ({"learning_rate": None}, "learning_rate = None is none of"),
    ({"learning_rate": float("nan")}, "learning_rate = nan is none of"),
    ({"learning_rate": True}, "learning_rate = True is none of"),
    ({"learning_rate": [0.01]}, "learning_rate = [0.01] is none of"),
    ({"hidden_size": 40}, "hidden_size = 40 is none of 16 to 64 step 16"),
    ({"hidden_size": 32.5}, "hidden_size = 32.5 is none of"),
    ({"dropout": 0.1}, "dropout = 0.1 is none of 0 to 0.5 step 0.25"),
    ({"optimizer": "lion"}, "optimizer = 'lion' is none of adam | sgd"),
    ({"optimizer": ["adam"]}, "optimizer = ['adam'] is none of"),
    ({"batch_size": 128}, "batch_size = 128 is none of 256 | 32 | 64 | 100"),
    ({"batch_size": "64"}, "batch_size = '64' is none of"),
    ({"batch_norm": 1}, "batch_norm = 1 is none of true | false"),
    ({"filter_sizes": [3, 3, 2]}, "filter_sizes = [3, 3, 2] is none of 3,3,2 | 5,5,5"),
    ({"lr": 0.01}, "lr is no factor; "),
    ({"optimizer": "adam", "hidden_size": 4096}, "hidden_size = 4096 is none of"),
]


def enqueue(storage: RDBStorage, **values: Any) -> int:
    """Enqueue a trial with Optuna's own means, as another program does; its number."""
    study = optuna.load_study(study_name=STUDY, storage=storage)
    study.enqueue_trial(values)
    return len(study.trials) - 1


@pytest.fixture
def sweep(storage: RDBStorage) -> RDBStorage:
    """A search of which two trainings have ended."""

    def fill() -> None:
        wanted = begin(storage, record(SWEEP))
        run_all(SearchSource(storage, STUDY, wanted), 2)

    prepared(storage, ("sweep",), fill)
    return storage


def go_on(storage: RDBStorage, **conditions: Any) -> list[Task]:
    return run_all(SearchSource(storage, STUDY, record(SWEEP, **conditions)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(*case, marks=() if place % 3 == 0 else pytest.mark.slow)
        for place, case in enumerate(UNFIT)
    ],
)
def test_what_no_draw_could_be_fails_with_its_reason(
    sweep: RDBStorage, values: dict[str, Any], reason: str
) -> None:
    number = enqueue(sweep, **values)
    assert len(go_on(sweep, trials=4)) == 1
    rows = read_trials(sweep, STUDY)
    assert rows[number].state == "FAIL"
    assert rows[number].attributes["failure"].startswith(f"enqueued: {reason}")
    assert [row.state for row in rows].count("COMPLETE") == 3
    assert go_on(sweep, trials=4) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "attributes",
    [{"arm": "mine"}, {"seed": "x"}, {"diverged": 3, "failure": "mine"}, {"note": [1], "stage": 7}],
)
def test_one_with_attributes_of_its_own_is_trained_as_any_other(
    attributes: dict[str, Any], sweep: RDBStorage
) -> None:
    study = optuna.load_study(study_name=STUDY, storage=sweep)
    study.enqueue_trial({"optimizer": "sgd"}, user_attrs=attributes)
    assert status(sweep, STUDY)["complete"] == 2
    assert load_study(sweep, STUDY).wanted == 6
    run_all(SearchSource(sweep, STUDY, load_record(sweep, STUDY)))
    row = read_trials(sweep, STUDY)[2]
    assert (row.state, row.attributes["setting"]["optimizer"]) == ("COMPLETE", "sgd")
    assert {"diverged", "failure"}.isdisjoint(row.attributes)
    assert row.attributes.get("note") == attributes.get("note")
    table = load_study(sweep, STUDY)
    assert len(table.trials) == 6
    assert table.trials["state"].eq("COMPLETE").all()


def test_it_is_shown_with_the_failures(sweep: RDBStorage) -> None:
    number = enqueue(sweep, learning_rate=100)
    go_on(sweep)
    found = status(sweep, STUDY)
    assert (found["complete"], found["failed"], found["waiting"]) == (5, 1, 0)
    assert found["failures"][0]["number"] == number
    assert found["failures"][0]["arm"] == "(enqueued)"
    table = load_study(sweep, STUDY)
    assert all_ended(table)
    assert "learning_rate = 100" in failures_table(table).rows[0][1]


def test_one_that_an_earlier_run_broke_off_at_fails_too(sweep: RDBStorage) -> None:
    number = enqueue(sweep, optimizer="lion")
    optuna.load_study(study_name=STUDY, storage=sweep).ask()  # it is RUNNING, without an arm
    assert len(go_on(sweep)) == 3
    assert read_trials(sweep, STUDY)[number].state == "FAIL"


def test_what_could_be_drawn_is_trained(sweep: RDBStorage) -> None:
    values = {"learning_rate": 0.05, "optimizer": "sgd", "batch_size": 100, "hidden_size": 32.0}
    values |= {"filter_sizes": "5,5,5", "batch_norm": False, "dropout": 0.5, "dropout_count": 2}
    number = enqueue(sweep, **values)
    tasks = go_on(sweep)
    assert len(tasks) == 4
    task = next(task for task in tasks if task.number == number)
    setting = task.setting.values()
    assert (setting["learning_rate"], setting["optimizer"], setting["batch_size"]) == (
        0.05, "sgd", 100
    )  # fmt: skip
    assert (setting["hidden_size"], setting["filter_sizes"]) == (32, (5, 5, 5))
    assert (setting["batch_norm"], setting["dropout_count"]) == (False, 2)


@pytest.mark.slow
def test_what_goes_beyond_the_limits_is_infeasible(storage: RDBStorage) -> None:
    wanted = begin(storage, record(SWEEP))
    source = SearchSource(storage, STUDY, wanted)
    run_all(source, 1)
    number = enqueue(storage, hidden_size=64, filter_sizes="5,5,5")
    while len(run_all(source, 1)):
        pass
    row = read_trials(storage, STUDY)[number]
    assert row.state == "PRUNED"
    assert row.attributes["failure"].startswith("infeasible: parameters")


@pytest.mark.parametrize("values", [{"hidden_size": 7}, {"nothing": 1}, {"dropout": "x"}])
def test_a_design_never_asks_for_what_is_enqueued(
    storage: RDBStorage, values: dict[str, Any]
) -> None:
    source = designed(storage)
    run_all(source, 1)
    number = enqueue(storage, **values)
    assert len(run_all(designed(storage))) == 5
    assert read_trials(storage, STUDY)[number].state == "WAITING"
    assert status(storage, STUDY)["complete"] == 6
    assert len(load_study(storage, STUDY).trials) == 6


@pytest.mark.parametrize("state", ["COMPLETE", "FAIL", "PRUNED"])
def test_a_trial_of_another_tool_is_none_of_those_wanted(sweep: RDBStorage, state: str) -> None:
    study = optuna.load_study(study_name=STUDY, storage=sweep)
    value = 0.99 if state == "COMPLETE" else None
    ended = optuna.trial.TrialState[state]
    study.add_trial(optuna.trial.create_trial(state=ended, value=value, user_attrs={"by": "me"}))
    source = SearchSource(sweep, STUDY, record(SWEEP))
    found = status(sweep, STUDY)
    assert source.started == source.progress.ended == found["complete"] == 2
    assert len(go_on(sweep)) == found["waiting"] == 4
    assert status(sweep, STUDY)["complete"] == 6
    table = load_study(sweep, STUDY)
    assert all_ended(table)
    assert table.trials["value"].notna().sum() == 6
