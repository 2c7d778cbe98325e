"""The trials of a search that count, by the values of its factors and by levels of them.

A trial counts once it has finished with a finite value, and a setting that was drawn twice
counts once (`ablation.report.effects.replicates.replicates`). Trials that a pruner stopped do not
count: they were stopped because they were bad, at an earlier epoch than the others ended. Draws
that diverged do not
count: the value that the sampler was told of them is none of theirs. A confirmation's trials do not
count either: they were trained longer, and chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ablation.report.effects.replicates import DIVERGED, ends, replicates

Factors = Mapping[str, Mapping[str, Any]]
FIGURES = ["number", "arm", "value", "parameters", "macs", "seconds"]
MOST_LEVELS = 10  # a range of which more values were drawn is cut into
BINS = 6  # parts of equal width


def finished(trials: pd.DataFrame, arms: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """The trials of a search that count, in the order of their numbers.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: as in ``StudyTable.arms``.
        factors: as in ``StudyTable.factors``.

    Returns:
        ``FIGURES``, then a column a factor: numbers where all its values are numbers, else text;
        empty where it has no effect in that trial or was not drawn.
    """
    done = replicates(trials[trials["stage"] == "search"].sort_values("number"))
    texts = done[["arm"]].merge(arms, on="arm", how="left").set_index(done.index)
    columns = {name: _values(done[name], texts[name], factors[name]) for name in factors}
    values = pd.DataFrame(columns, index=done.index)
    return pd.concat([done[FIGURES], values], axis=1).reset_index(drop=True)


def _values(
    drawn: pd.Series[Any], texts: pd.Series[str], factor: Mapping[str, Any]
) -> pd.Series[Any]:
    """A factor's values: of a range as they were drawn, of a list as its levels' texts are."""
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


def unfinished_levels(
    trials: pd.DataFrame, arms: pd.DataFrame, factors: Factors, end: str = "PRUNED"
) -> dict[str, int]:
    """The levels of scientific factors that no finished trial has.

    Args:
        trials, arms, factors: as in `finished`.
        end: how the trials ended that are counted.

    Returns:
        By ``factor=level``, how many of its trials ended so; of factors with a list, or a range of
        no more than ``MOST_LEVELS`` steps.
    """
    own = trials[trials["stage"] == "search"]
    states = ends(own)
    ended = own.assign(state=states)[states.isin(["COMPLETE", "PRUNED", DIVERGED])]
    rows = ended[["arm", "state"]].merge(arms, on="arm")
    counts = {}
    for name in scientific(factors):
        for level in _possible(factors[name]):
            states = rows.loc[rows[name] == level, "state"]
            if not (states == "COMPLETE").any():
                counts[f"{name}={level}"] = int((states == end).sum())
    return counts


def _possible(factor: Mapping[str, Any]) -> list[str]:
    drawn = factor["range"]
    if not drawn:
        return list(factor["levels"])
    step = drawn["step"] or drawn["whole"]  # of whole numbers at least 1
    count = round((drawn["high"] - drawn["low"]) / step) + 1 if step else math.inf
    if count > MOST_LEVELS:
        return []
    return [f"{drawn['low'] + place * step:.6g}" for place in range(int(count))]


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
    enough = (d for d in range(3, 18) if len({f"{end:.{d}g}" for end in ends}) == len(ends))
    digits = next(enough, 17)
    names = [f"{a:.{digits}g} to {b:.{digits}g}" for a, b in pairwise(ends)]
    return pd.cut(values.clip(low, high), list(ends), labels=names, include_lowest=True)
