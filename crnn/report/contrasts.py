"""Combinations of arms: a factorial's main effects and interactions, and whether effects add up.

Pure functions of DataFrames. Accuracies and differences are fractions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from patsy import build_design_matrices, dmatrices

from crnn.report.effects import crossed, paired, replicates
from crnn.report.inference import holm, paired_test

COLUMNS = ["kind", "term", "n", "delta", "ci_low", "ci_high", "p_value", "p_holm"]


def contrasts(
    trials: pd.DataFrame, arms: pd.DataFrame, design: str, factors: Sequence[str]
) -> pd.DataFrame:
    """The contrasts of a study; the columns ``COLUMNS``, empty where there are none.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm, as in ``StudyTable.arms``.
        design: of the study.
        factors: the factors' names, columns of ``arms``.

    Returns:
        ``kind`` is ``main``, ``interaction`` or ``additivity``, each a Holm family of its own;
        ``n`` counts seeds.
    """
    rows: list[dict[str, object]] = []
    if design == "factorial":
        rows += _factorial(trials, arms, factors)
    if design != "search":
        rows += _additivity(trials, arms)
    found = pd.DataFrame(rows, columns=COLUMNS)
    adjusted = found.groupby("kind", sort=False)["p_value"].transform(lambda p: holm(list(p)))
    found["p_holm"] = adjusted.where(found["p_value"].notna())
    return found


def empty_cells(trials: pd.DataFrame, arms: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """The arms of a factorial's grid in which no replicate has finished."""
    done = set(replicates(trials)["arm"])
    return [arm for arm in _grid(arms, factors)["arm"] if arm not in done]


def inactive_arms(arms: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """The crossed arms in which a factor has no effect, and which no average contains."""
    active = set(_grid(arms, factors)["arm"])
    return [arm for arm in crossed(arms)["arm"] if arm not in active]


def _grid(arms: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """The crossed arms in which every factor has an effect."""
    grid = crossed(arms)
    active: pd.DataFrame = grid[(grid[list(factors)] != "").all(axis=1)]
    return active


def _factorial(
    trials: pd.DataFrame, arms: pd.DataFrame, factors: Sequence[str]
) -> list[dict[str, object]]:
    """Sum-coded least squares with seeds as blocks; nothing where cells or spread are lacking."""
    grid = _grid(arms, factors)
    varied = [name for name in factors if grid[name].nunique() > 1]
    reference = {name: _reference(grid[name], str(arms[name].iloc[0])) for name in varied}
    # Names of factors and levels are the user's: the formula has its own.
    short = {name: f"factor{place}" for place, name in enumerate(varied)}
    columns = grid[["arm", *varied]].rename(columns=short)
    data = columns.merge(replicates(trials)[["arm", "seed", "val_accuracy"]], on="arm")
    cells = columns.drop(columns="arm").drop_duplicates()
    full = math.prod(grid[name].nunique() for name in varied)
    if not varied or len(cells) < full or len(data["arm"].unique()) < len(grid):
        return []
    terms = " + ".join(f"C({column}, Sum)" for column in short.values())
    blocks = "C(seed, Sum) + " if data["seed"].nunique() > 1 else ""
    outcome, design = dmatrices(f"val_accuracy ~ {blocks}({terms}) ** 2", data)
    fit = sm.OLS(outcome, design).fit()
    if fit.df_resid < 1 or fit.ssr <= 1e-18 or fit.model.rank < fit.model.exog.shape[1]:
        return []
    frame = cells.assign(seed=data["seed"].iloc[0])
    (matrix,) = build_design_matrices([design.design_info], frame)
    levels = {name: [reference[name], *_others(grid[name], reference[name])] for name in varied}
    wanted = _wanted(levels, short, _Means(frame, np.asarray(matrix)))
    tested = fit.t_test(np.array([vector for _, _, vector in wanted]))
    ends, p = tested.conf_int(), np.ravel(tested.pvalue)
    return [
        {
            "kind": kind,
            "term": term,
            "n": int(data["seed"].nunique()),
            "delta": float(tested.effect[place]),
            "ci_low": float(ends[place, 0]),
            "ci_high": float(ends[place, 1]),
            "p_value": float(p[place]),
        }
        for place, (kind, term, _) in enumerate(wanted)
    ]


def _wanted(
    levels: Mapping[str, Sequence[str]], short: Mapping[str, str], means: _Means
) -> list[tuple[str, str, npt.NDArray[np.float64]]]:
    """Kind, words and vector of each contrast.

    Args:
        levels: of each factor, the baseline's first.
        short: each factor's column.
        means: of the cells.
    """
    wanted = []
    for name, (base, *others) in levels.items():
        for level in others:
            vector = means.of((short[name], level)) - means.of((short[name], base))
            wanted.append(("main", f"{name} {level} instead of {base}", vector))
    for (one, (a0, *firsts)), (two, (b0, *seconds)) in itertools.combinations(levels.items(), 2):
        x0, y0 = (short[one], a0), (short[two], b0)
        for a, b in itertools.product(firsts, seconds):
            x, y = (short[one], a), (short[two], b)
            vector = means.of(x, y) - means.of(x, y0) - means.of(x0, y) + means.of(x0, y0)
            wanted.append(("interaction", f"{one} {a} with {two} {b}", vector))
    return wanted


class _Means:
    """Rows of a design matrix, averaged over the cells with some levels."""

    def __init__(self, cells: pd.DataFrame, matrix: npt.NDArray[np.float64]) -> None:
        self.cells, self.matrix = cells, matrix

    def of(self, *levels: tuple[str, str]) -> npt.NDArray[np.float64]:
        """The mean row of the cells in which these columns have these levels."""
        chosen = np.ones(len(self.cells), dtype=bool)
        for column, level in levels:
            chosen &= (self.cells[column] == level).to_numpy(bool)
        mean: npt.NDArray[np.float64] = self.matrix[chosen].mean(0)
        return mean


def _reference(levels: pd.Series[str], baseline: str) -> str:
    """The baseline's level; the first where the factor has no effect in the baseline."""
    return baseline if (levels == baseline).any() else str(levels.iloc[0])


def _others(levels: pd.Series[str], reference: str) -> list[str]:
    return [level for level in dict.fromkeys(levels) if level != reference]


def _additivity(trials: pd.DataFrame, arms: pd.DataFrame) -> list[dict[str, object]]:
    """Named arms that change several settings: together, less the sum of the single effects."""
    base, names = str(arms["arm"].iloc[0]), set(arms["arm"])
    rows = []
    for arm, against, changes in zip(arms["arm"], arms["against"], arms["changes"], strict=True):
        parts = changes.split("+") if changes else []
        if against != base or "=" in arm or len(parts) < 2 or not names.issuperset(parts):
            continue
        singles = [paired(trials, part, base) for part in parts]
        together = paired(trials, arm, base)
        excess = together.sub(sum(s.reindex(together.index) for s in singles)).dropna()
        test = paired_test(excess)
        rows.append(
            {
                "kind": "additivity",
                "term": f"{arm} less {' and '.join(parts)}",
                "n": test.n,
                "delta": test.mean,
                "ci_low": test.low,
                "ci_high": test.high,
                "p_value": test.p,
            }
        )
    return rows
