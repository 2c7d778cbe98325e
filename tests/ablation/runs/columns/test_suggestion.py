"""What is said where nothing was chosen: a command that works, whatever the table looks like."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.runs.options import Options
from ablation.runs.reading import read_frame, read_table
from ablation.runs.refusal import RefusedTableError
from ablation.runs.selection import select_runs
from ablation.runs.tables.naming import arm_pattern
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


def test_a_run_that_has_just_begun_adds_no_values() -> None:
    frame = with_figure(grid(**{"params.lr": ["0.1", "0.2"], "params.seed": range(4)}), "val_acc")
    frame = frame.rename(columns={"val_acc": "metrics.val_acc"}).assign(
        **{"params.depth": "2", "params.random_state": "0", "metrics.val_loss": "1"},
        status="FINISHED",
        run_id=[f"r{i}" for i in range(8)],
    )
    begun = pd.DataFrame([{"params.lr": "0.1", "run_id": "r8", "status": "RUNNING"}])
    said = "\n".join(advice(pd.concat([frame, begun], ignore_index=True).fillna("")))
    assert "settings that vary: params.lr (0.1, 0.2)\n" in said
    assert "analyse 'my runs.csv' --setting params.lr --seed params.seed --metric" in said


@pytest.mark.parametrize(
    ("more", "absent"),
    [
        ({"best_val_acc": "0.9{}"}, "--metric best_val_acc"),
        ({"params.gpu": "{}", "params.num_workers": "{}"}, "params.gpu"),
        ({"params.output_dir": "/runs/{}"}, "params.output_dir"),
        ({"metrics.system/cpu_utilization_percentage": "9{}"}, "system/cpu"),
    ],
)
def test_what_is_hardly_meant_is_not_suggested(more: dict[str, str], absent: str) -> None:
    frame = with_figure(grid(**{"params.lr": ["0.1", "0.2"], "params.seed": range(4)}))
    numbered = {
        name: [text.format(i if "dir" in name else i % 2) for i in range(8)]
        for name, text in more.items()
    }
    frame = frame.rename(columns={"val_acc": "metrics.val_acc"}).assign(
        **numbered,
        **{"metrics.val_loss": "1", "status": "FINISHED"},
        run_id=[f"r{i}" for i in range(8)],
    )
    said = "\n".join(advice(frame.sort_index(axis=1)))
    assert "--setting params.lr --seed params.seed --metric metrics.val_acc" in said
    assert absent not in said


def test_where_nothing_would_do_the_reasons_stand() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["p", "q"]}, dtype=str)
    assert "no whole command can be given" in advice(frame)[-1]


def test_a_number_of_a_task_in_a_catalogue_is_no_arm() -> None:
    frame = with_figure(grid(task=["iris", "wine"], framework=["a", "b"], fold=range(5)))
    frame.insert(0, "id", frame["task"].map({"iris": "openml/1", "wine": "openml/2"}))
    assert "--arm framework" in advice(frame)[-1]


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (["r/sac/dog.csv", "r/ppo/dog.csv"], "r/{arm}/dog.csv"),
        (["sac.csv", "ac.csv"], "{arm}.csv"),
        (["a_seed0.json", "a_seed1.json", "b_seed0.json"], "{arm}_seed{seed}.json"),
        (["a/x.csv", "b/y.csv"], ""),
        (["a.csv", "b.json"], ""),
        (["a.csv"], ""),
    ],
)
def test_names_of_files_may_say_arms(files: list[str], pattern: str) -> None:
    assert arm_pattern(files) == pattern


def test_files_of_arms_are_suggested_as_such(tmp_path: Path) -> None:
    files = [tmp_path / arm / "dog.csv" for arm in ("sac", "ppo")]
    for file in files:
        file.parent.mkdir()
        file.write_text("step,reward,seed\n0,1,1\n1,2,1\n0,1,2\n1,3,2\n", encoding="utf-8")
    names = [str(file) for file in files]
    with pytest.raises(RefusedTableError) as refusal:
        select_runs(read_table(names, Options()), Options(), names)
    assert "{arm}/dog.csv" in refusal.value.advice[-1]


def test_cells_with_a_mean_and_its_spread_are_named() -> None:
    frame = pd.DataFrame({"task": ["Wall", "Cube"], "base": ["50.4±6.5", "72 ± 5.9"]}, dtype=str)
    assert "base has '50.4±6.5': if that is a mean with its spread" in advice(frame)[-1]
