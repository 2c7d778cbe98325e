"""What a training has told, report by report, and how two of them differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

END = 0  # the report of a difference in what a training returned: there is none of this number


@dataclass(frozen=True)
class Report:
    """One report of a training.

    Attributes:
        number: its step.
        figures: by name.
        state: a digest of what is tracked; empty where nothing is.
        seconds: since the report before.
    """

    number: int
    figures: Mapping[str, float]
    state: str
    seconds: float


@dataclass(frozen=True)
class Trace:
    """A training, from its beginning to its end or to where it was stopped.

    Attributes:
        reports: in the order in which they came; after a kill some may come again.
        returned: the figures that it ended with; None where it was stopped before.
        resumed: by kill, whether the training went on rather than started over.
        untracked: variables of its function that have a state and are not tracked.
        damaged: whether what was tracked could not be restored.
    """

    reports: tuple[Report, ...]
    returned: Mapping[str, float] | None = None
    resumed: tuple[bool, ...] = ()
    untracked: tuple[str, ...] = ()
    damaged: bool = False

    @property
    def numbers(self) -> list[int]:
        """The steps, each once."""
        return list(dict.fromkeys(report.number for report in self.reports))

    @property
    def tracks(self) -> bool:
        """Whether anything is tracked."""
        return any(report.state for report in self.reports)


@dataclass(frozen=True)
class Difference:
    """A figure that differs between two trainings.

    Attributes:
        figure: its name.
        report: the step; `END` for what was returned.
        values: of the two; NaN where one has no such figure.
    """

    figure: str
    report: int
    values: tuple[float, float]

    @property
    def distance(self) -> float:
        """How far apart they are, as a share of the larger one."""
        one, other = self.values
        if not (math.isfinite(one) and math.isfinite(other)):
            return math.inf
        return abs(one - other) / max(abs(one), abs(other))


def differences(one: Trace, other: Trace) -> list[Difference]:
    """All figures that differ, in the order of the other training's reports."""
    known = {report.number: report.figures for report in one.reports}
    found = [
        each
        for report in other.reports
        for each in _differing(report.number, known.get(report.number, {}), report.figures)
    ]
    seen = set(other.numbers)
    for number, figures in known.items():
        if number not in seen:
            found += _differing(number, figures, {})
    if one.returned is not None and other.returned is not None:
        found += _differing(END, one.returned, other.returned)
    return found


def _differing(
    report: int, one: Mapping[str, float], other: Mapping[str, float]
) -> list[Difference]:
    pairs = {
        name: (one.get(name, math.nan), other.get(name, math.nan))
        for name in dict.fromkeys([*one, *other])
    }
    return [
        Difference(name, report, pair)
        for name, pair in pairs.items()
        if pair[0] != pair[1] and not (_both_nan(name, one, other))
    ]


def _both_nan(name: str, one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    both = name in one and name in other
    return both and math.isnan(one[name]) and math.isnan(other[name])


def first_other_state(one: Trace, other: Trace) -> int | None:
    """The first step at which what is tracked differs; None where it never does."""
    known = {report.number: report.state for report in one.reports}
    return next(
        (r.number for r in other.reports if known.get(r.number, r.state) != r.state),
        None,
    )
