"""The settings of a user's code as data: what is known of them without importing that code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from ablation.settings import Scalar, Value

Kind = Literal["bool", "int", "float", "text", "choice", "tuple"]

TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "text": str}


CONFIG = ConfigDict(extra="forbid", strict=True, ser_json_inf_nan="constants")


class Data(BaseModel):
    """Data that processes exchange as JSON, infinite numbers too."""

    model_config = ConfigDict(**CONFIG, frozen=True)


class ValueType(Data):
    """The type of a value.

    Attributes:
        kind: what it is; inside a tuple, never a tuple.
        choices: of a choice, as a space file writes them.
        low: the lowest number; None where there is no bound.
        high: the highest number, likewise.
        low_open: whether `low` itself is refused.
        high_open: whether `high` itself is refused.
        multiple_of: what a number must be a multiple of; None for any.
    """

    kind: Kind
    choices: tuple[Scalar, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    low_open: bool = False
    high_open: bool = False
    multiple_of: int | float | None = None


class SettingField(ValueType):
    """A setting.

    Attributes:
        name: with a dot where it is nested: ``optimizer.lr``.
        items: of a tuple: the type at each place, or of any number of values the one type.
        any_length: of a tuple: whether it has any number of values.
        optional: whether it can be None, which a space file writes as ``"none"``.
        required: whether it has no default.
        default: where it is not required.
        description: its author's.
        identity: whether it can make a difference; that of ``num_workers`` cannot.
    """

    name: str
    items: tuple[ValueType, ...] = ()
    any_length: bool = False
    optional: bool = False
    required: bool = False
    default: Value = None
    description: str = ""
    identity: bool = True


class SettingsSchema(Data):
    """The settings of a user's code.

    Attributes:
        fields: in the order of the class.
        judges: whether the class checks or computes more than its fields say, so that only the
            user's code can judge a setting.
    """

    fields: tuple[SettingField, ...]
    judges: bool = False

    @cached_property
    def infos(self) -> dict[str, FieldInfo]:
        """The settings by name, as pydantic's fields."""
        return {field.name: field_info(field) for field in self.fields}


class Judgement(Data):
    """What a user's code says of one setting.

    Attributes:
        effective: the settings that have an effect, with their values, by name; None where all do.
        parameters: the trainable ones of its network, where the code says so.
        macs: multiply-accumulates of one example's forward pass, likewise.
        error: why the code refuses this combination, in one line; else empty.
    """

    effective: dict[str, Value] | None = None
    parameters: int | None = None
    macs: int | None = None
    error: str = ""


@dataclass(frozen=True, config=CONFIG)
class Description:
    """A user's code: its function, its settings, what it imports.

    Attributes:
        schema: the settings of the class that the function takes.
        file: the file that trains.
        folder: that of the code: what lies in it is the user's own.
        function: its name.
        line: the function's line, from 1.
        modules: the user's own files that are imported.
        libraries: the modules of others that these import, as they write them.
        threads_started: whether importing it started threads.
        warnings: what a person should know, a line each.
    """

    schema: SettingsSchema
    file: Path
    folder: Path
    function: str
    line: int
    modules: tuple[Path, ...] = ()
    libraries: tuple[str, ...] = ()
    threads_started: bool = False
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As JSON, which `from_json` reads."""
        return TypeAdapter(Description).dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> Description:
        """The description that `to_json` wrote.

        Raises:
            pydantic.ValidationError: it is none.
        """
        return TypeAdapter(Description).validate_json(text)


def field_info(field: SettingField) -> FieldInfo:
    """A setting as pydantic's field, which `ablation.settings` can check values against.

    It has no description: the one of a setting's author is not for messages about values.
    """
    kind: Any = _annotation(field)
    if field.kind == "tuple":
        items = [Annotated[_annotation(item), _field(item)] for item in field.items]
        places: Any = (*items, ...) if field.any_length else tuple(items)
        kind = kind[places]
    if field.optional:
        kind = kind | None
    annotation: Any = Annotated[kind, _field(field)]
    if field.required:
        return FieldInfo.from_annotation(annotation)
    return FieldInfo.from_annotated_attribute(annotation, field.default)


def _annotation(kind: ValueType) -> Any:
    """The type in Python, without constraints."""
    if kind.kind == "choice":
        return Literal[kind.choices]
    return TYPES.get(kind.kind, tuple)


def _field(kind: ValueType) -> Any:
    """The constraints of a type, as pydantic's field."""
    field = Field()
    field.metadata = list(_constraints(kind))
    return field


def _constraints(kind: ValueType) -> Iterator[Any]:
    if kind.low is not None:
        yield Gt(kind.low) if kind.low_open else Ge(kind.low)
    if kind.high is not None:
        yield Lt(kind.high) if kind.high_open else Le(kind.high)
    if kind.multiple_of is not None:
        yield MultipleOf(kind.multiple_of)
