"""The search design: a sampler draws the arms, one whenever a slot is free.

A draw may come to nothing: a network that cannot exist or goes beyond the limits is PRUNED with
the reason; a setting that was tried before is not trained again, its trial ends as the earlier one.
A draw that diverged is COMPLETE with the chance level as its value, so that the sampler, which
ignores failed trials, leaves that region; its attribute ``diverged`` keeps it out of every mean.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ablation.design.arms import Arm, full_length, make_arm
from ablation.design.checks import unfit
from ablation.design.feasibility import constraint_violations, infeasible_reason
from ablation.design.origin import Drawn
from ablation.errors import did_you_mean, one_line
from ablation.objective import Setting
from ablation.scheduling.arm_names import ArmNames
from ablation.scheduling.distributions import as_drawn, drawn, fault_of, searched, suggest
from ablation.scheduling.samplers import make_sampler, value_of_diverged
from ablation.scheduling.source import Progress, Task, trial_attributes
from ablation.settings import Value
from ablation.space.outcome import last_reports
from ablation.space.schema import Factor, Sampler, Search, Space
from ablation.storage import (
    StorageError,
    TrialRow,
    create_trial,
    drop_waiting_attributes,
    finish_trial,
    report_steps,
    save_study,
    set_attributes,
)
from ablation.storage.attributes import (
    DECIDED_BY,
    checked_trials,
    is_diverged,
    is_ours,
    trial_attributes_of,
)
from ablation.storage.record import Record

MAX_REFUSED = 200  # draws in a row that come to nothing
OF_RESULT = ("history", "diverged", "failure", DECIDED_BY)  # what a trial has from its training
SAME = "duplicate_of"  # a trial's attribute: the number of the trial that had its setting first


class SearchSource:
    """The baseline and the named arms, then what the sampler draws, one when a slot is free.

    Args:
        storage: the study's.
        study: its name.
        record: it, as it is stored.
        most_refused: draws in a row that may come to nothing before the search ends.
    """

    def __init__(
        self, storage: RDBStorage, study: str, record: Record, *, most_refused: int = MAX_REFUSED
    ) -> None:
        self.storage, self.study, self.record = storage, study, record
        self.most_refused = most_refused
        self.space: Space = record.plan.space
        self.objective = self.space.objective
        self.search: Search = self.space.search or Search(trials=1)
        self.study_object = optuna.load_study(study_name=study, storage=storage)
        rows = checked_trials(storage, study)
        self.orphans = [row for row in rows if row.state == "RUNNING"]
        self.names = ArmNames(record.plan, rows)
        tried = {(row.attributes.get("arm"), row.attributes.get("digest")) for row in rows}
        self.fixed = [
            arm
            for arm in record.plan.arms
            if (arm.name, self._short(arm.setting).digest) not in tried
        ]
        own = [row for row in rows if "arm" in row.attributes and SAME not in row.attributes]
        self.known = {row.attributes["digest"]: row for row in reversed(own)}
        self.waiting: dict[int, list[int]] = {}  # by trial under way: those of the same setting
        counted = [row for row in rows if self._counts(row)]
        self.progress = Progress(record.wanted)
        for row in counted:
            self.progress.count(row.state, is_diverged(row.attributes))
        self.started = len(counted)
        self._update_cost()

    def _counts(self, row: TrialRow) -> bool:
        """Whether a trial that has ended is one of those wanted."""
        if not is_ours(row.attributes, is_search=True):
            return False
        if SAME in row.attributes and self.search.duplicates == "redraw":
            return False
        return row.state in ("COMPLETE", "FAIL") or stopped_early(row)

    def _update_cost(self) -> None:
        typical = self.objective.cost(self._short(self.record.plan.arms[0].setting))
        left = max(0, self.progress.wanted - self.progress.ended)
        self.progress.remaining_cost = typical * left

    def next(self) -> Task | None:
        """An orphan, a fixed arm, or a fresh draw, while trials are wanted."""
        while self.orphans:
            if task := self._taken_up(self.orphans.pop(0)):
                self.started += 1
                return task
        for _ in range(self.most_refused):
            if self.started >= self.progress.wanted:
                return None
            task = self._fix(self.fixed.pop(0)) if self.fixed else self._drawn(self._ask())
            if task:
                self.started += 1
                return task
        self._give_up()
        return None

    def _give_up(self) -> None:
        """Nothing new can be drawn, it seems: the search ends with what it has.

        Raises:
            StorageError: not one draw could be trained.
        """
        last = self.study_object.get_trials(deepcopy=False)[-self.most_refused :]
        if not any(SAME in trial.user_attrs for trial in last):
            raise StorageError(
                f"study {self.study}: {self.most_refused} draws in a row were infeasible; "
                "narrow the factors or widen [limits]"
            )
        self.progress.wanted = self.started
        save_study(self.storage, self.study, {"exhausted": self.started})
        self._update_cost()

    def packed_with(self, task: Task, most: int) -> list[Task]:
        """None: what is drawn next depends on what has ended."""
        return []

    def finish(
        self, task: Task, state: str, value: float | None, attributes: dict[str, Any]
    ) -> None:
        """Record a trial's end, and of those that wait for it; a pruned one counts as tried."""
        if is_diverged(attributes):
            value = value_of_diverged(self.objective.metric, self._values())
            state = "FAIL" if value is None else "COMPLETE"
        finish_trial(self.storage, task.trial_id, state, value, attributes)
        self._count(state, attributes)
        row = TrialRow(task.trial_id, task.number, state, None, None, value, attributes)
        self.known[task.setting.digest] = row
        for trial_id in self.waiting.pop(task.trial_id, []):
            self._repeat(trial_id, row)

    def _values(self) -> list[float]:
        """The values of the trials that have finished."""
        done = [row for row in self.known.values() if row.state == "COMPLETE"]
        return [r.value for r in done if r.value is not None and not is_diverged(r.attributes)]

    def _count(self, state: str, attributes: dict[str, Any]) -> None:
        self.progress.count(state, is_diverged(attributes))
        self._update_cost()

    def _repeat(self, trial_id: int, first: TrialRow) -> None:
        """End a trial as the first of its setting did, which took no time."""
        reuse = self.search.duplicates == "reuse"
        if first.state == "FAIL":
            self.started -= reuse
            why = f"the same setting as trial {first.number}, which failed"
            finish_trial(self.storage, trial_id, "PRUNED", attributes={"failure": why})
            return
        same = {k: v for k, v in first.attributes.items() if k in OF_RESULT}
        metric = self.objective.metric.name
        steps = {epoch["epoch"]: epoch[metric] for epoch in same.get("history", [])}
        report_steps(self.storage, trial_id, steps)
        attributes = {**same, "seconds": 0.0}
        finish_trial(self.storage, trial_id, first.state, first.value, attributes)
        if reuse:
            self._count(first.state, attributes)

    def _short(self, setting: Setting) -> Setting:
        return self.objective.with_precision(self.space.trained(setting), self.record.precision)

    def _task(self, trial_id: int, arm: str, values: dict[str, Any]) -> Task:
        setting = self.objective.setting(values)
        number, seed = self.storage.get_trial_number_from_id(trial_id), self.search.seed
        return Task.of(
            self.objective,
            trial_id,
            number,
            arm,
            seed,
            setting,
            score=False,
            pruner=self.search.pruner,
            last=last_reports(self.space, full_length(self.space, values)),
        )

    def _taken_up(self, row: TrialRow) -> Task | None:
        """Go on with a trial that a dead coordinator left: train it, or draw it once more."""
        attributes = row.attributes
        if "arm" not in attributes:
            return self._drawn(self._ask(row))
        if SAME in attributes and (first := self.known.get(attributes["digest"])):
            self._same(row.trial_id, first)
            return None
        return self._task(row.trial_id, attributes["arm"], attributes["setting"])

    def _fix(self, arm: Arm) -> Task:
        """The trial of an arm that is tried first, with the search's own parameters."""
        values = arm.setting.values()
        active = [f for f in self.space.factors if f.is_active(values)]
        params = {factor.name: as_drawn(values[factor.name]) for factor in active}
        distributions: dict[str, BaseDistribution] = {
            f.name: searched(self.objective, f) for f in active
        }
        setting = self._short(arm.setting)
        attributes = trial_attributes(self.objective, arm, setting, self.search.seed, "search")
        limits = constraint_violations(self.space, arm.setting)
        trial_id = create_trial(self.storage, self.study, params, distributions, attributes, limits)
        return self._begun(trial_id, arm.name, setting)

    def _begun(self, trial_id: int, arm: str, setting: Setting) -> Task:
        task = self._task(trial_id, arm, setting.values())
        row = TrialRow(trial_id, task.number, "RUNNING", None, None, None, {})
        self.known[setting.digest] = row
        return task

    def _ask(self, half_drawn: TrialRow | None = None) -> optuna.Trial:
        """A new trial, or one whose draw was cut off: the same seed then draws the same."""
        trials = self.study_object.get_trials(deepcopy=False)
        number = half_drawn.number if half_drawn else len(trials)
        sampler = self.search.sampler
        if sampler.name in ("tpe", "gp") and number and _refused(trials[number - 1]):
            sampler = Sampler(name="random")  # else it may insist
        self.study_object.sampler = make_sampler(sampler, self.search.seed, number)
        if half_drawn:
            return optuna.Trial(self.study_object, half_drawn.trial_id)
        if any(t.state is TrialState.WAITING and t.user_attrs for t in trials):
            # Enqueued with attributes of names that this study's own trials have.
            names = trial_attributes_of(self.objective).model_fields
            drop_waiting_attributes(self.storage, self.study, names)
        return self.study_object.ask()

    def _drawn(self, trial: optuna.Trial) -> Task | None:
        """What a draw comes to: a training, or nothing and the reason in its trial."""
        if fault := self._fault_of_enqueued(trial):
            self._fail(trial, fault)
            return None
        setting = self.space.baseline.replace(**self._suggest(trial))
        short, why = self._short(setting), self._why_not(setting)
        self._constrain(trial, setting)
        if why:
            infeasible = {"stage": "search", "seed": self.search.seed, "setting": short.values()}
            infeasible["failure"] = f"infeasible: {why}"
            finish_trial(self.storage, trial._trial_id, "PRUNED", attributes=infeasible)
            return None
        known = {arm.setting.digest: arm for arm in self.record.plan.arms}
        arm = known.get(setting.digest) or self._arm(trial.number, setting)
        first = self.known.get(short.digest)
        attributes = trial_attributes(self.objective, arm, short, self.search.seed, "search")
        same = {SAME: first.number} if first else {}
        set_attributes(self.storage, trial._trial_id, {**same, **attributes})
        if first is None:
            return self._begun(trial._trial_id, arm.name, short)
        self._same(trial._trial_id, first)
        return None

    def _arm(self, trial: int, setting: Setting) -> Arm:
        return make_arm(self.space, setting, self.names.of(setting), [Drawn(trial)])

    def _why_not(self, setting: Setting) -> str:
        """Why a draw is not trained; empty where it is."""
        if why := infeasible_reason(self.space, setting):
            return why
        # A study that was begun with such a batch goes on with it.
        begun = unfit(self.space, self.space.baseline)
        return "" if begun else unfit(self.space, setting)

    def _fault_of_enqueued(self, trial: optuna.Trial) -> str:
        """What is wrong with the values that another program has enqueued; empty if nothing."""
        factors = {factor.name: factor for factor in self.space.factors}
        enqueued = self.storage.get_trial_system_attrs(trial._trial_id)
        for name, value in enqueued.get("fixed_params", {}).items():
            if name not in factors:
                return f"{one_line(str(name))} is no factor; {did_you_mean(str(name), factors)}"
            if why := fault_of(self.objective, factors[name], value):
                return why
        return ""

    def _fail(self, trial: optuna.Trial, why: str) -> None:
        """End a trial that cannot be trained as it was enqueued; it counts as one that failed."""
        attributes = {"stage": "search", "seed": self.search.seed, "failure": f"enqueued: {why}"}
        finish_trial(self.storage, trial._trial_id, "FAIL", attributes=attributes)
        self.started += 1
        self._count("FAIL", attributes)

    def _same(self, trial_id: int, first: TrialRow) -> None:
        """A trial of a setting that has one: it ends as that does, or did."""
        self.started += self.search.duplicates == "reuse"
        if first.state == "RUNNING":
            self.waiting.setdefault(first.trial_id, []).append(trial_id)
        else:
            self._repeat(trial_id, first)

    def _constrain(self, trial: optuna.Trial, setting: Setting) -> None:
        """Tell the sampler how far a draw goes beyond the limits, whether it is trained or not."""
        try:
            violations = constraint_violations(self.space, setting)
        except ValueError:
            violations = {"shape": 1.0}
        for key, value in violations.items():
            if key not in trial.constraints:  # of a draw that was cut off
                trial.set_constraint(key, value)

    def _suggest(self, trial: optuna.Trial) -> dict[str, Value]:
        values, changed = self.space.baseline.values(), dict[str, Value]()
        before = dict(trial.params)  # of a draw that was cut off
        for factor in self.space.factors:
            if factor.is_active({**values, **changed}):
                if factor.name in before and factor.name not in trial.relative_params:
                    self._draw_again(trial, factor)
                changed[factor.name] = drawn(factor, suggest(self.objective, trial, factor))
        return changed

    def _draw_again(self, trial: optuna.Trial, factor: Factor) -> None:
        """Take from the generator what a stored value took, so that the next is as it was."""
        kind = searched(self.objective, factor)
        if not kind.single():
            frozen = self.study_object.get_trials(deepcopy=False)[trial.number]
            sampler = self.study_object.sampler
            sampler.sample_independent(self.study_object, frozen, factor.name, kind)


def stopped_early(row: TrialRow) -> bool:
    """Whether a trial was begun and stopped by the pruner, rather than never trained."""
    return row.state == "PRUNED" and "history" in row.attributes


def _refused(trial: optuna.trial.FrozenTrial) -> bool:
    attributes = trial.user_attrs
    return SAME in attributes or str(attributes.get("failure", "")).startswith("infeasible")
