"""W&B: the table of runs, a chart, and runs as its own documentation exports them."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from ablation.errors import UserError, one_line
from ablation.runs.exports.prefixes import with_prefixes
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.naming import NamePattern
from ablation.runs.tables.table import Roles, Table

RUNS = "W&B's runs table"
CHART = "W&B's chart"
BOOKKEEPING = (
    "Name", "ID", "Agent", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "Group",
    "Job Type", "Host", "Hostname", "OS", "Path", "Commit", "Python version", "Start time",
    "End time", "Updated", "Heartbeat", "GPU Type", "GPU Count", "Github", "GitHub", "Description",
)  # fmt: skip
OF_CHART = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<end>__MIN|__MAX)?")
STEPS = ("Step", "epoch", "Relative Time (Process)", "Relative Time (Wall)", "Wall Time")


def runs_table(table: Table) -> Table | None:
    """The table of a project's runs, whose columns do not say what is a setting.

    Returns:
        It, with what its own columns are; None for another table.
    """
    if not {"Name", "State", "Created"} <= set(table.names):
        return None
    others = [name for name in table.names if name in BOOKKEEPING or name.startswith("_")]
    roles = Roles(
        exporter=RUNS, state="State", created="Created",
        run="ID" if "ID" in table.names else "Name", others=tuple(others),
    )  # fmt: skip
    return with_prefixes(replace(table, roles=roles))


def is_chart(table: Table) -> bool:
    """Whether a table has a chart's columns: a step, and ``RUN - METRIC`` with their extremes."""
    lines = _lines(table)
    steps = [name for name in table.names if name and name not in lines]
    ends = any(match["end"] for match in lines.values())
    return len(lines) > 1 and len(steps) == 1 and (ends or steps[0] in STEPS)


def _lines(table: Table) -> dict[str, re.Match[str]]:
    return {name: match for name in table.names if (match := OF_CHART.fullmatch(name))}


def chart(table: Table, pattern: str) -> Table | None:
    """A chart's lines as rows: ``run``, the step, and the metric.

    Args:
        table: with columns ``RUN - METRIC``, and their ``__MIN`` and ``__MAX``.
        pattern: of the runs' names, such as ``{arm}-s{seed}``; empty where they say nothing.

    Returns:
        One row a run and step, whatever the chart's x axis is called; None for another table.

    Raises:
        UserError: its lines are means of groups.
    """
    if not is_chart(table):
        return None
    lines = _lines(table)
    steps = [name for name in table.names if name and name not in lines]
    read = table.read(table.names)
    _refuse_groups(read, lines)
    metrics = dict.fromkeys(match["metric"] for match in lines.values())
    metrics = {name: None for name in metrics if not name.startswith("_")}
    names = list(dict.fromkeys(match["run"] for match in lines.values()))
    said = NamePattern(pattern).read(names) if pattern else [{} for _ in names]
    frames = []
    for run, of_run in zip(names, said, strict=True):
        own = {metric: read.get(f"{run} - {metric}") for metric in metrics}
        figures = pd.DataFrame({name: each for name, each in own.items() if each is not None})
        rows = read[steps].join(figures).assign(run=run, **of_run)
        frames.append(rows[(figures != "").any(axis=1)])
    order = ["run", *said[0], *steps, *metrics]
    frame = pd.concat(frames).reindex(columns=order).fillna("").astype(str)
    roles = Roles(
        exporter=CHART, run="run", epoch=steps[0], figures=tuple(metrics),
        arm="arm" if "arm" in order else "", seed="seed" if "seed" in order else "",
        metric=next(iter(metrics)) if len(metrics) == 1 else "",
    )  # fmt: skip
    return frame_table(frame, table, roles=roles)


def _refuse_groups(read: pd.DataFrame, lines: dict[str, re.Match[str]]) -> None:
    """Refuse lines that are means over runs: their least and greatest differ, or they say so."""
    for name, match in lines.items():
        low, high = (read.get(f"{name}{end}") for end in ("__MIN", "__MAX"))
        differ = low is not None and high is not None and bool((low != high).any())
        if differ or match["run"].startswith("Group: "):
            raise UserError(
                f"{one_line(name)}: a chart of group means, not of runs (__MIN and __MAX differ), "
                "so nothing of the runs' spread can be seen; remove the grouping and export again, "
                "or download the runs table as CSV"
            )
