"""Names, values and options of a table as a sentence has them."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Iterable, Sequence

from ablation.errors import one_line

EMPTY = "(empty)"
MOST_NAMES = 5
LONGEST = 40  # value that is listed whole, in characters
PREFERRED = ("last", "final", "val", "valid", "validation", "dev", "eval")


def some(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """Names as a list, which a long one is cut short of: ``a, b and 7 more``."""
    shown = list(names)
    if len(shown) <= most:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])} and {len(shown) - most} more"


def shown_value(value: str) -> str:
    """A cell's value as a list has it: in one line, its end left out if need be."""
    line = one_line(value)
    return (line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…") or EMPTY


def preferred(values: Sequence[str]) -> str:
    """The value that is suggested of several: the last checkpoint, data to validate on."""
    return next((word for word in PREFERRED if word in values), values[0])


def typed(option: str, text: str) -> str:
    """An option with its value, quoted as a shell wants it."""
    return f"{option} {shlex.quote(text)}"


def in_order(texts: list[str]) -> list[str]:
    """Texts sorted, numbers as such and before others."""
    return sorted(texts, key=order_of)


def order_of(text: str) -> tuple[Hashable, ...]:
    """Where a text stands among others, numbers as such and before others."""
    try:
        number = float(text)
    except ValueError:
        return (1, 0.0, text)
    return (0, number, text) if number == number else (1, 0.0, text)  # NaN has no place


def plain_number(value: float) -> str:
    """A number without an exponent where it is whole: ``13,800,000``, ``0.5``."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
