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

SUMS = 6  # of effects that are told, each a sentence


def averages(study: Analysis) -> Iterable[str]:
    """A factorial's main effects and interactions, a sentence each."""
    table, contrasts, metric = study.table, study.contrasts, study.metric
    if table.design != "factorial":
        return
    kinds = {
        "main": "Averaged over the levels of the other factors",
        "interaction": "Together, beyond the sum of both",
    }
    for kind, words in kinds.items():
        rows = _tested(contrasts[contrasts["kind"] == kind])
        items = [
            f"{row['term']} {metric.difference(row['delta'])} (95 % interval "
            f"{metric.interval(row['ci_low'], row['ci_high'])}, "
            f"{significance(row)})"
            for row in records(rows)
        ]
        if items:
            yield f"{words}: {ranked(items, [significance(row) for row in records(rows)])}."
    yield from _not_averaged(table, contrasts[contrasts["kind"].isin(list(kinds))])
    for name, left in idle_arms(table.arms, list(table.factors)).items():
        yield f"Not in the means of {name}, which has no effect there: {listed(left)}."


def _tested(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The tested ones, the most telling first."""
    return most_telling(contrasts[contrasts["p_holm"].notna()])


def _not_averaged(table: StudyTable, contrasts: pd.DataFrame) -> Iterable[str]:
    """Why there are no main effects and interactions, or not all of them."""
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
