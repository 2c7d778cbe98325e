"""Data sets and such: never pooled silently, and averaged only where they measure the same."""

from __future__ import annotations

import pandas as pd

from ablation.runs import names as known
from ablation.runs.columns import Columns
from ablation.runs.labels import in_order, preferred, typed
from ablation.runs.names import COMPLETE
from ablation.runs.pairing import Pairing
from ablation.runs.refusal import Reasons, some
from ablation.runs.rows import Rows
from ablation.runs.table import Table

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
            f"runs of one arm are of several values of {name} ({some(values, 8)}): {by}{where}",
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


def common_measure(
    pairing: Pairing, baseline: int | None, columns: Columns, differing: str
) -> tuple[bool, list[str]]:
    """Whether a mean over blocks says something; else why not, as a sentence."""
    if not columns.block:
        return True, []
    if differing:
        return False, [
            f"no mean over {columns.block}: {differing} says that they measure different things"
        ]
    runs = pairing.runs[pairing.runs["state"] == COMPLETE]
    single = runs.groupby(["arm", "key"])["block"].nunique().max() == 1
    if single and runs["block"].nunique() > 1 and pairing.comparison.method != "summaries":
        return False, [
            f"no mean over {columns.block}: no run has the same {pairing.comparison.of} in several "
            f"of them; --seed COLUMN names what belongs together"
        ]
    ours = runs[runs["arm"] == baseline]
    means = ours.groupby("block")["value"].mean().abs()
    if len(means) > 1 and means.max() > TENFOLD * means.min():
        low, high = str(means.idxmin()), str(means.idxmax())
        return False, [
            f"no mean over {columns.block}: the baseline's {columns.metric} differs more than "
            f"tenfold ({low} {means[low]:.4g}, {high} {means[high]:.4g})"
        ]
    return True, []
