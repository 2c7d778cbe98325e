"""Commands as forks of one process that has imported the program: three seconds less for each."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

LEAN = Path(__file__).with_name("lean.py")


class Fork:
    """A command that was started; what of `subprocess.Popen` the tests use.

    Attributes:
        pid: its number, which is its group's as well.
        stdout: what it prints, as text.
        stderr: what it prints to the other stream.
    """

    def __init__(self, out: int, err: int, told: int) -> None:
        """Take over the ends to read from; its number comes first from the last one."""
        self.stdout = os.fdopen(out, encoding="utf-8")
        self.stderr = os.fdopen(err, encoding="utf-8")
        self._told = os.fdopen(told, encoding="ascii")
        self.returncode: int | None = None
        self.pid = int(self._told.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; minus the signal's number where one ended it."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it prints from now on, once it has ended."""
        said = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            said[number] = stream.read()

        streams = [self.stdout, self.stderr]
        readers = [
            threading.Thread(target=read, args=pair, daemon=True) for pair in enumerate(streams)
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader, stream in zip(readers, streams, strict=True):
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            stream.close()
        return said[0], said[1]

    def send_signal(self, signum: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[str] | Fork


def start(
    words: Sequence[str], folder: Path, environment: dict[str, str], *, figures: bool
) -> Fork:
    """Start a command in a folder and in an environment, in a group of its own.

    Args:
        words: what follows the program's name.
        folder: the one that it works in.
        environment: all of its variables; what reads them when it is imported has read others.
        figures: whether its reports have any.
    """
    request = {
        "words": words,
        "folder": str(folder),
        "environment": environment,
        "figures": figures,
        "ignores": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    }
    pairs = [os.pipe() for _ in range(3)]
    socket.send_fds(_server(), [json.dumps(request).encode()], [there for _, there in pairs])
    for _, there in pairs:
        os.close(there)
    return Fork(*(here for here, _ in pairs))


@cache
def _server() -> socket.socket:
    """The way to the process that forks, which ends with this one."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, str(LEAN), str(there.fileno())]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, pass_fds=[there.fileno()], stdin=quiet, stdout=quiet)
    there.close()

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here
