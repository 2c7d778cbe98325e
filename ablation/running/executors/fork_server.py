"""The process that forks another one for each training; the modules that all need are loaded once.

`multiprocessing` has a fork server too. What a training starts with its method ``forkserver``, the
default from Python 3.14 on, would be children of that very server, outside the training's process
group, and would outlive it. This one also watches: it kills the group of a training that has
ended, however it has ended, and of all trainings where the coordinator is gone. It has a guard,
its parent, which does the last of that where the server is killed as well.

The coordinator's side is `ablation.running.executors.processes`.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NoReturn

from ablation.process.quiet import silence_warnings
from ablation.running.executors.preloading import load
from ablation.running.worker import obey

EXIT_SECONDS = 5.0  # that a training's process may take to exit by itself
GROUP_SECONDS = 5.0  # that killed processes may take to be gone
LOOK_SECONDS = 0.02  # between two looks at processes that are about to be gone
END, GONE = b"end", b"gone"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass
class ForkRequest:
    """What the coordinator asks for: another process.

    Attributes:
        orders: the descriptor where its worker reads.
        channel: the descriptor where its worker writes.
        sentinel: a socket to the coordinator. It is sent the process number, then ``gone``. It
            sends ``end`` where the process is about to exit by itself, and else ends the process
            by closing its side.
        slot: of the executor; it has one process at a time.
        environment: variables that this process has beside those of the server.
        threads: of its child.
    """

    orders: int
    channel: int
    sentinel: socket.socket
    slot: int
    environment: dict[str, str]
    threads: int

    def close(self) -> None:
        """Close all descriptors."""
        os.close(self.orders)
        os.close(self.channel)
        self.sentinel.close()


@dataclass
class Child:
    """A forked process, which leads a process group.

    Attributes:
        pid: its number, and its group's.
        slot: of the executor.
        sentinel: see `ForkRequest`.
        watched: whether anything may still come from the sentinel.
        deadline: when to kill its group; None as long as nobody asks for that.
        exited: when it was seen to have ended; None while it runs.
    """

    pid: int
    slot: int
    sentinel: socket.socket
    watched: bool = True
    deadline: float | None = None
    exited: float | None = None

    def kill(self) -> None:
        """Kill the whole group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    @property
    def is_gone(self) -> bool:
        """Whether nothing of its group is left, or nothing that can be killed."""
        if self.exited is None:
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        return time.monotonic() > self.exited + GROUP_SECONDS


def main(control: int, libraries: list[str]) -> None:
    """Load the libraries, say so, then fork what is asked for until the coordinator is gone.

    That is a child of this process, which stays behind as its guard. Returns in each forked process
    as well, once it has no more to do.

    Args:
        control: the descriptor of a socket to the coordinator.
        libraries: modules to load.
    """
    silence_warnings()
    _control_process(PR_SET_CHILD_SUBREAPER, 1)
    if child := os.fork():
        os.close(control)
        guard(child)
    connection, server = socket.socket(fileno=control), os.getpid()
    try:
        is_ready = load(libraries, connection.send)
    except (BrokenPipeError, ConnectionResetError):  # the coordinator is gone
        return
    if is_ready and (request := Server(connection).run()):
        become_worker(request, server)


def guard(server: int) -> NoReturn:
    """Wait until the server has ended, then kill whatever it has left, and exit.

    Args:
        server: its process number; all that descends from it becomes this process's child.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the coordinator's to act on
        signal.signal(number, signal.SIG_IGN)
    os.waitpid(server, 0)
    _end_children()
    os._exit(0)


@dataclass
class Server:
    """Forks processes, and sees to it that nothing of them is left.

    Attributes:
        control: where the requests come from; None once the coordinator is gone.
        waiting: requests for slots that still have a process.
        children: the processes, those that are about to be gone too.
    """

    control: socket.socket | None
    waiting: list[ForkRequest] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.awake, self.waker = socket.socketpair()
        self.awake.setblocking(False)
        self.waker.setblocking(False)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        for number in (signal.SIGINT, signal.SIGTERM):  # the coordinator's to act on
            signal.signal(number, signal.SIG_IGN)
        _control_process(PR_SET_CHILD_SUBREAPER, 1)

    def run(self) -> ForkRequest | None:
        """Serve until the coordinator and all processes are gone.

        Returns:
            None; and in each forked process the request that it was forked for.
        """
        while self.control or self.children:
            self._listen()
            self._reap()
            taken = {child.slot for child in self.children}
            for request in [each for each in self.waiting if each.slot not in taken]:
                self.waiting.remove(request)
                if self._fork(request):
                    return request
        _end_children()
        return None

    def _listen(self) -> None:
        """Wait for something to do, and note what the coordinator says."""
        watched = [child for child in self.children if child.watched]
        control = [self.control] if self.control else []
        sentinels = [child.sentinel for child in watched]
        ready = wait([self.awake, *control, *sentinels], self._patience())
        if self.awake in ready:
            self.awake.recv(1 << 16)
        if self.control in ready:
            self._take_request(self.control)
        for child in watched:
            if child.sentinel in ready:
                exits = receive(child.sentinel) == END
                child.watched = False
                child.deadline = time.monotonic() + (EXIT_SECONDS if exits else 0)

    def _patience(self) -> float | None:
        """Seconds until there is something to do, whatever comes; None where there is nothing."""
        if any(child.exited is not None for child in self.children):
            return LOOK_SECONDS
        deadlines = [each.deadline for each in self.children if each.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _take_request(self, control: socket.socket) -> None:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 3)
        if message:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            orders, channel, descriptor = descriptors
            sentinel = socket.socket(fileno=descriptor)
            self.waiting.append(ForkRequest(orders, channel, sentinel, **json.loads(message)))
            return
        control.close()
        self.control = None
        for request in self.waiting:
            request.close()
        self.waiting.clear()
        for child in self.children:
            if child.deadline is None:
                child.deadline = time.monotonic()

    def _fork(self, request: ForkRequest) -> bool:
        """Fork; whether this is the new process."""
        try:
            pid = os.fork()
        except OSError:  # the coordinator sees a worker that has ended
            request.close()
            return False
        if pid == 0:
            self._forget()
            return True
        with suppress(OSError):  # as it does itself: whoever comes first
            os.setpgid(pid, pid)
        os.close(request.orders)
        os.close(request.channel)
        _send(request.sentinel, str(pid).encode())
        self.children.append(Child(pid, request.slot, request.sentinel))
        return False

    def _forget(self) -> None:
        """In a forked process: give back what is the server's."""
        signal.set_wakeup_fd(-1)
        sockets = [self.control, self.awake, self.waker]
        for each in (*sockets, *self.waiting, *(child.sentinel for child in self.children)):
            if each is not None:
                each.close()

    def _reap(self) -> None:
        """Kill the groups whose time is over, and take note of the processes that have ended."""
        for child in self.children:
            if child.deadline is not None and child.deadline <= time.monotonic():
                child.kill()
                child.deadline = None
        running = {each.pid: each for each in self.children if each.exited is None}
        while (pid := _ended_child()) is not None:
            if pid in running:
                running[pid].kill()  # before its number can become another process's
                running[pid].exited = time.monotonic()
            os.waitpid(pid, 0)
        for child in [each for each in self.children if each.is_gone]:
            self.children.remove(child)
            _send(child.sentinel, GONE)
            child.sentinel.close()


def become_worker(request: ForkRequest, server: int) -> None:
    """Make this forked process a worker, and do what is ordered until the coordinator hangs up.

    Args:
        request: what it was forked for.
        server: the server's process number.
    """
    with suppress(OSError):
        os.setpgid(0, 0)
    _control_process(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it had ended before that
        sys.exit(1)
    request.sentinel.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a terminal's does not come here
    os.environ.update(request.environment)
    orders = Connection(request.orders, writable=False)
    channel = Connection(request.channel, readable=False)
    for end in (orders, channel):  # the training's alone: they close with it
        os.register_at_fork(after_in_child=end.close)
    os.register_at_fork(after_in_child=partial(atexit.unregister, os._exit))  # see `processes`
    obey(orders, channel, request.threads)


def receive(sentinel: socket.socket) -> bytes:
    """The next word from the other side; empty where there is none any more."""
    while True:
        try:
            return sentinel.recv(64)
        except ConnectionResetError:  # once, where the other side has left words unread
            continue


def _send(sentinel: socket.socket, word: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody asks any more
        sentinel.send(word)


def _ended_child() -> int | None:
    """The number of a child that has ended and is still to be waited for; None without one."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def _end_children() -> None:
    """Kill the descendants that have left their group; they have become this process's children."""
    deadline = time.monotonic() + GROUP_SECONDS
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while time.monotonic() < deadline and children.exists() and (found := children.read_text()):
        for pid in map(int, found.split()):
            with suppress(PermissionError, ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while (ended := _ended_child()) is not None:
            os.waitpid(ended, 0)
        time.sleep(LOOK_SECONDS)


def _control_process(option: int, value: int) -> None:
    """Set what Linux alone has: see prctl(2)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
