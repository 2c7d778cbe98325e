"""What `status` says of studies in every state."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from ablation.scheduling.search import SearchSource
from ablation.storage import StorageError, lock, read_trials, url_of
from ablation.storage.status import status, studies
from tests.helpers.commands import cli
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, end, record, run_all


def counts(found: dict[str, Any]) -> tuple[int, ...]:
    return tuple(found[state] for state in ("complete", "running", "waiting", "failed"))


@pytest.fixture
def mixed(storage: RDBStorage) -> RDBStorage:
    """Six trials wanted: two complete, one failed, one begun, two not begun."""
    source = designed(storage)
    run_all(source, 1)
    for state in ("FAIL", "COMPLETE", None):
        task = source.next()
        assert task is not None
        if state:
            end(source, task, state)
    return storage


def test_a_study_just_begun_waits(storage: RDBStorage) -> None:
    begin(storage, record())
    found = status(storage, STUDY)
    assert (found["study"], found["wanted"]) == (STUDY, 6)
    assert counts(found) == (0, 0, 6, 0)
    assert [counts(arm) for arm in found["arms"]] == [(0, 0, 2, 0)] * 3
    assert found["failures"] == []


def test_a_trial_without_a_coordinator_waits_to_be_taken_up(mixed: RDBStorage) -> None:
    assert counts(status(mixed, STUDY)) == (2, 0, 3, 1)
    with lock(mixed, STUDY):
        assert counts(status(mixed, STUDY)) == (2, 1, 2, 1)
    assert counts(status(mixed, STUDY)) == (2, 0, 3, 1)


def test_counts_by_arm(mixed: RDBStorage) -> None:
    with lock(mixed, STUDY):
        arms = {arm["arm"]: counts(arm) for arm in status(mixed, STUDY)["arms"]}
    assert arms == {
        "baseline": (1, 1, 0, 0),
        "hidden_size=64": (0, 0, 1, 1),
        "dropout=0.1": (1, 0, 1, 0),
    }


def test_failures_are_named_with_their_reason(mixed: RDBStorage) -> None:
    assert status(mixed, STUDY)["failures"] == [
        {"number": 1, "arm": "hidden_size=64", "seed": 0, "reason": "ValueError: made up"}
    ]


def test_a_failure_that_was_made_good_counts_no_more(mixed: RDBStorage) -> None:
    run_all(designed(mixed, retry_failed=True))
    found = status(mixed, STUDY)
    assert counts(found) == (6, 0, 0, 0)
    assert found["failures"] == []


def test_a_setting_drawn_again_is_no_further_trial(storage: RDBStorage) -> None:
    wanted = begin(storage, record(SEARCH))
    run_all(SearchSource(storage, STUDY, wanted))
    trial = optuna.load_study(study_name=STUDY, storage=storage).ask()
    first = read_trials(storage, STUDY)[0].attributes
    for key in ("arm", "seed", "digest", "setting", "stage", "history"):
        trial.set_user_attr(key, first[key])
    trial.set_user_attr("duplicate_of", 0)
    found = status(storage, STUDY)
    assert (found["wanted"], counts(found)) == (6, (6, 0, 0, 0))


def test_a_search_counts_what_was_tried(storage: RDBStorage) -> None:
    wanted = begin(storage, record(SEARCH))
    source = SearchSource(storage, STUDY, wanted)
    for state in ("COMPLETE", "FAIL", "PRUNED", "COMPLETE"):
        task = source.next()
        assert task is not None
        end(source, task, state)
    assert source.next() is not None
    infeasible = optuna.load_study(study_name=STUDY, storage=storage).ask()
    infeasible.set_user_attr("failure", "infeasible: too large")
    found = status(storage, STUDY)
    assert (found["wanted"], counts(found), found["stopped"]) == (6, (2, 0, 2, 1), 1)
    assert found["failures"][0]["arm"] == "wide"
    with lock(storage, STUDY):
        found = status(storage, STUDY)
    assert (counts(found), found["stopped"]) == ((2, 1, 1, 1), 1)
    assert sum(arm["running"] for arm in found["arms"]) == 1


def test_who_runs_it_is_told(mixed: RDBStorage) -> None:
    told = "status", STUDY, "--storage", url_of(mixed)
    assert status(mixed, STUDY)["holder"] is None
    assert "run by" not in cli.call(*told).out
    with lock(mixed, STUDY):
        mine = f"process {os.getpid()} on {os.uname().nodename}"
        assert status(mixed, STUDY)["holder"] == {"name": mine, "certain": True}
        assert f"Being run by {mine}." in cli.call(*told).out


def test_of_another_host_it_is_told_that_nothing_can_be_seen(
    sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    assert designed(sqlite_storage).next() is not None
    (tmp_path / f"studies.db.{STUDY}.lock").write_text("process 7 on lab-2")
    found = status(sqlite_storage, STUDY)
    assert found["holder"] == {"name": "process 7 on lab-2", "certain": False}
    assert found["running"] == 1
    answer = cli.call("status", STUDY, "--storage", url_of(sqlite_storage))
    assert "Locked by process 7 on lab-2: whether it still runs cannot be seen" in answer.out


@pytest.mark.parametrize(
    "text",
    ["process x on {host}", "{host}", "\udcff\udcfe", "process 99999999999999999999 on {host}",
     "process -1 on {host}"],
)  # fmt: skip
def test_a_lock_that_no_process_has_written_is_told_as_it_is(
    text: str, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    designed(sqlite_storage)
    said = text.format(host=os.uname().nodename)
    (tmp_path / f"studies.db.{STUDY}.lock").write_bytes(os.fsencode(said))
    found = status(sqlite_storage, STUDY)
    assert found["holder"]["certain"] is False
    answer = cli.call("status", STUDY, "--storage", url_of(sqlite_storage))
    assert "whether it still runs cannot be seen" in " ".join(answer.out.split())


def test_all_studies_are_listed(mixed: RDBStorage) -> None:
    begin(mixed, record(SEARCH), "a-search")
    optuna.create_study(study_name="of another program", storage=mixed)
    assert studies(mixed) == [
        {"study": STUDY, "design": "one-factor", "wanted": 6,
         "complete": 2, "stopped": 0, "running": 0, "waiting": 3, "diverged": 0, "failed": 1},
        {"study": "a-search", "design": "search", "wanted": 6,
         "complete": 0, "stopped": 0, "running": 0, "waiting": 6, "diverged": 0, "failed": 0},
    ]  # fmt: skip


def test_it_is_all_plain_data(mixed: RDBStorage) -> None:
    for found in (status(mixed, STUDY), studies(mixed)):
        assert json.loads(json.dumps(found)) == found


def test_an_unknown_study_gets_the_nearest_names(mixed: RDBStorage) -> None:
    with pytest.raises(StorageError, match=r"no study tyni in .*; did you mean tiny\? Valid: tiny"):
        status(mixed, "tyni")
