"""Optuna's own tools work on the same storage: its command line, its functions, its plots."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna import visualization
from optuna.storages import RDBStorage

from ablation.scheduling.search import SearchSource
from ablation.storage import url_of
from tests.helpers.made.studies import SEARCH, begin, designed, end, new_storage, record, run_all


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RDBStorage]:
    """A storage with a design and a search, all their trainings made up, one of each failed."""
    storage = new_storage(tmp_path_factory.mktemp("tools"))
    source = designed(storage, study="design")
    wanted = begin(storage, record(SEARCH), "search")
    search = SearchSource(storage, "search", wanted)
    for each in (source, search):
        first = each.next()
        assert first
        end(each, first, "FAIL")
    run_all(source)
    run_all(search)
    yield storage
    storage.engine.dispose()


def loaded(studies: RDBStorage, study: str) -> optuna.Study:
    return optuna.load_study(study_name=study, storage=url_of(studies))


@pytest.mark.slow
@pytest.mark.parametrize(
    "plot",
    ["optimization_history", "param_importances", "slice", "contour", "parallel_coordinate",
     "intermediate_values", "edf", "rank", "timeline"],
)  # fmt: skip
@pytest.mark.parametrize("study", ["design", "search"])
def test_its_plots(plot: str, study: str, studies: RDBStorage) -> None:
    draw: Any = getattr(visualization, f"plot_{plot}")
    figure = draw(loaded(studies, study))
    assert figure.data or plot == "intermediate_values"  # which a worker reports


@pytest.mark.parametrize(
    ("study", "names"),
    [("design", "hidden_size dropout"), ("search", "filter_sizes learning_rate")],
)
def test_a_study_is_loaded_with_its_parameters_by_their_names(
    study: str, names: str, studies: RDBStorage
) -> None:
    found = loaded(studies, study)
    assert set(names.split()) <= found.best_trial.params.keys()
    assert found.best_trial.user_attrs["arm"]
    failed = [t for t in found.trials if t.state == optuna.trial.TrialState.FAIL]
    assert [t.user_attrs["failure"] for t in failed] == ["ValueError: made up"]


def test_its_table(studies: RDBStorage) -> None:
    frame = loaded(studies, "design").trials_dataframe()
    assert len(frame) == 6
    columns = {"value", "params_hidden_size", "user_attrs_arm", "user_attrs_test_accuracy", "state"}
    assert columns <= set(frame.columns)
    assert set(frame["state"]) == {"COMPLETE", "FAIL"}


@pytest.mark.slow
def test_its_command_line(studies: RDBStorage) -> None:
    program = str(Path(sys.executable).with_name("optuna"))
    words = ["--study-name", "design", "--storage", url_of(studies), "--format", "json"]
    done = subprocess.run(
        [program, "trials", *words], capture_output=True, text=True, check=True, timeout=60
    )
    rows = json.loads(done.stdout)
    assert [row["number"] for row in rows] == list(range(6))
