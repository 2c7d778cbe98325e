"""What a report shows of looks that were declared."""

from __future__ import annotations

from ablation.report.analysis import Analysis
from ablation.report.effects.looks import look_rows
from ablation.report.rendering.formatting import chance, records
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.section import Part
from ablation.report.text.settling import about_intervals, looks_text, settled_when
from ablation.report.text.tables.arms import interval
from ablation.statistics.settling import LookFigures, repeated_interval

FILES = ("looks.csv",)
"""Every file that the part may have, for the removal of those that went."""


def look_parts(study: Analysis) -> list[Part]:
    """The looks taken: what they saw of each arm; nothing where no looks were declared.

    Args:
        study: the stage that the verdicts rest on.
    """
    settling, metric = study.settling, study.metric
    if settling is None:
        return []
    rows = look_rows(study.table, settling)
    rows = rows[~rows["arm"].isin(study.awaiting)]
    factor = len(settling.looks) + settling.reserve  # of the declared looks
    lines = [
        f"{looks_text(settling).capitalize()} were declared before the first training. At each, "
        "what is open is tested over its seeds so far. p is the smallest of an arm's looks times "
        f"{factor}, then Holm-adjusted over all comparisons; e, of a difference of the margin or "
        f"more, is the smallest times {factor}. The figures of an arm with a verdict stay, and it "
        "is trained no more unless an open arm is compared with it. An arm without a test, such as "
        "one whose trainings all fail, counts with p = 1 and is trained until the last look.",
        *settled_when(study),
    ]
    if rows.empty:
        return [Part("looks", "Looks", lines)]
    factors = dict(zip(range(1, len(settling.taken) + 1), settling.factors, strict=True))
    cells = [
        [
            f"{row['look']} ({row['seeds']} seeds)",
            row["arm"],
            str(row["pairs"]),
            metric.signed(row["delta"]),
            interval(metric, *_ends(row, factors[row["look"]])),
            *(chance(row["p_holm"]), chance(row["e_looks"]), row["verdict"]),
        ]
        for row in records(rows)
    ]
    titles = ["look", "arm", "pairs", f"effect{metric.heading}", "repeated 95 % interval"]
    titles += ["p (Holm), all looks", "e, all looks", "verdict then"]
    table = TextTable(titles, cells, words=2)
    return [Part("looks", "Looks", [*lines, about_intervals(study.table)], table, {FILES[0]: rows})]


def _ends(row: dict[str, float], factor: int) -> tuple[float, float]:
    figures = LookFigures(int(row["pairs"]), row["delta"], row["sd"])
    return repeated_interval(figures, factor)
