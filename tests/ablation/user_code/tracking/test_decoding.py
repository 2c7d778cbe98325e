"""What a file may hold instead of a value: no code runs, nothing is larger than the file."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.user_code.tracking.decoding import decode

CRAFTED: list[Any] = [
    [], ["no such kind"], [1], [[]], {}, {"a": 1}, [None],
    ["int"], ["int", "x"], ["int", 1], ["float", "00"], ["float", "zz"], ["str", "ff"],
    ["bytes", 3],
    ["dict", 1], ["dict", ["list"], 1], ["OrderedDict"], ["defaultdict", "set"], ["defaultdict"],
    ["numpy text", 1.5], ["Size", "a"], ["Size", -1.5],
    ["array", "<f8", [2], [], 0], ["array", "<f8", [-1], [], 0], ["array", "<f8", [1], [], 7],
    ["array", "O", [1], [], 0], ["array", "<f8", [2**62], [], 0],
    ["array", "<f8", [0, 2**80], [], 1],
    ["array", "V8", [1], [], 0], ["array", "f8,f8", [0], [], 1],
    ["array", "<f8", [1], [1], 0], ["array", "<f8", [1, 1], [0, 0], 0],
    ["array", "<f8", "1", [], 0],
    ["array", "(99999999,)f8", [0], [], 1], ["array", "f8", [1], [], 0],
    ["array", 3, [1], [], 0], ["array", "<f8", [True], [], 0], ["array", "<f8", [1] * 65, [], 0],
    ["array", "<U99999999", [1], [], 0],
    ["scalar", "<f8", "00"], ["scalar", "O", "00" * 8], ["scalar", "<f8", "00" * 16],
    ["tensor", "float32", [3], [], False, 0], ["tensor", "load", [1], [], False, 0],
    ["tensor", "float32", [2**60], [], False, 0], ["tensor", "float32", [0, 2**80], [], False, 1],
    ["tensor", "int64", [1], [], True, 0], ["tensor", "float64", [1], [], "yes", 0],
    ["tensor", "float64", [1], [3], False, 0], ["tensor", 3, [1], [], False, 0],
    ["parameter", "float64", [1, 1], [1, 1], False, 0],
]  # fmt: skip


@pytest.mark.parametrize("node", CRAFTED, ids=repr)
def test_what_encode_never_writes_is_no_value(node: Any) -> None:
    with pytest.raises(ValueError, match="no value"):
        decode(node, [bytes(8), b""])


WORDS = [
    "int", "float", "str", "bytes", "list", "tuple", "dict", "OrderedDict", "Counter",
    "defaultdict", "array", "scalar", "tensor", "parameter", "Size", "numpy text",
    "<f8", "float64", "00" * 8,
]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(WORDS)
NODES = st.recursive(LEAVES, lambda nodes: st.lists(nodes, max_size=6), max_leaves=12)


@given(NODES)
def test_whatever_is_in_a_file_is_a_value_or_none(node: Any) -> None:
    with suppress(ValueError):
        decode(node, [bytes(8), b""])
