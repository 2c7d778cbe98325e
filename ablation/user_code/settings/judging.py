"""What a user's class says of one of its instances: what has an effect, how large it is."""

from __future__ import annotations

import dataclasses
import inspect
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ablation.errors import UserError, did_you_mean
from ablation.settings import Value
from ablation.user_code.settings.schema import Judgement
from ablation.user_code.settings.settings_class import SettingsClass, has_method, read_class
from ablation.user_code.source.faults import error_text, place

SIZES = ("parameters", "macs")


def judge(instance: object) -> Judgement:
    """What the class of an instance says of it.

    Its settings are the effective ones, less those whose `identity` is False, unless the class has
    a method ``effective`` that says otherwise; ``size`` gives ``parameters`` and ``macs``.

    Raises:
        UserError: such a method failed, or gave something else; the message says where.
    """
    kind = type(instance)
    settings = read_class(kind)
    if has_method(kind, "effective"):
        given = _call(instance, "effective")
        effective = _effective(instance, settings, given)
    else:
        effective = {name: entry.value_in(instance) for name, entry in settings.entries.items()}
    same = {field.name for field in settings.schema.fields if not field.identity}
    sizes = _sizes(instance) if has_method(kind, "size") else {}
    return Judgement(
        effective={name: value for name, value in effective.items() if name not in same}, **sizes
    )


def _call(instance: object, name: str) -> Mapping[str, Any]:
    """What a method gives, which must be a dict.

    Raises:
        UserError: it failed, or gave something else.
    """
    method, folder = _method(instance, name)
    try:
        given = method()
    except (Exception, SystemExit) as error:
        raise UserError(f"{name}() failed: {error_text(error, folder)}") from error
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        wanted = "a dict of settings" if name == "effective" else "a dict with parameters and macs"
        raise _fault(instance, name, f"gives {type(given).__name__}; it must give {wanted}")
    return given


def _method(instance: object, name: str) -> tuple[Any, Path]:
    """A method, and the folder of its file."""
    method = getattr(instance, name)
    return method, Path(inspect.getfile(inspect.unwrap(method))).resolve().parent


def _fault(instance: object, name: str, what: str) -> UserError:
    method, folder = _method(instance, name)
    return UserError(f"{place(method, folder)}: {name}() {what}")


def _effective(
    instance: object, settings: SettingsClass, given: Mapping[str, Any]
) -> dict[str, Value]:
    """What ``effective`` gave, by flat name.

    Raises:
        UserError: a name in it is no setting's, or a value cannot be written.
    """
    computed = getattr(type(instance), "model_computed_fields", {})  # in what model_dump gives
    values: dict[str, Value] = {}
    for name, value in _flat(given):
        if name in computed:
            continue
        if name not in settings.entries:
            known = did_you_mean(name, settings.entries)
            raise _fault(instance, "effective", f'gives "{name}", which is no setting; {known}')
        try:
            values[name] = settings.entries[name].type.written(value)
        except ValueError as error:
            raise _fault(instance, "effective", f'gives "{name}": {error}') from None
    return values


def _flat(table: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested dicts, models and dataclasses, by names with dots."""
    if isinstance(table, BaseModel):
        items = {name: getattr(table, name) for name in type(table).model_fields}
    elif isinstance(table, Mapping):
        items = dict(table)
    else:
        items = {one.name: getattr(table, one.name) for one in dataclasses.fields(table)}
    for key, value in items.items():
        if isinstance(value, Mapping | BaseModel) or dataclasses.is_dataclass(value):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sizes(instance: object) -> dict[str, int]:
    """What ``size`` gave.

    Raises:
        UserError: it gave other names, or what is no count.
    """
    sizes = {}
    for name, value in _call(instance, "size").items():
        if name not in SIZES:
            raise _fault(instance, "size", f'gives "{name}"; it takes {" and ".join(SIZES)}')
        try:
            sizes[name] = operator.index(value)
        except TypeError:
            raise _fault(instance, "size", f"gives {name} = {value!r}, no whole number") from None
        if sizes[name] < 0:
            raise _fault(instance, "size", f"gives {name} = {value!r}, which is below 0")
    return sizes
