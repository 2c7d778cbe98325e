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
from ablation.storage import open_storage, storage_url
from crnn.data.fashion_mnist import DataError, data_folder
from crnn.objective import objective
from tests.helpers import cli
from tests.helpers.studies import STUDY, designed, run_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that has ended."""
    folder = tmp_path_factory.mktemp("surroundings")
    storage = open_storage(storage_url(None, folder / "results"), create=True)
    run_all(designed(storage))
    storage.engine.dispose()
    return folder


ENCODINGS = ["ascii", "euc_kr"]
COMMANDS = [["report", STUDY], ["report", STUDY, "--table", "md"], ["plan", "quick"], ["--help"]]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_output_in_any_encoding(words: list[str], encoding: str, folder: Path) -> None:
    # Not as text: what comes is in that encoding.
    process = subprocess.run(
        [sys.executable, str(cli.ROOT / "study.py"), *words],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
        timeout=120,
    )
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


def test_an_error_in_ascii(tmp_path: Path) -> None:
    answer = cli.run("plan", "größe-실험", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert answer.code == 2
    assert answer.err.startswith("error: gr??e-??: no such space; ")


def test_forced_colours_make_no_terminal_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Console(file=io.StringIO())
    assert console.is_terminal
    assert not Display(console, "tiny", objective).is_live


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


def test_a_terminal_of_no_known_width_is_written_to(tmp_path: Path) -> None:
    shown = cli.run("plan", "quick", cwd=tmp_path, COLUMNS="0")
    assert (shown.code, shown.out) == (0, cli.run("plan", "quick", cwd=tmp_path, COLUMNS="80").out)
    refused = cli.run("plan", "nosuch", cwd=tmp_path, COLUMNS="0")
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
@pytest.mark.parametrize("words", [["plan", "quick"], ["plan", "quick", "--json"], ["--help"]])
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


def test_a_pipe_that_is_closed_is_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, str(cli.ROOT / "study.py"), "plan", "source"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.stderr == ""


def test_without_docstrings(folder: Path) -> None:
    for words in (["--help"], ["status", "--json"], ["report", STUDY]):
        done = subprocess.run(
            [sys.executable, "-OO", str(cli.ROOT / "study.py"), *words],
            cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "Which hyperparameters" in cli.call("--help").out


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


def test_home_folders_in_options_variables_and_arguments(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(storage_url(None, home / "r"), create=True)
    run_all(designed(storage))
    storage.engine.dispose()
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
