"""Histories: rows of epochs, and the figure that each run has in the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import Direction
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.rows.endings import leave_out_short, leave_out_unfinished
from ablation.runs.rows.reduction import Reduction, read_reduction
from ablation.runs.rows.rows import Rows
from ablation.runs.tables.table import Table
from ablation.runs.tables.times import times_of
from ablation.runs.wording import plain_number, some

IDENTITY = ["arm", "seed", "fold", "block", "run"]
MOST_KINDS = 50  # of the texts of a column that says which of a run's rows is which
LEAST_EPOCHS = 3
MOST_REPEATED = 0.3  # of epochs: written again by runs that went on after a stop
ROW = ["own", "epoch", "value", "test_value"]


@dataclass(frozen=True, eq=False)
class Finished:
    """Runs, a row each, and how they came to it.

    Attributes:
        runs: columns of `Rows.frame`, with ``why`` (why a run does not count, as far as its
            history says it).
        history: ``row`` (the index of its run), ``epoch`` (whole) and ``value``; empty where the
            table has one row a run.
        lines: what was done, a sentence each.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    lines: list[str]


def finish(
    table: Table,
    rows: Rows,
    columns: Columns,
    options: Options,
    direction: Direction | None,
    reasons: Reasons,
) -> Finished:
    """Rows -> runs: as they are, or each run's figure out of its history."""
    frame = rows.frame
    reduction = read_reduction(options, columns.metric, reasons)
    nothing = pd.DataFrame({"row": [], "epoch": [], "value": []})
    name = _epoch_column(table, rows, columns, reasons)
    if not name:
        if options.reduce != "last":
            reasons.add(f"--reduce {options.reduce}: the table has one row a run, no history",
                        reduce="last")  # fmt: skip
        return Finished(frame.assign(why=""), nothing, [])
    ordered = frame.assign(epoch=rows.epochs[name])
    ordered = _with_epochs(ordered, name, reasons)
    ordered["own"] = _own(ordered, columns)
    ordered = ordered.sort_values(["own", "epoch"], kind="stable", ignore_index=True)
    same = int(ordered.duplicated(ROW).sum())
    ordered = _without_empty_rows(ordered.drop_duplicates(ROW))
    ordered = _once(ordered, rows.cells, name, columns, options, reasons)
    runs, history = _reduce(ordered, reduction, direction or "maximize")
    lines = [f"{counted(same, 'row')} repeat others, digit by digit: counted once"] if same else []
    lines += [_reduction_line(len(frame), len(runs), name, columns.metric, reduction, history)]
    lines += leave_out_unfinished(runs, name, columns.metric, options)
    leave_out_short(runs, reduction, reasons)
    return Finished(runs, history, lines)


def _identity(frame: pd.DataFrame, *more: str) -> pd.Series[int]:
    """The number of the run that each row belongs to."""
    codes = pd.DataFrame({name: pd.factorize(frame[name])[0] for name in (*IDENTITY, *more)})
    varied = [name for name in codes if codes[name].any()] or ["arm"]
    return codes.groupby(varied, sort=False).ngroup().set_axis(frame.index)


def _own(frame: pd.DataFrame, columns: Columns) -> pd.Series[int]:
    """`_identity`; runs that were begun at another time are others where their epochs repeat."""
    own = _identity(frame)
    if not columns.created or not frame.assign(own=own).duplicated(["own", "epoch"]).any():
        return own
    finer = _identity(frame, "created")
    is_of_runs = finer.nunique() * LEAST_EPOCHS <= len(frame)
    if is_of_runs and not frame.assign(own=finer).duplicated(["own", "epoch"]).any():
        return finer
    return own


def _with_epochs(rows: pd.DataFrame, name: str, reasons: Reasons) -> pd.DataFrame:
    """Rows whose epoch is a number; a figure without one is refused."""
    is_number = np.isfinite(rows["epoch"])
    lost = rows[~is_number & (rows["kind"] != "missing")]
    if len(lost):
        reasons.add(
            f"{name} is no number in {counted(len(lost), 'row')} with a figure "
            f"({some(f'line {line}' for line in lost['line'])}): correct it, or leave them out "
            "with --where"
        )
    kept: pd.DataFrame = rows[is_number]
    return kept


def _without_empty_rows(ordered: pd.DataFrame) -> pd.DataFrame:
    """Rows without those that lack the figure in an epoch which has it in another row.

    So logs are written that have a row for training and one for validation.
    """
    missing = ordered["kind"] == "missing"
    keys = ["own", "epoch"]
    reported = pd.MultiIndex.from_frame(ordered.loc[~missing, keys])
    return ordered[~(missing & pd.MultiIndex.from_frame(ordered[keys]).isin(reported))]


def _once(
    ordered: pd.DataFrame,
    arms: pd.DataFrame,
    name: str,
    columns: Columns,
    options: Options,
    reasons: Reasons,
) -> pd.DataFrame:
    """Rows with each epoch of a run once: the one written last, if that is asked for."""
    again = ordered[ordered.duplicated(["own", "epoch"], keep=False)]
    if again.empty:
        return ordered
    if options.keep and columns.created:
        times = times_of(ordered["created"])
        latest = ordered.assign(time=times).sort_values(["own", "epoch", "time"], kind="stable")
        return latest.drop_duplicates(["own", "epoch"], keep="last").drop(columns="time")
    row = again.iloc[0]
    keys = [f"{key} {row[key]}" for key in ("block", "seed", "fold", "run") if row[key]]
    of = ", ".join([*map(str, arms.loc[row["arm"]]), *keys])
    lines = some(f"line {line}" for line in again["line"][again["own"] == row["own"]].head(2))
    hint = (
        f"--keep latest takes the row with the later {columns.created}"
        if columns.created
        else "leave the others out of the file, or with --where"
    )
    reasons.add(
        f"{name} {plain_number(row['epoch'])} of {of} is there twice with different figures "
        f"({lines}; {counted(int(again.duplicated(['own', 'epoch']).sum()), 'row')} in all): "
        f"{hint}",
        **({"keep": "latest"} if columns.created else {}),
    )
    return ordered.drop_duplicates(["own", "epoch"])


def _epoch_column(table: Table, rows: Rows, columns: Columns, reasons: Reasons) -> str:
    """The column that numbers the rows of each run; empty where each row is a run."""
    frame = rows.frame.assign(own=_identity(rows.frame))
    reported = frame[frame["kind"] != "missing"]
    if not reported["own"].duplicated().any():
        # Also where most rows of a history have no figure.
        reported = frame
    if not reported["own"].duplicated().any():
        return ""
    has_key = bool(columns.seed or columns.fold or columns.run)
    for name in columns.epochs:
        epochs = rows.epochs[name][reported.index]
        if epochs.isna().all() or not _varies(epochs, reported["own"]):
            continue
        keyed = reported.assign(epoch=epochs).drop_duplicates(ROW)
        keyed = keyed[keyed["epoch"].notna()]
        if keyed.duplicated(["own", "epoch"]).mean() > MOST_REPEATED:
            if not has_key and _is_regular(keyed):
                reasons.add(
                    f"{name} repeats within an arm, and no column tells runs apart: --seed COLUMN, "
                    "or a column called run"
                )
            continue
        if not has_key and not _is_regular(keyed):
            continue
        if not _has_kinds(table, reported, columns):
            return name
    return ""


def _varies(column: pd.Series[float], own: pd.Series[int]) -> bool:
    grouped = column.groupby(own.to_numpy())
    return bool((grouped.max() > grouped.min()).any())


def _is_regular(keyed: pd.DataFrame) -> bool:
    """Whether epochs are spaced evenly, as those of a history are, in every arm."""
    distinct = keyed.drop_duplicates(["own", "epoch"]).sort_values(["own", "epoch"])
    steps = distinct["epoch"].diff()[distinct["own"].eq(distinct["own"].shift())]
    return len(steps) >= LEAST_EPOCHS - 1 and bool(np.isclose(steps, steps.median()).all())


def _has_kinds(table: Table, reported: pd.DataFrame, columns: Columns) -> bool:
    """Whether the rows of a run are of several kinds, such as best and last checkpoint.

    They are where a column of text tells all rows of each run apart, with few words.
    """
    if len(reported) > 2 * MOST_KINDS * reported["own"].nunique():
        return False  # more rows a run than such a column has words
    texts = [
        name
        for name in table.names
        if name not in columns.all and not table.head[name].str.fullmatch(r"[\d.,%+eE: TZ-]*").all()
    ]
    if not texts:
        return False
    cells = table.read(texts)
    for name in texts:
        words = cells[name].iloc[reported["place"]].set_axis(reported.index)
        if words.nunique() > MOST_KINDS:
            continue
        kinds = pd.DataFrame({"own": reported["own"], "word": words}).drop_duplicates()
        if kinds["own"].duplicated().any() and len(kinds) >= 0.9 * len(reported):
            return True
    return False


def _reduce(
    ordered: pd.DataFrame, reduction: Reduction, direction: Direction
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and their histories, of rows that are ordered by run and epoch."""
    reported = ordered[ordered["kind"] != "missing"]
    last = reported.groupby("own").tail(1).set_index("own")
    ends = ordered.groupby("own")["epoch"].max()
    runs = last.reindex(ends.index)
    absent = runs["place"].isna()
    if absent.any():
        empty = ordered.groupby("own").tail(1).set_index("own")
        runs = runs.fillna(empty[absent]).astype(empty.dtypes.to_dict())
    runs["state"] = ordered.groupby("own")["state"].last()
    runs["ending"] = ordered.groupby("own")["ending"].last()
    runs["created"] = ordered.groupby("own")["created"].first()
    runs["final"] = ends
    runs["end"], runs["count"] = runs["epoch"], reported.groupby("own").size()
    if reduction.kind == "best":
        sign = 1 if direction == "maximize" else -1
        figures = reported[reported["value"].notna()]
        rank = (sign * figures["value"]).groupby(figures["own"]).idxmax()
        best = figures.loc[rank].set_index("own")
        runs.update(best[["value", "test_value", "kind", "line"]])
    elif reduction.kind == "mean":
        place = reported.groupby("own").cumcount(ascending=False)
        tail = reported[place < reduction.count]
        broken = tail["kind"].eq("infinite").groupby(tail["own"]).any()
        runs["value"] = tail.groupby("own")["value"].mean()
        runs["test_value"] = tail.groupby("own")["test_value"].mean()
        runs.loc[broken.index[broken], "value"] = np.nan
        runs.loc[broken.index[broken], "kind"] = "infinite"
    row = {own: place for place, own in enumerate(runs.index)}
    history = reported.loc[reported["value"].notna(), ["own", "epoch", "value"]]
    history = history.assign(row=history["own"].map(row), epoch=_whole_epochs(history["epoch"]))
    runs = runs.assign(why="").reset_index(drop=True)
    return runs.astype({"line": int, "place": int}), history.drop(columns="own")


def _whole_epochs(epochs: pd.Series[float]) -> pd.Series[int]:
    """Epochs as whole numbers; parts of epochs are counted from 1."""
    if (epochs % 1 == 0).all():
        return epochs.astype(int)
    return epochs.rank(method="dense").astype(int)


def _reduction_line(
    rows: int, runs: int, name: str, metric: str, reduction: Reduction, history: pd.DataFrame
) -> str:
    start = f"{counted(rows, 'row')} are {counted(runs, 'run')} by {name}"
    if reduction.kind == "mean":
        of = counted(reduction.count, name)
        return f"{start}; each run's figure is the mean of {metric} over its last {of}"
    if reduction.kind == "best":
        most = int(history.groupby("row").size().max()) if len(history) else 0
        return (
            f"Warning: {start}; each run's figure is its best {metric}: the best of {most} {name}s "
            "by the figure that is compared is no run's result, and favours long and noisy runs "
            "(--reduce last)"
        )
    return f"{start}; each run's figure is {metric} at its last {name}"
