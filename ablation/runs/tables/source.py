"""What one file of a table gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

HEAD_ROWS = 1_000


class Source(Protocol):
    """A file of rows and named columns.

    Attributes:
        names: its columns, in order.
    """

    names: list[str]

    def read(self, columns: Sequence[str], rows: int | None = None) -> pd.DataFrame:
        """These columns as text, by the line of each row; of the first rows alone if need be."""


def text_frame(
    columns: Sequence[str], cells: Sequence[Sequence[str]], lines: Sequence[int]
) -> pd.DataFrame:
    """Cells, one sequence a column, as text by line."""
    index = pd.Index(np.asarray(lines, dtype="int64"), name="line")
    by_name = dict(zip(columns, cells, strict=True))
    return pd.DataFrame(
        {name: pd.Series(list(each), index=index, dtype=str) for name, each in by_name.items()},
        index=index, columns=pd.Index(list(columns), dtype=object),
    )  # fmt: skip
