"""Where an arm comes from, as types: nothing of it is ever read out of a name or a note."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar


@dataclass(frozen=True)
class Baseline:
    """The space's own setting, which the others are compared with."""


@dataclass(frozen=True)
class Level:
    """One level of a factor alone, or a cell of a factorial."""


@dataclass(frozen=True)
class Named:
    """An arm that the space's author has named."""


@dataclass(frozen=True)
class Drawn:
    """A setting that a search has drawn.

    Attributes:
        trial: the number of the search's first trial of it; None where that is not known any more.
        rank: its place among the search's complete settings, from 1; None where it has none.
    """

    trial: int | None
    rank: int | None = None


@dataclass(frozen=True)
class Step:
    """A step of a path: its `number`, from 1."""

    number: int


@dataclass(frozen=True)
class WithoutChange:
    """The chosen setting of a path without the change of one step: the `names` of its settings."""

    names: tuple[str, ...]


Origin = Baseline | Level | Named | Drawn | Step | WithoutChange
KINDS: dict[type[Origin], str] = {
    Baseline: "baseline",
    Level: "level",
    Named: "named",
    Drawn: "drawn",
    Step: "step",
    WithoutChange: "without_change",
}
O = TypeVar("O", Baseline, Level, Named, Drawn, Step, WithoutChange)  # noqa: E741


def kind(origins: Iterable[Origin]) -> str:
    """What the first of an arm's origins is called in tables; empty where none is known."""
    return next((KINDS[type(origin)] for origin in origins), "")


def having(origins: Iterable[Origin], wanted: type[O]) -> list[O]:
    """Those of an arm's origins that are of one type."""
    return [origin for origin in origins if isinstance(origin, wanted)]


def stored(origin: Origin) -> dict[str, Any]:
    """An origin as an attribute of a study: its kind and its fields."""
    values = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(origin).items()
    }
    return {"kind": KINDS[type(origin)], **values}
