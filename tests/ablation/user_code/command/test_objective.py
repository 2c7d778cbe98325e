"""A program as what a study trains: its words, its reports, how it ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import DivergedError, StopRunError
from ablation.objective import Epoch, Pack, Result, load_objective
from ablation.settings import Value
from ablation.user_code.command_objective import CommandObjective
from ablation.user_code.definition import CommandDefinition
from ablation.user_code.settings.schema import SettingField, SettingsSchema
from ablation.user_code.training.run import TrainingError
from tests.ablation.user_code.processes import all_gone, write
from tests.helpers.listening import StrictListener


class Heard(StrictListener):
    """Keeps what it is told, and stops a training at a step."""

    def __init__(self, last: int = 10**9) -> None:
        self.last = last
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.notes: list[dict[str, float]] = []

    def on_epoch(self, place: int, epoch: Epoch, *, again: bool = False) -> None:
        self.epochs.append((epoch.number, dict(epoch.figures)))
        if epoch.number >= self.last:
            raise InterruptedError("enough")

    def on_note(self, place: int, epoch: Epoch) -> None:
        self.notes.append(dict(epoch.figures))


def objective(
    folder: Path,
    code: str,
    *words: str,
    settings: dict[str, Value] | None = None,
    **more: Any,
) -> CommandObjective:
    write(folder, "train.py", code)
    kinds: Any = {bool: "bool", int: "int", float: "float", str: "text"}
    fields = [
        SettingField(
            name=name,
            kind=kinds.get(type(value), "int"),
            default=value,
            optional=value is None,
        )
        for name, value in (settings or {}).items()
    ]
    definition = CommandDefinition(
        program="train.py",
        command=("python", "-I", "-S", "-u", "train.py", *words),
        folder=str(folder),
        code_folder=str(folder),
        code={"train.py": ""},
        metric="acc",
        settings=SettingsSchema(fields=tuple(fields)),
        **more,
    )
    probe = CommandObjective(definition)
    whole = definition.model_copy(update={"code": probe._digests()})
    found = load_objective(whole.spec)
    assert isinstance(found, CommandObjective)
    return found


def train(
    folder: Path,
    code: str,
    *words: str,
    heard: Heard | None = None,
    seed: int = 3,
    **more: Any,
) -> Result | DivergedError:
    each = objective(folder, code, *words, **more)
    pack = Pack(
        members=[(each.setting({}), seed)],
        data=folder / "data",
        device="cpu",
        folders=[folder / "trial"],
    )
    (found,) = each.train(pack, heard or Heard())
    return found


def log(folder: Path) -> str:
    return (folder / "trial" / "train.log").read_text()


def printing(*lines: dict[str, Any] | str) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "\n".join(f"print({text!r})" for text in texts)


def test_what_it_prints_is_reported_and_logged(tmp_path: Path) -> None:
    heard = Heard()
    code = printing(
        "hello",
        {"loss": 3},
        {"epoch": 2, "acc": 0.25, "loss": 2, "seed": 1, "width": 64},
        {"acc": 0.5, "test": 0.1},
        {"test": 0.4, "seconds": 1.5},
    ) + "\nimport sys\nprint('said', file=sys.stderr)"  # fmt: skip
    found = train(tmp_path, code, heard=heard, test="test", settings={"width": 64})
    assert heard.epochs == [(2, {"acc": 0.25, "loss": 2.0}), (3, {"acc": 0.5})]
    assert heard.notes == [{"loss": 3.0}]
    assert isinstance(found, Result)
    assert found.value == 0.5
    assert found.scores["test"] == 0.4
    assert found.scores["code"].keys() == {"train.py"}
    assert log(tmp_path).splitlines()[0] == "hello"
    assert "said" in log(tmp_path)


ARGUMENTS = "import json, os, sys\nprint(json.dumps({'acc': 1}))\n"
HARD = ["a b", "'", '"', "{x}", "a; touch b", "$HOME `id` $(id)", "a\nb", "*", "", "\\", "ü", "%s"]


@pytest.mark.parametrize("text", HARD)
def test_a_text_arrives_literally(tmp_path: Path, text: str) -> None:
    code = f"{ARGUMENTS}open('words.json', 'w').write(json.dumps(sys.argv[1:]))"
    train(tmp_path, code, "--x={x}", "{x}", settings={"x": text})
    assert json.loads((tmp_path / "trial" / "words.json").read_text()) == [f"--x={text}", text]
    assert sorted(path.name for path in (tmp_path / "trial").iterdir()) == [
        "train.log", "words.json"
    ]  # fmt: skip


def test_values_arrive_exact(tmp_path: Path) -> None:
    code = f"{ARGUMENTS}print(sys.argv[1:])"
    settings: dict[str, Value] = {"a": 0.1 + 0.2, "b": True, "c": None, "d": 10**20, "e": 1e-7}
    train(tmp_path, code, *(f"{{{name}}}" for name in settings), settings=settings)
    line = log(tmp_path).splitlines()[1]
    assert line == "['0.30000000000000004', 'true', 'none', '100000000000000000000', '1e-07']"


def test_what_is_the_trainings_own_arrives(tmp_path: Path) -> None:
    code = f"{ARGUMENTS}print(os.getcwd()); print(*sys.argv[1:], sep='\\n')"
    train(tmp_path, code, "{seed}", "{folder}", "{data}", seed=7)
    folder = str(tmp_path / "trial")
    assert log(tmp_path).splitlines()[1:] == [folder, "7", folder, str(tmp_path / "data")]


def test_python_is_the_harness_own(tmp_path: Path) -> None:
    train(tmp_path, f"{ARGUMENTS}print(sys.executable)")
    assert log(tmp_path).splitlines()[1] == sys.executable


PATTERNS = {"epoch": r"^Epoch (\d+)", "acc": r"val acc: (\S+)", "final": r"test acc: (\S+)"}


def test_a_script_that_prints_no_json_is_read_by_patterns(tmp_path: Path) -> None:
    heard = Heard()
    code = """
        import sys
        for epoch in (1, 2):
            print("Epoch", epoch)
            print(f"val acc: 0.{epoch} (best)", file=sys.stderr)
        print("test acc: 0.15")
    """
    found = train(tmp_path, code, heard=heard, read=PATTERNS, test="final")
    assert heard.epochs == [(1, {"acc": 0.1}), (2, {"acc": 0.2})]
    assert isinstance(found, Result)
    assert found.scores["final"] == 0.15


# Failures


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", r"^train\.py ended with status 3$"),
        ("raise ValueError('a')", r'status 1; it printed last: "ValueError: a"'),
        (
            "print('b'); print(); print('  '); raise SystemExit(1)",
            r'status 1; it printed last: "b"',
        ),
        ("import os; os.kill(os.getpid(), 9)", r"train\.py was ended by SIGKILL, perhaps for want"),
        ("print('hello')", "the program printed no figures; the space wants acc: print it in a"),
        (printing({"loss": 1, "f1": 2}), "the program printed loss, f1; the space wants acc"),
        (printing({"acc": "high"}), 'acc: the program printed "high"; print a number'),
        (printing({"acc": 1, "step": 2}, {"acc": 1, "step": 2}), "printed step 2 after 2: steps"),
        (printing({"acc": 1, "step": 2}, {"acc": 1, "step": 1}), "printed step 1 after 2"),
        (printing({"acc": 1, "step": -1}), "printed step -1: steps are 0 or above"),
    ],
)
def test_a_training_fails(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        train(tmp_path, code)


def test_a_pattern_that_finds_nothing_fails_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"read\.acc matched nothing"):
        train(tmp_path, "print('acc 0.5')", read=PATTERNS)


def test_beside_a_failure_stand_the_last_lines(tmp_path: Path) -> None:
    code = "for n in range(100):\n    print('line', n)\nraise ValueError('wide')"
    with pytest.raises(TrainingError) as caught:
        train(tmp_path, code)
    (note,) = caught.value.__notes__
    assert note.startswith("The end of train.log:")
    assert note.endswith("ValueError: wide")
    assert "line 99" in note
    assert "line 50\n" not in note


def test_one_that_failed_leaves_what_it_has_reported(tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(TrainingError, match="status 1"):
        train(tmp_path, f"{printing({'acc': 0.5})}\nraise SystemExit(1)", heard=heard)
    assert heard.epochs == [(1, {"acc": 0.5})]


FAMILY = """
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "1000"])
        with open("pids", "w") as file:
            print(os.getpid(), child.pid, file=file)
"""


def family(folder: Path) -> list[int]:
    return [int(word) for word in (folder / "trial" / "pids").read_text().split()]


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_metric_that_is_not_finite_ends_the_program_as_diverged(
    tmp_path: Path, value: str
) -> None:
    heard = Heard()
    code = f"""{FAMILY}
        print('{{"acc": 0.5}}')
        print('{{"acc": {value}}}')
        time.sleep(1000)
    """
    found = train(tmp_path, code, heard=heard)
    assert isinstance(found, DivergedError)
    assert "at 2" in str(found)
    assert len(heard.epochs) == 1
    assert all_gone(family(tmp_path))


def test_a_figure_that_is_not_finite_and_decides_nothing_is_kept(tmp_path: Path) -> None:
    heard = Heard()
    train(tmp_path, printing('{"acc": 1, "loss": Infinity}'), heard=heard)
    assert heard.epochs == [(1, {"acc": 1.0, "loss": float("inf")})]


def test_one_that_is_stopped_at_a_report_leaves_none(tmp_path: Path) -> None:
    code = f"""{FAMILY}
        for step in range(1, 10):
            print('{{"acc": 0.5}}')
            time.sleep(0.01 if step < 3 else 1000)
    """
    with pytest.raises(InterruptedError):
        train(tmp_path, code, heard=Heard(last=2))
    assert all_gone(family(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("open('train.py', 'a').write('\\nx = 1')", r"^train\.py has changed while the study ran"),
        ("open('train.py', 'a').write('x = 1')", r"no Python: .*; it has changed while the"),
        ("os.remove('train.py')", r"No such file or directory; it has changed while the"),
    ],
)
def test_code_that_changes_while_it_runs_stops_the_run(
    tmp_path: Path, change: str, said: str
) -> None:
    with pytest.raises(StopRunError, match=said):
        train(tmp_path, f"{ARGUMENTS}os.chdir(sys.argv[1])\n{change}", str(tmp_path))


def test_a_comment_changes_nothing(tmp_path: Path) -> None:
    code = f"{ARGUMENTS}os.chdir(sys.argv[1])\nopen('train.py', 'a').write('\\n# x')"
    assert isinstance(train(tmp_path, code, str(tmp_path)), Result)


def test_this_process_keeps_its_folder_and_its_output(tmp_path: Path) -> None:
    before = Path.cwd(), os.fstat(1)
    train(tmp_path, ARGUMENTS)
    assert (Path.cwd(), os.fstat(1)) == before


# Settings


def test_a_setting_that_makes_no_difference_is_not_in_the_digest(tmp_path: Path) -> None:
    fields = (
        SettingField(name="width", kind="int", default=1),
        SettingField(name="workers", kind="int", default=1, identity=False),
    )
    definition = CommandDefinition(
        program="x", command=("x",), metric="acc", settings=SettingsSchema(fields=fields)
    )
    each = CommandObjective(definition)
    first, more = each.setting({}), each.setting({"workers": 4})
    assert first.digest == more.digest != each.setting({"width": 2}).digest


@pytest.mark.parametrize("name", ["json", "model_config", "copy", "_x", "model_dump", "a.b"])
def test_a_setting_may_be_called_as_pydantic_calls_things(tmp_path: Path, name: str) -> None:
    each = objective(tmp_path, ARGUMENTS, settings={name: 3})
    assert each.setting({}).values() == {name: 3}
    assert each.setting({name: 4}).values() == {name: 4}
    assert each.setting({}).replace(**{name: 5}).values() == {name: 5}


def test_a_text_that_no_program_can_be_given_is_infeasible(tmp_path: Path) -> None:
    each = objective(tmp_path, ARGUMENTS, settings={"x": "a"})
    assert each.infeasible(each.setting({})) == ""
    assert each.infeasible(each.setting({"x": "a\0b"})) == (
        "x has a NUL character, which no program can be given"
    )


def test_a_record_holds_nothing_of_where_the_code_is(tmp_path: Path) -> None:
    each = objective(tmp_path, ARGUMENTS, "{x}", settings={"x": 1})
    spec = each.stored_spec([each.setting({})])
    assert str(tmp_path) not in spec
    stored = load_objective(spec)
    assert stored.name == "train.py"
    assert stored.setting({}).values() == {"x": 1}


def test_libraries_that_the_program_imports_are_recorded(tmp_path: Path) -> None:
    each = objective(tmp_path, "import json\nfrom sklearn.svm import SVC\nimport no_such_thing")
    assert each.versions().keys() - {"code"} == {"scikit-learn"}
