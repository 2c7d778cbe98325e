"""What `run.track` takes: objects whose state can be read, and set later in another process."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablation.errors import UserError
from ablation.user_code.tracking.encoding import DICTS, describe_type

MAX_CHILDREN = 100_000
DICT_KINDS = {kind.__name__ for kind in DICTS}


@dataclass(frozen=True)
class Trackable:
    """An object whose state can be read and set.

    Attributes:
        kind: what an object must be for this one's state to be set in it.
        state: reads the state, which may share memory with the object.
        load: sets it.
    """

    kind: str
    state: Callable[[], object]
    load: Callable[[Any], object]


def as_trackable(name: str, item: object) -> Trackable:
    """The object that is tracked by a name.

    Raises:
        UserError: it is of a type that cannot be tracked.
    """
    if item is None:
        return Trackable("None", lambda: None, lambda state: None)
    if isinstance(item, type):
        raise UserError(f"run.track({name}=…): {item.__name__} is a class; track an object of it")
    kind, own = type(item).__qualname__, ("state_dict", "load_state_dict")
    state, load = (getattr(item, method, None) for method in own)
    if callable(state) and callable(load):
        return Trackable(kind, state, load)
    if isinstance(item, dict) and type(item) in DICTS:
        return Trackable(kind, lambda: item, lambda state: _refill(item, state))
    generator = _as_generator(item)
    if generator is None:
        missing = own[1] if callable(state) else own[0]
        raise UserError(
            f"run.track({name}=…): {describe_type(item)} has no {missing}; track what has "
            "state_dict and load_state_dict, dicts, and random generators"
        )
    return generator


def _refill(item: MutableMapping[Any, Any], state: dict[Any, Any]) -> None:
    item.clear()
    for key, value in state.items():  # a Counter's update would add
        item[key] = value


def _as_generator(item: Any) -> Trackable | None:
    """A random generator; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is not None and type(item) is torch.Generator:
        kind = f"torch.Generator ({item.device.type})"
        return Trackable(kind, item.get_state, item.set_state)
    if type(item) is random.Random:
        return Trackable("random.Random", item.getstate, item.setstate)
    if type(item) is np.random.RandomState:
        kind = f"numpy.random.RandomState ({item.get_state(legacy=False)['bit_generator']})"
        return Trackable(kind, lambda: item.get_state(legacy=False), item.set_state)
    if type(item) is np.random.Generator:
        kind = f"numpy.random.Generator ({type(item.bit_generator).__name__})"
        return Trackable(kind, lambda: _get_numpy(item), lambda state: _set_numpy(item, state))
    return None


def _get_numpy(generator: np.random.Generator) -> dict[str, object]:
    """A generator's state, and how many children it has spawned: the next ones depend on that."""
    return {"state": generator.bit_generator.state, "children": _children(generator)}


def _set_numpy(generator: np.random.Generator, state: dict[str, Any]) -> None:
    to_come = state["children"] - _children(generator)
    if not 0 <= to_come <= MAX_CHILDREN:
        raise ValueError(
            f"it has spawned {_children(generator)} generators, "
            f"in the saved state {state['children']}"
        )
    generator.bit_generator.state = state["state"]
    if to_come:
        generator.bit_generator.seed_seq.spawn(to_come)  # type: ignore[attr-defined]


def _children(generator: np.random.Generator) -> int:
    # Sequences other than NumPy's own count nothing.
    return int(getattr(generator.bit_generator.seed_seq, "n_children_spawned", 0))
