"""The loop: a slot is free -> the next task -> a worker trains it -> its end is recorded.

The coordinator (this process) alone creates and finishes trials. Each slot has one worker process
and a pipe each way, and nothing else: no semaphore, no shared memory, no queue that a killed worker
could leave locked. It loses its own trial only, and its slot is made anew.
"""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path

from joblib import cpu_count

from ablation.errors import UserError
from ablation.files import checkpoint_files, remove
from ablation.running.messages import (
    Answer,
    Batches,
    Ended,
    Order,
    Outcome,
    SetAside,
    Split,
    Told,
    Workplace,
)
from ablation.running.recording import Recorder
from ablation.running.worker import serve
from ablation.scheduling.source import Progress, Source, Task
from ablation.signals import InterruptedRunError, caught_signals, ctrl_c_ignored

LOOK = 0.2  # seconds between two looks at workers that say nothing
ATTEMPTS = 3  # of a training whose worker is lost, with no epoch finished between
ALIKE = 5  # failures in a row for the same reason, after which nothing more is begun
NUMBER = re.compile(r"-?\d[\d.]*(e[+-]?\d+)?|-?\b(nan|inf)\b")  # in a failure's reason
PATIENCE = 10  # usual epochs that a worker may say nothing
SILENCE = 120.0  # seconds that it may at least
ASLEEP = 3.0  # seconds between two looks from which on this process has been stopped itself
STARTING = 600.0  # seconds that a new process may say nothing: it imports torch, from a cold disk
NOT_FOR_WORKERS = ("CRNN_STUDY_STORAGE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")
TOGETHER_ON_CUDA = 32  # trainings side by side, unless told otherwise; memory may allow fewer


@dataclass(frozen=True)
class Event:
    """Something happened to a task: `what` says what, `detail` more.

    ``started`` (None), ``epoch`` and ``resumed`` (a `training.Epoch`, of this worker or of an
    earlier one) and ``ended`` (a `messages.Outcome`) are told of every task; ``batches`` (a
    `messages.Batches`), ``split`` (a `messages.Split`) and ``set aside`` (a `messages.SetAside`) of
    the first of those that are trained side by side.
    """

    what: str
    slot: int
    task: Task
    progress: Progress
    detail: object = None


OnTrialEnd = Callable[[Task, Outcome], None]
WORDS: dict[type, str] = {Batches: "batches", Split: "split", SetAside: "set aside"}


@dataclass(frozen=True)
class Machine:
    """What a run takes of the machine.

    Attributes:
        device: ``cpu`` or ``cuda``.
        gpus: the CUDA devices (as CUDA_VISIBLE_DEVICES names them) shared out among workers.
        jobs: trainings at a time.
        threads: threads of each worker.
        fuse: replicates that a worker trains side by side, at most.
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
    recorder: Recorder,
    machine: Machine,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
    on_trial_end: OnTrialEnd = lambda task, outcome: None,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Train what `source` gives until there is nothing left.

    Args:
        source: gives the tasks and records their ends.
        place: what all trainings have in common.
        recorder: writes the epochs that workers tell of to the storage.
        machine: device, jobs and threads.
        on_event: told of everything that happens.
        deadline: nothing new starts after this (`time.monotonic`).
        on_trial_end: told how a training ended before its trial does, while things can be added
            to it.
        check: called before anything is written; what it raises stops the run.

    Returns:
        Why nothing more was begun, where that is because all failed alike; else empty.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; the trials being trained are left RUNNING, and the
            next run takes them up again.
        UserError: the disk is full, or the storage cannot be written; likewise.
    """
    slots = [_Slot(number, machine) for number in range(machine.jobs)]
    dispatcher = _Dispatcher(source, place, recorder, on_event, on_trial_end, check)
    looked = time.monotonic()
    try:
        with caught_signals() as caught:
            while not caught:
                for slot in slots:
                    late = deadline is not None and time.monotonic() > deadline
                    if not slot.tasks and not late and not dispatcher.hopeless:
                        dispatcher.hand_out(slot)
                busy = [slot for slot in slots if slot.tasks]
                if not busy:
                    return dispatcher.reasons[-1] if dispatcher.hopeless else ""
                wait([slot.inbox for slot in busy], timeout=LOOK)
                turn, looked = time.monotonic() - looked, time.monotonic()
                for slot in busy:
                    if turn < ASLEEP:  # else its worker may have been stopped with this process
                        slot.silence += turn
                    dispatcher.attend(slot)
            raise InterruptedRunError(caught[0])
    finally:
        for slot in slots:
            slot.close()


class _Dispatcher:
    """Between the source of tasks and the slots: hands out, listens, records how it ended."""

    def __init__(
        self,
        source: Source,
        place: Workplace,
        recorder: Recorder,
        on_event: Callable[[Event], None],
        on_trial_end: OnTrialEnd,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.source, self.place, self.recorder = source, place, recorder
        self.on_event, self.on_trial_end, self.check = on_event, on_trial_end, check
        self.usual = 0.0  # seconds of the longest epoch so far
        self.reasons: list[str] = []  # of the failures since the last training that did not fail

    @property
    def hopeless(self) -> bool:
        """Whether the last trainings all failed alike, but for numbers in the reason."""
        last = [NUMBER.sub("#", reason) for reason in self.reasons[-ALIKE:]]
        return len(last) == ALIKE and len(set(last)) == 1

    def hand_out(self, slot: _Slot) -> None:
        """Give a slot its next tasks, where there are any."""
        self.check()
        if task := self.source.next():
            slot.tasks = [task, *self.source.companions(task, slot.machine.fuse - 1)]
            slot.losses = 0
            self._begin(slot)
            for task in slot.tasks:
                self._tell(slot, "started", task)

    def _begin(self, slot: _Slot) -> None:
        """Hand its tasks to a slot's worker, with a claim of their own."""
        order = Order(slot.tasks, self.place, uuid.uuid4().hex)
        if path := self.place.checkpoint(order.tasks, order.token):
            _take_over(path, slot.tasks[0].number)
        slot.begin(order)

    def _tell(self, slot: _Slot, what: str, task: Task, detail: object = None) -> None:
        self.on_event(Event(what, slot.number, task, self.source.progress, detail))

    def attend(self, slot: _Slot) -> None:
        """Pass on what a worker said; record its tasks' ends where they have ended."""
        outcomes: list[Outcome] | None = None
        for message in slot.messages():
            if isinstance(message, Ended):
                outcomes = message.outcomes
            else:
                self._pass_on(slot, message)
        patience = max(SILENCE, PATIENCE * self.usual) if slot.spoken else STARTING
        if outcomes is None and not slot.dead and slot.silence < patience:
            return
        if outcomes is None:
            reason = "killed, or out of memory" if slot.dead else "it said nothing any more"
            self._again(slot, f"lost its worker process {ATTEMPTS} times ({reason})")
        elif any(outcome.state == "DISK" for outcome in outcomes):
            raise UserError(
                f"no space left on the disk of the results or the storage: {_reasons(outcomes)}; "
                "free some, then the same command goes on"
            )
        elif stops := [outcome for outcome in outcomes if outcome.state == "STOP"]:
            raise UserError(f"{_reasons(stops)}; then the same command goes on")
        else:
            self._end_or_again(slot, outcomes)

    def _pass_on(self, slot: _Slot, message: object) -> None:
        if isinstance(message, Told):
            self.usual = max(self.usual, message.epoch.seconds * len(slot.tasks))
            slot.losses = slot.losses if message.again else 0
            what, task = "resumed" if message.again else "epoch", slot.tasks[message.member]
            self.check()
            prune = self.recorder.record(task, message.epoch)
            if message.asks:
                slot.answer(Answer(prune))
            self._tell(slot, what, task, message.epoch)
        else:
            self._tell(slot, WORDS[type(message)], slot.tasks[0], message)

    def _end_or_again(self, slot: _Slot, outcomes: list[Outcome]) -> None:
        """Record the ends of its tasks; those that memory was short for are tried again."""
        ends = list(zip(slot.tasks, outcomes, strict=True))
        short = [(task, outcome) for task, outcome in ends if outcome.state == "MEMORY"]
        self._end(slot, [end for end in ends if end[1].state != "MEMORY"])
        if short:
            slot.tasks = [task for task, _ in short]
            reasons = _reasons([outcome for _, outcome in short])
            self._again(slot, f"out of memory {ATTEMPTS} times: {reasons}")

    def _again(self, slot: _Slot, reason: str) -> None:
        """A new worker goes on with the tasks, unless too many have been lost."""
        slot.losses += 1
        slot.renew()  # which gives back the memory of the old one
        if slot.losses < ATTEMPTS:
            self._begin(slot)
            return
        failed = Outcome("FAIL", None, {"failure": reason, "fused": len(slot.tasks)})
        self._end(slot, [(task, failed) for task in slot.tasks])

    def _end(self, slot: _Slot, ends: list[tuple[Task, Outcome]]) -> None:
        slot.tasks = []
        machine = {"device": slot.machine.device, "threads": slot.machine.threads}
        for task, outcome in ends:
            self.check()
            found = {**machine, **outcome.attributes}
            self.on_trial_end(task, outcome)
            self.source.finish(task, outcome.state, outcome.value, found)
            failed = outcome.state == "FAIL" and "diverged" not in found  # that is an end
            self.reasons = [*self.reasons, str(found["failure"])] if failed else []
            self._tell(slot, "ended", task, outcome)
            if self.place.checkpoints:
                for path in checkpoint_files(self.place.checkpoints, task.number):
                    remove(path)


def _take_over(path: Path, number: int) -> None:
    """Make the latest checkpoint of a trial, whoever wrote it, that of a new claim.

    Any of them is as good: the training goes on from it bit for bit as if nothing had happened.
    """
    found = checkpoint_files(path.parent, number)
    for older in found[:-1]:
        remove(older)
    for latest in found[-1:]:
        latest.rename(path)


def _reasons(outcomes: list[Outcome]) -> str:
    return "; ".join(dict.fromkeys(str(outcome.attributes["failure"]) for outcome in outcomes))


class _Slot:
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

    def __init__(self, number: int, machine: Machine) -> None:
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

    def begin(self, order: Order) -> None:
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

    def _send(self, word: Order | Answer) -> None:
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


def _environment(number: int, machine: Machine) -> dict[str, str]:
    visible = machine.gpus[number % len(machine.gpus)] if machine.gpus else ""
    return worker_environment(machine.threads, visible)
