"""The table of what stands behind each verdict, and how to read it."""

from __future__ import annotations

import math
from typing import Any

from ablation.objective.metric import MISSING, Metric
from ablation.report.analysis import Analysis
from ablation.report.effects.gains import inner_intervals
from ablation.report.effects.last_epoch import is_by_last_epoch
from ablation.report.effects.replicates import LAST, last_epochs, on_test
from ablation.report.rendering.formatting import chance, records, whole
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import more_runs
from ablation.report.text.tables.arms import interval
from ablation.statistics.inference import MeanDifference, sign_flip
from ablation.statistics.power import MOST_SEEDS


def details_table(study: Analysis) -> TextTable | None:
    """What stands behind each verdict that is shown; None where nothing was tested."""
    rows = study.leading()
    rows = rows[rows["verdict"] != ""]
    if rows.empty:
        return None
    inner = inner_intervals(rows).to_numpy(float)
    cells = [
        {
            "arm": row["arm"],
            "against": str(row["against"]),
            **_spread(study, row),
            **_power(study, row, *ends),
        }
        for row, ends in zip(records(rows), inner, strict=True)
    ]
    for column in (_late(study), _on_test(study)):
        for row in cells:
            row |= {title: texts[row["arm"]] for title, texts in column.items()}
    tested = int((study.effects["verdict"] != "").sum())
    note = f"{len(cells)} of {tested:,} comparisons, as above." if len(cells) < tested else ""
    return TextTable(list(cells[0]), [list(row.values()) for row in cells], words=2, note=note)


def _spread(study: Analysis, row: dict[str, Any]) -> dict[str, str]:
    """How many runs an effect rests on, and how these differ."""
    metric, test = study.metric, study.tests[row["arm"]]
    if not study.table.comparison.is_paired:
        return {
            "runs": f"{test.n} against {test.n_against}",
            "sd of a difference": metric.unsigned(test.sd),
            "standard error": metric.unsigned(test.standard_error),
            "degrees of freedom": f"{test.df:.1f}",
        }
    pairs = study.pairs.loc[study.pairs["arm"] == row["arm"], "difference"]
    cells = {
        "pairs": str(len(pairs)),
        "lowest to highest": metric.interval(pairs.min(), pairs.max()),
        "sd of pairs": metric.unsigned(pairs.std(ddof=1)),
    }
    if study.table.comparison.method == "folds":
        cells["corrected standard error"] = metric.unsigned(test.standard_error)
    return cells


def _power(study: Analysis, row: dict[str, Any], low: float, high: float) -> dict[str, str]:
    """The test, and what it finds."""
    metric, comparison = study.metric, study.table.comparison
    size, cells = row["effect_size"], {}
    if comparison.method != "folds":
        shown = f"{size:+.2f}".replace("-", "−") if math.isfinite(size) else MISSING
        cells["effect size g"] = shown
    cells |= {"90 % interval": interval(metric, low, high), "p": chance(row["p_value"])}
    if comparison.method == "paired":
        pairs = study.pairs.loc[study.pairs["arm"] == row["arm"], "difference"]
        cells["p of sign flips"] = MISSING if row["reason"] else chance(sign_flip(pairs))
    cells["minimum detectable"] = _detectable(metric, row["minimum_detectable"])
    if study.table.margin:
        cells[f"{more_runs(comparison)} to plan for"] = _seeds(row["seeds_to_settle_high"])
    return cells


def _late(study: Analysis) -> dict[str, dict[str, str]]:
    """The effects by the mean of the last epochs, where the last one decides."""
    table = study.table
    if not table.epochs["epoch"].max() > LAST:  # else they would be all
        return {}
    if not is_by_last_epoch(table, study.replicates).all():
        return {}
    late = study.tests_of(last_epochs(table.trials, table.epochs))
    return {f"effect, last {LAST} {table.words.epoch}s": _by_arm(late, study.metric)}


def _on_test(study: Analysis) -> dict[str, dict[str, str]]:
    """The effects on test data, with their intervals."""
    table, metric = study.table, study.metric
    if table.comparison.method == "summaries" or not table.trials["test_value"].notna().any():
        return {}
    title = f"effect on these test {table.words.examples} (95 % interval)"
    if not table.knows_trainings:
        title = f"effect on {metric.test} (95 % interval)"
    tests = study.tests_of(on_test(table.trials))
    return {
        title: {
            arm: f"{metric.signed(test.mean)} ({interval(metric, test.low, test.high)})"
            for arm, test in tests.items()
        }
    }


def _by_arm(tests: dict[str, MeanDifference], metric: Metric) -> dict[str, str]:
    return {arm: metric.signed(test.mean) for arm, test in tests.items()}


def _detectable(metric: Metric, least: float) -> str:
    """Without its unit; no difference of fractions is more than 100 points."""
    return "more than 100" if least > metric.largest else metric.unsigned(least)


def _seeds(high: float) -> str:
    """What to plan for, at most."""
    return f"more than {MOST_SEEDS:,}" if math.isinf(high) else whole(high)


def about_details(study: Analysis) -> str:
    """How to read the table."""
    table, comparison = study.table, study.table.comparison
    many = "pairs" if comparison.is_paired else "runs"
    said = ["Differences in points."] if study.metric.in_percent else []
    if comparison.method == "folds":
        said.append(
            "Corrected standard error: that of Nadeau and Bengio (2003), "
            f"s·√(1/n + 1/{comparison.folds - 1})."
        )
    else:
        said.append("Effect size: Hedges' g.")
    said.append(
        f"Minimum detectable: the true effect that so many {many} find with a power of 80 %, at "
        "the significance that so many comparisons leave."
    )
    if table.margin:
        more = more_runs(comparison)
        said.append(
            f"{more.capitalize()} to plan for: how many settle even a difference near the margin, "
            "from the upper 80 % bound of the spread, never from the effect."
        )
    if comparison.method == "paired":
        said.append("Sign flips cannot go below 2^(1−n).")
    if not table.free_figures and table.knows_trainings:
        said.append("The test set decides nothing, nor do the last epochs.")
    return " ".join(said)
