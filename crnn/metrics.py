"""The figures of the CRNN that can decide a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablation.objective.metric import Metric
from crnn.data.classes import CLASSES

_ACCURACY: dict[str, Any] = {
    "noun": "accuracy",
    "plural": "accuracies",
    "unit": "fraction",
    "chance": 1 / len(CLASSES),
}
AVERAGED = "ema_val_accuracy"
METRICS: Mapping[str, Metric] = {
    "val_accuracy": Metric(
        "val_accuracy", text="validation accuracy", test="test_accuracy", **_ACCURACY
    ),
    AVERAGED: Metric(
        AVERAGED,
        text="EMA validation accuracy",
        about="EMA figures are those of averaged weights: the exponential moving average of the "
        "weights over the steps of the training; the setting averaging is its decay.",
        test="ema_test_accuracy",
        test_text="EMA test accuracy",
        **_ACCURACY,
    ),
}
"""What can decide, by its name: the usual one first."""
