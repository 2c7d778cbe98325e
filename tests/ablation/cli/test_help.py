"""What --help shows on 80 columns."""

from __future__ import annotations

import re

import pytest
import typer.main
from rich.cells import cell_len

import study
from tests.helpers.commands.cli import call

COMMANDS = typer.main.get_command(study.app).commands  # type: ignore[attr-defined]
WIDEST = 42  # columns before the text of an option, with which texts of a line stay short


def shown(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """The lines of a help."""
    monkeypatch.setenv("COLUMNS", "80")
    answer = call(*words, "--help")
    assert answer.code == 0
    return [line.rstrip() for line in answer.out.splitlines()]


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)])
def test_it_fits_and_nothing_is_cut(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(monkeypatch, *words)
    assert max(map(cell_len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_option_and_argument_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, name)
    for parameter in COMMANDS[name].params:
        label = parameter.opts[0] if parameter.opts[0].startswith("--") else parameter.metavar
        rows = [line for line in lines if re.match(rf"│ \*? *{re.escape(label)}(?![\w-])", line)]
        assert len(rows) == 1, label
        text = parameter.help.split()[0]
        assert 0 < rows[0].index(f" {text}") <= WIDEST, label


def test_the_root_names_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch)
    for name in COMMANDS:
        assert [line for line in lines if re.match(rf"│ {name} +[A-Z]\w+ ", line)], name
