"""The trainings of a design: its replicates that the storage does not have yet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.arms import Plan, Replicate, Stage
from ablation.objective import Setting
from ablation.scheduling.distributions import designed
from ablation.scheduling.source import Progress, Task, trial_attributes
from ablation.storage import TrialRow, create_trial, finish_trial
from ablation.storage.attributes import IS_DIVERGED, checked_trials, is_diverged
from ablation.storage.record import Record


class DesignedSource:
    """The replicates of a design that the storage does not have yet, seed by seed.

    Complete ones are skipped, orphans (a dead coordinator's RUNNING trials) are taken up again in
    place, failures are final unless they are to be retried, the missing ones are created when
    their turn comes. A replicate that diverged is final in any case: it would diverge again.
    """

    def __init__(
        self,
        storage: RDBStorage,
        study: str,
        record: Record,
        stages: Sequence[Stage],
        retry_failed: bool = False,
    ) -> None:
        self.storage, self.study, self.precision = storage, study, record.precision
        self.names = varied(record.plan)
        self.objective = record.plan.space.objective
        replicates = {r: stage.name for stage in stages for r in stage.replicates()}
        self.stage = {r.identity: name for r, name in replicates.items()}
        wanted = list(replicates)
        latest = self._latest()
        rows = [latest[r.identity] for r in wanted if r.identity in latest]
        closed = [row for row in rows if _is_closed(row, retry_failed)]
        done = {_identity(row) for row in closed}
        self.todo = [r for r in wanted if r.identity not in done]
        self.orphans = {
            identity: row.trial_id for identity, row in latest.items() if row.state == "RUNNING"
        }
        remaining = sum(self.objective.cost(r.arm.setting) for r in self.todo)
        self.progress = Progress(len(wanted), remaining_cost=remaining)
        for row in closed:
            self.progress.count(row.state, is_diverged(row.attributes))

    def _latest(self) -> dict[tuple[str, int], TrialRow]:
        keys = ("arm", "seed", "digest", "setting", *IS_DIVERGED)
        rows = checked_trials(self.storage, self.study, keys)
        return {_identity(row): row for row in rows if "arm" in row.attributes}

    def next(self) -> Task | None:
        """The next replicate that is neither complete nor being trained."""
        return self._task(self.todo.pop(0)) if self.todo else None

    def packed_with(self, task: Task, most: int) -> list[Task]:
        """Those after it that differ from it in seed, dropout and rates only, in their order."""
        pack_key = self.objective.pack_key
        key = pack_key(task.setting)
        alike = (r for r in self.todo if pack_key(r.arm.setting) == key)
        chosen = list(islice(alike, most))
        self.todo = [replicate for replicate in self.todo if replicate not in chosen]
        return [self._task(replicate) for replicate in chosen]

    def _task(self, replicate: Replicate) -> Task:
        setting = self.objective.with_precision(replicate.arm.setting, self.precision)
        trial_id = self.orphans.get(replicate.identity) or self._create(replicate, setting)
        number = self.storage.get_trial_number_from_id(trial_id)
        stage = self.stage[replicate.identity]
        arm, seed = replicate.arm.name, replicate.seed
        return Task.of(self.objective, trial_id, number, arm, seed, setting, stage=stage)

    def _create(self, replicate: Replicate, setting: Setting) -> int:
        params, distributions = designed(self.objective, setting, self.names)
        stage = self.stage[replicate.identity]
        attributes = trial_attributes(self.objective, replicate.arm, setting, replicate.seed, stage)
        return create_trial(self.storage, self.study, params, distributions, attributes)

    def finish(
        self, task: Task, state: str, value: float | None, attributes: dict[str, Any]
    ) -> None:
        """Record a replicate's end."""
        finish_trial(self.storage, task.trial_id, state, value, attributes)
        self.progress.count(state, is_diverged(attributes))
        self.progress.remaining_cost -= task.cost


def _identity(row: TrialRow) -> tuple[str, int]:
    return row.attributes["digest"], row.attributes["seed"]


def _is_closed(row: TrialRow, retry_failed: bool) -> bool:
    """Whether a replicate has ended for good."""
    if row.state == "FAIL":
        return not retry_failed or is_diverged(row.attributes)
    return row.state == "COMPLETE"


def varied(plan: Plan) -> list[str]:
    """The settings that the plan's arms vary, in the space's order."""
    names = [factor.name for factor in plan.space.factors]
    names += [name for arm in plan.space.arms.values() for name in arm.set]
    return list(dict.fromkeys(names))
