"""Columns whose cells hold a dict as text, and W&B's runs as its own documentation exports them."""

from __future__ import annotations

import pandas as pd

from ablation.errors import one_line
from ablation.runs.exports.prefixes import with_prefixes
from ablation.runs.tables.flattening import entries_of
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.table import Roles, Table

OF_WANDB = {"summary", "config", "name"}


def with_dicts(table: Table) -> Table | None:
    """A table with a column for each entry of the dicts that its cells hold: ``config.lr``.

    Returns:
        It; None where no column holds dicts.
    """
    dicts = [name for name in table.names if name and _holds_dicts(table.head[name])]
    if not dicts:
        return None
    frame = table.read(table.names)
    entries = [_entries(frame, name) for name in dicts]
    new = pd.concat(entries, axis=1).drop(columns=table.names, errors="ignore")
    new = new.loc[:, ~new.columns.duplicated()]
    frame = pd.concat([frame.drop(columns=dicts), new], axis=1)
    said = f"the entries of {' and '.join(dicts)} are columns: {_some([str(each) for each in new])}"
    roles = table.roles
    if set(table.names) >= OF_WANDB:
        roles = Roles(
            exporter="W&B's runs", run="name", state="state" if "state" in frame else "",
            others=("name",),
        )  # fmt: skip
    return with_prefixes(
        frame_table(frame, table, roles=roles, lines=[one_line(said)] if len(new.columns) else [])
    )


def _holds_dicts(cells: pd.Series[str]) -> bool:
    """Whether every cell that is not empty holds a dict."""
    filled = cells[cells != ""]
    if filled.empty or not filled.str.startswith("{").all():
        return False
    return all(entries_of(cell) is not None for cell in filled)


def _entries(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The entries of a column's dicts, a column each; a cell that holds none has none."""
    read = {cell: entries_of(cell, f"{name}.") or {} for cell in frame[name].unique()}
    rows = [read[cell] for cell in frame[name]]
    columns = list(dict.fromkeys(key for row in read.values() for key in row))
    cells = {column: [row.get(column, "") for row in rows] for column in columns}
    return pd.DataFrame(cells, index=frame.index, columns=columns, dtype=str)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
