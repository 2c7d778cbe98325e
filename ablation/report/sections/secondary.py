"""What a report shows of the figures beside the metric."""

from __future__ import annotations

from ablation.report.analysis import Analysis
from ablation.report.effects.secondary import AT_LOOKS, SLIGHT
from ablation.report.sections.section import Part
from ablation.report.text.tables.secondary import about_secondary, secondary_table

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
    names = AT_LOOKS if study.settling else {}
    files = {FILES[0]: rows.drop(columns=SLIGHT).rename(columns=names)}
    table = secondary_table(study)
    return [Part("secondary", "Secondary figures", about_secondary(study), table, files)]
