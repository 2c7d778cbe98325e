"""Values of settings: what they may be, and how they are shown."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

Value = bool | int | float | str | tuple[int, ...]
"""What a setting's value can be."""


def check(field: FieldInfo, value: Any) -> Value:
    """`value` as a setting holds it (a list as a tuple, an integer as a float).

    Args:
        field: the setting's, of a pydantic model.
        value: as it was given.

    Raises:
        ValueError: it has the wrong type or is out of range; the message says what is taken.
    """
    value = tuple(value) if isinstance(value, list) else value
    kind: Any = field.annotation
    for bound in field.metadata:
        kind = Annotated[kind, bound]
    strict: ConfigDict = {"strict": True, "allow_inf_nan": False}
    try:
        return TypeAdapter(kind, config=strict).validate_python(value)  # type: ignore[no-any-return]
    except ValidationError:
        # Not `text_of`, which shows 3.0 as 3, 0.9500001 as 0.95 and an empty list as nothing.
        shown = json.dumps(value, default=str, ensure_ascii=False)
        shown = shown if len(shown) <= 100 else f"{shown[:100]} …"
        raise ValueError(f"{shown} is not {takes(field)}") from None


def takes(field: FieldInfo) -> str:
    """What a setting takes, in words: ``an integer from 1 to 4096``.

    What a field's own description says is put at the end.
    """
    kind, also = field.annotation, f", {field.description}" if field.description else ""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind)) + also
    if kind is bool:
        return f"true or false{also}"
    if get_origin(kind) is tuple:
        low, high = bounds(get_args(get_args(kind)[0])[1].metadata)
        return f"a list of {len(get_args(kind))} integers from {low} to {high}{also}"
    low, high = bounds(field.metadata)
    start = f"above {low:g}," if any(isinstance(m, Gt) for m in field.metadata) else f"from {low:g}"
    end = f"below {high:g}" if any(isinstance(m, Lt) for m in field.metadata) else f"to {high:g}"
    return f"{'an integer' if kind is int else 'a number'} {start} {end}{also}"


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
