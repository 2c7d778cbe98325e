"""Variables of a training function that have a state and are not tracked: a kill loses it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

NEEDED = ("state_dict", "load_state_dict")


def untracked_locals(code: CodeType, tracked: Iterable[object]) -> list[str]:
    """The names of a running function's variables that have a state and are not tracked.

    A part of a tracked module, or a wrapper of one, is tracked; what has an empty state needs not
    be.

    Args:
        code: the function's; it has called this one, perhaps through others.
        tracked: the objects that are tracked.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    if frame is None:
        return []
    known = list(tracked)
    tensors = {each for item in known for each in _tensors(item)}
    return [
        name
        for name, item in frame.f_locals.items()
        if _has_state(item)
        and not any(item is each for each in known)
        and not (_tensors(item) and _tensors(item) <= tensors)
    ]


def _has_state(item: Any) -> bool:
    if isinstance(item, type) or not all(callable(getattr(item, name, None)) for name in NEEDED):
        return False
    try:
        return bool(item.state_dict())
    except Exception:  # a user's own, which may want more words: then it has something to say
        return True


def _tensors(item: Any) -> set[int]:
    """The identities of a module's parameters and buffers; none of anything else."""
    lists = [getattr(item, name, None) for name in ("parameters", "buffers")]
    if not all(map(callable, lists)):
        return set()
    return {id(each) for tensors in lists for each in tensors()}  # type: ignore[misc]
