"""What a training comes to: which of its figures decides, over which of its reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ablation.errors import did_you_mean
from ablation.objective import LastReports, Objective, Setting
from ablation.space.outcome_section import Outcome
from ablation.space.schema import Space

COLUMN = "outcome"
"""The column of tables of trials that has a mean over several reports."""


def last_reports(space: Space, setting: Setting) -> LastReports:
    """Over how many of its last reports the outcome of an arm's training is a mean.

    A search's shorter trainings take the same share of theirs.

    Args:
        space: the space.
        setting: the arm's, at full length.
    """
    epochs = space.objective.epochs
    return LastReports.of(space.outcome.over_last, epochs(space.trained(setting)), epochs(setting))


def is_mean(space: Space) -> bool:
    """Whether the outcome of a training is more than its last report.

    It is the same for a search and for what confirms it.
    """
    length, epochs = space.objective.length, space.objective.epochs(space.baseline)
    varied = {*(factor.name for factor in space.factors)}
    varied.update(name for arm in space.arms.values() for name in arm.set)
    return space.outcome.over_last > 1 and (epochs != 1 or length in varied)


def decided_by(objective: Objective, part: Outcome, document: Mapping[str, Any]) -> Objective:
    """The objective with the figure that a document has decide.

    Args:
        objective: what the document is of.
        part: its section on the outcome.
        document: what a space's file holds.

    Raises:
        UserError: that figure cannot decide.
    """
    own = document.get("metric") if objective.beside_space else None
    return objective.deciding_by(part.of or str(own or objective.usual_figure))


def also_errors(objective: Objective, part: Outcome) -> Iterator[str]:
    """What is wrong with the figures that are shown beside the one that decides, a line each."""
    metric = objective.metric.name
    valid = [name for name in objective.figures if name != metric]
    for name in part.also:
        if name == metric:
            yield f"outcome.also: {name} is what decides; take it out"
        elif not objective.free_figures and name not in valid:
            yield f"outcome.also: no epoch has a {name}; {did_you_mean(name, valid)}"
