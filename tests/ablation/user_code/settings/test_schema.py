"""Settings as data: to JSON and back, and as pydantic's fields, without any user's code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from ablation.settings import bounds, check, kind_of, takes, takes_none
from ablation.user_code.settings.schema import (
    Description,
    Judgement,
    SettingField,
    SettingsSchema,
    ValueType,
    field_info,
)

numbers = st.integers() | st.floats(allow_nan=False)
scalars = st.booleans() | numbers | st.text()
values = scalars | st.none() | st.lists(scalars, max_size=3).map(tuple)
kinds: Any = st.sampled_from(["bool", "int", "float", "text", "choice"])
types: dict[str, Any] = {
    "choices": st.lists(scalars, max_size=3).map(tuple),
    "low": st.none() | numbers,
    "high": st.none() | numbers,
    "low_open": st.booleans(),
    "high_open": st.booleans(),
    "multiple_of": st.none() | numbers,
}
fields = st.builds(
    SettingField,
    kind=kinds | st.just("tuple"),
    **types,
    name=st.text(),
    items=st.lists(st.builds(ValueType, kind=kinds, **types), max_size=2).map(tuple),
    any_length=st.booleans(),
    optional=st.booleans(),
    required=st.booleans(),
    default=values,
    description=st.text(),
    identity=st.booleans(),
)
schemas = st.builds(
    SettingsSchema, fields=st.lists(fields, max_size=2).map(tuple), judges=st.booleans()
)


@given(schemas)
@example(SettingsSchema(fields=(SettingField(name="x", kind="float", default=math.inf),)))
def test_a_schema_survives_json(schema: SettingsSchema) -> None:
    back = SettingsSchema.model_validate_json(schema.model_dump_json())
    assert back == schema
    assert repr(back) == repr(schema)  # which tells 1 from 1.0 and True


@given(
    st.builds(
        Judgement,
        effective=st.none() | st.dictionaries(st.text(), values),
        parameters=st.none() | st.integers(),
        macs=st.none() | st.integers(),
        error=st.text(),
    )
)
def test_a_judgement_survives_json(judgement: Judgement) -> None:
    assert repr(Judgement.model_validate_json(judgement.model_dump_json())) == repr(judgement)


def test_a_description_survives_json() -> None:
    schema = SettingsSchema(fields=(SettingField(name="x", kind="int"),), judges=True)
    description = Description(
        schema=schema,
        file=Path("/code/digits.py"),
        folder=Path("/code"),
        function="train",
        line=3,
        modules=(Path("/code/digits.py"),),
        libraries=("numpy",),
        threads_started=True,
        warnings=("beware",),
    )
    assert Description.from_json(description.to_json()) == description
    with pytest.raises(ValidationError):
        Description.from_json(description.to_json().replace("3", '"3"'))


def made(kind: Any, **more: Any) -> SettingField:
    return SettingField(name="x", kind=kind, **more)


ONE = ValueType(kind="int", low=1)
ALL = [
    (made("bool", default=True), bool, "true or false"),
    (made("int", low=1, high=5, default=3), int, "an integer from 1 to 5"),
    (made("int", default=3), int, "an integer"),
    (made("float", low=0, low_open=True, high=1, high_open=True, default=0.5), float,
     "a number above 0, below 1"),
    (made("int", multiple_of=8, low=8, default=8), int, "an integer from 8 on, a multiple of 8"),
    (made("text", default="x"), str, "text"),
    (made("choice", choices=("a", "b"), default="a"), Literal["a", "b"], "one of a, b"),
    (made("choice", choices=(1, 2.5), default=1), Literal[1, 2.5], "one of 1, 2.5"),
    (made("tuple", items=(ONE,), any_length=True, default=(1, 2)), None,
     "a list of integers from 1 on"),
    (made("tuple", items=(ONE, ONE), default=(1, 2)), None, "a list of 2 integers from 1 on"),
]  # fmt: skip


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(("field", "kind", "words"), ALL)
def test_a_field_is_pydantics_too(
    field: SettingField, kind: Any, words: str, optional: bool, required: bool
) -> None:
    default = field.default
    update = {"optional": optional, "required": required, "description": "of the layers"}
    info = field_info(field.model_copy(update=update))
    assert takes(info) == words + (', or "none"' if optional else "")
    assert takes_none(info) is optional
    assert kind is None or kind_of(info) == kind
    assert info.is_required() is required
    assert required or info.default == default
    assert check(info, list(default) if isinstance(default, tuple) else default) == default
    if optional:
        assert check(info, "none") is None


def test_a_fields_bounds_are_found_where_the_harness_looks_for_them() -> None:
    optional = made("int", low=1, high=5, optional=True)
    assert bounds(field_info(optional).metadata) == (1, 5)
    schema = SettingsSchema(fields=(optional,))
    assert list(schema.infos) == ["x"]
