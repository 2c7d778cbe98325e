"""Trains one thing at a time, looks at it at each report, and kills it where that is wanted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ablation.checking.trace import Report, Trace
from ablation.errors import UserError, one_line
from ablation.objective import Epoch, Objective
from ablation.planning.pace import clock
from ablation.process.signals import raise_if_interrupted
from ablation.running.executors.base import Executor
from ablation.running.messages import (
    Answer,
    CheckpointDamaged,
    EpochFinished,
    FiguresLogged,
    Job,
    JobFinished,
    JobStarted,
    TrainingContext,
    TrialOutcome,
    UntrackedFound,
    WorkerLost,
)
from ablation.running.patience import Patience
from ablation.scheduling.source import Task

REPORTS = 6  # after which a training is stopped
POLL_SECONDS = 0.2
BESIDE = ("seconds", "history", "logged", "fused", "code", "returned", "confusion")
"""What a training's outcome has beside its final figures."""


class TrainingFailedError(UserError):
    """A training of a check failed.

    Attributes:
        traceback: of its code; empty where there is none.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class Trainer:
    """Trains with an executor, and writes to no storage.

    Args:
        objective: what is trained.
        executor: open; it ends the worker of a job that is cancelled.
        context: in which workers pause at each report.
        patience: how long a training may say nothing, as in a run.
    """

    def __init__(
        self,
        objective: Objective,
        executor: Executor,
        context: TrainingContext,
        patience: Patience,
    ) -> None:
        self.objective, self.executor, self.context = objective, executor, context
        self.patience = patience
        self.usual = 0.0  # seconds of the longest report so far

    def train(self, task: Task, what: str, *, kills: bool = False) -> Trace:
        """Train until the task ends, or until its sixth report.

        Args:
            task: the training.
            what: it is, for messages.
            kills: kill it after each report in turn, and go on each time.

        Raises:
            TrainingFailedError: it failed, or said nothing for too long.
            InterruptedRunError: Ctrl-C or SIGTERM.
        """
        job = Job([task], self.context, uuid.uuid4().hex)
        path = self.context.checkpoint(job.tasks, job.token)
        life = _Watch(task, what, lambda: self.objective.state_digest(path or Path()), kills=kills)
        while not life.over:
            life.begin()
            self.executor.submit(job)
            looked = time.monotonic()
            while life.running:
                self.executor.poll(POLL_SECONDS, self._handler(life))
                raise_if_interrupted()
                turn, looked = time.monotonic() - looked, time.monotonic()
                self.usual = max([self.usual, *(report.seconds for report in life.reports)])
                life.wait(turn, self.patience, self.usual)
        return life.trace()

    def _handler(self, life: _Watch) -> Callable[[str, object], Answer | None]:
        def handle(token: str, message: object) -> Answer | None:
            answer = life.hear(message)
            if not life.running and not isinstance(message, JobFinished | WorkerLost):
                self.executor.cancel(token)
            return answer

        return handle


class _Watch:
    """A training as it is heard of, over the lives that kills leave it.

    Args:
        task: the training.
        what: it is, for messages.
        state: gives a digest of its checkpoint.
        kills: whether to kill it after each report.

    Attributes:
        running: whether a worker has it.
        over: whether it has ended, or been stopped for good.
    """

    def __init__(self, task: Task, what: str, state: Callable[[], str], *, kills: bool) -> None:
        self.task, self.what, self.state, self.kills = task, what, state, kills
        self.running = self.over = self.damaged = False
        self.reports: list[Report] = []
        self.returned: dict[str, float] | None = None
        self.untracked: tuple[str, ...] = ()
        self.resumed: list[bool] = []
        self._killed = self._heard = False  # in the life before this one; in this one
        self._logged: list[Epoch] = []  # since the last report
        self._silence, self._spoke, self._started = 0.0, False, False

    def begin(self) -> None:
        """A worker is handed the training."""
        self.running, self._heard = True, False
        self._logged = []
        self._silence, self._spoke, self._started = 0.0, False, False

    def wait(self, turn: float, patience: Patience, usual: float) -> None:
        """Count the time since the last look where nothing was heard.

        Args:
            turn: its seconds; where there are more than this process is ever busy for, it has been
                stopped itself.
            patience: how long the training may say nothing.
            usual: seconds of the longest report so far.

        Raises:
            TrainingFailedError: it has said nothing for too long.
        """
        if not self._spoke and turn < patience.suspend:
            self._silence += turn
        self._spoke = False
        if self.running and self._silence >= patience.limit(usual, started=self._started):
            raise TrainingFailedError(
                f"{self.what}: it has said nothing for {clock(self._silence)}, as long as a run "
                "waits: does it hang? If its steps take longer, report more often"
            )

    def hear(self, message: object) -> Answer | None:
        """Take a message; what it is answered, unless the worker is to be killed."""
        if isinstance(message, FiguresLogged):  # of which a run is not told
            self._logged.append(message.epoch)
            return None
        self._silence, self._spoke = 0.0, True
        if isinstance(message, EpochFinished):
            return self._report(message.epoch, again=message.again)
        if isinstance(message, UntrackedFound):
            self.untracked = tuple(dict.fromkeys([*self.untracked, *message.names]))
        elif isinstance(message, JobStarted):
            self._started = True
        elif isinstance(message, CheckpointDamaged):
            self.damaged = True
        elif isinstance(message, JobFinished):
            self._end(message.outcomes[0])
        elif isinstance(message, WorkerLost):
            raise TrainingFailedError(f"{self.what}: it lost its process, {message.reason}")
        return None

    def _report(self, epoch: Epoch, *, again: bool) -> Answer | None:
        self._note_resumption(again or epoch.number > self._first(epoch.number))
        logged, self._logged = tuple(self._logged), []
        if again:
            return None
        is_new = epoch.number not in {report.number for report in self.reports}
        figures = dict(epoch.figures)
        report = Report(epoch.number, figures, self.state(), epoch.seconds, logged)
        self.reports.append(report)
        count = len({report.number for report in self.reports})
        is_last = bool(self.task.epochs) and epoch.number >= self.task.epochs
        stops = count >= REPORTS and not is_last
        if stops or (self.kills and is_new):
            self.running, self.over, self._killed = False, stops, not stops
            return None
        return Answer(prune=False)

    def _first(self, otherwise: int) -> int:
        return self.reports[0].number if self.reports else otherwise

    def _note_resumption(self, went_on: bool) -> None:
        """Note with the first word of a life whether it goes on with the one before."""
        if self._killed and not self._heard:
            self.resumed.append(went_on)
            # What has started over twice starts over always, which would take longer every time.
            self.kills = self.kills and self.resumed != [False, False]
        self._heard = True

    def _end(self, outcome: TrialOutcome) -> None:
        if outcome.state != "COMPLETE":
            failure = one_line(str(outcome.attributes.get("failure", outcome.state)))
            trace = str(outcome.attributes.get("traceback", ""))
            raise TrainingFailedError(f"{self.what}: {failure}", trace)
        self._note_resumption(True)  # without another report
        self.running, self.over = False, True
        self.returned = _final(outcome)

    def trace(self) -> Trace:
        """What has been heard."""
        return Trace(
            tuple(self.reports),
            self.returned,
            tuple(self.resumed),
            self.untracked,
            self.damaged,
            tuple(self._logged),
        )


def _final(outcome: TrialOutcome) -> dict[str, float]:
    """The figures that a training ended with."""
    returned = outcome.attributes.get("returned", {})
    named: Mapping[str, Any] = {**outcome.attributes, **returned}
    return {
        name: float(value)
        for name, value in named.items()
        if name not in BESIDE and isinstance(value, int | float)
    }
