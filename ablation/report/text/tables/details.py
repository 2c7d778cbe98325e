"""The table of what stands behind each verdict, and how to read it."""

from __future__ import annotations

import math
from typing import Any

from ablation.objective.metric import MISSING, Metric
from ablation.objective.outcome import each
from ablation.report.analysis import Analysis
from ablation.report.effects.last_epoch import is_by_last_epoch
from ablation.report.effects.replicates import LAST, last_alone, last_epochs, on_test
from ablation.report.rendering.formatting import chance, records, whole
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import interval_text, more_runs
from ablation.report.text.tables.arms import interval
from ablation.statistics.inference import MeanDifference, sign_flip
from ablation.statistics.power import MOST_SEEDS
from ablation.storage.outcomes import LAST as LAST_VALUE


def details_table(study: Analysis) -> TextTable | None:
    """What stands behind each verdict that is shown; None where nothing was tested."""
    rows = study.leading()
    untested = [arm for arm, test in study.tests.items() if test.why_not]
    rows = rows[(rows["verdict"] != "") & ~rows["arm"].isin(untested)]
    if rows.empty:
        return None
    cells = [
        {
            "arm": row["arm"],
            "against": str(row["against"]),
            **_spread(study, row),
            **_power(study, row),
        }
        for row in records(rows)
    ]
    for column in (_late(study), _on_test(study)):
        for row in cells:
            row |= {title: texts[row["arm"]] for title, texts in column.items()}
    tested = len(study.tests) - len(untested)
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
        "pairs": str(test.n),
        "lowest to highest": interval(metric, pairs.min(), pairs.max()),
        "sd of pairs": metric.unsigned(test.sd),
    }
    if study.table.comparison.method == "folds":
        cells["corrected standard error"] = metric.unsigned(test.standard_error)
    return cells


def _power(study: Analysis, row: dict[str, Any]) -> dict[str, str]:
    """The test, and what it finds."""
    metric, comparison, test = study.metric, study.table.comparison, study.tests[row["arm"]]
    size, cells = row["effect_size"], {}
    if comparison.method != "folds":
        shown = f"{size:+.2f}".replace("-", "−") if math.isfinite(size) else MISSING
        cells["effect size g"] = shown
    inner = interval(metric, test.inner_low, test.inner_high)
    cells |= {interval_text(study.table, 90): inner, "p": chance(row["p_value"])}
    if study.settling:
        cells |= {"p, all looks": chance(row["p_looks"]), "e, all looks": chance(row["e_looks"])}
    elif comparison.method == "paired":
        pairs = study.pairs.loc[study.pairs["arm"] == row["arm"], "difference"]
        cells["p of sign flips"] = MISSING if row["reason"] else chance(sign_flip(pairs))
    cells["minimum detectable"] = _detectable(metric, row["minimum_detectable"])
    if study.table.margin:
        cells[f"{more_runs(comparison)} to plan for"] = _seeds(row["seeds_to_settle_high"])
    return cells


def _late(study: Analysis) -> dict[str, dict[str, str]]:
    """The effects by the mean of the last epochs, where the last one decides; or the reverse."""
    table = study.table
    if LAST_VALUE in table.trials:
        last = study.tests_of(last_alone(table.trials))
        return {f"effect, last {each(table.words.epoch)} alone": _by_arm(last, study.metric)}
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
    title = f"effect on these test {table.words.examples} ({interval_text(table)})"
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
        f"the significance that so many comparisons{' and looks' if study.settling else ''} leave."
    )
    if table.margin:
        more = more_runs(comparison)
        said.append(
            f"{more.capitalize()} to plan for: how many settle even a difference near the margin, "
            "from the upper 80 % bound of the spread, never from the effect."
        )
    if study.settling:
        said.append(
            "p is of an arm's last look by itself. p, all looks: the smallest of its looks, times "
            "the number of looks; e likewise, of a difference of the margin or more. Verdicts rest "
            "on these."
        )
    elif comparison.method == "paired":
        said.append("Sign flips cannot go below 2^(1−n).")
    if not table.free_figures and table.knows_trainings:
        also = "does the last epoch alone" if LAST_VALUE in table.trials else "do the last epochs"
        said.append(f"The test set decides nothing, nor {also}.")
    return " ".join(said)
