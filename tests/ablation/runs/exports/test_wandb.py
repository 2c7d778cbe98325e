"""W&B's exports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ablation.errors import UserError
from ablation.runs.reading import read_frame
from tests.ablation.runs.helpers import rows_of, table_of

CHART = (
    '"Step","base-s0 - val/acc","base-s0 - val/acc__MIN","base-s0 - val/acc__MAX",'
    '"base-s0 - _step","new-s0 - val/acc","new-s0 - val/acc__MIN","new-s0 - val/acc__MAX"\n'
    '"1","0.5","0.5","0.5","1","0.6","0.6","0.6"\n'
    '"2","0.7","0.7","0.7","2","","",""\n'
)


def test_the_runs_table_has_its_own_columns_known(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "a.csv",
        '"Name","State","Notes","Created","Runtime","optim.lr","_step","val/acc"\n'
        '"pale-dune-20","finished","-","2026-03-02T13:40:00.000Z","200","0.25","3","79.8"\n',
    )
    roles = table.roles
    assert roles.exporter == "W&B's runs table"
    assert (roles.state, roles.created, roles.run) == ("State", "Created", "Name")
    assert set(table.names) - set(roles.others) == {"optim.lr", "val/acc"}
    assert roles.settings == roles.figures == ()


def test_a_chart_of_runs_is_a_history(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", CHART)
    assert table.names == ["run", "Step", "val/acc"]
    assert rows_of(table) == [
        ("base-s0", "1", "0.5"), ("base-s0", "2", "0.7"), ("new-s0", "1", "0.6"),
    ]  # fmt: skip
    assert (table.roles.run, table.roles.metric) == ("run", "val/acc")


def test_names_of_a_charts_runs_may_say_arm_and_seed(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", CHART, name="{arm}-s{seed}")
    assert (table.roles.arm, table.roles.seed) == ("arm", "seed")
    assert rows_of(table, "arm", "seed", "val/acc")[-1] == ("new", "0", "0.6")


@pytest.mark.parametrize("run", ["method: base", "Group: base"])
def test_a_chart_of_group_means_is_refused(tmp_path: Path, run: str) -> None:
    columns = [f"{run} - acc", f"{run} - acc__MIN", f"{run} - acc__MAX"]
    with pytest.raises(UserError, match=r"a chart of group means.*download the runs table"):
        table_of(tmp_path / "a.csv", f"Step,{','.join(columns)}\n1,0.5,0.4,0.6\n")


def test_dicts_of_the_api_are_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "summary": [{"_runtime": 3, "acc": 0.9, "bad": float("nan")}, {"acc": 0.10}],
            "config": [{"optim": {"lr": 0.1}, "flag": True}, {"optim": {"lr": 1e-05}}],
            "name": ["a", "b"],
        }
    )
    frame.to_csv(tmp_path / "a.csv")
    table = table_of(tmp_path / "b.csv", (tmp_path / "a.csv").read_text())
    assert table.roles.exporter == "W&B's runs"
    assert table.roles.settings == ("config.optim.lr", "config.flag")
    assert table.roles.figures == ("summary.acc", "summary.bad")
    assert table.roles.others == ("name", "summary._runtime")
    columns = ("name", "summary.acc", "summary.bad", "config.optim.lr", "config.flag")
    expected = [("a", "0.9", "nan", "0.1", "True"), ("b", "0.1", "", "1e-05", "")]
    assert rows_of(table, *columns) == expected
    from_frame = rows_of(read_frame(frame), *columns)
    assert [tuple(cell.lower() for cell in row) for row in from_frame] == [
        tuple(cell.lower() for cell in row) for row in expected
    ]


@pytest.mark.parametrize(
    "cell", ["{'a': __import__('os').system('true')}", "{" * 50_000 + "}" * 50_000, "{'a': b}"]
)
def test_no_text_of_a_cell_is_evaluated(tmp_path: Path, cell: str) -> None:
    table = table_of(tmp_path / "a.csv", f'arm,config\nx,"{cell}"\n')
    assert rows_of(table, "config") == [(cell,)]
