"""A class of settings: its schema, and from flat values to an instance of it and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ablation.errors import UserError, one_line
from ablation.settings import NONE, Value, check
from ablation.user_code.settings.class_fields import (
    ClassError,
    checks_itself,
    class_fields,
    is_settings_class,
)
from ablation.user_code.settings.python_types import FieldType, TypeFaultError, bare, field_type
from ablation.user_code.settings.schema import SettingField, SettingsSchema, field_info
from ablation.user_code.source.faults import refusal_text

T = TypeVar("T")
METHODS = ("effective", "size")  # by which a class says more of a setting


@dataclass(frozen=True)
class Entry:
    """A setting of a class.

    Attributes:
        field: what is known of it without the class.
        type: its type there.
        info: it as pydantic's field.
    """

    field: SettingField
    type: FieldType
    info: FieldInfo

    @property
    def path(self) -> list[str]:
        """The names that lead to it from an instance."""
        return self.field.name.split(".")

    def value_in(self, instance: Any) -> Value:
        """Its value in an instance of the class."""
        for name in self.path:
            instance = getattr(instance, name)
        return self.type.written(instance)


@dataclass(frozen=True)
class SettingsClass:
    """A class of settings.

    Attributes:
        entries: its settings by name.
        schema: what is known of them without the class.
        adapter: pydantic's, which makes an instance.
    """

    entries: Mapping[str, Entry]
    schema: SettingsSchema
    adapter: TypeAdapter[Any]


def read_class(kind: type[Any]) -> SettingsClass:
    """The settings of a model or dataclass.

    Raises:
        UserError: it has a field that no setting can be, a line each.
    """
    return _read_class(kind)  # type: ignore[arg-type] # a class is hashable


@lru_cache(maxsize=16)
def _read_class(kind: type[Any]) -> SettingsClass:
    reader = _Reader(kind.__name__)
    reader.read(kind)
    if reader.faults:
        raise UserError("\n".join(one_line(fault) for fault in reader.faults))
    fields = tuple(entry.field for entry in reader.entries)
    judges = reader.judges or any(has_method(kind, name) for name in METHODS)
    schema = SettingsSchema(fields=fields, judges=judges)
    entries = {entry.field.name: entry for entry in reader.entries}
    try:
        adapter = TypeAdapter(kind)
    except (TypeError, PydanticUserError) as error:  # of a dataclass: a bound on a text, say
        raise UserError(f"{kind.__name__}: {one_line(str(error).splitlines()[0])}") from None
    return SettingsClass(entries, schema, adapter)


def has_method(kind: type[Any], name: str) -> bool:
    """Whether a class has a method of this name; a setting of the name is none."""
    return callable(getattr(kind, name, None))


@dataclass
class _Reader:
    """Reads a class's fields, those of nested classes too."""

    title: str
    entries: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    judges: bool = False

    def read(
        self,
        kind: type[Any],
        prefix: str = "",
        defaults: Any = PydanticUndefined,
        outer: tuple[type[Any], ...] = (),
        identity: bool = True,
    ) -> None:
        """Read a class's fields.

        Args:
            kind: the class.
            prefix: of their names: ``optimizer.``.
            defaults: an instance that has them, where a default of an outer class is one.
            outer: the classes that it is nested in.
            identity: whether any of it can make a difference.
        """
        try:
            infos = class_fields(kind)
        except ClassError as error:
            self._fault(prefix.rstrip("."), str(error))
            return
        self.judges |= checks_itself(kind)
        for name, info in infos.items():
            try:
                given = defaults is not PydanticUndefined
                default = getattr(defaults, name) if given else _default(info)
                same = identity and _identity(info)
                nested = bare(info.annotation)[0]
                if is_settings_class(nested):
                    if nested in (kind, *outer):
                        raise TypeFaultError(f"{nested.__name__} holds itself; take that out")
                    inner = _instance(nested, default)
                    self.read(nested, f"{prefix}{name}.", inner, (kind, *outer), same)
                else:
                    self.entries.append(_entry(prefix + name, info, default, same))
                    self.judges |= not self.entries[-1].type.whole
            except TypeFaultError as error:
                self._fault(prefix + name, str(error))

    def _fault(self, name: str, what: str) -> None:
        where = f"{self.title}.{name}" if name else self.title
        self.faults.append(f"{where}: {what}")


def _default(info: FieldInfo) -> Any:
    """A field's default; `PydanticUndefined` where it has none."""
    if info.default_factory_takes_validated_data:
        raise TypeFaultError(
            "its default is made from other settings: give it a plain one, or None, and work it "
            "out in train"
        )
    try:
        return info.get_default(call_default_factory=True)
    except Exception as error:
        raise TypeFaultError(f"its default_factory: {type(error).__name__}: {error}") from error


def _identity(info: FieldInfo) -> bool:
    extra = info.json_schema_extra
    return not isinstance(extra, dict) or extra.get("identity") is not False


def _instance(kind: type[Any], default: Any) -> Any:
    """A nested class's default as an instance of it."""
    if default is PydanticUndefined or isinstance(default, kind):
        return default
    try:
        return TypeAdapter(kind).validate_python(default, by_name=True)
    except ValidationError as error:
        raise TypeFaultError(f"its default: {refusal_text(error)}") from None


def _entry(name: str, info: FieldInfo, default: Any, identity: bool) -> Entry:
    """A setting, from the field of a class.

    Raises:
        TypeFaultError: its type or its default is no setting's.
    """
    kind = field_type(info.annotation, info.metadata)
    first = kind.items[0].kind
    described = SettingField(
        name=name,
        **({"kind": "tuple"} if kind.is_list else first.model_dump()),
        items=tuple(item.kind for item in kind.items) if kind.is_list else (),
        any_length=kind.any_length,
        optional=kind.optional,
        required=default is PydanticUndefined,
        description=" ".join((info.description or "").split()),
        identity=identity,
    )
    checked = field_info(described)
    if default is not PydanticUndefined:
        described = described.model_copy(update={"default": _checked(checked, kind, default)})
    return Entry(described, kind, field_info(described))


def _checked(info: FieldInfo, kind: FieldType, default: Any) -> Value:
    """A default as a space file would write it."""
    try:
        written = kind.written(default)
        if isinstance(written, float) and math.isinf(written):  # a default alone may be that
            return written
        if written == NONE and kind.optional:
            raise TypeFaultError(f'"{NONE}" is how a space file writes None; use another default')
        return check(info, written)
    except ValueError as error:
        hint = "; annotate it with … | None" if default is None else ""
        raise TypeFaultError(f"its default: {error}{hint}") from None


def assemble(kind: type[T], values: Mapping[str, Value]) -> T:
    """An instance of a class of settings.

    Args:
        kind: the class.
        values: by flat name: ``{"epochs": 5, "optimizer.lr": 0.1}``; the rest has its default.

    Raises:
        UserError: the class has a field that no setting can be.
        KeyError: a name that is no setting.
        ValueError: a value has the wrong type, is out of range or missing, or the class refuses
            them together.
        Exception: the class's own code failed.
    """
    settings = read_class(kind)
    if unknown := [name for name in values if name not in settings.entries]:
        raise KeyError(f"no such setting: {', '.join(unknown)}")
    nested: dict[str, Any] = {}
    for entry in settings.entries.values():
        *parents, name = entry.path
        table = nested
        for parent in parents:
            table = table.setdefault(parent, {})
        table[name] = entry.type.held(_value(entry, values))
    made: T = settings.adapter.validate_python(nested, strict=False, by_name=True, by_alias=False)
    return made


def _value(entry: Entry, values: Mapping[str, Value]) -> Value:
    described = entry.field
    if described.name not in values:
        if described.required:
            raise ValueError(f"{described.name}: missing; it has no default")
        return described.default
    value = values[described.name]
    if isinstance(value, float) and math.isinf(value) and value == described.default:
        return value
    try:
        return check(entry.info, value)
    except ValueError as error:
        raise ValueError(f"{described.name}: {error}") from None
