"""A user's settings as the harness holds them: plain values, without the user's class."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ablation.objective.loading import load_objective
from ablation.settings import Value


@dataclass(frozen=True)
class UserSetting:
    """One complete setting; see `ablation.objective.Setting`.

    Attributes:
        items: each setting's name and value, in the order of the user's class.
        digest: of what has an effect.
        spec: of the objective whose setting it is.
    """

    items: tuple[tuple[str, Value], ...]
    digest: str
    spec: str = field(repr=False)

    def values(self) -> dict[str, Value]:
        """Every setting by its name, dotted where it is nested."""
        return dict(self.items)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, validated."""
        objective = load_objective(self.spec)
        return objective.setting({**self.values(), **changes})  # type: ignore[return-value]


def digest_of(effective: Mapping[str, Value]) -> str:
    """16 hexadecimal digits of values by name, whatever their order."""
    text = json.dumps(dict(effective), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
