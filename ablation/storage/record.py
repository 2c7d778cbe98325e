"""What a study in the storage is a study of: its space and the conditions it runs under."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.arms import Arm, Plan, Stage, arm_name, make_arm
from ablation.design.changes import changes
from ablation.design.declaration import changed_looks
from ablation.design.loading import build
from ablation.design.origin import stored as stored_origin
from ablation.design.settling import Settling, TakenLook
from ablation.errors import did_you_mean, one_line
from ablation.objective import DEFAULT, Objective
from ablation.objective.metric import Direction
from ablation.space.errors import SpaceError
from ablation.storage import (
    StorageError,
    UnreadableError,
    display_url,
    save_study,
    study_attributes,
    study_names,
    url_of,
)
from ablation.storage.attributes import objective_named
from ablation.storage.stored_study import (
    StoredArm,
    StoredPath,
    StudyAttributes,
    checked_study,
    stored_settling,
)
from ablation.storage.studies import can_be, own_studies

FORMAT = 1
PATH = "path"  # the name of a confirmation's second stage


@dataclass(frozen=True)
class Record:
    """A study's plan, what it wants, and what every one of its trials has in common.

    Attributes:
        plan: the space and its arms, overrides applied. Of a confirmation the search's space, but
            with the arms that are confirmed.
        seeds: the seeds wanted (all but a search).
        trials: the trials wanted (search).
        exhausted: the trials after which a search found nothing new to draw; 0 while it does.
        chosen: the arm that a confirmation's path leads to; empty before that is known.
        path: that path, as a stage; none before it is known.
        identity: what a study is known by whatever it is renamed to; empty for older ones.
        confirms: of a confirmation, its search's identity.
        settling: the looks declared and taken, at which arms with a verdict stop; of a confirmation
            those of its first stage. None where every arm has all seeds.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16``.
        threads: threads of a worker.
        environments: versions and hardware of each machine and version that it ran on.
        looks: the numbers of finished trials at which verdicts were produced, in order; of a
            confirmation those on its first stage.
        path_looks: the same of its path.
    """

    plan: Plan
    seeds: tuple[int, ...] = ()
    trials: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 1
    environments: tuple[dict[str, str], ...] = ()
    looks: tuple[int, ...] = ()
    path_looks: tuple[int, ...] = ()
    exhausted: int = 0
    chosen: str = ""
    path: Stage | None = None
    identity: str = ""
    confirms: str = ""
    settling: Settling | None = None

    @property
    def wanted(self) -> int:
        """How many trials the study wants; where arms may stop, the most that it still may want."""
        designed = sum(len(stage.replicates()) for stage in self.stages)
        return self.exhausted or self.trials or designed

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is trained by design: nothing of a search, two stages of a confirmation."""
        if self.trials:
            return ()
        name = "confirm" if self.plan.space.design == "confirmation" else "ablation"
        first = Stage(name, self.plan.arms, self.seeds, self.settling)
        return (first, self.path) if self.path else (first,)

    def of(self, stage: Stage) -> Record:
        """The record of one of its stages alone."""
        plan = replace(self.plan, arms=stage.arms)
        looks = self.path_looks if stage.name == PATH else self.looks
        return replace(
            self, plan=plan, seeds=stage.seeds, path=None, looks=looks, settling=stage.settling
        )

    @property
    def direction(self) -> Direction:
        """Whether more or less of the metric is better."""
        return self.plan.space.objective.metric.direction

    def attributes(self) -> dict[str, Any]:
        """As the study's user attributes."""
        space = self.plan.space
        return {
            "question": space.question,
            "design": space.design,
            "space_name": space.name,
            "space": space.text,
            "space_digest": hashlib.sha256(space.text.encode()).hexdigest(),
            "overrides": self.plan.overrides,
            **({} if space.objective.spec == DEFAULT else {"objective": self._objective()}),
            "seeds": list(self.seeds),
            "trials": self.trials,
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "environments": list(self.environments),
            "looks": list(self.looks),
            "exhausted": self.exhausted,
            **({"identity": self.identity} if self.identity else {}),
            **({"confirms": self.confirms} if self.confirms else {}),
            **({"settling": stored_settling(self.settling)} if self.settling else {}),
            **self._confirmed(),
            "format": FORMAT,  # last: a study without it was never begun
        }

    def _objective(self) -> str:
        """The objective, with what its code says of the settings that are known by now."""
        space = self.plan.space
        arms = [*self.plan.arms, *(self.path.arms if self.path else ())]
        settings = [arm.setting for arm in arms]
        settings += [trained for each in settings if (trained := space.trained(each)) != each]
        return space.objective.stored_spec(settings)

    def _confirmed(self) -> dict[str, Any]:
        """Of a confirmation what no space file says: its arms and, once it is known, the path."""
        if self.plan.space.design != "confirmation":
            return {}
        attributes: dict[str, Any] = {"arms": list(map(_stored_arm, self.plan.arms))}
        if self.path:
            arms = list(map(_stored_arm, self.path.arms))
            attributes["path_looks"] = list(self.path_looks)
            seeds = list(self.path.seeds)
            attributes["path"] = {"chosen": self.chosen, "arms": arms, "seeds": seeds}
            if self.path.settling:
                attributes["path"]["settling"] = stored_settling(self.path.settling)
        return attributes


def _stored_arm(arm: Arm) -> dict[str, Any]:
    values = arm.setting.values()
    stored = {"name": arm.name, "setting": values, "against": arm.against, "note": arm.note}
    return {**stored, "origins": list(map(stored_origin, arm.origins))} if arm.origins else stored


def find_record(
    storage: RDBStorage, study: str, objective: Objective | None = None
) -> Record | None:
    """The record of a study; None where the storage has no such study (or only begun one).

    Args:
        storage: where it is.
        study: its name.
        objective: what it is of, with its code; else what is known of it without.

    Raises:
        StorageError: the study is not one of this program's.
        UnreadableError: it is of another format, or not as this version writes it.
    """
    attributes = study_attributes(storage, study)
    if "format" not in attributes:
        if "question" not in attributes and study in study_names(storage):
            raise StorageError(f"study {study}: not one of this program's; choose --study NAME")
        return None
    if attributes["format"] != FORMAT:
        fault = f"its format is {one_line(str(attributes['format']))}, this version reads {FORMAT}"
        raise UnreadableError(f"study {study}", fault)
    stored = checked_study(study, attributes)
    plan = _plan(study, stored, objective or objective_named(study, attributes))
    if bool(stored.trials) != bool(plan.space.search) or bool(stored.seeds) == bool(stored.trials):
        wants = "trials and no seeds" if plan.space.search else "seeds and no trials"
        raise UnreadableError(f"study {study}", f"a {plan.space.design} design has {wants}")
    path = stored.path
    own = stored.settling.settling(plan.arms) if stored.settling else None
    return Record(
        plan=plan,
        seeds=tuple(stored.seeds),
        trials=stored.trials,
        device=stored.device,
        precision=stored.precision,
        threads=stored.threads,
        environments=tuple(stored.environments),
        looks=tuple(stored.looks),
        path_looks=tuple(stored.path_looks),
        exhausted=stored.exhausted,
        chosen=path.chosen if path else "",
        path=_path(plan, path) if path else None,
        identity=stored.identity,
        confirms=stored.confirms,
        settling=own,
    )


def _path(plan: Plan, stored: StoredPath) -> Stage:
    arms = _arms(plan, stored.arms)
    settling = stored.settling.settling(arms) if stored.settling else None
    return Stage(PATH, arms, tuple(stored.seeds), settling)


def _plan(study: str, stored: StudyAttributes, objective: Objective) -> Plan:
    given = stored.overrides
    try:
        plan = build(stored.space_name, stored.space, "", given, objective=objective)
    except SpaceError as error:
        first, *others = error.errors
        more = f" (and {len(others)} errors more)" if others else ""
        raise UnreadableError(f"study {study}", f"its space: {first}{more}") from None
    if stored.design != "confirmation":
        return plan
    if not stored.arms:
        raise UnreadableError(f"study {study}", "a confirmation has arms")
    return confirmation_plan(plan, _arms(plan, stored.arms))


def confirmation_plan(plan: Plan, arms: tuple[Arm, ...]) -> Plan:
    """The plan of a confirmation: the search's space, which is searched no more, and its arms."""
    space = plan.space.model_copy(update={"search": None, "design": "confirmation"})
    return replace(plan, space=space, arms=arms)


def _arms(plan: Plan, stored: list[StoredArm]) -> tuple[Arm, ...]:
    """Stored arms; of two of one name, which earlier versions could write, one gets another."""
    arms, taken = list[Arm](), set[str]()
    for arm in stored:
        setting = plan.space.objective.setting(arm.setting)
        name = arm_name(plan.space, setting, taken) if arm.name in taken else arm.name
        origins = [each.origin() for each in arm.origins]
        arms.append(make_arm(plan.space, setting, name, origins, arm.against, arm.note))
        taken.add(name)
    return tuple(arms)


def note_look(
    storage: RDBStorage, study: str, trials: int, *, path: bool = False
) -> tuple[int, ...]:
    """Note that verdicts were produced from so many finished trials; all looks at the stage so far.

    Looking again at the same number is no new look: the data are the same.

    Args:
        storage: where the study is.
        study: its name.
        trials: the finished trials of the stage; 0 where nothing could be tested.
        path: of a confirmation, whether they are its path's.
    """
    record = load_record(storage, study)
    key, looks = ("path_looks", record.path_looks) if path else ("looks", record.looks)
    if trials < 1 or trials in looks:
        return looks
    save_study(storage, study, {key: [*looks, trials]})
    return (*looks, trials)


def load_record(storage: RDBStorage, study: str, objective: Objective | None = None) -> Record:
    """The record of a study that must exist; see `find_record`.

    Raises:
        StorageError: it does not; the message has the nearest names.
    """
    record = find_record(storage, study, objective) if can_be(study) else None
    if record is None:
        raise no_study(storage, study)
    return record


def no_study(storage: RDBStorage, study: str) -> StorageError:
    """The error for a study that a storage does not have."""
    where, others = display_url(url_of(storage)), own_studies(storage)
    return StorageError(f"no study {one_line(study)} in {where}; {did_you_mean(study, others)}")


def merge(study: str, stored: Record | None, wanted: Record) -> Record:
    """The record that a study goes on with: stored conditions, seeds and trials of both.

    Raises:
        StorageError: the space has changed otherwise than by arms or seeds added, or by what comes
            of a training before anybody has looked; or its looks have, too late.
    """
    if stored is None:
        return wanted
    fixed = bool(stored.settling and stored.settling.taken)
    looked = fixed or bool(stored.looks)
    differences = changes(stored.plan.space, wanted.plan.space, looked=looked, fixed=fixed)
    if stored.plan.overrides != wanted.plan.overrides:
        differences.append(f"overrides: were {stored.plan.overrides}, are {wanted.plan.overrides}")
    if differences:
        raise StorageError(
            f"study {study}: its space has changed ({'; '.join(differences)}); "
            "take the changes back, or run it as a study of its own with --study NAME"
        )
    if why := changed_looks(stored.settling, wanted.settling, max(stored.looks, default=0)):
        raise StorageError(f"study {study}: {why}")
    new = [e for e in wanted.environments if e not in stored.environments]
    return replace(
        stored,
        plan=wanted.plan,
        seeds=(*stored.seeds, *(seed for seed in wanted.seeds if seed not in stored.seeds)),
        trials=max(stored.trials, wanted.trials),
        exhausted=0 if wanted.trials > stored.trials else stored.exhausted,
        environments=(*stored.environments, *new),
        settling=wanted.settling and replace(wanted.settling, taken=_taken(stored)),
    )


def _taken(stored: Record) -> tuple[TakenLook, ...]:
    return stored.settling.taken if stored.settling else ()
