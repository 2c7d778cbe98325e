"""What it would take to settle what is inconclusive, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.rendering.formatting import listed
from ablation.report.text.comparisons import more_runs, spread_between
from ablation.statistics.inference import MeanDifference
from ablation.statistics.power import (
    FEW_SEEDS,
    MORE_SEEDS,
    MOST_SEEDS,
    about,
    detectable_by,
    upper_spread,
)


def inconclusive(study: Analysis, chosen: pd.DataFrame) -> Iterable[str]:
    """What it would take to settle what is inconclusive.

    From the upper 80 % bound of the spread between pairs: a few pairs may hardly show it. Where
    there are few, or an effect is so large that ten seeds would probably find it, it is more to the
    point what five and ten seeds find than how many would settle whatever there may be. Without a
    margin nothing settles whatever there may be. The folds of one cross-validation are as many as
    they are.

    Args:
        study: the study, all of whose comparisons are one family.
        chosen: its inconclusive effects.
    """
    table, family = study.table, len(study.tests)
    tests = [study.tests[arm] for arm in chosen["arm"]]
    are = "is" if len(tests) == 1 else "are"
    said = [f"{len(tests)} of {counted(family, 'comparison')} {are} inconclusive."]
    most, more = chosen["seeds_to_settle_high"].max(), more_runs(table.comparison)
    having = [min(test.n, test.n_against or test.n) for test in tests]
    fewest = min(having)
    large = any(
        abs(test.mean) > detectable_by(test.sd, MORE_SEEDS, family, test.growth) for test in tests
    )
    if table.comparison.method == "folds":
        said += _of_folds(study, most)
        fewest = 0
    elif fewest < FEW_SEEDS:
        few = {arm: n for arm, n in zip(chosen["arm"], having, strict=True) if n < FEW_SEEDS}
        said.append(_too_few(study, few, named=len(few) < len(tests)))
    elif large or (not table.margin and fewest < MORE_SEEDS):
        said.append(f"Four times in five, {_found_by_more(study, tests)}.")
    if math.isfinite(most):
        said.append(
            "To settle even a difference near the margin, plan for up to about "
            f"{about(most):,} {more}{_where_unequal(chosen, having)}."
        )
    elif fewest >= FEW_SEEDS and not large and table.margin:
        said.append(
            f"Not even {MOST_SEEDS:,} {more} are sure to settle a difference near the margin of "
            f"±{study.metric.margin(table.margin)}."
        )
    yield " ".join(said)


def _where_unequal(chosen: pd.DataFrame, having: Sequence[int]) -> str:
    """Which arm needs the most seeds, where arms have other numbers of them: few show little."""
    if len(set(having)) == 1:
        return ""
    widest = chosen.sort_values("seeds_to_settle_high", kind="stable").dropna(
        subset="seeds_to_settle_high"
    )
    return f" (for {widest['arm'].iloc[-1]})"


def _of_folds(study: Analysis, most: float) -> Iterable[str]:
    """Why more folds of one cross-validation may not settle what is inconclusive."""
    table, share = study.table, 100 / math.sqrt(study.table.comparison.folds - 1)
    if table.margin and math.isinf(most):
        yield (
            "No number of folds is sure to settle a difference near the margin of "
            f"±{study.metric.margin(table.margin)}: folds share training data, so the standard "
            f"error cannot fall below {share:.0f} % of the standard deviation between them."
        )


def without_margin(study: Analysis) -> Iterable[str]:
    """That nothing can be equivalent where there is no margin."""
    rows = study.block_effects if study.is_by_block_alone else study.effects
    if not study.table.margin and (rows["verdict"] != "").any():
        yield "No margin was given, so nothing can be called equivalent (--margin gives one)."


def _too_few(study: Analysis, few: Mapping[str, int], *, named: bool) -> str:
    """That so few seeds cannot carry so many comparisons, and what five and ten find.

    Args:
        study: the study.
        few: the seeds of each arm that has few.
        named: whether to name these arms, as others have more.
    """
    family, least, most = len(study.tests), min(few.values()), max(few.values())
    so_few = f"{least} {more_runs(study.table.comparison)}"
    if most > least:
        so_few = f"{least} to {most} {more_runs(study.table.comparison)}"
    if named:
        so_few += f" of {listed(list(few))}"
    what = f"{so_few} cannot carry {counted(family, 'comparison')}"
    if family == 1:
        what = f"{so_few} hardly show the spread"
    tests = [study.tests[arm] for arm in few]
    return f"{what}: four times in five, {_found_by_more(study, tests)}."


def _found_by_more(study: Analysis, tests: Sequence[MeanDifference]) -> str:
    """What five and ten seeds find, in the comparison that spreads the most."""
    metric, family, comparison = study.metric, len(study.tests), study.table.comparison
    widest = max(tests, key=lambda test: upper_spread(test.sd, test.sd_df + 1))
    spread = upper_spread(widest.sd, widest.sd_df + 1)
    five, ten = (
        _findable(metric, detectable_by(spread, count, family, widest.growth))
        for count in (FEW_SEEDS, MORE_SEEDS)
    )
    bound = f"at the upper 80 % bound of the spread between {spread_between(comparison)}"
    more = more_runs(comparison)
    return f"{FEW_SEEDS} {more} find {five}, and {MORE_SEEDS} {more} {ten} ({bound})"


def _findable(metric: Metric, least: float) -> str:
    """A smallest difference that is found."""
    if not least <= metric.largest:
        return "no difference that can exist"
    return f"a difference of {metric.size(least)} or more"
