"""What a check has found, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ablation.checking.checking import Check
from ablation.checking.findings import Contrast, Findings
from ablation.checking.trace import END, Difference
from ablation.objective.outcome import mean_text
from ablation.planning.pace import clock

HOLDS = {
    "exact": "holds",
    "yes": "holds",
    "close": "holds closely",
    "starts over": "starts over",
    "no": "does not hold",
    "unknown": "cannot be told",
}


def sentences(check: Check) -> list[str]:
    """A paragraph on what was trained, one on each promise, and what a study will do about it."""
    found, words = check.findings, check.subject.objective.words
    resume = " ".join(filter(None, _resume(found, words.resume_advice)))
    return [
        _opening(check),
        f"Repeats: {HOLDS[found.repeats]}. {_repeats(found)}",
        f"Seeds: {HOLDS[found.seeds]}. {_seeds(check)}",
        f"Resume: {HOLDS[found.resume]}. {resume}",
        f"Settings: {HOLDS[found.arms]}. {_arms(check)}" if found.arms else f"Settings: {NO_ARM}",
        *_outcome(check),
        *_secondary(check),
        f"A study therefore: {_consequence(found)}",
    ]


def _outcome(check: Check) -> Iterator[str]:
    """Whether trainings come to an outcome, where that is a mean over several reports."""
    found, space = check.findings, check.subject.plan.space
    asked, objective = space.outcome.over_last, check.subject.objective
    metric = objective.metric.name
    if asked == 1:
        return
    count = min(asked, objective.epochs(check.subject.baseline) or asked)
    if check.subject.returns_outcome:
        yield (
            f"Outcome: does not hold. train seems to return {metric}, and with [outcome] "
            f"over_last = {asked} such a training fails: do not return {metric}, or take over_last "
            "out."
        )
    elif found.reports >= count:
        text = mean_text(metric, count, objective.words.epoch) if count > 1 else metric
        yield f"Outcome: holds. It is the {text}."
    else:
        yield f"Outcome: cannot be told. It takes {count} reports, and {found.reports} were seen."


def _secondary(check: Check) -> Iterator[str]:
    """Whether the secondary figures come, where the space names some."""
    also, found = check.subject.plan.space.outcome.also, check.findings
    missing, seen = ", ".join(check.missing), ", ".join(found.figures)
    verb = "was" if len(check.missing) == 1 else "were"
    if not also:
        return
    if not missing:
        names = ", ".join(also)
        yield f"Secondary figures: holds. Seen: {names}."
    elif found.ended:
        yield (
            f"Secondary figures: does not hold. {missing} {verb} neither reported nor returned. "
            f"Seen: {seen}."
        )
    else:
        yield (
            f"Secondary figures: cannot be told. {missing} {verb} not among the first reports. "
            f"Seen: {seen}."
        )


NO_ARM = "not checked. No setting has another value that could be tried."


def as_data(check: Check) -> dict[str, Any]:
    """What was found as plain data, for JSON."""
    found = asdict(check.findings)
    for name in ("same_seed", "resumed"):
        for difference in filter(None, (found[name]["shown"], found[name]["largest"])):
            values = difference["values"]
            difference["values"] = [v if math.isfinite(v) else None for v in values]
    other = check.subject.other_arm
    return {
        "trains": check.subject.objective.name,
        "device": check.device,
        "metric": check.subject.objective.metric.name,
        "seeds_compared": list(check.subject.seeds),
        "arm_compared": other.name if other else None,
        "holds": check.holds,
        **found,
    }


def _opening(check: Check) -> str:
    found, objective = check.findings, check.subject.objective
    whole = objective.epochs(check.subject.baseline)
    first = f"first {found.reports} of {whole}" if whole and not found.ended else str(found.reports)
    reports = f"the baseline's {first} reports" if found.reports > 1 else "the baseline's report"
    how = f", {clock(found.seconds) if found.seconds >= 1 else 'under a second'} each"
    metric = objective.metric.name
    named = f" The metric is taken to be {metric}: --metric names another." * (
        check.subject.metric_found
    )
    return f"{objective.name} on {check.device}: {reports}{how}.{named}"


def _repeats(found: Findings) -> str:
    contrast = found.same_seed
    if contrast.is_same:
        return f"The same seed gave the same figures to the last digit{_with_state(found)}."
    if contrast.shown is None:
        return (
            "The same seed gave the same figures to the last digit, but what is tracked differed "
            f"from report {contrast.state} on."
        )
    if found.repeats == "close":
        return (
            f"Same seed: {_pair(contrast)}, as sums in another order make it; nothing differed "
            "more. Reports will say so."
        )
    return (
        f"Same seed: {_pair(contrast)}. Pairs share less than they could, and reports will say so: "
        "draw all that is random from run.seed or run.stream, and leave clocks and set orders out."
    )


def _with_state(found: Findings) -> str:
    return ", tracked state included" if found.tracks else ""


def _seeds(check: Check) -> str:
    one, other = check.subject.seeds
    words = check.subject.objective.words
    return {
        "yes": f"Seeds {one} and {other} gave other figures.",
        "no": f"Seeds {one}, {other} gave the same figures to the last digit: "
        f"{words.seed_question} {words.seed_advice}".rstrip(),
        "unknown": "Even the same seed gives other figures.",
    }[check.findings.seeds]


def _resume(found: Findings, advice: str) -> Iterator[str]:
    times = "once" if found.kills == 1 else f"{found.kills} times"
    if found.resume == "exact":
        same = f"Killed and resumed {times}, it ended as undisturbed to the last digit"
        yield f"{same}{_with_state(found)}."
    elif found.resume == "starts over":
        yield "A killed training begins again, and then ends as undisturbed."
        yield advice
    elif found.resume == "unknown":
        yield "Even undisturbed, the same seed gives other figures."
    elif found.damaged:
        yield "What is tracked could not be restored: track the same objects in every training."
    elif found.resumed.shown:
        yield f"Undisturbed {_pair(found.resumed, 'killed and resumed ')}: {ASKED}"
    else:
        yield (
            "Every figure was equal, but what is tracked differed from report "
            f"{found.resumed.state} on: {ASKED}"
        )
    if found.untracked and found.tracks:
        names = ", ".join(found.untracked)
        added = ", ".join(f"{name}={name}" for name in found.untracked)
        yield f"Not tracked, though it has a state: {names}. Add it: run.track(…, {added})."


ASKED = "is everything that changes tracked?"


def _arms(check: Check) -> str:
    arm = check.subject.other_arm
    name = arm.name if arm else ""
    return {
        "yes": f"The arm {name} gave other figures than the baseline.",
        "no": f"The arm {name} gave the same figures as the baseline to the last digit: does train "
        "use the setting?",
        "unknown": "Even the same arm gives other figures.",
    }[check.findings.arms or "unknown"]


def _consequence(found: Findings) -> str:
    if found.resume == "exact":
        return "a killed training goes on from its last checkpoint."
    if found.resume == "starts over":
        return "a killed training starts over."
    return "a killed training starts over, unless run is given --force."


def _pair(contrast: Contrast, before: str = "") -> str:
    """The two values of a difference, and where they were seen."""
    if contrast.shown is None:
        raise ValueError("figures that are equal")
    one, other = _texts(contrast.shown)
    return f"{one}, {before}{other} ({_place(contrast.shown)})" if before else (
        f"{one} and {other} ({_place(contrast.shown)})"
    )  # fmt: skip


def _place(shown: Difference) -> str:
    where = "as returned" if shown.report == END else f"report {shown.report}"
    return f"{shown.figure}, {where}"


def _texts(shown: Difference) -> tuple[str, str]:
    """Two values, with as many digits as tell them apart."""
    one, other = shown.values
    for digits in range(4, 18):
        texts = (_text(one, digits), _text(other, digits))
        if texts[0] != texts[1]:
            break
    return texts


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if not math.isnan(value) else "nothing"
