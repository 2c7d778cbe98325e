"""Which trainings are compared by the value of their last epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.report.data.study_table import as_returned


def is_by_last_epoch(trials: pd.DataFrame, epochs: pd.DataFrame, design: str) -> pd.Series[bool]:
    """By trial, whether its last epoch decides.

    Of a user's code its metric may be one that the code returned, and of a table that was read a
    mean over epochs or the best of them.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        epochs: one row an epoch, as in ``StudyTable.epochs``.
        design: of the study.
    """
    if design != "imported":
        return ~as_returned(trials)
    keys = ["stage", "number"]
    last = epochs.sort_values("epoch").groupby(keys).tail(1).set_index(keys)["value"]
    own = last.reindex(pd.MultiIndex.from_frame(trials[keys])).to_numpy(float)
    same = np.isclose(own, trials["value"].to_numpy(float), rtol=1e-12, atol=0)
    return pd.Series(same, index=trials.index)
