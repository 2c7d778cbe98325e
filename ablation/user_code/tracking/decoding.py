"""Values out of JSON and bytes, as `ablation.user_code.tracking.encoding` writes them.

Whatever a file holds: no code of it runs, and no array is larger than the bytes that are there.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ablation.user_code.tracking.encoding import FACTORIES, Buffers, Node, is_supported

ARRAYS = ("array", "tensor", "parameter")
UNORDERED = ("dict", "Counter", "defaultdict")
DTYPE = re.compile(r"[<>|][biufcSUmM]\d{1,9}(\[\w+\])?", re.ASCII)  # as in <f8 or <M8[ns]
VALUE_ERRORS = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError,
    struct.error,
)  # fmt: skip


def decode(node: Node, buffers: Buffers) -> Any:
    """The value of a node, which shares no memory with its buffers; its tensors are on the CPU.

    Raises:
        ValueError: it is no node of this form.
    """
    try:
        return _decode(node, buffers)
    except VALUE_ERRORS as error:
        raise ValueError(f"no value ({type(error).__name__})") from error


def _decode(node: Node, buffers: Buffers) -> Any:
    if node is None or isinstance(node, bool | int | float | str):
        return node
    kind, *rest = node
    return _DECODERS[kind](rest, buffers)


def _decode_dict(value: dict[Any, Any], items: list[Any], buffers: Buffers) -> Any:
    for key, item in zip(items[::2], items[1::2], strict=True):
        value[_decode(key, buffers)] = _decode(item, buffers)
    return value


def _decode_defaultdict(rest: list[Any], buffers: Buffers) -> Any:
    factory, *items = rest
    call = None if factory is None else FACTORIES[factory]
    return _decode_dict(defaultdict(call), items, buffers)


def _decode_ordered_dict(rest: list[Any], buffers: Buffers) -> Any:
    versions, *items = rest
    result: OrderedDict[Any, Any] = OrderedDict()
    if versions is not None:
        vars(result).update(_metadata=_decode(versions, buffers))
    return _decode_dict(result, items, buffers)


def _decode_array(rest: list[Any], buffers: Buffers) -> Any:
    name, shape, order, place = rest
    flat = np.frombuffer(buffers[place], _dtype(name))
    array = flat.reshape(_memory_shape(shape, order)).copy()
    return array.transpose(_inverse(order)) if order else array


def _decode_scalar(rest: list[Any], buffers: Buffers) -> Any:
    name, data = rest
    (scalar,) = np.frombuffer(bytes.fromhex(data), _dtype(name))
    return scalar


def _dtype(name: str) -> np.dtype[Any]:
    dtype = np.dtype(name) if DTYPE.fullmatch(name) else None
    if dtype is None or not is_supported(dtype):
        raise ValueError(f"no dtype: {name}")
    return dtype


def _decode_text(rest: list[Any], buffers: Buffers) -> Any:
    text = _decode(rest[0], buffers)
    if not isinstance(text, str | bytes):
        raise ValueError("neither text nor bytes")
    return np.str_(text) if isinstance(text, str) else np.bytes_(text)


def _decode_tensor(rest: list[Any], buffers: Buffers) -> Any:
    import torch

    name, shape, order, gradient, place = rest
    data, dtype = buffers[place], vars(torch)[name]
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"no dtype: {name}")
    flat = torch.empty(len(data), dtype=torch.uint8)
    flat.numpy()[:] = np.frombuffer(data, np.uint8)
    tensor = flat.view(dtype).reshape(_memory_shape(shape, order))
    tensor = tensor.permute(_inverse(order)) if order else tensor
    return tensor.requires_grad_(gradient)


def _decode_parameter(rest: list[Any], buffers: Buffers) -> Any:
    from torch.nn import Parameter

    tensor = _decode_tensor(rest, buffers)
    return Parameter(tensor.detach(), requires_grad=tensor.requires_grad)


def _memory_shape(shape: list[int], order: list[int]) -> list[int]:
    """The sizes of the axes in the order in which they lie in memory."""
    if not all(type(size) is int and size >= 0 for size in shape):  # -1 would be any size
        raise ValueError("a shape that nothing has")
    return [shape[axis] for axis in order] if order else shape


def _inverse(order: list[int]) -> list[int]:
    return [order.index(axis) for axis in range(len(order))]


def _decode_size(rest: list[Any], buffers: Buffers) -> Any:
    import torch

    return torch.Size(rest)


_DECODERS: dict[str, Callable[[list[Any], Buffers], Any]] = {
    "int": lambda rest, buffers: int(rest[0], 16),
    "float": lambda rest, buffers: struct.unpack("<d", bytes.fromhex(rest[0]))[0],
    "str": lambda rest, buffers: bytes.fromhex(rest[0]).decode("utf-8", "surrogatepass"),
    "bytes": lambda rest, buffers: bytes.fromhex(rest[0]),
    "list": lambda rest, buffers: [_decode(item, buffers) for item in rest],
    "tuple": lambda rest, buffers: tuple(_decode(item, buffers) for item in rest),
    "dict": lambda rest, buffers: _decode_dict({}, rest, buffers),
    "OrderedDict": _decode_ordered_dict,
    "Counter": lambda rest, buffers: _decode_dict(Counter(), rest, buffers),
    "defaultdict": _decode_defaultdict,
    "array": _decode_array,
    "scalar": _decode_scalar,
    "numpy text": _decode_text,
    "tensor": _decode_tensor,
    "parameter": _decode_parameter,
    "Size": _decode_size,
}


def normalize(node: Node, buffers: Buffers) -> Node:
    """A form of a node that is equal for equal values, bit for bit, and only for those.

    As in Python, the order of a dict's keys does not count, that of an OrderedDict's does. How an
    array lies in memory does not count.
    """
    if not isinstance(node, list):
        return node
    kind, *rest = node
    if kind in ARRAYS:
        name, shape, order, *more, place = rest
        data = _in_usual_order(buffers[place], shape, order)
        return [kind, name, shape, *more, hashlib.sha256(data).hexdigest()]
    parts = [normalize(part, buffers) for part in rest]
    if kind in UNORDERED:
        first = len(parts) % 2  # a defaultdict's factory
        pairs = zip(parts[first::2], parts[first + 1 :: 2], strict=True)
        pairs_by_key = sorted(pairs, key=lambda pair: json.dumps(pair[0]))
        parts = [*parts[:first], *chain.from_iterable(pairs_by_key)]
    return [kind, *parts]


def _in_usual_order(data: bytes | bytearray, shape: list[int], order: list[int]) -> Any:
    """An array's bytes, its last axis lying closest together."""
    if not order or not data:
        return data
    sizes = [*(shape[axis] for axis in order), len(data) // math.prod(shape)]
    items = np.frombuffer(data, np.uint8).reshape(sizes)
    return items.transpose([*_inverse(order), len(order)]).tobytes()
