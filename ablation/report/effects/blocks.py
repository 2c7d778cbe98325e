"""Effects block by block, such as data set by data set: one family of all arms and blocks."""

from __future__ import annotations

import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.effects.effects import columns, described, judged, mean_differences
from ablation.statistics.comparison import Comparison

Key = tuple[str, str]  # a block and an arm


def block_names(blocks: pd.DataFrame) -> list[str]:
    """The blocks, in the order of their runs."""
    return list(map(str, blocks["block"].unique())) if len(blocks) else []


def block_effects(
    blocks: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    direction: Direction,
    comparison: Comparison,
) -> pd.DataFrame:
    """One row a block and arm: ``block``, then the columns of effects.

    All comparisons of all blocks are one family of Holm's.

    Args:
        blocks: one row a run, as in ``StudyTable.blocks``.
        arms: one row an arm, as in ``StudyTable.arms``, the baseline first.
        margin: the smallest difference that matters; 0 where there is none.
        direction: of the metric.
        comparison: how arms are compared.
    """
    names, wanted = block_names(blocks), ["block", *columns(comparison)]
    if not names:
        return pd.DataFrame(columns=wanted)
    own = {name: blocks[blocks["block"] == name] for name in names}
    tests = {
        (name, arm): test
        for name, runs in own.items()
        for arm, test in mean_differences(
            runs, arms, direction=direction, comparison=comparison
        ).items()
    }
    rows = judged(tests, margin, direction)
    rows[["block", "arm"]] = pd.DataFrame(rows["arm"].tolist(), index=rows.index)
    parts = [described(runs, arms, comparison).assign(block=name) for name, runs in own.items()]
    merged = pd.concat(parts, ignore_index=True).merge(rows, on=["block", "arm"], how="left")
    merged = merged.astype({"pairs": "Int64", "n_against": "Int64"})
    return merged.fillna({"verdict": "", "reason": "", "test": ""})[wanted]


def constant_arms(runs: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Arms whose runs of a block all have the same figure: block, arm and number of runs.

    Args:
        runs: one row a run, as in ``StudyTable.trials`` or, with blocks, ``StudyTable.blocks``.
    """
    keys = ["block", "arm"] if "block" in runs else ["arm"]
    done = runs[(runs["state"] == "COMPLETE").to_numpy(bool) & runs["value"].notna()]
    by_arm = done.groupby(keys, sort=False)["value"].agg(["size", "nunique"])
    alike = by_arm[(by_arm["size"] > 1) & (by_arm["nunique"] == 1)]
    return [
        (*(("",) if len(keys) == 1 else ()), *(key if isinstance(key, tuple) else (key,)), int(n))
        for key, n in alike["size"].items()
    ]
