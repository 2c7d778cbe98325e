"""Values of settings: what they may be, and how they are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MultipleOf
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

Scalar = bool | int | float | str
"""A value that is no list."""

Value = bool | int | float | str | tuple[Scalar, ...] | None
"""What a setting's value can be."""

NONE = "none"
"""How a space file, an arm and a table write None."""

NOUNS = {int: ("an integer", "integers"), float: ("a number", "numbers"), str: ("text", "texts")}


def check(field: FieldInfo, value: Any) -> Value:
    """`value` as a setting holds it (a list as a tuple, an integer as a float, "none" as None).

    Args:
        field: the setting's, of a pydantic model.
        value: as it was given.

    Raises:
        ValueError: it has the wrong type or is out of range; the message says what is taken.
    """
    value = tuple(value) if isinstance(value, list) else value
    try:
        return _checked(field.annotation, field.metadata, value)
    except ValueError:
        # Not `text_of`, which shows 3.0 as 3 and 0.9500001 as 0.95.
        shown = json.dumps(value, default=str, ensure_ascii=False)
        shown = shown if len(shown) <= 100 else f"{shown[:100]} …"
        raise ValueError(f"{shown} is not {takes(field)}") from None


def _checked(annotation: Any, metadata: Iterable[Any], value: Any) -> Value:
    kind, limits = _bare(annotation, metadata)
    if _takes_none(annotation) and value in (None, NONE):
        return None
    if get_origin(kind) is Literal:
        return _choice(get_args(kind), value)
    if get_origin(kind) is tuple:
        return _items(get_args(kind), value)
    return _adapter(kind, tuple(limits)).validate_python(value)  # type: ignore[no-any-return]


@lru_cache(maxsize=1_000)
def _adapter(kind: Any, limits: tuple[Any, ...]) -> TypeAdapter[Any]:
    for limit in limits:
        kind = Annotated[kind, limit]
    return TypeAdapter(kind, config={"strict": True, "allow_inf_nan": False})


def _choice(choices: Sequence[Scalar], value: Any) -> Scalar:
    """The choice that `value` is; true is not 1, and 1.0 not 1, but 1 is 1.0."""
    for choice in choices:
        alike = type(value) is type(choice) or (type(value), type(choice)) == (int, float)
        if alike and value == choice:
            return choice
    raise ValueError


def _items(kinds: tuple[Any, ...], value: Any) -> tuple[Scalar, ...]:
    if not isinstance(value, tuple):
        raise ValueError
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    pairs = zip(kinds, value, strict=True)
    return tuple(_checked(kind, (), item) for kind, item in pairs)  # type: ignore[misc]


def kind_of(field: FieldInfo) -> Any:
    """A setting's type without None: ``int`` of ``int | None``."""
    return _bare(field.annotation, field.metadata)[0]


def takes_none(field: FieldInfo) -> bool:
    """Whether a setting can be None, which a space file writes as ``"none"``."""
    return _takes_none(field.annotation)


def _takes_none(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation)


def _bare(annotation: Any, metadata: Iterable[Any]) -> tuple[Any, list[Any]]:
    """A type without None and without its constraints, and these."""
    limits = list(constraints(metadata))
    if _takes_none(annotation):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits += constraints(more)
    return annotation, limits


def constraints(metadata: Iterable[Any]) -> Iterator[Any]:
    """The constraints in a type's metadata, one by one: those inside a ``Field`` or an interval."""
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from constraints(one.metadata)
        elif isinstance(one, GroupedMetadata):
            yield from constraints(one)
        elif one is not None:
            yield one


def takes(field: FieldInfo) -> str:
    """What a setting takes, in words: ``an integer from 1 to 4096``.

    What a field's own description says is put at the end.
    """
    kind, limits = _bare(field.annotation, field.metadata)
    words = _list_words(get_args(kind)) if get_origin(kind) is tuple else _words(kind, limits)
    none = f', or "{NONE}"' if takes_none(field) else ""
    return words + none + (f", {field.description}" if field.description else "")


def _words(kind: Any, limits: list[Any]) -> str:
    """What a value that is no list may be, in words."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(text_of(choice) for choice in get_args(kind))
    if kind is bool:
        return "true or false"
    return NOUNS[kind][0] + _range_words(limits)


def _list_words(kinds: tuple[Any, ...]) -> str:
    """What a list of such items is, in words."""
    items = [_bare(kind, ()) for kind in kinds if kind is not Ellipsis]
    count = "" if Ellipsis in kinds else f" of {len(items)}"
    words = [_words(*item) for item in items]
    if len(set(words)) > 1:
        return f"a list{count}: {'; '.join(words)}"
    kind, limits = items[0]
    if kind not in NOUNS:
        return f"a list{count}, each {words[0]}"
    noun = NOUNS[kind][1] if count != " of 1" else NOUNS[kind][0].split()[-1]
    return f"a list{count or ' of'} {noun}{_range_words(limits)}"


def _range_words(limits: list[Any]) -> str:
    """`` from 1 to 15``, `` above 0``; nothing where there are no bounds."""
    low, high = bounds(limits)
    above = any(isinstance(one, Gt) and one.gt == low for one in limits)
    below = any(isinstance(one, Lt) and one.lt == high for one in limits)
    start = f" {'above' if above else 'from'} {_number(low)}" if low > -math.inf else ""
    end = f" {'below' if below else 'to'} {_number(high)}" if high < math.inf else ""
    if start and end:
        start += "," if above or below else ""
    elif start:
        start += "" if above else " on"
    elif end:
        end = end if below else f" up{end}"
    steps = [_number(one.multiple_of) for one in limits if isinstance(one, MultipleOf)]
    return start + end + "".join(f", a multiple of {step}" for step in steps)


def _number(number: Any) -> str:
    return str(number) if isinstance(number, int) else f"{number:.12g}"


def bounds(metadata: Iterable[Any]) -> tuple[float, float]:
    """The lowest and highest value in a field's metadata; -inf or inf where there is none."""
    limits = list(constraints(metadata))
    lows: list[Any] = [one.ge if isinstance(one, Ge) else one.gt
                       for one in limits if isinstance(one, Ge | Gt)]  # fmt: skip
    highs: list[Any] = [one.le if isinstance(one, Le) else one.lt
                        for one in limits if isinstance(one, Le | Lt)]  # fmt: skip
    return max(lows, default=-math.inf), min(highs, default=math.inf)


def text_of(value: Any) -> str:
    """A value as arms, tables and reports show it: ``3,3,2``, ``0.1``, ``true``, ``none``."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(text_of(v) for v in value) if value else "[]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
