"""Cells of a table as numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

MISSING = frozenset(
    """na n/a n.a. nan nat <na> #n/a none null nil missing ? - -- – — . … tbd oom error fail failed
    failure crash crashed diverged timeout killed aborted #div/0! #num! #value! #ref! #name?
    """.split()  # noqa: SIM905
) | {"", "out of memory"}
INFINITE = frozenset(sign + word for sign in ("", "+", "-") for word in ("inf", "infinity", "∞"))
PLAIN = frozenset("0123456789+-.eE")  # the characters of cells that Python reads as they are
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "−": "-"})
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(e[+-]?[0-9]+)?")
EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")  # a decimal comma, or one of thousands
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
POINTS_OF_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}((\.[0-9]{3})+,[0-9]+|(\.[0-9]{3}){2,})")

OF_SPREADS = (
    "if that is a mean with its spread, write one row an arm, with columns of means, of standard "
    "deviations and of numbers of runs (--metric MEAN --sd SD --n RUNS)"
)
MEAN_WITH_SPREAD = re.compile(r"[+-]?[0-9][0-9.,]*\s*%?\s*(±|\+/-|\+-|\()\s*[0-9.,]+\s*%?\s*\)?")


def mean_with_spread(cells: pd.DataFrame) -> tuple[str, str] | None:
    """The first column with a cell such as ``0.83 ± 0.01`` or ``68.4(7.1)``, and that cell."""
    for name in cells:
        column = cells[name].str.translate(SPACES)
        found = column[column.str.fullmatch(MEAN_WITH_SPREAD)]
        if len(found):
            return str(name), str(found.iloc[0])
    return None


def numbers(column: pd.Series[str]) -> tuple[pd.Series[float], pd.Series[str]]:
    """The numbers that cells hold, and what is to be known of each.

    Percent signs are left off (``88.5 %`` is 88.5), and decimal commas are read. ``88,125`` is
    88.125 where every number of the column has a comma, or one of them can be nothing but a
    decimal comma; beside ``980`` it might be 88 thousand, and is text.

    Args:
        column: text, as it stands in the table.

    Returns:
        The numbers, NaN where there is none; and the kinds: empty for a number, ``percent`` for
        one with its sign, ``missing`` (empty, ``na``, ``?``, ``-``, ``oom``), ``infinite``, or
        ``text`` for anything else, such as ``0.83 ± 0.01``.
    """
    codes, distinct = pd.factorize(column.to_numpy(dtype=object))
    values, kinds = _distinct([str(cell) for cell in distinct])
    return (
        pd.Series(values[codes], index=column.index, name=column.name),
        pd.Series(kinds[codes], index=column.index, name=column.name, dtype=str),
    )


def _distinct(cells: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The values and kinds of cells."""
    values, kinds = np.full(len(cells), np.nan), np.full(len(cells), "", dtype=object)
    words = {place: cell for place, cell in enumerate(cells) if cell not in MISSING}
    if len(words) < len(cells):
        kinds[[place for place in range(len(cells)) if place not in words]] = "missing"
    plain = _plain(list(words.values()))
    if plain is not None:
        values[list(words)] = plain
    else:
        words = {place: cell.translate(SPACES).strip().lower() for place, cell in words.items()}
        commas_are_decimal = _commas_are_decimal([word.rstrip("% ") for word in words.values()])
        for place, word in words.items():
            values[place], kinds[place] = _cell(word, commas_are_decimal)
    kinds[np.isinf(values)] = "infinite"
    values[np.isinf(values)] = np.nan
    return values, kinds


def _plain(cells: list[str]) -> np.ndarray | None:
    """The values of cells that Python reads as they are; None where one of them is not such."""
    if not PLAIN.issuperset("".join(cells)):
        return None
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        return None


def _cell(word: str, commas_are_decimal: bool) -> tuple[float, str]:
    """The value and the kind of a cell."""
    if word in MISSING:
        return np.nan, "missing"
    if word in INFINITE:
        return np.nan, "infinite"
    kind = "percent" if word.endswith("%") else ""
    number = word.removesuffix("%").strip()
    if DECIMAL_COMMA.fullmatch(number) and (commas_are_decimal or not EITHER.fullmatch(number)):
        number = number.replace(",", ".")
    elif THOUSANDS.fullmatch(number) and not EITHER.fullmatch(number):
        number = number.replace(",", "")
    elif POINTS_OF_THOUSANDS.fullmatch(number):
        number = number.replace(".", "").replace(",", ".")
    if not NUMBER.fullmatch(number):
        return np.nan, "text"
    return float(number), kind


def _commas_are_decimal(words: list[str]) -> bool:
    """Whether ``88,125`` is a number with three decimals, by the other cells of its column."""
    decimal = [word for word in words if DECIMAL_COMMA.fullmatch(word)]
    if any(not EITHER.fullmatch(word) for word in decimal):
        return True
    return not any(
        NUMBER.fullmatch(word) or (THOUSANDS.fullmatch(word) and word not in decimal)
        for word in words
    )
