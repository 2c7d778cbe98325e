"""What a run is called in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.runs.columns import names as known
from ablation.runs.columns.roles import Columns
from ablation.runs.wording import MOST_NAMES


@dataclass(frozen=True)
class Labels:
    """Names of runs, by the columns that tell them apart."""

    arms: list[str]
    columns: Columns

    def run(self, row: Any) -> str:
        """``focal, seed 14``; the line in the file where no column tells runs apart."""
        parts = [self.arms[row.arm], row.block, *self._keys(row)]
        text = ", ".join(part for part in parts if part)
        return text if self._keys(row) else f"{text} (line {row.line})"

    def with_line(self, row: Any) -> str:
        """``focal, seed 14 (line 23)``."""
        text = self.run(row)
        return text if text.endswith(")") and "(line" in text else f"{text} (line {row.line})"

    def some(self, runs: pd.DataFrame, *, lines: bool = False) -> str:
        """Several of them, not too many."""
        name = self.with_line if lines else self.run
        shown = [name(row) for row in runs.head(MOST_NAMES).itertuples()]
        more = len(runs) - len(shown)
        return "; ".join(shown) + (f" and {more:,} more" if more else "")

    def _keys(self, row: Any) -> list[str]:
        columns = self.columns
        keys = [(columns.seed, row.seed), (columns.fold, row.fold)]
        if not any(text for _, text in keys):
            keys = [(columns.run, row.run)]
        return [f"{known.bare(name)} {text}" for name, text in keys if name and text]
