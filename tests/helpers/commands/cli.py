"""The command line as a person uses it: in this process for speed, or as a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import study
from ablation.cli.app import Tools
from ablation.report import mark
from tests.helpers.commands import forked
from tests.helpers.commands.forked import Process

ROOT = Path(__file__).parents[3]
STUDY = ROOT / "study.py"
WAY = "TEST_COMMANDS"
"""The environment variable that says how commands are started: as ``new`` processes (the default),
``forked`` from one that has imported the program, or ``lean``, which is forked and without figures.
"""


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


def call(*words: str, **tools: Any) -> Answer:
    """Run the command line in this process, with tools of the caller's where they are given."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["study.py", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            study.main(Tools(**{"figures": way() != "lean", **tools}))
        except SystemExit as end:
            code = int(end.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def way() -> str:
    """How commands are started."""
    return os.environ.get(WAY, "new")


def start(*words: str, cwd: Path, **environment: str) -> Process:
    """Start the command line as a process of its own, in a group of its own."""
    if way() != "new":
        figures = way() == "forked"
        return forked.start(words, cwd, {**os.environ, **environment}, figures=figures)
    return subprocess.Popen(
        [sys.executable, str(STUDY), *words],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: Process, timeout: float = 300) -> Answer:
    """Wait for a started command."""
    out, err = process.communicate(timeout=timeout)
    return Answer(process.wait(), out, err)


def run(*words: str, cwd: Path, **environment: str) -> Answer:
    """Run the command line as a process of its own."""
    return finish(start(*words, cwd=cwd, **environment))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path from there.

    SQLite's own helpers are left out, and the mark of a report, which tells of its storage.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm")) and path.name != mark.NAME
    }


def modules_loaded_by(words: Sequence[str], cwd: Path, **environment: str) -> set[str]:
    """The modules that the process of a command has loaded by its end, which is a good one.

    Args:
        words: the command, ``study.py`` first.
        cwd: its working directory.
        environment: variables that it has beside its own.
    """
    code = f"""
import sys, study
sys.argv = {list(words)}
try:
    study.main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())
