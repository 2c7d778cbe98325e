"""What a report shows of arms that are compared in several blocks, such as data sets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ablation.report.analysis import Analysis
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import by_size
from ablation.report.effects.selection import ROOM
from ablation.report.figures.forest import draw_blocks
from ablation.report.sections.figure import Plot
from ablation.report.sections.section import Part
from ablation.report.text.blocks import about_blocks, block_table
from ablation.report.text.captions import about_effects
from ablation.report.text.comparisons import mark

FILES = ("blocks.csv",)
"""Every file that the part may have, for the removal of those that went."""


def block_parts(study: Analysis) -> list[Part]:
    """The effects in each block; nothing where there are none.

    Args:
        study: the stage that the verdicts rest on.
    """
    rows = study.block_effects
    if rows.empty:
        return []
    title, files = f"By {study.table.comparison.block_noun}", {FILES[0]: rows}
    return [
        Part(
            "blocks",
            title,
            [about_blocks(study)],
            block_table(study),
            files,
            plots=partial(_plots, study, title),
        )
    ]


def _plots(study: Analysis, title: str) -> Iterator[Plot]:
    """The forest plot, a panel a block."""
    table, every = study.table, study.block_effects
    every = every[every["against"] != ""]
    rows, note = every, ""
    if len(every) > ROOM:
        rows = by_size(every).head(ROOM).sort_index()
        note = f"{ROOM} of {len(every):,} comparisons, the largest effects; all are in {FILES[0]}."
    if not rows["delta"].notna().any():
        return
    if table.margin:
        band = study.metric.margin(table.margin)
        note = f"Grey band: ±{band}, differences too small to matter here. {note}".strip()
    caption = about_effects(study).replace(", and every pair", "")
    labels = comparison_labels(study.effects, study.effects)
    names = [labels[arm] for arm in rows["arm"]]
    how = mark(table.comparison)
    draw = partial(draw_blocks, rows, table.margin, study.metric, names, note, how)
    yield Plot("blocks", "blocks", title, caption, draw)
