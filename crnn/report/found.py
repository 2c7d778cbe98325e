"""What a search's finished trials show: pure functions of DataFrames, exploratory all of them.

A trial counts once it has finished with a finite accuracy, and a setting that was drawn twice
counts once (`crnn.report.effects.replicates`). Trials that a pruner stopped do not count: they were
stopped because they were bad, at an earlier epoch than the others ended. A confirmation's trials do
not count either: they were trained longer, and chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crnn.report.effects import replicates

Factors = Mapping[str, Mapping[str, Any]]
FIGURES = ["number", "arm", "val_accuracy", "parameters", "macs", "seconds"]
MOST_LEVELS = 10  # a range of which more values were drawn is cut into
BINS = 6  # parts of equal width
NEAR = 0.05  # of a range: so close to its end a trial lies at the edge
FEWEST = 3  # levels of a list: of two, the best is at an end whatever happens


def finished(trials: pd.DataFrame, arms: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """The trials of a search that count, in the order of their numbers.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: as in ``StudyTable.arms``.
        factors: as in ``StudyTable.factors``.

    Returns:
        ``FIGURES``, then a column a factor: numbers where all its values are numbers, else text;
        empty where it has no effect in that trial or was not drawn.
    """
    done = replicates(trials[trials["stage"] == "search"]).sort_values("number")
    texts = done[["arm"]].merge(arms, on="arm", how="left").set_index(done.index)
    columns = {name: _values(done[name], texts[name], factors[name]) for name in factors}
    values = pd.DataFrame(columns, index=done.index)
    return pd.concat([done[FIGURES], values], axis=1).reset_index(drop=True)


def _values(
    drawn: pd.Series[Any], texts: pd.Series[str], factor: Mapping[str, Any]
) -> pd.Series[Any]:
    """A factor's values: of a range as they were drawn, of a list as its levels' texts have them."""
    known = texts.where(texts != "")
    if not numeric(factor):
        return known
    return pd.to_numeric(drawn.where(known.notna()) if factor["range"] else known).astype(float)


def numeric(factor: Mapping[str, Any]) -> bool:
    """Whether a factor's values are numbers: those of a range, or of a list of nothing else."""
    if factor["range"]:
        return True
    try:
        return all(math.isfinite(float(level)) for level in factor["levels"])
    except ValueError:
        return False


def scientific(factors: Factors) -> list[str]:
    """The factors that the study is to conclude on."""
    return [name for name, factor in factors.items() if factor["role"] == "scientific"]


def levels(values: pd.Series[Any], factor: Mapping[str, Any]) -> pd.Series[Any]:
    """A factor's column of `finished` as ordered levels, empty where it is.

    Values of a range of which more than ``MOST_LEVELS`` were drawn are put together in ``BINS``
    parts of the range, of equal width on the scale that it was drawn on.
    """
    if not numeric(factor):
        return values.astype(pd.CategoricalDtype(factor["levels"], ordered=True))
    known = np.sort(values.dropna().unique())
    if factor["range"] and len(known) > MOST_LEVELS:
        return _parts(values, **factor["range"])
    texts = values.map("{:.6g}".format, na_action="ignore")
    order = list(dict.fromkeys(f"{value:.6g}" for value in known))
    return texts.astype(pd.CategoricalDtype(order, ordered=True))


def _parts(values: pd.Series[Any], low: float, high: float, log: bool, **_: Any) -> pd.Series[Any]:
    spaced = np.geomspace if log else np.linspace
    ends = spaced(low, high, BINS + 1)
    ends[[0, -1]] = low, high
    names = [f"{a:.3g} to {b:.3g}" for a, b in zip(ends[:-1], ends[1:], strict=True)]
    return pd.cut(values.clip(low, high), list(ends), labels=names, include_lowest=True)


def isolation(rows: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """For each level of each scientific factor the best accuracy over everything else drawn.

    Args:
        rows: of `finished`.
        factors: as in ``StudyTable.factors``.

    Returns:
        ``parameter``, ``level``, ``trials`` (how many have it), ``best_val_accuracy``, and the
        ``number`` and ``arm`` of that trial; levels in their order, those never drawn left out.
    """
    found = []
    for name in scientific(factors):
        level = levels(rows[name], factors[name])
        groups = rows.assign(level=level).dropna(subset="level").groupby("level", observed=True)
        best = rows.loc[groups["val_accuracy"].idxmax()]
        found.append(
            pd.DataFrame(
                {
                    "parameter": name,
                    "level": [str(key) for key in groups.groups],
                    "trials": groups.size().to_numpy(),
                    "best_val_accuracy": best["val_accuracy"].to_numpy(float),
                    "number": best["number"].to_numpy(),
                    "arm": best["arm"].to_numpy(),
                }
            )
        )
    columns = ["parameter", "level", "trials", "best_val_accuracy", "number", "arm"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def together(rows: pd.DataFrame, factors: Factors, one: str, other: str) -> pd.DataFrame:
    """Two factors' levels crossed: how many trials, their mean accuracy and the best.

    Returns:
        ``parameter_1``, ``level_1``, ``parameter_2``, ``level_2``, ``trials``,
        ``mean_val_accuracy``, ``best_val_accuracy``; combinations never drawn are left out. The
        levels are ordered categories of all levels drawn.
    """
    cells = pd.DataFrame(
        {
            "level_1": levels(rows[one], factors[one]),
            "level_2": levels(rows[other], factors[other]),
            "val_accuracy": rows["val_accuracy"],
        }
    ).dropna()
    groups = cells.groupby(["level_1", "level_2"], observed=True)["val_accuracy"]
    found = groups.agg(trials="size", mean_val_accuracy="mean", best_val_accuracy="max")
    found = found.reset_index().assign(parameter_1=one, parameter_2=other)
    names = ["parameter_1", "level_1", "parameter_2", "level_2"]
    return found[[*names, "trials", "mean_val_accuracy", "best_val_accuracy"]]


def surface(rows: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """The distinct points that two numeric factors were drawn at, each with its mean accuracy.

    Returns:
        ``x``, ``y`` (their values), ``trials``, ``mean_val_accuracy``.
    """
    points = rows[[one, other, "val_accuracy"]].set_axis(["x", "y", "val_accuracy"], axis=1)
    groups = points.dropna().groupby(["x", "y"])["val_accuracy"]
    return groups.agg(trials="size", mean_val_accuracy="mean").reset_index()


def spans_a_plane(points: pd.DataFrame) -> bool:
    """Whether points of `surface` are not all on one line, nor all of one accuracy."""
    flat = points[["x", "y"]].to_numpy(float)
    extent = np.ptp(flat, axis=0) if len(flat) else np.zeros(2)
    if not extent.all() or points["mean_val_accuracy"].nunique() < 2:
        return False
    return bool(np.linalg.matrix_rank((flat - flat.mean(axis=0)) / extent, tol=1e-6) == 2)


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


def edges(rows: pd.DataFrame, factors: Factors) -> list[Edge]:
    """Where the best trial lies at an end of a range, or of a list of three numbers at least.

    A continuous range's end is hardly ever drawn, so within ``NEAR`` of it counts. An end beyond
    which the setting has no values at all is none that could be widened.
    """
    if rows.empty:
        return []
    best = rows.loc[rows["val_accuracy"].idxmax()]
    found = (_edge(name, factor, best[name]) for name, factor in factors.items())
    return [edge for edge in found if edge]


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
    scale = math.log if drawn["log"] else float
    place = (scale(value) - scale(low)) / (scale(high) - scale(low)) if high > low else 0.5
    for is_upper, end, distance in ((False, low, place), (True, high, 1 - place)):
        if distance <= near and end not in (factor["limits"] or ()):
            return Edge(name, float(value), end, is_upper, low, high)
    return None
