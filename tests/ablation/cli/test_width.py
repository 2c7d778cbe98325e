"""Tables on consoles of all widths: wrapped or stacked, never cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ablation.cli.console import Output
from ablation.report.rendering.text_table import TextTable

ROWS = [
    ["learning_rate=0.0003+dropout=0.05+hidden_size=384", "10", "90.12 %", "+1.11", "better *"],
    ["filter_sizes=7,5,3", "10", "88.02 %", "−12.34", "inconclusive: diverged in 1 of 10 seeds"],
]
TITLES = ["arm", "n", "validation", "effect", "verdict"]


@pytest.fixture(params=[20, 30, 40, 50, 80, 120])
def output(request: pytest.FixtureRequest) -> Output:
    return Output(Console(file=io.StringIO(), width=request.param, highlight=False))


def text_of(output: Output) -> str:
    assert isinstance(output.console.file, io.StringIO)
    return output.console.file.getvalue()


def test_no_cell_of_a_reports_table_is_cut(output: Output) -> None:
    output.print_text_table(TextTable(TITLES, ROWS))
    text = text_of(output)
    for row in ROWS:
        for cell in row[1:-1]:
            assert cell in text
        for word in row[-1].split():  # a verdict's reason may be broken between words
            assert word in text
        for setting in row[0].split("+"):
            assert setting in text
    for title in TITLES:
        assert title in text


def test_no_cell_of_a_plan_or_a_list_is_cut(output: Output) -> None:
    question = "Which learning rate is best, and does that depend on the dropout?"
    rows = [{"arm": row[0], "trials": 12345, "time": "about 3 min", "question": question}
            for row in ROWS]  # fmt: skip
    output.print_rows(rows, ["arm", "trials", "time", "question"])
    text = text_of(output)
    for word in question.split():
        assert word in text
    for row in ROWS:
        for setting in row[0].split("+"):
            assert setting in text
    assert text.count("12,345") == 2
    assert text.count("about 3 min") == 2


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_sentence_is_broken_between_words_in_a_terminal_only(
    is_terminal: bool,
) -> None:
    console = Console(
        file=io.StringIO(), width=40, highlight=False, force_terminal=is_terminal, no_color=True
    )
    sentence = "Inconclusive: concluded +1.02 points (95 % interval +0.09 to +1.94, 5 seeds)."
    output = Output(console)
    output.tell(sentence)
    lines = text_of(output).splitlines()
    assert " ".join(line.strip() for line in lines) == sentence
    assert (len(lines) > 1) is is_terminal
