"""The section of a space on what comes of a training, as its author wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from ablation.space.part import Part, Text

MOST_REPORTS = 10_000


class Outcome(Part):
    """What comes of a training.

    Attributes:
        of: the figure that decides; empty for the usual one.
        over_last: over how many of its last reports the outcome is its mean.
        also: figures that reports show beside it.
    """

    of: Text = ""
    over_last: int = Field(1, ge=1, le=MOST_REPORTS)
    also: list[Text] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _no_best(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "best" in given:
            raise ValueError(
                "best is not offered: the best of many noisy epochs is too high, and the more so "
                "the more a training fluctuates; over_last = 5 takes the mean of the last 5"
            )
        return given

    @field_validator("also")
    @classmethod
    def _once_each(cls, also: list[str]) -> list[str]:
        return list(dict.fromkeys(also))
