"""Train what shows whether the promises of a study hold for its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ablation.checking.findings import Findings, Traces, judge
from ablation.checking.subject import Subject
from ablation.checking.trace import Trace
from ablation.checking.trainer import Trainer
from ablation.objective import LastReports, Setting
from ablation.process.signals import caught_signals, forget
from ablation.running.conditions import run_conditions
from ablation.running.executors.base import Executor
from ablation.running.executors.local import LocalExecutor
from ablation.running.kept_checks import KeptCheck
from ablation.running.messages import TrainingContext
from ablation.running.patience import Patience, patience_for
from ablation.running.request import Request
from ablation.scheduling.source import Task
from ablation.space.schema import BASELINE
from ablation.storage.record import Record


@dataclass(frozen=True)
class Conditions:
    """Where a check trains; see `ablation.running.request.Request`."""

    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    data: Path | None = None


@dataclass(frozen=True)
class Check:
    """What was checked, and what was found.

    Attributes:
        subject: what was checked.
        device: ``cpu`` or ``cuda``.
        findings: what was found.
    """

    subject: Subject
    device: str
    findings: Findings

    @property
    def missing(self) -> list[str]:
        """The secondary figures that were neither reported nor returned, as far as was seen."""
        also = self.subject.plan.space.outcome.also
        return [name for name in also if name not in self.findings.figures]

    @property
    def holds(self) -> bool:
        """Whether every promise holds, and trainings come to what the space asks for."""
        has_outcome = not self.subject.returns_outcome
        has_figures = not (self.missing and self.findings.ended)
        return self.findings.hold and has_outcome and has_figures

    def kept(self) -> KeptCheck:
        """What later runs are told."""
        found = self.findings
        return KeptCheck(
            trains=self.subject.objective.name,
            device=self.device,
            repeats=found.repeats,
            seeds=found.seeds,
            arms=found.arms,
            resume=found.resume,
            reports=found.reports,
            pace=self._pace(),
        )

    def _pace(self) -> float | None:
        """The cost of a training that is done in a second; None where that is not known."""
        found, objective = self.findings, self.subject.objective
        seconds = found.seconds * found.reports
        if not seconds or not (found.ended or objective.length):
            return None
        done = objective.cost(self.subject.baseline) if found.ended else found.last
        return done / seconds if done else None


def run_check(
    subject: Subject,
    say: Callable[[str], None],
    conditions: Conditions = Conditions(),  # it never changes
    executor: Executor | None = None,
    patience: Patience | None = None,
) -> Check:
    """Train the baseline and another arm, and compare; nothing is written that stays.

    Each training has its full length and is stopped after six reports.

    Args:
        subject: what is checked.
        say: told what is trained.
        conditions: where.
        executor: trains, and is closed at the end; worker processes here unless given.
        patience: how long a training may say nothing; as long as in a run, unless given.

    Raises:
        UserError: the conditions cannot be met, or a training failed or hangs.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    executor = executor or LocalExecutor()
    patience = patience or patience_for(subject.plan.space)
    forget()
    with TemporaryDirectory(prefix="check-") as folder, caught_signals():
        try:
            return _check(subject, say, conditions, executor, patience, Path(folder))
        finally:
            executor.close()  # before the folder goes that its workers are in


def _check(
    subject: Subject,
    say: Callable[[str], None],
    conditions: Conditions,
    executor: Executor,
    patience: Patience,
    folder: Path,
) -> Check:
    """Train in a folder, and compare."""
    objective = subject.objective
    request = Request(
        subject.plan, "check", "", folder, conditions.data, jobs=1, device=conditions.device,
        precision=conditions.precision, threads=conditions.threads,
    )  # fmt: skip
    asked = Record(subject.plan)
    record, resources = run_conditions(request, executor, None, request.study, None, asked, say)
    data = objective.prepare(conditions.data, say)
    executor.open(resources)
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    context = TrainingContext(
        data=data,
        objective=objective.spec,
        device=resources.device,
        checkpoints=checkpoints,
        folders=folder / "trials",
        pauses=True,
    )
    trainer = Trainer(objective, executor, context, patience)
    traces = _Trainings(subject, trainer, record.precision, say).all()
    return Check(subject, resources.device, judge(traces, objective.metric.name))


class _Trainings:
    """The trainings of a check, one after another."""

    def __init__(
        self, subject: Subject, trainer: Trainer, precision: str, say: Callable[[str], None]
    ) -> None:
        self.subject, self.trainer, self.precision, self.say = subject, trainer, precision, say
        self.count = 0

    def all(self) -> Traces:
        """Train them."""
        subject = self.subject
        one, other = subject.seeds
        arm = subject.other_arm
        return Traces(
            first=self._train(subject.baseline, BASELINE, one),
            again=self._train(subject.baseline, BASELINE, one, "once more"),
            other_seed=self._train(subject.baseline, BASELINE, other),
            killed=self._train(
                subject.baseline, BASELINE, one, "killed after each report", kills=True
            ),
            other_arm=self._train(arm.setting, arm.name, one) if arm else None,
        )

    def _train(
        self, setting: Setting, arm: str, seed: int, how: str = "", *, kills: bool = False
    ) -> Trace:
        objective = self.subject.objective
        what = f"{arm}, seed {seed}" + (f", {how}" if how else "")
        self.say(f"Training {what} …")
        whole = objective.with_precision(setting, self.precision)
        epochs = objective.epochs(setting)
        last = LastReports.of(self.subject.plan.space.outcome.over_last, epochs, epochs)
        task = Task.of(objective, 0, self.count, arm, seed, whole, last=last)
        self.count += 1
        return self.trainer.train(task, what, kills=kills)
