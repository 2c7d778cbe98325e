"""Figures that reports show beside the one that decides, over the same last reports."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from ablation.space.schema import Space
from ablation.storage import TrialRow
from ablation.storage.outcomes import last_of

PREFIX = "over the last reports: "
"""Of columns of trials that no file has."""


def over_last(figure: str) -> str:
    """The column of trials that has the mean of a figure over its last reports."""
    return f"{PREFIX}{figure}"


def is_hidden(column: str) -> bool:
    """Whether a column is one of these."""
    return column.startswith(PREFIX)


def secondary_cells(space: Space, row: TrialRow) -> Mapping[str, float | None]:
    """A trial's figures beside the one that decides: means over the last reports of each.

    What a user's code returned is as it returned it, since there is one value of it.

    Args:
        space: the study's.
        row: the trial, which has a setting.
    """
    attributes, count = row.attributes, last_of(space, row).count
    returned: Mapping[str, float] = attributes.get("returned", {})
    reports = sorted(
        [*attributes.get("history", []), *attributes.get("logged", [])],
        key=lambda report: float(report["epoch"]),
    )
    cells: dict[str, float | None] = {}
    for name in space.outcome.also:
        values = [float(report[name]) for report in reports if name in report][-count:]
        mean = fmean(values) if values else None
        cells[over_last(name)] = returned.get(name, mean)
    return cells
