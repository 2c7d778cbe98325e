"""What tests of tables share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablation.runs.options import Options
from ablation.runs.reading import read_table
from ablation.runs.tables.table import Table


def table_of(path: Path, text: str, **options: Any) -> Table:
    """The table of a file with this text, which is written there."""
    path.write_text(text, encoding="utf-8")
    return read_table([str(path)], Options(**options))


def rows_of(table: Table, *columns: str) -> list[tuple[str, ...]]:
    """The cells of columns, row by row; of every column unless some are given."""
    names = list(columns) or table.names
    frame = table.read(names)
    return list(zip(*(frame[name] for name in names), strict=True))
