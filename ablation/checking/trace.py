"""What a training has told, report by report, and how two of them differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ablation.objective import Epoch

END = 0  # the report of a difference in what a training returned: there is none of this number


@dataclass(frozen=True)
class Report:
    """One report of a training with the metric.

    Attributes:
        number: its step.
        figures: by name.
        state: a digest of what is tracked; empty where nothing is.
        seconds: since the report before.
        logged: what was reported without the metric since then, in order.
    """

    number: int
    figures: Mapping[str, float]
    state: str
    seconds: float
    logged: tuple[Epoch, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A training, from its beginning to its end or to where it was stopped.

    Attributes:
        reports: in the order in which they came; after a kill some may come again.
        returned: the figures that it ended with; None where it was stopped before.
        resumed: by kill, whether the training went on rather than started over.
        untracked: variables of its function that have a state and are not tracked.
        damaged: whether what was tracked could not be restored.
        logged: what was reported without the metric after the last of the reports.
    """

    reports: tuple[Report, ...]
    returned: Mapping[str, float] | None = None
    resumed: tuple[bool, ...] = ()
    untracked: tuple[str, ...] = ()
    damaged: bool = False
    logged: tuple[Epoch, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """The steps, each once."""
        return list(dict.fromkeys(report.number for report in self.reports))

    @property
    def figures(self) -> set[str]:
        """The names of all figures that were reported or returned."""
        logged = [*(epoch for report in self.reports for epoch in report.logged), *self.logged]
        reported = [
            *(report.figures for report in self.reports),
            *(epoch.figures for epoch in logged),
        ]
        return {*(self.returned or ()), *(name for figures in reported for name in figures)}

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
    known = {report.number: _of_report(report) for report in one.reports}
    found = [
        each
        for report in other.reports
        for each in _differing(known.get(report.number, {}), _of_report(report))
    ]
    seen = set(other.numbers)
    for number, figures in known.items():
        if number not in seen:
            found += _differing(figures, {})
    if one.returned is not None and other.returned is not None:
        found += _differing(_numbered(one.logged), _numbered(other.logged))
        found += _differing(_of_end(one.returned), _of_end(other.returned))
    return found


_Figures = Mapping[tuple[str, int, int], float]
"""By name, step, and how often that step had a figure of that name before."""


def _of_report(report: Report) -> _Figures:
    """All figures that came since the report before, its own last."""
    return _numbered([*report.logged, Epoch(report.number, report.figures, report.seconds)])


def _of_end(returned: Mapping[str, float]) -> _Figures:
    return {(name, END, 0): value for name, value in returned.items()}


def _numbered(epochs: Iterable[Epoch]) -> _Figures:
    counts: Counter[tuple[str, int]] = Counter()
    figures = {}
    for epoch in epochs:
        for name, value in epoch.figures.items():
            figures[name, epoch.number, counts[name, epoch.number]] = value
            counts[name, epoch.number] += 1
    return figures


def _differing(one: _Figures, other: _Figures) -> list[Difference]:
    pairs = {
        key: (one.get(key, math.nan), other.get(key, math.nan))
        for key in dict.fromkeys([*one, *other])
    }
    return [
        Difference(key[0], key[1], pair)
        for key, pair in pairs.items()
        if pair[0] != pair[1] and not (key in one and key in other and all(map(math.isnan, pair)))
    ]


def first_other_state(one: Trace, other: Trace) -> int | None:
    """The first step at which what is tracked differs; None where it never does."""
    known = {report.number: report.state for report in one.reports}
    return next(
        (r.number for r in other.reports if known.get(r.number, r.state) != r.state),
        None,
    )
