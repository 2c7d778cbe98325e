"""Figures beside the metric, arm by arm: a description without tests."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ablation.report.effects.replicates import pair_differences, replicates

COLUMNS = ["arm", "against", "figure", "n", "mean", "sd", "delta"]


def secondary(trials: pd.DataFrame, arms: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """One row an arm and figure: its mean, its spread and its difference, paired by seed.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``; the figures are columns of it.
        arms: one row an arm (``arm``, ``against``).
        figures: their names.

    Returns:
        The columns ``COLUMNS``, figure by figure. Only trainings that count for the metric do;
        ``delta`` is the mean over the seeds that have the figure on both sides, empty where none.
    """
    done = replicates(trials)
    frames = [_of_figure(done.assign(value=pd.to_numeric(done[name])), arms, name)
              for name in figures]  # fmt: skip
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _of_figure(done: pd.DataFrame, arms: pd.DataFrame, figure: str) -> pd.DataFrame:
    known = done.dropna(subset="value")
    by_arm = known.groupby("arm")["value"]
    deltas = pair_differences(known, arms).groupby("arm")["difference"].mean()
    names = arms["arm"]
    return arms[["arm", "against"]].assign(
        figure=figure,
        n=names.map(by_arm.size()).fillna(0).astype(int),
        mean=names.map(by_arm.mean()),
        sd=names.map(by_arm.std(ddof=1)),
        delta=names.map(deltas),
    )[COLUMNS]
