"""Optuna's trials as a table, and a storage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ablation.errors import UserError
from ablation.runs.options import Options
from ablation.runs.reading import read_frame, read_table
from tests.ablation.runs.helpers import rows_of

COLUMNS = ("number", "params_lr", "params_seed", "user_attrs_note", "value", "state")
ROWS = [("0", "0.1", "0", "x", "0.5", "COMPLETE"), ("1", "0.2", "1", "", "", "PRUNED")]


def fill(study: optuna.Study) -> None:
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        "lr": optuna.distributions.FloatDistribution(0, 1),
        "seed": optuna.distributions.IntDistribution(0, 5),
    }
    study.add_trials(
        [
            create_trial(
                value=0.5, params={"lr": 0.1, "seed": 0}, distributions=distributions,
                user_attrs={"note": "x"},
            ),
            create_trial(
                state=TrialState.PRUNED, params={"lr": 0.2, "seed": 1}, distributions=distributions
            ),
        ]
    )  # fmt: skip


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    path = tmp_path / "optuna.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="one", direction="minimize")
    fill(study)
    return path


def test_the_trials_dataframe_is_recognised() -> None:
    study = optuna.create_study()
    fill(study)
    table = read_frame(study.trials_dataframe())
    roles = table.roles
    assert roles.exporter == "Optuna's trials"
    assert roles.settings == ("params_lr", "params_seed")
    assert (roles.metric, roles.state, roles.direction) == ("value", "state", None)
    assert rows_of(table, *COLUMNS) == ROWS


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_storage_is_read_with_its_direction(storage: Path, form: str) -> None:
    table = read_table([form.format(storage)], Options())
    assert table.roles.direction == "minimize"
    assert rows_of(table, *COLUMNS) == ROWS
    assert list(table.files) == ["optuna.db"]


def test_a_storage_is_not_changed(storage: Path) -> None:
    before, beside = storage.read_bytes(), sorted(storage.parent.iterdir())
    read_table([str(storage)], Options())
    assert storage.read_bytes() == before
    assert sorted(storage.parent.iterdir()) == beside


def test_of_several_studies_one_is_named(storage: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{storage}", study_name="two")
    with pytest.raises(UserError, match="2 studies; name one with --study: one, two"):
        read_table([str(storage)], Options())
    with pytest.raises(UserError, match=r"no study onee\. did you mean one"):
        read_table([str(storage)], Options(study="onee"))
    with pytest.raises(UserError, match="the study two has no trials"):
        read_table([str(storage)], Options(study="two"))
    assert len(rows_of(read_table([str(storage)], Options(study="one")))) == 2


def test_several_objectives_have_a_figure_each(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    study = optuna.create_study(storage=url, directions=["minimize", "maximize"])
    study.add_trial(
        create_trial(
            values=[1.0, 2.0], params={"lr": 0.1},
            distributions={"lr": optuna.distributions.FloatDistribution(0, 1)},
        )
    )  # fmt: skip
    table = read_table([str(tmp_path / "optuna.db")], Options())
    assert rows_of(table, "values_0", "values_1") == [("1.0", "2.0")]
    assert (table.roles.metric, table.roles.direction) == ("", None)


def test_a_storage_of_another_version_is_not_migrated(storage: Path) -> None:
    with sqlite3.connect(storage) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v3.0.0.a'")
    connection.close()
    before = storage.read_bytes()
    with pytest.raises(UserError, match="another version of Optuna, and not changed here"):
        read_table([str(storage)], Options())
    assert storage.read_bytes() == before


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    connection.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    with pytest.raises(UserError, match=r"no storage of Optuna's.*search_runs"):
        read_table([str(tmp_path / "mlflow.db")], Options())
    assert (tmp_path / "mlflow.db").read_bytes() == before
