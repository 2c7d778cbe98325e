"""How far the pairs of finished studies scatter, under the outcome that a plan chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median, median_low, variance
from typing import TYPE_CHECKING

from ablation.objective import LastReports, Objective, OutcomeError, mean_of_last
from ablation.objective.metric import Metric
from ablation.objective.outcome import mean_text
from ablation.planning.pace import Pace, Spread, complete_trials, existing_storage
from ablation.space.schema import Space
from ablation.statistics.collapse import is_collapsed

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.storage import TrialRow


def measured_spreads(
    storage: RDBStorage, objective: Objective, over_last: int = 1
) -> dict[str, Spread]:
    """The spread of each study that has two pairs of an arm.

    It is that of trainings that have learned something. A collapsed one would make it far too
    large, and arms at chance level far too small: these hardly scatter.

    Args:
        storage: where studies are.
        objective: of the plan; its metric is what decides there.
        over_last: over how many last reports an outcome is a mean there. Where a study has another
            outcome, this one is computed from its epochs.
    """
    from ablation.storage.record import load_record

    spreads = {}
    complete = complete_trials(storage, objective, ("arm", "seed", "setting", "decided_by"))
    for study, (own, rows) in complete.items():
        space = load_record(storage, study).plan.space
        found = _under(storage, study, space, rows, (objective, over_last))
        if found is None:
            continue
        rows, other = found
        by_arm: dict[str, dict[int, TrialRow]] = {}
        for row in rows:
            if row.value is not None:
                by_arm.setdefault(row.attributes["arm"], {})[row.attributes["seed"]] = row
        metric = objective.metric
        pairs = _pairs({arm: _learned(own, metric, by_seed) for arm, by_seed in by_arm.items()})
        amount = own.amount(space.baseline)
        if any(variances := [variance(d) for d in pairs]):
            count = median_low(map(len, pairs))
            value = math.sqrt(fmean(variances))
            spreads[study] = Spread(value, count, amount, other)
        elif not pairs and (
            every := _pairs({arm: _values(found) for arm, found in by_arm.items()})
        ):
            count = median_low(map(len, every))
            spreads[study] = Spread(math.nan, count, amount, other)
    return spreads


def _under(
    storage: RDBStorage,
    study: str,
    space: Space,
    rows: list[TrialRow],
    asked: tuple[Objective, int],
) -> tuple[list[TrialRow], str] | None:
    """Trials with their values under another outcome than that of their study, where they differ.

    Args:
        storage: where the study is.
        study: its name.
        space: as it has it.
        rows: its complete trials.
        asked: the objective whose metric decides, and over how many reports.

    Returns:
        The trials, and what their values are where it cannot be computed: then they are as the
        study has them. None where these cannot stand for it, being of another figure of a user's
        code.
    """
    from ablation.storage.outcomes import outcome_of

    objective, over_last = asked
    figure, own = objective.metric.name, space.objective.metric
    if (figure, over_last) == (own.name, space.outcome.over_last):
        stale = [row for row in rows if outcome_of(space, row) != row.value]
        if not stale:
            return rows, ""
    with_reports = _with_reports(storage, study, rows)
    try:
        values = [_outcome(space.objective, row, figure, over_last) for row in with_reports]
    except (OutcomeError, KeyError):
        if own.name != figure and space.objective.beside_space:
            return None
        word, count = space.objective.words.epoch, space.outcome.over_last
        single = f"{own.text} after the last {word}"
        return rows, mean_text(own.text, count, word) if count > 1 else single
    return [replace(row, value=x) for row, x in zip(rows, values, strict=True)], ""


def _with_reports(storage: RDBStorage, study: str, rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The same trials with what they have reported and returned."""
    from ablation.storage.attributes import checked_trials

    known = checked_trials(storage, study, ("setting", "history", "returned"))
    by_number = {row.number: row for row in known}
    return [by_number[row.number] for row in rows]


def _outcome(objective: Objective, row: TrialRow, figure: str, over_last: int) -> float:
    """A trial's outcome.

    Raises:
        OutcomeError: it has too few reports, or returned the figure.
        KeyError: its reports lack the figure.
    """
    if figure in row.attributes.get("returned", {}):
        raise OutcomeError(f"{figure} was returned")
    epochs = objective.epochs(objective.setting(row.attributes["setting"]))
    last = LastReports.of(over_last, epochs, epochs)
    return mean_of_last(row.attributes.get("history", []), figure, last)


def _pairs(by_arm: dict[str, dict[int, float]]) -> list[list[float]]:
    """By arm with two pairs or more, its differences from the baseline."""
    base = by_arm.get("baseline", {})
    others = [own for arm, own in by_arm.items() if arm != "baseline"]
    pairs = [[x - base[seed] for seed, x in own.items() if seed in base] for own in others]
    return [differences for differences in pairs if len(differences) > 1]


def _values(by_seed: dict[int, TrialRow]) -> dict[int, float]:
    return {seed: row.value for seed, row in by_seed.items() if row.value is not None}


def _learned(
    objective: Objective, metric: Metric, by_seed: dict[int, TrialRow]
) -> dict[int, float]:
    """An arm's values by seed but for trainings that collapsed; none where it is untrained."""
    settings = {s: objective.setting(r.attributes["setting"]) for s, r in by_seed.items()}
    known = {seed: objective.chance_limit(setting) for seed, setting in settings.items()}
    limits = {seed: limit for seed, limit in known.items() if limit is not None}
    values, chance = _values(by_seed), metric.chance
    if len(limits) < len(values):
        return values
    sign = metric.sign
    if median(sign * (value - limits[seed]) for seed, value in values.items()) < 0:
        return {}
    scores = {seed: sign * value for seed, value in values.items()}
    guessing = None if chance is None else sign * chance
    return {
        seed: value
        for seed, value in values.items()
        if not is_collapsed(scores[seed], [x for s, x in scores.items() if s != seed], guessing)
    }


def with_spreads(
    pace: Pace, storage: str | None, results: Path, objective: Objective, over_last: int
) -> Pace:
    """A pace with what was measured of the scatter in the storage, where there is one.

    Args:
        pace: without that.
        storage: as given on the command line.
        results: the folder of results, whose storage it is unless one is given.
        objective: see `measured_spreads`.
        over_last: likewise.
    """
    if not (url := existing_storage(storage, results)):
        return pace
    from ablation.storage import opened_storage

    with opened_storage(url) as opened:
        return replace(pace, spreads=measured_spreads(opened, objective, over_last))
