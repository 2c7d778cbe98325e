"""How two arms differ: the test that belongs to how the study compares them."""

from __future__ import annotations

import pandas as pd

from ablation.report.effects.replicates import (
    pair_differences,
    replicates,
    rounding_between,
    values_by_arm,
)
from ablation.statistics.comparison import Comparison
from ablation.statistics.inference import (
    MeanDifference,
    Summary,
    folds_test,
    paired_test,
    summaries_test,
    welch_test,
)

PAIRED = Comparison()


def differences(
    trials: pd.DataFrame, arms: pd.DataFrame, comparison: Comparison = PAIRED
) -> dict[str, MeanDifference]:
    """By arm, the baseline aside: how it differs from what it is compared with.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``; of summaries one an arm, with ``sd``
            and ``n``.
        arms: one row an arm (``arm``, ``against``).
        comparison: how arms are compared.
    """
    others = list(zip(arms["arm"].iloc[1:], arms["against"].iloc[1:], strict=True))
    if comparison.is_paired:
        pairs = dict(tuple(pair_differences(trials, arms).groupby("arm")["difference"]))
        none = pd.Series(dtype=float)
        rounding = rounding_between(trials)
        return {
            arm: _of_pairs(pairs.get(arm, none), comparison, rounding(arm, other))
            for arm, other in others
        }
    if comparison.method == "summaries":
        sides = summaries(trials)
        missing = Summary(float("nan"), float("nan"), 0)
        return {
            arm: summaries_test(sides.get(arm, missing), sides.get(other, missing))
            for arm, other in others
        }
    runs = values_by_arm(trials)
    return {arm: welch_test(runs.get(arm, []), runs.get(other, [])) for arm, other in others}


def difference(
    trials: pd.DataFrame, arm: str, against: str, comparison: Comparison = PAIRED
) -> MeanDifference:
    """How one arm differs from another, whatever it is compared with otherwise."""
    both = pd.DataFrame({"arm": [against, arm], "against": ["", against]})
    return differences(trials, both, comparison)[arm]


def summaries(trials: pd.DataFrame) -> dict[str, Summary]:
    """Each arm's mean, standard deviation and number of runs."""
    done = replicates(trials)
    rows = zip(done["arm"], done["value"], done["sd"], done["n"], strict=True)
    return {str(arm): Summary(float(mean), float(sd), int(n)) for arm, mean, sd, n in rows}


def _of_pairs(pairs: pd.Series[float], comparison: Comparison, rounding: float) -> MeanDifference:
    if comparison.method == "folds":
        return folds_test(pairs, comparison.folds, comparison.of, rounding)
    return paired_test(pairs, comparison.of, rounding)
