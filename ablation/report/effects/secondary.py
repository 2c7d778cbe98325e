"""Figures beside the one that decides, arm by arm; each a family of comparisons of its own.

Where looks were declared, the looks at the figure that decides choose how many seeds an arm has.
K times the p of an arm's last look is valid whichever of the K looks that is (a union bound), and
so are the repeated intervals. Holm's procedure over the arms follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.objective.metric import Metric
from ablation.report.data.secondary_figures import over_last
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.effects import judged
from ablation.report.effects.replicates import pair_differences, replicates
from ablation.statistics.inference import MeanDifference, within

OF_ARM = ["arm", "against", "figure", "n", "mean", "sd"]
OF_TEST = ["pairs", "delta", "ci_low", "ci_high", "p_value", "p_holm", "verdict", "reason"]
SLIGHT = "slight"
"""The column that says whether a difference is shown, but by less than the margin."""
AT_LOOKS = {"ci_low": "repeated_low", "ci_high": "repeated_high", "p_value": "p_looks"}
"""What columns are called in files where looks were declared, as in ``effects.csv``."""
UNDIRECTED = {"better": "higher", "worse": "lower"}
Tests = Callable[[pd.DataFrame], Mapping[str, MeanDifference]]


@dataclass(frozen=True)
class Figure:
    """A figure beside the metric.

    Attributes:
        metric: how its values are written; its direction does not matter where it has none.
        margin: the smallest difference that matters; 0 where none is known.
        is_directed: whether it is known if more or less of it is better.
    """

    metric: Metric
    margin: float = 0.0
    is_directed: bool = False


def secondary_figures(table: StudyTable) -> list[Figure]:
    """The figures that a study shows beside its metric.

    The margin is the metric's, so it holds for figures of the same unit that could decide, too.
    """
    figures = []
    for name in table.secondary:
        known = table.metrics.get(name)
        is_alike = known is not None and known.unit == table.metric.unit != ""
        margin = table.margin if is_alike else 0.0
        figures.append(Figure(known or Metric(name), margin, known is not None))
    return figures


def secondary(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    figures: Sequence[Figure],
    tests: Tests,
    awaiting: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row an arm and figure: its mean, its spread, its difference and the verdict on that.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``; the figures are columns of it.
        arms: one row an arm (``arm``, ``against``).
        figures: what is shown.
        tests: the comparisons of trials, by arm; at every look together where looks were declared.
        awaiting: by arm that awaits a look, these words: it has means alone, and counts in its
            family with a p of 1.

    Returns:
        The columns ``OF_ARM``, ``OF_TEST`` and ``SLIGHT``, figure by figure. Only trainings that
        count for the metric do; ``delta`` is the mean over the seeds that have the figure on both
        sides, empty where none. ``p_holm`` is adjusted over the arms of one figure. Of a figure
        without a direction ``verdict`` is ``higher`` or ``lower`` instead of better or worse.
    """
    done = replicates(trials)
    frames = []
    for figure in figures:
        name = figure.metric.name
        own = over_last(name)
        values = pd.to_numeric(done[own if own in done else name])
        known = done.assign(value=values).dropna(subset="value")
        so_far = _means_alone(known, arms, awaiting or {})
        rows = _judgements({**tests(known), **so_far}, figure)
        frames.append(_of_figure(known, arms, name).merge(rows, on="arm", how="left"))
    columns = [*OF_ARM, *OF_TEST, SLIGHT]
    if not frames:
        return pd.DataFrame(columns=columns)
    whole = pd.concat(frames, ignore_index=True)
    shown = whole.fillna({"verdict": "", "reason": "", SLIGHT: False})
    return shown.astype({"pairs": "Int64", SLIGHT: bool})[columns]


def _judgements(tests: Mapping[str, MeanDifference], figure: Figure) -> pd.DataFrame:
    """The comparisons of one figure: one family."""
    rows = judged(tests, figure.margin, figure.metric.direction)
    slight = [
        verdict in UNDIRECTED and within(tests[arm], figure.margin)
        for arm, verdict in zip(rows["arm"], rows["verdict"], strict=True)
    ]
    words = rows["verdict"] if figure.is_directed else rows["verdict"].replace(UNDIRECTED)
    why_not = [test.why_not for test in tests.values()]
    reason = rows["reason"].where(rows["reason"] != "", why_not)
    return rows.assign(verdict=words, reason=reason, slight=slight)[["arm", *OF_TEST, SLIGHT]]


def _means_alone(
    known: pd.DataFrame, arms: pd.DataFrame, awaiting: Mapping[str, str]
) -> dict[str, MeanDifference]:
    """By arm that awaits a look, the mean over its pairs so far; no test."""
    pairs = dict(tuple(pair_differences(known, arms).groupby("arm")["difference"]))
    none = pd.Series(dtype=float)
    own = {arm: pairs.get(arm, none) for arm in awaiting}
    return {
        arm: MeanDifference(len(own[arm]), float(own[arm].mean()), why_not=waits)
        for arm, waits in awaiting.items()
    }


def _of_figure(known: pd.DataFrame, arms: pd.DataFrame, figure: str) -> pd.DataFrame:
    by_arm, names = known.groupby("arm")["value"], arms["arm"]
    return arms[["arm", "against"]].assign(
        figure=figure,
        n=names.map(by_arm.size()).fillna(0).astype(int),
        mean=names.map(by_arm.mean()),
        sd=names.map(by_arm.std(ddof=1)),
    )[OF_ARM]
