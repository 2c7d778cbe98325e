"""How arms are compared, in words: what stands beside verdicts, and what runs are counted in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablation.errors import counted
from ablation.report.data.study_table import StudyTable
from ablation.statistics.comparison import Comparison
from ablation.statistics.inference import MeanDifference

MARKS = {
    "paired": "",
    "folds": "corrected for folds",
    "welch": "unpaired",
    "summaries": "unpaired",
}
"""By method, what stands beside each verdict: nothing where it is the paired test."""

LABELS = frozenset(["name", "names", "id", "ids", "label", "key", "index", "idx", "file", "row"])
"""Columns that say which, not what: 26 of a column ``name`` are 26 pairs, not 26 names."""
SINGULARS = {"seeds": "seed", "folds": "fold", "tasks": "task", "datasets": "dataset"}


def mark(comparison: Comparison) -> str:
    """What stands beside each verdict; empty for the paired test."""
    return MARKS[comparison.method]


def pair(comparison: Comparison) -> str:
    """What a pair is called: by what pairs it, where that is a word; of unpaired runs ``run``."""
    name = comparison.of.lower()
    name = SINGULARS.get(name, name)
    is_noun = comparison.is_paired and name.isalpha() and name not in LABELS
    return name if is_noun else _other(comparison)


def _other(comparison: Comparison) -> str:
    return "pair" if comparison.is_paired else "run"


def behind(test: MeanDifference, comparison: Comparison) -> str:
    """What a difference rests on: ``6 seeds``, ``3 against 4 runs, unpaired``."""
    return _behind(test.n, test.n_against, comparison)


def row_behind(row: Mapping[str, Any], table: StudyTable) -> str:
    """The same of a row of effects."""
    if table.comparison.is_paired:
        return _behind(row["pairs"], 0, table.comparison)
    return _behind(row["n"], row["n_against"], table.comparison)


def _behind(n: int, n_against: int, comparison: Comparison) -> str:
    if comparison.method == "folds":
        runs = f"n = {n}"
    elif comparison.is_paired:
        runs = counted(n, pair(comparison))
    else:
        runs = f"{n:,} against {counted(n_against, 'run')}"
    return ", ".join(filter(None, [runs, mark(comparison)]))


def more_runs(comparison: Comparison) -> str:
    """What more of would help, as a plural: ``seeds``, ``runs an arm``."""
    return f"{pair(comparison)}s" if comparison.is_paired else "runs an arm"


def spread_between(comparison: Comparison) -> str:
    """Between what the spread is."""
    return "pairs" if comparison.is_paired else "runs"


def interval_text(table: StudyTable, percent: int = 95) -> str:
    """What an interval of an effect is called: with declared looks it is a repeated one."""
    return f"{'' if table.settling is None else 'repeated '}{percent} % interval"


def margin_text(table: StudyTable) -> str:
    """``margin ±0.50 points``; ``no margin`` where there is none."""
    if not table.margin:
        return "no margin"
    return f"margin ±{table.metric.margin(table.margin)}"


def test_text(comparison: Comparison) -> str:
    """The test that verdicts rest on."""
    texts = {
        "paired": f"the paired t-test, pairs by {comparison.of}",
        "folds": (
            f"the paired t-test by {comparison.of}, corrected for a cross-validation of "
            f"{comparison.folds} folds (Nadeau and Bengio 2003)"
        ),
        "welch": "Welch's test, unpaired",
        "summaries": "Welch's test from means, standard deviations and numbers of runs, unpaired",
    }
    return texts[comparison.method]


def compared_with_test(table: StudyTable) -> str:
    """What stands beside figures on test data where validation is no single value of a training.

    A sentence with a blank before it; empty where the last report decides.
    """
    if table.over_last == 1:
        return ""
    metric = table.metric
    return (
        f" Validation is the {table.outcome_text(metric.text)}; test is the {metric.test_text} at "
        "the end of the training."
    )
