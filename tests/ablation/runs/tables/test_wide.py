"""Columns that are seeds, or arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.errors import UserError
from tests.ablation.runs.helpers import rows_of, table_of

SEEDS = [("a", "0", "0.9"), ("a", "1", "0.8"), ("b", "0", "0.7"), ("b", "1", "")]


@pytest.mark.parametrize(
    "columns", ["0,1", "seed_0,seed_1", "Seed 0,Seed 1", "s0,s1", "seed=0,seed=1"]
)
def test_columns_of_seeds_are_runs(tmp_path: Path, columns: str) -> None:
    text = f"arm,{columns},mean,std\na,0.9,0.8,0.85,0.07\nb,0.7,,0.7,\n"
    table = table_of(tmp_path / "a.csv", text, wide="seeds", metric="acc")
    assert rows_of(table, "arm", "seed", "acc") == SEEDS
    roles = table.roles
    assert (roles.arm, roles.seed, roles.metric) == ("arm", "seed", "acc")
    assert list(table.read(["acc"]).index) == [2, 2, 3, 3]
    assert table.lines[0].endswith("(2) hold a run each; not used: mean, std")


@pytest.mark.parametrize(
    ("columns", "pairs", "roles"),
    [
        ("fold1,fold2", "fold", ("", "fold")),
        ("split0,split1", "fold", ("", "fold")),
        ("run 1,run 2", "run", ("", "")),
    ],
)
def test_folds_and_runs_are_no_seeds(
    tmp_path: Path, columns: str, pairs: str, roles: tuple[str, str]
) -> None:
    table = table_of(tmp_path / "a.csv", f"arm,{columns}\na,1,2\n", wide="seeds")
    assert table.names == ["arm", pairs, "value"]
    assert (table.roles.seed, table.roles.fold) == roles


def test_columns_of_runs_are_seeds_if_told(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "arm,run1,run2\na,1,2\n", wide="seeds", seed="run")
    assert table.roles.seed == "run"


@pytest.mark.parametrize(
    "columns", ["acc_seed0,acc_seed1,f1_seed0,f1_seed1", "seed0_acc,seed1_acc,seed0_f1,seed1_f1"]
)
def test_several_figures_stay_apart(tmp_path: Path, columns: str) -> None:
    table = table_of(tmp_path / "a.csv", f"arm,{columns},top1\na,1,2,3,4,5\n", wide="seeds")
    assert table.roles.figures == ("acc", "f1")
    assert rows_of(table, "seed", "acc", "f1", "top1") == [
        ("0", "1", "3", "5"), ("1", "2", "4", "5"),
    ]  # fmt: skip


def test_a_row_of_averages_is_left_out(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "arm,0,1\na,1,2\nMean,1,2\n", wide="seeds")
    assert rows_of(table, "arm") == [("a",), ("a",)]
    assert table.lines[-1] == "rows called Mean are left out"


def test_columns_of_arms_are_runs(tmp_path: Path) -> None:
    text = "seed,plain,focal loss,mean\n3,0.9,0.8,0.85\n4,0.7,0.6,0.65\nmean,0.8,0.7,0.75\n"
    table = table_of(tmp_path / "a.csv", text, wide="arms", metric="auc")
    assert rows_of(table, "seed", "arm", "auc") == [
        ("3", "plain", "0.9"), ("3", "focal loss", "0.8"),
        ("4", "plain", "0.7"), ("4", "focal loss", "0.6"),
    ]  # fmt: skip
    assert (table.roles.arm, table.roles.seed) == ("arm", "seed")


def test_rows_of_arms_without_a_seed_are_numbered_runs(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "plain,focal\n1,2\n3,4\n", wide="arms")
    assert rows_of(table, "run", "arm", "value") == [
        ("1", "plain", "1"), ("1", "focal", "2"), ("2", "plain", "3"), ("2", "focal", "4"),
    ]  # fmt: skip
    assert table.roles.seed == ""


@pytest.mark.parametrize(
    ("text", "wide", "said"),
    [
        ("arm,0,1\na,1,2\n", "seed", "did you mean seeds"),
        ("arm,note\na,x\n", "seeds", "fewer than two columns of seeds"),
        ("seed,acc\n1,2\n", "arms", "fewer than two columns of arms"),
    ],
)
def test_what_is_not_wide_is_refused(tmp_path: Path, text: str, wide: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        table_of(tmp_path / "a.csv", text, wide=wide)


@pytest.mark.parametrize("cell", ["88.8±3.0", "88.8 +/- 3", "68.4(7.1)"])
def test_columns_of_means_with_their_spread_say_so(tmp_path: Path, cell: str) -> None:
    with pytest.raises(UserError, match="if that is a mean with its spread"):
        table_of(tmp_path / "a.csv", f"task,a,b\nx,{cell},{cell}\n", wide="arms", metric="acc")


def test_a_column_without_a_name_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the columns are \(no name\), a"):
        table_of(tmp_path / "a.csv", ",a\nx,1\n", wide="arms", metric="acc")
