"""From trials to effects: pure functions of DataFrames, which never change what they are given.

An effect is an arm minus what it is compared with, on validation accuracy after the last epoch,
paired by seed. The test set is averaged beside it and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

COLUMNS = [
    "arm",
    "against",
    "factor",
    "level",
    "n",
    "val_mean",
    "val_sd",
    "test_mean",
    "test_sd",
    "test_loss_mean",
    "reported_test_accuracy",
    "reported_test_loss",
    "delta",
]


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that count: finished, with a finite validation accuracy, one an arm and seed.

    A search may draw a setting twice; the same setting with the same seed is no new evidence.
    """
    finite = np.isfinite(pd.to_numeric(trials["val_accuracy"]).to_numpy(float))
    done: pd.DataFrame = trials[(trials["state"] == "COMPLETE").to_numpy(bool) & finite]
    return done.drop_duplicates(["arm", "seed"])


def paired(trials: pd.DataFrame, arm: str, against: str) -> pd.Series[float]:
    """Validation accuracy of ``arm`` minus that of ``against``, by the seeds that both finished."""
    done = replicates(trials)
    left = done[done["arm"] == arm].set_index("seed")["val_accuracy"]
    right = done[done["arm"] == against].set_index("seed")["val_accuracy"]
    return (left - right).dropna().sort_index().astype(float)


def pair_differences(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Every pair's difference: columns ``arm``, ``seed``, ``difference``.

    Args:
        trials: one row a trial (``arm``, ``seed``, ``state``, ``val_accuracy``).
        arms: one row an arm (``arm``, ``against``, empty for the baseline).

    Returns:
        Rows in the order of the arms, then of the seeds; fractions. An arm without a pair has none.
    """
    done = replicates(trials)[["arm", "seed", "val_accuracy"]]
    other = done.rename(columns={"arm": "against", "val_accuracy": "val_accuracy_against"})
    pairs = arms[["arm", "against"]].merge(done, on="arm").merge(other, on=["against", "seed"])
    pairs["difference"] = (pairs["val_accuracy"] - pairs["val_accuracy_against"]).astype(float)
    order = pairs["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    pairs = pairs.assign(order=order).sort_values(["order", "seed"], kind="stable")
    return pairs[["arm", "seed", "difference"]].reset_index(drop=True)


def effects(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """One row an arm, in the order of ``arms``: means, spreads and the paired difference.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm, as in ``StudyTable.arms``.

    Returns:
        The columns ``COLUMNS``. ``n`` is the number of finished replicates; standard deviations
        have ddof 1 and are empty below two; ``delta`` is the mean over the pairs, empty where
        there is none. Accuracies and ``delta`` are fractions.
    """
    by_arm = replicates(trials).groupby("arm", sort=False)
    means = by_arm[["val_accuracy", "test_accuracy", "test_loss"]].mean()
    spreads = by_arm[["val_accuracy", "test_accuracy"]].std(ddof=1)
    deltas = pair_differences(trials, arms).groupby("arm")["difference"].mean()
    names = arms["arm"]
    out = arms.reset_index(drop=True).assign(
        n=names.map(by_arm.size()).fillna(0).astype(int).to_numpy(),
        val_mean=names.map(means["val_accuracy"]).to_numpy(float),
        val_sd=names.map(spreads["val_accuracy"]).to_numpy(float),
        test_mean=names.map(means["test_accuracy"]).to_numpy(float),
        test_sd=names.map(spreads["test_accuracy"]).to_numpy(float),
        test_loss_mean=names.map(means["test_loss"]).to_numpy(float),
        delta=names.map(deltas).to_numpy(float),
    )
    return out[COLUMNS]


def pair_ranges(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """By arm (the index): ``pairs``, ``lowest`` and ``highest``, and how many are ``above`` 0."""
    pairs = pair_differences(trials, arms)
    by_arm = pairs.assign(above=pairs["difference"] > 0).groupby("arm", sort=False)
    ranges = pd.DataFrame(
        {"lowest": by_arm["difference"].min(), "highest": by_arm["difference"].max()}
    )
    ranges = ranges.reindex(arms["arm"])
    for column, number in (("pairs", by_arm.size()), ("above", by_arm["above"].sum())):
        ranges[column] = number.reindex(ranges.index).fillna(0).astype(int)
    return ranges


def crossed(arms: pd.DataFrame) -> pd.DataFrame:
    """The arms of a factorial's grid: the baseline and those named by their levels."""
    return arms[arms["arm"].str.contains("=", regex=False) | is_first(arms)]


def is_first(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True for the first row, which is the baseline's, and for no other."""
    return np.array([place == 0 for place in range(len(rows))], dtype=bool)


def average_effects(
    trials: pd.DataFrame, arms: pd.DataFrame, factors: Sequence[str]
) -> pd.DataFrame:
    """A factorial's effect of each level against the baseline's, averaged over the other factors.

    A seed counts where every cell of the comparison finished in it, else its average would be one
    over other settings than its neighbours'.

    Returns:
        ``factor``, ``level``, ``reference`` (the baseline's level), ``n`` (seeds), and over these
        seeds ``delta`` (the mean), ``lowest``, ``highest``.
    """
    grid = crossed(arms)
    cells = grid[["arm", *factors]].merge(replicates(trials)[["arm", "seed", "val_accuracy"]])
    rows = []
    for factor in factors:
        others = [name for name in factors if name != factor]
        reference = str(arms[factor].iloc[0])
        for level in grid[factor].unique():
            if level not in ("", reference):
                by_seed = _average_by_seed(cells, grid, factor, (level, reference), others)
                rows.append((factor, level, reference, len(by_seed), *_summary(by_seed)))
    columns = ["factor", "level", "reference", "n", "delta", "lowest", "highest"]
    return pd.DataFrame(rows, columns=columns)


def _average_by_seed(
    cells: pd.DataFrame, grid: pd.DataFrame, factor: str, levels: tuple[str, str], others: list[str]
) -> pd.Series[float]:
    """By seed, the mean difference between two levels over the cells of the other factors."""

    def sides(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
        left, right = (frame[frame[factor] == level] for level in levels)
        return left.merge(right, on=keys, how="inner", suffixes=("", "_reference"))

    wanted = len(sides(grid, others)) if others else 1
    pairs = sides(cells, ["seed", *others])
    pairs["difference"] = pairs["val_accuracy"] - pairs["val_accuracy_reference"]
    by_seed = pairs.groupby("seed")["difference"].agg(["size", "mean"])
    return by_seed.loc[by_seed["size"] == wanted, "mean"]


def _summary(values: pd.Series[float]) -> tuple[float, float, float]:
    return float(values.mean()), float(values.min()), float(values.max())


def costs(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """One row an arm: ``arm``, ``parameters``, ``macs``, mean ``seconds`` and ``val_mean``."""
    by_arm = replicates(trials).groupby("arm")[["seconds", "val_accuracy"]].mean()
    by_arm = by_arm.rename(columns={"val_accuracy": "val_mean"})
    return arms[["arm", "parameters", "macs"]].merge(by_arm, on="arm", how="left")


def confounds(arms: pd.DataFrame, tolerance: float = 0.1) -> pd.DataFrame:
    """Where an arm also has another sequence length or size than what it is compared with.

    Args:
        arms: as in ``StudyTable.arms``.
        tolerance: the relative difference beyond which it is said.

    Returns:
        ``arm``, ``against``, ``what`` (``sequence_length`` or ``parameters``), ``value``,
        ``reference``, ``change`` (a fraction of the reference).
    """
    long = arms.melt(["arm", "against"], ["sequence_length", "parameters"], "what", "value")
    reference = long[["arm", "what", "value"]].set_axis(["against", "what", "reference"], axis=1)
    rows = long.merge(reference, on=["against", "what"])
    rows["change"] = rows["value"] / rows["reference"].where(rows["reference"] > 0) - 1
    rows = rows[rows["change"].abs() > tolerance]
    order = rows["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    return rows.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def best_so_far(trials: pd.DataFrame) -> pd.DataFrame:
    """Finished trials by number: ``number``, ``val_accuracy`` and the running ``best``."""
    done = replicates(trials).sort_values("number")[["number", "val_accuracy"]]
    return done.assign(best=done["val_accuracy"].cummax()).reset_index(drop=True)


def confusion_shares(confusion: pd.DataFrame) -> pd.DataFrame:
    """Confusion counts with ``share``: of the images of a true class, which part went where."""
    totals = confusion.groupby(["arm", "true"], sort=False)["count"].transform("sum")
    return confusion.assign(share=confusion["count"] / totals.where(totals > 0))
