"""Tables of one or several files, and tables in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ablation.runs.tables.source import HEAD_ROWS, Source
from ablation.runs.tables.table import Table


@dataclass(frozen=True, eq=False)
class FileTable(Table):
    """Rows of files, read when they are asked for.

    Attributes:
        sources: the files.
        given: what is the same in every row of a file, by column; one mapping a file.
    """

    sources: list[Source] = field(default_factory=list)
    given: list[Mapping[str, str]] = field(default_factory=list)

    def read(self, columns: Collection[str]) -> pd.DataFrame:
        """These columns of every row."""
        return read_sources(self.sources, self.given, list(dict.fromkeys(columns)))


@dataclass(frozen=True, eq=False)
class FrameTable(Table):
    """Rows in memory.

    Attributes:
        frame: the rows, text by line.
    """

    frame: pd.DataFrame = field(default_factory=pd.DataFrame)

    def read(self, columns: Collection[str]) -> pd.DataFrame:
        """These columns of every row."""
        return self.frame[list(dict.fromkeys(columns))].copy()


def frame_table(frame: pd.DataFrame, like: Table | None = None, **changes: Any) -> FrameTable:
    """A table of rows in memory.

    Args:
        frame: text by line.
        like: the table that it was made of, whose files and lines it keeps.
        changes: of `Table`: ``roles``; ``lines`` come after those that there are.
    """
    before = like or FrameTable(names=[], head=frame)
    return FrameTable(
        names=list(frame.columns), head=frame.head(HEAD_ROWS), frame=frame, files=before.files,
        roles=changes.get("roles", before.roles),
        lines=[*before.lines, *changes.get("lines", [])],
    )  # fmt: skip


def read_sources(
    sources: list[Source], given: list[Mapping[str, str]], columns: list[str],
    rows: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Columns of several files under each other; what a file lacks is empty."""
    frames = list[pd.DataFrame]()
    for source, constants in zip(sources, given, strict=True):
        own = [name for name in columns if name in source.names]
        frame = source.read(own, rows)
        lacking = {name: constants.get(name, "") for name in columns if name not in own}
        frames.append(frame.assign(**lacking).astype(str)[columns])
        if rows is not None:
            rows -= len(frame)
            if rows <= 0:
                break
    return frames[0] if len(frames) == 1 else pd.concat(frames)


def file_table(sources: list[Source], given: list[Mapping[str, str]]) -> FileTable:
    """The table of files."""
    both = [[*constants, *source.names] for source, constants in zip(sources, given, strict=True)]
    names = list(dict.fromkeys(name for each in both for name in each))
    head = read_sources(sources, given, names, HEAD_ROWS)
    return FileTable(names=names, head=head, sources=sources, given=given)
