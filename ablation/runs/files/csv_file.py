"""Comma-separated files and their kin, cell by cell as they stand."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pandas as pd

from ablation.errors import UserError, one_line
from ablation.runs.files.opening import shown
from ablation.runs.tables.source import text_frame

SEPARATORS = ("\t", ";", "|", ",")  # of two that fit alike the first
LARGEST_CELL = 2**24  # characters; Python's own limit is smaller than a histogram in JSON
SNIFFED = 50  # rows
UNNAMED = re.compile(r"Unnamed: \d+")
RULE = re.compile(r":?-+:?")  # of a Markdown table, under its header


class CsvFile:
    """A file with a header and values separated by commas, semicolons, tabs or bars.

    Raises:
        UserError: it is not UTF-8, or no header can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = _encoding(path)
        self.separator, self.first_line = _separator(self)
        header = next(self._records())[1]
        self.width = len(header)
        self.places = _places(path, [_name(cell) for cell in header])
        self.names = list(self.places)

    def read(self, columns: Sequence[str], rows: int | None = None) -> pd.DataFrame:
        """These columns as text, by line.

        Raises:
            UserError: a row has more or fewer cells than the header.
        """
        places = [self.places[name] for name in columns]
        take = itemgetter(*places, *places[:1]) if places else lambda record: ()
        lines, taken = list[int](), list[tuple[str, ...]]()
        for line, record in islice(self._rows(), rows):
            lines.append(line)
            taken.append(take(record))
        cells = [[row[place].strip() for row in taken] for place in range(len(places))]
        return text_frame(columns, cells, lines)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows under the header, with the line that each begins on; blank ones left out."""
        records, width = self._records(), self.width
        next(records)
        for line, record in records:
            if len(record) == width and record[0]:
                yield line, record
            elif any(cell.strip() for cell in record):
                if len(record) != width:
                    raise UserError(self._ragged(line, len(record)))
                yield line, record

    def _ragged(self, line: int, count: int) -> str:
        cells = "1 cell" if count == 1 else f"{count} cells"
        return (
            f"{shown(self.path)}, line {line}: {cells} where the header has {self.width}; put a "
            "cell that holds the separator in quotes, or fill the row up"
        )

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Every record, with the line that it begins on."""
        records = self.records(self.separator, self.first_line)
        return (
            (each for each in records if not _is_rule(each[1]))
            if self.separator == "|"
            else records
        )

    def records(self, separator: str, skipped: int = 0) -> Iterator[tuple[int, list[str]]]:
        """Every record by a separator, with the line that it begins on.

        Args:
            separator: between cells.
            skipped: lines before the header.

        Raises:
            UserError: it is not UTF-8, or a quote is not closed.
        """
        line = skipped + 1
        try:
            with self.path.open(encoding=self.encoding, newline="") as file, _large_cells():
                for _ in range(skipped):
                    file.readline()
                reader = csv.reader(
                    file, delimiter=separator, skipinitialspace=True, strict=True
                )  # fmt: skip
                for record in reader:
                    yield line, record
                    line = skipped + reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{shown(self.path)}, line {line}: {error}; close its quotes, and write a quote "
                "within them twice"
            ) from None
        except UnicodeDecodeError:
            raise UserError(_not_utf8(self.path)) from None


@contextmanager
def _large_cells() -> Iterator[None]:
    """Let cells be as long as W&B's may be, without a change for others."""
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _encoding(path: Path) -> str:
    """UTF-8, with or without a byte order mark, or what a mark of UTF-16 says."""
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in start:
        raise UserError(f"{shown(path)}: it is not text; save the table as CSV")
    return "utf-8-sig"


def _not_utf8(path: Path) -> str:
    """What is said of a file of another encoding."""
    with path.open("rb") as file:
        bad = next((n for n, line in enumerate(file, 1) if not _is_utf8(line)), 1)
    return (
        f"{shown(path)}, line {bad}: it is not UTF-8; save it as such, or convert it: "
        f"iconv -f windows-1252 -t utf-8 {shown(path.name)} > {shown(path.stem)}-utf8.csv"
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_rule(record: list[str]) -> bool:
    """Whether it is the rule under the header of a Markdown table."""
    cells = [cell.strip() for cell in record]
    return any(cells) and all(RULE.fullmatch(cell) for cell in cells if cell)


def _separator(file: CsvFile) -> tuple[str, int]:
    """What separates cells, and the lines before the header (a spreadsheet's ``sep=;``).

    The header decides: of the separators by which the first rows are as long as it, the one that
    makes most cells of it; where there is none such, the one that most rows agree with.
    """
    with file.path.open(encoding=file.encoding, newline="") as text:
        try:
            first = text.readline(4096)
        except UnicodeDecodeError:
            raise UserError(_not_utf8(file.path)) from None
    if match := re.fullmatch(r"sep=(.)\s*", first):
        return match[1], 1
    return max(SEPARATORS, key=lambda separator: _fit(file, separator)), 0


def _fit(file: CsvFile, separator: str) -> tuple[float, int]:
    """How well a separator fits: the share of rows as long as the header, and its cells."""
    if separator == "|" and not any("|" in cell for _, each in _some(file, ",") for cell in each):
        return 0.0, 0
    records = [record for _, record in _some(file, separator) if any(record)]
    if not records or len(records[0]) < 2:
        return 0.0, 1
    alike = sum(len(record) == len(records[0]) for record in records)
    return round(alike / len(records), 1), len(records[0])


def _some(file: CsvFile, separator: str) -> list[tuple[int, list[str]]]:
    """The first records by a separator, as far as they can be read by it."""
    records = list[tuple[int, list[str]]]()
    try:
        records.extend(islice(file.records(separator), SNIFFED))
    except UserError as error:
        if "UTF-8" in str(error):
            raise
    return records


def _name(cell: str) -> str:
    """A column's name; pandas has its own for a column without one."""
    name = cell.strip()
    return "" if UNNAMED.fullmatch(name) else name


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Where each column stands; of those without a name the first alone can be asked for."""
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise UserError(
            f"{shown(path)}: two columns are called {one_line(twice[0])}; rename one of them"
        )
    if not any(header):
        raise UserError(f"{shown(path)}: its first line names no column; add a header")
    return {name: header.index(name) for name in dict.fromkeys(header)}
