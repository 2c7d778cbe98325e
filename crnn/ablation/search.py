"""The search design: Optuna's samplers draw the arms.

A sampler is built anew for each draw, seeded by a hash of (the search's seed, the trial's number):
the same space and seed then draw the same trials however often the search was stopped between. A
quasi-random sampler has a fixed seed instead; its position in the sequence is in the storage.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage

from crnn.ablation.attributes import checked_trials
from crnn.ablation.design import Arm, arm_name, cost, make_arm, why_not
from crnn.ablation.parameters import as_drawn, drawn, searched, suggest
from crnn.ablation.record import Record
from crnn.ablation.space import Factor, Pruner, Sampler, Search, Space
from crnn.ablation.storage import StorageError, TrialRow, create_trial, finish_trial
from crnn.ablation.tasks import Progress, Task, claim, trial_attributes
from crnn.config import Setting, Value

MAX_INFEASIBLE = 200


def make_sampler(sampler: Sampler, seed: int, number: int) -> BaseSampler:
    """The sampler for trial `number` of a search with `seed`."""
    options = sampler.model_dump(exclude={"name"}, exclude_none=True)
    digest = hashlib.sha256(f"{seed}/sampler/{number}".encode()).digest()
    draw = int.from_bytes(digest[:4], "big")
    if sampler.name == "qmc":
        return _quasi_random(seed, RandomSampler(seed=draw), options)
    return (
        RandomSampler(seed=draw) if sampler.name == "random" else TPESampler(seed=draw, **options)
    )


def _quasi_random(seed: int, independent: BaseSampler, options: dict[str, Any]) -> QMCSampler:
    with warnings.catch_warnings():  # that it may change: Optuna's version is pinned
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return QMCSampler(
            seed=seed,
            independent_sampler=independent,
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
            **{"scramble": True, **options},  # else the seed has no effect
        )


def make_pruner(pruner: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """The pruner of a search whose trainings take `epochs`."""
    options = pruner.model_dump(exclude={"name"}, exclude_none=True)
    if pruner.name == "median":
        return optuna.pruners.MedianPruner(**options)
    if pruner.name == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=epochs, **options)
    return optuna.pruners.NopPruner()


class SearchSource:
    """The baseline and the named arms, then what the sampler draws, one when a slot is free."""

    def __init__(self, storage: RDBStorage, study: str, record: Record) -> None:
        self.storage, self.study, self.record = storage, study, record
        self.space: Space = record.plan.space
        self.search: Search = self.space.search or Search(trials=1)
        self.study_object = optuna.load_study(study_name=study, storage=storage)
        rows = checked_trials(storage, study)
        self.orphans = [row for row in rows if row.state == "RUNNING"]
        first = {row.attributes.get("arm") for row in rows}
        self.fixed = [arm for arm in record.plan.arms if arm.name not in first]
        counted = [row for row in rows if row.state in ("COMPLETE", "FAIL") or _pruned(row)]
        self.progress = Progress(record.trials, len(counted))
        self.progress.failed = sum(row.state == "FAIL" for row in counted)
        self.progress.complete -= self.progress.failed
        self.started = len(counted)
        self._drawing = {"stage": "search", "seed": self.search.seed}
        self._update_cost()

    def _update_cost(self) -> None:
        typical = cost(self._short(self.record.plan.arms[0].setting))
        done = self.progress.complete + self.progress.failed
        self.progress.remaining_cost = typical * max(0, self.progress.wanted - done)

    def next(self) -> Task | None:
        """An orphan, a fixed arm, or a fresh draw, while trials are wanted."""
        while self.orphans:
            row = self.orphans.pop(0)
            if "arm" in row.attributes:
                self.started += 1
                return self._task(row.trial_id, row.attributes["arm"], row.attributes["setting"])
            found = {**self._drawing, "failure": "interrupted while it was drawn"}
            finish_trial(self.storage, row.trial_id, "PRUNED", attributes=found)
        if self.started >= self.record.trials:
            return None
        self.started += 1
        return self._fix(self.fixed.pop(0)) if self.fixed else self._draw()

    def companions(self, task: Task, most: int) -> list[Task]:
        """None: what is drawn next depends on what has ended."""
        return []

    def claim(self, tasks: list[Task]) -> str:
        """See `Source.claim`."""
        return claim(self.storage, tasks)

    def finish(
        self, task: Task, state: str, value: float | None, attributes: dict[str, Any]
    ) -> None:
        """Record a trial's end; a pruned one counts as tried."""
        finish_trial(self.storage, task.trial_id, state, value, attributes)
        self.progress.complete += state != "FAIL"
        self.progress.failed += state == "FAIL"
        self._update_cost()

    def _short(self, setting: Setting) -> Setting:
        return self.space.trained(setting).replace(precision=self.record.precision)

    def _task(self, trial_id: int, arm: str, values: dict[str, Any]) -> Task:
        setting = Setting.of(values)
        number, seed = self.storage.get_trial_number_from_id(trial_id), self.search.seed
        return Task(trial_id, number, arm, seed, setting, False, self.search.pruner)

    def _fix(self, arm: Arm) -> Task:
        """The trial of an arm that is tried first, with the search's own parameters."""
        values = arm.setting.values()
        active = [f for f in self.space.factors if self._active(f, values)]
        params = {factor.name: as_drawn(values[factor.name]) for factor in active}
        distributions: dict[str, BaseDistribution] = {f.name: searched(f) for f in active}
        setting = self._short(arm.setting)
        attributes = trial_attributes(arm, setting, self.search.seed, "search")
        trial_id = create_trial(self.storage, self.study, params, distributions, attributes)
        return self._task(trial_id, arm.name, setting.values())

    def _draw(self) -> Task:
        """Draw until a setting can exist and keeps to the limits; PRUNED are those that do not."""
        for _ in range(MAX_INFEASIBLE):
            trial = self._ask()
            changed = self._suggest(trial)
            setting = self.space.baseline.replace(**changed)
            why = why_not(self.space, setting)
            if why is None:
                return self._drawn(trial, setting)
            found = {**self._drawing, "setting": self._short(setting).values()}
            found["failure"] = f"infeasible: {why}"
            finish_trial(self.storage, trial._trial_id, "PRUNED", attributes=found)
        raise StorageError(
            f"study {self.study}: {MAX_INFEASIBLE} draws in a row were infeasible; "
            "narrow the factors or widen [limits]"
        )

    def _ask(self) -> optuna.Trial:
        number = len(self.study_object.get_trials(deepcopy=False))
        self.study_object.sampler = make_sampler(self.search.sampler, self.search.seed, number)
        return self.study_object.ask()

    def _suggest(self, trial: optuna.Trial) -> dict[str, Value]:
        values, changed = self.space.baseline.values(), dict[str, Value]()
        for factor in self.space.factors:
            if self._active(factor, {**values, **changed}):
                changed[factor.name] = drawn(factor, suggest(trial, factor))
        return changed

    def _drawn(self, trial: optuna.Trial, setting: Setting) -> Task:
        known = {arm.setting.digest: arm for arm in self.record.plan.arms}
        arm = known.get(setting.digest) or make_arm(
            self.space, setting, arm_name(self.space, setting)
        )
        short = self._short(setting)
        attributes = trial_attributes(arm, short, self.search.seed, "search")
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        return self._task(trial._trial_id, arm.name, short.values())

    def _active(self, factor: Factor, values: dict[str, Value]) -> bool:
        return all(condition.holds(values[name]) for name, condition in factor.when.items())


def _pruned(row: TrialRow) -> bool:
    """Whether a trial was begun and stopped by the pruner, rather than never trained."""
    return row.state == "PRUNED" and "history" in row.attributes
