"""The loop: a slot is free -> the next task -> a worker trains it -> its end is recorded.

The coordinator (this process) alone creates and finishes trials. Each slot is an executor of one
worker process: a worker that is killed then fails its own trial only, and its slot is made anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context

from crnn.ablation.signals import InterruptedRunError, caught_signals, ctrl_c_ignored
from crnn.ablation.tasks import Progress, Source, Task
from crnn.ablation.worker import (
    STORAGE_VARIABLE,
    Batches,
    Outcome,
    Split,
    Told,
    Workplace,
    start,
    work,
)

LOOK = 0.2  # seconds between two looks at workers that say nothing
ATTEMPTS = 3  # of a training whose worker is lost
FUSED_ON_CUDA = 32  # trainings as one network, unless told otherwise; memory may allow fewer


@dataclass(frozen=True)
class Event:
    """Something happened to a task: `what` says what, `detail` more.

    ``started`` (None), ``epoch`` (a `training.Epoch`) and ``ended`` (a `worker.Outcome`) are told
    of every task; ``batches`` (a `worker.Batches`) and ``split`` (a `worker.Split`) of the first
    of those that are trained as one network.
    """

    what: str
    slot: int
    task: Task
    progress: Progress
    detail: object = None


@dataclass(frozen=True)
class Machine:
    """What a run takes of the machine.

    Attributes:
        device: ``cpu`` or ``cuda``.
        gpus: the CUDA devices (as CUDA_VISIBLE_DEVICES names them) shared out among workers.
        jobs: trainings at a time.
        threads: threads of each worker.
        fuse: replicates that a worker trains as one network, at most.
    """

    device: str = "cpu"
    gpus: tuple[str, ...] = ()
    jobs: int = 1
    threads: int = 1
    fuse: int = 1


def default_jobs(device: str, gpus: tuple[str, ...], threads: int) -> int:
    """One job a physical core (or `threads` of them), one a GPU on CUDA."""
    if device == "cuda":
        return max(1, len(gpus))
    return max(1, int(cpu_count(only_physical_cores=True)) // threads)


def run(
    source: Source,
    place: Workplace,
    storage_url: str,
    machine: Machine,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
) -> None:
    """Train what `source` gives until there is nothing left.

    Args:
        source: gives the tasks and records their ends.
        place: what all trainings have in common.
        storage_url: handed to the workers in their environment.
        machine: device, jobs and threads.
        on_event: told of everything that happens.
        deadline: nothing new starts after this (`time.monotonic`).

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; the trials being trained are left RUNNING, and the
            next run takes them up again.
    """
    ended, bell = get_context("loky").Pipe(duplex=False)
    slots = [_Slot(number, storage_url, machine, bell) for number in range(machine.jobs)]
    try:
        with caught_signals() as caught:
            while not caught:
                for slot in slots:
                    late = deadline is not None and time.monotonic() > deadline
                    if not slot.tasks and not late and (task := source.next()):
                        tasks = [task, *source.companions(task, machine.fuse - 1)]
                        slot.begin(tasks, place)
                        for task in tasks:
                            on_event(Event("started", slot.number, task, source.progress))
                busy = [slot for slot in slots if slot.tasks]
                if not busy:
                    return
                wait([ended, *(slot.inbox for slot in busy)], timeout=LOOK)
                while ended.poll():
                    ended.recv_bytes()
                for slot in busy:
                    _attend(slot, source, place, on_event)
            raise InterruptedRunError(caught[0])
    finally:
        for slot in slots:
            slot.close()
        ended.close()
        bell.close()


def _attend(
    slot: _Slot, source: Source, place: Workplace, on_event: Callable[[Event], None]
) -> None:
    """Pass on what a worker said; record its tasks' ends where they have ended."""
    tasks, future = slot.tasks, slot.future
    if future is None:
        return
    ended = future.done()  # before the messages are read: the last ones precede the end
    for message in slot.messages():
        if isinstance(message, Told):
            task = tasks[message.member]
            on_event(Event("epoch", slot.number, task, source.progress, message.epoch))
        elif isinstance(message, Batches):
            on_event(Event("batches", slot.number, tasks[0], source.progress, message))
        elif isinstance(message, Split):
            on_event(Event("split", slot.number, tasks[0], source.progress, message))
    if not ended:
        return
    try:
        outcomes: list[Outcome] = future.result()
    except BrokenProcessPool:
        slot.renew()
        if slot.attempts < ATTEMPTS:
            slot.begin(tasks, place)
            return
        lost = f"lost its worker process {ATTEMPTS} times (killed, or out of memory)"
        outcomes = [Outcome("FAIL", None, {"failure": lost, "fused": len(tasks)}) for _ in tasks]
    slot.free()
    machine = {"device": slot.machine.device, "threads": slot.machine.threads}
    for task, outcome in zip(tasks, outcomes, strict=True):
        source.finish(task, outcome.state, outcome.value, {**machine, **outcome.attributes})
        on_event(Event("ended", slot.number, task, source.progress, outcome))


class _Slot:
    """A place for trainings: one worker process and the pipe it talks through.

    It trains one task at a time, or several as one network.
    """

    def __init__(self, number: int, storage_url: str, machine: Machine, bell: Connection) -> None:
        self.number, self.machine, self.bell = number, machine, bell
        self.tasks: list[Task] = []
        self.future: Future[list[Outcome]] | None = None
        self.attempts = 0
        self.environment = _environment(number, storage_url, machine)
        self._open()

    def _open(self) -> None:
        self.inbox, outbox = get_context("loky").Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(
            max_workers=1,
            timeout=None,
            initializer=start,
            initargs=(outbox, os.getpid(), self.machine.threads),
            env=self.environment,
        )
        self.outbox = outbox  # kept open here, so that an empty pipe is never at its end

    def begin(self, tasks: list[Task], place: Workplace) -> None:
        """Hand tasks to the worker."""
        self.attempts = self.attempts + 1 if tasks is self.tasks else 1
        self.tasks = tasks
        with ctrl_c_ignored():  # the first tasks start the process
            self.future = self.executor.submit(work, tasks, place)
        # Else the worker would be idle until the next look.
        self.future.add_done_callback(self._ring)

    def _ring(self, _: object) -> None:
        """Say that the tasks have ended; not once the run is over, which closes the bell."""
        if not self.bell.closed:
            self.bell.send_bytes(b".")

    def messages(self) -> Iterator[object]:
        """What the worker has said since the last look."""
        while self.inbox.poll():
            yield self.inbox.recv()

    def free(self) -> None:
        """The tasks have ended."""
        self.tasks, self.future = [], None

    def close(self) -> None:
        """End the worker, whatever it does."""
        self.executor.shutdown(wait=True, kill_workers=True)
        self.inbox.close()
        self.outbox.close()

    def renew(self) -> None:
        """A new worker and a new pipe: the old one may hold half a message."""
        self.close()
        self._open()


def worker_environment(threads: int, visible: str = "") -> dict[str, str]:
    """The environment variables of a worker: its threads, the GPUs that it may see, its memory.

    Left to itself, glibc gives a training step's memory back to the system after it, and the
    system clears it for the next one: 2 ms of a step of 20. So it is told to keep it.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    keep = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
    return {**dict.fromkeys(names, str(threads)), **keep, "CUDA_VISIBLE_DEVICES": visible}


def _environment(number: int, storage_url: str, machine: Machine) -> dict[str, str]:
    visible = machine.gpus[number % len(machine.gpus)] if machine.gpus else ""
    return {**worker_environment(machine.threads, visible), STORAGE_VARIABLE: storage_url}
