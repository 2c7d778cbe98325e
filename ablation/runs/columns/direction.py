"""What a figure is: which way is better, its unit, and the margin that follows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ablation.objective.metric import FRACTION, Direction, Metric
from ablation.runs.columns import names as known
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options, format_number
from ablation.runs.refusal import Reasons
from ablation.runs.tables.table import Table

PERCENT = "percent"
MARGINS = {FRACTION: 0.005, PERCENT: 0.5}


def find_direction(
    table: Table, columns: Columns, options: Options, reasons: Reasons
) -> Direction | None:
    """Which way is better: as a person says, as the table says, or by a clear name."""
    own = table.roles.direction if columns.metric == table.roles.metric else None
    found = options.direction or own or known.direction_of(meaning(table, columns))
    if found is None and columns.metric:
        reasons.add(
            f"{columns.metric} does not say whether higher is better: --lower-is-better or "
            "--higher-is-better",
            direction="maximize",
        )
    return found


def meaning(table: Table, columns: Columns) -> str:
    """The name that says what decides: the column's own, unless the table has a better one."""
    is_known = columns.metric == table.roles.metric
    return (table.roles.metric_of if is_known else "") or columns.metric


def direction_source(table: Table, columns: Columns, options: Options) -> str:
    """Who says which way is better: ``as given``, ``by its name``, ``known from …``."""
    if options.direction:
        return "as given"
    if columns.metric == table.roles.metric and table.roles.direction:
        return f"known from {table.roles.exporter or 'the table'}"
    means = meaning(table, columns)
    return "by its name" if means == columns.metric else f"by the name of {means}"


def find_unit(runs: pd.DataFrame, name: str, options: Options, reasons: Reasons) -> str:
    """The unit of a figure: as a person says, or by its name and its values.

    Args:
        runs: with ``value``, ``kind`` and ``line``; of those that count.
        name: of the figure.
        options: what a person has said.
        reasons: gets what speaks against it.
    """
    values = runs["value"].dropna().to_numpy()
    if options.unit is not None:
        unit = PERCENT if options.unit in ("%", PERCENT) else options.unit
        if unit == FRACTION and len(values) and np.abs(values).max() > 1:
            reasons.add(
                f"--unit fraction: {name} goes up to {format_number(values.max())}: --unit percent "
                "where values are percent",
                unit=PERCENT,
            )
        return unit
    signs = (runs["kind"] == PERCENT).any() or known.words_of(name) & {"%", "pct", PERCENT}
    if signs:
        return PERCENT
    if not known.is_rate(name) or not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return FRACTION
    if low >= 1 and high <= 100:
        return PERCENT
    if low >= 0 and high <= 100:
        reasons.add(_mixed(runs, name, low, high), unit=PERCENT)
    return ""


def _mixed(runs: pd.DataFrame, name: str, low: float, high: float) -> str:
    lines = [runs["line"][runs["value"] == value].iloc[0] for value in (low, high)]
    return (
        f"{name} is {format_number(low)} in line {lines[0]} and {format_number(high)} in line "
        f"{lines[1]}: fractions and percent in one column? write all alike; --unit percent if all "
        "of them are percent"
    )


def find_margin(unit: str, options: Options, reasons: Reasons) -> float:
    """The smallest difference that matters; 0 where there is none."""
    if options.margin is None:
        return MARGINS.get(unit, 0.0)
    if not math.isfinite(options.margin) or options.margin < 0:
        reasons.add(f"--margin {options.margin}: takes a number from 0 on")
        return 0.0
    return float(options.margin)


def direction_line(metric: Metric, margin: float, source: str, options: Options) -> str:
    """What a figure was taken for."""
    better = "higher" if metric.direction == "maximize" else "lower"
    units = {FRACTION: "a fraction, shown in percent", PERCENT: "in percent"}
    unit = units.get(metric.unit, f"in {metric.unit}" if metric.unit else "plain numbers")
    if margin:
        given = "" if options.margin is not None else f", the default for {_kind(metric.unit)}"
        size = f"margin {format_number(margin)}{given}"
    else:
        size = "no margin: nothing is called equivalent without --margin"
    return f"{metric.name}: {better} is better ({source}); {unit}; {size}"


def _kind(unit: str) -> str:
    return "a fraction" if unit == FRACTION else "percent"
