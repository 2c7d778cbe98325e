"""Classes of settings: what their fields are as settings, and from flat values to an instance."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Sequence
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional

import pydantic.dataclasses
import pytest
from annotated_types import Interval
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    NonNegativeFloat,
    PositiveInt,
    RootModel,
    SecretStr,
    StrictInt,
    conint,
    conlist,
    constr,
    create_model,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType

from ablation.errors import UserError
from ablation.settings import takes
from ablation.user_code.settings.schema import SettingsSchema
from ablation.user_code.settings.settings_class import assemble, read_class


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 16
    LARGE = 64


class Optimizer(StrEnum):
    ADAM = "adam"
    SGD = "sgd"


class Shape(Enum):
    FLAT = (1, 2)
    TALL = (2, 1)


Width = NewType("Width", int)
Rate = TypeAliasType("Rate", Annotated[float, Field(gt=0, lt=1)])
Maybe = TypeAliasType("Maybe", Optional[int])  # noqa: UP045


def model_of(annotation: Any, default: Any = ...) -> type[BaseModel]:
    return create_model("Settings", x=(annotation, default))


# Annotation; what it takes in words; a value of a space file and what the class then holds
SHAPES: list[tuple[Any, str, Any, Any]] = [
    (bool, "true or false", True, True),
    (int, "an integer", -3, -3),
    (float, "a number", 2, 2.0),
    (str, "text", "x", "x"),
    (Path, "text", "a/b", Path("a/b")),
    (Width, "an integer", 3, 3),
    (Rate, "a number above 0, below 1", 0.5, 0.5),
    (Maybe, 'an integer, or "none"', "none", None),
    (Rate | None, 'a number above 0, below 1, or "none"', "none", None),
    (Maybe | None, 'an integer, or "none"', 4, 4),
    (Annotated[int, Field(ge=1)], "an integer from 1 on", 1, 1),
    (Annotated[int, Field(gt=1)], "an integer above 1", 2, 2),
    (Annotated[float, Field(le=1)], "a number up to 1", 1, 1.0),
    (Annotated[float, Field(lt=0.5)], "a number below 0.5", 0.25, 0.25),
    (Annotated[float, Field(ge=0, lt=1)], "a number from 0, below 1", 0, 0.0),
    (Annotated[int, Field(ge=8, multiple_of=8)], "an integer from 8 on, a multiple of 8", 16, 16),
    (Annotated[int, Field(ge=1), Field(ge=3)], "an integer from 3 on", 3, 3),
    (Annotated[int, Interval(gt=1, le=5)], "an integer above 1, to 5", 5, 5),
    (Annotated[int, "a remark"], "an integer", 5, 5),
    (conint(ge=1, le=9, strict=True), "an integer from 1 to 9", 9, 9),
    (PositiveInt, "an integer above 0", 1, 1),
    (NonNegativeFloat, "a number from 0 on", 0.0, 0.0),
    (StrictInt, "an integer", 1, 1),
    (int | None, 'an integer, or "none"', None, None),
    (Annotated[int, Field(ge=1)] | None, 'an integer from 1 on, or "none"', 1, 1),
    (Literal["relu", "tanh"], "one of relu, tanh", "tanh", "tanh"),
    (Literal[16, 64], "one of 16, 64", 64, 64),
    (Literal[16, "auto", True], "one of 16, auto, true", True, True),
    (Literal["l1", "l2", None], 'one of l1, l2, or "none"', "none", None),
    (Literal["l1", None] | Literal["l2"], 'one of l1, l2, or "none"', "none", None),
    (Literal["l1"] | Literal["l2"] | None, 'one of l1, l2, or "none"', "l2", "l2"),
    (Literal[Colour.RED], "one of red", "red", Colour.RED),
    (Colour, "one of red, blue", "blue", Colour.BLUE),
    (Size, "one of 16, 64", 64, Size.LARGE),
    (Optimizer, "one of adam, sgd", "sgd", Optimizer.SGD),
    (Shape, "one of FLAT, TALL", "TALL", Shape.TALL),
    (Colour | None, 'one of red, blue, or "none"', "none", None),
    (Colour | Literal["any"], "one of red, blue, any", "any", "any"),
    (tuple[int, int], "a list of 2 integers", [3, 4], (3, 4)),
    (tuple[int], "a list of 1 integer", [3], (3,)),
    (tuple[int, ...], "a list of integers", [3, 4, 5], (3, 4, 5)),
    (tuple[int, float], "a list of 2: an integer; a number", [3, 4], (3, 4.0)),
    (tuple[Annotated[int, Field(ge=1)], ...], "a list of integers from 1 on", [1], (1,)),
    (tuple[bool, bool], "a list of 2, each true or false", [True, False], (True, False)),
    (tuple[Colour, ...], "a list, each one of red, blue", ["red"], (Colour.RED,)),
    (tuple[str, str], "a list of 2 texts", ["a", "b"], ("a", "b")),
    (list[int], "a list of integers", [1, 2], [1, 2]),
    (Sequence[int], "a list of integers", (1, 2), [1, 2]),
    (list[int] | None, 'a list of integers, or "none"', "none", None),
    (list[Size], "a list, each one of 16, 64", [16, 64], [Size.SMALL, Size.LARGE]),
]


def class_of(kind: str, annotation: Any, strict: bool) -> Any:
    config = ConfigDict(strict=strict, frozen=True, extra="forbid")
    if kind == "model":
        return create_model("Settings", __config__=config, x=(annotation, ...))
    plain = dataclasses.make_dataclass("Settings", [("x", annotation)], frozen=True)
    if kind == "dataclass":
        return plain
    return pydantic.dataclasses.dataclass(plain, config=config)


@pytest.mark.parametrize(
    ("annotation", "words", "given", "held"), SHAPES, ids=[str(shape[0])[-40:] for shape in SHAPES]
)
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", ["model", "dataclass", "pydantic dataclass"])
def test_these_types_are_settings(
    annotation: Any, words: str, given: Any, held: Any, kind: str, strict: bool
) -> None:
    made = class_of(kind, annotation, strict)
    read = read_class(made)
    entry = read.entries["x"]
    assert takes(entry.info) == words
    assert entry.field.required
    assert not read.schema.judges
    instance: Any = assemble(made, {"x": given})
    assert instance.x == held
    assert type(instance.x) is type(held)
    written = entry.value_in(instance)
    assert assemble(made, {"x": written}) == instance
    assert SettingsSchema.model_validate_json(read.schema.model_dump_json()) == read.schema


REFUSED: list[tuple[Any, str]] = [
    (dict, "dict is not taken; a setting is bool, int, float, str, Path, Literal"),
    (dict[str, int], "dict[str, int] is not taken"),
    (Any, "Any is not taken"),
    (object, "object is not taken"),
    (datetime.datetime, "datetime is not taken"),
    (bytes, "bytes is not taken"),
    (complex, "complex is not taken"),
    (set[int], "set[int] is not taken"),
    (int | float, "int | float is several types"),
    (int | Literal["auto"], "int | Literal['auto'] is several types"),
    (list, "list says nothing of its items: write list[int]"),
    (tuple, "tuple says nothing of its items"),
    (list[dict[str, int]], "dict[str, int] is not taken"),
    (list[list[int]], "list[int] is not taken"),
    (tuple[int | None, ...], "tuple[int | None, ...]: inside a list, None is not taken"),
    (SecretStr, "a secret is no setting: read it from the environment"),
    (Literal["none", "l2"] | None, '"none" is how a space file writes None'),
    (Literal["1", 1], "has two values that a space file writes alike"),
    (Literal[b"x"], "is not taken"),
    (RootModel[int], "is not taken"),
    (list[PositiveInt | None], "inside a list, None is not taken"),
]


@pytest.mark.parametrize(("annotation", "said"), REFUSED, ids=[str(one[0]) for one in REFUSED])
def test_these_types_are_no_settings(annotation: Any, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        read_class(model_of(annotation))
    assert str(refusal.value).startswith("Settings.x: ")
    assert said in str(refusal.value)


def test_every_fault_of_a_class_is_told() -> None:
    made = create_model("Settings", a=(dict, ...), b=(int, 1), c=(bytes, b""))
    with pytest.raises(UserError) as refusal:
        read_class(made)
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == [
        "Settings.a",
        "Settings.c",
    ]


# Defaults


@pytest.mark.parametrize(
    ("annotation", "default", "written"),
    [
        (float, 1, 1.0),
        (list[int], [1, 2], (1, 2)),
        (tuple[int, ...], (), ()),
        (Colour, Colour.BLUE, "blue"),
        (Shape, Shape.TALL, "TALL"),
        (Path, Path("data"), "data"),
        (int | None, None, None),
        (float, math.inf, math.inf),
        (list[Colour], [Colour.RED], ("red",)),
        (int, Field(default_factory=lambda: 3), 3),
        (list[int], Field(default_factory=lambda: [1]), (1,)),
    ],
)
def test_a_default_is_as_a_space_file_writes_it(
    annotation: Any, default: Any, written: Any
) -> None:
    made = model_of(annotation, default)
    field = read_class(made).entries["x"].field
    assert not field.required
    assert field.default == written
    assert type(field.default) is type(written)
    assert assemble(made, {"x": field.default}) == assemble(made, {}) == made()


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (int, None, "Settings.x: its default: null is not an integer; annotate it with … | None"),
        (Annotated[int, Field(ge=1)], 0, "Settings.x: its default: 0 is not an integer from 1 on"),
        (str, 3, "Settings.x: its default: 3 is not text"),
        (float, math.nan, "Settings.x: its default: NaN is no number"),
        (str | None, "none", '"none" is how a space file writes None; use another default'),
        (int, Field(default_factory=lambda data: 3), "its default is made from other settings"),
        (int, Field(default_factory=lambda: 1 // 0), "its default_factory: ZeroDivisionError: "),
    ],
)
def test_a_default_that_is_no_value_is_refused(annotation: Any, default: Any, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        read_class(model_of(annotation, default))
    assert said in str(refusal.value)


# Nested classes, aliases, other ways to write a class


class Adam(BaseModel):
    lr: float = Field(0.1, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)


@dataclasses.dataclass(frozen=True)
class Network:
    width: Annotated[int, Field(ge=1, description="of\n the layers")] = 8
    act: Colour = Colour.RED


class Nested(BaseModel):
    adam: Adam = Adam(lr=0.5)
    network: Network = Field(default_factory=lambda: Network(width=16))
    other: Network
    workers: int = Field(0, json_schema_extra={"identity": False})
    unused: Adam = Field(Adam(), json_schema_extra={"identity": False})


def test_nested_classes_have_names_with_dots() -> None:
    entries = read_class(Nested).entries
    assert list(entries) == [
        *("adam.lr", "adam.betas", "network.width", "network.act", "other.width", "other.act"),
        *("workers", "unused.lr", "unused.betas"),
    ]
    assert entries["adam.lr"].field.default == 0.5
    assert entries["network.width"].field.default == 16
    assert entries["other.width"].field.default == 8
    assert entries["other.width"].field.description == "of the layers"
    without = [name for name, entry in entries.items() if not entry.field.identity]
    assert without == ["workers", "unused.lr", "unused.betas"]
    made = assemble(Nested, {"adam.lr": 0.25, "other.act": "blue"})
    assert made == Nested(adam=Adam(lr=0.25), other=Network(act=Colour.BLUE))
    assert entries["other.act"].value_in(made) == "blue"


def test_a_nested_default_may_be_a_dict() -> None:
    made = create_model("Settings", adam=(Adam, {"lr": 0.5}))
    assert read_class(made).entries["adam.lr"].field.default == 0.5
    with pytest.raises(UserError, match=r"Settings.adam: its default: lr: must be greater than 0"):
        read_class(create_model("Settings", adam=(Adam, {"lr": 0})))


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Adam | None, "Adam: a nested class can be neither None, in a list nor one of several"),
        (list[Adam], "Adam: a nested class can be neither None, in a list nor one of several"),
        (Adam | Network, "Adam: a nested class can be neither None, in a list nor one of several"),
        (dict[str, Adam], "is not taken; a setting is"),
    ],
)
def test_a_class_is_nested_plainly_or_not_at_all(annotation: Any, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        read_class(model_of(annotation))
    assert said in str(refusal.value)


class Endless(BaseModel):
    x: int = 1
    inner: Endless


def test_a_class_that_holds_itself_is_refused() -> None:
    with pytest.raises(UserError, match=r"Endless.inner: Endless holds itself"):
        read_class(Endless)


class Parent(BaseModel):
    width: int = Field(3, ge=1)
    depth: int = 1


class Heir(Parent):
    model_config = ConfigDict(use_enum_values=True, extra="forbid")
    depth: Literal[1, 2] = 2
    colour: Colour = Colour.RED
    shape: Shape = Shape.FLAT


def test_an_heir_has_its_parents_fields() -> None:
    entries = read_class(Heir).entries
    assert list(entries) == ["width", "depth", "colour", "shape"]
    assert takes(entries["width"].info) == "an integer from 1 on"
    assert takes(entries["depth"].info) == "one of 1, 2"
    made = assemble(Heir, {"colour": "blue", "shape": "TALL"})
    assert made.colour == "blue"  # type: ignore[comparison-overlap] # of use_enum_values
    values = {name: entry.value_in(made) for name, entry in entries.items()}
    assert values == {"width": 3, "depth": 2, "colour": "blue", "shape": "TALL"}


class WithAliases(BaseModel):
    model_config = ConfigDict(extra="forbid")
    lr: float = Field(0.1, alias="learning_rate")
    width: int = Field(3, validation_alias=AliasChoices("w", "hidden"))
    adam: Adam = Field(Adam(), alias="optimizer")


def test_a_field_with_an_alias_goes_by_its_own_name() -> None:
    assert list(read_class(WithAliases).entries) == ["lr", "width", "adam.lr", "adam.betas"]
    made = assemble(WithAliases, {"lr": 0.5, "width": 4, "adam.lr": 0.3})
    assert (made.lr, made.width, made.adam.lr) == (0.5, 4, 0.3)


@dataclasses.dataclass
class Plain:
    width: Annotated[int, Field(ge=1)] = 3
    sizes: list[int] = dataclasses.field(default_factory=lambda: [1, 2])
    rate: float = Field(0.1, gt=0)
    made: int = dataclasses.field(default=0, init=False)
    adam: Adam = dataclasses.field(default_factory=Adam)


def test_a_dataclass_keeps_the_ranges_of_its_annotations() -> None:
    entries = read_class(Plain).entries
    assert list(entries) == ["width", "sizes", "rate", "adam.lr", "adam.betas"]
    assert takes(entries["rate"].info) == "a number above 0"
    made = assemble(Plain, {"width": 4, "sizes": (3,), "adam.lr": 0.5})
    assert (made.width, made.sizes, made.rate, made.adam.lr) == (4, [3], 0.1, 0.5)
    with pytest.raises(ValueError, match="width: 0 is not an integer from 1 on"):
        assemble(Plain, {"width": 0})


@dataclasses.dataclass
class WithInitVar:
    width: dataclasses.InitVar[int] = 3


def test_a_value_that_is_not_kept_is_refused() -> None:
    with pytest.raises(UserError, match="WithInitVar: width is an InitVar, which is not kept"):
        read_class(WithInitVar)


class Unknown(BaseModel):
    x: Missing  # type: ignore[name-defined] # noqa: F821


def test_an_annotation_that_is_unknown_is_refused() -> None:
    with pytest.raises(UserError, match=r"Unknown: an annotation is unknown: .*Missing"):
        read_class(Unknown)


# Values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 3.0}, "width: 3.0 is not an integer from 1 on"),
        ({"width": "3"}, 'width: "3" is not an integer from 1 on'),
        ({"width": True}, "width: true is not an integer from 1 on"),
        ({"depth": 3}, "depth: 3 is not one of 1, 2"),
        ({"depth": True}, "depth: true is not one of 1, 2"),
        ({"colour": "RED"}, 'colour: "RED" is not one of red, blue'),
    ],
)
def test_a_value_of_another_type_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared
        assemble(Heir, values)
    assert str(refusal.value) == said


def test_a_value_that_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="x: missing; it has no default"):
        assemble(model_of(int), {})


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(KeyError, match="no such setting: hiden, sead"):
        assemble(Heir, {"hiden": 1, "width": 2, "sead": 3})


# Whether the class alone can judge


class FieldValidator(BaseModel):
    x: int = 1

    @field_validator("x")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class ModelValidator(BaseModel):
    x: int = 1

    @model_validator(mode="after")
    def check(self) -> ModelValidator:
        return self


class HeirOfAValidator(ModelValidator):
    y: int = 1


@dataclasses.dataclass
class PostInit:
    x: int = 1

    def __post_init__(self) -> None: ...


@dataclasses.dataclass
class DataclassValidator:
    x: int = 1

    @field_validator("x")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class PostInitOfAModel(BaseModel):
    x: int = 1

    def model_post_init(self, context: Any) -> None: ...


class Effective(BaseModel):
    x: int = 1

    def effective(self) -> dict[str, Any]:
        return {}


class WithSize(BaseModel):
    x: int = 1

    def size(self) -> dict[str, int]:
        return {}


class Around(BaseModel):
    inner: ModelValidator = ModelValidator()


class FieldsOfThoseNames(BaseModel):
    size: int = 1
    effective: bool = True


@pytest.mark.parametrize(
    ("made", "judges"),
    [
        *[(one, True) for one in (FieldValidator, ModelValidator, HeirOfAValidator, PostInit)],
        *[(one, True) for one in (DataclassValidator, PostInitOfAModel, Effective, WithSize)],
        (Around, True),
        (model_of(constr(min_length=1)), True),
        (model_of(conlist(int, min_length=1)), True),
        (model_of(Annotated[str, Field(pattern="x+")]), True),
        (model_of(FilePath), True),
        (model_of(Annotated[int, pydantic.AfterValidator(abs)]), True),
        (create_model("S", __config__=ConfigDict(str_max_length=3), x=(str, "")), True),
        *[(one, False) for one in (Nested, Heir, WithAliases, Plain, FieldsOfThoseNames)],
    ],
)
def test_a_class_judges_where_its_fields_do_not_say_all(made: type[Any], judges: bool) -> None:
    assert read_class(made).schema.judges is judges
