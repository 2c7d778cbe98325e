"""How far apart figures may be through rounding alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DOUBLE = 1e-12  # relative to values
SINGLE = 2.0**-22
"""Relative to values of float32: two differences are of four, each off by 2⁻²⁴ at most."""
UNKNOWN = 1e-9
"""Relative to differences, where the values, which may be far larger, are not known."""


def rounding_of(values: npt.ArrayLike) -> float:
    """How far apart differences of these values may be through rounding alone, in their unit.

    Values that are all float32 numbers, and not all whole, are taken for results of float32
    arithmetic, such as the mean of a torch tensor: their equal differences are apart in the eighth
    digit.

    Args:
        values: finite, of any number.
    """
    x = np.asarray(values, float)
    if not x.size:
        return 0.0
    with np.errstate(over="ignore"):
        is_single = bool((x == x.astype(np.float32)).all() and (x % 1 != 0).any())
    return (SINGLE if is_single else DOUBLE) * float(np.abs(x).max())


def are_alike(differences: npt.NDArray[np.float64], rounding: float | None) -> bool:
    """Whether differences are the same but for rounding.

    Args:
        differences: one at least.
        rounding: of `rounding_of` what they are differences of; None where that is not known.
    """
    if rounding is None:
        rounding = UNKNOWN * float(np.abs(differences).max())
    return float(np.ptp(differences)) <= rounding
