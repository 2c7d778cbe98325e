"""What a coordinator hands out: one training after another, from a design or from a sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ablation.design.arms import Arm
from ablation.design.settling import Settling
from ablation.objective import LastReports, Objective, Setting
from ablation.space.schema import Pruner

LAST = LastReports()


@dataclass(frozen=True)
class Task:
    """One training to be done: a RUNNING trial of the storage, `number` in its study.

    Attributes:
        trial_id: of the storage.
        number: in its study.
        arm: the name of its arm.
        seed: of all its random draws.
        setting: what to train.
        epochs: how many it has; 0 where that is not known.
        cost: relative to others; see `ablation.objective.Objective.cost`.
        score: whether to score what chooses nothing, once at the end.
        pruner: what may stop it early.
        stage: the part of the study that it belongs to.
        last: over which of its reports its outcome is a mean.
    """

    trial_id: int
    number: int
    arm: str
    seed: int
    setting: Setting
    epochs: int = 1
    cost: float = 1.0
    score: bool = True
    pruner: Pruner | None = None
    stage: str = ""
    last: LastReports = LAST

    @classmethod
    def of(
        cls, objective: Objective, trial_id: int, number: int, arm: str, seed: int,
        setting: Setting, **options: Any,
    ) -> Task:  # fmt: skip
        """A task whose length and cost are those of its setting."""
        epochs = objective.epochs(setting) or 0
        cost = objective.cost(setting)
        return cls(trial_id, number, arm, seed, setting, epochs, cost, **options)

    @property
    def hides_test(self) -> bool:
        """Whether its test figures are kept and not shown: nothing has been chosen yet."""
        return self.stage == "confirm"


@dataclass
class Progress:
    """How far a study is, in trials and in the cost of what remains.

    Attributes:
        wanted: the trials that the study wants.
        complete: those that have a result.
        failed: those that ended in an error.
        diverged: those whose loss became infinite or NaN: an end, as the same training diverges
            again. They are in none of the other two.
        idle: whether nothing at all was missing when the run began.
        others: trials of the study that this run did not ask for, as those of more seeds.
        remaining_cost: of the trials that have not ended.
        settling: the looks at which arms with a verdict stop: then `wanted` and `remaining_cost`
            are the most that there still may be. None where every arm has all seeds.
    """

    wanted: int
    complete: int = 0
    failed: int = 0
    diverged: int = 0
    idle: bool = False
    others: int = 0
    remaining_cost: float = 0.0
    settling: Settling | None = None

    @property
    def ended(self) -> int:
        """How many trials have ended, well or not."""
        return self.complete + self.failed + self.diverged

    @property
    def all_ended(self) -> bool:
        """Whether every trial that is wanted has ended, well or not."""
        if self.settling:
            return self.settling.is_over
        return self.ended >= self.wanted

    @property
    def is_at_most(self) -> bool:
        """Whether fewer trials may be enough, since arms stop at the look that settles them."""
        return self.settling is not None and not self.settling.is_over

    @property
    def is_settled(self) -> bool:
        """Whether looks were declared, and no more of them will be taken."""
        return self.settling is not None and self.settling.is_over

    @property
    def wanted_text(self) -> str:
        """``40``, or ``≤40`` where fewer may be enough."""
        return f"{'≤' * self.is_at_most}{self.wanted}"

    def count(self, state: str, diverged: bool) -> None:
        """Count a trial that has ended in `state`."""
        self.diverged += diverged
        self.failed += state == "FAIL" and not diverged
        self.complete += state != "FAIL" and not diverged

    def __add__(self, other: Progress) -> Progress:
        return Progress(
            self.wanted + other.wanted,
            self.complete + other.complete,
            self.failed + other.failed,
            self.diverged + other.diverged,
            remaining_cost=self.remaining_cost + other.remaining_cost,
            settling=other.settling or self.settling,
        )


class Source(Protocol):
    """Where a coordinator gets its tasks from."""

    progress: Progress

    def next(self) -> Task | None:
        """The next training, its trial created; None where there is nothing to start now."""

    def packed_with(self, task: Task, most: int) -> list[Task]:
        """Up to `most` more trainings, created too, that can go side by side with `task`."""

    def finish(
        self, task: Task, state: str, value: float | None, attributes: dict[str, Any]
    ) -> None:
        """Record a training's end (COMPLETE, FAIL or PRUNED)."""


def trial_attributes(
    objective: Objective, arm: Arm, setting: Setting, seed: int, stage: str
) -> dict[str, Any]:
    """The user attributes that a trial has from its creation."""
    size = objective.size(arm.setting)
    return {
        "stage": stage,
        "factor": arm.factor,
        "level": arm.level,
        "seed": seed,
        "digest": setting.digest,
        "sequence_length": size.steps,
        "parameters": size.parameters,
        "macs": size.macs,
        "setting": setting.values(),
        "arm": arm.name,  # last: where it stands, all of them do
    }
