"""What trials come to, as their study's space has it now."""

from __future__ import annotations

from typing import Any

from ablation.design.arms import full_length
from ablation.objective import LastReports, OutcomeError, mean_of_last
from ablation.space.outcome import last_reports
from ablation.space.schema import Space
from ablation.storage import TrialRow
from ablation.storage.attributes import DECIDED_BY

LAST = "last_value"
"""The column of trials that has the last report, where their value is a mean over several."""


def last_of(space: Space, row: TrialRow) -> LastReports:
    """Over how many reports the outcome of a trial is a mean.

    Args:
        space: the study's.
        row: the trial, which has a setting.
    """
    values: dict[str, Any] = row.attributes["setting"]
    setting = full_length(space, values) if space.search else space.objective.setting(values)
    return last_reports(space, setting)


def outcome_of(space: Space, row: TrialRow) -> float | None:
    """The value of a trial that came to its end.

    It is the stored one unless the space has changed since, as it may before anybody has looked;
    then it is computed from the trial's reports.

    Args:
        space: the study's.
        row: the trial, which has a setting.

    Returns:
        None where the reports do not tell: there are too few, or the code returned the figure.
    """
    figure, last = space.objective.metric.name, last_of(space, row)
    usual = {"figure": space.objective.usual_figure, "over_last": 1}
    if row.attributes.get(DECIDED_BY, usual) == {"figure": figure, "over_last": last.count}:
        return row.value
    returned = row.attributes.get("returned", {})
    if figure in returned:
        return float(returned[figure]) if last.asked == 1 else None
    try:
        return mean_of_last(row.attributes.get("history", []), figure, last)
    except OutcomeError:
        return None
