"""Which hyperparameters of a search mattered: words, a table and a figure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import MISSING
from ablation.report.analysis import Analysis
from ablation.report.effects.replicates import DIVERGED, ends, trained
from ablation.report.figures.search import (
    draw_importance,
)
from ablation.report.rendering.formatting import listed
from ablation.report.rendering.text_table import TextTable
from ablation.report.search.importance import (
    ORDERED,
    RESAMPLES,
    STEADY,
    ordered_alike,
    shown_order,
)
from ablation.report.search.trials import Factors, unfinished_levels
from ablation.report.sections.figure import Plot
from ablation.report.sections.section import Part


def importance_part(search: Analysis, importances: pd.DataFrame, notes: list[str]) -> Part:
    """What a report shows of it.

    Args:
        search: the search.
        importances: of `ablation.report.search.importance.importance`.
        notes: from there too.
    """
    table, rows, noun = search.table, search.finished, search.metric.noun
    lines = [_counted(search)]
    if importances.empty:
        return Part("importance", "Which hyperparameters mattered", [*lines, *notes])
    lines.append(
        f"Exploratory, over {len(rows)} settings, one training each. PED-ANOVA: how far the values "
        f"of the best tenth differ from those of all. fANOVA: the share of the variance in {noun} "
        "that a random forest lays on each alone. Neither says which value is better. In brackets "
        f"the spread of PED-ANOVA's estimate: between what 95 % of {RESAMPLES} resamples of the "
        "trials give. It is not an interval that covers the truth."
    )
    lines += _about_forests(importances)
    order, is_ranked = shown_order(importances), ordered_alike(importances)
    lines.append(_about_order(importances, order, is_ranked))
    if len(rows) < STEADY:
        best = -(-len(rows) // 10)
        lines.append(
            f"PED-ANOVA's best tenth is {counted(best, 'setting')} here; Optuna advises five at "
            f"least, which takes {STEADY} settings."
        )
    where = "the highest mean of both is at the top" if is_ranked else "in the space's order"
    caption = f"Each method's figures add up to 100 %; {where}."

    def plots() -> Iterator[Plot]:
        draw = partial(draw_importance, importances, order)
        yield Plot("importance", "importance", "Importance", caption, draw)

    cells = _importance_table(table.factors, importances, order)
    files = {"importance.csv": importances}
    title = "Which hyperparameters mattered"
    return Part("importance", title, [*lines, *notes], cells, files, plots)


def _about_forests(importances: pd.DataFrame) -> list[str]:
    """What fANOVA's figures are means of, where there are any."""
    rows = importances[importances["forests"].notna()]
    if rows.empty:
        return []
    error = 100 * float(rows["standard_error"].max())
    return [
        f"fANOVA's figures are means over {counted(int(rows['forests'].iloc[0]), 'forest')}, ± the "
        f"standard error, of {error:.1f} points at most."
    ]


def _about_order(importances: pd.DataFrame, order: list[str], is_ranked: bool) -> str:
    if is_ranked:
        return f"Both methods put these first: {listed(order[:ORDERED], separator=', ')}."
    if importances["method"].nunique() == 1:
        return "Only one method judges these, so they are not ranked."
    which = "first three" if len(order) > ORDERED else "hyperparameters"
    return (
        f"The two methods do not order the {which} alike, so the hyperparameters are not ranked: "
        "they stand in the space's order."
    )


def _counted(search: Analysis) -> str:
    """What all parts rest on, and what they leave out."""
    table, rows, noun = search.table, search.finished, search.metric.noun
    trials = table.trials[table.trials["stage"] == "search"]
    own = trials[trials["duplicate_of"].isna() & trained(trials, table.epochs)]
    stopped = int((own["state"] == "PRUNED").sum())
    ended = ends(trials)
    diverged = int((ended == DIVERGED).sum())
    again = int((ended == "COMPLETE").sum()) - len(rows)
    text = f"What follows rests on {counted(len(rows), 'complete setting')}."
    if again:
        text += f" A setting drawn before, or without a finite {noun}, does not count: {again}."
    if stopped:
        text += (
            f" Excludes {counted(stopped, 'pruned trial')}; since pruning removes poor settings, "
            "they are under-represented."
        )
    if diverged:
        text += f" Draws that diverged do not count: {diverged}; they have no {noun}."
    if absent := unfinished_levels(table.trials, table.arms, table.factors):
        lost = unfinished_levels(table.trials, table.arms, table.factors, DIVERGED)
        levels_of = [f"{name} ({_ends(stopped, lost[name])})" for name, stopped in absent.items()]
        text += f" No completed trial covers: {listed(levels_of)}."
    return text


def _ends(stopped: int, diverged: int) -> str:
    """``2 stopped, 1 diverged``."""
    return f"{stopped} stopped" + (f", {diverged} diverged" if diverged else "")


def _importance_table(factors: Factors, importances: pd.DataFrame, order: list[str]) -> TextTable:
    methods = list(dict.fromkeys(importances["method"]))
    every = pd.MultiIndex.from_product([order, methods])
    rows = importances.set_index(["parameter", "method"]).reindex(every)
    trials = importances.groupby("parameter")["trials"].max()
    cells = [
        [
            *(name, str(factors[name]["role"])),
            *(_share(rows.loc[(name, method)]) for method in methods),
            str(trials[name]),
        ]
        for name in order
    ]
    return TextTable(["hyperparameter", "role", *methods, "settings"], cells, words=2)


def _share(row: pd.Series[float]) -> str:
    """``12 % (5 to 30)`` or ``12 ± 1 %``; a dash where nothing is known."""
    if pd.isna(row["importance"]):
        return MISSING
    if pd.isna(row["low"]):
        return f"{100 * row['importance']:.0f} ± {100 * row['standard_error']:.1f} %"
    low, high = (f"{100 * row[end]:.0f}" for end in ("low", "high"))
    return f"{100 * row['importance']:.0f} % ({low} to {high})"
