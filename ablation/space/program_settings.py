"""The table ``[settings]`` of a space whose program has no class that says what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from ablation.settings import check, text_of
from ablation.space.errors import message
from ablation.space.part import Number, Part
from ablation.user_code.command.words import OWN
from ablation.user_code.settings.schema import SettingField, SettingsSchema, field_info

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
TYPES: dict[type, Literal["bool", "int", "float", "text"]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
}
BOUNDS = ("low", "high", "above", "below")


class SettingForm(Part):
    """A setting as a space file describes it.

    Attributes:
        type: of its values; that of the default unless given.
        choices: the values that there are, instead of a type.
        default: for arms that do not change it; without one the baseline has to say it.
        low: the lowest number.
        high: the highest number.
        above: what numbers must be above.
        below: what numbers must be below.
        optional: whether it may be ``"none"``.
        identity: whether it can make a difference; that of a number of processes cannot.
    """

    type: Literal["bool", "int", "float", "text"] | None = None
    choices: list[bool | int | float | str] | None = Field(None, min_length=1)
    default: Any = None
    low: Number | None = None
    high: Number | None = None
    above: Number | None = None
    below: Number | None = None
    optional: bool = False
    identity: bool = True

    @property
    def has_default(self) -> bool:
        """Whether a default is given."""
        return "default" in self.model_fields_set


def program_settings(table: object, errors: list[str]) -> SettingsSchema:
    """The settings that a table describes: those without errors.

    Args:
        table: by setting: a value, which is its default, or what `SettingForm` has.
        errors: to which those are added that are found.
    """
    if not isinstance(table, Mapping):
        errors.append("settings: must be a table, [settings]")
        return SettingsSchema(fields=())
    fields = []
    for name, given in table.items():
        found: list[str] = []
        field = _field(name, given, found)
        errors += (f"settings.{name}{error}" for error in found)
        if field and not found:
            fields.append(field)
    return SettingsSchema(fields=tuple(fields))


def _field(name: str, given: object, errors: list[str]) -> SettingField | None:
    if not NAME.fullmatch(name):
        errors.append(": a name is letters, digits, '_', '.', '-', with a letter or '_' first")
    if name in OWN:
        errors.append(f": {{{name}}} is the training's own; give the setting another name")
    if isinstance(given, bool | int | float | str):
        given = {"default": given}
    if not isinstance(given, Mapping):
        errors.append(': give its default, or a table, as in { type = "float", default = 0.1 }')
        return None
    try:
        form = SettingForm.model_validate(given)
    except ValidationError as error:
        errors += dict.fromkeys(f".{one['loc'][0]}: {_message(one)}" for one in error.errors())
        return None
    return _checked(name, form, errors)


def _message(error: ErrorDetails) -> str:
    if error["loc"][0] == "choices" and len(error["loc"]) > 1:
        return "must be a list of true or false, numbers, texts"
    return message(error, SettingForm)


def _checked(name: str, form: SettingForm, errors: list[str]) -> SettingField | None:
    """The field that a form describes, its parts checked against each other."""
    kind = _kind(form, errors)
    if kind is None:
        return None
    _check_choices(form, errors)
    _check_bounds(form, kind, errors)
    if errors:
        return None
    field = SettingField(
        name=name,
        kind=kind,
        choices=tuple(form.choices or ()),
        low=form.above if form.low is None else form.low,
        high=form.below if form.high is None else form.high,
        low_open=form.above is not None,
        high_open=form.below is not None,
        optional=form.optional,
        required=True,
        identity=form.identity,
    )
    if not form.has_default:
        return field
    try:
        default = check(field_info(field), form.default)
    except ValueError as error:
        errors.append(f".default: {error}")
        return None
    return field.model_copy(update={"required": False, "default": default})


def _kind(form: SettingForm, errors: list[str]) -> Any:
    """What the values are; None where the form does not say it."""
    if form.choices is not None:
        if form.type is not None:
            errors.append(": has type and choices; keep one of them")
        return "choice"
    if form.type is not None:
        return form.type
    if form.has_default and type(form.default) in TYPES:
        return TYPES[type(form.default)]
    if form.has_default:
        errors.append(".default: must be true or false, a number, or text")
    else:
        errors.append(f": has no type; give one of {', '.join(TYPES.values())}, or choices = [ … ]")
    return None


def _check_choices(form: SettingForm, errors: list[str]) -> None:
    texts = [text_of(choice) for choice in form.choices or ()]  # as arms are named
    for text in dict.fromkeys(text for text in texts if texts.count(text) > 1):
        errors.append(f".choices: two alike: {text} stands there {texts.count(text)} times")


def _check_bounds(form: SettingForm, kind: str, errors: list[str]) -> None:
    given = {key: value for key in BOUNDS if (value := getattr(form, key)) is not None}
    for key, value in given.items():
        if kind not in ("int", "float"):
            errors.append(f".{key}: only numbers have bounds; take it out")
        elif kind == "int" and not isinstance(value, int):
            errors.append(f".{key}: {value} is not an integer, as the setting is")
    for closed, open_ in (("low", "above"), ("high", "below")):
        if closed in given and open_ in given:
            errors.append(f": has {closed} and {open_}; keep one of them")
    if errors:
        return
    low = given.get("low", given.get("above"))
    high = given.get("high", given.get("below"))
    if low is None or high is None:
        return
    if low > high or (low == high and {"above", "below"} & given.keys()):
        errors.append(f": no number is in its range, {low} to {high}; widen it")
