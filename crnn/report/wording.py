"""Numbers and lists as a reader sees them: percent, points, thousands, counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "–"


def percent(fraction: float) -> str:
    """``0.9123`` as ``91.23 %``; a dash where there is no number."""
    return f"{100 * fraction:.2f} %" if math.isfinite(fraction) else MISSING


def signed(fraction: float) -> str:
    """A difference of fractions in points, always signed: ``0.0084`` as ``+0.84``."""
    if not math.isfinite(fraction):
        return MISSING
    text = f"{100 * fraction:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def points(fraction: float) -> str:
    """A difference of fractions: ``0.0084`` as ``+0.84 points``."""
    return f"{signed(fraction)} points"


def whole(number: float) -> str:
    """``719626`` as ``719,626``; a dash where there is no number."""
    return f"{number:,.0f}" if math.isfinite(number) else MISSING


def counted(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Sequence[str], limit: int = 6, separator: str = "; ") -> str:
    """The first ``limit`` items, and how many more there are."""
    shown = separator.join(items[:limit])
    return shown if len(items) <= limit else f"{shown}{separator}and {len(items) - limit} more"
