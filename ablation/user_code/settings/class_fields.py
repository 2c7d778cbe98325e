"""The fields of a model or dataclass, and whether it checks more than these say."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, RootModel
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

VALIDATORS = ("validators", "field_validators", "root_validators", "model_validators")


class ClassError(ValueError):
    """A class that no settings can be read from; the message says why."""


def is_settings_class(kind: object) -> bool:
    """Whether something is a class that settings may have: a model of pydantic's, a dataclass."""
    if not isinstance(kind, type) or kind in (BaseModel, RootModel):
        return False
    is_model = issubclass(kind, BaseModel) and not issubclass(kind, RootModel)
    return is_model or dataclasses.is_dataclass(kind)


def class_fields(kind: type[Any]) -> dict[str, FieldInfo]:
    """The fields of a model or dataclass by name, without those that nobody can give.

    Raises:
        ClassError: an annotation is unknown, or a value is not kept in a field.
    """
    try:
        if issubclass(kind, BaseModel):
            kind.model_rebuild()
            return {
                name: info for name, info in kind.model_fields.items() if info.init is not False
            }
        if "__pydantic_fields__" in vars(kind):
            fields: dict[str, FieldInfo] = vars(kind)["__pydantic_fields__"]
            infos = {name: info for name, info in fields.items() if info.init is not False}
        else:
            infos = dict(_plain_fields(kind))
    except (NameError, PydanticUserError) as error:
        raise ClassError(f"an annotation is unknown: {str(error).splitlines()[0]}") from None
    for name, field in vars(kind).get("__dataclass_fields__", {}).items():
        if isinstance(field.type, dataclasses.InitVar) or "InitVar" in str(field.type):
            raise ClassError(f"{name} is an InitVar, which is not kept; make it a field")
    return infos


def _plain_fields(kind: type[Any]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a dataclass of the standard library's."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        annotation = hints[field.name]
        if field.default is not dataclasses.MISSING:
            yield field.name, FieldInfo.from_annotated_attribute(annotation, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            made = Field(default_factory=field.default_factory)
            yield field.name, FieldInfo.from_annotated_attribute(annotation, made)
        else:
            yield field.name, FieldInfo.from_annotation(annotation)


def checks_itself(kind: type[Any]) -> bool:
    """Whether a class may refuse or change more than the types and ranges of its fields say."""
    own = [one for one in kind.__mro__ if not one.__module__.startswith(("pydantic.", "builtins"))]
    decorators = getattr(kind, "__pydantic_decorators__", None)
    config = getattr(kind, "model_config", getattr(kind, "__pydantic_config__", {}))
    if issubclass(kind, BaseModel):
        extra = (
            kind.__init__ is not BaseModel.__init__
            or kind.model_post_init is not BaseModel.model_post_init
        )
    else:
        extra = hasattr(kind, "__post_init__")
    return (
        extra
        or any("__get_pydantic_core_schema__" in vars(one) for one in own)
        or any(hasattr(value, "decorator_info") for one in own for value in vars(one).values())
        or any(getattr(decorators, name, None) for name in VALIDATORS)
        or any(key.startswith("str_") for key in config)
    )
