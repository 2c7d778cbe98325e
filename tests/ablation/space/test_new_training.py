"""A new space of somebody's training function, ready to run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ablation.design.loading import load
from ablation.errors import UserError
from ablation.space.new_training import figures, new_training, other_level
from ablation.user_code.settings.schema import SettingField
from tests.helpers.commands import cli

CODE = """
from typing import Literal
from pydantic import BaseModel, Field

class Optimizer(BaseModel):
    rate: float = Field(0.1, gt=0, le=0.15)

class Settings(BaseModel):
    depth: int
    kernel: Literal["a", "b"] = "b"
    norm: bool = True
    optimizer: Optimizer = Optimizer()
    workers: int = Field(2, json_schema_extra={"identity": False})
    max_steps: int = 100
    text: str = "x"

def fit(settings: Settings, run):
    run.report(1, train_loss=0.1, val_loss=0.2)
    return {"test_loss": 0.3, "seconds": 1.0}
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "sub" / "mine.py"
    path.parent.mkdir()
    path.write_text(CODE, encoding="utf-8")
    return path


def test_of_a_function_that_is_there_its_settings_and_figures_are_in_it(
    code: Path, tmp_path: Path
) -> None:
    space = tmp_path / "my.toml"
    assert new_training(space, f"{code}:fit") == [space]
    found = tomllib.loads(space.read_text())
    wanted = {
        "trains": "sub/mine.py:fit",
        "metric": "val_loss",
        "direction": "min",
        "test": "test_loss",
        "budget": "max_steps",
    }
    assert {key: found[key] for key in wanted} == wanted
    assert "unit" not in found
    assert not re.search(r"\S#", space.read_text())
    plan = load(str(space))
    assert [arm.name for arm in plan.arms] == ["baseline", "kernel=a", "norm=false"]
    assert "# optimizer.rate" in space.read_text()  # a fourth one, to take up
    assert "workers" not in space.read_text()


@pytest.mark.slow
def test_where_there_is_no_function_one_is_written_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli.call("new", "my.toml", "--trains", "my.py")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("Wrote my.py and my.toml. Look at its arms with: ")
    done = cli.call("run", "my.toml", "--seeds", "1", "--set", "epochs=2", "--jobs", "1")
    assert done.code == 0, done.err
    assert "4/4" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mine.txt", "--trains mine.txt: takes a Python file, as in --trains my.py"),
        ("none.py:fit", "--trains none.py:fit: there is no none.py; leave :fit out for one"),
        ("sub/mine.py", 'mine.py has no function "train"'),
    ],
)
def test_what_cannot_be_written(
    words: str, said: str, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(said)):
        new_training(Path("my.toml"), words)
    assert not Path("my.toml").exists()


def test_nothing_is_overwritten(code: Path, tmp_path: Path) -> None:
    space = tmp_path / "my.toml"
    space.write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        new_training(space, str(code))
    with pytest.raises(UserError, match="exists already"):
        new_training(space, str(tmp_path / "new.py"))
    assert space.read_text() == "mine"
    assert not (tmp_path / "new.py").exists()


def test_figures_are_found_without_running_the_code(code: Path) -> None:
    assert figures(code, "fit") == (["val_loss", "train_loss"], ["test_loss", "seconds"])
    assert figures(code, "other") == (["val_loss", "train_loss"], [])


@pytest.mark.parametrize(
    ("field", "level"),
    [
        ({"kind": "bool", "default": False}, True),
        ({"kind": "choice", "choices": ("a", "b"), "default": "a"}, "b"),
        ({"kind": "choice", "choices": ("a",), "default": "a"}, None),
        ({"kind": "int", "default": 8}, 16),
        ({"kind": "int", "default": 8, "high": 10}, 4),
        ({"kind": "float", "default": 0.9, "low": 0, "high": 1, "high_open": True}, 0.45),
        ({"kind": "float", "default": 0.0, "low": 0}, 0.1),
        ({"kind": "float", "default": 0.0, "low": 0, "high": 0}, None),
        ({"kind": "int", "required": True, "low": 3}, 3),
        ({"kind": "text", "default": "x"}, None),
    ],
)
def test_another_level_is_one_that_the_setting_takes(
    field: dict[str, object], level: object
) -> None:
    assert other_level(SettingField.model_validate({"name": "a", **field})) == level
