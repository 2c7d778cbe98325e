"""Whether a training has collapsed: fallen back to guessing, unlike its arm's others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def is_collapsed(value: float, others: Sequence[float], chance: float | None) -> bool:
    """Whether a training is below the median of its arm's others, and nearer to chance than to it.

    Args:
        value: of the training, where more is better.
        others: of the arm's other seeds; without one it is not known.
        chance: the value of guessing; where that is not known, nothing has collapsed.
    """
    if not others or chance is None:
        return False
    usual = median(others)
    return value < usual and abs(value - chance) < usual - value
