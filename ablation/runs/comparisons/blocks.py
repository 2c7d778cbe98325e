"""Data sets and such: never pooled silently, and averaged only where they measure the same."""

from __future__ import annotations

import pandas as pd

from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE
from ablation.runs.columns.roles import Columns
from ablation.runs.comparisons.pairing import Pairing
from ablation.runs.refusal import Reasons
from ablation.runs.rows.rows import Rows
from ablation.runs.tables.table import Table
from ablation.runs.wording import in_order, preferred, shown_value, some, typed

TENFOLD = 10
MOST_BLOCKS = 50


def check_pooling(
    table: Table, runs: pd.DataFrame, columns: Columns, known_reasons: str, reasons: Reasons
) -> None:
    """Refuse runs of one arm that are of several data sets, splits or checkpoints.

    Args:
        table: what was read.
        runs: a row a run.
        columns: which column is what.
        known_reasons: what doubles were refused for, which is not said again.
        reasons: gets the columns.
    """
    names = [name for name in table.names if name not in columns.all and name not in columns.epochs]
    tasks = [name for name in names if known.is_task(name, table.head[name])]
    splits = [name for name in names if known.leaf(name) in known.SPLITS]
    if not tasks and not splits:
        return
    complete = runs[runs["state"] == COMPLETE]
    cells = table.read([*tasks, *splits]).iloc[complete["place"]]
    for name in dict.fromkeys([*tasks, *splits]):
        values = in_order(list(cells[name].unique()))
        by_arm = cells[name].groupby(complete["arm"].to_numpy())
        if not (by_arm.nunique() > 1).any() or f"{name} (" in known_reasons:
            continue
        if len(values) > MOST_BLOCKS or by_arm.nunique().sum() <= len(values):
            continue  # its values are of single arms
        condition = f"{name}={preferred(values)}"
        where = typed("--where", condition)
        by = (
            f"{typed('--by', name)} for an analysis of each and of their mean, or "
            if name in tasks
            else ""
        )
        fix = {"by": name} if name in tasks and not columns.block else {"where": (condition,)}
        reasons.add(
            f"runs of one arm are of several values of {name} "
            f"({some(map(shown_value, values), 8)}): {by}{where}",
            **fix,
        )


def check_measures(rows: Rows, columns: Columns, reasons: Reasons) -> str:
    """The column that says that blocks measure different things; empty where none does."""
    differing = ""
    for name in columns.measures:
        texts = rows.measures[name]
        if texts.nunique() < 2:
            continue
        values = in_order(list(texts.unique()))
        within = texts.groupby(rows.frame["block"]).nunique()
        directions = {known.direction_of(value) for value in values}
        if not columns.block or (within > 1).any() or directions >= {"maximize", "minimize"}:
            reasons.add(
                f"{columns.metric} holds different measures, by {name} ({some(values, 8)}): "
                f"{typed('--where', f'{name}={values[0]}')}",
                where=(f"{name}={values[0]}",),
            )
        else:
            differing = name
    return differing


def without_empty_blocks(runs: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, list[str]]:
    """Runs without the blocks in which no run of any arm has the figure; what is said of them."""
    if not columns.block:
        return runs, []
    has_figure = runs["value"].notna().groupby(runs["block"]).transform("any")
    empty = in_order(list(runs["block"][~has_figure].unique()))
    if not empty or not has_figure.any():
        return runs, []
    return runs[has_figure], [
        f"{columns.metric} is empty in every run on {some(empty, 8)} ({columns.block}): left out"
    ]


def why_no_mean(pairing: Pairing, baseline: int | None, columns: Columns, differing: str) -> str:
    """Why a mean over blocks would say nothing, as the end of a sentence; empty where it does."""
    if not columns.block:
        return ""
    if differing:
        return f"{differing} says that they measure different things"
    runs = pairing.runs[pairing.runs["state"] == COMPLETE]
    if pairing.comparison.method != "summaries" and (why := _why_incomplete(pairing, baseline)):
        return why
    ours = runs[runs["arm"] == baseline]
    means = ours.groupby("block")["value"].mean().abs()
    if len(means) > 1 and means.max() > TENFOLD * means.min():
        low, high = str(means.idxmin()), str(means.idxmax())
        return (
            f"the baseline's {columns.metric} differs more than tenfold "
            f"({low} {means[low]:.4g}, {high} {means[high]:.4g})"
        )
    return ""


def _why_incomplete(pairing: Pairing, baseline: int | None) -> str:
    """Why no two arms can be compared by their means over all blocks; empty where two can."""
    runs, of = pairing.runs[pairing.runs["state"] == COMPLETE], pairing.comparison.of
    count = runs["block"].nunique()
    sizes = runs.groupby(["arm", "key"])["block"].nunique()
    if count < 2:
        return ""
    if sizes.max() == 1:
        return (
            f"no {of} is in several of them, so nothing says which results belong together; "
            "--seed COLUMN names what does"
        )
    whole = sizes[sizes == count].reset_index()
    ours, others = whole[whole["arm"] == baseline], whole[whole["arm"] != baseline]
    if pairing.comparison.is_paired:
        others = others[others["key"].isin(ours["key"])]
    if len(ours) and len(others):
        return ""
    return f"no {of} of the baseline and of another arm has a result in each of {count:,}"
