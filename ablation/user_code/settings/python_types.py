"""Types of Python as those of settings: what a space file writes, what a class holds for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import SecretBytes, SecretStr, Strict

from ablation.settings import NONE, Scalar, Value, constraints, text_of
from ablation.user_code.settings.class_fields import is_settings_class
from ablation.user_code.settings.schema import ValueType

TAKEN = (
    "a setting is bool, int, float, str, Path, Literal, Enum, a tuple or list of these, one of "
    "them or None, or a model or dataclass of such fields"
)
KINDS: dict[type, Literal["bool", "int", "float", "text"]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    Path: "text",
    PurePath: "text",
}
LISTS = (tuple, list, Sequence)


class TypeFaultError(ValueError):
    """A type that no setting can have; the message says which, and why."""


@dataclass(frozen=True)
class PythonType:
    """A type that is no list.

    Attributes:
        kind: as a setting's.
        objects: of a choice: what the class holds for each.
        whole: whether `kind` says all that the type checks.
    """

    kind: ValueType
    objects: tuple[Any, ...] = ()
    whole: bool = True

    def held(self, value: Scalar) -> Any:
        """What the class holds for a value."""
        for choice, thing in zip(self.kind.choices, self.objects, strict=True):
            if type(choice) is type(value) and choice == value:
                return thing
        return value

    def written(self, value: Any) -> Scalar:
        """What a space file writes for what the class holds (the inverse of `held`).

        Raises:
            ValueError: it holds what no setting can be.
        """
        for choice, thing in zip(self.kind.choices, self.objects, strict=True):
            if value is thing or (isinstance(thing, Enum) and value == thing.value):
                return choice
        return plain(value)


@dataclass(frozen=True)
class FieldType:
    """The type of a field.

    Attributes:
        items: its own, or of a list those of its places.
        is_list: whether it is a list.
        any_length: whether it is a list of any number of values, all of one type.
        optional: whether it can be None.
        whole: whether this says all that the type checks.
    """

    items: tuple[PythonType, ...]
    is_list: bool = False
    any_length: bool = False
    optional: bool = False
    whole: bool = True

    def held(self, value: Value) -> Any:
        """What the class holds for a value; of a list, a list."""
        if isinstance(value, tuple):
            return [kind.held(item) for kind, item in self._places(value)]
        return None if value is None else self.items[0].held(value)

    def written(self, value: Any) -> Value:
        """What a space file writes for what the class holds (the inverse of `held`).

        Raises:
            ValueError: it holds what no setting can be.
        """
        if value is None:
            return None
        if self.is_list and isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(kind.written(item) for kind, item in self._places(value))
        return self.items[0].written(value)

    def _places(self, values: Sequence[Any]) -> Iterable[tuple[PythonType, Any]]:
        fit = len(values) == len(self.items)
        return zip(self.items if fit else self.items[:1] * len(values), values, strict=True)


def plain(value: Any) -> Scalar:
    """A scalar of any library's as Python's own; a path as text.

    Raises:
        ValueError: it is none, or is not a number.
    """
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, int | str) else value.name
    if isinstance(value, bool | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        if math.isnan(value):
            raise ValueError("NaN is no number")
        return float(value)
    raise ValueError(f"{value!r} is of type {type(value).__name__}; {TAKEN}")


def field_type(annotation: Any, metadata: Iterable[Any]) -> FieldType:
    """The type of a class's field.

    Args:
        annotation: the field's.
        metadata: its constraints.

    Raises:
        TypeFaultError: no setting can have it.
    """
    kind, limits = bare(annotation)
    limits += constraints(metadata)
    others, optional = _alternatives(kind)
    if len(others) == 1:
        kind, more = bare(others[0])
        limits += more
    origin = get_origin(kind) or kind
    if origin not in LISTS:
        one = _scalar_of(others, kind, limits)
        if optional and NONE in one.kind.choices:
            raise TypeFaultError(f'"{NONE}" is how a space file writes None; use another word')
        return FieldType((one,), optional=optional, whole=one.whole)
    args = get_args(kind)
    any_length = origin is not tuple or Ellipsis in args
    places = tuple(_item(arg, kind) for arg in args if arg is not Ellipsis)
    if not places:
        raise TypeFaultError(f"{name_of(kind)} says nothing of its items: write list[int]")
    whole = all(place.whole for place in places) and not _unknown(limits, [])
    return FieldType(places, True, any_length, optional, whole)


def _item(annotation: Any, whole: Any) -> PythonType:
    kind, limits = bare(annotation)
    others, optional = _alternatives(kind)
    if optional:
        raise TypeFaultError(f"{name_of(whole)}: inside a list, None is not taken")
    return _scalar_of(others, kind, limits)


def _alternatives(kind: Any) -> tuple[list[Any], bool]:
    """What a union is of, without None, and whether that is in it; else the type itself."""
    if get_origin(kind) is Literal:
        return [kind], None in get_args(kind)
    if get_origin(kind) not in (Union, UnionType):
        return [kind], False
    parts: list[Any] = []
    optional = False
    for arg in get_args(kind):
        inner = bare(arg)[0]
        if get_origin(inner) in (Literal, Union, UnionType):
            more, none = _alternatives(inner)
            parts += more
            optional |= none
        elif inner is NoneType:
            optional = True
        else:
            parts.append(arg)
    return parts, optional


def _scalar_of(others: list[Any], kind: Any, limits: list[Any]) -> PythonType:
    """One type of several, which must be choices all of them, and not None."""
    if len(others) == 1:
        return _scalar(kind, limits)
    parts = [_scalar(*bare(other)) for other in others]
    if any(part.kind.kind != "choice" for part in parts):
        raise TypeFaultError(f"{name_of(kind)} is several types; {TAKEN}")
    pairs = [pair for part in parts for pair in zip(part.kind.choices, part.objects, strict=True)]
    return _choice(pairs, kind, limits)


def _scalar(kind: Any, limits: list[Any]) -> PythonType:
    if get_origin(kind) is Literal:
        pairs = [(_literal(value, kind), value) for value in get_args(kind) if value is not None]
        return _choice(pairs, kind, limits)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(_members(kind), kind, limits)
    if kind in (SecretStr, SecretBytes):
        raise TypeFaultError("a secret is no setting: read it from the environment, in train")
    if is_settings_class(kind):
        what = "a nested class can be neither None, in a list nor one of several"
        raise TypeFaultError(f"{name_of(kind)}: {what}")
    if not isinstance(kind, type) or kind not in KINDS:
        raise TypeFaultError(f"{name_of(kind)} is not taken; {TAKEN}")
    if kind not in (int, float):
        return PythonType(ValueType(kind=KINDS[kind]), whole=not _unknown(limits, []))
    known = [Ge, Gt, Le, Lt, MultipleOf]
    return PythonType(_number(KINDS[kind], limits), whole=not _unknown(limits, known))


def _choice(pairs: list[tuple[Scalar, Any]], kind: Any, limits: list[Any]) -> PythonType:
    choices, objects = tuple(choice for choice, _ in pairs), tuple(thing for _, thing in pairs)
    if len({text_of(choice) for choice in choices}) < len(choices):
        raise TypeFaultError(f"{name_of(kind)} has two values that a space file writes alike")
    if not choices:
        raise TypeFaultError(f"{name_of(kind)} has no value")
    whole = not _unknown(limits, [])
    return PythonType(ValueType(kind="choice", choices=choices), objects, whole)


def _literal(value: Any, kind: Any) -> Scalar:
    if isinstance(value, Enum):
        return next(written for written, member in _members(type(value)) if member is value)
    if not isinstance(value, bool | int | float | str):
        raise TypeFaultError(f"{name_of(kind)} is not taken; {TAKEN}")
    return value


def _members(kind: type[Enum]) -> list[tuple[Scalar, Enum]]:
    """The members of an Enum by what a space file writes: their values, or else their names."""
    members = list(kind)
    if all(isinstance(member.value, int | str) for member in members):
        return [(member.value, member) for member in members]
    return [(member.name, member) for member in members]


def _number(kind: Literal["bool", "int", "float", "text"], limits: list[Any]) -> ValueType:
    """A number with the bounds in its metadata, the narrowest of each."""
    lows = [(_end(one.ge), False) for one in limits if isinstance(one, Ge)]
    lows += [(_end(one.gt), True) for one in limits if isinstance(one, Gt)]
    highs = [(_end(one.le), True) for one in limits if isinstance(one, Le)]
    highs += [(_end(one.lt), False) for one in limits if isinstance(one, Lt)]
    low, low_open = max(lows, default=(-math.inf, False))
    high, high_closed = min(highs, default=(math.inf, True))
    steps = [_end(one.multiple_of) for one in limits if isinstance(one, MultipleOf)]
    if len(steps) > 1:
        raise TypeFaultError("a multiple of two numbers: keep one multiple_of")
    return ValueType(
        kind=kind,
        low=low if low > -math.inf else None,
        high=high if high < math.inf else None,
        low_open=low_open,
        high_open=not high_closed,
        multiple_of=steps[0] if steps else None,
    )


def _end(number: Any) -> int | float:
    return int(number) if isinstance(number, Integral) else float(number)


def _unknown(limits: list[Any], known: list[type]) -> list[Any]:
    """The constraints that are not among those known: validators, lengths, patterns."""
    return [one for one in limits if not isinstance(one, (*known, Strict, str))]


def bare(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without its aliases and its constraints, and these."""
    limits: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            limits += constraints(more)
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):  # type X = …
            annotation = annotation.__value__
        else:
            return annotation, limits


def name_of(kind: Any) -> str:
    """A type as it is written."""
    if get_origin(kind) in (Union, UnionType):
        return " | ".join("None" if arg is NoneType else name_of(arg) for arg in get_args(kind))
    plain_class = isinstance(kind, type) and get_origin(kind) is None
    return kind.__name__ if plain_class else str(kind).replace("typing.", "")
