"""MLflow's exports, and its store in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.errors import UserError
from ablation.runs.options import Options
from ablation.runs.reading import read_table
from tests.ablation.runs.helpers import rows_of, table_of


def test_parents_that_hold_averages_are_left_out(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "a.csv",
        "run_id,status,start_time,metrics.acc,params.lr,tags.mlflow.parentRunId,tags.mlflow.user\n"
        "p,FINISHED,2026,0.9,0.1,,me\n"
        "c1,FINISHED,2026,0.8,0.1,p,me\n"
        "c2,FAILED,2026,,0.1,p,me\n",
    )
    assert rows_of(table, "run_id") == [("c1",), ("c2",)]
    assert table.lines == ["1 run is the parent of others (p): left out, their children count"]
    roles = table.roles
    assert (roles.exporter, roles.state, roles.run) == ("MLflow's runs", "status", "run_id")
    assert (roles.settings, roles.figures) == (("params.lr",), ("metrics.acc",))
    assert roles.prefixes == ("params.", "metrics.")
    assert {"tags.mlflow.user", "tags.mlflow.parentRunId", "run_id"} <= set(roles.others)


def test_the_pages_csv_is_recognised(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "a.csv",
        "Start Time,Duration,Run ID,Name,Source Type,Source Name,User,Status,lr,val_acc\n"
        "2026-03-02 13:40:00,3s,a,fox,LOCAL,t.py,me,FINISHED,0.1,0.9\n",
    )
    assert (table.roles.run, table.roles.created) == ("Run ID", "Start Time")
    assert set(table.names) - set(table.roles.others) == {"lr", "val_acc"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    files = {
        "0/meta.yaml": "experiment_id: '0'\nname: Default\n",
        "0/p/meta.yaml": "run_id: p\nstatus: 3\n",
        "0/p/metrics/val/acc": "1 0.6 0\n",
        "0/gone/meta.yaml": "run_id: gone\nstatus: 3\nlifecycle_stage: deleted\n",
        "0/gone/metrics/val/acc": "1 0.6 0\n",
        ".trash/1/meta.yaml": "name: old\n",
        "models/m/meta.yaml": "name: m\n",
    }
    for number, status in enumerate((3, 4)):
        run = f"0/r{number}"
        files |= {
            f"{run}/meta.yaml": f"run_id: r{number}\nstatus: {status}\nstart_time: 17{number}\n",
            f"{run}/params/lr": "0.10\n",
            f"{run}/metrics/val/acc": "1702 0.7 2\n1703 0.3 1\n1701 0.5 0\n",
            f"{run}/tags/mlflow.parentRunId": "p",
        }
    for name, text in files.items():
        path = tmp_path / "mlruns" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "mlruns"


@pytest.mark.parametrize("below", ["", "0"])
def test_a_store_gives_each_runs_last_figures(store: Path, below: str) -> None:
    table = read_table([str(store / below)], Options())
    columns = ("run_id", "status", "start_time", "params.lr", "metrics.val/acc")
    assert rows_of(table, *columns) == [
        ("r0", "FINISHED", "170", "0.10", "0.7"), ("r1", "FAILED", "171", "0.10", "0.7"),
    ]  # fmt: skip
    assert table.lines[0] == "1 deleted run left out"
    assert list(table.files) == [below or "mlruns"]


def test_a_stores_hash_is_of_its_runs(store: Path) -> None:
    before = read_table([str(store)], Options()).files
    (store / "0" / "r0" / "artifacts").mkdir()
    assert read_table([str(store)], Options()).files == before
    (store / "0" / "r0" / "params" / "lr").write_text("0.2")
    assert read_table([str(store)], Options()).files != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0/r0/meta.yaml", "- [a"),
        ("0/r0/meta.yaml", "just text"),
        ("0/r0/metrics/val/acc", "now 0.5 1\n"),
    ],
)
def test_a_damaged_store_is_refused_in_one_line(store: Path, name: str, text: str) -> None:
    (store / name).write_text(text)
    with pytest.raises(UserError, match="damaged") as refused:
        read_table([str(store)], Options())
    assert "\n" not in str(refused.value)
