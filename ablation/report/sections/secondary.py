"""What a report shows of the figures beside the metric."""

from __future__ import annotations

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.rendering.formatting import records
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
        metric, cells = Metric(str(figure)), [by_arm[arm] for arm in shown]
        columns[f"{figure} ± sd"] = [metric.spread(row["mean"], row["sd"]) for row in cells]
        columns[f"difference in {figure}"] = [metric.signed(row["delta"]) for row in cells]
    line = (
        "Means over the seeds, and differences from what an arm is compared with, paired by seed. "
        "They decide nothing and have no tests: the verdicts are on "
        f"{study.metric.text} alone."
    )
    table = TextTable(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])
    return [Part("secondary", "Secondary figures", [line], table, {FILES[0]: rows})]
