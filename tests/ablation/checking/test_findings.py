"""What is found of trainings that were watched, made up here."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from math import inf, nan

import pytest

from ablation.checking.checking import Check
from ablation.checking.findings import CLOSE, Traces, judge
from ablation.checking.prose import sentences
from ablation.checking.subject import Subject
from ablation.checking.trace import END, Report, Trace, differences, first_other_state
from ablation.design.loading import build
from ablation.objective import Epoch
from tests.helpers.made.studies import ONE_FACTOR, document


def trace(*values: float, states: str = "abcdef", **options: object) -> Trace:
    reports = tuple(
        Report(number, {"height": value}, states[number - 1 : number], 2.0)
        for number, value in enumerate(values, start=1)
    )
    return Trace(reports, **options)  # type: ignore[arg-type]


ONE = trace(0.5, 0.4, 0.3)
OTHER = trace(0.6, 0.5, 0.2, states="xyz")
KILLED = replace(ONE, resumed=(True, True))
TRACES = Traces(first=ONE, again=ONE, other_seed=OTHER, killed=KILLED, other_arm=OTHER)


def outcomes(**traces: Trace | None) -> tuple[str, str, str, str | None]:
    found = judge(replace(TRACES, **traces), "height")  # type: ignore[arg-type]
    return found.repeats, found.seeds, found.resume, found.arms


def test_all_promises_may_hold() -> None:
    assert outcomes() == ("exact", "yes", "exact", "yes")
    assert outcomes(other_arm=None) == ("exact", "yes", "exact", None)
    assert judge(TRACES, "height").hold


@pytest.mark.parametrize("far", [0.5, 1.5])
def test_rounding_is_close_and_more_is_not(far: float) -> None:
    killed = replace(trace(0.5, 0.4, 0.3 * (1 + far * CLOSE), states="abx"), resumed=(True,))
    assert outcomes(killed=killed)[2] == ("close" if far < 1 else "no")
    assert outcomes(again=killed)[0] == ("close" if far < 1 else "no")


def test_equal_figures_with_another_state_are_no_exact_resumption() -> None:
    killed = replace(trace(0.5, 0.4, 0.3, states="abx"), resumed=(True,))
    assert outcomes(killed=killed)[2] == "no"
    # where the same seed does not do better, it is as close as that
    assert outcomes(killed=killed, again=killed)[:3] == ("close", "yes", "close")


def test_another_state_shows_that_a_seed_has_an_effect() -> None:
    assert outcomes(other_seed=trace(0.5, 0.4, 0.3, states="xyz"))[1] == "yes"
    assert outcomes(other_seed=ONE)[1] == "no"


def test_what_starts_over_ends_as_undisturbed_or_does_not() -> None:
    untracked = trace(0.5, 0.4, 0.3, states="")
    over = replace(untracked, reports=untracked.reports[:1] + untracked.reports, resumed=(False,))
    traces = {"first": untracked, "again": untracked}
    assert outcomes(**traces, killed=over)[2] == "starts over"
    other = replace(trace(0.5, 0.4, 0.9, states=""), resumed=(False,))
    assert outcomes(**traces, killed=other)[2] == "no"


def test_what_is_tracked_and_starts_over_does_not_keep_its_promise() -> None:
    assert outcomes(killed=replace(ONE, resumed=(False, False)))[2] == "no"
    assert outcomes(killed=replace(ONE, resumed=(False,), damaged=True))[2] == "no"


def test_a_step_that_only_one_training_has_is_a_difference() -> None:
    shorter = replace(ONE, reports=ONE.reports[:2])
    for pair in ((ONE, shorter), (shorter, ONE)):
        (found,) = differences(*pair)
        assert (found.figure, found.report, found.distance) == ("height", 3, inf)


def test_what_is_no_number_is_equal_to_itself() -> None:
    one = trace(nan, states="")
    assert differences(one, one) == []
    assert len(differences(one, trace(0.5, states=""))) == 1


def test_what_is_returned_is_compared_where_both_have_ended() -> None:
    one, other = (replace(ONE, returned={"final": value}) for value in (1.0, 2.0))
    (found,) = differences(one, other)
    assert (found.figure, found.report, found.values) == ("final", END, (1.0, 2.0))
    assert differences(one, ONE) == []


def test_figures_without_the_metric_are_compared() -> None:
    def logs(*losses: float) -> Trace:
        logged = tuple(Epoch(1, {"loss": loss}, 0.0) for loss in losses)
        return Trace((Report(1, {"height": 0.5}, "", 1.0, logged),))

    (found,) = differences(logs(3.0, 2.0), logs(3.0, 2.5))
    assert (found.figure, found.report, found.values) == ("loss", 1, (2.0, 2.5))
    assert differences(logs(3.0, 2.0), logs(3.0, 2.0)) == []
    assert outcomes(first=logs(3.0), again=logs(2.0))[0] == "no"
    (missing,) = differences(logs(3.0, 2.0), logs(3.0))
    assert missing.distance == inf


def test_figures_after_the_last_report_are_compared_where_both_have_ended() -> None:
    one, other = (
        replace(ONE, returned={}, logged=(Epoch(4, {"loss": loss}, 0.0),)) for loss in (1.0, 2.0)
    )
    (found,) = differences(one, other)
    assert (found.figure, found.report, found.values) == ("loss", 4, (1.0, 2.0))
    assert differences(one, replace(other, returned=None)) == []


def test_the_first_other_state_is_told() -> None:
    assert first_other_state(ONE, trace(0.5, 0.4, 0.3, states="ayz")) == 2
    assert first_other_state(ONE, ONE) is None


def test_the_metric_is_shown_before_what_differs_more() -> None:
    def both(height: float, loss: float) -> Trace:
        return Trace((Report(1, {"loss": loss, "height": height}, "", 1.0),))

    found = judge(replace(TRACES, first=both(1, 1), again=both(1.1, 9)), "height").same_seed
    assert found.shown is not None
    assert found.largest is not None
    assert (found.shown.figure, found.largest.figure) == ("height", "loss")


def test_the_time_of_a_report_is_its_median() -> None:
    assert judge(TRACES, "height").seconds == 2.0


@pytest.mark.parametrize(
    ("also", "ended", "holds", "said"),
    [
        (["depth", "final", "steps"], True, True, "holds. Seen: depth, final, steps."),
        (["dept"], True, False, "does not hold. dept was neither reported nor returned. Seen: dep"),
        (["dept"], False, True, "cannot be told. dept was not among the first reports. Seen: dep"),
    ],
)
def test_secondary_figures_are_looked_for_in_all_that_came(
    also: list[str], ended: bool, holds: bool, said: str
) -> None:
    report = Report(1, {"height": 0.5}, "", 2.0, (Epoch(1, {"depth": 1.0}, 1.0),))
    end = {"final": 1.0} if ended else None
    first = Trace((report,), returned=end, logged=(Epoch(2, {"steps": 1.0}, 1.0),))
    space = tomllib.loads(ONE_FACTOR)
    plan = build("mine", document(space))
    outcome = plan.space.outcome.model_copy(update={"also": also})
    plan = replace(plan, space=plan.space.model_copy(update={"outcome": outcome}))
    same = replace(TRACES, first=first, again=first, killed=replace(first, resumed=(True,)))
    check = Check(Subject(plan, None, (0, 1)), "cpu", judge(same, "height"))
    assert check.holds == holds
    assert f"Secondary figures: {said}" in "\n".join(sentences(check))
