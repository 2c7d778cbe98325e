"""Cells of a table as numbers."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.runs.tables.numbers import numbers


def read(*cells: str) -> list[tuple[float | None, str]]:
    values, kinds = numbers(pd.Series(list(cells), dtype=str))
    return [
        (None if math.isnan(value) else value, kind)
        for value, kind in zip(values, kinds, strict=True)
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.10", 0.1), ("-3", -3.0), ("+.5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("1E5", 1e5),
        ("−0.5", -0.5), ("0,91", 0.91), ("-12,5", -12.5), ("1,5e-3", 0.0015),
        ("1,234.5", 1234.5), ("1.234,5", 1234.5),
        ("1,234,567", 1234567.0), ("1.234.567", 1234567.0),
    ],
)  # fmt: skip
def test_numbers_of_many_spellings_are_read(cell: str, value: float) -> None:
    assert read(cell) == [(value, "")]


@pytest.mark.parametrize(
    "cell",
    ["", "na", "NaN", "N/A", "?", "-", "–", "None", "null", "OOM", "failed", "#DIV/0!", "<NA>"],
)
def test_what_stands_for_no_number_is_missing(cell: str) -> None:
    assert read(cell, "0.5") == [(None, "missing"), (0.5, "")]


@pytest.mark.parametrize("cell", ["inf", "-Inf", "Infinity", "∞", "1e999"])
def test_infinite_cells_have_no_value(cell: str) -> None:
    assert read(cell) == [(None, "infinite")]


@pytest.mark.parametrize(
    "cell", ["68.4(7.1)", "0.83 ± 0.01", "0.91*", "True", "1_000", "0x10", "٣", "1e", "--1", "5 %%"]
)
def test_text_is_no_number(cell: str) -> None:
    assert read(cell) == [(None, "text")]


def test_percent_signs_are_left_off_and_noted() -> None:
    assert read("88.5%", "88 %", "12,5 %", "88.5") == [
        (88.5, "percent"), (88.0, "percent"), (12.5, "percent"), (88.5, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["88,125", "87,250"], (88.125, "")),
        (["88,125", "0,91"], (88.125, "")),
        (["88,125", "980"], (None, "text")),
        (["1,234", "0.92"], (None, "text")),
        (["88,125", "1,234.5"], (None, "text")),
        (["88,125", "na"], (88.125, "")),
    ],
)
def test_a_comma_before_three_digits_is_read_only_where_it_is_clear(
    cells: list[str], first: tuple[float | None, str]
) -> None:
    assert read(*cells)[0] == first


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_what_python_writes_is_read_to_the_last_digit(values: list[float]) -> None:
    assert read(*map(repr, values)) == [(value, "") for value in values]


@given(st.lists(st.sampled_from(["0.5", "", "na", "7 %", "x", "0,25", "inf"])))
def test_equal_cells_are_read_alike_and_keep_their_rows(cells: list[str]) -> None:
    column = pd.Series(cells, index=[7 * place for place in range(len(cells))], dtype=str)
    values, kinds = numbers(column)
    assert list(values.index) == list(kinds.index) == list(column.index)
    assert len({(cell, kind) for cell, kind in zip(cells, kinds, strict=True)}) == len(set(cells))
