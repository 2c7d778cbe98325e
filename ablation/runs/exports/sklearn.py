"""scikit-learn's ``cv_results_``: one row a setting, its folds in columns."""

from __future__ import annotations

import re

import pandas as pd

from ablation.runs.exports.prefixes import starting_with
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.table import Roles, Table

SPLIT = re.compile(r"split(\d+)_((?:test|train)_.+)")
PREFIX = "param_"


def cv_results(table: Table) -> Table | None:
    """One row a setting and fold: ``param_*``, ``fold`` and ``test_score``, or one a scorer.

    Means, standard deviations, ranks and times are left out. More of a score is better: so is
    every scorer of scikit-learn's made.

    Returns:
        The table; None for one that is no ``cv_results_``.
    """
    splits = [(name, match) for name in table.names if (match := SPLIT.fullmatch(name))]
    if not any(match[2].startswith("test_") for _, match in splits):
        return None
    read = table.read(table.names)
    kept = [name for name in table.names if _is_kept(name)]
    folds = list(dict.fromkeys(match[1] for _, match in splits))
    scores = list(dict.fromkeys(match[2] for _, match in splits))
    frames = []
    for fold in folds:
        columns = {match[2]: read[name] for name, match in splits if match[1] == fold}
        lacking = {score: "" for score in scores if score not in columns}
        frames.append(read[kept].assign(fold=fold, **columns, **lacking))
    frame = pd.concat(frames).astype(str)[[*kept, "fold", *scores]]
    tests = [score for score in scores if score.startswith("test_")]
    roles = Roles(
        exporter="scikit-learn's cv_results_", settings=starting_with(kept, PREFIX),
        figures=tuple(tests), fold="fold", metric=tests[0] if len(tests) == 1 else "",
        prefix=PREFIX, prefixes=(PREFIX,), direction="maximize",
        others=tuple(name for name in kept if not name.startswith(PREFIX)),
    )  # fmt: skip
    return frame_table(frame.sort_index(kind="stable"), table, roles=roles)


def _is_kept(name: str) -> bool:
    """Whether a column says something of a setting, rather than of its scores."""
    aggregates = ("mean_", "std_", "rank_")
    unused = not name or name.split(".")[0] == "params" or SPLIT.fullmatch(name)
    return not unused and not name.startswith(aggregates)
