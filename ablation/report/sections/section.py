"""A part of a report: a heading with its words, figures, table and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.figure import Plot


@dataclass(frozen=True)
class Part:
    """A part of the report; it says what it shows, or in a line why it does not.

    Attributes:
        name: the section of its figures.
        title: its heading.
        lines: sentences under it: what it is and what it leaves out, or why there is nothing.
        table: its table, if any.
        files: its tables as data, by file name.
        plots: makes its figures, when they are wanted.
    """

    name: str
    title: str
    lines: list[str]
    table: TextTable | None = None
    files: dict[str, pd.DataFrame] = field(default_factory=dict)
    plots: Callable[[], Iterator[Plot]] = lambda: iter(())
