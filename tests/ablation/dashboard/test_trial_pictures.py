"""A trial's pictures: well-formed, whole, and for whatever a training can have found."""

from __future__ import annotations

import itertools
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from ablation.dashboard.trial_pictures import confusion, curve, ticks
from crnn.data.classes import CLASSES

SVG = "{http://www.w3.org/2000/svg}"


def history(*accuracies: float, loss: float = 0.5) -> list[dict[str, Any]]:
    losses = {"val_loss": loss, "train_loss": loss}
    return [{"val_accuracy": x, "train_accuracy": x - 0.01, **losses} for x in accuracies]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("epochs", [1, 2, 8, 9, 200])
def test_a_curve_has_two_panels_whose_lines_stay_inside(epochs: int) -> None:
    picture = curve(history(*(0.9 - 0.5 / epoch for epoch in range(1, epochs + 1))))
    root = ElementTree.fromstring(picture)
    panels = root.findall(f"{SVG}g")
    assert len(panels) == 2
    for panel in panels:
        *_, dashed, solid = panel.findall(f"{SVG}polyline")
        for line in (dashed, solid):
            points = [point.split(",") for point in line.attrib["points"].split()]
            assert len(points) == epochs
            assert all(0 <= float(x) <= 300 and 0 <= float(y) <= 200 for x, y in points)
    assert {"accuracy", "loss", "validation", "training", "epoch", "1"} <= set(texts(picture))


def test_averages_are_a_dotted_line_in_the_panel_of_what_they_average() -> None:
    epochs = [{**epoch, "ema_val_accuracy": 0.6} for epoch in history(0.5, 0.7)]
    picture = curve(epochs)
    accuracy, loss = ElementTree.fromstring(picture).findall(f"{SVG}g")
    dotted = [
        line.attrib["points"]
        for line in accuracy.findall(f"{SVG}polyline")
        if line.attrib.get("stroke-dasharray") == "1 4"
    ]
    assert [len(points.split()) for points in dotted] == [2]
    assert not any("1 4" in line.attrib.values() for line in loss.iter())
    assert "averaged weights" in texts(picture)
    assert "ema_val_accuracy" not in texts(picture)
    assert "averaged weights" not in texts(curve(history(0.5, 0.7)))


def test_a_figure_of_any_name_is_shown_as_text() -> None:
    picture = curve([{"epoch": 10, "a<b>&": 1.0, "seconds": 0.1}])
    assert "a<b>&" in texts(picture)
    assert not {"validation", "training"} & set(texts(picture))  # which is which is not known


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.0, 1e30])
def test_a_curve_of_what_a_training_can_come_to(loss: float) -> None:
    picture = curve(history(0.1, 0.1, loss=loss))
    ElementTree.fromstring(picture)
    assert "nan" not in picture
    assert "inf" not in picture


@pytest.mark.parametrize(
    "values", [[0.5], [0.0, 0.0], [71.2, 93.4], [-1.0, 1.0], [0.1, 1e9], [89.99, 90.01], []]
)
def test_ticks_are_few_even_and_around_all_values(values: list[float]) -> None:
    found = ticks(values)
    steps = {round((b - a) / (found[1] - found[0]), 6) for a, b in itertools.pairwise(found)}
    assert 2 <= len(found) <= 8
    assert steps == {1.0}
    assert found[0] <= min(values, default=0)
    assert max(values, default=0) <= found[-1]


def test_a_confusion_matrix_is_in_percent_of_the_true_class() -> None:
    counts = [[0] * 10 for _ in CLASSES]
    counts[0][0], counts[0][6] = 750, 250
    picture = confusion(counts, CLASSES)
    root = ElementTree.fromstring(picture)
    assert len(root.findall(f"{SVG}rect")) == 1 + 100
    said = texts(picture)
    assert [said.count(name) for name in CLASSES] == [2] * 10
    assert [text for text in said if text.isdigit()] == ["75", "25"]
