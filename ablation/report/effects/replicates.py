"""Which trials count, and how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablation.objective.metric import Direction
from ablation.statistics.rounding import rounding_of
from ablation.storage.outcomes import LAST as LAST_VALUE

DIVERGED = "DIVERGED"


def ends(trials: pd.DataFrame) -> pd.Series[Any]:
    """The state of each trial, ``DIVERGED`` in place of it where its training diverged.

    The storage has no such state: a search's draw is COMPLETE with a value for its sampler, a
    design's replicate is FAIL.

    Args:
        trials: the columns of ``trials.csv``; without a column ``diverged`` none did.
    """
    if "diverged" not in trials:
        return trials["state"]
    return trials["state"].where(trials["diverged"].isna(), DIVERGED)


LAST = 5  # epochs, whose mean shows whether an effect hangs on the last one alone


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that count: finished, with a finite value, one an arm and seed.

    A search may draw a setting twice, also under another name where they come to the same network;
    the same setting with the same seed is no new evidence. A draw that diverged has a value for the
    sampler alone.
    """
    for column in ("duplicate_of", "diverged"):
        if column in trials:
            trials = trials[trials[column].isna()]
    finite = np.isfinite(pd.to_numeric(trials["value"]).to_numpy(float))
    done: pd.DataFrame = trials[(trials["state"] == "COMPLETE").to_numpy(bool) & finite]
    return done.drop_duplicates(["arm", "seed"])


def paired(trials: pd.DataFrame, arm: str, against: str) -> pd.Series[float]:
    """Values of ``arm`` minus those of ``against``, by the seeds that both finished."""
    done = replicates(trials)
    left = done[done["arm"] == arm].set_index("seed")["value"]
    right = done[done["arm"] == against].set_index("seed")["value"]
    return (left - right).dropna().sort_index().astype(float)


def values_by_arm(trials: pd.DataFrame) -> dict[str, Sequence[float]]:
    """The values of each arm's runs that count."""
    by_arm = replicates(trials).groupby("arm", sort=False)["value"]
    return {str(arm): list(map(float, own)) for arm, own in by_arm}


def rounding_between(trials: pd.DataFrame) -> Callable[..., float]:
    """How far apart differences between given arms' trainings may be through rounding alone."""
    values = values_by_arm(trials)
    return lambda *arms: rounding_of([x for arm in arms for x in values.get(arm, ())])


def pair_differences(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Every pair's difference: columns ``arm``, ``seed``, ``difference``.

    Args:
        trials: one row a trial (``arm``, ``seed``, ``state``, ``value``).
        arms: one row an arm (``arm``, ``against``, empty for the baseline).

    Returns:
        Rows in the order of the arms, then of the seeds. An arm without a pair has none.
    """
    done = replicates(trials)[["arm", "seed", "value"]]
    other = done.rename(columns={"arm": "against", "value": "value_against"})
    pairs = arms[["arm", "against"]].merge(done, on="arm").merge(other, on=["against", "seed"])
    pairs["difference"] = (pairs["value"] - pairs["value_against"]).astype(float)
    order = pairs["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    pairs = pairs.assign(order=order).sort_values(["order", "seed"], kind="stable")
    return pairs[["arm", "seed", "difference"]].reset_index(drop=True)


def replicate_keys(trials: pd.DataFrame, *states: str) -> set[tuple[str, int]]:
    """What is a replicate of which arm with which seed, among the trials in these states."""
    rows = trials[trials["state"].isin(states)]
    return set(zip(rows["arm"], rows["seed"], strict=True))


def trials_behind_verdicts(trials: pd.DataFrame, arms: pd.DataFrame) -> int:
    """The number of finished trials that verdicts rest on; 0 where nothing can be tested yet."""
    counts = pair_differences(trials, arms)["arm"].value_counts()
    return len(replicates(trials)) if (counts > 1).any() else 0


def trained(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.Series[bool]:
    """Which trials have an epoch at least; each stage numbers its own.

    Args:
        trials: the columns ``stage`` and ``number``, of one stage or several.
        epochs: the same, of the same stages.
    """
    known = set(zip(epochs["stage"], epochs["number"], strict=True))
    keys = zip(trials["stage"], trials["number"], strict=True)
    return pd.Series([key in known for key in keys], index=trials.index, dtype=bool)


def last_epochs(trials: pd.DataFrame, epochs: pd.DataFrame, count: int = LAST) -> pd.DataFrame:
    """The trials with the mean value of their last ``count`` epochs in place of the last one's.

    A line of sensitivity: whether an effect hangs on the last epoch alone.
    """
    keys = ["stage", "number"]
    latest = epochs.sort_values("epoch").groupby(keys).tail(count)
    means = latest.groupby(keys)["value"].mean()
    own = pd.MultiIndex.from_frame(trials[keys])
    return trials.assign(value=means.reindex(own).to_numpy(float))


def last_alone(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with the value of their last report alone, where a mean over several decides.

    A line of sensitivity: whether an effect hangs on the mean.
    """
    return trials.assign(value=trials[LAST_VALUE])


def on_test(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with their scores on test data for values: shown, never decided on."""
    return trials.assign(value=trials["test_value"])


def best_first(done: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Finished trials, the best value first; of equals as they stand."""
    return done.sort_values("value", ascending=direction == "minimize", kind="stable")


def best_so_far(trials: pd.DataFrame, direction: Direction = "maximize") -> pd.DataFrame:
    """Finished trials by number: ``number``, ``value`` and the running ``best``."""
    done = replicates(trials).sort_values("number")[["number", "value"]]
    values = done["value"]
    best = values.cummax() if direction == "maximize" else values.cummin()
    return done.assign(best=best).reset_index(drop=True)


def mean_curves(epochs: pd.DataFrame) -> pd.DataFrame:
    """Mean values over the seeds: ``arm``, ``epoch``, ``value``.

    Args:
        epochs: as in ``StudyTable.epochs``.
    """
    return epochs.groupby(["arm", "epoch"], sort=False)[["value"]].mean().reset_index()
