"""Values of settings of every kind."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Interval
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from ablation.settings import bounds, check, kind_of, takes, takes_none, text_of


def field(annotation: Any) -> FieldInfo:
    return FieldInfo.from_annotation(annotation)


NONE_TOO = Annotated[int | None, Field(ge=1)]
INSIDE = Annotated[int, Field(ge=1)] | None
PAIR = tuple[Annotated[int, Field(ge=1)], bool]


# What it takes, in words; values with what becomes of them; values that are refused
CASES: list[tuple[Any, str, list[tuple[Any, Any]], list[Any]]] = [
    (int, "an integer", [(10**30, 10**30)], [1.0, True, "1", None, "none"]),
    (float, "a number", [(1, 1.0), (-1e300, -1e300)], [True, math.inf, math.nan, "1", None]),
    (str, "text", [("none", "none"), ("", "")], [1, None, ["x"], True]),
    (Annotated[int, Field(ge=1)], "an integer from 1 on", [(1, 1)], [0]),
    (Annotated[float, Field(gt=0)], "a number above 0", [(1e-9, 1e-9)], [0]),
    (Annotated[float, Field(le=0.5)], "a number up to 0.5", [(0.5, 0.5)], [0.6]),
    (Annotated[int, Field(lt=5)], "an integer below 5", [(4, 4)], [5]),
    (Annotated[float, Field(ge=0, lt=1)], "a number from 0, below 1", [(0, 0.0)], [1]),
    (Annotated[int, Interval(gt=0, le=2**31)], "an integer above 0, to 2147483648", [(1, 1)], [0]),
    (Annotated[int, Field(multiple_of=8)], "an integer, a multiple of 8", [(16, 16)], [12]),
    (int | None, 'an integer, or "none"', [("none", None), (None, None), (1, 1)], ["x", 1.0]),
    (NONE_TOO, 'an integer from 1 on, or "none"', [("none", None), (1, 1)], [0]),
    (INSIDE, 'an integer from 1 on, or "none"', [("none", None), (1, 1)], [0]),
    (str | None, 'text, or "none"', [("none", None), ("None", "None")], [1]),
    (Literal[1, 2], "one of 1, 2", [(1, 1)], [True, 1.0, "1", 3, None]),
    (Literal[0.5, 2.0], "one of 0.5, 2", [(2, 2.0), (0.5, 0.5)], [True, "2"]),
    (Literal[True, "auto"], "one of true, auto", [(True, True), ("auto", "auto")], [1, "true"]),
    (Literal["a"] | None, 'one of a, or "none"', [("none", None), ("a", "a")], ["b", ["a"]]),
    (tuple[int, ...], "a list of integers", [([], ()), ([1], (1,))], [[1.0], 1, "1", [None]]),
    (tuple[int], "a list of 1 integer", [([1], (1,))], [[], [1, 2]]),
    (PAIR, "a list of 2: an integer from 1 on; true or false", [([1, True], (1, True))], [[1, 1]]),
    (tuple[float, float], "a list of 2 numbers", [([1, 2], (1.0, 2.0))], [[1, True]]),
    (tuple[Literal[1], ...], "a list, each one of 1", [([1, 1], (1, 1))], [[True], [2]]),
]


@pytest.mark.parametrize(("annotation", "words", "taken", "refused"), CASES)
def test_a_setting_takes_what_it_says_and_nothing_else(
    annotation: Any, words: str, taken: list[tuple[Any, Any]], refused: list[Any]
) -> None:
    info = field(annotation)
    assert takes(info) == words
    for given, held in taken:
        found = check(info, given)
        assert found == held
        assert type(found) is type(held)
        if isinstance(held, tuple):
            assert [type(one) for one in found] == [type(one) for one in held]  # type: ignore[union-attr]
    for given in refused:
        with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared
            check(info, given)
        assert str(refusal.value).endswith(f" is not {words}")


def test_a_fields_own_description_is_put_at_the_end() -> None:
    info = field(Annotated[int | None, Field(ge=1, description="one a block")])
    assert takes(info) == 'an integer from 1 on, or "none", one a block'


class Model(BaseModel):
    plain: int = Field(3, ge=1, le=5)
    optional: Annotated[float, Field(gt=0)] | None = None
    none: int = 3


def test_a_field_of_a_model_has_its_type_bounds_and_none() -> None:
    fields = Model.model_fields
    assert [kind_of(info) for info in fields.values()] == [int, float, int]
    assert [takes_none(info) for info in fields.values()] == [False, True, False]
    found = [bounds(info.metadata) for info in (fields["plain"], fields["none"])]
    assert found == [(1, 5), (-math.inf, math.inf)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        (math.inf, "inf"),
        ("a b", "a b"),
        ((), "[]"),
        ((3,), "3"),
        ((3, 0.5, True, "x"), "3,0.5,true,x"),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert text_of(value) == text
