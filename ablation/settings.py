"""Values of settings: what they may be, and how they are shown."""

from __future__ import annotations

from typing import Any

from annotated_types import Ge, Gt, Le, Lt

Value = bool | int | float | str | tuple[int, ...]
"""What a setting's value can be."""


def bounds(metadata: list[Any]) -> tuple[float, float]:
    """The lowest and highest value in a field's metadata."""
    low = next(m.ge if isinstance(m, Ge) else m.gt for m in metadata if isinstance(m, Ge | Gt))
    high = next(m.le if isinstance(m, Le) else m.lt for m in metadata if isinstance(m, Le | Lt))
    return low, high  # type: ignore[return-value]


def text_of(value: Any) -> str:
    """A value as arms, tables and reports show it: ``3,3,2``, ``0.1``, ``true``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(text_of(v) for v in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
