"""Figures beside the one that decides, arm by arm; each a family of comparisons of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.data.secondary_figures import over_last
from ablation.report.effects.effects import judged
from ablation.report.effects.replicates import replicates
from ablation.statistics.inference import MeanDifference

OF_ARM = ["arm", "against", "figure", "n", "mean", "sd"]
OF_TEST = ["delta", "ci_low", "ci_high", "p_value", "p_holm"]
Tests = Callable[[pd.DataFrame], Mapping[str, MeanDifference]]


def secondary(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    figures: Sequence[str],
    tests: Tests,
    direction: Direction,
    *,
    tested: bool = True,
) -> pd.DataFrame:
    """One row an arm and figure: its mean, its spread and its difference, paired by seed.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``; the figures are columns of it.
        arms: one row an arm (``arm``, ``against``).
        figures: their names.
        tests: the comparisons of trials, by arm.
        direction: of the metric; it does not matter to these columns.
        tested: whether there are intervals and p.

    Returns:
        The columns ``OF_ARM`` and ``OF_TEST``, figure by figure. Only trainings that count for the
        metric do; ``delta`` is the mean over the seeds that have the figure on both sides, empty
        where none. ``p_holm`` is adjusted over the arms of one figure.
    """
    done = replicates(trials)
    frames = []
    for figure in figures:
        own = over_last(figure)
        values = pd.to_numeric(done[own if own in done else figure])
        known = done.assign(value=values).dropna(subset="value")
        judgements = judged(tests(known), 0, direction)[["arm", *OF_TEST]]
        if not tested:
            judgements = judgements.assign(**dict.fromkeys(OF_TEST[1:], float("nan")))
        frames.append(_of_figure(known, arms, figure).merge(judgements, on="arm", how="left"))
    columns = [*OF_ARM, *OF_TEST]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _of_figure(known: pd.DataFrame, arms: pd.DataFrame, figure: str) -> pd.DataFrame:
    by_arm, names = known.groupby("arm")["value"], arms["arm"]
    return arms[["arm", "against"]].assign(
        figure=figure,
        n=names.map(by_arm.size()).fillna(0).astype(int),
        mean=names.map(by_arm.mean()),
        sd=names.map(by_arm.std(ddof=1)),
    )[OF_ARM]
