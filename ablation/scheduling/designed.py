"""The trainings of a design: its replicates that the storage does not have yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.arms import Plan, Replicate, Stage
from ablation.objective import Setting
from ablation.scheduling.distributions import designed
from ablation.scheduling.looks import SEEN, is_due, look_text, save_look, with_look
from ablation.scheduling.source import Progress, Task, trial_attributes
from ablation.space.outcome import last_reports
from ablation.storage import TrialRow, create_trial, finish_trial
from ablation.storage.attributes import IS_DIVERGED, checked_trials, is_diverged
from ablation.storage.record import Record

OF_ENDS = ("arm", "seed", "digest", "setting", *IS_DIVERGED)


class DesignedSource:
    """The replicates of a design that the storage does not have yet, seed by seed.

    Complete ones are skipped, orphans (a dead coordinator's RUNNING trials) are taken up again in
    place, failures are final unless they are to be retried, the missing ones are created when
    their turn comes. A replicate that diverged is final in any case: it would diverge again.

    Where looks are declared, nothing beyond the next look is begun before it has been taken, which
    it is as soon as all that it looks at has ended.

    Args:
        storage: where the study is.
        study: its name.
        record: what it is a study of.
        stages: those that are trained.
        retry_failed: whether failures are trained once more.
        say: told of each look that is taken.
    """

    def __init__(
        self,
        storage: RDBStorage,
        study: str,
        record: Record,
        stages: Sequence[Stage],
        retry_failed: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.storage, self.study, self.precision = storage, study, record.precision
        self.record, self.stages, self.say = record, list(stages), say
        self.names = varied(record.plan)
        self.space, self.objective = record.plan.space, record.plan.space.objective
        self.stage = {r.identity: stage.name for stage in stages for r in stage.replicates()}
        latest = self._latest()
        self.ends = {  # by replicate that has ended for good, how
            identity: (row.state, is_diverged(row.attributes))
            for identity, row in latest.items()
            if _is_closed(row, retry_failed)
        }
        self.orphans = {
            identity: row.trial_id for identity, row in latest.items() if row.state == "RUNNING"
        }
        self.begun: dict[int, tuple[str, int]] = {}  # by trial, the replicate
        self._plan()

    def _plan(self) -> None:
        """Work out what is to be trained next, and how far the study is; nothing is under way."""
        wanted = [r for stage in self.stages for r in stage.replicates()]
        open_ones = [r for r in wanted if r.identity not in self.ends]
        due = [r for stage in self.stages for r in stage.due()]
        self.todo = [r for r in due if r.identity not in self.ends]
        remaining = sum(self.objective.cost(r.arm.setting) for r in open_ones)
        settling = [stage.settling for stage in self.stages if stage.settling]
        current = next((each for each in settling if not each.is_over), None)
        self.progress = Progress(
            len(wanted),
            remaining_cost=remaining,
            settling=current or (settling[-1] if settling else None),
        )
        for identity in (r.identity for r in wanted if r.identity in self.ends):
            self.progress.count(*self.ends[identity])

    def _latest(self, keys: tuple[str, ...] = OF_ENDS) -> dict[tuple[str, int], TrialRow]:
        rows = checked_trials(self.storage, self.study, keys)
        return {_identity(row): row for row in rows if "arm" in row.attributes}

    def _look(self) -> None:
        """Take the looks that are due: all that they look at has ended."""
        for place, stage in enumerate(self.stages):
            while is_due(stage, self.ends):
                stage = with_look(stage, self.space, self._latest(SEEN))
                self.stages[place] = stage
                self.record = save_look(self.storage, self.study, self.record, stage)
                self._plan()
                self.say(look_text(stage))

    def next(self) -> Task | None:
        """The next replicate that is neither complete nor being trained."""
        if not self.todo:
            self._look()  # which may have been due when an earlier run ended
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
        self.begun[trial_id] = replicate.identity
        number = self.storage.get_trial_number_from_id(trial_id)
        stage = self.stage[replicate.identity]
        arm, seed = replicate.arm.name, replicate.seed
        last = last_reports(self.space, replicate.arm.setting)
        return Task.of(self.objective, trial_id, number, arm, seed, setting, stage=stage, last=last)

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
        end = state, is_diverged(attributes)
        self.ends[self.begun[task.trial_id]] = end
        self.progress.count(*end)
        self.progress.remaining_cost -= task.cost
        if not self.todo:
            self._look()


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
