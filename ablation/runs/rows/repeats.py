"""Folds of a cross-validation that was repeated: each repetition has its own."""

from __future__ import annotations

from dataclasses import replace

from ablation.errors import counted
from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE
from ablation.runs.columns.roles import Columns
from ablation.runs.refusal import Reasons
from ablation.runs.rows.rows import Rows
from ablation.runs.wording import some


def with_repeats(rows: Rows, columns: Columns, reasons: Reasons) -> tuple[Rows, Columns]:
    """Rows whose folds are told apart by repetition, where a column numbers the repetitions.

    Fold 1 of one repetition has other data than fold 1 of the next. Runs with several seeds are
    left alone: they are paired by seed, and their folds averaged.

    Args:
        rows: what was read.
        columns: which column is what.
        reasons: gets the rows with a fold but without a repetition.

    Returns:
        The rows, with folds such as ``3 of repeat 1``, and the columns, with ``repeat`` in place of
        ``run``; both as they were where nothing was repeated.
    """
    frame, name = rows.frame, columns.run
    if not columns.fold or known.leaf(name) not in known.REPEATS:
        return rows, columns
    if frame["run"].nunique() < 2 or frame["seed"].nunique() > 1:
        return rows, columns
    empty = frame[(frame["run"] == "") & (frame["state"] == COMPLETE)]
    if len(empty):
        reasons.add(
            f"{name} is empty in {counted(len(empty), 'row')} "
            f"({some(f'line {line}' for line in empty['line'])}): fill it in, so that folds can be "
            "told apart"
        )
    folds = frame["fold"] + f" of {known.bare(name)} " + frame["run"]
    return replace(rows, frame=frame.assign(fold=folds)), replace(columns, repeat=name, run="")
