"""Runs that were trained elsewhere as a study: stored whole, read back, replaced with care."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation.errors import UserError
from ablation.objective.metric import Metric
from ablation.report.build import load_with_looks
from ablation.report.data.loading import load_study
from ablation.runs.runs import Runs
from ablation.runs.storing import EPOCHS, load_runs, store_runs
from ablation.statistics.comparison import Comparison, Method
from ablation.storage import (
    ImportedError,
    StorageError,
    UnreadableError,
    copy_study,
    open_storage,
    study_names,
    url_of,
)
from ablation.storage.record import find_record
from ablation.storage.status import status, studies
from ablation.storage.studies import fingerprint, latest_study, own_studies
from tests.helpers.made.runs import DIGEST, VALUES, made_runs

MORE = {arm: (*values, 0.86) for arm, values in VALUES.items()}
OTHER = {"table.csv": "1" * 64}


def history(epochs: int) -> pd.DataFrame:
    rows = [
        ("plain", str(seed), "", epoch, 0.8 + epoch / 1e5)
        for seed in (11, 12)
        for epoch in range(epochs)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "block", "epoch", "value"])


def test_what_is_stored_is_read_back(storage: RDBStorage) -> None:
    runs = made_runs(
        paths=["runs"], history=history(3), metric=Metric("loss", direction="minimize", test="test")
    )
    runs.runs["test_value"] = [0.1 * place for place in range(len(runs.runs))]
    assert store_runs(storage, runs) == "new"
    found, looks = load_runs(storage, "table")
    for name in ("arms", "runs", "history"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(runs, name), check_dtype=False)
    assert (found.metric, found.comparison, found.margin) == (
        runs.metric,
        runs.comparison,
        runs.margin,
    )
    assert (found.files, found.paths) == (runs.files, runs.paths)
    assert (found.options, found.lines) == (runs.options, runs.lines)
    assert looks == ()
    study = optuna.load_study(study_name="table", storage=storage)
    assert study.direction.name == "MINIMIZE"
    assert own_studies(storage) == ["table"] == [latest_study(storage)]


@pytest.mark.parametrize("state", ["RUNNING", "PRUNED", "FAIL"])
def test_what_has_no_result_has_failed_with_its_reason(
    state: str, sqlite_storage: RDBStorage
) -> None:
    runs = made_runs()
    runs.runs.loc[0, "state"] = state
    runs.runs.loc[0, "value"] = math.nan
    store_runs(sqlite_storage, runs)
    found = load_runs(sqlite_storage, "table")[0].runs
    assert list(found.loc[0, ["state", "failure"]]) == ["FAIL", state.lower()]


@pytest.mark.parametrize("seeds", [("11", "012"), ("a", "b"), ("1.0", "2.0")])
def test_labels_stay_the_text_that_they_are(
    seeds: tuple[str, str], sqlite_storage: RDBStorage
) -> None:
    runs = made_runs({"plain": (0.1, 0.2), "wide": (0.3, 0.4)})
    runs.runs["seed"] = [*seeds, *seeds]
    store_runs(sqlite_storage, runs)
    assert set(load_study(sqlite_storage, "table").trials["seed"]) == set(seeds)


def test_whole_numbers_sort_as_numbers(sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs())
    table = load_study(sqlite_storage, "table")
    assert table.seeds == [11, 12, 13, 14, 15]
    assert table.trials["seed"].dtype.kind == "i"


def test_the_same_again_changes_nothing(storage: RDBStorage) -> None:
    store_runs(storage, made_runs())
    load_with_looks(storage, "table", print)
    before = fingerprint(storage, "table")
    assert store_runs(storage, made_runs()) == "none"
    assert load_with_looks(storage, "table", print).looks == (14,)
    assert fingerprint(storage, "table") == before


@pytest.mark.parametrize(
    ("changed", "looks"),
    [
        (made_runs(MORE, files=OTHER), (14, 17)),
        (made_runs(margin=0.01, options=[*made_runs().options, "--margin", "0.01"]), (14, 14)),
    ],
    ids=["more rows", "another margin"],
)
def test_more_rows_and_another_margin_are_another_look(
    changed: Runs, looks: tuple[int, ...], storage: RDBStorage
) -> None:
    store_runs(storage, made_runs())
    for _ in range(2):
        load_with_looks(storage, "table", print)
    assert store_runs(storage, changed) == "look"
    for _ in range(2):
        table = load_with_looks(storage, "table", print)
    assert table.looks == looks
    assert table.margin == changed.margin
    assert len(table.trials) == len(changed.runs)
    assert study_names(storage) == ["table"]


@pytest.mark.parametrize(
    ("values", "method", "looks"),
    [(VALUES, "welch", (14,)), ({"plain": (0.8,), "wide": (0.9,)}, "paired", ())],
)
def test_what_could_be_tested_is_a_look(
    values: dict[str, tuple[float | None, ...]],
    method: Method,
    looks: tuple[int, ...],
    sqlite_storage: RDBStorage,
) -> None:
    runs = made_runs(values, comparison=Comparison(method))
    runs.runs["seed"] = [f"r{place}" for place in runs.runs.index]
    if method == "paired":
        runs.runs["seed"] = "0"
    store_runs(sqlite_storage, runs)
    assert load_with_looks(sqlite_storage, "table", print).looks == looks


def less(runs: Runs) -> Runs:
    return replace(runs, runs=runs.runs[1:].reset_index(drop=True), files=OTHER)


def changed_figure(runs: Runs) -> Runs:
    rows = runs.runs.assign(value=[0.9, *runs.runs["value"][1:]])
    return replace(runs, runs=rows, files=OTHER)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (less(made_runs()), "plain, seed 11 had val_auc 0.853, which these files lack"),
        (changed_figure(made_runs()), "plain, seed 11 had val_auc 0.853, which these files lack"),
        (made_runs(options=["--arm", "model"]), "its options were --arm arm --metric val_auc"),
        (made_runs(metric=Metric("val_auc", direction="minimize")), "its metric was val_auc"),
    ],
    ids=["less", "another figure", "another option", "another direction"],
)
def test_other_runs_need_another_name(changed: Runs, why: str, sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs())
    before = fingerprint(sqlite_storage, "table")
    with pytest.raises(StorageError) as refused:
        store_runs(sqlite_storage, changed)
    assert why in str(refused.value)
    assert str(refused.value).endswith("analyse these as another with --study NAME")
    assert "\n" not in str(refused.value)
    assert fingerprint(sqlite_storage, "table") == before
    assert store_runs(sqlite_storage, replace(changed, study="other")) == "new"


def test_runs_that_pair_nothing_may_be_numbered_anew(sqlite_storage: RDBStorage) -> None:
    welch = Comparison("welch", of="run")
    store_runs(sqlite_storage, made_runs(comparison=welch))
    shifted = made_runs(MORE, comparison=welch, files=OTHER)
    shifted.runs["seed"] = [f"r{place}" for place in range(len(shifted.runs))]
    assert store_runs(sqlite_storage, shifted) == "look"


@pytest.mark.parametrize("name", ["reference", "a/b", "x.confirm", ""])
def test_a_name_that_no_study_may_have_is_refused(name: str, sqlite_storage: RDBStorage) -> None:
    with pytest.raises(UserError, match="study name"):
        store_runs(sqlite_storage, made_runs(study=name))
    assert study_names(sqlite_storage) == []


def test_a_study_of_something_else_stays(sqlite_storage: RDBStorage) -> None:
    optuna.create_study(storage=sqlite_storage, study_name="table")
    with pytest.raises(StorageError, match="choose another name with --study NAME"):
        store_runs(sqlite_storage, made_runs())


def test_what_a_storing_has_left_half_done_is_no_study(sqlite_storage: RDBStorage) -> None:
    half = optuna.create_study(storage=sqlite_storage, study_name="table (being begun)")
    half.set_user_attr("design", "imported")
    half.set_user_attr("format", 1)
    assert own_studies(sqlite_storage) == []
    assert store_runs(sqlite_storage, made_runs()) == "new"
    assert study_names(sqlite_storage) == ["table"]


def test_long_histories_keep_the_same_epochs_of_all_runs(sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs(history=history(3 * EPOCHS)))
    found = load_runs(sqlite_storage, "table")[0]
    by_seed = found.history.groupby("seed")["epoch"].agg(list)
    assert by_seed["11"] == by_seed["12"]
    assert len(by_seed["11"]) == EPOCHS
    assert (by_seed["11"][0], by_seed["11"][-1]) == (0, 3 * EPOCHS - 1)
    assert f"learning curves keep {EPOCHS} of {3 * EPOCHS:,} epochs" in found.lines


def test_its_status_has_what_failed(sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs())
    whole = {"complete": 14, "stopped": 0, "running": 0, "waiting": 0, "diverged": 0, "failed": 1}
    assert studies(sqlite_storage) == [
        {"study": "table", "design": "imported", "wanted": 15, **whole}
    ]
    content = status(sqlite_storage, "table")
    assert [row["complete"] for row in content["arms"]] == [5, 5, 4]
    assert content["failures"] == [
        {
            "number": 13,
            "arm": "focal",
            "block": "",
            "of": "seed",
            "seed": "14",
            "reason": "val_auc is empty",
        }
    ]


def test_nothing_can_be_trained_in_it(sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs())
    with pytest.raises(ImportedError, match="choose another name with --study NAME"):
        find_record(sqlite_storage, "table")


def test_a_copy_is_the_same_study(sqlite_storage: RDBStorage, tmp_path: Path) -> None:
    store_runs(sqlite_storage, made_runs(history=history(3)))
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    copy_study("table", url_of(sqlite_storage), url)
    copied = open_storage(url)
    assert fingerprint(copied, "table") == fingerprint(sqlite_storage, "table")
    copied.engine.dispose()


FAULTS: list[tuple[str, str, Any, str]] = [
    ("study", "arms", [], "attribute arms"),
    ("study", "arms", "{", "attribute arms: no JSON"),
    ("study", "margin", -1, "attribute margin"),
    ("study", "files", {"a.csv": "short"}, "attribute files.a.csv"),
    ("study", "format", 2, "its format is 2, this version reads 1"),
    ("study", "comparison", {"method": "guess"}, "attribute comparison.method"),
    ("study", "metric", {"name": "x"}, "attribute metric.unit: missing"),
    ("trial", "arm", "nobody", "trial 0: attribute arm: the study has no arm nobody"),
    ("trial", "seed", 3, "trial 0: attribute seed"),
    ("trial", "seed", "12", "trial 1: its arm and seed have a trial already"),
]


@pytest.mark.parametrize(("table", "key", "value", "why"), FAULTS)
def test_what_somebody_has_changed_is_one_line(
    table: str, key: str, value: Any, why: str, sqlite_storage: RDBStorage
) -> None:
    store_runs(sqlite_storage, made_runs())
    text = value if value == "{" else json.dumps(value)
    change = f"UPDATE {table}_user_attributes SET value_json = :text WHERE key = :key"
    if table == "trial":
        change += " AND trial_id = (SELECT MIN(trial_id) FROM trials)"
    with sqlite_storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text(change), {"key": key, "text": text})
    for read in (load_study, status):
        with pytest.raises(UnreadableError) as refused:
            read(sqlite_storage, "table")
        assert why in str(refused.value)
        assert "\n" not in str(refused.value)
        assert DIGEST not in str(refused.value)


def test_trials_of_other_tools_are_not_its_own(sqlite_storage: RDBStorage) -> None:
    store_runs(sqlite_storage, made_runs())
    optuna.load_study(study_name="table", storage=sqlite_storage).ask()
    assert len(load_study(sqlite_storage, "table").trials) == 15
