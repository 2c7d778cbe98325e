"""Worker processes on this machine, a pipe each way to each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context

from ablation.running.messages import Answer, Job
from ablation.running.resources import Resources
from ablation.running.worker import serve
from ablation.scheduling.source import Task
from ablation.signals import ctrl_c_ignored

STARTUP_SECONDS = (
    600.0  # seconds that a new process may say nothing: it imports torch, from a cold disk
)


NOT_FOR_WORKERS = ("CRNN_STUDY_STORAGE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")


class LocalWorker:
    """A place for trainings: one worker process, and a pipe to it and from it.

    It trains one task at a time, or several side by side.

    Attributes:
        number: its own, from 0.
        machine: what it takes of the machine.
        tasks: what it trains; none where it is free.
        losses: how many workers these tasks have lost since an epoch of them ended.
        spoken: whether this worker has said anything yet.
        silence: seconds since it last did, or was handed its tasks; only those in which this
            process was running itself.
        dead: whether its pipe has ended, as it does with the worker.
    """

    def __init__(self, number: int, machine: Resources) -> None:
        self.number, self.machine = number, machine
        self.tasks: list[Task] = []
        self.losses = 0
        self.environment = _environment(number, machine)
        self._open()

    def _open(self) -> None:
        """Two pipes and a worker at their other ends, which starts with its first tasks."""
        self.spoken = self.dead = False
        self.silence = 0.0
        spawn = get_context("spawn")
        orders, self.orders = spawn.Pipe(duplex=False)
        self.inbox, channel = spawn.Pipe(duplex=False)
        words = (orders, channel, os.getpid(), self.machine.threads)
        self.worker = spawn.Process(target=serve, args=words, daemon=True)
        self.ends = (orders, channel)

    def begin(self, order: Job) -> None:
        """Hand its tasks to the worker."""
        self.silence = 0.0
        if self.worker.pid is None:
            with ctrl_c_ignored(), _worker_surroundings(self.environment):
                self.worker.start()
            for end in self.ends:  # the worker's alone from now on: they close when it dies
                end.close()
        self._send(order)

    def answer(self, answer: Answer) -> None:
        """Answer what the worker has asked."""
        self._send(answer)

    def _send(self, word: Job | Answer) -> None:
        with suppress(BrokenPipeError):  # dead already, as its own pipe will tell
            self.orders.send(word)

    def messages(self) -> Iterator[object]:
        """What the worker has said since the last look."""
        while not self.dead and self.inbox.poll():
            try:
                message = self.inbox.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                self.dead = True
                return
            self.silence, self.spoken = 0.0, True
            yield message

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self.worker.pid is not None:
            self.worker.kill()
            self.worker.join()
        for end in (*self.ends, self.inbox, self.orders):
            end.close()

    def renew(self) -> None:
        """A new worker with new pipes: the old ones may hold half a message."""
        self.close()
        self._open()


@contextmanager
def _worker_surroundings(values: Mapping[str, str]) -> Iterator[None]:
    """The environment and the words that processes started meanwhile get.

    Workers run the user's code: nothing there leads to the storage, nor to its password.
    """
    environment, words = dict(os.environ), sys.argv
    os.environ.update(values)
    for name in NOT_FOR_WORKERS:
        os.environ.pop(name, None)
    sys.argv = words[:1]
    try:
        yield
    finally:
        sys.argv = words
        for name in {*values, *NOT_FOR_WORKERS}:
            if name in environment:
                os.environ[name] = environment[name]
            else:
                os.environ.pop(name, None)


def worker_environment(threads: int, visible: str = "") -> dict[str, str]:
    """The environment variables of a worker: its threads, the GPUs that it may see, its memory.

    Left to itself, glibc gives a training step's memory back to the system after it, and the
    system clears it for the next one: 2 ms of a step of 20. So it is told to keep it.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    keep = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
    return {**dict.fromkeys(names, str(threads)), **keep, "CUDA_VISIBLE_DEVICES": visible}


def _environment(number: int, machine: Resources) -> dict[str, str]:
    visible = machine.gpus[number % len(machine.gpus)] if machine.gpus else ""
    return worker_environment(machine.threads, visible)
