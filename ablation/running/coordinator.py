"""The loop: there is room -> the next tasks -> a job of an executor -> their ends are recorded.

The coordinator (this process) alone creates and finishes trials. Where a job loses its worker, or
its worker says nothing any more, another one goes on with it, the other jobs undisturbed.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from ablation.errors import UserError
from ablation.files import checkpoint_files, remove, wanted_file
from ablation.planning.pace import clock
from ablation.process.signals import InterruptedRunError, caught_signals
from ablation.running.checkpoints import is_behind, take_over, wanted
from ablation.running.events import NAMES, Event, OnTrialEnd
from ablation.running.executors.base import Executor
from ablation.running.messages import (
    Answer,
    EpochFinished,
    Job,
    JobFinished,
    JobStarted,
    TrainingContext,
    TrialOutcome,
    WorkerLost,
)
from ablation.running.patience import USUAL, Patience
from ablation.running.recording import Recorder
from ablation.running.resources import Resources
from ablation.scheduling.source import Source, Task

POLL_SECONDS = 0.2  # between two looks at workers that say nothing
MAX_WORKER_LOSSES = 3  # of a training, with no epoch finished between
IDENTICAL_FAILURES = 5  # in a row, numbers aside, after which nothing more is begun
NUMBER = re.compile(r"-?\d[\d.]*(e[+-]?\d+)?|-?\b(nan|inf)\b")  # in a failure's reason


@dataclass
class _Running:
    """A job under way.

    Attributes:
        job: it.
        place: of the line that shows it, from 0.
        losses: how many workers it has lost since an epoch of it ended.
        started: whether its worker has begun it.
        silence: seconds since its worker said anything, those aside in which this process was
            stopped.
        heard: whether its worker has said anything since the last look.
        reported: when the last epoch but one and the last one came, as `time.time` has it.
    """

    job: Job
    place: int
    losses: int = 0
    started: bool = False
    silence: float = 0.0
    heard: bool = field(default=False)
    reported: tuple[float, float] = (0.0, 0.0)

    @property
    def tasks(self) -> list[Task]:
        """What is trained."""
        return self.job.tasks


class Coordinator:
    """Between the source of tasks and an executor: hands out, listens, records how it ended.

    Args:
        source: gives the tasks and records their ends.
        executor: trains them; it is open.
        context: what all trainings have in common.
        recorder: writes the epochs that workers tell of to the storage.
        resources: device, threads, and how many trainings a job has at most.
        on_event: told of everything that happens.
        deadline: nothing new starts after this (`time.monotonic`).
        on_trial_end: told how a training ended before its trial does, while things can be added to
            it.
        check: called before anything is written; what it raises stops the run.
        patience: how long workers may say nothing.
    """

    def __init__(
        self,
        source: Source,
        executor: Executor,
        context: TrainingContext,
        recorder: Recorder,
        resources: Resources,
        on_event: Callable[[Event], None],
        deadline: float | None = None,
        on_trial_end: OnTrialEnd = lambda task, outcome: None,
        check: Callable[[], None] = lambda: None,
        patience: Patience = USUAL,
    ) -> None:
        self.source, self.executor, self.context = source, executor, context
        self.recorder, self.resources, self.patience = recorder, resources, patience
        self.on_event, self.on_trial_end, self.check = on_event, on_trial_end, check
        self.deadline = deadline
        self.running: dict[str, _Running] = {}  # by the token of its job
        self.usual = 0.0  # seconds of the longest epoch so far
        self.reasons: list[str] = []  # of the failures since the last training that did not fail

    def run(self) -> str:
        """Train what the source gives until there is nothing left.

        Returns:
            Why nothing more was begun, where that is because all failed alike; else empty.

        Raises:
            InterruptedRunError: Ctrl-C or SIGTERM; the trials being trained are left RUNNING, and
                the next run takes them up again.
            UserError: the disk is full, or the storage cannot be written; likewise.
        """
        looked = time.monotonic()
        with caught_signals() as caught:
            while not caught:
                self.hand_out()
                if not self.running:
                    return self.reasons[-1] if self.is_hopeless else ""
                self.executor.poll(POLL_SECONDS, self.handle)
                turn, looked = time.monotonic() - looked, time.monotonic()
                self.give_up_silent(turn)
            self._let_keep()
            raise InterruptedRunError(caught[0])

    def _let_keep(self) -> None:
        """Wait until trainings have kept what they have reported; not if the next report is late.

        Only those that write no checkpoint at every report have anything to keep.
        """
        behind = {}
        for token, running in self.running.items():
            path = self.context.checkpoint(running.tasks, token)
            if path and len(running.tasks) == 1 and is_behind(path, running.reported[0]):
                behind[token] = path
        deadline = time.monotonic() + self.patience.keep
        with wanted(behind.values()):
            since = {token: wanted_file(path).stat().st_mtime for token, path in behind.items()}
            while time.monotonic() < deadline and any(
                token in self.running and is_behind(path, since[token])
                for token, path in behind.items()
            ):
                self.executor.poll(POLL_SECONDS, self.handle)

    @property
    def is_hopeless(self) -> bool:
        """Whether the last trainings all failed alike, but for numbers in the reason."""
        last = [NUMBER.sub("#", reason) for reason in self.reasons[-IDENTICAL_FAILURES:]]
        return len(last) == IDENTICAL_FAILURES and len(set(last)) == 1

    def hand_out(self) -> None:
        """Give the executor what it has room for, as long as there is something to train."""
        while len(self.running) < self.executor.capacity:
            late = self.deadline is not None and time.monotonic() > self.deadline
            if late or self.is_hopeless:
                return
            self.check()
            task = self.source.next()
            if task is None:
                return
            tasks = [task, *self.source.packed_with(task, self.resources.pack - 1)]
            taken = {running.place for running in self.running.values()}
            place = next(n for n in range(self.executor.capacity) if n not in taken)
            running = self._begin(tasks, place)
            for each in tasks:
                self._tell(running, "started", each)

    def _begin(self, tasks: list[Task], place: int, losses: int = 0) -> _Running:
        """Hand tasks to a worker, with a claim of their own."""
        job = Job(tasks, self.context, uuid.uuid4().hex)
        if path := self.context.checkpoint(tasks, job.token):
            take_over(path, tasks[0].number)
        running = self.running[job.token] = _Running(job, place, losses)
        self.executor.submit(job)
        return running

    def _tell(self, running: _Running, what: str, task: Task, detail: object = None) -> None:
        self.on_event(Event(what, running.place, task, self.source.progress, detail))

    def handle(self, token: str, message: object) -> Answer | None:
        """Take a message of a job's worker; the answer, where it was a question."""
        running = self.running.get(token)
        if running is None:  # it was given up
            return None
        running.silence, running.heard = 0.0, True
        if isinstance(message, JobStarted):
            running.started = True
        elif isinstance(message, EpochFinished):
            return self._record(running, message)
        elif isinstance(message, JobFinished):
            self._finish(running, message.outcomes)
        elif isinstance(message, WorkerLost):
            self._again(running, self._loss(message.reason))
        else:
            self._tell(running, NAMES[type(message)], running.tasks[0], message)
        return None

    def _record(self, running: _Running, message: EpochFinished) -> Answer | None:
        self.usual = max(self.usual, message.epoch.seconds * len(running.tasks))
        running.losses = running.losses if message.again else 0
        if not message.again:
            running.reported = (running.reported[1], time.time())
        what, task = "resumed" if message.again else "epoch", running.tasks[message.member]
        self.check()
        prune = self.recorder.record(task, message.epoch)
        self._tell(running, what, task, message.epoch)
        return Answer(prune) if message.asks else None

    def give_up_silent(self, turn: float) -> None:
        """Give up the jobs whose workers have said nothing for too long.

        Args:
            turn: seconds since the last look.
        """
        for running in list(self.running.values()):
            if not running.heard and turn < self.patience.suspend:
                running.silence += turn
            running.heard = False
            if running.silence >= self.patience.limit(self.usual, started=running.started):
                self._again(running, self._loss(self._silence(running)))

    def _silence(self, running: _Running) -> str:
        """That a job said nothing, and for how long."""
        said = f"it said nothing for {clock(running.silence)}"
        return f"{said}; {self.patience.advice}" if self.patience.advice else said

    def _loss(self, reason: str) -> str:
        return f"lost its worker process {MAX_WORKER_LOSSES} times ({reason})"

    def _finish(self, running: _Running, outcomes: list[TrialOutcome]) -> None:
        """Record the ends of a job's tasks; those that memory was short for are tried again.

        Raises:
            UserError: the disk is full, or a person must correct something first.
        """
        if any(outcome.state == "DISK" for outcome in outcomes):
            raise UserError(
                f"no space left on the disk of the results or the storage: {_reasons(outcomes)}; "
                "free some, then the same command goes on"
            )
        if stops := [outcome for outcome in outcomes if outcome.state == "STOP"]:
            raise UserError(f"{_reasons(stops)}; then the same command goes on")
        ends = list(zip(running.tasks, outcomes, strict=True))
        short = [(task, outcome) for task, outcome in ends if outcome.state == "MEMORY"]
        self._end(running, [end for end in ends if end[1].state != "MEMORY"])
        if short:
            reasons = _reasons([outcome for _, outcome in short])
            why = f"out of memory {MAX_WORKER_LOSSES} times: {reasons}"
            self._again(running, why, [task for task, _ in short])

    def _again(self, running: _Running, reason: str, tasks: list[Task] | None = None) -> None:
        """A new worker goes on with the tasks, unless too many have been lost."""
        tasks = running.tasks if tasks is None else tasks
        self.executor.cancel(running.job.token)  # which gives back its worker's memory
        self.running.pop(running.job.token, None)
        losses = running.losses + 1
        if losses < MAX_WORKER_LOSSES:
            self._begin(tasks, running.place, losses)
            return
        failed = TrialOutcome("FAIL", None, {"failure": reason, "fused": len(tasks)})
        self._end(running, [(task, failed) for task in tasks])

    def _end(self, running: _Running, ends: list[tuple[Task, TrialOutcome]]) -> None:
        self.running.pop(running.job.token, None)
        machine = {"device": self.resources.device, "threads": self.resources.threads}
        for task, outcome in ends:
            self.check()
            attributes = {**machine, **outcome.attributes}
            self.on_trial_end(task, outcome)
            self.source.finish(task, outcome.state, outcome.value, attributes)
            failed = outcome.state == "FAIL" and "diverged" not in attributes  # that is an end
            self.reasons = [*self.reasons, str(attributes["failure"])] if failed else []
            self._tell(running, "ended", task, outcome)
            if self.context.checkpoints:
                for path in checkpoint_files(self.context.checkpoints, task.number):
                    remove(path)


def _reasons(outcomes: list[TrialOutcome]) -> str:
    return "; ".join(dict.fromkeys(str(outcome.attributes["failure"]) for outcome in outcomes))
