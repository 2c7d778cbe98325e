"""A study's note in optuna-dashboard: the question, the answer so far, the space. Markdown."""

from __future__ import annotations

import re

import pandas as pd

from crnn.report import tables
from crnn.report.answer import answer, counts
from crnn.report.page import DESIGNS, code_span, escape_markdown, markdown_table
from crnn.report.selection import leading
from crnn.report.table import StudyTable
from crnn.report.wording import percent, signed

OURS = "*Kept up to date while the study runs. Take this line out to keep a note of your own.*"
"""The last line of each note: one without it is somebody else's."""


def settled(table: StudyTable) -> bool:
    """Whether every trial that the study wants has finished."""
    return counts(table)["finished"] >= table.wanted


def note(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    """The note.

    As long as trials of a design lack it has means and effects, and neither verdicts nor
    intervals: it is rewritten as trials end, and whoever could look at a test after each of them
    would find differences by chance. A search has no tests, so its best is always told.

    Args:
        table: the study.
        effects: its effects, of ``crnn.report.effects.effects``.
        contrasts: its contrasts, of ``crnn.report.contrasts.contrasts``.
    """
    told = settled(table) or table.design == "search"
    shown = tables.brief_table(table, effects) if settled(table) else so_far(table, effects)
    failures = tables.failures_table(table)
    parts = [
        f"**{escape_markdown(table.question)}**",
        escape_markdown(f"{_state(table)} Design: {DESIGNS[table.design]}."),
        "## The answer" + ("" if settled(table) else " so far"),
        _listed(answer(table, effects, contrasts)) if told else _preliminary(table),
        markdown_table(shown).strip(),
        *(["## What did not finish", markdown_table(failures).strip()] if failures.rows else []),
        "## The space",
        fenced(table.space_text),
        OURS,
    ]
    return "\n\n".join(parts) + "\n"


def so_far(table: StudyTable, effects: pd.DataFrame) -> tables.TextTable:
    """What may be shown before the last trial: n, means and differences."""
    rows = leading(effects)
    columns = {
        "arm": list(rows["arm"]),
        "n": [str(n) for n in rows["n"]],
        "validation": [percent(x) for x in rows["val_mean"]],
        "effect": [signed(x) for x in rows["delta"]],
    }
    return tables.TextTable(
        list(columns), [list(row) for row in zip(*columns.values(), strict=True)]
    )


def fenced(text: str) -> str:
    """A text as a block of code, between fences that it does not have itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}toml\n{text.rstrip()}\n{fence}"


def _state(table: StudyTable) -> str:
    found = counts(table)
    more = [f"{number:,} {kind}" for kind, number in found.items() if kind != "finished"]
    done = f"{found['finished']:,} of {table.wanted:,} trials have finished"
    return "; ".join([done, *more]) + "."


def _preliminary(table: StudyTable) -> str:
    command = code_span(f"python study.py report {table.name}")
    return (
        "Preliminary: no verdict before the last trial, for looking again and again finds "
        f"differences by chance. {command} gives one now, and the report counts that look."
    )


def _listed(sentences: list[str]) -> str:
    return "\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences)
