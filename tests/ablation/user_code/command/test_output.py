"""Figures in what a program prints: as JSON, and by patterns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.user_code.command.output import (
    JsonReader,
    PatternReader,
    Printed,
    Reader,
)
from ablation.user_code.command.patterns import pattern_error
from ablation.user_code.training.run import TrainingError


def read(reader: Reader, text: str) -> list[Printed]:
    found = [printed for line in text.splitlines() for printed in reader.read(line)]
    return [*found, *reader.end()]


def in_json(text: str) -> list[Printed]:
    return read(JsonReader("acc"), text)


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ('{"acc": 0.5}', Printed({"acc": 0.5})),
        ('  {"acc": 1, "loss": 2}\r', Printed({"acc": 1.0, "loss": 2.0})),
        ('{"epoch": 3, "acc": 0.5}', Printed({"acc": 0.5}, 3)),
        ('{"step": 30, "epoch": 3, "acc": 0.5}', Printed({"acc": 0.5, "epoch": 3.0}, 30)),
        ('{"epoch": 2.0, "acc": 0.5}', Printed({"acc": 0.5}, 2)),
        ('{"epoch": 2.5, "acc": 0.5}', Printed({"acc": 0.5, "epoch": 2.5})),
        ('{"acc": 0.5, "name": "x", "ok": true, "no": null, "all": [1]}', Printed({"acc": 0.5})),
        ('{"loss": 0.5}', Printed({"loss": 0.5})),
        (f'{{"acc": 0.5, "large": 1{"0" * 400}}}', Printed({"acc": 0.5, "large": math.inf})),
    ],
)
def test_a_line_that_is_a_json_object_has_figures(line: str, printed: Printed) -> None:
    assert in_json(line) == [printed]


@pytest.mark.parametrize(
    "line",
    ["", "Epoch 1", "0.5", "[1, 2]", '{"acc": 0.5', "{'acc': 0.5}", '{"name": "x"}', "{}",
     'acc {"acc": 0.5}', '{"acc":' * 100_000],
)  # fmt: skip
def test_any_other_line_is_none(line: str) -> None:
    assert in_json(line) == []


@pytest.mark.parametrize("value", ["null", '"0.5"', "true", "[0.5]"])
def test_the_metric_must_be_a_number(value: str) -> None:
    with pytest.raises(TrainingError, match=r"acc: the program printed .*; print a number"):
        in_json(f'{{"acc": {value}}}')


def test_a_metric_that_is_none_is_read() -> None:
    (printed,) = in_json('{"acc": NaN}')
    assert math.isnan(printed.figures["acc"])


PATTERNS = {
    "epoch": r"Epoch (\d+)",
    "loss": r"\bloss: (\S+)",
    "acc": r"val acc: ([0-9.]+|nan)",
}


def by_patterns(text: str, *, test: str = "", **patterns: str) -> list[Printed]:
    return read(PatternReader({**PATTERNS, **patterns}, "acc", test), text)


def test_figures_on_one_line_belong_together() -> None:
    assert by_patterns("Epoch 1 loss: 2.5 val acc: 0.25\nEpoch 2 loss: 2 val acc: 0.5") == [
        Printed({"loss": 2.5, "acc": 0.25}, 1),
        Printed({"loss": 2.0, "acc": 0.5}, 2),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["Epoch {n}/2", "loss: {n}.5", "val acc: 0.{n}"],
        ["val acc: 0.{n}", "loss: {n}.5", "Epoch {n} is done"],
        ["Epoch {n}/2", "val acc: 0.{n} - loss: {n}.5"],
        ["Epoch {n}/2", "loss: 9", "loss: 8", "something else", "loss: {n}.5", "val acc: 0.{n}"],
    ],
)
def test_figures_on_several_lines_in_any_order_belong_together(lines: list[str]) -> None:
    text = "\n".join(line.format(n=n) for n in (1, 2) for line in lines)
    assert by_patterns(text) == [
        Printed({"loss": 1.5, "acc": 0.1}, 1),
        Printed({"loss": 2.5, "acc": 0.2}, 2),
    ]


def test_one_that_comes_now_and_then_stays_with_its_epoch() -> None:
    text = "Epoch 1\nloss: 1\nval acc: 0.1\nf1: 0.3\nEpoch 2\nloss: 2\nval acc: 0.2\nEpoch 3"
    found = by_patterns(text, f1=r"f1: (\S+)")
    assert [dict(each.figures) for each in found] == [
        {"loss": 1.0, "acc": 0.1, "f1": 0.3},
        {"loss": 2.0, "acc": 0.2},
        {},
    ]


def test_the_test_figure_holds_up_nothing() -> None:
    reader = PatternReader({"acc": r"val: (\S+)", "test": r"test: (\S+)"}, "acc", "test")
    assert list(reader.read("val: 0.5")) == [Printed({"acc": 0.5})]
    assert list(reader.read("test: 0.25")) == []
    assert list(reader.end()) == [Printed({"test": 0.25})]


def test_of_a_progress_bar_the_last_figure_counts() -> None:
    bar = "1/3 loss: 3\r2/3 loss: 2\r3/3 loss: 1"
    reader = PatternReader({"loss": r"loss: (\S+)"}, "loss")
    assert list(reader.read(bar)) == [Printed({"loss": 1.0})]


def test_what_is_found_must_be_a_number() -> None:
    with pytest.raises(TrainingError, match=r"read\.loss: found '1,5', which is no number"):
        by_patterns("loss: 1,5")


def test_a_group_that_took_no_part_finds_nothing() -> None:
    assert list(PatternReader({"acc": r"acc(?:=(\S+))?"}, "acc").read("acc")) == []


def test_a_number_may_be_none() -> None:
    (printed,) = by_patterns("Epoch 1 loss: 1 val acc: nan")
    assert math.isnan(printed.figures["acc"])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"acc: ([0-9.]+)", ""),
        (r"acc: (?:is )?([0-9.]+)", ""),
        (r"acc: [0-9.]+", "has 0 groups; put one"),
        (r"(acc): ([0-9.]+)", "has 2 groups"),
        (r"acc: ([0-9.]+", "no regular expression: missing )"),
        (r"a{99999999999}(x)", "no regular expression"),
        (3, "must be text"),
    ],
)
def test_a_pattern_has_one_group(pattern: object, said: str) -> None:
    assert said in pattern_error(pattern)
    assert bool(pattern_error(pattern)) == bool(said)


@given(st.text(st.sampled_from('{}[]":,acn0123456789.eE- \\u'), max_size=40))
def test_nothing_that_is_printed_breaks_the_reading(line: str) -> None:
    try:
        in_json(line)
        by_patterns(line)
    except TrainingError:
        pass
