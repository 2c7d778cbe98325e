"""JSON: a row a line, a list of rows, or columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.errors import UserError
from ablation.runs.files.opening import shown
from ablation.runs.tables.flattening import flat, read_json
from ablation.runs.tables.source import text_frame

LARGEST_DOCUMENT = 256 * 2**20  # bytes of JSON that is not one row a line


class JsonFile:
    """A file of JSON: one object a line, a list of objects, or an object of columns or one row.

    Nested objects are flattened with dots. A row's line is its number where rows are no lines.

    Raises:
        UserError: it is not JSON, or no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_lines = _is_lines(path)
        self._document = None if self.is_lines else _rows_of(path)
        self.names = list(dict.fromkeys(name for _, row in self._rows() for name in row))
        if not self.names:
            raise UserError(f"{shown(path)}: no rows; give a list of objects, one a run")

    def read(self, columns: Sequence[str], rows: int | None = None) -> pd.DataFrame:
        """These columns as text, by line."""
        read = list(islice(self._rows(), rows))
        cells = [[row.get(name, "") for _, row in read] for name in columns]
        return text_frame(columns, cells, [line for line, _ in read])

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        if self._document is not None:
            yield from enumerate(self._document, 1)
            return
        with self.path.open("rb") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield line, self._row(line, text)

    def _row(self, line: int, text: bytes) -> dict[str, str]:
        value = _read(self.path, text, line)
        if not isinstance(value, dict):
            raise UserError(f"{shown(self.path)}, line {line}: not an object, as each row is")
        return _flat(self.path, value, line)


def _is_lines(path: Path) -> bool:
    """Whether a file's first line is an object of its own, with more of them to follow."""
    with path.open("rb") as file:
        lines = (line for line in file if line.strip())
        first, second = next(lines, b""), next(lines, b"")
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return True
    try:
        return bool(second) and isinstance(read_json(first.decode("utf-8-sig")), dict)
    except ValueError:
        return False


def _rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of one JSON document."""
    if path.stat().st_size > LARGEST_DOCUMENT:
        raise UserError(
            f"{shown(path)}: over {LARGEST_DOCUMENT // 2**20} MB in one document; write one "
            "object a line"
        )
    value = _read(path, path.read_bytes())
    rows = _columns(value) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{shown(path)}: not a table; give a list of objects, one a run")
    return [_flat(path, row) for row in rows]


def _columns(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an object of columns, as lists or as pandas writes them; else one row."""
    columns = list(value.values())
    if columns and all(isinstance(each, list) for each in columns):
        if len({len(each) for each in columns}) == 1:
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    elif columns and all(_is_numbered(each) for each in columns):
        keys = dict.fromkeys(key for each in columns for key in each)
        return [{name: each.get(key) for name, each in value.items()} for key in keys]
    return [value]


def _flat(path: Path, row: dict[str, Any], line: int = 1) -> dict[str, str]:
    try:
        return flat(row)
    except ValueError as error:
        raise UserError(f"{shown(path)}, line {line}: {error}; give flatter rows") from None


def _is_numbered(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(key.isdecimal() for key in value)


def _read(path: Path, text: bytes, line: int = 0) -> Any:
    try:
        return read_json(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)}: it is not UTF-8; save it as such") from None
    except ValueError as error:
        at = line or getattr(error, "lineno", 1)
        what = getattr(error, "msg", str(error)).lower()
        raise UserError(f"{shown(path)}, line {at}: not JSON: {what}") from None
