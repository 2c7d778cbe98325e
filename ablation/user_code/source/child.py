"""The process in which a user's code is imported, as seen by its parent."""

from __future__ import annotations

import json
import linecache
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ablation.errors import UserError, one_line
from ablation.process.surroundings import THREADS, without_storage
from ablation.user_code.source.faults import shortened
from ablation.user_code.source.own_files import HARNESS, INSTALLED

PROGRAM = (
    "import json, sys\n"
    "words = json.loads(sys.argv[1])\n"
    "sys.path[:] = words['path']\n"
    "from ablation.user_code.source.describing import main\n"
    "main(words)"
)
GRACE_SECONDS = 30.0  # beyond the time limit: for the process to start, and to say where it was
LAST_SECONDS = 1.0  # for reading what an ended process has printed
TICK_SECONDS = 0.2
KEPT = 10_000  # bytes of what the code prints
THREAD = re.compile(r"^(?:Thread|Current thread) 0x", re.MULTILINE)
FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


class LostError(Exception):
    """The process ended without an answer; the message says how, and where it was."""


class OvertimeError(Exception):
    """The user's code took longer than the time limit; the message says where it was."""


class Child:
    """A process in which a user's code is imported. It starts at once.

    It has no way to the storage, no terminal, and an empty folder to work in.

    Args:
        trains: ``digits.py:train`` or ``package.module:train``.
        folder: that of the space's file.
        timeout: in seconds: of the import, and of each answer.
    """

    def __init__(self, trains: str, folder: Path, timeout: float) -> None:
        self.timeout = timeout
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self._trace = Path(self._folder.name) / "trace"
        self._printed = b""
        self._connection, theirs = Pipe()
        words = {
            "trains": trains,
            "folder": str(folder.absolute()),
            "timeout": timeout,
            "connection": theirs.fileno(),
            "trace": str(self._trace),
            "path": [_absolute(path) for path in sys.path],
        }
        self._process = _start(words, Path(self._folder.name))
        theirs.close()

    def answer(self, question: object = None) -> str:
        """Its answer to a question; without one, what it says first: the description.

        Raises:
            UserError: what is wrong with the user's code.
            OvertimeError: that took too long.
            LostError: the process has ended.
        """
        if question is not None:
            with suppress(OSError):  # it has ended, as will be seen
                self._connection.send_bytes(json.dumps(question).encode())
        message = self._receive(time.monotonic() + self.timeout + GRACE_SECONDS)
        if message is None:
            raise self._loss()
        answer: dict[str, str] = json.loads(message)
        if "error" in answer:
            raise UserError(answer["error"])
        if "exit" in answer:
            raise UserError(one_line(answer["exit"] + self._last_words()))
        return answer["answer"]

    def _receive(self, deadline: float) -> bytes | None:
        """Its next message; None if it has ended, or the deadline has passed."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        sources: list[Connection | int] = [self._connection, output]
        while sources and time.monotonic() < deadline:
            if self._process.poll() is not None:  # its children may still hold the other ends
                deadline = min(deadline, time.monotonic() + LAST_SECONDS)
            ready = wait(sources, TICK_SECONDS)
            if output in ready and not self._read(output):
                sources.remove(output)
            if self._connection in ready:
                try:
                    return self._connection.recv_bytes()
                except (EOFError, OSError):
                    sources.remove(self._connection)
        return None

    def _read(self, output: int) -> bool:
        """Read some of what it has printed; false at the end."""
        chunk = os.read(output, KEPT)
        self._printed = (self._printed + chunk)[-KEPT:]
        return bool(chunk)

    def _loss(self) -> OvertimeError | LostError:
        """Why there is no answer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_SECONDS)
        code = self._process.poll()
        trace = self._trace.read_text("utf-8", "replace") if self._trace.exists() else ""
        where = f"{_position(trace)}{self._last_words()}"
        if code is None or trace.startswith("Timeout"):
            return OvertimeError(one_line(f"took over {self.timeout:g} s{where}"))
        return LostError(one_line(f"{ending(code)}{where}"))

    def _last_words(self) -> str:
        """The last line that the code printed, if any, for the end of a message."""
        lines = self._printed.decode("utf-8", "replace").splitlines()
        said = [line.strip() for line in lines if line.strip()]
        return f'; it printed last: "{said[-1]}"' if said else ""

    def close(self) -> None:
        """End it, and whatever it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._connection.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()


def _absolute(path: str) -> str:
    """An entry of ``sys.path`` made absolute; entries that are no folders stay as they are."""
    return str(Path(path).absolute()) if Path(path).is_dir() else path


def _start(words: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    """Start the process, at the head of a session and so of a process group."""
    work = folder / "work"
    work.mkdir()
    limits = {**dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, json.dumps(words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        cwd=work,
        env=without_storage(os.environ) | limits,
        pass_fds=[words["connection"]],
        start_new_session=True,
    )


def ending(code: int) -> str:
    """How a process has ended, by its exit status."""
    if code >= 0:
        return f"ended with status {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}{', perhaps for want of memory' if code == -signal.SIGKILL else ''}"


def _position(trace: str) -> str:
    """The user's line in faulthandler's trace: `` at digits.py:30: net.fit(x, y)``."""
    threads = THREAD.split(trace)[1:]
    current = [thread for thread in threads if f"Current thread 0x{thread}" in trace]
    for file, line in FRAME.findall("".join(current or threads[-1:])):
        if _is_users(Path(file)):
            source = shortened(linecache.getline(file, int(line)))
            return f" at {Path(file).name}:{line}{': ' if source else ''}{source}"
    return ""


def _is_users(file: Path) -> bool:
    """Whether a file is a user's: not installed, the harness's or the standard library's."""
    others = (HARNESS, Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib")))
    installed = any(part in INSTALLED for part in file.parts)
    return file.is_absolute() and not installed and not any(map(file.is_relative_to, others))
