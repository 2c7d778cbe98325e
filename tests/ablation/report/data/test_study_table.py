"""An Optuna study as pandas tables: every trial, whatever its state, in the design's order."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import RDBStorage

from ablation.design.loading import build
from ablation.report.data.csv_file import csv_text
from ablation.report.data.loading import load_study, load_trials
from ablation.report.data.study_table import all_absent, all_epochs, all_trials
from ablation.report.data.trial_frames import as_in_files
from ablation.report.effects.confusion import confusion_by_arm
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Source
from ablation.storage import StorageError, finish_trial, opened_storage, storage_url, url_of
from ablation.storage.record import Record
from crnn.data.classes import CLASSES
from tests.helpers.made.studies import (
    ONE_FACTOR,
    SEARCH,
    STUDY,
    accuracy,
    begin,
    designed,
    document,
    end,
    outcome,
    record,
    run_all,
)

TRIAL_COLUMNS = [
    "stage", "number", "state", "arm", "is_baseline", "replicate", "seed",
    "conv_layers", "filter_sizes", "channels", "strides", "pooling_count", "padding", "sequence",
    "embedding_dim", "hidden_size", "lstm_layers", "dropout", "dropout_count", "batch_norm",
    "batch_size", "learning_rate", "schedule", "optimizer", "weight_decay", "train_fraction",
    "train_size", "averaging",
    "val_accuracy", "val_loss", "test_accuracy", "test_loss", "train_accuracy", "train_loss",
    "ema_val_accuracy", "ema_test_accuracy", "ema_test_loss",
    "best_val_accuracy", "best_epoch", "epochs", "sequence_length", "parameters", "macs",
    "seconds", "device", "precision", "threads", "fused", "started", "finished", "failure",
    "duplicate_of", "diverged", "chance", "chance_limit",
]  # fmt: skip
EPOCH_COLUMNS = [
    "stage", "number", "arm", "seed", "epoch",
    "train_loss", "train_accuracy", "val_loss", "val_accuracy", "ema_val_accuracy", "seconds",
]  # fmt: skip
OF_AVERAGES = ["averaging", "ema_val_accuracy", "ema_test_accuracy", "ema_test_loss"]
VALUES = {"val_accuracy": "value", "test_accuracy": "test_value", "best_val_accuracy": "best_value"}
ARMS = ["baseline", "hidden_size=64", "dropout=0.1"]


def changed(text: str = ONE_FACTOR, /, **changes: Any) -> str:
    return document({**tomllib.loads(text), **changes})


def column(frame: pd.DataFrame, *names: str) -> list[Any]:
    """The rows of some columns, None where there is nothing."""
    found = frame[list(names)].astype(object)
    rows = found.where(found.notna(), None).itertuples(index=False, name=None)
    return [row[0] if len(names) == 1 else row for row in rows]


def in_files(storage: RDBStorage) -> pd.DataFrame:
    """The study's trials as their file has them."""
    table = load_study(storage, STUDY)
    return as_in_files(table.trials, table.metric, table.absent)


def within(columns: list[str]) -> list[str]:
    """What reports call columns that files have."""
    return [VALUES.get(name, name) for name in columns]


def search_of(storage: RDBStorage, text: str = SEARCH) -> SearchSource:
    return SearchSource(storage, STUDY, begin(storage, record(text)))


# Trials and epochs


def test_the_tables_have_the_columns_that_are_promised(storage: RDBStorage) -> None:
    run_all(designed(storage))
    table = load_study(storage, STUDY)
    assert list(table.trials.columns) == within(TRIAL_COLUMNS)
    assert list(table.epochs.columns) == within(EPOCH_COLUMNS)
    assert list(as_in_files(table.trials, table.metric).columns) == TRIAL_COLUMNS
    assert list(as_in_files(table.epochs, table.metric).columns) == EPOCH_COLUMNS
    assert table.absent == set(OF_AVERAGES)
    assert table.figures == ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    assert list(table.confusion.columns) == ["arm", "seed", "true", "predicted", "count"]


def test_a_complete_trial(storage: RDBStorage) -> None:
    source = designed(storage, record(precision="bf16", seeds=(7, 3)))
    task = source.next()
    assert task is not None
    history = [
        {"epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": 0.5, "val_loss": 0.7,
         "val_accuracy": value, "seconds": 2.0}
        for epoch, value in ((1, 0.75), (2, 0.625))
    ]  # fmt: skip
    source.finish(task, "COMPLETE", 0.625, {
        "device": "cpu", "threads": 2, "fused": 1, "seconds": 4.5, "history": history,
        "test_accuracy": 0.6, "test_loss": 0.9,
    })  # fmt: skip
    table = load_study(storage, STUDY)
    trial = table.trials.iloc[0].to_dict()
    assert trial["started"] <= trial["finished"]
    expected = {
        "stage": "ablation", "number": 0, "state": "COMPLETE", "arm": "baseline",
        "is_baseline": True, "replicate": 0, "seed": 7,
        "filter_sizes": "3,3,2", "channels": "32,64,128", "strides": "2,1,1",
        "hidden_size": 128, "dropout": 0.25, "batch_norm": True, "train_size": 100,
        "value": 0.625, "val_loss": 0.7, "test_value": 0.6, "test_loss": 0.9,
        "train_accuracy": 0.5, "train_loss": 0.5, "best_value": 0.75, "best_epoch": 1,
        "epochs": 2, "sequence_length": 18, "parameters": 719_626, "macs": 8_931_072,
        "seconds": 4.5, "device": "cpu", "precision": "bf16", "threads": 2, "fused": 1,
        "failure": None,
    }  # fmt: skip
    assert {name: trial[name] for name in expected} == expected
    assert column(table.epochs, *within(EPOCH_COLUMNS)) == [
        ("ablation", 0, "baseline", 7, 1, 1.0, 0.5, 0.7, 0.75, None, 2.0),
        ("ablation", 0, "baseline", 7, 2, 0.5, 0.5, 0.7, 0.625, None, 2.0),
    ]


AVERAGED = {"epochs": 2, "train_size": 100, "averaging": 0.9}


def finish_averaged(source: Source, **more: float) -> None:
    """End the next training, one that has averaged its weights."""
    task = source.next()
    assert task is not None
    state, value, attributes = outcome(task)
    history = [{**epoch, "ema_val_accuracy": 0.5} for epoch in attributes["history"]]
    source.finish(task, state, value, {**attributes, **more, "history": history})


def test_averages_are_columns_where_there_are_any(storage: RDBStorage) -> None:
    source = designed(storage, record(changed(baseline=AVERAGED)))
    finish_averaged(source, ema_test_accuracy=0.25, ema_test_loss=2.0)
    table = load_study(storage, STUDY)
    assert table.absent == frozenset()
    assert table.figures[-1] == "ema_val_accuracy"
    assert table.fixed["averaging"] == "0.9"
    assert column(table.trials, *OF_AVERAGES) == [(0.9, 0.5, 0.25, 2.0)]
    assert column(table.epochs, "epoch", "ema_val_accuracy") == [(1, 0.5), (2, 0.5)]


def test_averages_of_one_stage_are_columns_of_all(sqlite_storage: RDBStorage) -> None:
    search = {**tomllib.loads(SEARCH)["search"], "training": {"epochs": 2, "averaging": 0.0}}
    baseline = {**AVERAGED, "epochs": 3}
    source = search_of(sqlite_storage, changed(SEARCH, baseline=baseline, search=search))
    run_all(source, 1)
    found = load_study(sqlite_storage, STUDY)
    assert found.absent == set(OF_AVERAGES)
    assert found.fixed["averaging"] == "0 in the search, 0.9 in a confirmation"
    confirmation = replace(found, absent=frozenset(["ema_test_loss"]))
    assert all_absent(replace(found, confirmation=confirmation)) == {"ema_test_loss"}


@pytest.mark.parametrize("study", ["pilot", "joint"])
def test_the_reference_studies_have_the_files_that_they_had(study: str, tmp_path: Path) -> None:
    written = Path("results/reference")
    shutil.copy(written / "studies.db", tmp_path)
    with opened_storage(storage_url(str(tmp_path / "studies.db"), tmp_path)) as opened:
        table = load_study(opened, study)
    assert "averaging" not in table.fixed
    for name, rows in (("trials", all_trials(table)), ("epochs", all_epochs(table))):
        text = csv_text(as_in_files(rows, table.metric, all_absent(table)))
        assert text.encode() == (written / study / f"{name}.csv").read_bytes()


def test_rows_are_in_the_designs_order_whatever_ends_first(storage: RDBStorage) -> None:
    source = designed(storage)
    tasks = [task for _ in range(6) if (task := source.next())]
    for task in reversed(tasks):
        end(source, task)
    more = changed(seeds=3, factors={"lstm_layers": [1], "hidden_size": [64], "dropout": [0.1]})
    run_all(designed(storage, record(more)))  # an arm and a seed that came later
    table = load_study(storage, STUDY)
    arms = ["baseline", "lstm_layers=1", *ARMS[1:]]
    assert column(table.trials, "seed", "arm") == [(seed, arm) for seed in range(3) for arm in arms]
    assert column(table.trials, "replicate") == column(table.trials, "seed")
    assert column(table.arms, "arm") == arms
    epochs = column(table.epochs, "seed", "arm", "epoch")
    assert epochs == [(s, arm, epoch) for s in range(3) for arm in arms for epoch in (1, 2)]


def test_trials_in_every_state(storage: RDBStorage) -> None:
    source = designed(storage)
    for state in ("COMPLETE", "FAIL"):
        task = source.next()
        assert task is not None
        end(source, task, state)
    source.next()
    retried = designed(storage, retry_failed=True).next()
    assert retried is not None
    trials = load_study(storage, STUDY).trials
    assert column(trials, "arm", "number", "state", "failure") == [
        ("baseline", 0, "COMPLETE", None),
        ("hidden_size=64", 1, "FAIL", "ValueError: made up"),
        ("hidden_size=64", 3, "RUNNING", None),
        ("dropout=0.1", 2, "RUNNING", None),
    ]
    unfinished = trials[trials["state"] != "COMPLETE"]
    assert unfinished[["value", "test_value", "best_epoch", "seconds"]].isna().all(axis=None)
    assert column(unfinished, "hidden_size", "epochs") == [(64, 2), (64, 2), (128, 2)]
    assert unfinished["finished"].isna().tolist() == [False, True, True]


def test_what_a_failed_trial_did_learn_is_in_the_epochs(storage: RDBStorage) -> None:
    source = designed(storage)
    task = source.next()
    assert task is not None
    epoch = dict.fromkeys(set(EPOCH_COLUMNS[5:]) - {*OF_AVERAGES}, 0.5)
    source.finish(task, "FAIL", None, {"failure": "x", "history": [{"epoch": 1, **epoch}]})
    table = load_study(storage, STUDY)
    assert column(table.epochs, "arm", "epoch", "value") == [("baseline", 1, 0.5)]
    assert column(table.trials, "value", "failure") == [(None, "x")]


def test_a_study_without_a_trial(storage: RDBStorage) -> None:
    begin(storage, record())
    table = load_study(storage, STUDY)
    assert (len(table.trials), len(table.epochs), len(table.confusion)) == (0, 0, 0)
    assert list(table.trials.columns) == within(TRIAL_COLUMNS)
    assert list(table.epochs.columns) == within(EPOCH_COLUMNS)
    assert column(table.arms, "arm") == ARMS


def test_a_trial_of_another_tool_is_left_out(storage: RDBStorage) -> None:
    run_all(designed(storage), 1)
    optuna.load_study(study_name=STUDY, storage=storage).ask().set_user_attr("by", "hand")
    assert column(load_study(storage, STUDY).trials, "number") == [0]
    assert len(run_all(designed(storage))) == 5


def test_confusion_is_each_trials_own_and_summed_by_arm(storage: RDBStorage) -> None:
    run_all(designed(storage), 5)
    counts = load_study(storage, STUDY).confusion
    assert len(counts) == 5 * 100
    seeds = counts.drop_duplicates(["arm", "seed"]).groupby("arm", sort=False)["seed"].agg(list)
    assert seeds.to_dict() == {"baseline": [0, 1], "hidden_size=64": [0, 1], "dropout=0.1": [0]}
    one = counts.set_index(["arm", "seed", "true", "predicted"])["count"]
    assert one[("baseline", 1, CLASSES[3], CLASSES[7])] == 3
    by_arm = confusion_by_arm(counts)
    assert list(by_arm.columns) == ["arm", "true", "predicted", "count"]
    assert list(dict.fromkeys(by_arm["arm"])) == ARMS
    assert len(by_arm) == 3 * 100
    found = by_arm.set_index(["arm", "true", "predicted"])["count"]
    assert found[("baseline", CLASSES[3], CLASSES[3])] == 2 * 90
    assert found[("baseline", CLASSES[3], CLASSES[7])] == 2 * 3
    assert found[("dropout=0.1", CLASSES[3], CLASSES[7])] == 3  # its second seed is not done
    assert column(by_arm.head(11), "true") == [CLASSES[0]] * 10 + [CLASSES[1]]
    assert column(by_arm.head(3), "predicted") == list(CLASSES[:3])


def test_reported_curves_have_a_row_an_epoch(storage: RDBStorage) -> None:
    curves = {"baseline": {"val_accuracy": [0.8, 0.9]}, "dropout=0.1": {"train_loss": [0.5]}}
    begin(storage, record(changed(reported_curves=curves)))
    found = load_study(storage, STUDY).reported_curves
    assert column(found, "arm", "epoch", "train_loss", "val_accuracy") == [
        ("baseline", 1, None, 0.8), ("baseline", 2, None, 0.9), ("dropout=0.1", 1, 0.5, None),
    ]  # fmt: skip


# From a notebook


def test_trials_are_loaded_by_file_or_url(sqlite_storage: RDBStorage, tmp_path: Path) -> None:
    tasks = run_all(designed(sqlite_storage))
    path = tmp_path / "studies.db"
    expected = in_files(sqlite_storage)
    for where in (path, str(path), url_of(sqlite_storage)):
        pd.testing.assert_frame_equal(load_trials(where, STUDY), expected)
        pd.testing.assert_frame_equal(load_trials(where), expected)
    assert expected["val_accuracy"].tolist() == [accuracy(task) for task in tasks]


@pytest.mark.slow
def test_trials_are_loaded_from_their_csv(storage: RDBStorage, tmp_path: Path) -> None:
    source = designed(storage)
    failed = source.next()
    assert failed is not None
    source.finish(failed, "FAIL", None, {"failure": "=1+1"})
    run_all(source)
    expected = in_files(storage)
    path = tmp_path / "trials.csv"
    path.write_text(csv_text(expected), encoding="utf-8")
    assert ",'=1+1,,,0.1," in path.read_text(encoding="utf-8")
    loaded = load_trials(path)
    assert loaded.loc[0, "failure"] == "=1+1"
    pd.testing.assert_frame_equal(loaded, expected, check_dtype=False)


def test_what_cannot_be_loaded_says_why(storage: RDBStorage, tmp_path: Path) -> None:
    begin(storage, record())
    with pytest.raises(StorageError, match=r"no study tyni in .*; did you mean tiny\?"):
        load_trials(url_of(storage), "tyni")
    with pytest.raises(StorageError, match=r"none\.db: no such storage"):
        load_trials(tmp_path / "none.db", STUDY)
    assert not (tmp_path / "none.db").exists()


# What the report needs besides


def test_what_a_study_is(storage: RDBStorage) -> None:
    text = changed(
        note="Said by the author.",
        arms={"deep": {"set": {"lstm_layers": 4}, "against": "dropout=0.1", "note": "why not"}},
        reported={
            "baseline": {"test_accuracy": 0.9, "test_loss": 0.3},
            "deep": {"test_accuracy": 0.8, "note": "one run"},
        },
    )
    plan = build("tiny", text, overrides={"epochs": 1})
    notes = ({"cpu": "A", "python": "3.11"}, {"cpu": "B", "python": "3.11"})
    begin(storage, Record(plan, seeds=(0, 1, 5), threads=2, environments=notes), "other")
    table = load_study(storage, "other")
    assert (table.name, table.question, table.design) == ("other", "What is asked?", "one-factor")
    assert (table.seeds, table.wanted, table.margin) == ([0, 1, 5], 12, 0.005)
    assert table.notes == [
        "Said by the author.", "The space's own epochs was replaced by 1 for this study.",
    ]  # fmt: skip
    assert table.factors == {
        "hidden_size": {"role": "scientific", "levels": ["128", "64"]},
        "dropout": {"role": "scientific", "levels": ["0.25", "0.1"]},
    }
    assert table.fixed["filter_sizes"] == "3,3,2"
    assert table.fixed["precision"] == "fp32"
    assert not {"hidden_size", "dropout", "lstm_layers"} & set(table.fixed)
    assert table.environment == {
        "device": "cpu", "precision": "fp32", "threads a worker": "2",
        "cpu": "A | B", "python": "3.11",
    }  # fmt: skip
    assert table.space_text == text
    names = ["arm", "against", "factor", "level", "note", "reported_test_accuracy"]
    assert column(table.arms, *names) == [
        ("baseline", "", "", "", "", 0.9),
        ("hidden_size=64", "baseline", "hidden_size", "64", "", None),
        ("dropout=0.1", "baseline", "dropout", "0.1", "", None),
        ("deep", "dropout=0.1", "lstm_layers", "4", "why not; one run", 0.8),
    ]
    assert column(table.arms, "hidden_size", "dropout") == [
        ("128", "0.25"), ("64", "0.25"), ("128", "0.1"), ("128", "0.25"),
    ]  # fmt: skip
    assert column(table.arms, "reported_test_loss")[:2] == [0.3, None]


# A search


def test_a_search_has_the_arms_that_it_drew(storage: RDBStorage) -> None:
    source = search_of(storage)
    tasks = run_all(source, 3)
    states = {0: "COMPLETE", 1: "COMPLETE", 2: "COMPLETE", 3: "PRUNED", 4: "FAIL"}
    for state in ("PRUNED", "FAIL", None):
        task = source.next()
        assert task is not None
        tasks.append(task)
        if state:
            end(source, task, state)
    table = load_study(storage, STUDY)
    assert column(table.trials, "number", "state") == [*states.items(), (5, "RUNNING")]
    assert column(table.trials, "arm") == [task.arm for task in tasks]
    assert column(table.arms, "arm") == [task.arm for task in tasks]
    assert set(table.trials["stage"]) == {"search"}
    assert set(table.trials["replicate"]) == {0}
    assert table.trials["test_value"].isna().all()
    assert (table.seeds, table.wanted, table.design) == ([0], 6, "search")
    assert table.sampler == "tpe"
    assert table.factors["learning_rate"] == {
        "role": "nuisance", "levels": ["0.0003 to 0.003 log"], "limits": (0.0, 10.0),
        "range": {"low": 0.0003, "high": 0.003, "step": None, "log": True, "whole": False},
    }  # fmt: skip
    assert table.factors["filter_sizes"]["range"] is None
    assert table.factors["filter_sizes"]["limits"] is None
    assert table.factors["dropout_count"]["limits"] == (1, 3)  # 0 is dropout = 0, 4 blocks are none
    assert table.trials["value"].notna().tolist() == [True, True, True, False, False, False]
    assert len(table.epochs) == 3 * 2 + 1
    assert set(table.trials["epochs"]) == {2}
    third = table.arms.iloc[2]
    assert third["filter_sizes"] == table.trials["filter_sizes"][2]
    assert third["parameters"] == table.trials["parameters"][2]
    assert third["against"] == "baseline"


def test_what_a_search_never_trained_is_told_by_its_draw(storage: RDBStorage) -> None:
    text = changed(
        SEARCH,
        arms={},
        factors={"hidden_size": [256, 512]},
        limits={"parameters": 800_000},
        search={"trials": 3, "sampler": {"name": "random"}, "duplicates": "reuse"},
    )
    run_all(search_of(storage, text))
    half = optuna.load_study(study_name=STUDY, storage=storage).ask()
    finish_trial(storage, half._trial_id, "PRUNED", attributes={"stage": "search"})
    table = load_study(storage, STUDY)
    assert column(table.arms, "arm") == ["baseline"]
    untrained = table.trials[table.trials["state"] == "PRUNED"]
    assert set(untrained["arm"][:-1]) <= {"hidden_size=256", "hidden_size=512"}
    assert untrained["arm"].iloc[-1] == ""
    assert untrained["value"].isna().all()
    assert untrained["failure"][:-1].str.startswith("infeasible: parameters: ").all()
    assert set(untrained["hidden_size"][:-1]) <= {256, 512}
    assert set(untrained["stage"]) == {"search"}
    assert untrained["number"].iloc[-1] == half.number
    assert len(table.trials) - len(untrained) == 3
    assert table.trials["number"].tolist() == list(range(len(table.trials)))
    assert table.trials["is_baseline"].dtype == bool


@pytest.mark.parametrize(
    ("wanted", "more"),
    [
        (record(seeds=(0, 1, 2, 3, 4)), " --seeds 5"),
        (record(), ""),
        (record(SEARCH, trials=9), " --trials 9"),
        (record(SEARCH), ""),
    ],
)
def test_how_to_go_on_has_what_the_study_was_asked_for(
    wanted: Record, more: str, storage: RDBStorage
) -> None:
    begin(storage, wanted)
    command = load_study(storage, STUDY).command
    where = "--device cpu --precision fp32 --threads 1"
    assert command == f"run results/tiny/space.toml{more} --study tiny {where}"
