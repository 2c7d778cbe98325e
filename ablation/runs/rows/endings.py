"""Where runs end: which of them are unfinished, and which have too few figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.errors import counted
from ablation.runs.columns.names import COMPLETE, FAIL
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.rows.reduction import Reduction
from ablation.runs.wording import plain_number

NEAR = 0.02  # of the usual end: runs that end less than this before it are finished


def leave_out_unfinished(runs: pd.DataFrame, name: str, metric: str, options: Options) -> list[str]:
    """Mark the runs that end well before most others; what was said of them.

    The last steps that programs log differ by some batches without any run having been stopped.

    Args:
        runs: a row a run, with ``end`` (its last epoch with a figure) and ``final`` (its last);
            ``state`` and ``why`` of unfinished ones are changed.
        name: the column of epochs.
        metric: the column of the figure.
        options: what a person has said.
    """
    counting = runs["state"] == COMPLETE
    ends = runs.loc[counting, "end"].dropna()
    if not len(ends) or ends.nunique() == 1:
        return []
    usual = _usual_end(ends)
    if _is_near(ends, usual).sum() * 2 < len(ends):
        return [
            f"runs end between {name} {plain_number(ends.min())} and {plain_number(ends.max())}: "
            f"each run's own last {name} counts"
        ]
    early = counting & (runs["end"] < usual)
    short = early & ~_is_near(runs["end"], usual)
    lines = _ends_lines(runs[early & ~short], ends, usual, name)
    if not short.any():
        return lines
    if options.early_stopping:
        return [
            *lines,
            f"{counted(int(short.sum()), 'run')} of {len(ends)} ended before {name} "
            f"{plain_number(usual)}: counted (--early-stopping)",
        ]
    others = f"the others at {plain_number(usual)}"
    runs.loc[short, "why"] = [
        f"ends at {name} {plain_number(end)}, {others}"
        if end == final
        else f"ends with its last {metric} at {name} {plain_number(end)} of {plain_number(final)}, "
        f"{others}"
        for end, final in zip(runs["end"][short], runs["final"][short], strict=True)
    ]
    runs.loc[short, "state"] = FAIL
    return lines


def _usual_end(ends: pd.Series[float]) -> float:
    """The end that most others are near to; of several the most frequent, then the earliest."""
    counts = ends.value_counts().sort_index()
    values, upto = counts.index.to_numpy(), np.append(0, counts.cumsum())
    reach = NEAR * np.abs(values)
    first = np.searchsorted(values, values - reach, side="right")
    after = np.searchsorted(values, values + reach, side="left")
    near = np.maximum(upto[after] - upto[first], counts)  # at 0 nothing but 0 is near
    return float(values[np.lexsort((values, -counts, -near))[0]])


def _is_near(ends: pd.Series[float], usual: float) -> pd.Series[bool]:
    """Whether runs end at an epoch, or less than `NEAR` of it before or after."""
    return (ends == usual) | ((ends - usual).abs() < NEAR * abs(usual))


def _ends_lines(close: pd.DataFrame, ends: pd.Series[float], usual: float, name: str) -> list[str]:
    """What is said of runs that end a little before the others, and of those that end after."""
    lines = []
    longer = int((ends > usual).sum())
    if longer:
        lines.append(
            f"{counted(longer, 'run')} of {len(ends)} ended after {name} "
            f"{plain_number(usual)}: each run's own last {name} counts"
        )
    if len(close):
        earliest = plain_number(close["end"].min())
        lines.append(
            f"{counted(len(close), 'run')} of {len(ends)} ended less than {100 * NEAR:.0f} % "
            f"before {name} {plain_number(usual)}, the earliest at {earliest}: counted as finished"
        )
    return lines


def leave_out_short(runs: pd.DataFrame, reduction: Reduction, reasons: Reasons) -> None:
    """Mark the runs with fewer figures than a mean takes."""
    short = (runs["state"] == COMPLETE) & (runs["count"] < reduction.count)
    if reduction.kind == "mean" and short.any():
        counts = runs["count"][short].astype(int)
        runs.loc[short, "why"] = [
            f"has {counted(n, 'figure')} of {reduction.count}" for n in counts
        ]
        runs.loc[short, "state"] = FAIL
        if not (runs["state"] == COMPLETE).any():
            reasons.add(
                f"--reduce mean:{reduction.count}: no run has so many figures, the most is "
                f"{counts.max()}: a smaller number",
                reduce=f"mean:{counts.max()}",
            )
