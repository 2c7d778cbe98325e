"""What a figure is: which way is better, its unit, its margin."""

from __future__ import annotations

from typing import Any

import pytest

from ablation.runs.columns.names import direction_of
from tests.ablation.runs.selecting import grid, line, refused, selected

AB: dict[str, Any] = {"arm": "arm", "against": ("a",)}
HIGHER = """
acc val_acc valAcc test/accuracy ROC-AUC val.auroc f1 F1_macro mIoU iou BLEU r2 R^2
acc@5 acc1 map50 mAP eval/accuracy neg_mean_squared_error neg_log_loss val_top1_acc
"""
LOWER = """
loss val_loss valLoss error top1_err RMSE eval/mse ppl perplexity ECE WER fid FID50k nll
neg_log_likelihood
"""
UNCLEAR = """
top1 clean_top1 value result score performance accuracy_drop acc_std loss_accuracy 1-acc
one_minus_auc acc_gap best_epoch seconds metric reduction_loss
"""
FRAME = grid(arm=["a", "b"], seed=[0, 1])


@pytest.mark.parametrize(
    "name",
    HIGHER.split(),
)
def test_higher_is_better_by_name(name: str) -> None:
    assert direction_of(name) == "maximize"


@pytest.mark.parametrize(
    "name",
    LOWER.split(),
)
def test_lower_is_better_by_name(name: str) -> None:
    assert direction_of(name) == "minimize"


@pytest.mark.parametrize(
    "name",
    UNCLEAR.split(),
)
def test_an_unclear_name_must_be_told(name: str) -> None:
    assert direction_of(name) is None
    frame = FRAME.assign(**{name: ["1", "2", "3", "4"]})
    (reason,) = refused(frame, **AB, metric=name)
    assert f"{name} does not say whether higher is better" in reason
    runs = selected(frame, **AB, metric=name, direction="minimize")
    assert line(runs, name, "lower is better (as given)")


UNITS = [
    ("acc", "0.5 0.6 0.7 1.0", "fraction", 0.005),
    ("acc", "50.5 60 70 100", "percent", 0.5),
    ("acc", "50% 60% 70% 100%", "percent", 0.5),
    ("acc", "50,5 60,1 70,5 100", "percent", 0.5),
    ("acc", "-0.5 0.6 0.7 1.0", "", 0),
    ("acc", "150 60 70 100", "", 0),
    ("loss", "0.5 0.6 0.7 1.0", "", 0),
    ("loss", "5% 6% 7% 1%", "percent", 0.5),
    ("r2", "0.5 0.6 0.7 1.0", "", 0),
    ("error_rate", "0.5 0.6 0.7 1.0", "fraction", 0.005),
]


@pytest.mark.parametrize(("name", "cells", "unit", "margin"), UNITS)
def test_a_unit_follows_from_name_and_values(
    name: str, cells: str, unit: str, margin: float
) -> None:
    runs = selected(FRAME.assign(**{name: cells.split()}), **AB, metric=name)
    assert (runs.metric.unit, runs.margin) == (unit, margin)
    assert any("--margin" in text for text in runs.lines) == (not margin)


def test_values_stay_as_the_column_has_them() -> None:
    runs = selected(FRAME.assign(acc=["50,5 %", "60 %", "70 %", "99 %"]), **AB, metric="acc")
    assert runs.runs["value"].to_list() == [50.5, 60, 70, 99]


def test_unit_and_margin_may_be_given() -> None:
    frame = FRAME.assign(top1=["0.5", "60", "70", "99"])
    runs = selected(frame, **AB, metric="top1", unit="%", margin=0.25, direction="maximize")
    assert (runs.metric.unit, runs.margin) == ("percent", 0.25)
    runs = selected(frame, **AB, metric="top1", unit="s", direction="minimize")
    assert (runs.metric.unit, runs.margin) == ("s", 0)


@pytest.mark.parametrize(
    ("cells", "options", "words"),
    [
        ("0.5 0.6 70 80", {}, ["0.5 in line 1", "80 in line 4", "--unit percent"]),
        ("50% 60% 70 80", {}, ["percent signs in 2 rows", "line 3"]),
        ("68.4(7.1) 60 70 80", {}, ["'68.4(7.1)' (line 1)", "--sd", "--n", "--where"]),
        ("50 60 70 80", {"unit": "fraction"}, ["--unit fraction", "80"]),
        ("50 60 70 80", {"margin": -1.0}, ["--margin -1"]),
        ("50 60 70 80", {"margin": float("nan")}, ["--margin nan"]),
    ],
)
def test_figures_of_two_kinds_are_refused(
    cells: str, options: dict[str, Any], words: list[str]
) -> None:
    frame = FRAME.assign(acc=cells.split())
    (reason,) = refused(frame, **AB, metric="acc", **options)
    assert all(word in reason for word in words), reason


def test_the_only_clear_figure_on_validation_data_is_taken() -> None:
    frame = FRAME.assign(train_acc="1", val_acc=["0.5", "0.6", "0.7", "0.8"], test_acc="1")
    assert selected(frame, **AB).metric.name == "val_acc"
    reasons = refused(frame.assign(val_loss="1"), **AB)
    assert "no figure was chosen: --metric COLUMN" in reasons
