"""What a training comes to: the mean of a figure over its last reports."""

from __future__ import annotations

import math

import pytest

from ablation.objective import LastReports, OutcomeError, Result, mean_of_last, value_of
from ablation.objective.outcome import mean_text

HISTORY = [{"height": height} for height in (5.0, 1.0, 2.0, 6.0)]


@pytest.mark.parametrize(
    ("asked", "own", "full", "count"),
    [
        (1, 20, 20, 1),
        (5, 20, 20, 5),
        (5, 6, 20, 2),
        (5, 1, 20, 1),
        (5, 3, 3, 3),
        (5, 40, 20, 5),
        (5, None, None, 5),
        (5, None, 20, 5),
        (4, 10, 20, 2),
    ],
)
def test_a_shorter_training_takes_its_share(
    asked: int, own: int | None, full: int | None, count: int
) -> None:
    assert LastReports.of(asked, own, full) == LastReports(count, asked)


def test_the_outcome_is_the_mean_of_the_last_reports() -> None:
    assert mean_of_last(HISTORY, "height", LastReports(1, 1)) == 6.0
    assert mean_of_last(HISTORY, "height", LastReports(3, 3)) == 3.0
    assert mean_of_last(HISTORY, "height", LastReports(4, 9)) == 3.5


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (HISTORY[:1], "height was reported once, and the outcome is a mean over the last 2"),
        ([], "height was reported 0 times"),
        ([*HISTORY, {"height": math.nan}], "height is not finite in one of its last 2 reports"),
        ([{"height": math.inf}, HISTORY[0]], "height is not finite"),
    ],
)
def test_a_training_without_an_outcome_is_told(history: list[dict[str, float]], said: str) -> None:
    with pytest.raises(OutcomeError, match=said):
        mean_of_last(history, "height", LastReports(2, 2))


def test_what_code_returns_is_the_outcome_unless_that_is_a_mean() -> None:
    returned = Result(1.0, {"returned": {"height": 0.5}}, 0.5)
    assert value_of(returned, HISTORY, "height", LastReports()) == 0.5
    assert value_of(Result(1.0, {}, 6.0), HISTORY, "height", LastReports(2, 2)) == 4.0
    with pytest.raises(OutcomeError, match="train returned height, but the outcome is a mean"):
        value_of(returned, HISTORY, "height", LastReports(1, 5))


def test_the_number_of_a_short_training_is_named() -> None:
    said = r"\(\[outcome\] over_last = 5, 2 in a training of this length\)"
    with pytest.raises(OutcomeError, match=said):
        mean_of_last(HISTORY[:1], "height", LastReports(2, 5))


def test_an_outcome_is_called_by_what_is_reported() -> None:
    assert mean_text("accuracy", 5, "epoch") == "mean accuracy of the last 5 epochs"
    assert mean_text("height", 3, "step") == "mean height of the last 3 reports"
