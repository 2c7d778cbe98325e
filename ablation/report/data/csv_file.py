"""Tables as CSV that a spreadsheet shows and does not compute, and that reads back as it was.

A cell that starts with ``=``, ``+``, ``-`` or ``@`` is a formula to spreadsheet programs, whoever
wrote it, in full width as well. Text that starts so (behind blanks, line ends or apostrophes too)
gets an apostrophe in front, which they take for "this is text".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import pandas as pd

FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠﹦﹢﹣﹫])")


def csv_text(rows: pd.DataFrame) -> str:
    """CSV with a point in numbers, every digit, and line feeds: it reads back as it was."""
    text = rows.select_dtypes(exclude=["number", "bool"]).map(_inert)
    inert = rows.assign(**text)
    inert.columns = [_inert(name) for name in rows.columns]
    # With lines that end in \n, Python's csv leaves a lone \r unquoted, which readers take for an
    # end of line: what follows it would be a row of its own.
    lone = "\r" in "".join(map(str, [*inert.columns, *text.to_numpy().ravel()]))
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if lone else csv.QUOTE_MINIMAL
    return inert.to_csv(index=False, lineterminator="\n", quoting=quoting)


def read_csv(path: Path, text: Collection[str] = ()) -> pd.DataFrame:
    """Read back what `csv_text` wrote.

    Args:
        path: the file.
        text: columns that hold text even where it looks like numbers.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no CSV.
    """
    rows = pd.read_csv(
        path,
        dtype=dict.fromkeys(text, object),
        keep_default_na=False,
        na_values=[""],  # and nothing else: an arm may be named NA
    )
    rows = rows.map(_as_it_was)
    rows.columns = [_as_it_was(name) for name in rows.columns]
    return rows


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def _as_it_was(cell: object) -> object:
    guarded = isinstance(cell, str) and cell.startswith("'") and FORMULA.match(cell)
    return cell[1:] if guarded else cell  # type: ignore[index]
