"""The loop: a slot is free -> the next task -> a worker trains it -> its end is recorded.

The coordinator (this process) alone creates and finishes trials. Each slot has one worker process
and a pipe each way, and nothing else: no semaphore, no shared memory, no queue that a killed worker
could leave locked. It loses its own trial only, and its slot is made anew.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

from ablation.errors import UserError
from ablation.files import checkpoint_files, remove
from ablation.running.events import NAMES, Event, OnTrialEnd
from ablation.running.executors.local import STARTUP_SECONDS, LocalWorker
from ablation.running.messages import (
    Answer,
    EpochFinished,
    Job,
    JobFinished,
    TrainingContext,
    TrialOutcome,
)
from ablation.running.recording import Recorder
from ablation.running.resources import Resources
from ablation.scheduling.source import Source, Task
from ablation.signals import InterruptedRunError, caught_signals

POLL_SECONDS = 0.2  # seconds between two looks at workers that say nothing
MAX_WORKER_LOSSES = 3  # of a training whose worker is lost, with no epoch finished between
IDENTICAL_FAILURES = 5  # failures in a row for the same reason, after which nothing more is begun
NUMBER = re.compile(r"-?\d[\d.]*(e[+-]?\d+)?|-?\b(nan|inf)\b")  # in a failure's reason
STALL_EPOCHS = 10  # usual epochs that a worker may say nothing
STALL_SECONDS = 120.0  # seconds that it may at least
SUSPEND_SECONDS = (
    3.0  # seconds between two looks from which on this process has been stopped itself
)


def run(
    source: Source,
    place: TrainingContext,
    recorder: Recorder,
    machine: Resources,
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
    slots = [LocalWorker(number, machine) for number in range(machine.jobs)]
    dispatcher = Coordinator(source, place, recorder, on_event, on_trial_end, check)
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
                wait([slot.inbox for slot in busy], timeout=POLL_SECONDS)
                turn, looked = time.monotonic() - looked, time.monotonic()
                for slot in busy:
                    if (
                        turn < SUSPEND_SECONDS
                    ):  # else its worker may have been stopped with this process
                        slot.silence += turn
                    dispatcher.attend(slot)
            raise InterruptedRunError(caught[0])
    finally:
        for slot in slots:
            slot.close()


class Coordinator:
    """Between the source of tasks and the slots: hands out, listens, records how it ended."""

    def __init__(
        self,
        source: Source,
        place: TrainingContext,
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
        last = [NUMBER.sub("#", reason) for reason in self.reasons[-IDENTICAL_FAILURES:]]
        return len(last) == IDENTICAL_FAILURES and len(set(last)) == 1

    def hand_out(self, slot: LocalWorker) -> None:
        """Give a slot its next tasks, where there are any."""
        self.check()
        if task := self.source.next():
            slot.tasks = [task, *self.source.packed_with(task, slot.machine.pack - 1)]
            slot.losses = 0
            self._begin(slot)
            for task in slot.tasks:
                self._tell(slot, "started", task)

    def _begin(self, slot: LocalWorker) -> None:
        """Hand its tasks to a slot's worker, with a claim of their own."""
        order = Job(slot.tasks, self.place, uuid.uuid4().hex)
        if path := self.place.checkpoint(order.tasks, order.token):
            _take_over(path, slot.tasks[0].number)
        slot.begin(order)

    def _tell(self, slot: LocalWorker, what: str, task: Task, detail: object = None) -> None:
        self.on_event(Event(what, slot.number, task, self.source.progress, detail))

    def attend(self, slot: LocalWorker) -> None:
        """Pass on what a worker said; record its tasks' ends where they have ended."""
        outcomes: list[TrialOutcome] | None = None
        for message in slot.messages():
            if isinstance(message, JobFinished):
                outcomes = message.outcomes
            else:
                self._pass_on(slot, message)
        patience = max(STALL_SECONDS, STALL_EPOCHS * self.usual) if slot.spoken else STARTUP_SECONDS
        if outcomes is None and not slot.dead and slot.silence < patience:
            return
        if outcomes is None:
            reason = "killed, or out of memory" if slot.dead else "it said nothing any more"
            self._again(slot, f"lost its worker process {MAX_WORKER_LOSSES} times ({reason})")
        elif any(outcome.state == "DISK" for outcome in outcomes):
            raise UserError(
                f"no space left on the disk of the results or the storage: {_reasons(outcomes)}; "
                "free some, then the same command goes on"
            )
        elif stops := [outcome for outcome in outcomes if outcome.state == "STOP"]:
            raise UserError(f"{_reasons(stops)}; then the same command goes on")
        else:
            self._end_or_again(slot, outcomes)

    def _pass_on(self, slot: LocalWorker, message: object) -> None:
        if isinstance(message, EpochFinished):
            self.usual = max(self.usual, message.epoch.seconds * len(slot.tasks))
            slot.losses = slot.losses if message.again else 0
            what, task = "resumed" if message.again else "epoch", slot.tasks[message.member]
            self.check()
            prune = self.recorder.record(task, message.epoch)
            if message.asks:
                slot.answer(Answer(prune))
            self._tell(slot, what, task, message.epoch)
        else:
            self._tell(slot, NAMES[type(message)], slot.tasks[0], message)

    def _end_or_again(self, slot: LocalWorker, outcomes: list[TrialOutcome]) -> None:
        """Record the ends of its tasks; those that memory was short for are tried again."""
        ends = list(zip(slot.tasks, outcomes, strict=True))
        short = [(task, outcome) for task, outcome in ends if outcome.state == "MEMORY"]
        self._end(slot, [end for end in ends if end[1].state != "MEMORY"])
        if short:
            slot.tasks = [task for task, _ in short]
            reasons = _reasons([outcome for _, outcome in short])
            self._again(slot, f"out of memory {MAX_WORKER_LOSSES} times: {reasons}")

    def _again(self, slot: LocalWorker, reason: str) -> None:
        """A new worker goes on with the tasks, unless too many have been lost."""
        slot.losses += 1
        slot.renew()  # which gives back the memory of the old one
        if slot.losses < MAX_WORKER_LOSSES:
            self._begin(slot)
            return
        failed = TrialOutcome("FAIL", None, {"failure": reason, "fused": len(slot.tasks)})
        self._end(slot, [(task, failed) for task in slot.tasks])

    def _end(self, slot: LocalWorker, ends: list[tuple[Task, TrialOutcome]]) -> None:
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


def _reasons(outcomes: list[TrialOutcome]) -> str:
    return "; ".join(dict.fromkeys(str(outcome.attributes["failure"]) for outcome in outcomes))
