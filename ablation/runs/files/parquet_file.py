"""Parquet, read by pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.errors import UserError
from ablation.runs.files.opening import shown
from ablation.runs.tables.flattening import text_of
from ablation.runs.tables.source import text_frame


class ParquetFile:
    """A Parquet file. Nested columns are flattened with dots; a row's line is its number.

    Raises:
        UserError: pyarrow is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError:
            raise UserError(
                f"{shown(path)}: Parquet needs pyarrow: pip install 'crnn-ablation[parquet]'"
            ) from None
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (arrow.ArrowException, OSError) as error:
            raise UserError(f"{shown(path)}: not read as Parquet: {error}") from None
        self.path, self._damage = path, (arrow.ArrowException, OSError)
        self.names = _flattened(arrow.Table.from_batches([], self._file.schema_arrow)).column_names

    def read(self, columns: Sequence[str], rows: int | None = None) -> pd.DataFrame:
        """These columns as text, by the number of each row."""
        try:
            table = _flattened(self._read(columns, rows))
        except self._damage as error:
            raise UserError(f"{shown(self.path)}: not read as Parquet: {error}") from None
        cells = [[text_of(cell) for cell in table[name].to_pylist()] for name in columns]
        return text_frame(columns, cells, range(1, table.num_rows + 1))

    def _read(self, columns: Sequence[str], rows: int | None) -> Any:
        tops = [name for name in self._file.schema_arrow.names if _is_of(name, columns)]
        if rows is None:
            return self._file.read(columns=tops)
        import pyarrow as arrow

        schema = self._file.schema_arrow
        batches = self._file.iter_batches(batch_size=max(rows, 1), columns=tops)
        first = next(batches, None)
        if first is None:
            return arrow.Table.from_batches([], schema).select(tops)
        return arrow.Table.from_batches([first])


def _is_of(name: str, columns: Sequence[str]) -> bool:
    """Whether one of the columns is this one, or within it."""
    return any(column == name or column.startswith(f"{name}.") for column in columns)


def _flattened(table: Any) -> Any:
    """A table without nested columns."""
    while any(str(field.type).startswith("struct") for field in table.schema):
        table = table.flatten()
    return table
