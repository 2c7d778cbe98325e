"""A program as a process: what it prints is read, and it ends with all that it has started."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from ablation.user_code.command.program import MAX_LINE, Program
from ablation.user_code.training.run import TrainingError
from tests.ablation.user_code.processes import ROOT, alive, all_gone, write

QUICK = [sys.executable, "-I", "-S", "-c"]


def started(folder: Path, code: str, *, merge: bool = False) -> tuple[Program, io.BytesIO]:
    log = io.BytesIO()
    line = [*QUICK, dedent(code)]
    return Program(line, folder, dict(os.environ), log, merge=merge), log


def printed(folder: Path, code: str, *, merge: bool = False) -> tuple[list[str], bytes, int]:
    program, log = started(folder, code, merge=merge)
    with closing(program):
        return list(program.lines()), log.getvalue(), program.status()


def test_lines_come_whole_and_all_of_them_are_logged(tmp_path: Path) -> None:
    code = """
        import sys, time
        for text in ("a", "b\\nc", "\\n\\n\\xfc", " no end"):
            sys.stdout.buffer.write(text.encode("latin-1")), sys.stdout.flush()
            time.sleep(0.01)
    """
    lines, log, status = printed(tmp_path, code)
    assert lines == ["ab", "c", "", "\ufffd no end"]
    assert log == b"ab\nc\n\n\xfc no end"
    assert status == 0


def test_lines_come_while_it_runs(tmp_path: Path) -> None:
    code = """
        import pathlib, time
        print("first", flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        print("second")
    """
    program, _ = started(tmp_path, code)
    with closing(program):
        lines = program.lines()
        assert next(lines) == "first"
        (tmp_path / "go").touch()
        assert list(lines) == ["second"]


def test_a_line_without_end_is_skipped_and_not_kept(tmp_path: Path) -> None:
    code = f"print('x' * {3 * MAX_LINE}); print('after')"
    lines, log, _ = printed(tmp_path, code)
    assert lines == ["after"]
    assert len(log) > 3 * MAX_LINE


def test_what_goes_to_standard_error_breaks_no_line_of_the_log(tmp_path: Path) -> None:
    code = """
        import sys, time
        for file, text in ((sys.stdout, "a"), (sys.stderr, "b\\n"), (sys.stdout, "c\\n")):
            print(text, end="", file=file, flush=True)
            time.sleep(0.05)
    """
    lines, log, _ = printed(tmp_path, code)
    assert lines == ["ac"]
    assert b"ac\n" in log
    assert b"b\n" in log


def test_its_working_directory_is_the_folder_and_it_has_no_input(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd()); print(os.readlink('/proc/self/fd/0'))"
    before = os.dup(0)
    reading, writing = os.pipe()
    try:
        os.dup2(reading, 0)
        lines, _, _ = printed(tmp_path, code)
    finally:
        os.dup2(before, 0)
        for each in (before, reading, writing):
            os.close(each)
    assert lines == [str(tmp_path), os.devnull]


@pytest.mark.parametrize("merge", [False, True])
def test_standard_error_is_read_where_it_is_merged(tmp_path: Path, merge: bool) -> None:
    lines, _, _ = printed(tmp_path, "import sys; print('said', file=sys.stderr)", merge=merge)
    assert lines == (["said"] if merge else [])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("import os; os.close(1); os._exit(4)", 4),
    ],
)
def test_how_it_ended(tmp_path: Path, code: str, status: int) -> None:
    assert printed(tmp_path, code)[2] == status


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["/no/such/program"], "/no/such/program cannot be started: No such file"),
        (["sh", "-c", "\0"], "sh cannot be started: embedded null byte"),
    ],
)
def test_one_that_cannot_be_started(tmp_path: Path, line: list[str], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        Program(line, tmp_path, dict(os.environ), io.BytesIO())


FAMILY = """
    import subprocess, os
    child = subprocess.Popen(["sleep", "1000"])
    print(os.getpid(), child.pid, flush=True)
"""


def pids(line: str) -> list[int]:
    return [int(word) for word in line.split()]


def test_one_that_is_stopped_leaves_none(tmp_path: Path) -> None:
    program, _ = started(tmp_path, f"{FAMILY}\n    child.wait()")
    with closing(program):
        family = pids(next(program.lines()))
        assert all(alive(pid) for pid in family)
    assert all_gone(family)


def test_one_that_ends_leaves_none_though_they_hold_its_output_open(tmp_path: Path) -> None:
    lines, _, status = printed(tmp_path, FAMILY)
    assert status == 0
    assert all_gone(pids(lines[0]))


@pytest.mark.slow
def test_none_is_left_when_this_process_is_killed(tmp_path: Path) -> None:
    write(tmp_path, "family.py", FAMILY + "\n    child.wait()")
    code = f"""
import os, pathlib, sys
from ablation.user_code.command.program import Program
program = Program([*{QUICK!r}, pathlib.Path("family.py").read_text()], pathlib.Path(),
                  dict(os.environ), sys.stdout.buffer)
for line in program.lines():
    pass
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        family = pids(parent.stdout.readline())
        assert all(alive(pid) for pid in family)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert all_gone(family)
