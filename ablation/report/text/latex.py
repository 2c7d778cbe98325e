"""The table of arms to paste: Markdown for an issue, LaTeX (booktabs) for a paper."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import groupby
from textwrap import wrap

from ablation.design.settling import Settling
from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import also_changed
from ablation.report.effects.replicates import replicates
from ablation.report.effects.settling import seeds_by_arm
from ablation.report.rendering.formatting import CONFOUNDED, capitalized
from ablation.report.rendering.templating import escape_markdown, markdown_table
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.answer import incomplete
from ablation.report.text.blocks import block_table
from ablation.report.text.comparisons import test_text
from ablation.report.text.recommendation import about_choice
from ablation.report.text.settling import about_intervals, looks_text
from ablation.report.text.tables.arms import arms_table, paper_table

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "±": r"$\pm$", "–": "--", "<": "$<$", ">": "$>$", "×": r"$\times$",
    "≤": r"$\leq$", "≥": r"$\geq$", "|": r"\textbar{}", '"': "''",
    # At the start of a row these would belong to the \\ before it.
    "[": "{[}", "*": "{*}",
}  # fmt: skip
ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
LETTERS = frozenset("ßøØæÆœŒłŁ")
OTHER = r"\providecommand{\othertext}[2]{\ifdefined\Umathcode#1\else#2\fi}"
"""Text that pdfLaTeX has no letters for, and what stands there instead; XeLaTeX and LuaLaTeX, given
a font that has them, set the text itself."""
LINE = 24  # characters of an arm's name that a column has room for
TITLE = 7  # characters of a line of a column's title


def as_markdown(study: Analysis) -> str:
    """The table of arms in Markdown, its caption below."""
    rows = None if study.table.design == "search" else study.effects
    text = replace(arms_table(study, rows), strong=set())
    below = escape_markdown(caption(study.table, text, len(study.effects)))
    if study.table.blocks.empty:
        return f"{markdown_table(text)}\n{below}\n"
    blocks = markdown_table(block_table(study))
    if study.is_by_block_alone:
        return f"{blocks}\n{below}\n"
    return f"{markdown_table(text)}\n{blocks}\n{below}\n"


def as_latex(study: Analysis) -> str:
    """The table of arms as a LaTeX table; needs the package booktabs.

    It fits the text of a one-column article: arms with long names get lines to break.
    """
    shown = block_table(study) if study.is_by_block_alone else paper_table(study)
    text = _percent_in_titles(shown)
    above = escape_latex(caption(study.table, text, len(study.effects)))
    lines = [OTHER, r"\begin{table}", r"\centering", rf"\caption{{{above}}}"]
    lines += [r"\scriptsize", r"\setlength{\tabcolsep}{3pt}"]
    lines += [rf"\begin{{tabular}}{{{_columns(text)}}}", r"\toprule", _titles(text)]
    lines += [r"\midrule", *(_row(row) for row in text.rows), r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", r"\end{table}"]) + "\n"


def caption(table: StudyTable, text: TextTable, arms: int) -> str:
    """What a table needs to stand alone: question, n, margin, hardware, versions, commit.

    Args:
        table: the study.
        text: the table that it is for.
        arms: how many there are, shown or not.
    """
    environment = table.environment
    machine = [str(environment[key]) for key in ("gpu", "cpu", "precision") if environment.get(key)]
    versions = [f"{key} {environment[key]}" for key in ("torch", "commit") if environment.get(key)]
    question = " ".join(table.question.split())
    shown = len(text.rows)
    marked = any(cell.endswith(f" {CONFOUNDED}") for row in text.rows for cell in row)
    sentences = [
        f"{question} {capitalized(table.outcome_text(table.metric.text))}, {_seeds(table)} an "
        f"arm; {_compared(table)}, {_margin(table)}, Holm-adjusted.",
        *incomplete(table),
        about_intervals(table),
        about_choice(table),
        f"{shown} of {arms} arms; all are in effects.csv." if shown < arms else "",
        f"{CONFOUNDED} also changes {also_changed(table)} by more than 10 %." if marked else "",
        f"{', '.join([*machine, *versions])}." if machine or versions else "",
    ]
    return " ".join(filter(None, sentences))


def _compared(table: StudyTable) -> str:
    """How arms are compared."""
    if table.comparison.method == "paired":
        return f"effects paired by {table.comparison.of}"
    return f"by {test_text(table.comparison)}"


def _margin(table: StudyTable) -> str:
    return f"margin {table.metric.margin(table.margin)}" if table.margin else "no margin"


def _seeds(table: StudyTable) -> str:
    """``10 seeds``, or, as long as some lack, ``1 to 2 of 10 seeds``."""
    if not table.can_continue:
        return _runs(table)
    if table.settling is not None:
        return _settled_seeds(table, table.settling)
    finished = replicates(table.trials)["arm"].value_counts()
    by_arm = finished.reindex(table.arms["arm"]).fillna(0).astype(int)
    low, high, all_of_them = by_arm.min(), by_arm.max(), len(table.seeds)
    if low == all_of_them:
        return counted(all_of_them, "seed")
    return f"{low if low == high else f'{low} to {high}'} of {counted(all_of_them, 'seed')}"


def _settled_seeds(table: StudyTable, settling: Settling) -> str:
    """``5 to 20 seeds (looks at 5, 10, 15 and 20 seeds)``."""
    counts = [count for arm, count in seeds_by_arm(settling).items() if arm in settling.family]
    if not counts:
        return looks_text(settling)
    low, high = min(counts), max(counts)
    seeds = counted(low, "seed") if low == high else f"{low} to {high} seeds"
    return f"{seeds} ({looks_text(settling)})"


def _runs(table: StudyTable) -> str:
    """``5 runs``, or ``4 to 6 runs``; of blocks in each of them."""
    runs = table.blocks if len(table.blocks) else table.trials
    done = runs[(runs["state"] == "COMPLETE").to_numpy(bool)]
    keys = ["block", "arm"] if len(table.blocks) else ["arm"]
    sizes = done.groupby(keys)["arm"].size()
    if table.comparison.method == "summaries":
        sizes = done.groupby(keys)["n"].sum().astype(int)
    low, high = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
    return counted(low, "run") if low == high else f"{low} to {counted(high, 'run')}"


def escape_latex(text: str) -> str:
    """One line of plain text, as LaTeX shows it; what cannot be seen is left out."""
    line = " ".join(text.split())
    parts = []
    for known, chars in groupby(filter(str.isprintable, line), key=_in_latex):
        text = "".join(chars)
        shown = "".join(LATEX.get(char, char) for char in text)
        parts.append(shown if known else rf"\othertext{{{text}}}{{{'?' * len(text)}}}")
    return "".join(parts)


def _in_latex(char: str) -> bool:
    """Whether plain pdfLaTeX can show a character."""
    if char.isascii() or char in LATEX or char in LETTERS:
        return True
    parts = unicodedata.normalize("NFD", char)
    return len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS


def _percent_in_titles(text: TextTable) -> TextTable:
    """Where a column is in percent, its title says so once."""
    columns = [list(cells) for cells in zip(*text.rows, strict=True)]
    titles = list(text.titles)
    for place in range(text.words, len(titles)):
        if any(cell.endswith(" %") for cell in columns[place]):
            titles[place] += " (%)"
            columns[place] = [cell.removesuffix(" %") for cell in columns[place]]
    return replace(text, titles=titles, rows=[list(row) for row in zip(*columns, strict=True)])


def _columns(text: TextTable) -> str:
    """Words to the left, numbers to the right; what is too long for a line gets a width."""
    numbers = len(text.titles) - text.words
    width = rf"p{{{0.23 if numbers > 3 else 0.65}\textwidth}}"
    lengths = [max(len(cell) for cell in cells) for cells in zip(*text.rows, strict=True)]
    words = [width if length > LINE else "l" for length in lengths[: text.words]]
    return "@{}" + "".join(words) + "r" * numbers + "@{}"


def _titles(text: TextTable) -> str:
    """The titles, those of numbers in lines below one another: the numbers are narrow."""
    stacked = [_stacked(title) for title in text.titles[text.words :]]
    return " & ".join([*map(escape_latex, text.titles[: text.words]), *stacked]) + r" \\"


def _stacked(title: str) -> str:
    lines = [escape_latex(line) for line in wrap(title, TITLE, break_long_words=False)]
    if len(lines) == 1:
        return lines[0]
    return r"\begin{tabular}[b]{@{}r@{}}" + r"\\".join(lines) + r"\end{tabular}"


def _row(cells: list[str]) -> str:
    return " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(cell: str) -> str:
    """A cell; a long one breaks between an arm's settings."""
    shown = escape_latex(cell)
    return r"\raggedright " + shown.replace("+", r"+\allowbreak{}") if len(cell) > LINE else shown
