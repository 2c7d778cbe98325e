"""The metric against cost: the trials that nothing beats in both."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablation.objective.metric import Direction, sign_of

COSTS = ["macs", "seconds"]


def on_front(costs: pd.Series[float], values: pd.Series[float]) -> pd.Series[bool]:
    """Whether each trial is on the Pareto front: lowest cost, highest value.

    A trial is on it unless another is as good in both and better in one; of equals in both, all
    are or none is.

    Args:
        costs: of each trial.
        values: of each trial, where more is better, with the same index.
    """
    by_cost = values.groupby(costs).max().cummax()
    best_cheaper = costs.map(by_cost.shift(fill_value=-np.inf))
    best_alike = values.groupby(costs).transform("max")
    return (values == best_alike) & (values > best_cheaper)


def pareto(rows: pd.DataFrame, direction: Direction = "maximize") -> pd.DataFrame:
    """The fronts of the metric against multiply-accumulates an image, and against seconds.

    Args:
        rows: of ``ablation.report.search.trials.finished``.
        direction: of the metric.

    Returns:
        ``cost`` (``macs`` or ``seconds``), then ``number``, ``arm``, ``value``, ``parameters``,
        ``macs``, ``seconds``, the cheapest first. Trials without a finite cost are
        left out.
    """
    columns = ["number", "arm", "value", "parameters", "macs", "seconds"]
    fronts = []
    for cost in COSTS:
        known = rows[np.isfinite(rows[cost].to_numpy(float))]
        oriented = sign_of(direction) * known["value"].astype(float)
        front = known[on_front(known[cost].astype(float), oriented)]
        front = front.sort_values([cost, "number"], kind="stable")
        fronts.append(front[columns].assign(cost=cost)[["cost", *columns]])
    return pd.DataFrame(pd.concat(fronts, ignore_index=True))
