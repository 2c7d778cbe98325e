"""The table of arms to paste: Markdown for an issue, LaTeX (booktabs) for a paper."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from crnn.report.page import escape_markdown, markdown_table
from crnn.report.table import StudyTable
from crnn.report.tables import TextTable, arms_table
from crnn.report.wording import counted

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "±": r"$\pm$", "–": "--", "<": "$<$", ">": "$>$", "×": r"$\times$",
}  # fmt: skip


def as_markdown(table: StudyTable, effects: pd.DataFrame) -> str:
    """The table of arms in Markdown, its caption below."""
    text = replace(arms_table(table, effects), strong=set())
    return f"{markdown_table(text)}\n{escape_markdown(caption(table))}\n"


def as_latex(table: StudyTable, effects: pd.DataFrame) -> str:
    """The table of arms as a LaTeX table; needs the package booktabs."""
    text = arms_table(table, effects)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption(table))}}}"]
    lines += [rf"\begin{{tabular}}{{{_columns(text)}}}", r"\toprule", _row(text.titles)]
    lines += [r"\midrule", *(_row(row) for row in text.rows), r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", r"\end{table}"]) + "\n"


def caption(table: StudyTable) -> str:
    """What a table needs to stand alone: question, n, margin, hardware, versions, commit."""
    found = table.environment
    machine = [str(found[key]) for key in ("gpu", "cpu", "precision") if found.get(key)]
    versions = [f"{key} {found[key]}" for key in ("torch", "commit") if found.get(key)]
    question = " ".join(table.question.split())
    return (
        f"{question} Accuracy after the last epoch, {counted(len(table.seeds), 'seed')} an arm; "
        f"effects paired by seed, margin {100 * table.margin:.2f} points, Holm-adjusted. "
        f"{', '.join([*machine, *versions])}."
    )


def escape_latex(text: str) -> str:
    """One line of plain text, as LaTeX shows it."""
    return "".join(LATEX.get(char, char) for char in " ".join(text.split()))


def _columns(text: TextTable) -> str:
    return "l" * text.words + "r" * (len(text.titles) - text.words)


def _row(cells: list[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"
