"""Errors in a space, in TOML's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ablation.errors import UserError, did_you_mean, one_line
from ablation.objective import Objective
from ablation.space.part import Part
from ablation.space.schema import Space

MAX_ERRORS = 100  # that are told


class SpaceError(UserError):
    """A space that cannot be run. `errors` holds one line each: where, what, the fix."""

    def __init__(self, source: str, errors: list[str]) -> None:
        self.errors = [one_line(error) for error in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            self.errors.append(f"{len(errors) - MAX_ERRORS:,} errors more")
        super().__init__("\n".join(f"{one_line(source)}: {error}" for error in self.errors))


def no_setting(objective: Objective, name: str, valid: Iterable[str]) -> str:
    """What to say of a name that is no setting which a space may have."""
    if name in objective.kept:
        return f"is a study's, not an arm's; use --{name}"
    return f"no such setting; {did_you_mean(name, valid)}"


def sentence(error: ValidationError) -> str:
    """Pydantic's findings about a plain value of a space."""
    own = [one for one in error.errors() if one["type"] != "default_factory_not_called"]
    return "; ".join(message(one, Space) for one in own)


WORDS = {
    "missing": "missing",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be text",
    "bool_type": "must be true or false",
}


def message(error: ErrorDetails, kind: type[Part]) -> str:
    """Pydantic's finding about a part of this kind, in TOML's words and the tone of the others."""
    if error["type"] == "extra_forbidden":
        *inside, key = error["loc"]
        return f"unknown key; {did_you_mean(str(key), _keys(kind, inside))}"
    text = WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return text.replace("Input should be", "must be")


def _keys(kind: type[Part], path: Sequence[int | str]) -> list[str]:
    """The keys that there are in a part of this kind, or in the part that `path` leads to."""
    for step in path:
        if field := kind.model_fields.get(str(step)):
            parts = [field.annotation, *get_args(field.annotation)]
            kind = next((p for p in parts if isinstance(p, type) and issubclass(p, Part)), kind)
    return [field.alias or name for name, field in kind.model_fields.items()]
