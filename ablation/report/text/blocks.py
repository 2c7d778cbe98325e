"""What is said of arms that are compared in several blocks, such as data sets; their tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ablation.report.analysis import Analysis
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import by_size
from ablation.report.effects.blocks import block_names
from ablation.report.effects.gains import inner_intervals
from ablation.report.rendering.formatting import listed, ranked, records
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import mark, row_behind
from ablation.report.text.tables.arms import brief_columns, by_row, measured

ROOM = 24  # rows that the console shows
ITEMS = 6  # that a sentence has
NAMES = 3  # that the first lines of an answer have
KINDS = ("better", "worse", "equivalent", "inconclusive")


def block_headline(study: Analysis) -> list[str]:
    """What to believe where arms are compared block by block alone."""
    nouns = study.table.comparison.block_nouns
    found = _shown(study, NAMES)
    which = f"Compared on each of {_number(study)}: there is no mean over {nouns}."
    return [which, found or f"No arm is shown to differ from {study.baseline} on any of them."]


def shown_by_block(study: Analysis) -> Iterable[str]:
    """Of arms that are also compared by their means over the blocks: where they differ."""
    if found := _shown(study, NAMES):
        yield f"By {study.table.comparison.block_noun}, {found[0].lower()}{found[1:]}"


def block_findings(study: Analysis) -> Iterable[str]:
    """What arms come to in each block, and what a mean over blocks hides."""
    table = study.table
    if table.blocks.empty:
        return
    yield about_blocks(study)
    rows = by_size(study.block_effects)
    names = _names(study, rows)
    by = f"By {table.comparison.block_noun}"
    for kind in KINDS:
        chosen = rows[rows["verdict"] == kind]
        rows_of_kind = zip(chosen.index, records(chosen), strict=True)
        items = [_item(study, row, names[place]) for place, row in rows_of_kind]
        if items:
            yield f"{by}, {kind}: {ranked(items, [kind] * len(items), ITEMS)}."
    untested = rows[(rows["verdict"] == "") & (rows["against"] != "")]
    if len(untested):
        yield f"{by}, not tested: {listed([names[place] for place in untested.index], ITEMS)}."
    yield from _opposite(study)


def about_blocks(study: Analysis) -> str:
    """Which blocks there are, whether they are averaged, and what that says nothing of."""
    table = study.table
    names = listed(block_names(table.blocks), ITEMS, ", ")
    number, nouns = _number(study), table.comparison.block_nouns
    count = int((study.block_effects["against"] != "").sum())
    family = f"The {count:,} comparisons by {table.comparison.block_noun} are one family (Holm)."
    if table.comparison.has_mean:
        return (
            f"Figures are means over {number} ({names}) by {table.comparison.of}, each of equal "
            f"weight; they speak of these {number}, not of others. {family}"
        )
    why = (
        f"a summary does not say which runs of two {nouns} belong together"
        if table.comparison.method == "summaries"
        else table.comparison.no_mean
    )
    return (
        f"Each of {number} ({names}) by itself, without a mean over them: {why}. The results "
        f"speak of these {number}, not of others. {family}"
    )


def _number(study: Analysis) -> str:
    """``3 data sets``."""
    return study.table.comparison.counted_blocks(len(block_names(study.table.blocks)))


def _names(study: Analysis, rows: pd.DataFrame) -> dict[Any, str]:
    """By row, what it is called: ``gat on amber``."""
    labels = comparison_labels(study.effects, study.effects)
    cells = zip(rows.index, rows["arm"], rows["block"], strict=True)
    return {place: f"{labels[arm]} on {block}" for place, arm, block in cells}


def _item(study: Analysis, row: dict[str, Any], name: str) -> str:
    """``gat on amber +2.02 points (95 % interval +1.27 to +2.78, 5 seeds)``."""
    metric, ends, level = study.metric, (row["ci_low"], row["ci_high"]), "95"
    if row["verdict"] == "equivalent":  # which rests on the other one
        inner = inner_intervals(pd.DataFrame([row])).iloc[0]
        ends, level = (inner["inner_low"], inner["inner_high"]), "90"
    sure = f"{level} % interval {metric.interval(*ends)}"
    return f"{name} {metric.difference(row['delta'])} ({sure}, {row_behind(row, study.table)})"


def _shown(study: Analysis, room: int) -> str:
    """Which arms are better and which worse on what, the largest effects first; may be empty."""
    rows, difference = by_size(study.block_effects), study.metric.difference
    how, names, parts = mark(study.table.comparison), _names(study, rows), []
    for kind in ("better", "worse"):
        chosen = rows[rows["verdict"] == kind]
        items = [
            f"{names[place]} ({', '.join(filter(None, [difference(row['delta']), how]))})"
            for place, row in zip(chosen.index, records(chosen), strict=True)
        ]
        if items:
            parts.append(f"{kind}: {listed(items, room, ', ')}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _opposite(study: Analysis) -> Iterable[str]:
    """Arms whose intervals exclude 0 in both directions, which a mean over blocks hides."""
    rows, metric = study.block_effects, study.metric
    above, below = rows[rows["ci_low"] > 0], rows[rows["ci_high"] < 0]
    names = _names(study, rows)
    for arm in rows["arm"].drop_duplicates():
        up, down = above[above["arm"] == arm], below[below["arm"] == arm]
        if up.empty or down.empty:
            continue
        ends = [up["delta"].idxmax(), down["delta"].idxmin()]
        items = [f"{names[at]} {metric.difference(rows.loc[at, 'delta'])}" for at in ends]
        hides = " A mean over them hides that." if study.table.comparison.has_mean else ""
        yield (
            f"{arm} goes both ways: {listed(items)}; taken alone, both 95 % intervals exclude 0."
            f"{hides}"
        )


def block_table(study: Analysis) -> TextTable:
    """Every block and arm with n, means, spreads, effect and verdict."""
    rows = study.block_effects
    columns = _first(study, rows) | measured(study, rows)
    return TextTable(list(columns), by_row(columns), len(_first(study, rows)))


def brief_block_table(study: Analysis) -> TextTable | None:
    """What of it fits a console; None where there are no blocks."""
    rows = study.block_effects
    if rows.empty:
        return None
    note = ""
    if len(rows) > ROOM:
        compared = rows[rows["against"] != ""]
        first = compared["verdict"].isin(("better", "worse"))
        picked = pd.concat([by_size(compared[first]), by_size(compared[~first])]).head(ROOM)
        note = f"{ROOM} of {len(compared):,} comparisons; all are in blocks.csv."
        rows = picked.sort_index()
    columns = _first(study, rows) | brief_columns(study, rows)
    return TextTable(list(columns), by_row(columns), 2, note=note)


def _first(study: Analysis, rows: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of words."""
    labels = comparison_labels(study.effects, study.effects)
    return {
        study.table.comparison.block_noun: [str(block) for block in rows["block"]],
        "arm": [labels[arm] for arm in rows["arm"]],
    }
