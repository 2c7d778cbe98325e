"""Accuracy against cost: the trials that nothing beats in both."""

from __future__ import annotations

import numpy as np
import pandas as pd

COSTS = ["macs", "seconds"]


def on_front(costs: pd.Series[float], accuracies: pd.Series[float]) -> pd.Series[bool]:
    """Whether each trial is on the Pareto front: lowest cost, highest accuracy.

    A trial is on it unless another is as good in both and better in one; of equals in both, all
    are or none is.

    Args:
        costs: of each trial.
        accuracies: of each trial, with the same index.
    """
    by_cost = accuracies.groupby(costs).max().cummax()
    best_cheaper = costs.map(by_cost.shift(fill_value=-np.inf))
    best_alike = accuracies.groupby(costs).transform("max")
    return (accuracies == best_alike) & (accuracies > best_cheaper)


def pareto(rows: pd.DataFrame) -> pd.DataFrame:
    """The fronts of accuracy against multiply-accumulates an image, and against seconds.

    Args:
        rows: of ``ablation.report.search.trials.finished``.

    Returns:
        ``cost`` (``macs`` or ``seconds``), then ``number``, ``arm``, ``val_accuracy``,
        ``parameters``, ``macs``, ``seconds``, the cheapest first. Trials without a finite cost are
        left out.
    """
    columns = ["number", "arm", "val_accuracy", "parameters", "macs", "seconds"]
    found = []
    for cost in COSTS:
        known = rows[np.isfinite(rows[cost].to_numpy(float))]
        front = known[on_front(known[cost].astype(float), known["val_accuracy"].astype(float))]
        front = front.sort_values([cost, "number"], kind="stable")
        found.append(front[columns].assign(cost=cost)[["cost", *columns]])
    return pd.DataFrame(pd.concat(found, ignore_index=True))
