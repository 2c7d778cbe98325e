"""What a training keeps between two processes: the state of the objects that it tracks, in a file.

The file is safetensors: the contents of arrays as bytes, all else as JSON, and a digest of the
whole. Nothing in it is code, and no PyTorch is needed where no tensor is tracked.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from ablation.errors import UserError, one_line
from ablation.files import write_atomic
from ablation.user_code.tracking.decoding import decode, normalize
from ablation.user_code.tracking.encoding import (
    VALUE_TYPES,
    Buffers,
    Node,
    UnsupportedError,
    encode,
)
from ablation.user_code.tracking.trackable import DICT_KINDS, Trackable, as_trackable

FORMAT = "1"
MAX_PATH = 100  # characters of it in a message
OBJECTS = "objects"  # the one entry of a file that is JSON; the others have numbers

READ_ERRORS = (
    SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
)  # fmt: skip


class DamagedError(Exception):
    """A file that is no state of this format, or no longer the one that was written."""


class MismatchError(UserError):
    """A state that is not of the objects that are tracked now."""


@dataclass(frozen=True, eq=False)
class TrackedState:
    """The state of named objects at one moment; it shares no memory with them.

    Attributes:
        objects: by name, what the object is and its state.
        buffers: the contents of the arrays and tensors in them.
    """

    objects: Mapping[str, tuple[str, Node]]
    buffers: Buffers

    def digest(self) -> str:
        """SHA-256 in hexadecimal digits: equal where types and values are, bit for bit.

        The order of a dict's keys does not count, nor how an array lies in memory.
        """
        content = {
            name: [kind, normalize(node, self.buffers)]
            for name, (kind, node) in self.objects.items()
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def capture(objects: Mapping[str, object]) -> TrackedState:
    """The state of objects: of what has ``state_dict``, of dicts, of random generators, of None.

    Args:
        objects: by name, as `run.track` is given them.

    Raises:
        UserError: one cannot be tracked, or its state holds what is not kept, such as a function.
    """
    states: dict[str, tuple[str, Node]] = {}
    buffers: list[bytes] = []
    for name, item in objects.items():
        tracked = as_trackable(name, item)
        try:
            states[name] = tracked.kind, encode(tracked.state(), buffers)
        except UnsupportedError as error:
            raise UserError(_refusal(name, tracked, error)) from None
    return TrackedState(states, tuple(buffers))


def _refusal(name: str, tracked: Trackable, error: UnsupportedError) -> str:
    path = error.path.removeprefix(".")
    path = path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]} …"
    of = "it" if tracked.kind in DICT_KINDS else "its state"
    where = f"{of} has {path}, {error.kind}" if path else f"{of} is {error.kind}"
    return one_line(f"run.track({name}=…): {where}; what is kept: {VALUE_TYPES}")


def restore(objects: Mapping[str, object], state: TrackedState) -> None:
    """Set objects to an earlier state; dicts are changed in place.

    Tensors are given to ``load_state_dict`` on the CPU; those in a dict stay there.

    Args:
        objects: by name; the same as were captured, of the same types.
        state: what `capture` or `read_state` gave; it can be used again.

    Raises:
        UserError: one cannot be tracked.
        MismatchError: the state is of other names or types, and nothing has changed; or an object
            refuses it, and those before it have changed. A training must begin with new objects.
        DamagedError: the state holds what `capture` never writes; nothing has changed.
    """
    tracked = {name: as_trackable(name, item) for name, item in objects.items()}
    if differences := _differences(tracked, state):
        raise MismatchError("\n".join(differences))
    try:
        values = {name: decode(state.objects[name][1], state.buffers) for name in tracked}
    except ValueError as error:
        raise DamagedError(f"the saved state: {error}") from None
    for name, item in tracked.items():
        try:
            item.load(values[name])
        except Exception as error:  # the user's own code, which may raise anything
            reason = one_line(f"{type(error).__name__}: {error}")
            message = f"run.track({name}=…): does not take the saved state: {reason}"
            raise MismatchError(message) from error


def _differences(tracked: Mapping[str, Trackable], state: TrackedState) -> list[str]:
    """How the objects that are tracked now differ from those of a state, a line each."""
    lines = []
    for name in sorted({*tracked, *state.objects}):
        if name not in tracked:
            lines.append(f"run.track: {name} is missing, which the saved state has")
        elif name not in state.objects:
            lines.append(f"run.track({name}=…): the saved state has no {name}")
        elif tracked[name].kind != (was := state.objects[name][0]):
            lines.append(f"run.track({name}=…): is {tracked[name].kind}, in the saved state {was}")
    return list(map(one_line, lines))


def write_state(path: Path, state: TrackedState, notes: Mapping[str, str]) -> None:
    """Write a state, whole or not at all; the folder is made if need be.

    Args:
        path: where to.
        state: what to write.
        notes: texts to keep with it, such as whose training it is.

    Raises:
        OSError: it cannot be written; an earlier file is unharmed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, bytes | bytearray] = {OBJECTS: json.dumps(dict(state.objects)).encode()}
    parts.update((str(number), buffer) for number, buffer in enumerate(state.buffers))
    text = json.dumps(dict(notes))
    metadata = {"format": FORMAT, "notes": text, "digest": _digest(parts, text)}
    arrays = {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}
    write_atomic(path, save(arrays, metadata))


def read_state(path: Path) -> tuple[TrackedState, dict[str, str]]:
    """The state in a file, and the notes with it.

    Raises:
        FileNotFoundError: there is no file.
        DamagedError: it is damaged, cannot be read, is of another format, or is no file at all.
    """
    data = _read_bytes(path)
    try:
        parts = {name: _vector(entry) for name, entry in deserialize(data)}  # type: ignore[no-untyped-call]
        metadata = _read_metadata(data)
        if (kind := metadata["format"]) != FORMAT:
            raise DamagedError(f"{path}: its format is {kind}, this version reads {FORMAT}")
        if metadata["digest"] != _digest(parts, metadata["notes"]):
            raise DamagedError(f"{path}: its digest is not that of what is in it")
        buffers = tuple(parts[str(number)] for number in range(len(parts) - 1))
        states = json.loads(parts[OBJECTS])
        objects = {str(name): (str(kind), node) for name, (kind, node) in states.items()}
        notes = {str(name): str(text) for name, text in json.loads(metadata["notes"]).items()}
    except READ_ERRORS as error:
        raise DamagedError(f"{path}: no saved state ({type(error).__name__})") from None
    return TrackedState(objects, buffers), notes


def _read_bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a pipe would never end
            raise DamagedError(f"{path}: not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedError(f"{path}: {error.strerror}") from None


def _vector(entry: Mapping[str, Any]) -> bytearray:
    """The bytes of an entry, which is a vector of them."""
    data: bytearray = entry["data"]
    if entry["dtype"] != "U8" or entry["shape"] != [len(data)]:
        raise ValueError("an entry that is no vector of bytes")
    return data


def _read_metadata(data: bytes) -> dict[str, str]:
    """The texts in a safetensors file: in a JSON header, whose length are the first 8 bytes."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])


def _digest(parts: Mapping[str, bytes | bytearray], notes: str) -> str:
    """SHA-256 over all that a file holds."""
    sha256 = hashlib.sha256(notes.encode())
    for name, part in sorted(parts.items()):
        sha256.update(f"\n{name} {len(part)}\n".encode())
        sha256.update(part)
    return sha256.hexdigest()
