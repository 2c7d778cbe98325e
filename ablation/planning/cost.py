"""What a training costs, in multiply-accumulates."""

from __future__ import annotations

from crnn.network.config import Setting
from crnn.network.shapes import shapes

SMALL_OPERATIONS = 8_000_000
"""What an image costs beside its multiply-accumulates, in these: measured on a CPU."""


def cost(setting: Setting) -> float:
    """What one training costs, in multiply-accumulates; a backward pass is two forward ones."""
    train, validate = setting.train.images()
    passes = setting.train.epochs * (3 * train + validate) + 10_000
    return float(passes) * (shapes(setting.model).macs + SMALL_OPERATIONS)
