"""The processes of workers, as an executor sees them: spawned for many jobs, or forked for one.

Either is handed its job, and says what it does, through pipes; it shares nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ablation.running.executors import fork_server

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from ablation.running.executors.base import Wish
    from ablation.running.messages import Answer, Job

LOAD_SECONDS = 600.0  # that a library may take to load, from a cold disk
KILL_SECONDS = 15.0  # that a fork server may take to end a process
CLOSE_SECONDS = 20.0  # that a fork server may take to end with all its processes
MAX_STARTS = 2  # of a fork server, until it takes a request
CODE = """
import atexit, os, sys
atexit.register(os._exit, 0)
sys.path[:] = {folders!r}
from ablation.running.executors.preloading import flush_files
atexit.register(flush_files)
from ablation.running.executors.fork_server import main
main({control}, {libraries!r})
"""
# What is registered first is called last: a process that has done all that a program does at its
# end is not taken down object by object, which takes a second where torch has been loaded.


class Process(Protocol):
    """A worker's process."""

    def let_exit(self) -> None:
        """Let it exit by itself, as it soon will; it has no more to say."""

    def kill(self) -> None:
        """End it, whatever it does, and wait until it is gone."""


Start = Callable[[Connection, Connection], Process]
"""Starts a process, given its ends of the pipes: where its orders come from, where it answers."""


class LocalWorker:
    """A worker, which starts with its first message, and a pipe to it and from it.

    Args:
        start: starts its process.

    Attributes:
        token: of the job that it has; empty where it is free.
        dead: whether its pipe has ended, as it does with the worker.
    """

    def __init__(self, start: Start) -> None:
        self.start = start
        self.token = ""
        self._open()

    def _open(self) -> None:
        """Two pipes, whose other ends are for a process."""
        self.dead = False
        orders, self.orders = Pipe(duplex=False)
        self.inbox, channel = Pipe(duplex=False)
        self.ends = (orders, channel)
        self.process: Process | None = None

    def send(self, message: Job | Answer | Wish) -> None:
        """Send a message, and start the process where it has not been started."""
        if self.process is None:
            self.process = self.start(*self.ends)
            for end in self.ends:  # the worker's alone from now on: they close when it dies
                end.close()
        with suppress(BrokenPipeError):  # dead already, as its own pipe will tell
            self.orders.send(message)

    def receive(self, timeout: float) -> object:
        """The next message, or None where none came in so many seconds."""
        return next(self.messages(), None) if self.inbox.poll(timeout) else None

    def messages(self) -> Iterator[object]:
        """What the worker has said since the last look."""
        while not self.dead and self.inbox.poll():
            try:
                message = self.inbox.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                self.dead = True
                return
            yield message

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process = None
        self._close_pipes()

    def renew(self) -> None:
        """A new worker with new pipes: the old ones may hold half a message."""
        self.close()
        self._open()

    def retire(self) -> None:
        """A new worker with new pipes, where the old one has done all that it was to do."""
        if self.process is not None:
            self.process.let_exit()
        self._close_pipes()
        self._open()

    def _close_pipes(self) -> None:
        for end in (*self.ends, self.inbox, self.orders):
            end.close()


class SpawnedProcess:
    """A process of `multiprocessing`, a daemon."""

    def __init__(self, process: BaseProcess) -> None:
        self.process = process

    def let_exit(self) -> None:
        """It ends as its pipes do."""

    def kill(self) -> None:
        """End it, and wait until it is gone."""
        self.process.kill()
        self.process.join()


class ForkedProcess:
    """A process of a fork server, which leads a process group.

    Args:
        sentinel: see `ablation.running.executors.fork_server.ForkRequest`.
    """

    def __init__(self, sentinel: socket.socket) -> None:
        self.sentinel = sentinel

    def let_exit(self) -> None:
        """Let it exit by itself; the server kills it where it does not, and its group with it."""
        with suppress(OSError):
            self.sentinel.send(fork_server.END)
        self.sentinel.close()

    def kill(self) -> None:
        """End its group, and wait until it is gone."""
        with suppress(OSError):
            self.sentinel.shutdown(socket.SHUT_WR)
        self.sentinel.settimeout(KILL_SECONDS)
        words = []
        with suppress(TimeoutError):
            while word := fork_server.receive(self.sentinel):
                words.append(word)
        self.sentinel.close()
        if words and words[-1] != fork_server.GONE:  # the server itself has ended, or is stopped
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(words[0]), signal.SIGKILL)


class ForkServer:
    """A process that forks another one for each job; see `ablation.running.executors.fork_server`.

    It starts when it is first asked for one, and again where it has been ended.

    Args:
        environment: all environment variables of it and its processes.
        libraries: modules to load once for all processes.

    Attributes:
        notes: which of them could not be loaded, and why, a line each.
    """

    def __init__(self, environment: Mapping[str, str], libraries: tuple[str, ...] = ()) -> None:
        self.environment, self.libraries = dict(environment), list(dict.fromkeys(libraries))
        self.notes: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(
        self,
        slot: int,
        environment: Mapping[str, str],
        threads: int,
        orders: Connection,
        channel: Connection,
    ) -> ForkedProcess:
        """Ask for a process; it starts once the one before it in its slot has ended.

        Args:
            slot: the executor's, which has one process at a time.
            environment: variables that it has beside those of the server.
            threads: of its training.
            orders: its end of the pipe that its orders come from.
            channel: its end of the pipe that it answers on.

        Returns:
            The process; one that has ended where none could be started.
        """
        sentinel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = {"slot": slot, "environment": dict(environment), "threads": threads}
        descriptors = [orders.fileno(), channel.fileno(), other.fileno()]
        with other:
            try:
                self._send(json.dumps(words).encode(), descriptors)
            except BaseException:
                sentinel.close()
                raise
        return ForkedProcess(sentinel)

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        """Send a message to the server; where it has ended, to a new one."""
        for _ in range(MAX_STARTS):
            try:
                socket.send_fds(self._running(), [message], descriptors)
                return
            except (BrokenPipeError, ConnectionResetError):
                self.close()

    def close(self) -> None:
        """End the server and all its processes, and wait until they are gone."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                _kill(self._process)
        self._control = self._process = None

    def _running(self) -> socket.socket:
        """The socket to the server, which is started where there is none."""
        while self._control is None:
            self._process, control = self._start()
            try:
                failed = _failed_library(control)
            except BaseException:
                control.close()
                _kill(self._process)
                raise
            self._control = control
            if failed:
                _kill(self._process)
                self.close()
                library, why = failed
                self.libraries.remove(library)
                self.notes.append(
                    f"{library} could not be loaded beforehand ({why}): each training loads it "
                    "itself, which takes longer"
                )
        return self._control

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folders = [folder or str(Path.cwd()) for folder in sys.path]
        code = CODE.format(folders=folders, control=other.fileno(), libraries=self.libraries)
        warnings = [f"-W{option}" for option in sys.warnoptions]
        with other:
            process = subprocess.Popen(
                [sys.executable, *warnings, "-c", code],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                process_group=0,  # so that Ctrl-C in a terminal is the coordinator's alone
            )
        return process, control


def _kill(server: subprocess.Popen[bytes]) -> None:
    """End a server, and what its libraries have started."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _failed_library(control: socket.socket) -> tuple[str, str] | None:
    """Wait until a server has loaded all libraries.

    Returns:
        One that could not be loaded, and why; None where all are there, or the server is not.
    """
    library, why = "", "the process that loaded it ended"
    control.settimeout(LOAD_SECONDS)
    try:
        while message := control.recv(1 << 16):
            word, *rest = json.loads(message)
            if word == "ready":
                control.settimeout(None)
                return None
            library, *reasons = rest
            if reasons:
                return library, reasons[0]
    except TimeoutError:
        why = f"it took more than {LOAD_SECONDS:.0f} seconds"
    except ConnectionResetError:  # as where it reads no more
        pass
    return (library, why) if library else None
