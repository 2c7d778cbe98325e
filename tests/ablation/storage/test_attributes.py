"""What studies and trials say of themselves: read as it was written, or refused with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation.planning.pace import Rate, measured_rate, rate
from ablation.planning.spreads import measured_spreads
from ablation.report.data.loading import load_study
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.storage import UnreadableError, opened_storage, save_study, storage_url, url_of
from ablation.storage.attributes import CREATED, ENDED, checked_trials
from ablation.storage.record import find_record, load_record
from ablation.storage.status import status, studies
from ablation.storage.studies import own_studies
from crnn.objective import objective
from crnn.trace.subject import finished
from tests.helpers.commands.cli import ROOT
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, end, record, run_all

READERS: dict[str, Callable[[RDBStorage], Any]] = {
    "status": lambda storage: status(storage, STUDY),
    "report": lambda storage: load_study(storage, STUDY),
    "run": lambda storage: taken_up(storage),
    "trace": lambda storage: finished(storage, f"{STUDY}:0"),
}
WAY = "; another version wrote it, or somebody changed it: go on with that version, or run its "
LACKING = object()


def taken_up(storage: RDBStorage) -> DesignedSource:
    """A study as a run goes on with it."""
    found = load_record(storage, STUDY)
    return DesignedSource(storage, STUDY, found, found.stages)


def put(storage: RDBStorage, table: str, key: str, value: Any) -> None:
    """Change an attribute behind everybody's back: text as it is, or what JSON makes of a value."""
    text = value if isinstance(value, str) or value is LACKING else json.dumps(value)
    change = f"UPDATE {table}_user_attributes SET value_json = :text WHERE key = :key"
    if value is LACKING:
        change = f"DELETE FROM {table}_user_attributes WHERE key = :key"
    if table == "trial":
        change += " AND trial_id = (SELECT MIN(trial_id) FROM trials)"
    words = {"key": key} if value is LACKING else {"key": key, "text": text}
    with storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text(change), words)


@pytest.mark.slow
def test_every_trial_that_comes_along_is_read(tmp_path: Path) -> None:
    shutil.copy(ROOT / "results" / "reference" / "studies.db", tmp_path)
    with opened_storage(storage_url(None, tmp_path)) as storage:
        for study in own_studies(storage):
            assert load_record(storage, study).wanted > 0
            table = load_study(storage, study)
            count = len(table.trials) + (len(table.path.trials) if table.path else 0)
            assert count == len(checked_trials(storage, study)) > 0


@pytest.mark.parametrize("state", ["COMPLETE", "FAIL", "PRUNED", None])
def test_what_is_written_is_read(state: str | None, storage: RDBStorage) -> None:
    source = SearchSource(storage, STUDY, begin(storage, record(SEARCH)))
    for _ in range(3):
        task = source.next()
        assert task is not None
        if state:
            end(source, task, state)
    optuna.load_study(study_name=STUDY, storage=storage).ask()  # of another tool
    assert [row.state for row in checked_trials(storage, STUDY)] == [state or "RUNNING"] * 3 + [
        "RUNNING"
    ]
    assert len(load_study(storage, STUDY).trials) == 3


STUDIES: dict[str, tuple[str, Any, str]] = {
    "lacking": ("seeds", LACKING, "attribute seeds: missing"),
    "another type": ("threads", "[1]", "attribute threads: must be a valid integer"),
    "true for a number": ("trials", True, "attribute trials: must be a valid integer"),
    "another device": ("device", '"tpu"', "attribute device: must be 'cpu' or 'cuda'"),
    "seeds twice": ("seeds", [0, 0], "attribute seeds: must be all different"),
    "a negative seed": ("seeds", [0, -1], "attribute seeds.1: must be greater than or equal to 0"),
    "no seeds": ("seeds", [], "a one-factor design has seeds and no trials"),
    "trials": ("trials", 3, "a one-factor design has seeds and no trials"),
    "no JSON": ("environments", "[{", "attribute environments: no JSON"),
    "endless JSON": ("environments", "[" * 99_999, "attribute environments: no JSON"),
    "another override": (
        "overrides",
        {"seeds": 3},
        "attribute overrides: seeds is none of epochs, train_size",
    ),
    "a space that is none": ("space", '"seeds = 3"', "its space: format: must be 1, the only "),
    "a space of no TOML": ("space", '"?"', "its space: not valid TOML: "),
    "a format to come": ("format", 2, "its format is 2, this version reads 1"),
    "a format that is none": (
        "format",
        '"a\\u001bb"',
        "its format is a\\x1bb, this version reads 1",
    ),
}


@pytest.mark.parametrize("case", STUDIES)
def test_a_study_that_this_version_did_not_write_so(case: str, storage: RDBStorage) -> None:
    run_all(designed(storage), 1)
    key, value, expected = STUDIES[case]
    put(storage, "study", key, value)
    for read in READERS.values():
        with pytest.raises(UnreadableError) as caught:
            read(storage)
        line = str(caught.value)
        assert line.startswith(f"study tiny: {expected}")
        assert WAY in line
        assert line.isprintable()


TRIALS: dict[str, tuple[str, Any, str]] = {
    "another type": ("seed", '"0"', "attribute seed: must be a valid integer"),
    "nothing": ("digest", "null", "attribute digest: must be a valid string"),
    "no JSON": ("seed", "{", "attribute seed: no JSON"),
    "an unknown setting": ("setting", {"width": 3}, "attribute setting: no such setting: width"),
    "a setting of another type": (
        "setting",
        {"hidden_size": "big"},
        "attribute setting: hidden_size: must be a valid integer",
    ),
    "another setting": ("setting", {"hidden_size": 3}, "attribute digest: not that of its setting"),
}
FIGURES: dict[str, tuple[str, Any, str]] = {
    "no history": ("history", [], "attribute history: List should have at least 1 item"),
    "half a history": ("history", [{"epoch": 1}], "attribute history.0.train_loss: missing (and 4"),
    "an average in percent": (
        "history",
        [
            {
                **dict.fromkeys(objective.figures, 0.5),
                "epoch": 1,
                "seconds": 1.0,
                "ema_val_accuracy": 57.0,
            }
        ],
        "attribute history.0.ema_val_accuracy: must be less than or equal to 1",
    ),
    "percent": ("test_accuracy", 89.7, "attribute test_accuracy: must be less than or equal to 1"),
    "a confusion of others": (
        "confusion",
        [[1]],
        "attribute confusion.0: List should have at",
    ),
    "no images": ("confusion", [[0] * 10] * 10, "attribute confusion.0: must count an image (and"),
    "time runs back": ("seconds", -1, "attribute seconds: must be greater than or equal to 0"),
}


@pytest.mark.parametrize("case", TRIALS)
def test_a_trial_that_this_version_did_not_write_so(case: str, storage: RDBStorage) -> None:
    key, value, expected = TRIALS[case]
    readers = ("run", "status", "report", "trace") if key != "setting" else ("run", "report")
    refused(storage, key, value, expected, readers)


@pytest.mark.parametrize("case", FIGURES)
def test_figures_that_this_version_did_not_write_so(case: str, storage: RDBStorage) -> None:
    refused(storage, *FIGURES[case], ("report", "trace"))


@pytest.mark.slow
@pytest.mark.parametrize("key", CREATED + ENDED)
def test_a_trial_that_lacks_an_attribute(key: str, storage: RDBStorage) -> None:
    refused(storage, key, LACKING, f"attribute {key}: missing", ("report", "trace"))


def refused(
    storage: RDBStorage, key: str, value: Any, expected: str, readers: tuple[str, ...]
) -> None:
    run_all(designed(storage), 1)
    put(storage, "trial", key, value)
    for reader in readers:
        with pytest.raises(UnreadableError) as caught:
            READERS[reader](storage)
        assert str(caught.value).startswith(f"study tiny: trial 0: {expected}")
        assert WAY in str(caught.value)


def test_a_trial_that_ends_while_it_is_read(storage: RDBStorage, any_url: str) -> None:
    source = designed(storage)
    task = source.next()
    assert task is not None
    queries = []
    with opened_storage(any_url) as reader:

        @sqlalchemy.event.listens_for(reader.engine, "after_cursor_execute")
        def end_after_the_first(*_: object) -> None:
            queries.append(1)
            if len(queries) == 1:
                end(source, task)

        (row,) = checked_trials(reader, STUDY)
    assert len(queries) == 3  # states, attributes, what the study is of
    assert row.state == "RUNNING"
    assert checked_trials(storage, STUDY)[0].state == "COMPLETE"


def test_a_trial_told_complete_by_hand(storage: RDBStorage) -> None:
    task = designed(storage).next()
    assert task is not None
    optuna.load_study(study_name=STUDY, storage=storage).tell(task.number, 0.9)
    with pytest.raises(UnreadableError, match=r"study tiny: trial 0: attribute history: missing"):
        load_study(storage, STUDY)


def test_a_seed_that_the_study_has_not(storage: RDBStorage) -> None:
    run_all(designed(storage))
    put(storage, "study", "seeds", [1, 2])
    with pytest.raises(UnreadableError, match=r"trial 0: attribute seed: the study has no seed 0"):
        load_study(storage, STUDY)


def test_trials_of_another_tool_are_left_alone(storage: RDBStorage) -> None:
    run_all(designed(storage), 1)
    theirs = optuna.load_study(study_name=STUDY, storage=storage)
    theirs.enqueue_trial({}, user_attrs={"by": "hand"})
    theirs.ask().set_user_attr("seconds", 3)
    theirs.add_trial(optuna.create_trial(value=0.5))
    assert status(storage, STUDY)["complete"] == 1
    assert len(load_study(storage, STUDY).trials) == 1
    assert len(run_all(designed(storage))) == 5
    with pytest.raises(Exception, match="--trial tiny:2: no trial of this program's"):
        finished(storage, "tiny:2")


def test_times_are_of_what_can_be_read(storage: RDBStorage, tmp_path: Path) -> None:
    run_all(designed(storage))
    run_all(designed(storage, study="another"))
    theirs = optuna.create_study(study_name="theirs", storage=storage)
    theirs.add_trial(optuna.create_trial(value=1, user_attrs={"setting": 3, "seconds": "long"}))
    assert measured_rate(storage, objective).source == "12 trainings in this storage"
    put(storage, "trial", "setting", {"width": 3})
    assert measured_rate(storage, objective).source == "6 trainings in this storage"
    put(storage, "trial", "seed", "no JSON")
    assert measured_spreads(storage, objective) == {}  # made-up pairs do not differ
    save_study(storage, "another", {"format": 2})
    assert rate(url_of(storage), tmp_path, 1).source == "6 trainings in this storage"
    assert measured_rate(storage, objective) != Rate(*objective.pace)


def test_a_study_of_another_tool_with_anything_in_it(storage: RDBStorage) -> None:
    begin(storage, record())
    optuna.create_study(study_name="theirs", storage=storage).set_user_attr("question", {})
    put(storage, "study", "note", "no JSON")
    assert own_studies(storage) == [STUDY]
    assert [row["study"] for row in studies(storage)] == [STUDY]
    assert find_record(storage, "theirs") is None
