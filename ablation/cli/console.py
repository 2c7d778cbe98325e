"""The console: sentences, tables and errors, at any width."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ablation.errors import one_line, printable
from ablation.report.rendering.text_table import TextTable

NARROWEST = 16  # characters of a column of words, beside columns that do not wrap


def new_console(**options: Any) -> Console:
    """A console of rich's; where the terminal's width is not known, rich's own guess is taken."""
    if os.environ.get("COLUMNS") == "0":  # not known, as some editors' terminals say
        del os.environ["COLUMNS"]
    return Console(highlight=False, **options)


def print_error(lines: str, advice: Sequence[str] = ()) -> None:
    """Print an error to standard error, each of its lines on one line.

    Args:
        lines: what is wrong.
        advice: lines below that are no errors.

    Raises:
        OSError: it cannot be written.
    """
    console = new_console(stderr=True)
    for line in lines.splitlines():
        console.print(f"[red]error:[/] {escape(one_line(line))}", soft_wrap=True)
    for line in advice:
        console.print(escape(one_line(line)), soft_wrap=True)


class Output:
    """What a command prints.

    Args:
        console: where to; standard output unless given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or new_console()

    def say(self, line: str = "") -> None:
        """Print a line as it is, unbroken: paths and commands are there to be copied."""
        self.print(escape(line))

    def print(self, markup: str) -> None:
        """Print a line of rich's markup, unbroken."""
        self.console.print(printable(markup), soft_wrap=True)

    def tell(self, markup: str) -> None:
        """Print a sentence: broken between words in a terminal, on one line elsewhere."""
        self.console.print(printable(markup), soft_wrap=not self.console.is_terminal)

    def print_json(self, content: Any) -> None:
        """Print data as JSON."""
        print(json.dumps(content, indent=2))

    def print_rows(self, rows: list[dict[str, Any]], columns: list[str]) -> None:
        """Print data as a table.

        Args:
            rows: a value a column.
            columns: those to print, in order.
        """
        texts = [
            [f"{v:,}" if isinstance(v := row[c], int) else str(v) for c in columns] for row in rows
        ]
        is_number = [all(isinstance(row[column], int) for row in rows) for column in columns]
        wraps = [column in ("question", "arm", "against") for column in columns]
        short = {"sequence_length": "steps", "mmacs": "MMACs"}
        titles = [short.get(column, column) for column in columns]
        self._print_table(titles, texts, wraps, is_number, "bold")

    def print_text_table(self, table: TextTable) -> None:
        """Print a table of a report, and its note."""
        last = len(table.titles) - 1
        is_number = [
            place >= table.words
            and (place < last or any(re.match(r"\W*\d", row[-1]) for row in table.rows))
            for place in range(last + 1)
        ]
        # Of the columns of numbers the last may be a verdict, with a reason.
        wraps = [
            place < table.words or (place == last and not is_number[last])
            for place in range(last + 1)
        ]
        self._print_table(table.titles, table.rows, wraps, is_number)
        if table.note:
            self.say(table.note)
        self.say()

    def _print_table(
        self,
        titles: list[str],
        rows: list[list[str]],
        wraps: list[bool],
        is_number: list[bool],
        header: str = "table.header",
    ) -> None:
        """Print a table; on a console too narrow for it, each row as lines ``title: value``.

        Args:
            titles: by column.
            rows: a text a column.
            wraps: by column, whether its texts may be broken, at blanks and between settings.
            is_number: by column, whether it is set to the right.
            header: the style of the titles.
        """
        columns = [list(map(printable, column)) for column in zip(titles, *rows, strict=True)]
        rooms = _rooms(columns, wraps, self.console.width)
        if rooms is None:
            self._print_stacked(titles, rows)
            return
        table = Table(box=None, pad_edge=False, header_style=header)
        for title, wrap, number, room in zip(titles, wraps, is_number, rooms, strict=True):
            table.add_column(
                escape(title),
                justify="right" if number else "left",
                no_wrap=not wrap,
                overflow="fold",
                min_width=room if not wrap else None,
            )
        for row in rows:
            cells = [
                _between_settings(text, room) if wrap else text
                for text, room, wrap in zip(map(printable, row), rooms, wraps, strict=True)
            ]
            table.add_row(*map(escape, cells))
        self.console.print(table)

    def _print_stacked(self, titles: list[str], rows: list[list[str]]) -> None:
        for row in rows:
            for title, text in zip(titles, row, strict=True):
                if text:
                    self.say(f"{title}: {text}")
            self.say()


def _rooms(columns: list[list[str]], wraps: list[bool], width: int) -> list[int] | None:
    """How wide each column may be on a console so wide; None where they do not fit."""
    widths = [max(map(cell_len, column)) for column in columns]
    least = [
        max(min(width, NARROWEST), *map(_longest_piece, column)) if wrap else width
        for width, column, wrap in zip(widths, columns, wraps, strict=True)
    ]
    gaps = 2 * (len(columns) - 1)
    if sum(least) + gaps > width:
        return None
    over = max(sum(widths) + gaps - width, 0)  # what columns of words have to give up
    return [max(width - over, low) for width, low in zip(widths, least, strict=True)]


def _longest_piece(text: str) -> int:
    """The width of the longest part of a text that stays on one line."""
    pieces = re.sub(r"\+(?=[A-Za-z_])", "+ ", text).split()
    return max(map(cell_len, pieces), default=0)


def _between_settings(name: str, room: int) -> str:
    """A long name in lines, broken at blanks and after the ``+`` of its settings."""
    lines = textwrap.wrap(re.sub(r"\+(?=[A-Za-z_])", "+ ", name), room, break_long_words=False)
    return "\n".join(line.replace("+ ", "+") for line in lines)
