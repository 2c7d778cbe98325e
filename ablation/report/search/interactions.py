"""What a search's trials show of its factors: pure functions of DataFrames. Exploratory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.report.search.trials import Factors, levels, scientific

FIGURES = ["trials", "mean_val_accuracy", "best_val_accuracy"]


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
        best, sizes = rows.loc[list(groups["val_accuracy"].idxmax())], groups.size()
        found.append(
            pd.DataFrame(
                {
                    "parameter": name,
                    "level": list(sizes.index.astype(str)),
                    "trials": sizes.to_numpy(),
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
    found = groups.agg(["size", "mean", "max"]).set_axis(FIGURES, axis=1)
    found = found.reset_index().assign(parameter_1=one, parameter_2=other)
    names = ["parameter_1", "level_1", "parameter_2", "level_2"]
    return found[[*names, *FIGURES]]


def surface(rows: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """The distinct points that two numeric factors were drawn at, each with its mean accuracy.

    Returns:
        ``x``, ``y`` (their values), ``trials``, ``mean_val_accuracy``.
    """
    points = rows[[one, other, "val_accuracy"]].set_axis(["x", "y", "val_accuracy"], axis=1)
    groups = points.dropna().groupby(["x", "y"])["val_accuracy"]
    return groups.agg(["size", "mean"]).set_axis(FIGURES[:2], axis=1).reset_index()


def spans_a_plane(points: pd.DataFrame) -> bool:
    """Whether points of `surface` are not all on one line, nor all of one accuracy."""
    flat = points[["x", "y"]].to_numpy(float)
    extent = np.ptp(flat, axis=0) if len(flat) else np.zeros(2)
    if not extent.all() or points["mean_val_accuracy"].nunique() < 2:
        return False
    return bool(np.linalg.matrix_rank((flat - flat.mean(axis=0)) / extent, tol=1e-6) == 2)
