"""Combinations of arms: a factorial's main effects and interactions, and whether effects add up.

A contrast is computed seed by seed and then tested as pairs are: c_s = Σ w·y_s over the cells, with
the weights w of marginal means. Each contrast so has the spread of its own cells; a pooled residual
would give all of them that of the noisiest cell. In a whole grid these weights are also those of
sum-coded least squares with main effects, two-way interactions and seeds as blocks: the estimates
are the same where no training lacks.

Pure functions of DataFrames.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.effects.arms import by_size, grid_arms
from ablation.report.effects.health import (
    SAME,
    diverged_arms,
    of_arms,
    same_seeds,
    untrained_arms,
)
from ablation.report.effects.replicates import paired, replicates, rounding_between
from ablation.scheduling.looks import UNTRAINED
from ablation.statistics.inference import holm, paired_test, unsound, without_verdict
from ablation.statistics.power import ALPHA

COLUMNS = ["kind", "term", "n", "delta", "ci_low", "ci_high", "p_value", "p_holm", "reason"]
Vector = npt.NDArray[np.float64]


def contrasts(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    design: str,
    factors: Sequence[str],
    direction: Direction = "maximize",
) -> pd.DataFrame:
    """The contrasts of a study; the columns ``COLUMNS``, empty where there are none.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm, as in ``StudyTable.arms``.
        design: of the study.
        factors: the factors' names, columns of ``arms``.
        direction: of the metric, by which arms are known that have learned nothing.

    Returns:
        ``kind`` is ``main``, ``interaction`` or ``additivity``, each a Holm family of its own: all
        contrasts that the design allows, whatever has finished. ``n`` counts the seeds that have
        all trainings of the contrast. Below two, or where all seeds differ by the same amount,
        there is no test, and the contrast counts in its family with a p of 1. So it does where a
        cell that it weighs has diverged in some seeds; ``reason`` says which.
    """
    rows: list[dict[str, object]] = []
    if design == "factorial":
        rows += _factorial(trials, arms, factors, direction)
    if design != "search":
        rows += _additivity(trials, arms, direction)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if same_seeds(trials):
        frame = frame.assign(ci_low=np.nan, ci_high=np.nan, p_value=np.nan, reason=SAME)
    adjusted = frame.groupby("kind", sort=False)["p_value"].transform(lambda p: holm(list(p)))
    frame["p_holm"] = adjusted.where(frame["p_value"].notna())
    return frame


def significance(row: Mapping[str, Any]) -> str:
    """Of a contrast, whether its p is below 5 %, or why that is not to be asked."""
    if row["reason"]:
        return f"inconclusive: {row['reason']}"
    if pd.isna(row["p_holm"]):
        return "not tested"
    return "significant" if row["p_holm"] < ALPHA else "not significant"


def most_telling(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Those that are significant first, then by size."""
    rows = by_size(contrasts)
    significant = rows["p_holm"] < ALPHA
    return pd.concat([rows[significant], rows[~significant]])


def empty_cells(trials: pd.DataFrame, arms: pd.DataFrame) -> list[str]:
    """The arms of a factorial's grid in which no replicate has finished."""
    done = set(replicates(trials)["arm"])
    return [arm for arm in grid_arms(arms)["arm"] if arm not in done]


def idle_arms(arms: pd.DataFrame, factors: Sequence[str]) -> dict[str, list[str]]:
    """By factor, the grid's arms in which it has no effect, and which its means leave out."""
    grid = grid_arms(arms)
    idle = {name: [str(arm) for arm in grid.loc[grid[name] == "", "arm"]] for name in factors}
    return {name: cells for name, cells in idle.items() if cells}


def _factorial(
    trials: pd.DataFrame, arms: pd.DataFrame, factors: Sequence[str], direction: Direction
) -> list[dict[str, object]]:
    """Main effects and interactions, each over the seeds that have every cell it weighs."""
    grid = grid_arms(arms)
    varied = [name for name in factors if grid.loc[grid[name] != "", name].nunique() > 1]
    wanted = _wanted({name: str(arms[name].iloc[0]) for name in varied}, _Cells(grid, varied))
    by_seed, faults = _by_seed(trials, list(grid["arm"])), _faults(trials, direction)
    rows, rounding = [], rounding_between(trials)
    for kind, term, weights in wanted:
        used = [str(arm) for arm, w in zip(grid["arm"], weights, strict=True) if w != 0]
        values, known = _by_weights(by_seed, weights), rounding(*used)
        rows.append(_row(kind, term, values, known, of_arms(faults, used)))
    return rows


def _by_seed(trials: pd.DataFrame, arms: list[str]) -> Vector:
    """Values, seeds by arms; NaN where a training lacks."""
    done = replicates(trials)
    values = done.pivot(index="seed", columns="arm", values="value")
    return values.reindex(columns=arms).sort_index().to_numpy(float)


def _by_weights(by_seed: Vector, weights: Vector) -> Vector:
    """The contrast of each seed that has all cells with a weight."""
    values: Vector = by_seed[:, weights != 0] @ weights[weights != 0]
    return values[np.isfinite(values)]


def _faults(trials: pd.DataFrame, direction: Direction) -> dict[str, str]:
    """Why contrasts of an arm are no findings."""
    return diverged_arms(trials) | untrained_arms(trials, direction)


def _row(
    kind: str, term: str, values: npt.ArrayLike, rounding: float, reason: str
) -> dict[str, object]:
    """What a contrast's values by seed say, and why that is no finding, if it is none."""
    tested = paired_test(values, rounding=rounding)
    test = unsound(tested, reason)
    if UNTRAINED in reason:
        test = without_verdict(tested, reason)
    return {
        "kind": kind,
        "term": term,
        "n": test.n,
        "delta": test.mean,
        "ci_low": test.low,
        "ci_high": test.high,
        "p_value": test.p,
        "reason": reason,
    }


def _wanted(baseline: Mapping[str, str], cells: _Cells) -> list[tuple[str, str, Vector]]:
    """Kind, words and weights of each contrast that the cells allow.

    Args:
        baseline: the baseline's level of each factor that varies.
        cells: of the grid.
    """
    wanted = []
    for name in baseline:
        base, *others = cells.levels(name, baseline[name])
        for level in others:
            weights = cells.difference({name: level}, {name: base})
            if weights is not None:
                wanted.append(("main", f"{name} {level} instead of {base}", weights))
    for x, y in itertools.combinations(baseline, 2):
        a0, *firsts = cells.levels(x, baseline[x], y)
        b0, *seconds = cells.levels(y, baseline[y], x)
        for a, b in itertools.product(firsts, seconds):
            there = cells.difference({x: a, y: b}, {x: a0, y: b})
            here = cells.difference({x: a, y: b0}, {x: a0, y: b0})
            across = cells.difference({x: a, y: b}, {x: a, y: b0})
            if there is not None and here is not None and across is not None:
                wanted.append(("interaction", f"{x} {a} with {y} {b}", there - here))
    return wanted


class _Cells:
    """The cells of a grid, and the weights of differences between means over some of them."""

    def __init__(self, grid: pd.DataFrame, factors: Sequence[str]) -> None:
        self.cells, self.factors = grid[list(factors)], list(factors)

    def levels(self, factor: str, baseline: str, other: str | None = None) -> list[str]:
        """The levels of a factor, the baseline's first if it is one; those beside another's.

        One at least, which is empty where there is none.
        """
        active = self.cells[factor] != ""
        if other is not None:
            active &= self.cells[other] != ""
        values = list(dict.fromkeys(self.cells.loc[active, factor]))
        return sorted(values, key=lambda level: level != baseline) or [""]

    def difference(self, one: Mapping[str, str], other: Mapping[str, str]) -> Vector | None:
        """Weights of the mean over the cells with some levels less that over those with others.

        None where there is no such cell, or where the other factors, as far as they have an effect
        in all of them, are mixed otherwise: the difference would be partly theirs.
        """
        first, second = self._having(one), self._having(other)
        if not (first.any() and second.any()):
            return None
        both = self.cells[first | second]
        rest = [name for name in self.factors if name not in one and (both[name] != "").all()]
        if rest and not self._mix(first, rest).equals(self._mix(second, rest)):
            return None
        weights: Vector = first / first.sum() - second / second.sum()
        return weights

    def _mix(self, chosen: npt.NDArray[np.bool_], factors: list[str]) -> pd.Series[float]:
        """Which part of these cells has which levels."""
        shares = self.cells[chosen].value_counts(normalize=True, subset=factors)
        return shares.sort_index().round(12)

    def _having(self, levels: Mapping[str, str]) -> npt.NDArray[np.bool_]:
        chosen = np.ones(len(self.cells), dtype=bool)
        for factor, level in levels.items():
            chosen &= (self.cells[factor] == level).to_numpy(bool)
        return chosen


def _additivity(
    trials: pd.DataFrame, arms: pd.DataFrame, direction: Direction
) -> list[dict[str, object]]:
    """Named arms that change several settings: together, less the sum of the single effects."""
    base, rows, faults = str(arms["arm"].iloc[0]), [], _faults(trials, direction)
    rounding = rounding_between(trials)
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
        used = [base, str(arm), *parts]
        term, known = f"{arm} less {' and '.join(parts)}", rounding(*used)
        rows.append(_row("additivity", term, excess, known, of_arms(faults, used)))
    return rows
