"""From trials to effects: pure functions of DataFrames, which never change what they are given.

An effect is an arm minus what it is compared with, on the metric, paired by seed unless the study
compares its arms otherwise; `ablation.statistics.inference` has the formulas. The test set is
averaged beside it and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.effects.differences import PAIRED, differences
from ablation.report.effects.health import divergence, ended_seeds, withheld
from ablation.report.effects.replicates import replicates
from ablation.statistics.comparison import Comparison
from ablation.statistics.inference import (
    MeanDifference,
    effect_size,
    holm,
    unsound,
    verdict,
    without_verdict,
)
from ablation.statistics.power import minimum_detectable, seeds_to_settle

COLUMNS = [
    "arm",
    "against",
    "factor",
    "level",
    "n",
    "val_mean",
    "val_sd",
    "test_mean",
    "test_sd",
    "test_loss_mean",
    "reported_test_accuracy",
    "reported_test_loss",
    "pairs",
    "diverged",
    "delta",
    "ci_low",
    "ci_high",
    "effect_size",
    "p_value",
    "p_holm",
    "minimum_detectable",
    "seeds_to_settle_low",
    "seeds_to_settle_high",
    "verdict",
    "reason",
]
OF_ARMS = ["arm", "against", "factor", "level", "reported_test_accuracy", "reported_test_loss"]
SCORES = ["value", "test_value", "test_loss"]
TESTS = {
    "paired": "paired t",
    "folds": "corrected resampled t",
    "welch": "Welch",
    "summaries": "Welch, from summaries",
}
"""By method, what ``effects.csv`` calls the test."""


def mean_differences(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    of: pd.DataFrame | None = None,
    *,
    direction: Direction = "maximize",
    comparison: Comparison = PAIRED,
) -> dict[str, MeanDifference]:
    """By arm, the baseline aside: what its runs say, and why that may be no finding.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: one row an arm (``arm``, ``against``).
        of: all trials with their own values, where `trials` has other figures in their place, or
            only some of them: on these it rests whether an arm diverged, and whether it has learned
            anything.
        direction: of the metric.
        comparison: how arms are compared.
    """
    tests = differences(trials, arms, comparison)
    whole = trials if of is None else of
    for arm, reason in divergence(whole, arms).items():
        tests[arm] = unsound(tests[arm], reason)
    for arm, reason in withheld(whole, arms, direction).items():
        tests[arm] = without_verdict(tests[arm], reason)
    return tests


def effects(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    direction: Direction = "maximize",
    comparison: Comparison = PAIRED,
) -> pd.DataFrame:
    """One row an arm, in the order of ``arms``: means, spreads, the effect and its verdict.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: one row an arm, as in ``StudyTable.arms``. All but the baseline are one family: one
            that failed counts in it with a p of 1.
        margin: the smallest difference that matters; 0 where there is none.
        direction: of the metric: whether more of it is better.
        comparison: how arms are compared.

    Returns:
        The columns ``COLUMNS``. ``n`` is the number of finished replicates, and ``pairs`` of
        those whose seed has also finished in ``against`` (empty for the baseline); standard
        deviations have ddof 1 and are empty below two; ``diverged`` counts the arm's seeds that
        diverged: then it has no finding, and ``reason`` says so, as it does where what it is
        compared with diverged; ``delta`` is the mean over the pairs, empty
        where there is none; what follows it is empty where there is no test. Where arms are not
        compared by the paired test there are also ``df``, its degrees of freedom, and ``test``;
        of unpaired runs ``pairs`` is empty, and ``n_against`` the number of runs of ``against``.
    """
    out = described(trials, arms, comparison)
    tests = mean_differences(trials, arms, direction=direction, comparison=comparison)
    rows = judged(tests, margin, direction)
    merged = out.merge(rows, on="arm", how="left").astype({"pairs": "Int64", "n_against": "Int64"})
    return merged.fillna({"verdict": "", "reason": "", "test": ""})[columns(comparison)]


def columns(comparison: Comparison) -> list[str]:
    """The columns of effects, by how arms are compared."""
    if comparison.method == "paired":
        return COLUMNS
    place = COLUMNS.index("p_value")
    against = [] if comparison.is_paired else ["n_against"]
    return [*COLUMNS[:place], "test", *against, "df", *COLUMNS[place:]]


def described(trials: pd.DataFrame, arms: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The arms with the columns from ``n`` to ``diverged``: what their own runs come to."""
    by_arm = replicates(trials).groupby("arm", sort=False)
    diverged, _ = ended_seeds(trials)
    scores = [name for name in SCORES if name in trials]
    means = by_arm[scores].mean().reindex(columns=SCORES)
    spreads = by_arm[scores].std(ddof=1).reindex(columns=SCORES)
    counts, names = by_arm.size(), arms["arm"]
    if comparison.method == "summaries":  # one row an arm, which says both
        counts = by_arm["n"].sum()
        spreads = spreads.assign(value=by_arm["sd"].first())
    own = arms[OF_ARMS].reset_index(drop=True)
    return own.assign(
        n=names.map(counts).fillna(0).astype(int).to_numpy(),
        val_mean=names.map(means["value"]).to_numpy(float),
        val_sd=names.map(spreads["value"]).to_numpy(float),
        test_mean=names.map(means["test_value"]).to_numpy(float),
        test_sd=names.map(spreads["test_value"]).to_numpy(float),
        test_loss_mean=names.map(means["test_loss"]).to_numpy(float),
        diverged=[diverged.get(str(arm), 0) for arm in names],
    )


def judged(
    tests: Mapping[Any, MeanDifference], margin: float, direction: Direction
) -> pd.DataFrame:
    """One row a comparison of one family, under its key ``arm``: from ``pairs`` on.

    Args:
        tests: by arm, or by what else tells the comparisons apart.
        margin: the smallest difference that matters; 0 where there is none.
        direction: of the metric.
    """
    family = len(tests)
    adjusted = holm([test.p for test in tests.values()])
    rows = []
    for (arm, test), p_holm in zip(tests.items(), adjusted, strict=True):
        sd = math.nan if test.reason else test.sd  # more seeds settle no selection
        low, high = seeds_to_settle(sd, test.sd_df + 1, family, margin, test.growth)
        rows.append(
            {
                "arm": arm,
                "pairs": pd.NA if test.n_against else test.n,
                "delta": test.mean,
                "ci_low": test.low,
                "ci_high": test.high,
                "effect_size": effect_size(test),
                "test": "" if test.why_not else TESTS[test.method],
                "n_against": test.n_against if test.n_against else pd.NA,
                "df": test.df,
                "p_value": test.p,
                "p_holm": math.nan if test.why_not else float(p_holm),
                "minimum_detectable": minimum_detectable(sd, test.size, family, test.df),
                "seeds_to_settle_low": low,
                "seeds_to_settle_high": high,
                "verdict": verdict(test, float(p_holm), margin, direction),
                "reason": test.reason,
            }
        )
    names = [name for name in COLUMNS[COLUMNS.index("pairs") :] if name != "diverged"]
    return pd.DataFrame(rows, columns=["arm", *names, "test", "n_against", "df"])
