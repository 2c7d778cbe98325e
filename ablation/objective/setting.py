"""A setting, as the harness knows it, and the size of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

from ablation.settings import Value


class Setting(Protocol):
    """One complete setting of a network and its training; it never changes, and pickles."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of what has an effect: two settings with the same are one arm."""

    def values(self) -> dict[str, Value]:
        """Every setting by its name."""

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, validated."""


@dataclass(frozen=True)
class Size:
    """How large a network is; None for what is not known of it.

    Attributes:
        steps: of its sequence; 0 where it has none.
        parameters: trainable ones.
        macs: multiply-accumulates of one example's forward pass.
    """

    steps: int | None = None
    parameters: int | None = None
    macs: int | None = None
