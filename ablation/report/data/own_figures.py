"""Figures of a user's code, which may have any name, as cells of trials and epochs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.objective import Objective
from ablation.report.data.study_table import AS_RETURNED, GIVEN, HIDDEN
from ablation.space.schema import Space
from ablation.storage import TrialRow
from ablation.storage.attributes import is_diverged
from ablation.storage.outcomes import outcome_of

OWN = ("stage", "number", "arm", "seed", "epoch", "seconds", "value")
"""Columns of epochs that no figure can have."""

NOT_FIGURES = ("epoch", "seconds")
"""What an entry of a trial's history has beside its figures."""


def reported(row: TrialRow) -> Iterator[dict[str, Any]]:
    """The figures of a trial, report by report: with the metric, then those without it."""
    for attribute in ("history", "logged"):
        for entry in row.attributes.get(attribute, []):
            yield {name: x for name, x in entry.items() if name not in NOT_FIGURES}


def figure_columns(objective: Objective, rows: Sequence[TrialRow]) -> dict[str, str]:
    """The column of every figure that was reported, by the figure's name."""
    names = dict.fromkeys(objective.figures)
    names |= dict.fromkeys(name for row in rows for figures in reported(row) for name in figures)
    taken = {*OWN, *(f"{kind}_value" for kind in ("best", "mean", "expected", "test"))}
    return {name: f"reported_{name}" if name in taken else name for name in names}


def returned_columns(
    objective: Objective, rows: Sequence[TrialRow], taken: Collection[str]
) -> dict[str, str]:
    """The column of every figure that was returned and has none yet, by the figure's name.

    Args:
        objective: what was trained; its own figures have columns.
        rows: the trials.
        taken: the names of other columns.
    """
    names = dict.fromkeys(name for row in rows for name in row.attributes.get("returned", {}))
    own = {*taken, "value", "best_value", "test_value", *HIDDEN}
    return {
        name: f"returned.{name}" if name in own else name
        for name in names
        if name not in objective.figures
    }


def free_cells(objective: Objective, row: TrialRow, returned: Mapping[str, str]) -> dict[str, Any]:
    """What a trial has of its own figures: what it returned, its number of reports, what is hidden.

    A figure beside the metric is as returned, else as reported last.

    Args:
        objective: what was trained.
        row: the trial.
        returned: by name, the columns of what was returned.
    """
    attributes, metric = row.attributes, objective.metric.name
    own = attributes.get("returned", {})
    cells: dict[str, Any] = {column: own.get(name) for name, column in returned.items()}
    cells["reports"] = len(attributes.get("history", []))
    cells |= {AS_RETURNED: metric in own, GIVEN: ""}
    if row.state != "COMPLETE" or is_diverged(attributes):
        return cells
    latest = own.copy()
    for figures in reversed(list(reported(row))):
        latest = {**figures, **latest}
    also = {name: latest.get(name) for name in objective.figures if name != metric}
    return {**cells, **also, GIVEN: _digest([row.value, own, list(reported(row))])}


def _digest(figures: object) -> str:
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()[:16]


ONLY_SOME = ("sequence_length", "parameters", "macs", "precision", "chance", "chance_limit")
"""Columns of trials that a network has, and code in general need not."""


def absent_columns(
    objective: Objective, trials: pd.DataFrame, arms: pd.DataFrame
) -> frozenset[str]:
    """The columns of files that nothing of a user's code has a value in.

    Args:
        objective: what was trained.
        trials: as in ``StudyTable.trials``.
        arms: as in ``StudyTable.arms``.
    """
    reported_elsewhere = ("reported_test_accuracy", "reported_test_loss")
    empty = [name for name in ONLY_SOME if trials[name].isna().all()]
    empty += [name for name in reported_elsewhere if arms[name].isna().all()]
    test = () if objective.metric.test else ("test_mean", "test_sd")
    return frozenset([*empty, "fused", "test_loss_mean", *test])


def curves(objective: Objective, epochs: pd.DataFrame) -> tuple[str, ...]:
    """The figures whose course is shown: the metric, those beside it, and both in training."""
    own = tuple(objective.figures)
    stems = [f"train_{name.removeprefix('val_')}" for name in own]
    return (*own, *(name for name in dict.fromkeys(stems) if name in epochs and name not in own))


def secondary(objective: Objective, trials: pd.DataFrame) -> tuple[str, ...]:
    """The figures beside the metric that a training has given."""
    also = [name for name in objective.figures if name != objective.metric.name]
    return tuple(name for name in also if trials[name].notna().any())


def notes(objective: Objective, rows: Sequence[TrialRow]) -> Iterator[str]:
    """What a reader must know of how a user's code gave its figures.

    Args:
        objective: what was trained.
        rows: the trials.
    """
    done = [row for row in rows if row.state == "COMPLETE" and not is_diverged(row.attributes)]
    metric, steps = objective.metric.name, objective.words.epoch
    returned = [row for row in done if metric in row.attributes.get("returned", {})]
    if returned:
        some = "" if len(returned) == len(done) else f" in {len(returned)} of {len(done)} trainings"
        best = (
            f": the best of many {steps}s, where that is what it returns, is optimistic"
            if any(len(row.attributes.get("history", [])) > 1 for row in returned)
            else ""
        )
        yield f"{metric} is as train returned it{some}{best}."
    given = {name for row in done for figures in reported(row) for name in figures}
    given |= {name for row in done for name in row.attributes.get("returned", {})}
    for name in objective.figures:
        if done and name not in given:
            yield f"outcome.also: {name} was neither reported nor returned."
    test = objective.metric.test
    if test and done and not any(test in row.attributes for row in done):
        yield f"test: {test} was not returned."


def without_outcome(space: Space, rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials that came to their end and have no outcome, as the space has it now."""
    done = [row for row in rows if row.state == "COMPLETE" and not is_diverged(row.attributes)]
    return [row for row in done if outcome_of(space, row) is None]


def about_those_without(space: Space, count: int) -> list[str]:
    """That so many trainings have no outcome, a sentence; none where all have one."""
    if not count:
        return []
    many, do = ("1 training has", "does") if count == 1 else (f"{count} trainings have", "do")
    return [
        f"{many} no outcome and {do} not count: {space.objective.metric.name} was reported fewer "
        f"than {space.outcome.over_last} times, or returned by train."
    ]


def code_notes(rows: Sequence[TrialRow], searched: Sequence[TrialRow] = ()) -> Iterator[str]:
    """What a reader must know of code that changed between trainings of a study.

    Args:
        rows: the trials; of a confirmation, those of its path too.
        searched: of a confirmation, the trials of the search that it confirms.
    """
    before, after = _codes(searched), _codes(rows)
    count = len(before) + len(after)
    for file, places in code_changes([*before, *after]).items():
        named = [
            f"{place} (all of the search)" if before and place == len(before) else str(place)
            for place in places
        ]
        yield (
            f"{file} changed after {' and '.join(named)} of {count} trainings; its author says "
            "that it computes the same (--same-code)."
        )


def _codes(rows: Sequence[TrialRow]) -> list[Mapping[str, str]]:
    """The digests of the code by file, of trials in the order in which they began."""
    ordered = sorted(rows, key=lambda row: row.number)
    return [row.attributes["code"] for row in ordered if row.attributes.get("code")]


def code_changes(codes: Sequence[Mapping[str, str]]) -> dict[str, list[int]]:
    """By file of the code that changed on the way, after how many trainings it did.

    Args:
        codes: of each training, in the order in which they began, by file its digest.
    """
    known: dict[str, str] = {}
    changes: dict[str, list[int]] = {}
    for done, code in enumerate(codes):
        for file, digest in code.items():
            if known.setdefault(file, digest) != digest:
                changes.setdefault(file, []).append(done)
        known |= code
    return changes
