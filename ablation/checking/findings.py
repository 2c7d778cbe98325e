"""What trainings that were watched say of the code: which promises hold."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from ablation.checking.trace import Difference, Trace, differences, first_other_state
from ablation.running.kept_checks import Repeats, Resume, Varies

CLOSE = 1e-4
"""The share of a figure that two trainings may be apart and still be called close: rounding, as of
sums whose order is not fixed, and no more."""


@dataclass(frozen=True)
class Traces:
    """The trainings of a check.

    Attributes:
        first: the baseline.
        again: the same once more.
        other_seed: with another seed.
        killed: as the first, killed after each report in turn, and gone on with.
        other_arm: another arm with the first's seed; None where there is none.
    """

    first: Trace
    again: Trace
    other_seed: Trace
    killed: Trace
    other_arm: Trace | None = None


@dataclass(frozen=True)
class Contrast:
    """How two trainings differ.

    Attributes:
        shown: a difference to show: the metric's last one, else the largest; None where every
            figure is equal.
        largest: the largest difference; None likewise.
        state: the first step at which what is tracked differs; None where it is the same.
    """

    shown: Difference | None = None
    largest: Difference | None = None
    state: int | None = None

    @property
    def is_same(self) -> bool:
        """Whether they are the same to the last bit."""
        return self.shown is None and self.state is None

    @property
    def is_close(self) -> bool:
        """Whether figures differ, and all by as little as rounding makes."""
        return self.largest is not None and self.largest.distance <= CLOSE


@dataclass(frozen=True)
class Findings:
    """Which promises hold.

    Attributes:
        repeats: whether the same seed gives the same.
        seeds: whether another seed gives other figures.
        resume: what a kill costs.
        arms: whether another arm gives other figures; None where there is none.
        same_seed: how the first two trainings differ.
        resumed: how the one that was killed differs from the first.
        reports: over how many reports all that is said.
        last: the number of the last of these.
        ended: whether the training ends within those, so that its last figures were compared.
        kills: how many there were.
        tracks: whether anything is tracked.
        damaged: whether what was tracked could not be restored.
        untracked: variables that have a state and are not tracked.
        seconds: of a report, usually.
        figures: the names of all that was reported or returned, sorted.
    """

    repeats: Repeats
    seeds: Varies
    resume: Resume
    arms: Varies | None
    same_seed: Contrast
    resumed: Contrast
    reports: int
    last: int
    ended: bool
    kills: int
    tracks: bool
    damaged: bool
    untracked: tuple[str, ...]
    seconds: float
    figures: tuple[str, ...]

    @property
    def hold(self) -> bool:
        """Whether every promise holds, exactly or closely."""
        varies = self.seeds == "yes" and self.arms in ("yes", None)
        return varies and self.repeats != "no" and self.resume not in ("no", "unknown")


def judge(traces: Traces, metric: str) -> Findings:
    """Compare the trainings of a check.

    Args:
        traces: the trainings.
        metric: the figure that decides.
    """
    first = traces.first
    same_seed = _contrast(first, traces.again, metric)
    resumed = _contrast(first, traces.killed, metric)
    repeats: Repeats = "no"
    if same_seed.is_same:
        repeats = "exact"
    elif same_seed.is_close or same_seed.shown is None:
        repeats = "close"
    arm = traces.other_arm
    return Findings(
        repeats=repeats,
        seeds=_varies(_contrast(first, traces.other_seed, metric), repeats),
        resume=_resume(resumed, same_seed, repeats, traces.killed),
        arms=None if arm is None else _varies(_contrast(first, arm, metric), repeats),
        same_seed=same_seed,
        resumed=resumed,
        reports=len(first.numbers),
        last=first.numbers[-1] if first.numbers else 0,
        ended=first.returned is not None,
        kills=len(traces.killed.resumed),
        tracks=first.tracks,
        damaged=traces.killed.damaged,
        untracked=first.untracked,
        seconds=median(report.seconds for report in first.reports + traces.again.reports),
        figures=tuple(sorted(first.figures)),
    )


def _contrast(one: Trace, other: Trace, metric: str) -> Contrast:
    found = differences(one, other)
    state = first_other_state(one, other)
    if not found:
        return Contrast(state=state)
    largest = max(found, key=lambda each: each.distance)
    own = [each for each in found if each.figure == metric]
    return Contrast(own[-1] if own else largest, largest, state)


def _varies(contrast: Contrast, repeats: Repeats) -> Varies:
    """Whether what should differ does; what never repeats differs from everything."""
    if contrast.is_same:
        return "no"
    return "unknown" if repeats == "no" or (repeats == "close" and contrast.is_close) else "yes"


def _resume(contrast: Contrast, same_seed: Contrast, repeats: Repeats, killed: Trace) -> Resume:
    starts_over = not any(killed.resumed)
    if repeats == "no":
        return "starts over" if starts_over and not killed.tracks else "unknown"
    if killed.damaged or (starts_over and killed.tracks and killed.resumed):
        return "no"
    if contrast.is_same or (starts_over and _as_close(contrast, same_seed)):
        return "starts over" if starts_over else "exact"
    return "close" if _as_close(contrast, same_seed) else "no"


def _as_close(contrast: Contrast, same_seed: Contrast) -> bool:
    """Whether a difference is rounding, or none that the same seed has not got as well."""
    if contrast.largest is None:
        return contrast.state is None or same_seed.state is not None
    return contrast.is_close
