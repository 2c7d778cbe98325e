"""The words of a command: what is replaced in them, and what they start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.user_code.command.words import (
    command_line,
    fill,
    literal,
    placeholders,
    program_environment,
    program_error,
    word_errors,
)
from tests.ablation.user_code.processes import write

TEXTS = {"lr": "0.1", "name": "{lr}", "seed": "3"}


@pytest.mark.parametrize(
    ("word", "filled"),
    [
        ("--lr={lr}", "--lr=0.1"),
        ("{lr}{lr}", "0.10.1"),
        ("{{lr}}", "{lr}"),
        ("{{{lr}}}", "{0.1}"),
        ("a}}b{{", "a}b{"),
        ("{name}", "{lr}"),  # what is put in is not looked at again
        ("%(lr)s $lr `lr` ~", "%(lr)s $lr `lr` ~"),
        ("", ""),
    ],
)
def test_a_name_in_braces_is_replaced_once_and_literally(word: str, filled: str) -> None:
    assert fill(word, TEXTS) == filled


@given(st.text(), st.text())
def test_a_text_arrives_as_it_is(text: str, before: str) -> None:
    start = before.replace("{", "{{").replace("}", "}}")
    assert fill(f"{start}{{name}}", {"name": text}) == before + text


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("{lrr}", "command: there is no {lrr}; did you mean lr? Valid: lr, seed, folder, data"),
        ("{seed.__class__}", "there is no {seed.__class__}"),
        ("{lr!r}", "there is no {lr!r}"),
        ("{lr:.3f}", "there is no {lr:.3f}"),
        ("{lr[0]}", "there is no {lr[0]}"),
        ("{}", "there is no {}"),
        ("{0}", "there is no {0}"),
        ("{ lr }", "there is no { lr }"),
        ("{lr", "'{lr' has a brace alone; a brace itself is written {{ or }}"),
        ("lr}", "has a brace alone"),
        ("{{lr}", "has a brace alone"),
    ],
)
def test_anything_else_in_braces_is_an_error(word: str, said: str) -> None:
    (error,) = word_errors(["python", word], ["lr"])
    assert said in error


def test_every_error_in_the_words_is_told() -> None:
    errors = list(word_errors(["{a}", "{lr}", "{b}{c}", "}"], ["lr"]))
    assert len(errors) == 4


def test_what_is_the_trainings_own_is_known() -> None:
    assert not list(word_errors(["--s={seed}", "{folder}/x", "{data}", "{{x}}"], []))
    assert placeholders("{seed}{{x}}{folder}") == ["seed", "folder"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_exact(number: float) -> None:
    assert float(literal(number)) == number


def test_other_values_as_text() -> None:
    assert [literal(v) for v in (True, False, None, 64, "a b")] == [
        "true", "false", "none", "64", "a b"
    ]  # fmt: skip


def test_files_of_the_space_become_absolute_and_values_do_not(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "")
    words = ["python", "train.py", "--file=train.py", "{name}", "other.py"]
    line = command_line(words, tmp_path, {"name": "train.py"})
    assert line == [
        sys.executable, str(tmp_path / "train.py"), "--file=train.py", "train.py", "other.py"
    ]  # fmt: skip


def test_a_word_may_be_longer_than_a_file_name(tmp_path: Path) -> None:
    assert command_line(["python", "x" * 10_000], tmp_path, {})[1] == "x" * 10_000


def test_a_program_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, "go.sh", "#!/bin/sh\n")
    assert "no program no-such-thing; install it" in program_error(["no-such-thing"], tmp_path)
    assert "./go.sh is not executable" in program_error(["./go.sh"], tmp_path)
    path.chmod(0o755)
    for first in ("./go.sh", "python", "sh", "{solver}"):
        assert program_error([first], tmp_path) == ""


def test_programs_of_this_pythons_environment_come_first() -> None:
    path = program_environment(["python"], Path("/space"), 1)["PATH"]
    assert path.split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_the_environment_has_threads_and_no_way_to_a_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CRNN_STUDY_STORAGE", "PGPASSWORD", "OMP_NUM_THREADS", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "kept")
    found = program_environment(["python"], Path("/space"), 3)
    assert "CRNN_STUDY_STORAGE" not in found
    assert "PGPASSWORD" not in found
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["SOMETHING_ELSE"] == "kept"
    assert found["PYTHONHASHSEED"] == "0"


def test_modules_beside_the_space_are_found_where_the_command_names_a_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/other")
    assert program_environment(["python"], Path("/space"), 1)["PYTHONPATH"] == "/other"
    found = program_environment(["python", "-m", "train"], Path("/space"), 1)
    assert found["PYTHONPATH"] == "/space:/other"
