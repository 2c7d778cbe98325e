"""Which classes are taken for which, by arm, and how two arms differ in that."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ablation.statistics.inference import paired_test
from ablation.statistics.rounding import rounding_of


def class_differences(confusion: pd.DataFrame, arm: str, against: str) -> pd.DataFrame:
    """Class by class: the accuracy of two arms and their difference, paired by seed.

    Args:
        confusion: as in ``StudyTable.confusion``.
        arm: the one.
        against: the other.

    Returns:
        A row a class: ``true``, ``n`` pairs, and over these the means ``against`` and ``arm``,
        their difference ``delta``, ``ci_low`` and ``ci_high`` (95 %, for that class alone).
    """
    shares = confusion_shares(confusion, ["arm", "seed"])
    right = shares[shares["true"] == shares["predicted"]]
    once = right.drop_duplicates(["arm", "seed", "true"])
    grid = once.pivot(index="seed", columns=["true", "arm"], values="share")
    rows = []
    for true in once["true"].unique():
        pairs = grid[[(true, against), (true, arm)]].dropna().astype(float)
        theirs, ours = pairs[true, against], pairs[true, arm]
        test = paired_test(ours - theirs, rounding=rounding_of([*ours, *theirs]))
        means = {"true": true, "against": theirs.mean(), "arm": ours.mean()}
        ends = {"n": test.n, "delta": test.mean, "ci_low": test.low, "ci_high": test.high}
        rows.append(means | ends)
    return pd.DataFrame(rows)


def confusion_by_arm(confusion: pd.DataFrame) -> pd.DataFrame:
    """Confusion counts over an arm's seeds: the columns of ``confusion.csv``.

    Args:
        confusion: as in ``StudyTable.confusion``.

    Returns:
        ``arm``, ``true``, ``predicted``, ``count``; arms in the order of the design.
    """
    keys = ["arm", "true", "predicted"]
    return confusion.groupby(keys, sort=False, as_index=False)[["count"]].sum()


def common_seeds(rows: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """The rows of these arms whose seed all of them have."""
    chosen = rows[rows["arm"].isin(arms)]
    arm_counts = chosen.groupby("seed")["arm"].nunique()
    return chosen[chosen["seed"].isin(arm_counts.index[arm_counts == len(arms)])]


def confusion_shares(confusion: pd.DataFrame, of: Sequence[str] = ("arm",)) -> pd.DataFrame:
    """Confusion counts with ``share``: of the images of a true class, which part went where.

    Args:
        confusion: counts, with the columns ``true``, ``count`` and those of ``of``.
        of: what has a matrix of its own.
    """
    totals = confusion.groupby([*of, "true"], sort=False)["count"].transform("sum")
    return confusion.assign(share=confusion["count"] / totals.where(totals > 0))
