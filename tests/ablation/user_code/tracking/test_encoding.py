"""Values of a training's state come back with their very types and bits."""

from __future__ import annotations

import json
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import nn

from ablation.user_code.tracking.decoding import decode, normalize
from ablation.user_code.tracking.encoding import UnsupportedError, encode

pytestmark = pytest.mark.filterwarnings("ignore:.*support is experimental")  # of complex32

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**63 - 2, 2**63 + 2).map(lambda number: number * (-1) ** (number % 2)),
    st.floats(),
    st.text(st.characters()),  # halves of characters too
    st.binary(max_size=8),
)
NUMBERS = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    npst.datetime64_dtypes(),
    npst.timedelta64_dtypes(),
)
TEXTS = npst.unicode_string_dtypes(max_len=4) | npst.byte_string_dtypes(max_len=4)
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
SCALARS = st.one_of(
    NUMBERS.flatmap(lambda dtype: npst.arrays(dtype, ()).map(lambda array: array[()])),
    st.text("a\0", max_size=3).map(np.str_),
    st.binary(max_size=3).map(np.bytes_),
)
LAYOUTS = st.sampled_from([np.ascontiguousarray, np.asfortranarray, np.transpose, np.flip])
ARRAYS = st.builds(
    lambda array, layout: layout(array),
    (NUMBERS | TEXTS).flatmap(lambda dtype: npst.arrays(dtype, SHAPES)),
    LAYOUTS,
)
TORCH_NAMES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 "
    "complex32 complex64 complex128 float8_e4m3fn float8_e5m2 float8_e8m0fnu"
)
TORCH_DTYPES = [getattr(torch, name) for name in TORCH_NAMES.split()]


def make_tensor(dtype: torch.dtype, *shape: int, seed: int = 0) -> torch.Tensor:
    """A tensor of any bits."""
    if dtype == torch.bool:
        return make_tensor(torch.uint8, *shape, seed=seed) % 2 == 1
    count = int(np.prod(shape)) * dtype.itemsize
    data = np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8)
    flat = torch.empty(count, dtype=torch.uint8)
    flat.numpy()[:] = data
    return flat.view(dtype).reshape(shape)


TENSORS = st.builds(
    lambda dtype, shape, order: make_tensor(dtype, *shape).permute(order[: len(shape)]),
    st.sampled_from(TORCH_DTYPES),
    SHAPES.filter(lambda shape: len(shape) == 3) | st.just((2, 0, 3)),
    st.permutations(range(3)),
) | st.builds(
    lambda dtype, shape: make_tensor(dtype, *shape), st.sampled_from(TORCH_DTYPES), SHAPES
)
KEYS = st.recursive(
    PLAIN | SCALARS, lambda keys: st.lists(keys, max_size=2).map(tuple), max_leaves=3
)
FACTORIES = st.sampled_from([None, list, int, float, dict, str, bool, tuple])


def containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(KEYS, values, max_size=3)
    return st.one_of(
        st.lists(values, max_size=3),
        st.lists(values, max_size=3).map(tuple),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(Counter),
        st.builds(lambda factory, items: defaultdict(factory, items), FACTORIES, dicts),
    )


VALUES = st.recursive(PLAIN | SCALARS | ARRAYS | TENSORS, containers, max_leaves=8)


def bits(tensor: torch.Tensor) -> bytes:
    data = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().flatten()
    return data.view(torch.uint8).numpy().tobytes() if len(data) else b""


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type, order and bits, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and not isinstance(one, np.generic):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, torch.Tensor):
        marks = [(t.dtype, t.shape, t.requires_grad, t.device.type, bits(t)) for t in (one, other)]
        return marks[0] == marks[1]
    if isinstance(one, np.ndarray | np.generic):
        if isinstance(one, np.str_ | np.bytes_):
            return len(one) == len(other) and one == other
        return all(
            (one.dtype == other.dtype, one.shape == other.shape, one.tobytes() == other.tobytes())
        )
    if isinstance(one, dict):
        more = [
            (getattr(each, "default_factory", 0), getattr(each, "_metadata", 0))
            for each in (one, other)
        ]
        return more[0] == more[1] and same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def through_json(value: Any) -> Any:
    buffers: list[bytes] = []
    node = json.loads(json.dumps(encode(value, buffers), allow_nan=False))
    return decode(node, buffers)


def text_of(value: Any) -> str:
    """What is compared of a value."""
    buffers: list[bytes] = []
    return json.dumps(normalize(encode(value, buffers), buffers))


@given(VALUES)
def test_a_value_comes_back_the_same(value: Any) -> None:
    back = through_json(value)
    assert same(value, back)
    assert text_of(value) == text_of(back)


def test_halves_of_a_character_stay_apart() -> None:
    halves = "\ud83d\ude00"
    assert len(halves) == 2
    assert same(
        [halves, {halves: np.str_(halves)}], through_json([halves, {halves: np.str_(halves)}])
    )


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=TORCH_NAMES.split())
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_so_do_tensors_of_every_dtype(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = make_tensor(dtype, *shape)
    assert same(tensor, through_json(tensor))


def test_every_dtype_of_torch_comes_back_or_is_refused() -> None:
    kept = set()
    for dtype in {each for each in vars(torch).values() if isinstance(each, torch.dtype)}:
        name = str(dtype).removeprefix("torch.")
        with suppress(UnsupportedError):
            tensor = make_tensor(dtype, 2)
            assert same(tensor, through_json(tensor))
            kept.add(name)
    assert set(TORCH_NAMES.split()) <= kept


VIEWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "transposed": lambda tensor: tensor.T,
    "nothing": lambda tensor: torch.from_numpy(np.zeros((0, 3), np.float32)),
    "nothing of no width": lambda tensor: torch.from_numpy(np.zeros(0, np.float32)),
    "every other column": lambda tensor: tensor[:, ::2],
    "repeated": lambda tensor: tensor[:, :1].expand(4, 5),
    "conjugate": lambda tensor: torch.complex(tensor, tensor).conj(),
    "imaginary part of a conjugate": lambda tensor: torch.complex(tensor, tensor).conj().imag,
    "with a gradient": lambda tensor: tensor.clone().requires_grad_(),
    "parameter": nn.Parameter,
    "frozen parameter": lambda tensor: nn.Parameter(tensor, requires_grad=False),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_tensors_come_back_with_what_they_show(view: str) -> None:
    tensor = VIEWS[view](torch.arange(20.0).reshape(4, 5))
    assert same(tensor, through_json(tensor))


def test_an_ordered_dict_may_say_of_what() -> None:
    value = OrderedDict[str, int](a=1)
    assert through_json(value) == value


def test_what_comes_back_lies_in_memory_as_before() -> None:
    image = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    assert through_json(image).stride() == image.stride()
    table = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert through_json(table).strides == table.strides
    assert through_json(table).flags.writeable


def test_a_modules_state_keeps_the_versions_of_its_parts() -> None:
    state = nn.BatchNorm1d(2).state_dict()
    back = through_json(state)
    assert same(state, back)
    assert back._metadata == state._metadata  # type: ignore[attr-defined]


def test_a_size_comes_back_as_one() -> None:
    assert type(through_json(torch.Size([2, 3]))) is torch.Size
    assert through_json({"shape": torch.Size([2, 3])}) == {"shape": torch.Size([2, 3])}


DIFFERENT: list[Any] = [
    None, False, 0, 0.0, -0.0, "", "0", b"", b"0", "None", float("nan"), -float("nan"),
    float("inf"),
    2**64, [], (), {}, OrderedDict(), Counter(), defaultdict(None), defaultdict(list), [0], (0,),
    [[0]],
    {"a": 0}, {"b": 0}, {"a": 0.0}, {0: 0}, {False: 0}, {0.0: 0}, {None: 0}, {(0,): 0},
    Counter(a=0),
    {"a": 0, "b": 1}, {"a": 1, "b": 0}, OrderedDict(a=0, b=1), OrderedDict(b=1, a=0),
    np.int64(0), np.int32(0), np.float64(0), np.float32(0), np.bool_(False), np.str_(""),
    np.bytes_(b""),
    np.zeros(()), np.zeros(1), np.zeros(1, np.float32), np.zeros(1, ">f8"), np.zeros((1, 1)),
    np.ones(1),
    np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2), np.arange(6).reshape(2, 3).T,
    torch.zeros(()), torch.zeros(1), torch.zeros(1, dtype=torch.int32), torch.zeros(1, 1),
    -torch.zeros(1),
    torch.zeros(1).requires_grad_(), nn.Parameter(torch.zeros(1)), torch.Size([0]),
    torch.zeros(0),
]  # fmt: skip


def test_different_values_are_told_apart() -> None:
    texts = list(map(text_of, DIFFERENT))
    pairs = combinations(range(len(texts)), 2)
    alike = [(DIFFERENT[a], DIFFERENT[b]) for a, b in pairs if texts[a] == texts[b]]
    assert alike == []


def test_neither_the_order_of_keys_nor_memory_makes_a_difference() -> None:
    assert text_of({"a": 0, "b": [1]}) == text_of({"b": [1], "a": 0})
    assert text_of(Counter("ab")) == text_of(Counter("ba"))
    assert text_of(defaultdict(int, a=0, b=1)) == text_of(defaultdict(int, b=1, a=0))
    table = np.arange(24.0).reshape(2, 3, 4)
    for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)):
        lying = table.transpose(axes).copy().transpose(np.argsort(axes))
        assert text_of(lying) == text_of(table)
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert text_of(image.to(memory_format=torch.channels_last)) == text_of(image)


def nest(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic_list() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def ordered_with(name: str) -> OrderedDict[str, int]:
    value = OrderedDict(a=1)
    vars(value)[name] = 1
    return value


class Names(dict):  # type: ignore[type-arg]
    """A dict of a type of its own."""


UNKEPT: dict[str, Any] = {
    "a function": lambda: None,
    "a type": int,
    "a set": {1},
    "an object": object(),
    "a complex": 1j,
    "a Names": Names(),
    "a MaskedArray": np.ma.array([1]),
    "an array of object": np.array([None]),
    "an array of [('a', '<f8')]": np.zeros(1, [("a", "f8")]),
    f"an array of {np.dtype(np.longdouble)}": np.zeros(1, np.longdouble),
    "a sparse_coo tensor": torch.eye(2).to_sparse(),
    "a meta tensor": torch.empty(1, device="meta"),
    "a tensor with a gradient's history": torch.ones(1, requires_grad=True) * 2,
    "an UninitializedParameter": nn.LazyLinear(1).weight,
    "a dtype": torch.float32,
    "a defaultdict of set": defaultdict(set),
    "a defaultdict of <lambda>": defaultdict(lambda: 0),
    "an OrderedDict with an attribute, mark": ordered_with("mark"),
    "nested more than 100 levels deep": cyclic_list(),
}


@pytest.mark.parametrize("kind", UNKEPT)
def test_other_values_are_refused_by_type(kind: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        encode(UNKEPT[kind], [])
    assert caught.value.kind.startswith(kind)


def test_a_hundred_levels_are_kept() -> None:
    assert same(nest(99), through_json(nest(99)))
    with pytest.raises(UnsupportedError, match="100 levels"):
        encode(nest(100), [])


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"lr_lambdas": [len]}, ".lr_lambdas[0]"),
        ([({2: {"a": {1}}},)], "[0][0][2].a"),
        ({"a": {1: 0, torch.zeros(1): 1}}, ".a[tensor([0.])]"),
        (OrderedDict(a=(1, [2, len])), ".a[1][1]"),
        ({frozenset(): 0}, "[frozenset()]"),
    ],
)
def test_the_place_of_such_a_value_is_named(value: Any, path: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        encode(value, [])
    assert caught.value.path == path
