"""Looks declared before the first training, as a space file has them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from ablation.space.part import Part

MAX_SEEDS = 10_000
ADVISED = 5  # seeds of the first look, at least: fewer hardly show the spread


class Settle(Part):
    """Looks: numbers of seeds at which verdicts are made, and arms that have one stop.

    Attributes:
        looks: by look its number of seeds; the last one is the most that an arm is trained with.
        reserve: whether looks beyond the last one are provided for, at some power of all of them.
        n_max: of space files of earlier versions, which did not act on looks.
    """

    looks: list[int]
    reserve: bool = False
    n_max: int | None = Field(None, ge=2, le=MAX_SEEDS)

    @model_validator(mode="after")
    def _increasing(self) -> Settle:
        if why := looks_fault(self.looks):
            raise ValueError(why)
        return self

    @property
    def is_acted_on(self) -> bool:
        """Whether a study can follow these looks: those of earlier versions' files it cannot."""
        return self.n_max is None


def looks_fault(looks: Sequence[int]) -> str:
    """What is wrong with declared looks; empty where nothing is."""
    if not looks or list(looks) != sorted(set(looks)) or looks[0] < 2:
        return "looks must be increasing numbers of seeds, 2 or more"
    return f"looks must be at most {MAX_SEEDS:,} seeds" if looks[-1] > MAX_SEEDS else ""
