"""The command line as a person uses it: in this process for speed, or as a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from optuna.storages import RDBStorage

import study
from crnn.report import mark

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "study.py"
LEAN = ROOT / "tests" / "lean.py"
PROGRAM = STUDY  # that a process of its own runs; see the fixture `lean`


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


def call(*words: str) -> Answer:
    """Run the command line in this process, and close the storage that it leaves open."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.ExitStack() as stack,
        mock.patch.object(study, "_open", _closed_with(stack)),
        mock.patch.object(sys, "argv", ["study.py", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            study.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def _closed_with(stack: contextlib.ExitStack) -> Callable[..., RDBStorage]:
    whole = study._open

    def opened(*given: Any) -> RDBStorage:
        storage = whole(*given)
        stack.callback(storage.engine.dispose)
        return storage

    return opened


def start(*words: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *words],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> Answer:
    """Wait for a started command."""
    out, err = process.communicate(timeout=timeout)
    return Answer(process.returncode, out, err)


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
