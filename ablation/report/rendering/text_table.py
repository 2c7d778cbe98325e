"""A table of texts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Attributes:
        titles: by column.
        rows: a text a column.
        words: how many of the first columns are words; the others are numbers, set to the right.
        strong: places of the rows that stand out.
        note: what is to be said below it.
    """

    titles: list[str]
    rows: list[list[str]]
    words: int = 1
    strong: set[int] = field(default_factory=set)
    note: str = ""
