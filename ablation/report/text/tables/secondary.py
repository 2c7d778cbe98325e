"""Tables of the figures beside the metric, and how to read them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ablation.objective.metric import MISSING, Metric
from ablation.objective.outcome import each, mean_text
from ablation.report.analysis import Analysis
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.secondary import SLIGHT, Figure, secondary_figures
from ablation.report.rendering.formatting import chance, marked, records
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import interval_text
from ablation.report.text.tables.arms import brief_title, by_row, interval

MOST_ON_CONSOLE = 2  # figures, a table each


def secondary_table(study: Analysis) -> TextTable:
    """All figures beside the metric, arm by arm."""
    shown = study.leading()["arm"]
    columns = {"arm": [str(arm) for arm in shown]}
    for figure in secondary_figures(study.table):
        metric, rows = figure.metric, _rows(study, figure, shown)
        spreads = zip(rows["mean"], rows["sd"], strict=True)
        columns[f"{metric.text} ± sd"] = [metric.spread(*pair) for pair in spreads]
        difference = f"difference in {metric.text}{metric.heading}"
        columns[difference] = [_difference(metric, row) for row in records(rows)]
        if _is_tested(study):
            columns[f"{metric.text}: p (Holm)"] = [chance(p) for p in rows["p_holm"]]
            columns[f"{metric.text}: verdict"] = _verdicts(study, rows)
    return TextTable(list(columns), by_row(columns))


def brief_secondary_tables(study: Analysis) -> list[TextTable]:
    """What fits a console: a table a figure, of the first few; none of a search."""
    if not study.secondary["n"].sum() or not _is_tested(study):
        return []
    effects = study.leading()
    names = list(comparison_labels(study.effects, effects).values())
    figures, tables = secondary_figures(study.table), []
    for place, figure in enumerate(figures[:MOST_ON_CONSOLE], 1):
        metric, rows = figure.metric, _rows(study, figure, effects["arm"])
        ends = zip(rows["ci_low"], rows["ci_high"], strict=True)
        columns = {
            "arm": names,
            "n": [str(n) for n in rows["n"]],
            brief_title(metric): [metric.value(x) for x in rows["mean"]],
            "effect": [metric.signed(x) for x in rows["delta"]],
            "95 % interval": [interval(metric, *pair) for pair in ends],
            "verdict": _verdicts(study, rows),
        }
        note = (
            f"Secondary, tested as a family of its own: {_text(study, figure)}. It decides nothing."
        )
        if place == MOST_ON_CONSOLE < len(figures):
            note += f" {len(figures) - place} more in secondary.csv."
        tables.append(TextTable(list(columns), by_row(columns), note=note))
    return tables


def about_secondary(study: Analysis) -> list[str]:
    """How to read the table of the page."""
    return [" ".join(_sentences(study))]


def _sentences(study: Analysis) -> Iterator[str]:
    table = study.table
    word = each(table.words.epoch)
    of = f" of each training's mean of the last {table.over_last} {word}s"
    yield (
        f"Means over the seeds{of if table.over_last > 1 else ''}; differences from what an arm is "
        "compared with, paired by seed."
    )
    if not _is_tested(study):
        yield f"They decide nothing: recommendations rest on {study.metric.text} alone."
        return
    yield f"In brackets {interval_text(table)}s."
    if study.settling:
        factor = len(study.settling.looks) + study.settling.reserve
        yield (
            f"The looks at {study.metric.text} chose how many seeds an arm has, so p is that of "
            f"its last look times {factor}, which holds whichever look that is, then adjusted over "
            "the arms of one figure, a family of its own."
        )
    else:
        yield "p is adjusted over the arms of one figure, a family of its own."
    if study.awaiting:
        yield "What awaits a look has means only."
    figures = secondary_figures(table)
    if table.margin and any(figure.margin for figure in figures):
        yield f"The margin is the same, ±{study.metric.margin(table.margin)}."
    if not all(figure.is_directed for figure in figures):
        yield (
            "Higher or lower is said of a figure of which it is not known whether more is better; "
            "without a margin nothing is equivalent."
        )
    yield from (figure.metric.about for figure in figures if figure.metric.about)
    rest = "seeds and recommendations rest" if study.settling else "recommendations rest"
    yield f"These verdicts decide nothing: {rest} on {study.metric.text} alone."


def _is_tested(study: Analysis) -> bool:
    """Whether arms have several seeds: a search has one training a setting."""
    return study.table.design != "search"


def _text(study: Analysis, figure: Figure) -> str:
    """``mean validation accuracy of the last 5 epochs``."""
    table, text = study.table, figure.metric.text
    return mean_text(text, table.over_last, table.words.epoch) if table.over_last > 1 else text


def _rows(study: Analysis, figure: Figure, arms: pd.Series[Any]) -> pd.DataFrame:
    """The rows of one figure, in the order of these arms."""
    every = study.secondary
    own = every[every["figure"] == figure.metric.name].set_index("arm", drop=False)
    return own.loc[list(arms)]


def _verdicts(study: Analysis, rows: pd.DataFrame) -> list[str]:
    return [
        MISSING
        if not row["against"]
        else marked(row["verdict"], row["arm"] in study.confounded, row[SLIGHT], row["reason"])
        for row in records(rows)
    ]


def _difference(metric: Metric, row: dict[str, Any]) -> str:
    """With its interval, where there is one."""
    if not math.isfinite(row["ci_low"]):
        return metric.signed(row["delta"])
    return f"{metric.signed(row['delta'])} ({metric.interval(row['ci_low'], row['ci_high'])})"
