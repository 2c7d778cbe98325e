"""How long trainings take: measured where there are some, else on a machine that is named."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean, median, median_low, variance
from typing import TYPE_CHECKING

from ablation.design.arms import cost
from crnn.network.config import Setting, chance_limit, is_collapsed

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.storage import TrialRow


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
            the root of the mean variance of (arm - baseline) by seed. NaN where no arm has two
            pairs of which both sides have learned anything.
        pairs: of an arm, the median over its arms. The arms share the baseline, so the spread is
            known at least as well as by so many pairs of one arm.
        epochs: of a training.
        train_size: images of a training, those to validate with among them.
    """

    value: float
    pairs: int
    epochs: int
    train_size: int


def measured_spreads(storage: RDBStorage) -> dict[str, Spread]:
    """The spread of each study that has two pairs of an arm.

    It is that of trainings that have learned something. A collapsed one would make it far too
    large, and arms at chance level far too small: these hardly scatter.
    """
    from ablation.storage.record import load_record

    found = {}
    for study, rows in _complete(storage, ("arm", "seed", "setting")).items():
        by_arm: dict[str, dict[int, TrialRow]] = {}
        for row in rows:
            if row.value is not None:
                by_arm.setdefault(row.attributes["arm"], {})[row.attributes["seed"]] = row
        pairs = _pairs({arm: _learned(own) for arm, own in by_arm.items()})
        train = load_record(storage, study).plan.space.baseline.train
        if any(variances := [variance(d) for d in pairs]):
            count = median_low(map(len, pairs))
            value = math.sqrt(fmean(variances))
            found[study] = Spread(value, count, train.epochs, train.train_size)
        elif not pairs and (every := _pairs({arm: _values(own) for arm, own in by_arm.items()})):
            count = median_low(map(len, every))
            found[study] = Spread(math.nan, count, train.epochs, train.train_size)
    return found


def _pairs(by_arm: dict[str, dict[int, float]]) -> list[list[float]]:
    """By arm with two pairs or more, its differences from the baseline."""
    base = by_arm.get("baseline", {})
    others = [own for arm, own in by_arm.items() if arm != "baseline"]
    pairs = [[x - base[seed] for seed, x in own.items() if seed in base] for own in others]
    return [differences for differences in pairs if len(differences) > 1]


def _values(by_seed: dict[int, TrialRow]) -> dict[int, float]:
    return {seed: row.value for seed, row in by_seed.items() if row.value is not None}


def _learned(by_seed: dict[int, TrialRow]) -> dict[int, float]:
    """An arm's values by seed but for trainings that collapsed; none where it is untrained."""
    limits = {
        s: chance_limit(Setting.of(r.attributes["setting"]).train) for s, r in by_seed.items()
    }
    values = _values(by_seed)
    if median(value - limits[seed] for seed, value in values.items()) < 0:
        return {}
    return {
        seed: value
        for seed, value in values.items()
        if not is_collapsed(value, [x for s, x in values.items() if s != seed])
    }


def _complete(storage: RDBStorage, keys: tuple[str, ...]) -> dict[str, list[TrialRow]]:
    """The complete trials of each study; what this version cannot read says nothing of times."""
    from ablation.storage import UnreadableError
    from ablation.storage.attributes import checked_trials
    from ablation.storage.record import own_studies

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
