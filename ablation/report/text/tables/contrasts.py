"""The table of a factorial's contrasts."""

from __future__ import annotations

from typing import Any

from ablation.report.analysis import Analysis
from ablation.report.effects.contrasts import most_telling
from ablation.report.effects.selection import ROOM
from ablation.report.rendering.formatting import chance, records
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.tables.arms import interval


def contrasts_table(study: Analysis, room: int = ROOM) -> TextTable | None:
    """Main effects, interactions and sums of effects; None where there are none.

    Where there is no room for all of them, the significant ones by size, then the largest.
    """
    contrasts, metric = study.contrasts, study.metric
    if contrasts.empty:
        return None
    count = len(contrasts)
    contrasts = most_telling(contrasts).head(room).sort_index()
    cells = [
        [
            *(row["kind"], row["term"], str(row["n"]), metric.signed(row["delta"])),
            *(interval(metric, row["ci_low"], row["ci_high"]), _chance(row)),
        ]
        for row in records(contrasts)
    ]
    titles = ["kind", "what", "seeds", f"effect{metric.heading}", "95 % interval", "p (Holm)"]
    note = f"{len(cells)} of {count:,} combinations: the significant and the largest ones."
    return TextTable(titles, cells, words=2, note=note if len(cells) < count else "")


def _chance(row: dict[str, Any]) -> str:
    """The p of a contrast, and why it is no finding, if it is none."""
    return f"{chance(row['p_holm'])} ({row['reason']})" if row["reason"] else chance(row["p_holm"])


def about_contrasts(study: Analysis) -> str:
    """How to read the table of them."""
    kinds, lines = set(study.contrasts["kind"]), []
    if kinds & {"main", "interaction"}:
        lines.append(
            "Main: the mean over the cells with one level less that over those with the other. "
            "Interaction: the effect of either change with the other, minus its effect without it. "
            "Each is computed seed by seed, over the seeds that have all of its cells, and tested "
            "as pairs are."
        )
    if "additivity" in kinds:
        lines.append(
            "Additivity: the effect of an arm that changes several settings, less the sum of what "
            "each of them does alone; paired by seed. Where the interval excludes 0, they do not "
            "add up."
        )
    last = "p is Holm-adjusted within its kind."
    if study.settling:
        last = (
            "Exploratory: over the seeds that all of its arms have, and p is adjusted within its "
            "kind (Holm) and not for the looks."
        )
    return " ".join([*lines, last])
