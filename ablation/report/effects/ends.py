"""How trials ended, a divergence told apart."""

from __future__ import annotations

from typing import Any

import pandas as pd

DIVERGED = "DIVERGED"


def ends(trials: pd.DataFrame) -> pd.Series[Any]:
    """The state of each trial, ``DIVERGED`` in place of it where its training diverged.

    The storage has no such state: a search's draw is COMPLETE with a value for its sampler, a
    design's replicate is FAIL.

    Args:
        trials: the columns of ``trials.csv``; without a column ``diverged`` none did.
    """
    if "diverged" not in trials:
        return trials["state"]
    return trials["state"].where(trials["diverged"].isna(), DIVERGED)
