"""Optuna's samplers and pruners by name, each draw of a sampler with a seed of its own.

A sampler is built anew for each draw, seeded by a hash of (the search's seed, the trial's number):
the same space and seed then draw the same trials however often the search was stopped between. A
quasi-random sampler has a fixed seed instead; its position in the sequence is in the storage.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from ablation.objective.metric import Metric
from ablation.space.schema import Pruner, Sampler


def make_sampler(sampler: Sampler, seed: int, number: int) -> BaseSampler:
    """The sampler for trial `number` of a search with `seed`."""
    options = sampler.model_dump(exclude={"name"}, exclude_none=True)
    digest = hashlib.sha256(f"{seed}/sampler/{number}".encode()).digest()
    draw = int.from_bytes(digest[:4], "big")
    with warnings.catch_warnings():  # that it may change: Optuna's version is pinned
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _made(sampler.name, seed, draw, options)


def _made(name: str, seed: int, draw: int, options: dict[str, Any]) -> BaseSampler:
    if name == "qmc":
        return QMCSampler(
            seed=seed,
            independent_sampler=RandomSampler(seed=draw),
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
            **{"scramble": True, **options},  # else the seed has no effect
        )
    if name == "gp":
        return GPSampler(seed=draw, warn_independent_sampling=False, **options)
    if name == "random":
        return RandomSampler(seed=draw)
    return TPESampler(seed=draw, **options)


def make_pruner(pruner: Pruner, epochs: int) -> BasePruner:
    """The pruner of a search whose trainings take `epochs`."""
    options = pruner.model_dump(exclude={"name"}, exclude_none=True)
    if pruner.name == "median":
        return MedianPruner(**options)
    if pruner.name == "hyperband":
        return HyperbandPruner(max_resource=epochs, **options)
    return NopPruner()


def value_of_diverged(metric: Metric, finished: Iterable[float]) -> float | None:
    """The value that a sampler is told of a draw that diverged; None where none is known yet.

    Args:
        metric: what decides: where it has a value of guessing, it is that.
        finished: the values of the trials that have finished, the worst of which it is otherwise.
    """
    if metric.chance is not None:
        return metric.chance
    worst = min if metric.direction == "maximize" else max
    return worst(finished, default=None)
