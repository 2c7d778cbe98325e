"""The search design: what is drawn, counted and taken up again; trainings are made up."""

from __future__ import annotations

import tomllib
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation.scheduling.samplers import make_pruner, make_sampler
from ablation.scheduling.search import MAX_REFUSED, SAME, SearchSource
from ablation.scheduling.source import Task
from ablation.space.schema import Pruner, Sampler
from ablation.storage import StorageError, read_trials
from ablation.storage.record import Record, find_record, merge
from crnn.objective import own_setting
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import SEARCH, STUDY, begin, document, end, record, run_all

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 4},
    "random": {"name": "random"},
    "qmc": {"name": "qmc"},
    "halton": {"name": "qmc", "qmc_type": "halton"},
    "gp": {"name": "gp", "n_startup_trials": 4},
}
SLOW = ("gp", "halton", "qmc")
EACH = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in SAMPLERS]


def wanted(**changed: Any) -> Record:
    """A search with some keys changed; those in `search` change its section's."""
    values = tomllib.loads(SEARCH)
    section = {**values["search"], **changed.pop("search", {})}
    values = {**values, **changed, "search": section}
    return record(document({key: value for key, value in values.items() if value is not None}))


def source_of(
    storage: RDBStorage,
    record: Record | None = None,
    study: str = STUDY,
    *,
    most_refused: int = MAX_REFUSED,
) -> SearchSource:
    """The source of a search's trainings, the study begun."""
    record = begin(storage, record or wanted(), study)
    return SearchSource(storage, study, record, most_refused=most_refused)


def started(source: SearchSource) -> Task:
    task = source.next()
    assert task is not None
    return task


def drawn(storage: RDBStorage, study: str = STUDY) -> list[tuple[str, dict[str, Any]]]:
    """Arm and parameters of each trial, as Optuna has them."""
    trials = optuna.load_study(study_name=study, storage=storage).trials
    return [(trial.user_attrs.get("arm", ""), trial.params) for trial in trials]


def states(storage: RDBStorage) -> list[str]:
    return [row.state for row in read_trials(storage, STUDY)]


# What is drawn


def test_the_baseline_and_named_arms_come_first(storage: RDBStorage) -> None:
    tasks = run_all(source_of(storage))
    assert [task.arm for task in tasks][:2] == ["baseline", "wide"]
    assert len({task.arm for task in tasks}) == 6
    assert states(storage) == ["COMPLETE"] * 6
    assert drawn(storage)[1][1]["hidden_size"] == 256


def test_a_search_trains_as_its_own_section_says(storage: RDBStorage) -> None:
    record = wanted(search={"seed": 7, "pruner": {"name": "median", "n_warmup_steps": 1}})
    tasks = run_all(source_of(storage, record))
    for task, row in zip(tasks, read_trials(storage, STUDY), strict=True):
        assert (task.seed, task.score) == (7, False)
        assert task.pruner == Pruner(name="median", n_warmup_steps=1)
        assert (
            own_setting(task.setting).train.epochs,
            own_setting(task.setting).train.train_size,
        ) == (2, 100)
        assert own_setting(task.setting).train.precision == "fp32"
        assert row.attributes["setting"]["epochs"] == 2
        assert row.attributes["stage"] == "search"
        assert row.attributes["arm"] == task.arm


@pytest.mark.parametrize("name", EACH)
def test_a_search_stopped_after_every_trial_draws_the_same(
    name: str, sqlite_storage: RDBStorage, capfd: pytest.CaptureFixture[str]
) -> None:
    record = wanted(search={"trials": 9, "sampler": SAMPLERS[name]})
    run_all(source_of(sqlite_storage, record, "through"))
    for _ in range(9):
        run_all(source_of(sqlite_storage, record, "stopped"), limit=1)
    assert source_of(sqlite_storage, record, "stopped").next() is None
    found = drawn(sqlite_storage, "through")
    assert drawn(sqlite_storage, "stopped") == found
    assert len({str(params) for _, params in found}) == 9
    assert capfd.readouterr().err == ""  # where Optuna's warnings go


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_another_seed_draws_something_else(name: str, sqlite_storage: RDBStorage) -> None:
    for seed in (0, 1):
        section = {"seed": seed, "trials": 6, "sampler": SAMPLERS[name]}
        run_all(source_of(sqlite_storage, wanted(search=section), f"seed {seed}"))
    one, other = drawn(sqlite_storage, "seed 0"), drawn(sqlite_storage, "seed 1")
    assert one[:2] == other[:2]
    assert all(params not in [p for _, p in one] for _, params in other[2:])


@pytest.mark.slow
def test_what_has_no_effect_is_not_drawn(storage: RDBStorage) -> None:
    factors = {
        "dropout": {"levels": [0.0, 0.1]},
        "dropout_count": {"low": 1, "high": 3, "when": {"dropout": {"above": 0}}},
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    }
    section = {"trials": 16, "sampler": {"name": "random"}}
    record = wanted(factors=factors, arms=None, baseline={"dropout": 0.1}, search=section)
    tasks = run_all(source_of(storage, record))
    dropouts = set()
    for task, (arm, params) in zip(tasks, drawn(storage), strict=True):
        active = params["dropout"] > 0
        dropouts.add(active)
        assert ("dropout_count" in params) is active
        assert own_setting(task.setting).model.dropout == params["dropout"]
        assert own_setting(task.setting).model.dropout_count == params.get("dropout_count", 3)
        assert active or "dropout_count" not in arm
    assert dropouts == {True, False}


def test_a_fixed_arm_has_no_parameter_that_is_not_active(storage: RDBStorage) -> None:
    run_all(source_of(storage, wanted(baseline={"dropout": 0.0})), 2)
    baseline, wide = (params for _, params in drawn(storage))
    assert "dropout_count" not in baseline
    assert wide["dropout_count"] == 3
    assert baseline["filter_sizes"] == "3,3,2"


# What was tried before

FEW: dict[str, Any] = {
    "factors": {"hidden_size": {"levels": [128, 256]}, "dropout": {"levels": [0.1, 0.25]}},
    "arms": {"wide": {"set": {"hidden_size": 256}}},
}


def few(duplicates: str, trials: int = 6, **section: Any) -> Record:
    """A search of four settings."""
    asked = {"duplicates": duplicates, "trials": trials, "sampler": {"name": "random"}, **section}
    return wanted(**FEW, search=asked)


def test_a_setting_drawn_again_counts_with_the_value_that_it_had(storage: RDBStorage) -> None:
    source = source_of(storage, few("reuse", 12))
    tasks = run_all(source)
    rows = read_trials(storage, STUDY)
    assert len(rows) == 12
    assert (source.progress.complete, source.progress.wanted) == (12, 12)
    assert len({task.setting.digest for task in tasks}) == len(tasks) <= 4
    trained = {task.number: rows[task.number] for task in tasks}
    again = [row for row in rows if SAME in row.attributes]
    assert len(again) == 12 - len(tasks)
    trials = optuna.load_study(study_name=STUDY, storage=storage).trials
    for row in again:
        first = trained[row.attributes[SAME]]
        assert row.state == "COMPLETE"
        assert (row.value, row.attributes["arm"]) == (first.value, first.attributes["arm"])
        assert row.attributes["history"] == first.attributes["history"]
        assert row.attributes["seconds"] == 0
        curve = {epoch["epoch"]: epoch["val_accuracy"] for epoch in first.attributes["history"]}
        assert trials[row.number].intermediate_values == curve
        assert trials[row.number].params == trials[first.number].params
    later = source_of(storage, few("reuse", 12))
    assert (later.progress.complete, later.next()) == (12, None)


def test_a_setting_drawn_again_is_replaced_by_another(storage: RDBStorage) -> None:
    source = source_of(storage, few("redraw", 4))
    tasks = run_all(source)
    assert len({task.setting.digest for task in tasks}) == len(tasks) == 4
    rows = read_trials(storage, STUDY)
    again = [row for row in rows if SAME in row.attributes]
    assert again
    assert len(rows) == 4 + len(again)
    assert all(row.state == "COMPLETE" for row in rows)
    assert (source.progress.complete, source.progress.wanted) == (4, 4)
    later = source_of(storage, few("redraw", 4))
    assert (later.progress.complete, later.next()) == (4, None)


@pytest.mark.slow
def test_a_search_ends_when_nothing_new_can_be_drawn(storage: RDBStorage) -> None:
    source = source_of(storage, few("redraw", 9), most_refused=15)
    assert len(run_all(source)) == 4
    assert (source.progress.wanted, source.progress.all_ended) == (4, True)
    count = len(read_trials(storage, STUDY))
    stored = find_record(storage, STUDY)
    assert stored is not None
    assert (stored.trials, stored.exhausted, stored.wanted) == (9, 4, 4)
    later = SearchSource(storage, STUDY, stored)
    assert (later.next(), later.progress.all_ended) == (None, True)
    assert len(read_trials(storage, STUDY)) == count
    assert merge(STUDY, stored, few("redraw", 9)).wanted == 4
    more = merge(STUDY, stored, few("redraw", 10))  # asked for anew
    assert more.wanted == 10
    begin(storage, more)
    assert find_record(storage, STUDY) == more


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "duplicates"),
    [
        ("PRUNED", "redraw"),
        ("FAIL", "reuse"),
        pytest.param("PRUNED", "reuse", marks=pytest.mark.slow),
        pytest.param("FAIL", "redraw", marks=pytest.mark.slow),
    ],
)
def test_a_setting_that_failed_or_was_stopped_is_not_tried_again(
    state: str, duplicates: str, sqlite_storage: RDBStorage
) -> None:
    source = source_of(sqlite_storage, few(duplicates, 20), most_refused=15)
    end(source, started(source), state)
    run_all(source)
    rows = read_trials(sqlite_storage, STUDY)
    again = [row for row in rows if row.attributes.get(SAME) == 0]
    assert again
    for row in again:
        assert row.state == "PRUNED"
        assert ("history" in row.attributes) is (state == "PRUNED")
        assert ("which failed" in row.attributes.get("failure", "")) is (state == "FAIL")
    stored = find_record(sqlite_storage, STUDY)
    assert stored is not None
    later = SearchSource(sqlite_storage, STUDY, stored)
    assert (later.progress.complete, later.progress.failed) == (
        source.progress.complete,
        source.progress.failed,
    )
    assert later.progress.all_ended


def test_a_setting_drawn_while_it_is_trained_waits_for_its_end(storage: RDBStorage) -> None:
    source = source_of(storage, few("reuse", 12))
    tasks = []
    while task := source.next():  # as many at once as there are settings
        tasks.append(task)
    rows = read_trials(storage, STUDY)
    assert [row.state for row in rows] == ["RUNNING"] * 12
    for task in tasks:
        end(source, task)
    values = {row.number: row.value for row in read_trials(storage, STUDY)}
    for row in rows:
        assert values[row.number] == values[row.attributes.get(SAME, row.number)] is not None
    assert source.progress.complete == 12


def test_what_waited_for_a_training_still_does_after_a_kill(storage: RDBStorage) -> None:
    dead = source_of(storage, few("reuse", 12))
    count = 0
    while dead.next():
        count += 1
    source = source_of(storage, few("reuse", 12))
    assert len(run_all(source)) == count < 12
    assert states(storage) == ["COMPLETE"] * 12
    assert source.progress.complete == 12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_sampler_that_insists_is_overruled(name: str, sqlite_storage: RDBStorage) -> None:
    sampler = {"name": name, "n_startup_trials": 2}
    source = source_of(sqlite_storage, few("redraw", 4, sampler=sampler))
    assert len({task.setting.digest for task in run_all(source)}) == 4


# What cannot be trained


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"factors": {"strides": [[4, 4, 4], [4, 4, 2]], "learning_rate": [0.002]}},
            "infeasible: block 2: the map vanishes",
        ),
        pytest.param(
            {"factors": {"hidden_size": [256, 384, 512]}, "limits": {"parameters": 800_000}},
            "infeasible: parameters: ",
            marks=pytest.mark.slow,
        ),
        (
            {"factors": {"train_fraction": [0.001, 0.999]}, "search": {"training": {}}},
            "infeasible: train_size and train_fraction leave no image",
        ),
    ],
)
def test_what_cannot_be_trained_is_pruned_with_the_reason_and_not_counted(
    changed: dict[str, Any], reason: str, sqlite_storage: RDBStorage
) -> None:
    random = {"sampler": {"name": "random"}, "duplicates": "reuse"}
    section = {**random, **changed.pop("search", {})}
    source = source_of(sqlite_storage, wanted(**changed, arms=None, search=section))
    run_all(source)
    rows = read_trials(sqlite_storage, STUDY)
    pruned = [row for row in rows if row.state == "PRUNED"]
    assert pruned
    for row in pruned:
        assert row.attributes["failure"].startswith(reason)
        assert row.attributes["stage"] == "search"
        assert "setting" in row.attributes
    assert len(rows) - len(pruned) == 6
    assert (source.progress.wanted, source.progress.complete) == (6, 6)
    again = source_of(sqlite_storage, wanted(**changed, arms=None, search=section))
    assert (again.progress.complete, again.next()) == (6, None)


def test_a_space_of_nothing_feasible_is_given_up(storage: RDBStorage) -> None:
    factors = {"hidden_size": [256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267]}
    record = wanted(factors=factors, arms=None, limits={"parameters": 800_000})
    source = source_of(storage, record, most_refused=3)
    end(source, started(source))
    with pytest.raises(StorageError, match="3 draws in a row were infeasible; narrow the factors"):
        run_all(source)
    assert states(storage).count("RUNNING") == 0


# What was begun


def test_an_orphan_is_taken_up_with_its_own_parameters(storage: RDBStorage) -> None:
    dead = source_of(storage)
    run_all(dead, 2)
    orphans = [started(dead), started(dead)]
    before = drawn(storage)
    source = source_of(storage)
    assert [started(source), started(source)] == orphans
    assert drawn(storage) == before
    for task in orphans:
        end(source, task)
    run_all(source)
    assert states(storage) == ["COMPLETE"] * 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "writes"),
    [
        *(("tpe", writes) for writes in (2, 5, 10)),
        *(pytest.param("tpe", writes, marks=pytest.mark.slow) for writes in (3, 7, 8)),
        *(("random", writes) for writes in (2, 9)),
        *(pytest.param("random", writes, marks=pytest.mark.slow) for writes in (3, 5, 7, 8)),
        # Between, its own parameters are in its way.
        *(pytest.param("gp", writes, marks=pytest.mark.slow) for writes in (2, 8, 10)),
    ],
)
def test_a_draw_that_was_cut_off_is_made_again(name: str, writes: int, storage: RDBStorage) -> None:
    sampler = {"name": name} | ({} if name == "random" else {"n_startup_trials": 2})
    record = wanted(search={"trials": 5, "sampler": sampler}, limits={"macs": 10**10})

    def fill() -> None:
        run_all(source_of(storage, record, "through"))
        run_all(source_of(storage, record), 3)

    prepared(storage, ("cut off", name), fill)
    dying = source_of(storage, record)
    left = writes

    def kill(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal left
        left -= not statement.startswith(("SELECT", "PRAGMA"))
        if left < 0:
            raise KeyboardInterrupt

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", kill)
    with pytest.raises(KeyboardInterrupt):
        dying.next()
    sqlalchemy.event.remove(storage.engine, "before_cursor_execute", kill)
    storage.remove_session()
    storage.engine.dispose()
    assert states(storage) == ["COMPLETE"] * 3 + ["RUNNING"]
    run_all(source_of(storage, record))
    assert drawn(storage) == drawn(storage, "through")
    assert states(storage) == ["COMPLETE"] * 5


def test_fixed_arms_that_failed_are_not_drawn_again(storage: RDBStorage) -> None:
    source = source_of(storage)
    end(source, started(source), "FAIL")
    again = run_all(source_of(storage))
    assert [task.arm for task in again].count("baseline") == 0
    assert again[0].arm == "wide"


# What counts


def test_pruned_and_failed_trials_count_as_tried(storage: RDBStorage) -> None:
    source = source_of(storage)
    for state in ("COMPLETE", "FAIL", "PRUNED"):
        end(source, started(source), state)
    assert (source.progress.complete, source.progress.failed) == (2, 1)
    again = source_of(storage)
    assert (again.progress.complete, again.progress.failed) == (2, 1)
    assert len(run_all(again)) == 3
    assert (again.progress.complete, again.progress.failed, again.next()) == (5, 1, None)


def test_more_trials_go_on_with_the_search(storage: RDBStorage) -> None:
    run_all(source_of(storage))
    assert source_of(storage).next() is None
    more = source_of(storage, wanted(search={"trials": 8}))
    assert len(run_all(more)) == 2
    assert (more.progress.wanted, more.progress.complete) == (8, 8)


def test_what_remains_shrinks_with_every_trial(storage: RDBStorage) -> None:
    source = source_of(storage)
    left = [source.progress.remaining_cost]
    for _ in range(6):
        end(source, started(source))
        left.append(source.progress.remaining_cost)
    assert left == pytest.approx([left[0] * (6 - n) / 6 for n in range(7)])


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_with_two_trainings_at_once_nothing_doubles(
    name: str, sqlite_storage: RDBStorage, capfd: pytest.CaptureFixture[str]
) -> None:
    source = source_of(sqlite_storage, wanted(search={"trials": 9, "sampler": SAMPLERS[name]}))
    running = [started(source), started(source)]
    tasks = list(running)
    while running:
        end(source, running.pop(0))
        if task := source.next():
            running.append(task)
            tasks.append(task)
    assert len({task.trial_id for task in tasks}) == len(tasks) == 9
    assert [task.arm for task in tasks][:2] == ["baseline", "wide"]
    assert len({str(params) for _, params in drawn(sqlite_storage)}) == 9
    assert states(sqlite_storage) == ["COMPLETE"] * 9
    assert capfd.readouterr().err == ""


# Samplers and pruners by name


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (Sampler(), optuna.samplers.TPESampler),
        (Sampler(name="tpe", n_startup_trials=3, n_ei_candidates=9), optuna.samplers.TPESampler),
        (Sampler(name="random"), optuna.samplers.RandomSampler),
        (Sampler(name="tpe", multivariate=False, constant_liar=False), optuna.samplers.TPESampler),
        (Sampler(name="qmc", qmc_type="halton", scramble=True), optuna.samplers.QMCSampler),
        (Sampler(name="gp", deterministic_objective=True), optuna.samplers.GPSampler),
    ],
)
def test_samplers_by_name(given: Sampler, kind: type) -> None:
    assert type(make_sampler(given, 0, 0)) is kind


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (Pruner(), optuna.pruners.NopPruner),
        (Pruner(name="median", n_startup_trials=0, interval_steps=2), optuna.pruners.MedianPruner),
        (Pruner(name="hyperband", min_resource=1), optuna.pruners.HyperbandPruner),
    ],
)
def test_pruners_by_name(given: Pruner, kind: type) -> None:
    assert type(make_pruner(given, epochs=4)) is kind
