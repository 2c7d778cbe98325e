"""Values as JSON and bytes: each comes back with its very type and bits, and nothing is code.

A value's node is JSON: None, numbers and text stand for themselves; anything else is a list that
begins with what it is, as in ``["tuple", 1, 2]``. The contents of arrays and tensors stand apart,
in buffers, which nodes name by number. PyTorch is imported only where there is a tensor.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

Node: TypeAlias = "bool | int | float | str | list[Any] | None"
Buffers: TypeAlias = Sequence[bytes | bytearray]

VALUE_TYPES = "tensors, arrays, numbers, text, bytes, None, lists, tuples and dicts"
"""What a value may be, in words."""

MAX_DEPTH = 100
LARGEST = 2**63  # beyond it, Python limits how long a number in decimal digits may be
FACTORIES = {each.__name__: each for each in (bool, dict, float, int, list, str, tuple)}
DICTS = (dict, OrderedDict, Counter, defaultdict)
SURROGATE = re.compile("[\ud800-\udfff]")


class UnsupportedError(Exception):
    """A value of a kind that is not kept.

    Attributes:
        path: where it is in the whole, as in ``.lr_lambdas[0]``; empty where it is the whole.
        kind: what it is, as in ``a function``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.path = ""
        self.kind = kind


def describe_type(value: object) -> str:
    """The type of a value, as in ``a function``."""
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def encode(value: object, buffers: list[bytes], depth: int = 0) -> Node:
    """The node of a value, which shares no memory with it.

    Args:
        value: what to keep.
        buffers: where the contents of its arrays and tensors are put.
        depth: how deep inside another it is.

    Raises:
        UnsupportedError: it, or what it holds, is of a kind that is not kept.
    """
    if type(value) in _PLAIN:
        return _PLAIN[type(value)](value)
    if isinstance(value, list | tuple | dict) and type(value) in (list, tuple, *DICTS):
        if depth == MAX_DEPTH:
            raise UnsupportedError(f"nested more than {MAX_DEPTH} levels deep")
        items = _encode_dict if isinstance(value, dict) else _encode_sequence
        return items(value, buffers, depth + 1)
    if type(value) is np.ndarray:
        return _encode_array(value, buffers)
    if isinstance(value, np.generic):
        return _encode_scalar(value)
    torch = sys.modules.get("torch")
    if torch is not None and type(value) in (torch.Tensor, torch.nn.Parameter):
        return _encode_tensor(value, buffers)
    if torch is not None and type(value) is torch.Size:
        return ["Size", *value]  # type: ignore[misc]  # a tuple of integers
    raise UnsupportedError(describe_type(value))


def _encode_int(value: int) -> Node:
    return value if abs(value) < LARGEST else ["int", hex(value)]


def _encode_float(value: float) -> Node:
    # JSON knows neither of the rest; a NaN has bits of its own.
    return value if math.isfinite(value) else ["float", struct.pack("<d", value).hex()]


def _encode_text(value: str) -> Node:
    # Halves of a character would come back from JSON as a whole one.
    halves = SURROGATE.search(value)
    return ["str", value.encode("utf-8", "surrogatepass").hex()] if halves else value


_PLAIN: dict[type, Callable[[Any], Node]] = {
    type(None): lambda value: None,
    bool: bool,
    int: _encode_int,
    float: _encode_float,
    str: _encode_text,
    bytes: lambda value: ["bytes", value.hex()],
}


def _encode_sequence(value: Any, buffers: list[bytes], depth: int) -> Node:
    node: list[Any] = [type(value).__name__]
    for place, item in enumerate(value):
        try:
            node.append(encode(item, buffers, depth))
        except UnsupportedError as error:
            error.path = f"[{place}]{error.path}"
            raise
    return node


def _encode_dict(value: Any, buffers: list[bytes], depth: int) -> Node:
    node = [type(value).__name__, *_head(value, buffers, depth)]
    for key, item in value.items():
        try:
            if not _is_key(key):
                raise UnsupportedError(f"{describe_type(key)} as a key")
            node.append(encode(key, buffers, depth))
            node.append(encode(item, buffers, depth))
        except UnsupportedError as error:
            part = f".{key}" if isinstance(key, str) else f"[{key!r:.100}]"
            error.path = f"{part}{error.path}"
            raise
    return node


def _head(value: dict[Any, Any], buffers: list[bytes], depth: int) -> list[Node]:
    """What a dict is besides its items."""
    if isinstance(value, defaultdict):
        factory = value.default_factory
        if factory is None:
            return [None]
        if factory not in FACTORIES.values():
            raise UnsupportedError(f"a defaultdict of {getattr(factory, '__name__', factory)}")
        return [factory.__name__]
    if isinstance(value, OrderedDict):
        # The state of a module: its parts' versions.
        more = dict(vars(value))
        versions = more.pop("_metadata", None)
        more.pop("__orig_class__", None)  # OrderedDict[str, int]() has it
        if more:
            raise UnsupportedError(f"an OrderedDict with an attribute, {next(iter(more))}")
        return [encode(versions, buffers, depth)]
    return []


def _is_key(key: object) -> bool:
    if type(key) is tuple:
        return all(map(_is_key, key))
    return type(key) in _PLAIN or isinstance(key, np.generic)


def is_supported(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype are kept."""
    # Long doubles (g, G) hold bytes that nobody has set.
    return dtype.kind in "biufcSUmM" and dtype.itemsize > 0 and dtype.char not in "gG"


def _encode_array(value: np.ndarray[Any, Any], buffers: list[bytes]) -> Node:
    if not is_supported(value.dtype):
        raise UnsupportedError(f"an array of {value.dtype}")
    order = _axis_order(value.strides, value.flags.c_contiguous)
    buffers.append((value.transpose(order) if order else value).tobytes())
    return ["array", value.dtype.str, list(value.shape), order, len(buffers) - 1]


def _encode_scalar(value: np.generic) -> Node:
    if isinstance(value, np.str_ | np.bytes_):  # as arrays, they would lose zeros at their end
        plain = str.__str__(value) if isinstance(value, np.str_) else bytes(value)
        return ["numpy text", _PLAIN[type(plain)](plain)]
    if not is_supported(value.dtype):
        raise UnsupportedError(describe_type(value))
    return ["scalar", value.dtype.str, value.tobytes().hex()]


def _encode_tensor(value: Any, buffers: list[bytes]) -> Node:
    torch = sys.modules["torch"]
    if special := _unusual_kind(value, torch.strided):
        raise UnsupportedError(f"a {special} tensor")
    if value.grad_fn is not None:
        raise UnsupportedError("a tensor with a gradient's history (take its .detach())")
    data = value.detach().cpu().resolve_conj().resolve_neg()
    order = _axis_order(data.stride(), data.is_contiguous())
    flat = (data.permute(order) if order else data).flatten().contiguous()
    # Where there is nothing, the stride may be 0, and other bytes cannot be seen.
    buffers.append(flat.view(torch.uint8).numpy().tobytes() if len(flat) else b"")
    kind = "parameter" if type(value) is torch.nn.Parameter else "tensor"
    dtype = str(value.dtype).removeprefix("torch.")
    return [kind, dtype, list(value.shape), order, value.requires_grad, len(buffers) - 1]


def _unusual_kind(tensor: Any, usual: Any) -> str:
    """What a tensor is that has no plain block of numbers; empty where it has one."""
    if tensor.layout is not usual:
        return str(tensor.layout).removeprefix("torch.")
    kinds = {"nested": tensor.is_nested, "quantized": tensor.is_quantized, "meta": tensor.is_meta}
    return next((name for name, is_so in kinds.items() if is_so), "")


def _axis_order(strides: Sequence[int], usual: bool) -> list[int]:
    """The axes by their steps in memory, the longest first; empty for the usual order."""
    return [] if usual else sorted(range(len(strides)), key=lambda axis: -strides[axis])
