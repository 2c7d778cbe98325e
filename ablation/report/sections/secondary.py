"""What a report shows of the figures beside the metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ablation.objective.metric import Metric
from ablation.objective.outcome import each
from ablation.report.analysis import Analysis
from ablation.report.rendering.formatting import chance, records
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.section import Part

FILES = ("secondary.csv",)
"""Every file that the part may have, for the removal of those that went."""


def secondary_parts(study: Analysis) -> list[Part]:
    """The arms' figures beside the metric; nothing where there are none.

    Args:
        study: the stage that the verdicts rest on.
    """
    rows = study.secondary
    if rows["n"].sum() == 0:
        return []
    shown = study.leading()["arm"]
    columns = {"arm": [str(arm) for arm in shown]}
    for figure, own in rows.groupby("figure", sort=False):
        by_arm = {row["arm"]: row for row in records(own)}
        metric = study.table.metrics.get(str(figure)) or Metric(str(figure))
        cells = [by_arm[arm] for arm in shown]
        columns[f"{metric.text} ± sd"] = [metric.spread(row["mean"], row["sd"]) for row in cells]
        difference = f"difference in {metric.text}{metric.heading}"
        columns[difference] = [_difference(metric, row) for row in cells]
        if not study.table.settling:
            columns[f"{metric.text}: p (Holm)"] = [chance(row["p_holm"]) for row in cells]
    table = TextTable(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])
    return [Part("secondary", "Secondary figures", _about(study), table, {FILES[0]: rows})]


def _difference(metric: Metric, row: Mapping[str, Any]) -> str:
    """With its interval, where there is one."""
    if not math.isfinite(row["ci_low"]):
        return metric.signed(row["delta"])
    return f"{metric.signed(row['delta'])} ({metric.interval(row['ci_low'], row['ci_high'])})"


def _about(study: Analysis) -> list[str]:
    """How to read the table."""
    table = study.table
    word = each(table.words.epoch)
    of = f" of each training's mean of the last {table.over_last} {word}s"
    lines = [
        f"Means over the seeds{of if table.over_last > 1 else ''}; differences from what an arm is "
        "compared with, paired by seed."
    ]
    if table.settling:
        lines.append("There are no tests: the looks at what decides chose the seeds.")
    else:
        lines.append(
            "In brackets 95 % intervals; p is adjusted over the arms of one figure, a family of "
            "its own."
        )
    lines.append(f"They decide nothing: the verdicts are on {study.metric.text} alone.")
    return [" ".join(lines)]
