"""Where the best trial of a search lies at an end of what could be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.effects.replicates import best_first
from ablation.report.search.trials import Factors, numeric

NEAR = 0.05  # of a range: so close to its end a trial lies at the edge
FEWEST = 3  # levels: of two, the best is at an end whatever happens


class Edge(NamedTuple):
    """A factor whose value in the best trial lies at an end of what could be drawn.

    Attributes:
        name: of the factor.
        value: the best trial's.
        end: the end that it lies at.
        is_upper: whether that is the upper one.
        low: the lowest value that could be drawn.
        high: the highest.
    """

    name: str
    value: float
    end: float
    is_upper: bool
    low: float
    high: float


def edges(rows: pd.DataFrame, factors: Factors, direction: Direction = "maximize") -> list[Edge]:
    """Where the best trial lies at an end of a range or list of numbers, of three at least.

    A continuous range's end is hardly ever drawn, so within ``NEAR`` of it counts. An end beyond
    which the setting has no values at all is none that could be widened.
    """
    if rows.empty:
        return []
    best = best_first(rows, direction).iloc[0]
    candidates = (_edge(name, factor, best[name]) for name, factor in factors.items())
    return [edge for edge in candidates if edge]


def _edge(name: str, factor: Mapping[str, Any], value: Any) -> Edge | None:
    if pd.isna(value) or not numeric(factor):
        return None
    drawn, near = factor["range"], NEAR
    if not drawn:
        numbers = [float(level) for level in factor["levels"]]
        drawn, near = {"low": min(numbers), "high": max(numbers), "log": False}, 0.0
        if len(numbers) < FEWEST:
            return None
    low, high = float(drawn["low"]), float(drawn["high"])
    step = drawn.get("step")
    if step and (high - low) / step < FEWEST - 1:
        return None
    scale = math.log if drawn["log"] else float
    place = (scale(value) - scale(low)) / (scale(high) - scale(low)) if high > low else 0.5
    for is_upper, end, distance in ((False, low, place), (True, high, 1 - place)):
        if distance <= near and end not in (factor["limits"] or ()):
            return Edge(name, float(value), end, is_upper, low, high)
    return None
