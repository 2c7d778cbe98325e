"""Runs of several blocks, such as data sets, averaged seed by seed."""

from __future__ import annotations

import pandas as pd


def block_means(blocks: pd.DataFrame) -> pd.DataFrame:
    """The mean over the blocks of each arm and seed, all blocks of equal weight.

    Args:
        blocks: one row a run, as in ``StudyTable.blocks``. Those without a value don't count.

    Returns:
        One row an arm and seed that has a value in every block, in the order of the runs, with the
        columns of ``StudyTable.trials``. An arm and seed that lacks one in any block has none: the
        mean over the others would be of other data. ``test_value`` is a mean likewise, NaN where
        it is not known in every block.
    """
    keys, figures = ["arm", "seed"], ["value", "test_value"]
    finished = blocks[(blocks["state"] == "COMPLETE").to_numpy(bool) & blocks["value"].notna()]
    runs = finished.drop_duplicates([*keys, "block"])
    by_run = runs.groupby(keys, sort=False)
    counts = by_run[figures].transform("count")
    means = by_run[figures].transform("mean").where(counts == blocks["block"].nunique())
    averaged = runs.assign(**{name: means[name].astype(float) for name in figures})
    whole = averaged[averaged["value"].notna()].drop_duplicates(keys).drop(columns="block")
    return whole.assign(number=range(len(whole))).reset_index(drop=True)
