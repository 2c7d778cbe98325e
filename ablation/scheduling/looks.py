"""Looks at the arms of a stage: when one is due, and what is seen at it.

The coordinator takes a look as soon as all that it looks at has ended, and stores it. It is never
computed again, so neither failures that are made good later nor seeds that were trained beyond it
change it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.arms import Arm, Stage
from ablation.design.settling import TakenLook
from ablation.errors import counted
from ablation.space.schema import Space
from ablation.storage import TrialRow, save_study
from ablation.storage.attributes import DECIDED_BY, IS_DIVERGED, is_diverged
from ablation.storage.outcomes import outcome_of
from ablation.storage.record import PATH, Record

Identity = tuple[str, int]
SEEN = ("arm", "seed", "digest", "setting", "history", "returned", DECIDED_BY, *IS_DIVERGED)
"""The attributes of trials that a look reads."""
UNTRAINED = "untrained: at chance level"


def is_due(stage: Stage, ended: Collection[Identity]) -> bool:
    """Whether a look at a stage is due: all that it looks at has ended.

    Args:
        stage: which may have no looks at all.
        ended: the replicates that have ended for good.
    """
    if stage.settling is None or stage.settling.is_over:
        return False
    return all(replicate.identity in ended for replicate in stage.due())


def with_look(stage: Stage, space: Space, rows: Mapping[Identity, TrialRow]) -> Stage:
    """The stage once the look that is due has been taken.

    Args:
        stage: with its looks so far.
        space: of the study: its margin, its objective.
        rows: the latest trial of each replicate, with the attributes `SEEN`.
    """
    from ablation.statistics.rounding import rounding_of
    from ablation.statistics.settling import look_figures  # takes half a second to import

    settling = stage.settling
    if settling is None:
        raise ValueError(f"stage {stage.name} declares no looks")
    seeds = stage.seeds[: settling.next_seeds]
    seen = {arm.name: _Seen(arm, space, rows, seeds) for arm in stage.arms}
    figures = {}
    for name in settling.active:
        own, other = seen[name], seen[settling.against[name]]
        pairs = own.minus(other)
        reason = ", ".join(
            filter(None, [own.fault, f"{other.arm.name} {other.fault}" if other.fault else ""])
        )
        known = rounding_of([*own.values.values(), *other.values.values()])
        figures[name] = look_figures(pairs, space.margin, reason, known)
    look = TakenLook(len(settling.taken) + 1, seeds, figures)
    return replace(stage, settling=replace(settling, taken=(*settling.taken, look)))


class _Seen:
    """What a look sees of an arm: its values by seed, and why they are no finding; else empty."""

    def __init__(
        self, arm: Arm, space: Space, rows: Mapping[Identity, TrialRow], seeds: Collection[int]
    ) -> None:
        self.arm = arm
        own = {seed: rows.get((arm.setting.digest, seed)) for seed in seeds}
        known = {seed: row for seed, row in own.items() if row is not None}
        diverged = sum(is_diverged(row.attributes) for row in known.values())
        done = {seed: row for seed, row in known.items() if row.state == "COMPLETE"}
        values = {seed: outcome_of(space, row) for seed, row in done.items()}
        self.values = {seed: value for seed, value in values.items() if value is not None}
        self.fault = ""
        if diverged:
            self.fault = diverged_text(diverged, diverged + len(done))
        elif self._is_untrained(space):
            self.fault = UNTRAINED

    def _is_untrained(self, space: Space) -> bool:
        """Whether its median value is within chance of guessing."""
        objective = space.objective
        limit = objective.chance_limit(self.arm.setting)
        if limit is None or not self.values:
            return False
        return median(objective.metric.sign * (x - limit) for x in self.values.values()) < 0

    def minus(self, other: _Seen) -> list[float]:
        """The differences from another arm, over the seeds that both have finished, in order."""
        return [x - other.values[seed] for seed, x in self.values.items() if seed in other.values]


def diverged_text(diverged: int, ended: int) -> str:
    """``diverged in 2 of 5 seeds``, of those that have ended."""
    return f"diverged in {diverged:,} of {counted(ended, 'seed')}"


def save_look(storage: RDBStorage, study: str, record: Record, stage: Stage) -> Record:
    """Store the looks at a stage, and nothing else of the study; its record with them.

    Raises:
        StorageError: the storage cannot be written.
    """
    if stage.name == PATH:
        record, key = replace(record, path=stage), "path"
    else:
        record, key = replace(record, settling=stage.settling), "settling"
    save_study(storage, study, {key: record.attributes()[key]})
    return record


def gone(record: Record) -> dict[str, Any]:
    """The attributes that a study no longer has: its looks, where it declares none any more."""
    return {} if record.settling else {"settling": None}


def before_looks(record: Record) -> Record:
    """The record without the looks that have been taken: what the study was to train."""
    path = record.path
    if path and path.settling:
        path = replace(path, settling=replace(path.settling, taken=()))
    settling = record.settling and replace(record.settling, taken=())
    return replace(record, path=path, settling=settling)


def look_text(stage: Stage) -> str:
    """What the last look at a stage came to: ``Look 1 of 4, at 5 seeds: 3 of 9 … settled, …``."""
    settling = stage.settling
    if settling is None or not settling.taken:
        return ""
    last = settling.taken[-1]
    head = f"Look {last.number} of {len(settling.all_looks)}, at {len(last.seeds)} seeds"
    return f"{head}: {settling.text}"
