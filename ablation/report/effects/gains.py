"""How arms stand against the baseline: their order, and which may still be better.

Means over an arm's own seeds describe it. They are never compared where runs are paired by seed, as
two arms may have other seeds; what is compared here is paired then. Pure functions of DataFrames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from ablation.objective.metric import Direction, sign_of
from ablation.report.effects.differences import PAIRED
from ablation.report.effects.effects import mean_differences
from ablation.report.effects.replicates import pair_differences, replicates
from ablation.statistics.comparison import Comparison
from ablation.statistics.inference import MeanDifference, holm, narrowed

ENDED = ("COMPLETE", "FAIL")


def gains(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    direction: Direction = "maximize",
    comparison: Comparison = PAIRED,
) -> pd.Series[float]:
    """By arm, by how much it is better than the baseline: the mean over the seeds of both.

    This is the order of arms wherever there is one. Where the baseline has no result, the seeds'
    means stand in for it: each training less the mean of all arms with its seed. Of unpaired runs
    it is the difference of the arms' means.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: one row an arm, as in ``StudyTable.arms``, the baseline first.

    Returns:
        A gain for each arm, 0 for the baseline and below it for what is worse, whatever the
        direction of the metric; NaN where there is no pair.
    """
    names, done = arms["arm"], replicates(trials)
    base = str(names.iloc[0])
    if not comparison.is_paired:
        means = done.groupby("arm")["value"].mean()
        means = means - (means[base] if base in means else means.mean())
    elif (done["arm"] == base).any():
        pairs = pair_differences(trials, _against(arms, base))
        means = pairs.groupby("arm")["difference"].mean()
        means[base] = 0.0
    else:
        rest = done["value"] - done.groupby("seed")["value"].transform("mean")
        means = rest.astype(float).groupby(done["arm"]).mean()
    return sign_of(direction) * means.reindex(names)


def by_gain(rows: pd.DataFrame, gain: pd.Series[float]) -> pd.DataFrame:
    """Rows with a column ``arm``, the largest gain first; those without one are left out."""
    order = rows["arm"].map(gain).dropna().sort_values(ascending=False, kind="stable")
    return rows.loc[order.index]


def may_be_better(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    direction: Direction = "maximize",
    comparison: Comparison = PAIRED,
) -> pd.DataFrame:
    """The arms that may be better than the baseline by the margin or more, the largest gain first.

    An arm is ruled out where the 90 % interval of its difference from the baseline does not reach
    the margin, whatever it is compared with otherwise. To keep the baseline is to rule out all of
    them: an intersection of one-sided tests at 5 %, which needs no correction for their number. An
    arm without a test is not ruled out, nor one that diverged with some seeds, or the baseline did;
    one that diverged with every seed is.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: one row an arm, as in ``StudyTable.arms``, the baseline first.
        margin: the smallest difference that matters.
        direction: of the metric.
        comparison: how arms are compared.

    Returns:
        ``arm``, ``n`` pairs, ``delta``, ``best``, the end of the 90 % interval where the arm is
        best (NaN where there is no test), and ``reason``, why the pairs are no finding.
    """
    against = _against(arms, str(arms["arm"].iloc[0]))
    tests = mean_differences(trials, against, direction=direction, comparison=comparison)
    return not_ruled_out(tests, always_diverged(trials), margin, direction)


def not_ruled_out(
    tests: Mapping[str, MeanDifference], gone: Collection[str], margin: float, direction: Direction
) -> pd.DataFrame:
    """As `may_be_better`.

    Args:
        tests: by arm, how it differs from the baseline.
        gone: arms that are ruled out whatever their pairs say.
        margin: the smallest difference that matters.
        direction: of the metric.
    """
    sign, rows = sign_of(direction), []
    for arm, test in tests.items():
        best = test.inner_high if sign > 0 else test.inner_low
        if arm not in gone and (test.reason or not sign * best < margin):
            rows.append((arm, test.n, test.mean, best, test.reason))
    candidates = pd.DataFrame(rows, columns=["arm", "n", "delta", "best", "reason"])
    ascending = direction == "minimize"
    return candidates.sort_values("delta", ascending=ascending, kind="stable", ignore_index=True)


def is_tested(left: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of `may_be_better` rest on a test."""
    return left["best"].notna() & (left["reason"] == "")


def always_diverged(trials: pd.DataFrame) -> set[str]:
    """The arms that diverged with every seed that any arm was trained with."""
    if "diverged" not in trials:
        return set()
    ended = trials[trials["state"].isin(ENDED)].sort_values("number")
    last = ended.drop_duplicates(["arm", "seed"], keep="last")
    diverged = last["diverged"].notna().groupby(last["arm"])
    always = diverged.all() & (diverged.size() == trials["seed"].nunique())
    return set(always.index[always.to_numpy(bool)])


def gaps_on_test(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    direction: Direction = "maximize",
    comparison: Comparison = PAIRED,
) -> pd.DataFrame:
    """Where an effect is not the same on the test images as on the validation images.

    The difference (effect on validation − effect on test) is tested as effects are, all arms one
    family of Holm's; not of summaries, which have no such difference by run. All seeds are scored
    on the same test images, so a significant difference speaks of these images and of no others.

    Args:
        trials: one row a trial, as in ``StudyTable.trials``.
        arms: one row an arm, as in ``StudyTable.arms``.

    Returns:
        One row an arm but for the baseline: ``arm``, ``n``, ``validation`` and ``test`` (the
        effects over these pairs), ``gap`` (their difference), ``ci_low``, ``ci_high``, ``p_value``,
        ``p_holm`` (NaN where there is no test).
    """
    scored = trials[trials["test_value"].notna()]
    if comparison.method == "summaries":
        scored = scored[:0]
    apart = apart_on_test(scored)
    gaps, validation = (
        mean_differences(rows, arms, trials, direction=direction, comparison=comparison)
        for rows in (apart, scored)
    )
    return gap_rows(gaps, validation)


def apart_on_test(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that were scored on test data, with (validation − test) for their values."""
    scored = trials[trials["test_value"].notna()]
    return scored.assign(value=scored["value"] - scored["test_value"])


def gap_rows(
    gaps: Mapping[str, MeanDifference], validation: Mapping[str, MeanDifference]
) -> pd.DataFrame:
    """As `gaps_on_test`, by arm of both effects' differences and of those on validation."""
    adjusted = holm([test.p for test in gaps.values()])
    rows = [
        _gap(arm, test, validation[arm].mean, float(p_holm))
        for (arm, test), p_holm in zip(gaps.items(), adjusted, strict=True)
    ]
    columns = ["arm", "n", "validation", "test", "gap", "ci_low", "ci_high", "p_value", "p_holm"]
    return pd.DataFrame(rows, columns=columns)


def _gap(arm: str, test: MeanDifference, effect: float, p_holm: float) -> dict[str, object]:
    return {
        "arm": arm,
        "n": test.n,
        "validation": effect,
        "test": effect - test.mean,
        "gap": test.mean,
        "ci_low": test.low,
        "ci_high": test.high,
        "p_value": test.p,
        "p_holm": float("nan") if test.why_not else p_holm,
    }


def inner_intervals(effects: pd.DataFrame) -> pd.DataFrame:
    """The 90 % intervals, on which equivalence rests, of rows of ``effects.csv``: two columns."""
    degrees = effects["df"] if "df" in effects else effects["pairs"] - 1
    columns = (effects["delta"], effects["ci_high"], degrees)
    rows = [
        narrowed(float(mean), float(high), float(df)) if pd.notna(high) else (float("nan"),) * 2
        for mean, high, df in zip(*columns, strict=True)
    ]
    return pd.DataFrame(rows, columns=["inner_low", "inner_high"], index=effects.index)


def slight(effects: pd.DataFrame, margin: float) -> pd.Series[bool]:
    """Whether an arm is better or worse, but by less than the margin; by row."""
    inner = inner_intervals(effects)
    small = (inner["inner_low"] > -margin) & (inner["inner_high"] < margin)
    return small & effects["verdict"].isin(["better", "worse"])


def _against(arms: pd.DataFrame, base: str) -> pd.DataFrame:
    """The arms, all compared with the baseline."""
    return arms.assign(against=["", *[base] * (len(arms) - 1)])
