"""Times, as exporters write them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def times_of(texts: pd.Series[str]) -> pd.Series[float]:
    """Times as numbers: seconds or milliseconds as they stand, dates in seconds; NaN for others."""
    plain = pd.to_numeric(texts, errors="coerce")
    if plain.notna().all():
        return plain.astype(float)
    dates = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().any():
        dates = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
    seconds = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return seconds.astype(float).replace([np.inf, -np.inf], np.nan)
