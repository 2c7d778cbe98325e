"""How long trainings take: measured where there are some, else on a machine that is named."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean, median, variance
from typing import TYPE_CHECKING

from crnn.ablation.design import cost
from crnn.config import Setting, is_collapsed

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from crnn.ablation.storage import TrialRow


@dataclass(frozen=True)
class Rate:
    """Cost (`design.cost`) that one worker gets through in a second, and where that was seen."""

    value: float
    source: str


REFERENCE = Rate(
    2.2e11,
    "2 cores of an Intel Xeon with AMX, in bf16, one worker a core (an AMD EPYC without AMX took "
    "five to six times as long)",
)


def measured_rate(storage: RDBStorage) -> Rate:
    """The rate of the trainings in `storage`, or the reference machine's where there is none.

    Their median: a training that was paused, or ran beside other work, moves it little.
    """
    rates = [
        cost(Setting.of(row.attributes["setting"])) / row.attributes["seconds"]
        for rows in _complete(storage, ("arm", "setting", "seconds")).values()
        for row in rows
        if row.attributes["seconds"]
    ]
    return Rate(median(rates), f"{len(rates)} trainings in this storage") if rates else REFERENCE


@dataclass(frozen=True)
class Spread:
    """How far the pairs of a study scatter, and how long its baseline was trained.

    Attributes:
        value: standard deviation of validation accuracy between pairs, a fraction, over its arms:
            the root of the mean variance of (arm - baseline) by seed.
        epochs: of a training.
        train_size: images of a training, those to validate with among them.
    """

    value: float
    epochs: int
    train_size: int


def measured_spreads(storage: RDBStorage) -> dict[str, Spread]:
    """The spread of each study that has two pairs of an arm."""
    from crnn.ablation.record import load_record

    found = {}
    for study, rows in _complete(storage, ("arm", "seed")).items():
        by_arm: dict[str, dict[int, float]] = {}
        for row in rows:
            if row.value is not None:
                arm = by_arm.setdefault(row.attributes["arm"], {})
                arm[row.attributes["seed"]] = row.value
        by_arm = {arm: _without_collapsed(values) for arm, values in by_arm.items()}
        base = by_arm.pop("baseline", {})
        pairs = [[x - base[s] for s, x in arm.items() if s in base] for arm in by_arm.values()]
        variances = [variance(d) for d in pairs if len(d) > 1]
        if any(variances):
            train = load_record(storage, study).plan.space.baseline.train
            found[study] = Spread(math.sqrt(fmean(variances)), train.epochs, train.train_size)
    return found


def _without_collapsed(by_seed: dict[int, float]) -> dict[int, float]:
    """The values by seed of an arm but for trainings that ended near chance unlike the others."""
    return {
        seed: value
        for seed, value in by_seed.items()
        if not is_collapsed(value, [x for s, x in by_seed.items() if s != seed])
    }


def _complete(storage: RDBStorage, keys: tuple[str, ...]) -> dict[str, list[TrialRow]]:
    """The complete trials of each study; what this version cannot read says nothing of times."""
    from crnn.ablation.attributes import checked_trials
    from crnn.ablation.record import own_studies
    from crnn.ablation.storage import UnreadableError

    found = {}
    for study in own_studies(storage):
        with suppress(UnreadableError):
            rows = checked_trials(storage, study, (*keys, "diverged"))
            complete = [r for r in rows if r.state == "COMPLETE" and "arm" in r.attributes]
            found[study] = [row for row in complete if "diverged" not in row.attributes]
    return found


def clock(seconds: float) -> str:
    """A time for people: ``40 s``, ``7 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
