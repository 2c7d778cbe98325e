"""A user's file, imported in a process of its own: what is known of it, and what is said of faults.

Every test has a real file and a real process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from ablation.errors import UserError
from ablation.user_code.source.description import describe
from tests.ablation.user_code.processes import ROOT, alive, all_gone, write

GOOD = """
from pydantic import BaseModel

class Settings(BaseModel):
    width: int = 3

def train(settings: Settings, run):
    pass
"""


def fault(folder: Path, trains: str = "digits.py:train", timeout: float = 60) -> str:
    with pytest.raises(UserError) as caught:
        describe(trains, folder, timeout)
    return str(caught.value)


def with_train(signature: str, body: str = "pass") -> str:
    start = GOOD.partition("def train")[0]
    return f"{start}def train({signature}):\n    {body}\n"


# What is known of a file


def test_a_file_is_described(tmp_path: Path) -> None:
    write(tmp_path, "helper.py", "import json\nimport optuna_of_mine\n")
    write(tmp_path, "optuna_of_mine.py", "from annotated_types import Ge\n")
    file = write(
        tmp_path,
        "digits.py",
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        import helper
        from pydantic import BaseModel, fields
        import pydantic.errors

        if TYPE_CHECKING:
            from ablation import Run

        class Settings(BaseModel):
            width: int = 3

        def train(settings: Settings, run: Run) -> None:
            import numpy
        """,
    )
    found = describe("digits.py:train", tmp_path)
    assert (found.file, found.folder, found.line) == (file, tmp_path, 16)
    assert found.function == "train"
    assert [path.name for path in found.modules] == ["digits.py", "helper.py", "optuna_of_mine.py"]
    assert found.libraries == (
        "annotated_types",
        "pydantic",
        "pydantic.errors",
        "pydantic.fields",
    )
    assert [field.name for field in found.schema.fields] == ["width"]
    assert (found.threads_started, found.warnings) == (False, ())


def test_a_module_of_a_package_is_described(tmp_path: Path) -> None:
    write(tmp_path, "mine/__init__.py", "")
    write(tmp_path, "mine/settings.py", GOOD)
    write(
        tmp_path,
        "mine/training.py",
        """
        from .settings import Settings

        def train(settings: Settings, run): ...
        """,
    )
    found = describe("mine.training:train", tmp_path)
    assert found.file == tmp_path / "mine" / "training.py"
    assert found.folder == tmp_path
    names = [str(path.relative_to(tmp_path)) for path in found.modules]
    assert names == ["mine/__init__.py", "mine/settings.py", "mine/training.py"]


def test_a_file_is_imported_by_its_name_from_its_folder_as_a_script_is(tmp_path: Path) -> None:
    write(
        tmp_path,
        "code/my-digits.py",
        """
        import os, sys
        from pathlib import Path
        from pydantic import BaseModel

        class Settings(BaseModel):
            module: str = __name__
            found: bool = sys.modules[__name__].__file__ == __file__
            argv: tuple[str, ...] = sys.argv
            path: Path = sys.path[0]
            seed_of_hashes: str = os.environ["PYTHONHASHSEED"]
            work: Path = Path.cwd()
            left: list[str] = os.listdir()

        def train(settings: Settings, run): ...
        """,
    )
    found = describe("code/my-digits.py:train", tmp_path)
    values = {field.name: field.default for field in found.schema.fields}
    assert values["module"] == "my-digits"
    assert values["found"] is True
    assert values["argv"] == (str(found.file),)
    assert values["path"] == str(tmp_path / "code")
    assert values["seed_of_hashes"] == "0"
    assert Path(str(values["work"])) != Path.cwd()
    assert values["left"] == ()
    assert not Path(str(values["work"])).exists()


def test_no_way_to_the_storage_is_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "CRNN_STUDY_STORAGE": "postgresql://me:s3cret@host/studies",
        "PGPASSWORD": "s3cret",
        "PGSERVICE": "s3cret",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["ablation", "--storage", "postgresql://me:s3cret@host/x"])
    write(
        tmp_path,
        "digits.py",
        """
        import os
        from pathlib import Path
        from pydantic import BaseModel

        class Settings(BaseModel):
            seen: str = str(dict(os.environ)) + Path("/proc/self/cmdline").read_text()

        def train(settings: Settings, run): ...
        """,
    )
    (field,) = describe("digits.py:train", tmp_path).schema.fields
    assert "PYTHONHASHSEED" in str(field.default)
    assert "s3cret" not in str(field.default)
    assert given.items() <= os.environ.items()


def test_what_it_prints_disturbs_nothing(tmp_path: Path) -> None:
    noise = 'import os\nprint("x" * 1_000_000)\nos.system("echo y")\n'
    write(tmp_path, "digits.py", noise + GOOD)
    assert describe("digits.py:train", tmp_path).function == "train"


def test_a_thread_that_the_import_starts_is_seen(tmp_path: Path) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n"
    write(tmp_path, "digits.py", thread + GOOD)
    assert describe("digits.py:train", tmp_path).threads_started


def test_a_setting_called_seed_is_kept_and_warned_of(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", GOOD.replace("width", "seed"))
    found = describe("digits.py:train", tmp_path)
    assert [field.name for field in found.schema.fields] == ["seed"]
    (warning,) = found.warnings
    assert warning.startswith("digits.py:4: Settings.seed ")
    assert "run.seed" in warning


@pytest.mark.parametrize(
    "code",
    [
        GOOD.replace("settings: Settings", 'settings: "Settings"'),
        GOOD.replace("run)", "run, verbose=False)"),
        GOOD.replace("settings: Settings, run", "settings: Settings, *rest"),
        "import functools\n"
        + GOOD.replace(
            "def train",
            "def logged(f):\n"
            "    @functools.wraps(f)\n"
            "    def inner(*args): return f(*args)\n"
            "    return inner\n\n@logged\ndef train",
        ),
    ],
)
def test_these_functions_train(code: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", code)
    assert [field.name for field in describe("digits.py:train", tmp_path).schema.fields] == [
        "width"
    ]


# The file and the function


@pytest.mark.parametrize("trains", ["digits.py", "digits.py:", ":train", "a b:train", "x.py:a.b"])
def test_what_is_written_otherwise_is_refused(trains: str, tmp_path: Path) -> None:
    assert fault(tmp_path, trains).endswith(
        "is written file.py:function or package.module:function"
    )


def test_a_misspelled_file(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", GOOD)
    said = fault(tmp_path, "digit.py:train")
    assert said.startswith(
        f"trains: no file digit.py in {tmp_path}; did you mean digits.py? Valid:"
    )


def test_a_misspelled_module(tmp_path: Path) -> None:
    write(tmp_path, "mine/__init__.py", "")
    write(tmp_path, "mine/training.py", GOOD)
    said = fault(tmp_path, "mine.trainin:train")
    assert said.startswith("trains: no module mine.trainin, in ")
    assert said.endswith("or installed; did you mean mine.training? Valid: mine.training")
    assert "did you mean mine?" in fault(tmp_path, "mind.training:train")


def test_a_misspelled_function(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", GOOD)
    said = 'trains: digits.py has no function "trian"; it has: train'
    assert fault(tmp_path, "digits.py:trian") == said
    write(tmp_path, "digits.py", f"def other(): ...\n{GOOD}")
    assert fault(tmp_path, "digits.py:trian") == f"{said}, other"


def test_what_is_no_function(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", GOOD)
    said = fault(tmp_path, "digits.py:Settings")
    assert said == "trains: digits.py: Settings is a class, not a function"


@pytest.mark.parametrize(
    ("signature", "found"),
    [
        ("settings: Settings", "takes one parameter"),
        ("settings: Settings, run, data", "takes 3 parameters"),
        ("", "takes 0 parameters"),
        ("settings: Settings, *, run", "takes run by name"),
    ],
)
def test_three_parameters_or_one(signature: str, found: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", with_train(signature))
    names = signature.replace(": Settings", "").replace("*, ", "")
    said = f"digits.py:7: train({names}): {found}; train takes two, settings and run"
    assert fault(tmp_path) == said


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (with_train("settings: Settings, run", "yield 1"), "is a generator"),
        (GOOD.replace("def train", "async def train"), "is a coroutine"),
    ],
)
def test_a_function_that_gives_no_result(code: str, found: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", code)
    assert f"digits.py:7: train(settings, run): {found}; " in fault(tmp_path)


def test_settings_without_an_annotation(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", with_train("settings, run"))
    assert fault(tmp_path) == (
        "digits.py:7: train(settings, run): annotate settings with a class derived from "
        "pydantic.BaseModel"
    )


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        ("dict", "dict"),
        ("BaseModel", "BaseModel"),
        ("Settings | None", "Settings | None"),
        ("list[int]", "list[int]"),
    ],
)
def test_settings_that_are_no_model(annotation: str, shown: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", with_train(f"settings: {annotation}, run"))
    assert fault(tmp_path) == (
        f"digits.py:7: train(settings, run): {shown} is no model and no dataclass; annotate "
        "settings with a class derived from pydantic.BaseModel"
    )


def test_settings_that_are_unknown_when_it_runs(tmp_path: Path) -> None:
    code = "from __future__ import annotations\n" + with_train("settings: Sittings, run")
    write(tmp_path, "digits.py", code)
    said = fault(tmp_path)
    assert said.startswith(
        "digits.py:8: train(settings, run): the annotation of settings is unknown"
    )
    assert "name 'Sittings' is not defined" in said


def test_fields_that_no_toml_holds(tmp_path: Path) -> None:
    code = GOOD.replace(
        "width: int = 3", "a: dict[str, int] = {}\n    b: int = 1\n    c: object = 1"
    )
    write(tmp_path, "digits.py", code)
    first, second = fault(tmp_path).splitlines()
    assert first.startswith(
        "digits.py:4: Settings.a: dict[str, int] is not taken; a setting is bool,"
    )
    assert second.startswith(
        "digits.py:4: Settings.c: object is not taken; a setting is bool, int,"
    )


# The import


def test_a_module_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "helper.py", "x = 1\nimport no_such_library.part\n")
    write(tmp_path, "digits.py", "import helper\n" + GOOD)
    assert fault(tmp_path) == (
        "trains: digits.py:1, helper.py:2: import no_such_library.part: ModuleNotFoundError: "
        "No module named 'no_such_library'; pip install no_such_library"
    )


def test_a_module_that_lies_beside_the_one_that_imports_it(tmp_path: Path) -> None:
    write(tmp_path, "mine/helper.py", "")
    write(tmp_path, "mine/training.py", "import helper\n" + GOOD)
    assert fault(tmp_path, "mine.training:train") == (
        "trains: mine/training.py:1: import helper: ModuleNotFoundError: No module named 'helper'; "
        "helper.py lies beside training.py: from . import helper"
    )


def test_a_relative_import_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, "helper.py", "")
    write(tmp_path, "digits.py", "from . import helper\n" + GOOD)
    said = fault(tmp_path)
    assert said.startswith("trains: digits.py:1: from . import helper: ImportError: ")
    assert said.endswith('; relative imports take trains = "package.module:function"')


def test_a_part_that_an_installed_library_does_not_have(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", "import pydantic.no_such_part\n" + GOOD)
    assert "pip install" not in fault(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 / 0", "1 / 0: ZeroDivisionError: division by zero"),
        ("def f(:", "def f(:: SyntaxError: invalid syntax"),
        ("raise KeyboardInterrupt", "raise KeyboardInterrupt: KeyboardInterrupt"),
        ("input('? ')", "input('? '): EOFError: EOF when reading a line"),
        ("open('data.csv')", "open('data.csv'): FileNotFoundError: [Errno 2] No such file or "
         "directory: 'data.csv'"),
    ],
)  # fmt: skip
def test_an_error_when_it_is_imported(line: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", f"import os\n{line}\n{GOOD}")
    assert fault(tmp_path) == f"trains: digits.py:2: {said}"


def test_a_script_that_parses_its_arguments(tmp_path: Path) -> None:
    code = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", required=True)
    args = parser.parse_args()
    """
    write(tmp_path, "digits.py", dedent(code) + GOOD)
    said = fault(tmp_path)
    assert "digits.py exits when it is imported (digits.py:5: args = parser.parse_args()" in said
    assert "by command" in said
    assert said.endswith(
        'it printed last: "digits.py: error: the following arguments are required: --lr"'
    )


@pytest.mark.slow
def test_a_file_that_trains_when_it_is_imported(tmp_path: Path) -> None:
    code = """
    import time
    from pathlib import Path

    def fit():
        print("epoch 1")
        time.sleep(1000)

    fit()
    """
    write(tmp_path, "digits.py", dedent(code) + GOOD)
    begun = time.monotonic()
    assert fault(tmp_path, timeout=1) == (
        "trains: importing digits.py took over 1 s at digits.py:7: time.sleep(1000); it printed "
        'last: "epoch 1"; put what trains into a function, or run the file as it is, by '
        'command = ["python", …]'
    )
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("print('bye', flush=True); os._exit(3)", 'ended with status 3; it printed last: "bye"'),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL, perhaps for want of memory"),
        (
            "import ctypes; ctypes.string_at(0)",
            "was ended by SIGSEGV at digits.py:2: import ctypes",
        ),
    ],
)
def test_a_process_that_ends(line: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, "digits.py", f"import os\n{line}\n{GOOD}")
    assert fault(tmp_path).startswith(f"trains: the process importing digits.py {said}")


@pytest.mark.slow
def test_a_process_that_ends_before_its_children(tmp_path: Path) -> None:
    code = f"""
    import os, time
    from pathlib import Path
    if not os.fork():
        Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
        time.sleep(1000)
    time.sleep(0.2)
    os._exit(3)
    """
    write(tmp_path, "digits.py", code)
    begun = time.monotonic()
    assert fault(tmp_path) == "trains: the process importing digits.py ended with status 3"
    assert time.monotonic() - begun < 10
    assert all_gone([int((tmp_path / "pid").read_text())])


# Names that hide other modules


@pytest.mark.parametrize(
    ("name", "code", "whose"),
    [
        ("random", GOOD, "of the standard library"),
        ("no_such_library", f"import no_such_library\n{GOOD}", "that it imports"),
        ("numpy", f"def f():\n    from numpy.linalg import svd\n{GOOD}", "that it imports"),
        ("pydantic_core", GOOD, "that is in use"),
    ],
)
def test_a_file_named_like_another_module(name: str, code: str, whose: str, tmp_path: Path) -> None:
    write(tmp_path, f"{name}.py", code)
    said = f"trains: {name}.py shadows the module {name} {whose}: rename it"
    assert fault(tmp_path, f"{name}.py:train") == said


@pytest.mark.parametrize("helper", ["x = 1", "raise ValueError"])
def test_a_helper_named_like_a_module_of_the_standard_library(helper: str, tmp_path: Path) -> None:
    write(tmp_path, "cmd.py", helper)
    write(tmp_path, "digits.py", "import cmd\n" + GOOD)
    said = "trains: cmd.py shadows the module cmd of the standard library: rename it"
    assert fault(tmp_path) == said


# Nothing is left


def test_no_process_of_the_import_is_left(tmp_path: Path) -> None:
    children = f"""
    import os, subprocess
    from pathlib import Path
    child = subprocess.Popen(["sleep", "1000"])
    Path({str(tmp_path / "pids")!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
    """
    write(tmp_path, "digits.py", dedent(children) + GOOD)
    describe("digits.py:train", tmp_path)
    assert all_gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])


@pytest.mark.slow
def test_no_process_is_left_when_the_one_that_asks_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    children = f"""
    import os, subprocess, time
    from pathlib import Path
    child = subprocess.Popen(["sleep", "1000"])
    Path({str(pids) + ".new"!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
    os.rename({str(pids) + ".new"!r}, {str(pids)!r})
    time.sleep(1000)
    """
    write(tmp_path, "digits.py", dedent(children) + GOOD)
    program = (
        "from pathlib import Path\nfrom ablation.user_code.source.description import describe\n"
        f"describe('digits.py:train', Path({str(tmp_path)!r}))"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    while not pids.exists():
        assert asking.poll() is None
        time.sleep(0.01)
    left = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in left)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    assert all_gone(left)
