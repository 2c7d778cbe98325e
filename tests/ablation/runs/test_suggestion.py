"""What is said where nothing was chosen: a command that works, whatever the table looks like."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd
import pytest

from ablation.runs.options import Options
from ablation.runs.reading import read_frame
from ablation.runs.refusal import RefusedTableError
from ablation.runs.selection import select_runs
from tests.ablation.runs.selecting import grid, options_of, with_figure

LONG = with_figure(grid(method=["a", "b"], seed=[0, 1, 2]))
TABLES = {
    "long": LONG,
    "no seeds": with_figure(grid(method=["a", "b"], i=range(3)).drop(columns="i")),
    "unclear figure": with_figure(grid(method=["a", "b"], seed=range(4)), "top1"),
    "settings alone": with_figure(grid(lr=["0.1", "0.01"], depth=["2", "4"], seed=range(3))),
    "folds": with_figure(grid(model=["x", "y"], fold=range(5)), "score"),
    "tasks": with_figure(grid(model=["x", "y"], dataset=["p", "q"], seed=range(3))),
    "checkpoints": with_figure(grid(model=["x", "y"], checkpoint=["best", "last"], seed=range(3))),
    "tasks and checkpoints": with_figure(
        grid(model=["x", "y"], dataset=["p", "q"], checkpoint=["best", "last"], seed=range(3))
    ),
    "history": with_figure(grid(algo=["x", "y"], seed=range(3), epoch=range(6)), "val_loss"),
    "means in rows": with_figure(grid(model=["x", "y"], seed=["0", "1", "2", "mean"])),
    "again": pd.concat([LONG, LONG.head(1).assign(val_acc="0.1")]).assign(
        created=[f"2026-01-{i + 1:02}" for i in range(7)]
    ),
    "measures": with_figure(grid(model=["x", "y"], seed=range(3), metric=["acc", "f1"]), "value"),
    "a name with blanks": LONG.rename(columns={"method": "the method", "val_acc": "val acc"}),
}


def advice(frame: pd.DataFrame, **options: Any) -> list[str]:
    with pytest.raises(RefusedTableError) as caught:
        select_runs(read_frame(frame), Options(**options), ["my runs.csv"])
    return list(caught.value.advice)


@pytest.mark.parametrize("frame", TABLES.values(), ids=TABLES)
def test_the_command_works(frame: pd.DataFrame) -> None:
    words = shlex.split(advice(frame)[-1])
    files, options = options_of(words[words.index("analyse") + 1 :])
    assert files == ["my runs.csv"]
    assert not select_runs(read_frame(frame), options).runs.empty


def test_what_was_said_is_kept() -> None:
    frame = TABLES["tasks"].assign(other_acc=TABLES["tasks"]["val_acc"])
    command = advice(frame, metric="other_acc", margin=0.02, against=("y",))[-1]
    assert "--metric other_acc" in command
    assert "--margin 0.02" in command
    assert "--against y" in command


def test_what_only_a_person_knows_is_said() -> None:
    said = advice(TABLES["unclear figure"])[-2]
    assert "--against a" in said
    assert "--lower-is-better" in said


def test_the_columns_are_described() -> None:
    said = "\n".join(advice(TABLES["tasks"].assign(train_acc="0.5", note="x")))
    assert "12 rows" in said
    assert "arms: model (x, y)" in said
    assert "seeds: seed (0, 1, 2)" in said
    assert "data sets or tasks: dataset (p, q)" in said
    assert "figures: val_acc" in said


def test_where_nothing_would_do_the_reasons_stand() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["p", "q"]}, dtype=str)
    assert "no command is known" in advice(frame)[-1]
