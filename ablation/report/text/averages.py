"""What arms show together: main effects and interactions, sums of single effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.contrasts import empty_cells, idle_arms, most_telling, significance
from ablation.report.rendering.formatting import listed, ranked, records

KINDS = ("main", "interaction")
SUMS = 6  # of effects that are told, each a sentence


def averages(study: Analysis) -> Iterable[str]:
    """A factorial's main effects and interactions, a sentence each."""
    contrasts, metric = study.contrasts, study.metric
    if study.table.design != "factorial":
        return
    for kind in KINDS:
        rows = _tested(contrasts[contrasts["kind"] == kind])
        items = [
            f"{row['term']} {metric.difference(row['delta'])} (95 % interval "
            f"{metric.interval(row['ci_low'], row['ci_high'])}, "
            f"{significance(row)})"
            for row in records(rows)
        ]
        if items:
            kinds = [significance(row) for row in records(rows)]
            yield f"{_title(study.table, kind, len(items))}: {ranked(items, kinds)}."


def _title(table: StudyTable, kind: str, count: int) -> str:
    """What a kind of contrast is, in a few words."""
    if kind == "main":
        what = "Main effect" if count == 1 else "Main effects, each"
        return f"{what} averaged over the levels of {other_factors(table)}"
    what = "Interaction" if count == 1 else "Interactions"
    return f"{what} (the effect of either change with the other, minus its effect without it)"


def other_factors(table: StudyTable) -> str:
    """``the other factor``, or ``factors``, of a factorial."""
    return f"the other {'factor' if len(table.factors) == 2 else 'factors'}"


def not_averaged(study: Analysis) -> Iterable[str]:
    """Why a factorial has no main effects and interactions, or not all of them."""
    table, contrasts = study.table, study.contrasts
    if table.design != "factorial":
        return
    yield from _untested(table, contrasts[contrasts["kind"].isin(KINDS)])
    for name, left in idle_arms(table.arms, list(table.factors)).items():
        yield f"Not in the means of {name}, which has no effect there: {listed(left)}."


def _tested(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The tested ones, the most telling first."""
    return most_telling(contrasts[contrasts["p_holm"].notna()])


def _untested(table: StudyTable, contrasts: pd.DataFrame) -> Iterable[str]:
    """Why there are no main effects and interactions, or why some are not tested."""
    if not (contrasts["kind"] == "main").any():
        yield (
            "No averages over factors: that takes levels that meet the same levels of the other "
            "factors."
        )
        return
    untested = contrasts[contrasts["p_holm"].isna()]
    for reason, rows in untested[untested["reason"] != ""].groupby("reason", sort=False):
        share = f"{len(rows):,} of {len(contrasts):,} averages and interactions"
        yield f"Not tested, because {reason}: {share}."
    if count := int((untested["reason"] == "").sum()):
        empty = empty_cells(table.trials, table.arms)
        why = f" (nothing has finished in {listed(empty)})" if empty else ""
        yield (
            f"{count:,} of {len(contrasts):,} averages and interactions are not tested: that "
            f"takes two seeds with all of the cells{why}, and seeds that differ."
        )


def additivity(study: Analysis) -> Iterable[str]:
    """What several changes give together, beyond the sum of what each gives alone."""
    contrasts, metric = study.contrasts, study.metric
    sums = contrasts[(contrasts["kind"] == "additivity") & contrasts["n"].gt(0)]
    telling = _tested(sums)
    rows = records(pd.concat([telling, sums[sums["p_holm"].isna()]]))
    common = " that all of its arms have" if study.settling else ""
    for row in rows[:SUMS]:
        sure = ""
        if pd.notna(row["p_holm"]):
            ends = metric.interval(row["ci_low"], row["ci_high"])
            kind = "exploratory" if study.settling else significance(row)
            sure = f", 95 % interval {ends}, {kind}"
        yield (
            f"Together, beyond the sum of the single effects: {row['term']}, "
            f"{metric.difference(row['delta'])} "
            f"({counted(int(row['n']), 'seed')}{common}{sure})."
        )
    if study.settling and len(rows) > SUMS:
        yield f"And {len(rows) - SUMS:,} more such sums, exploratory as well."
    elif kinds := Counter(significance(row) for row in rows[SUMS:]):
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield f"And {len(rows) - SUMS:,} more such sums: {others}."
