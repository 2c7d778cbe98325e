"""What a training comes to: the mean of a figure over its last reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ablation.objective.training import Result


class OutcomeError(Exception):
    """A training that has no outcome; the message says what to change."""


@dataclass(frozen=True)
class LastReports:
    """Over how many of its last reports the outcome of a training is a mean.

    Attributes:
        count: of this training; 1 for the last report alone.
        asked: what the space asks for; more than `count` where the training is shorter.
    """

    count: int = 1
    asked: int = 1

    @classmethod
    def of(cls, asked: int, own: int | None = None, full: int | None = None) -> LastReports:
        """Those of a training.

        Args:
            asked: what the space asks for, of a training of full length.
            own: how many epochs the training has; None where that is not known.
            full: how many one of full length has, likewise.
        """
        if not own:
            return cls(asked, asked)
        count = max(1, round(asked * own / full)) if full and own < full else asked
        return cls(min(count, own), asked)

    @property
    def text(self) -> str:
        """``over_last = 5``, with the number of this training where it has fewer."""
        own = f", {self.count} in a training of this length" if self.count < self.asked else ""
        return f"over_last = {self.asked}{own}"


def mean_text(what: str, count: int, word: str) -> str:
    """``mean validation accuracy of the last 5 epochs``.

    Args:
        what: is averaged.
        count: over how many reports.
        word: what a training is counted in; where it is no epoch, a report may be of several.
    """
    return f"mean {what} of the last {count} {each(word)}s"


def each(word: str) -> str:
    """What a report is called where a training is counted in this: a step may have none."""
    return "epoch" if word == "epoch" else "report"


def mean_of_last(history: Sequence[Mapping[str, Any]], figure: str, last: LastReports) -> float:
    """The mean of a figure over the last reports of a training.

    Args:
        history: the figures of each report, in their order.
        figure: the name of the one that decides.
        last: over how many.

    Raises:
        OutcomeError: there are fewer reports, or a value is not finite.
    """
    values = [float(report[figure]) for report in history[-last.count :]]
    if len(values) < last.count:
        times = "once" if len(values) == 1 else f"{len(values)} times"
        raise OutcomeError(
            f"{figure} was reported {times}, and the outcome is a mean over the last "
            f"{last.count} reports ([outcome] {last.text}): report it more often, or lower "
            "over_last"
        )
    if not all(map(math.isfinite, values)):
        raise OutcomeError(f"{figure} is not finite in one of its last {last.count} reports")
    return values[0] if len(values) == 1 else fmean(values)


def value_of(
    result: Result, history: Sequence[Mapping[str, Any]], figure: str, last: LastReports
) -> float:
    """What a training that came to its end comes to.

    Args:
        result: of the training.
        history: see `mean_of_last`.
        figure: the name of the one that decides.
        last: over how many reports.

    Raises:
        OutcomeError: it gave the outcome itself where that is a mean, or has too few reports.
    """
    if last.asked == 1 and result.value is not None:
        return result.value
    if last.asked > 1 and figure in result.scores.get("returned", {}):
        raise OutcomeError(
            f"train returned {figure}, but the outcome is a mean over the last {last.count} "
            f"reports ([outcome] {last.text}): do not return {figure}, or take over_last out"
        )
    return mean_of_last(history, figure, last)
