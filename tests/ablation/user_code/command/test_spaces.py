"""The keys of a space whose trainings are a program: what they mean, and every error in them."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablation.objective import load_objective
from ablation.space.errors import SpaceError
from ablation.space.reader import parse
from ablation.space.schema import Space
from ablation.user_code.command_objective import CommandObjective
from tests.ablation.user_code.processes import write

SPACE = """
format = 1
command = ["python", "train.py", "--lr={lr}", "--width={width}", "--steps={steps}", "{seed}"]
code = ["train.py"]
metric = "loss"
direction = "min"
test = "final"
budget = "steps"
question = "Which?"
design = "one-factor"
seeds = 3
margin = 0.05

[settings]
lr = { type = "float", default = 0.001, low = 1e-5, high = 1.0 }
width = 64
steps = 10

[factors]
lr = [0.1]
"""


@pytest.fixture(autouse=True)
def train(tmp_path: Path) -> Path:
    return write(tmp_path, "train.py", "x = 1")


def read(folder: Path, *changes: tuple[str, str], text: str = SPACE) -> tuple[Space, list[str]]:
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse("space", text, folder=folder)


def space(folder: Path, *changes: tuple[str, str]) -> Space:
    found, errors = read(folder, *changes)
    assert errors == []
    return found


def errors_of(folder: Path, *changes: tuple[str, str]) -> list[str]:
    try:
        return read(folder, *changes)[1]
    except SpaceError as error:
        return error.errors


def test_a_program_is_what_is_trained(tmp_path: Path) -> None:
    objective = space(tmp_path).objective
    assert isinstance(objective, CommandObjective)
    assert objective.name == "train.py"
    assert objective.metric.name == "loss"
    assert objective.metric.direction == "minimize"
    assert objective.length == "steps"
    assert objective.setting({}).values() == {"lr": 0.001, "width": 64, "steps": 10}
    assert load_objective(objective.spec) is objective


def test_a_stored_space_is_read_without_its_code(tmp_path: Path, train: Path) -> None:
    objective = space(tmp_path).objective
    stored = load_objective(objective.stored_spec([]))
    train.unlink()
    found, errors = parse("space", SPACE, folder=tmp_path / "elsewhere", objective=stored)
    assert errors == []
    assert found.objective is stored


SETTINGS = """[settings]
a = true
b = 3
c = 0.5
d = "x y"
e = { choices = ["adam", "sgd", 3, 0.5, true], default = "sgd" }
f = { type = "float", default = 1, above = 0, below = 2 }
g = { default = 8, low = 1 }
h = { type = "int", optional = true, default = "none" }
i = { type = "text" }
workers = { type = "int", default = 2, identity = false }
"""


def test_settings_have_types_defaults_and_ranges(tmp_path: Path) -> None:
    words = '"{a}{b}{c}{d}{e}{f}{g}{h}{i}{lr}{width}{steps}"'
    found = space(
        tmp_path,
        ("[settings]\n", SETTINGS),
        ('"{seed}"', f'"{{seed}}", {words}'),
        ("[factors]", '[baseline]\ni = "given"\n[factors]\nh = [4]\ne = [3]\n'),
    )
    values = found.baseline.values()
    assert {name: values[name] for name in "abcdefghi"} == {
        "a": True, "b": 3, "c": 0.5, "d": "x y", "e": "sgd", "f": 1.0, "g": 8, "h": None,
        "i": "given",
    }  # fmt: skip
    assert isinstance(values["f"], float)
    assert values["workers"] == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[0.1]", "give its default, or a table, as in { type ="),
        ("2020-01-01", "give its default, or a table"),
        ("{ default = [1] }", "settings.x.default: must be true or false, a number, or text"),
        ("{}", "settings.x: has no type; give one of bool, int, float, text, or choices"),
        ('{ type = "number" }', "settings.x.type: must be 'bool', 'int', 'float' or 'text'"),
        ("{ defualt = 3 }", "settings.x.defualt: unknown key; did you mean default?"),
        ('{ type = "int", default = 0.5 }', "settings.x.default: 0.5 is not an integer"),
        ("{ default = 5, high = 4 }", "settings.x.default: 5 is not an integer up to 4"),
        ("{ default = 0.0, above = 0 }", "settings.x.default: 0.0 is not a number above 0"),
        ("{ default = 5, high = 4.5 }", "settings.x.high: 4.5 is not an integer, as the setting"),
        ('{ default = "a", low = 1 }', "settings.x.low: only numbers have bounds; take it out"),
        ('{ default = 1, low = "1" }', "settings.x.low: must be a number"),
        ("{ default = 1, low = 3, high = 1 }", "settings.x: no number is in its range, 3 to 1"),
        ("{ default = 1, above = 1, high = 1 }", "settings.x: no number is in its range"),
        ("{ default = 1, low = 1, above = 1 }", "settings.x: has low and above; keep one"),
        ("{ default = 1, high = 1, below = 1 }", "settings.x: has high and below; keep one"),
        ("{ choices = [] }", "settings.x.choices: "),
        ("{ choices = [[1]] }", "settings.x.choices: must be a list of true or false, numbers"),
        ("{ choices = 3 }", "settings.x.choices: must be a list"),
        ("{ choices = [1, 1.0, 2] }", "settings.x.choices: two alike: 1 stands there 2 times"),
        ('{ type = "int", choices = [1] }', "settings.x: has type and choices; keep one of them"),
        ('{ choices = ["a"], default = "b" }', 'settings.x.default: "b" is not one of a'),
        ('{ type = "int", default = 1, identity = 0 }', "settings.x.identity: must be true or"),
    ],
)
def test_a_setting_is_wrong(tmp_path: Path, given: str, said: str) -> None:
    changes = [("[settings]\n", f"[settings]\nx = {given}\n"), ('"{seed}"', '"{seed}{x}"')]
    (error,) = errors_of(tmp_path, *changes)
    assert error.startswith("settings.x")
    assert said in error


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"{seed}"', '"{sed}"', "command: there is no {sed}; did you mean seed or"),
        ('"{seed}"', '"{seed.__class__}"', "command: there is no {seed.__class__}"),
        ('"{seed}"', '"{"', "command: '{' has a brace alone"),
        ('"{seed}"', '"\\u0000"', "command: has a NUL character"),
        ('"{seed}"', "3", "command: must be a list of texts, the program's name first"),
        ('"python",', '"",', "command: must be a list of texts"),
        ('"python",', '"no-such-program",', "command: there is no program no-such-program"),
        ('"train.py", "--lr', '"train.py", "other.txt", "--lr', "code: other.txt is a file of"),
        ('"--width={width}", ', "", "settings.width has no effect: no word of command has {width}"),
        ('"--width={width}", ', '"{{width}}",', "settings.width has no effect"),
        ('code = ["train.py"]', "", 'code: missing; list the files that the program is made of'),
        ('code = ["train.py"]', "code = []", "code: must be a list of files"),
        ('code = ["train.py"]', 'code = "train.py"', "code: must be a list of files"),
        ('["train.py"]', '["trian.py", "train.py"]', "code: no file trian.py in"),
        ('["train.py"]', '["trian.py", "train.py"]', "did you mean train.py"),
        ('["train.py"]', '["train.py", "bad.py"]', "no Python"),
        ('["train.py"]', f'["train.py", "{"x" * 300}"]', "code: no file xxx"),
        ('metric = "loss"', "", "metric: missing; name the figure that decides, as the program"),
        ('metric = "loss"', 'metric = "seed"', "metric: tables have seed for themselves"),
        ('direction = "min"', 'direction = "down"', "direction: there is no 'down'"),
        ('budget = "steps"', 'budget = "lr"', "budget: lr is no setting that is a whole number"),
        ('budget = "steps"', "budget = 3", "budget: must be text"),
        ("margin = 0.05", "", "margin: missing"),
        ("format = 1", 'format = 1\nobjective = "a:b"', "objective: command says what is trained"),
        ("format = 1", 'format = 1\ntrains = "a.py:b"', "command: trains says what is trained"),
        ("width = 64", "width = 64\nseed = 1", "settings.seed: {seed} is the training's own"),
        ("width = 64", "width = 64\nloss = 1", "settings.loss: is the name of a figure, too"),
        ("width = 64", 'width = 64\n"a b" = 1', "settings.a b: a name is letters, digits"),
        ("lr = [0.1]", "rl = [0.1]", "factors.rl: no such setting; did you mean lr?"),
        ("lr = [0.1]", "lr = [2.0]", "level 2.0 is not a number from 1e-05 to 1"),
        ("format = 1", "format = 1\ncodes = 1", "codes: unknown key; did you mean code"),
        ("seeds = 3", "seeds = 3\nread = 3", "read: must be a table, [read]"),
        ("seeds = 3", "seeds = 3\nread = {}", "read: must be a table, [read]"),
        ("seeds = 3", "seeds = 3\nsetting = 3", "setting: unknown key; did you mean settings"),
    ],
)  # fmt: skip
def test_a_space_is_wrong(tmp_path: Path, before: str, after: str, said: str) -> None:
    write(tmp_path, "other.txt", "")
    write(tmp_path, "bad.py", "x =")
    assert any(said in error for error in errors_of(tmp_path, (before, after)))


READ = """[read]
loss = 'loss: (\\S+)'
final = 'final: (\\S+)'
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("loss = ", "los = ", "metric: [read] has no pattern for loss; did you mean los?"),
        ("final = ", "finale = ", "test: [read] has no pattern for final"),
        ("(\\S+)'\nfinal", "\\S+'\nfinal", "read.loss: has 0 groups; put one"),
        ("(\\S+)'\nfinal", "(\\S+'\nfinal", "read.loss: no regular expression: "),
        ("[read]", "[outcome]\nalso = ['f1']\n[read]", "outcome.also: [read] has no pattern"),
        ("[read]", "[read]\nseed = '(x)'", "read.seed: tables have seed for themselves"),
        ("[read]", "[read]\nwidth = '(x)'", "settings.width: is the name of a figure, too"),
    ],
)  # fmt: skip
def test_a_pattern_is_wrong(tmp_path: Path, before: str, after: str, said: str) -> None:
    changes = [("[factors]", f"{READ}[factors]"), (before, after)]
    assert any(said in error for error in errors_of(tmp_path, *changes))


def test_patterns_may_say_the_epoch(tmp_path: Path) -> None:
    objective: Any = space(
        tmp_path, ("[factors]", f"{READ}epoch = 'epoch (.)'\n[factors]")
    ).objective
    assert objective.definition.read.keys() == {"loss", "final", "epoch"}


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        ('"{seed}"', '"{sed}", "{"'),
        ('code = ["train.py"]', 'code = ["trian.py"]'),
        ('direction = "min"', 'direction = "down"'),
        ("width = 64", "width = []"),
        ("steps = 10", "steps = { default = 1, hgih = 3 }"),
    )
    starts = [error.partition(":")[0] for error in errors]
    assert starts == [
        "settings.width", "settings.steps.hgih", "direction", "command", "command", "code", "code"
    ]  # fmt: skip


scalars = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.sampled_from(
        ["", "a", "train.py", "{seed}", "{x}", "{", "python", "int", "(.)", "\0", "/"]
    )
    | st.text(max_size=5)
)
names = st.sampled_from(
    ["type", "default", "low", "high", "above", "choices", "optional", "x", "a"]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
KEYS = ["command", "code", "settings", "read", "metric", "test", "budget", "outcome", "direction",
        "unit", "margin", "settings.x", "settings.lr", "read.loss", "read.x"]  # fmt: skip


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in value)
        return f'"{escaped}"'
    return str(value).lower()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), anything, min_size=1, max_size=3))
def test_whatever_stands_there_is_an_error_or_a_space(
    tmp_path: Path, given_values: dict[str, Any]
) -> None:
    document = tomllib.loads(SPACE)
    for key, value in given_values.items():
        table, _, name = key.rpartition(".")
        inside = document.setdefault(table, {}) if table else document
        if isinstance(inside, dict):
            inside[name] = value
    text = "\n".join(f"{key} = {toml(value)}" for key, value in document.items())
    with contextlib.suppress(SpaceError):
        parse("space", text, folder=tmp_path)


def test_one_mistake_in_a_setting_is_told_once(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, ("width = 64", 'width = { type = "int", default = "x" }'))
    assert errors == ['settings.width.default: "x" is not an integer']


@pytest.mark.parametrize("key", ["code", "settings", "read"])
def test_a_function_has_no_commands_keys(tmp_path: Path, key: str) -> None:
    write(
        tmp_path,
        "walk.py",
        """
        from pydantic import BaseModel
        class Settings(BaseModel):
            a: int = 1
        def train(settings: Settings, run): pass
        """,
    )
    text = f"""
        format = 1
        trains = "walk.py:train"
        metric = "score"
        margin = 0.1
        question = "x"
        design = "one-factor"
        seeds = 1
        {key} = {{}}
        factors.a = [2]
    """
    assert read(tmp_path, text=text)[1] == [f"{key}: belongs to a command; take it out"]


def test_keys_of_a_program_need_one(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, ("command = ", "# "))
    assert "code: belongs to a space of your own code; add trains or command, or take it out" in (
        errors
    )


def test_an_executable_beside_the_space_is_a_program(tmp_path: Path) -> None:
    write(tmp_path, "go.sh", "#!/bin/sh\n")
    changes = [('"python", "train.py"', '"./go.sh"'), ('["train.py"]', '["go.sh"]')]
    assert any("./go.sh is not executable" in error for error in errors_of(tmp_path, *changes))
    (tmp_path / "go.sh").chmod(0o755)
    space(tmp_path, *changes)


def test_a_change_of_any_file_of_the_code_is_noticed(tmp_path: Path, train: Path) -> None:
    data = write(tmp_path, "rates.txt", "0.1 0.2")
    objective: Any = space(tmp_path, ('["train.py"]', '["train.py", "rates.txt"]')).objective
    code = objective.definition.code
    assert objective.changed(code) == []
    train.write_text("x = 1  # a comment")
    assert objective.changed(code) == []
    data.write_text("0.1  0.2")
    assert objective.changed(code) == ["rates.txt"]
    train.unlink()
    assert objective.changed(code) == ["train.py", "rates.txt"]
