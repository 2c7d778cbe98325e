"""A process of its own in odd surroundings: encodings, a notebook's variables, full devices."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ablation.cli.console import Output
from ablation.cli.live_display import Display
from ablation.cli.terminal import HANDLER, make_printable
from ablation.errors import UserError
from ablation.files import from_home
from crnn.data.fashion_mnist import DataError, data_folder
from crnn.objective import objective
from tests.helpers.commands import cli
from tests.helpers.commands.forked import LEAN
from tests.helpers.made.studies import STUDY, finished_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that has ended."""
    folder = tmp_path_factory.mktemp("surroundings")
    finished_study(folder / "results").engine.dispose()
    return folder


def in_surroundings(
    words: list[str], folder: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """What a process of its own answers, of whose reports the figures are left out."""
    return subprocess.run(
        [sys.executable, *options, str(LEAN), *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )


LONGER = [
    pytest.param(words, marks=pytest.mark.slow)
    for words in (["report", STUDY], ["report", STUDY, "--table", "md"], ["plan", "quick"])
]


@pytest.mark.parametrize("words", [["--help"], *LONGER])
@pytest.mark.parametrize("encoding", ["ascii", "euc_kr"])
def test_output_in_any_encoding(words: list[str], encoding: str, folder: Path) -> None:
    process = in_surroundings(words, folder, PYTHONIOENCODING=encoding)
    assert process.returncode == 0, process.stderr
    text = process.stdout.decode(encoding)
    assert "Traceback" not in text


def test_characters_that_an_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    make_printable()
    print("✓ −0.5 ± 2 × 3 … ✗ – █ \udcff 실험")
    sys.stdout.flush()
    assert raw.getvalue() == b"ok -0.5 +/- 2 x 3 ... x - # ? ??\n"
    assert "µ".encode("latin-1", HANDLER) == b"\xb5"


@pytest.mark.slow
def test_an_error_in_ascii(tmp_path: Path) -> None:
    answer = cli.run("plan", "größe-실험", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert answer.code == 2
    assert answer.err.startswith("error: gr??e-??: no such space; ")


def test_forced_colours_make_no_terminal_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Console(file=io.StringIO())
    assert console.is_terminal
    assert not Display(console, "tiny", objective).is_live


def test_a_notebooks_backend_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "no_such_backend")
    assert cli.call("--help").code == 0
    assert "MPLBACKEND" not in os.environ


@pytest.mark.slow
def test_a_notebooks_backend_is_not_this_programs(folder: Path) -> None:
    """Whatever it names: some versions of matplotlib refuse such a module as they are imported."""
    answer = cli.run("report", STUDY, cwd=folder, MPLBACKEND="no_such_backend")
    assert answer.code == 0, answer.err


def test_a_notebooks_own_backend_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://no_such_module.backend")
    import ablation.cli.terminal
    import ablation.report.data.study_table

    assert ablation.report.data.study_table
    assert ablation.cli.terminal
    assert os.environ["MPLBACKEND"] == "module://no_such_module.backend"


def test_a_terminal_of_no_known_width_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    expected = cli.call("plan", "quick")
    monkeypatch.setenv("COLUMNS", "0")
    assert cli.call("plan", "quick") == expected
    assert expected.code == 0
    assert expected.out
    refused = cli.call("plan", "nosuch")
    assert refused.err.startswith("error: nosuch: no such space")


@pytest.mark.parametrize("command", [["status"], ["report"], ["run", "smoke"]])
def test_a_folder_whose_name_is_no_text_is_refused_in_a_line(
    command: list[str], tmp_path: Path
) -> None:
    results = os.fsdecode(b"r\xe9sultats")
    answer = cli.call(*command, "--results", str(tmp_path / results))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert r"r\udce9sultats/studies.db: its name is not valid UTF-8" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        pytest.param(["plan", "quick"], marks=pytest.mark.slow),
        pytest.param(["plan", "quick", "--json"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_device_is_one_line(words: list[str], unbuffered: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, str(cli.ROOT / "study.py"), *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr == (
        "error: standard output: No space left on device; what was to be printed is not complete\n"
    )


@pytest.mark.slow
def test_a_pipe_that_is_closed_is_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, str(cli.ROOT / "study.py"), "plan", "source"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.stderr == ""


STATUS: list[Any] = [["status", "--json"], ["report", STUDY]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["--help"], *(pytest.param(words, marks=pytest.mark.slow) for words in STATUS)]
)
def test_without_docstrings(words: list[str], folder: Path) -> None:
    process = in_surroundings(words, folder, "-OO")
    assert process.returncode == 0, process.stderr
    if words == ["--help"]:
        assert "Which hyperparameters" in process.stdout.decode()


class Broken(Output):
    """A command's output, at which an error comes up."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def print_rows(self, rows: list[dict[str, Any]], columns: list[str]) -> None:
        """Raise the error."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(24, "Too many open files", "x.db"), "too few open files; raise them with ulimit"),
        (OSError(27, "File too large"), "raise it with ulimit -f"),
        (ImportError("libx.so: Too many open files"), "too few open files"),
        (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied; fix that"),
        (OSError(28, "No space left on device", "a/b"), "a/b: no space left"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: Exception, expected: str, tmp_path: Path
) -> None:
    answer = cli.call("spaces", "--results", str(tmp_path), output=Broken(error))
    assert answer.code == 2
    assert expected in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_fault_of_the_program_is_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="no such name"):
        cli.call("spaces", "--results", str(tmp_path), output=Broken(ImportError("no such name")))


# Home folders


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("~/x", "HOME/x"),
        ("~", "HOME"),
        ("sqlite:///~/x.db", "sqlite:///HOME/x.db"),
        ("sqlite+pysqlite:///~/x.db", "sqlite+pysqlite:///HOME/x.db"),
        ("a/~/x", "a/~/x"),
        ("postgresql://me@host/~x", "postgresql://me@host/~x"),
        ("", ""),
    ],
)
def test_a_home_folder_is_expanded(given: str, found: str, home: Path) -> None:
    assert from_home(given) == found.replace("HOME", str(home))


def test_the_home_folder_of_nobody(home: Path) -> None:
    with pytest.raises(UserError, match=r"~no-such-user/x: no home folder is known"):
        from_home("~no-such-user/x")
    answer = cli.call("status", "--storage", "~no-such-user/x.db")
    assert (answer.code, "no home folder" in answer.err) == (2, True)


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_home_folders_in_options_variables_and_arguments(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_study(home / "r").engine.dispose()
    for words in (["--results=~/r"], ["--storage", "~/r/studies.db"],
                  ["--storage=sqlite:///~/r/studies.db"]):  # fmt: skip
        assert json.loads(cli.call("status", "--json", *words).out)[0]["study"] == STUDY
    monkeypatch.setenv("CRNN_STUDY_STORAGE", "~/r/studies.db")
    assert json.loads(cli.call("status", "--json").out)[0]["study"] == STUDY
    assert cli.call("new", "~/mine.toml").code == 0
    assert (home / "mine.toml").exists()
    assert cli.call("plan", "~/mine.toml").code == 0
    assert cli.call("copy", STUDY, "~/copy.db").code == 0
    assert (home / "copy.db").exists()
    assert cli.call("report", STUDY, "--results=~/r").code == 0
    assert (home / "r" / STUDY / "report.html").exists()
    assert not (home.parent / "~").exists()


def test_a_home_folder_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRNN_STUDY_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(DataError, match="no home folder is known here; name another folder"):
        data_folder()
