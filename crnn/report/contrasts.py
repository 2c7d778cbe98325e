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
Vector = npt.NDArray[np.float64]


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
        ``n`` counts seeds: of a sum of effects those with all its trainings, of the others the
        fewest of any cell.
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


def empty_cells(trials: pd.DataFrame, arms: pd.DataFrame) -> list[str]:
    """The arms of a factorial's grid in which no replicate has finished."""
    done = set(replicates(trials)["arm"])
    return [arm for arm in crossed(arms)["arm"] if arm not in done]


def idle_arms(arms: pd.DataFrame, factors: Sequence[str]) -> dict[str, list[str]]:
    """By factor, the crossed arms in which it has no effect, and which its means leave out."""
    grid = crossed(arms)
    idle = {name: [str(arm) for arm in grid.loc[grid[name] == "", "arm"]] for name in factors}
    return {name: found for name, found in idle.items() if found}


def _factorial(
    trials: pd.DataFrame, arms: pd.DataFrame, factors: Sequence[str]
) -> list[dict[str, object]]:
    """Sum-coded least squares with seeds as blocks; nothing where cells or spread are lacking.

    Over a whole grid the model has main effects and two-way interactions, and what goes beyond is
    residual. Where a factor has no effect in some arms there is no such grid: each cell then has a
    mean of its own.
    """
    grid = crossed(arms)
    varied = [name for name in factors if grid.loc[grid[name] != "", name].nunique() > 1]
    # Names of factors and levels are the user's: the formula has its own.
    short = {name: f"factor{place}" for place, name in enumerate(varied)}
    cells = grid[["arm", *varied]].rename(columns=short)
    data = cells.merge(replicates(trials)[["arm", "seed", "val_accuracy"]], on="arm")
    seeds = data.groupby("arm")["seed"].nunique().reindex(cells["arm"]).fillna(0)
    if not varied or seeds.min() < 1 or data["seed"].nunique() < 2:
        return []
    columns = list(short.values())
    full = math.prod(cells[column].nunique() for column in columns)
    whole = len(cells.drop_duplicates(columns)) == full and (cells[columns] != "").all(axis=None)
    terms = " + ".join(f"C({column}, Sum)" for column in columns)
    model = f"({terms}) ** 2" if whole else "C(arm, Sum)"
    outcome, design = dmatrices(f"val_accuracy ~ C(seed, Sum) + {model}", data)
    fit = sm.OLS(outcome, design).fit()
    if fit.df_resid < 1 or fit.ssr <= 1e-18 or fit.model.rank < fit.model.exog.shape[1]:
        return []
    frame = cells.assign(seed=data["seed"].iloc[0])
    (matrix,) = build_design_matrices([design.design_info], frame)
    means = _Means(cells, columns, np.asarray(matrix))
    wanted = _wanted({name: str(arms[name].iloc[0]) for name in varied}, short, means)
    if not wanted:
        return []
    tested = fit.t_test(np.array([vector for _, _, vector in wanted]))
    ends, p = tested.conf_int(), np.ravel(tested.pvalue)
    return [
        {
            "kind": kind,
            "term": term,
            "n": int(seeds.min()),
            "delta": float(tested.effect[place]),
            "ci_low": float(ends[place, 0]),
            "ci_high": float(ends[place, 1]),
            "p_value": float(p[place]),
        }
        for place, (kind, term, _) in enumerate(wanted)
    ]


def _wanted(
    baseline: Mapping[str, str], short: Mapping[str, str], means: _Means
) -> list[tuple[str, str, Vector]]:
    """Kind, words and vector of each contrast that the cells allow.

    Args:
        baseline: the baseline's level of each factor that varies.
        short: each factor's column.
        means: of the cells.
    """
    wanted = []
    for name, column in short.items():
        base, *others = means.levels(column, baseline[name])
        for level in others:
            vector = means.difference({column: level}, {column: base})
            if vector is not None:
                wanted.append(("main", f"{name} {level} instead of {base}", vector))
    for one, two in itertools.combinations(short, 2):
        x, y = short[one], short[two]
        a0, *firsts = means.levels(x, baseline[one], y)
        b0, *seconds = means.levels(y, baseline[two], x)
        for a, b in itertools.product(firsts, seconds):
            there = means.difference({x: a, y: b}, {x: a0, y: b})
            here = means.difference({x: a, y: b0}, {x: a0, y: b0})
            across = means.difference({x: a, y: b}, {x: a, y: b0})
            if there is not None and here is not None and across is not None:
                wanted.append(("interaction", f"{one} {a} with {two} {b}", there - here))
    return wanted


class _Means:
    """Rows of a design matrix, averaged over the cells with some levels."""

    def __init__(self, cells: pd.DataFrame, columns: Sequence[str], matrix: Vector) -> None:
        self.cells, self.columns, self.matrix = cells, list(columns), matrix

    def levels(self, column: str, baseline: str, other: str | None = None) -> list[str]:
        """The levels of a factor, the baseline's first if it is one; those beside another's.

        One at least, which is empty where there is none.
        """
        active = self.cells[column] != ""
        if other is not None:
            active &= self.cells[other] != ""
        found = list(dict.fromkeys(self.cells.loc[active, column]))
        return sorted(found, key=lambda level: level != baseline) or [""]

    def difference(self, one: Mapping[str, str], other: Mapping[str, str]) -> Vector | None:
        """The mean over the cells with some levels less that over those with others.

        None where there is no such cell, or where the other factors, as far as they have an effect
        in all of them, are mixed otherwise: the difference would be partly theirs.
        """
        first, second = self._having(one), self._having(other)
        if not (first.any() and second.any()):
            return None
        both = self.cells[first | second]
        rest = [c for c in self.columns if c not in one and (both[c] != "").all()]
        if rest and not self._mix(first, rest).equals(self._mix(second, rest)):
            return None
        mean: Vector = self.matrix[first].mean(0) - self.matrix[second].mean(0)
        return mean

    def _mix(self, chosen: npt.NDArray[np.bool_], columns: list[str]) -> pd.Series[float]:
        """Which part of these cells has which levels."""
        shares = self.cells[chosen].value_counts(normalize=True, subset=columns)
        return shares.sort_index().round(12)

    def _having(self, levels: Mapping[str, str]) -> npt.NDArray[np.bool_]:
        chosen = np.ones(len(self.cells), dtype=bool)
        for column, level in levels.items():
            chosen &= (self.cells[column] == level).to_numpy(bool)
        return chosen


def _additivity(trials: pd.DataFrame, arms: pd.DataFrame) -> list[dict[str, object]]:
    """Named arms that change several settings: together, less the sum of the single effects."""
    base, rows = str(arms["arm"].iloc[0]), []
    alone = {
        next(iter(changed.items())): str(arm)
        for arm, changed in zip(arms["arm"], arms["changed"], strict=True)
        if len(changed) == 1
    }
    named = arms[(arms["kind"] == "named") & (arms["against"] == base)]
    for arm, changed in zip(named["arm"], named["changed"], strict=True):
        parts = [alone[change] for change in changed.items() if change in alone]
        if len(changed) < 2 or len(parts) < len(changed):
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
