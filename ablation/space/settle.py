"""The sections of a space file that declare looks: `[settle]`, and `[confirm]` of a search."""

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


class Confirm(Part):
    """The confirmation: what the search found best, at full length over fresh seeds.

    Attributes:
        top: how many of the settings drawn, beside the baseline and the named arms.
        seeds: how many each is trained with.
        path_seeds: how many the steps of the path are trained with, other ones again; 0 leaves
            the path out, None takes as many as `seeds`, or as the last look.
        looks: numbers of seeds at which verdicts are made, and arms that have one stop; empty
            where every arm has all seeds. The path has the same looks, up to `path_seeds`.
    """

    top: int = Field(ge=1, le=100)
    seeds: int = Field(ge=2, le=MAX_SEEDS)
    path_seeds: int | None = Field(None, ge=0, le=MAX_SEEDS)
    looks: list[int] = Field(default_factory=list)

    @model_validator(mode="after")
    def _testable(self) -> Confirm:
        if self.path_seeds == 1:
            raise ValueError("path_seeds must be 2 or more to test a step, or 0 for no path")
        if "looks" in self.model_fields_set:
            if why := looks_fault(self.looks) or self.path_fault(self.looks):
                raise ValueError(why)
            if self.looks[-1] > self.seeds:
                raise ValueError(
                    f"its last look takes {self.looks[-1]:,} seeds, and there are {self.seeds:,}; "
                    "raise seeds, or take looks out"
                )
        return self

    def path_count(self, seeds: int) -> int:
        """How many seeds the path has where the confirmation has `seeds`; 0 for no path."""
        return seeds if self.path_seeds is None else self.path_seeds

    def path_looks(self, looks: Sequence[int]) -> tuple[int, ...]:
        """The looks at the path where the confirmation has `looks`; empty for no path."""
        return tuple(look for look in looks if look <= self.path_count(looks[-1]))

    def path_fault(self, looks: Sequence[int]) -> str:
        """Why the path cannot have these looks; empty where it can, or where there is no path."""
        if self.path_seeds in (None, 0, *looks):
            return ""
        return (
            f"path_seeds is {self.path_seeds:,}, and no look takes so many; set it to one of "
            "looks, or to 0 for no path"
        )


def looks_fault(looks: Sequence[int]) -> str:
    """What is wrong with declared looks; empty where nothing is."""
    if not looks or list(looks) != sorted(set(looks)) or looks[0] < 2:
        return "looks must be increasing numbers of seeds, 2 or more"
    return f"looks must be at most {MAX_SEEDS:,} seeds" if looks[-1] > MAX_SEEDS else ""
