"""What a search's trials show of its factors: pure functions of DataFrames. Exploratory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.search.trials import Factors, levels, scientific

FIGURES = ["trials", "mean_value", "best_value"]


def isolation(
    rows: pd.DataFrame, factors: Factors, direction: Direction = "maximize"
) -> pd.DataFrame:
    """For each level of each scientific factor the best value over everything else drawn.

    Args:
        rows: of `finished`.
        factors: as in ``StudyTable.factors``.
        direction: of the metric.

    Returns:
        ``parameter``, ``level``, ``trials`` (how many have it), ``best_value``, and the
        ``number`` and ``arm`` of that trial; levels in their order, those never drawn left out.
    """
    frames = []
    for name in scientific(factors):
        level = levels(rows[name], factors[name])
        groups = rows.assign(level=level).dropna(subset="level").groupby("level", observed=True)
        values, sizes = groups["value"], groups.size()
        best = rows.loc[list(values.idxmax() if direction == "maximize" else values.idxmin())]
        frames.append(
            pd.DataFrame(
                {
                    "parameter": name,
                    "level": list(sizes.index.astype(str)),
                    "trials": sizes.to_numpy(),
                    "best_value": best["value"].to_numpy(float),
                    "number": best["number"].to_numpy(),
                    "arm": best["arm"].to_numpy(),
                }
            )
        )
    columns = ["parameter", "level", "trials", "best_value", "number", "arm"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def together(
    rows: pd.DataFrame, factors: Factors, one: str, other: str, direction: Direction = "maximize"
) -> pd.DataFrame:
    """Two factors' levels crossed: how many trials, their mean value and the best.

    Returns:
        ``parameter_1``, ``level_1``, ``parameter_2``, ``level_2``, ``trials``,
        ``mean_value``, ``best_value``; combinations never drawn are left out. The
        levels are ordered categories of all levels drawn.
    """
    cells = pd.DataFrame(
        {
            "level_1": levels(rows[one], factors[one]),
            "level_2": levels(rows[other], factors[other]),
            "value": rows["value"],
        }
    ).dropna()
    groups = cells.groupby(["level_1", "level_2"], observed=True)["value"]
    pairs = groups.agg(["size", "mean", "max" if direction == "maximize" else "min"]).set_axis(
        FIGURES, axis=1
    )
    pairs = pairs.reset_index().assign(parameter_1=one, parameter_2=other)
    names = ["parameter_1", "level_1", "parameter_2", "level_2"]
    return pairs[[*names, *FIGURES]]


def surface(rows: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """The distinct points that two numeric factors were drawn at, each with its mean value.

    Returns:
        ``x``, ``y`` (their values), ``trials``, ``mean_value``.
    """
    points = rows[[one, other, "value"]].set_axis(["x", "y", "value"], axis=1)
    groups = points.dropna().groupby(["x", "y"])["value"]
    return groups.agg(["size", "mean"]).set_axis(FIGURES[:2], axis=1).reset_index()


def spans_a_plane(points: pd.DataFrame) -> bool:
    """Whether points of `surface` are not all on one line, nor all of one value."""
    flat = points[["x", "y"]].to_numpy(float)
    extent = np.ptp(flat, axis=0) if len(flat) else np.zeros(2)
    if not extent.all() or points["mean_value"].nunique() < 2:
        return False
    return bool(np.linalg.matrix_rank((flat - flat.mean(axis=0)) / extent, tol=1e-6) == 2)
