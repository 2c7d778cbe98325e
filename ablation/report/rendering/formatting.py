"""Numbers and lists as a reader sees them: p values, thousands, counts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.objective.metric import MISSING


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    return frame.to_dict("records")  # type: ignore[return-value]


def capitalized(text: str) -> str:
    """A text as the beginning of a sentence: with a capital, but for a name as in ``val_loss``."""
    is_name = not re.fullmatch(r"\W*[a-z'-]+\W*", text.partition(" ")[0])
    return text if is_name else text[:1].upper() + text[1:]


def chance(p: float) -> str:
    """A p value: ``0.031``, ``< 0.001``; a dash where there is no test."""
    if not math.isfinite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def whole(number: float) -> str:
    """``719626`` as ``719,626``; a dash where there is no number."""
    return f"{number:,.0f}" if math.isfinite(number) else MISSING


def tenths(number: float) -> str:
    """``1234.56`` as ``1,234.6``; a dash where there is no number."""
    return f"{number:,.1f}" if math.isfinite(number) else MISSING


CONFOUNDED = "*"
"""Set beside a verdict whose arm also changes the sequence length or the network's size."""


def marked(
    verdict: str, confounded: bool, slight: bool = False, reason: str = "", test: str = ""
) -> str:
    """A verdict, with its mark where it is not the changed setting's alone.

    Also, where it is better or worse, that it is so by less than the margin (``slight``), what is
    to be known of its test (``test``), and why it is no finding or why there is none (``reason``).
    """
    if not verdict:
        return reason or MISSING
    size = f", {SLIGHT}" if slight else ""
    size += f", {test}" if test else ""
    why = f": {reason}" if reason else ""
    return f"{verdict}{size}{why} {CONFOUNDED}" if confounded else f"{verdict}{size}{why}"


SLIGHT = "by less than the margin"


def look_mark(row: Mapping[Any, Any]) -> str:
    """``look 2``, of a row of effects that a declared look settled; else empty."""
    number = row.get("settled_look")
    return "" if number is None or pd.isna(number) else f"look {int(number)}"


def listed(items: Sequence[str], limit: int = 6, separator: str = "; ") -> str:
    """The first ``limit`` items, and how many more there are."""
    shown = separator.join(items[:limit])
    return shown if len(items) <= limit else f"{shown}{separator}and {len(items) - limit:,} more"


def ranked(
    items: Sequence[str], kinds: Sequence[str], limit: int = 6, separator: str = "; "
) -> str:
    """As `listed`, and of what kind the others are: ``and 3 more: 1 worse, 2 inconclusive``.

    Nothing is said of kinds where all items are of one.

    Args:
        items: in the order in which they matter.
        kinds: of each item, what it is counted as where it is left out.
        limit: how many are shown.
        separator: between two of them.
    """
    if len(items) <= limit:
        return separator.join(items)
    if len(set(kinds)) == 1:
        return listed(items, limit, separator)
    counts = Counter(kinds[limit:])
    rest = ": " + ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    if len(counts) == 1:
        rest = f", all {kinds[limit]}"
    shown = separator.join(items[:limit])
    return f"{shown}{separator}and {len(items) - limit:,} more{rest}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    ending = {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
    return f"{number}{ending}"
