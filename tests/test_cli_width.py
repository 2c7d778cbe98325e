"""Tables on consoles of all widths: wrapped or stacked, never cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import study
from crnn.report.tables import TextTable

ROWS = [
    ["learning_rate=0.0003+dropout=0.05+hidden_size=384", "10", "90.12 %", "+1.11", "better *"],
    ["filter_sizes=7,5,3", "10", "88.02 %", "−12.34", "inconclusive: diverged in 1 of 10 seeds"],
]
TITLES = ["arm", "n", "validation", "effect", "verdict"]


@pytest.fixture(params=[20, 30, 40, 50, 80, 120])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    console = Console(file=out, width=request.param, highlight=False)
    monkeypatch.setattr(study, "console", console)
    return out


def test_no_cell_of_a_reports_table_is_cut(printed: io.StringIO) -> None:
    study._print_text_table(TextTable(TITLES, ROWS))
    text = printed.getvalue()
    for row in ROWS:
        for cell in row[1:-1]:
            assert cell in text
        for word in row[-1].split():  # a verdict's reason may be broken between words
            assert word in text
        for setting in row[0].split("+"):
            assert setting in text
    for title in TITLES:
        assert title in text


def test_no_cell_of_a_plan_or_a_list_is_cut(printed: io.StringIO) -> None:
    question = "Which learning rate is best, and does that depend on the dropout?"
    rows = [{"arm": row[0], "trials": 12345, "time": "about 3 min", "question": question}
            for row in ROWS]  # fmt: skip
    study._print_table(rows, ["arm", "trials", "time", "question"])
    text = printed.getvalue()
    for word in question.split():
        assert word in text
    for row in ROWS:
        for setting in row[0].split("+"):
            assert setting in text
    assert text.count("12,345") == 2
    assert text.count("about 3 min") == 2
