"""How values of a metric and their differences are written."""

from __future__ import annotations

import math

import pytest

from ablation.objective.metric import Metric, sign_of

ACCURACY = Metric("val_accuracy", text="validation accuracy", noun="accuracy", unit="fraction")
LOSS = Metric("val_loss", direction="minimize")
TIME = Metric("latency", unit="ms", direction="minimize")
ERROR = Metric("top1_error", unit="percent", direction="minimize")


def test_words_that_are_not_given_follow_from_the_others() -> None:
    assert (LOSS.text, LOSS.noun, LOSS.plural) == ("val_loss", "val_loss", "val_loss values")
    assert (ACCURACY.noun, ACCURACY.plural) == ("accuracy", "accuracy values")
    assert Metric("x", text="the x").noun == "the x"
    assert Metric("x", noun="an x", plural="some x").plural == "some x"


def test_which_way_is_better() -> None:
    assert (sign_of("maximize"), sign_of("minimize")) == (1, -1)
    assert (ACCURACY.sign, LOSS.sign) == (1, -1)
    assert (ACCURACY.improving, LOSS.improving) == ("rising", "falling")


def test_what_is_shown_in_percent_has_differences_of_100_points_at_most() -> None:
    assert (ACCURACY.is_fraction, ACCURACY.scale, ACCURACY.largest) == (True, 100.0, 1.0)
    assert (TIME.is_fraction, TIME.scale, TIME.largest) == (False, 1.0, math.inf)


def test_numbers_that_are_percent_already_stay_what_they_are() -> None:
    assert (ERROR.is_fraction, ERROR.in_percent, ERROR.scale) == (False, True, 1.0)
    assert (ERROR.label, ERROR.heading) == ("top1_error", " (points)")
    assert ERROR.difference(-1.212) == "−1.21 points"
    assert ERROR.gain(-1.212) == "+1.21 points"
    assert ERROR.spread(24.374, 0.2008) == "24.37 ± 0.20 %"
    assert (ERROR.margin(0.5), ERROR.interval(-1.5558, -0.8682)) == (
        "0.50 points",
        "−1.56 to −0.87",
    )


def test_units_of_axes_and_titles() -> None:
    assert [each.label for each in (ACCURACY, LOSS, TIME)] == [
        "validation accuracy", "val_loss", "latency, ms",
    ]  # fmt: skip
    assert [each.heading for each in (ACCURACY, LOSS, TIME)] == [" (points)", "", " (ms)"]


@pytest.mark.parametrize(
    ("metric", "value", "number", "text"),
    [
        (ACCURACY, 0.9123, "91.23", "91.23 %"),
        (ACCURACY, 1.0, "100.00", "100.00 %"),
        (ACCURACY, 0.0, "0.00", "0.00 %"),
        (ACCURACY, -1e-6, "0.00", "0.00 %"),
        (ACCURACY, -0.5, "−50.00", "−50.00 %"),
        (LOSS, 0.35, "0.3500", "0.3500"),
        (LOSS, -0.35, "−0.3500", "−0.3500"),
        (LOSS, 12.0, "12.00", "12.00"),
        (LOSS, 1234.0, "1234", "1234"),
        (TIME, 12_345.6, "12,346", "12,346 ms"),
        (TIME, 9999.7, "10,000", "10,000 ms"),
        (TIME, -0.0, "0.000", "0.000 ms"),
        (TIME, 12.5, "12.50", "12.50 ms"),
        (ERROR, 24.374, "24.37", "24.37 %"),
        (ERROR, 0.5, "0.50", "0.50 %"),
    ],
)
def test_a_value(metric: Metric, value: float, number: str, text: str) -> None:
    assert (metric.number(value), metric.value(value)) == (number, text)


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", [ACCURACY, LOSS, TIME])
def test_where_there_is_no_number_is_a_dash(metric: Metric, missing: float) -> None:
    assert (metric.number(missing), metric.value(missing)) == ("–", "–")
    assert metric.signed(missing) == "–"
    assert metric.interval(missing, missing) == "– to –"


@pytest.mark.parametrize(
    ("metric", "difference", "signed", "text"),
    [
        (ACCURACY, 0.0084, "+0.84", "+0.84 points"),
        (ACCURACY, -0.0084, "−0.84", "−0.84 points"),
        (ACCURACY, 0.0, "0.00", "0.00 points"),
        (ACCURACY, 0.00004, "0.00", "0.00 points"),
        (ACCURACY, -0.00004, "0.00", "0.00 points"),
        (LOSS, 0.0123, "+0.0123", "+0.0123"),
        (LOSS, -0.0123, "−0.0123", "−0.0123"),
        (LOSS, 0.0, "0", "0"),
        (LOSS, -0.0, "0", "0"),
        (TIME, 1.5, "+1.50", "+1.50 ms"),
        (TIME, -1234.0, "−1,234", "−1,234 ms"),
        (TIME, -999.8, "−1,000", "−1,000 ms"),
    ],
)
def test_a_difference_is_signed(metric: Metric, difference: float, signed: str, text: str) -> None:
    assert (metric.signed(difference), metric.difference(difference)) == (signed, text)


def test_how_large_a_difference_is_has_no_sign() -> None:
    assert [ACCURACY.size(x) for x in (0.0084, -0.0084, 0.0)] == [
        "0.84 points", "0.84 points", "0.00 points",
    ]  # fmt: skip
    assert (LOSS.size(-0.25), TIME.size(-0.25)) == ("0.250", "0.250 ms")


def test_a_spread_is_shown_where_there_is_one() -> None:
    assert ACCURACY.spread(0.9012, 0.0031) == "90.12 ± 0.31 %"
    assert ACCURACY.spread(0.9012, math.nan) == "90.12 %"
    assert TIME.spread(12.5, 0.25) == "12.50 ± 0.2500 ms"


def test_an_interval_has_both_signs_and_no_unit() -> None:
    assert ACCURACY.interval(0.0072, 0.0134) == "+0.72 to +1.34"
    assert TIME.interval(-1.5, 0.5) == "−1.50 to +0.500"


def test_gains_are_above_0_where_it_is_better() -> None:
    assert (ACCURACY.gain(0.01), ACCURACY.gain(-0.01)) == ("+1.00 points", "−1.00 points")
    assert (TIME.gain(-1.5), TIME.gain(1.5)) == ("+1.50 ms", "−1.50 ms")
    assert ACCURACY.gains(-0.01, 0.02) == "−1.00 to +2.00"
    assert TIME.gains(-1.5, 0.5) == "−0.500 to +1.50"
