"""Which trainings are compared by the value of their last epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.report.data.study_table import StudyTable, as_returned

KEYS = ["stage", "number"]


def is_by_last_epoch(table: StudyTable, trials: pd.DataFrame) -> pd.Series[bool]:
    """By trial, whether its last epoch decides.

    What decides may be a value that a user's code returned, and of a table of runs a mean over
    epochs or the best of them, which the figures tell.

    Args:
        table: the study.
        trials: some of its trials.
    """
    if table.knows_trainings:
        return ~as_returned(trials)
    last = table.epochs.sort_values("epoch").groupby(KEYS).tail(1).set_index(KEYS)["value"]
    own = last.reindex(pd.MultiIndex.from_frame(trials[KEYS])).to_numpy(float)
    same = np.isclose(own, trials["value"].to_numpy(float), rtol=1e-12, atol=0)
    return pd.Series(same, index=trials.index)


def still_learning(table: StudyTable, trials: pd.DataFrame) -> pd.DataFrame:
    """Those trials whose last epoch decides and may not be all that they could have learned.

    Reports of a user's code need not be epochs: folds are no learning curve. They count as one
    where as many came as the setting of the training's length says, so not of a training that
    stopped early. What a table calls epochs are taken for it.
    """
    rows: pd.DataFrame = trials[is_by_last_epoch(table, trials)]
    if not table.knows_trainings:
        return rows
    if not table.length:
        return rows[:0]
    numbers = epoch_numbers(table.epochs).reindex(pd.MultiIndex.from_frame(rows[KEYS]))
    is_whole = numbers.to_numpy(float) == rows[table.length].to_numpy(float)
    whole: pd.DataFrame = rows[is_whole]
    return whole


def epoch_numbers(epochs: pd.DataFrame) -> pd.Series[int]:
    """By trial, the number of its last epoch, counted from 1 wherever its own count begins."""
    ends = epochs.groupby(KEYS)["epoch"].agg(["min", "max"])
    return ends["max"] + (ends["min"] == 0)
