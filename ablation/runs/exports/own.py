"""This project's own ``trials.csv``."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ablation.objective.metric import Direction
from ablation.runs.tables.table import Roles, Table

FIRST = ["stage", "number", "state", "arm", "is_baseline", "replicate", "seed"]
OUTCOME = "outcome"
OTHERS = (
    "stage", "number", "replicate", "best_epoch", "reports", "sequence_length", "parameters",
    "macs", "seconds", "device", "precision", "threads", "fused", "started", "finished", "failure",
    "duplicate_of", "diverged", "chance", "chance_limit",
)  # fmt: skip


def own_trials(table: Table) -> Table | None:
    """The trials of a study of this project, by the columns that it begins with.

    Returns:
        The table; None for another one.
    """
    names = table.names
    if names[: len(FIRST)] != FIRST or "best_epoch" not in names:
        return None
    metric = names[names.index("best_epoch") - 1].removeprefix("best_")
    if metric not in names:
        return None
    begin, end = names.index(metric), names.index("best_epoch") - 1
    is_mean = names[begin - 1] == OUTCOME  # over several reports, and that decided
    lines = [
        f"{OUTCOME} decided in that study: it is the mean of {metric} over a training's last "
        f"reports, {metric} that of its last one"
    ]
    figures = names[begin - is_mean : end]
    test = metric.replace("val_", "test_", 1) if "val_" in metric else f"test_{metric}"
    roles = Roles(
        exporter="trials of a study of this project", arm="arm", seed="seed", state="state",
        baseline="is_baseline", run="number", created="started", metric=figures[0],
        metric_of=metric, direction=_direction(table.head, metric),
        figures=tuple(figures), test=test if test in figures else "",
        settings=tuple(names[len(FIRST) : begin - is_mean]),
        others=tuple(name for name in names if name in OTHERS),
    )  # fmt: skip
    return replace(table, roles=roles, lines=[*table.lines, *(lines if is_mean else [])])


def _direction(rows: pd.DataFrame, metric: str) -> Direction | None:
    """Which way is better: that in which best reports differ from last ones; None if none does."""
    best, last = (pd.to_numeric(rows[name], errors="coerce") for name in (f"best_{metric}", metric))
    if (best > last).any() == (best < last).any():
        return None
    return "maximize" if (best > last).any() else "minimize"
