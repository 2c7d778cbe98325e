"""Settings as Optuna parameters, and back.

A designed replicate's parameters have distributions of everything that the code knows, never a
space's own levels: Optuna refuses a study's later trial whose categories differ from an earlier's.
Tuples are one integer a block (``filter_1`` to ``filter_3``). A search has its space's own
distributions, a list of tuples as text (``3,3,2``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial
from pydantic.fields import FieldInfo

from ablation.errors import one_line
from ablation.objective import Objective, Setting
from ablation.settings import Value, bounds, kind_of, text_of
from ablation.space.schema import Factor

LARGEST_INT = 2**53
LARGEST_FLOAT = 1e308  # Optuna takes no infinite ends


def designed(
    objective: Objective, setting: Setting, names: Iterable[str]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The parameters `names` of a designed replicate, and their distributions."""
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    values = setting.values()
    for name in names:
        value, kind = values[name], objective.fields[name].annotation
        if objective.beside_space and not isinstance(value, bool | int | float):
            continue  # Optuna refuses a category that comes later, as one of another's code may
        if isinstance(value, tuple):
            low, high = bounds(get_args(get_args(kind)[0])[1].metadata)
            for block, item in enumerate(value, start=1):
                key = f"{objective.parts.get(name, name)}_{block}"
                params[key], distributions[key] = item, IntDistribution(int(low), int(high))
        else:
            params[name], distributions[name] = value, _widest(objective.fields[name])
    return params, distributions


def _widest(field: FieldInfo) -> BaseDistribution:
    kind = kind_of(field)
    if kind is bool:
        return CategoricalDistribution([False, True])
    if get_origin(kind) is Literal:
        return CategoricalDistribution(get_args(kind))
    low, high = bounds(field.metadata)
    if kind is int:
        return IntDistribution(int(max(low, -LARGEST_INT)), int(min(high, LARGEST_INT)))
    return FloatDistribution(max(low, -LARGEST_FLOAT), min(high, LARGEST_FLOAT))


def searched(objective: Objective, factor: Factor) -> BaseDistribution:
    """A search factor's distribution."""
    if factor.levels:
        return CategoricalDistribution([as_drawn(level) for level in factor.levels])
    low, high, step = factor.low, factor.high, factor.step
    if kind_of(objective.fields[factor.name]) is int:
        return IntDistribution(int(low or 0), int(high or 0), log=factor.log, step=int(step or 1))
    return FloatDistribution(float(low or 0), float(high or 0), log=factor.log, step=step)


def suggest(objective: Objective, trial: Trial, factor: Factor) -> Any:
    """Let the study's sampler draw a factor's value."""
    name, distribution = factor.name, searched(objective, factor)
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    options = {"log": distribution.log, "step": distribution.step}  # type: ignore[attr-defined]
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, **options)
    return trial.suggest_float(name, distribution.low, distribution.high, **options)  # type: ignore[attr-defined]


def fault_of(objective: Objective, factor: Factor, value: Any) -> str:
    """Why a value that somebody asks for cannot be a factor's; empty where it can.

    Args:
        objective: what is searched.
        factor: of a search.
        value: as Optuna would hold it, from another program.
    """
    if factor.levels:
        levels = [as_drawn(level) for level in factor.levels]
        fits = any(_same(level, value) for level in levels)
    else:
        fits = _is_number(value) and factor.has(value)
        fits = fits and (kind_of(objective.fields[factor.name]) is not int or value == int(value))
    if fits:
        return ""
    return f"{factor.name} = {one_line(repr(value))} is none of {' | '.join(factor.texts())}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(level: Any, value: Any) -> bool:
    """Whether they are equal; true is not 1."""
    return bool(level == value) and (_is_number(level) == _is_number(value))


def drawn(factor: Factor, value: Any) -> Value:
    """What Optuna drew for a factor, as the setting holds it."""
    if factor.levels:
        levels: dict[Any, Value] = {as_drawn(level): level for level in factor.levels}
        return levels[value]
    return float(f"{value:.12g}") if isinstance(value, float) else int(value)


def as_drawn(value: Any) -> Any:
    """A setting's value as Optuna holds it in a search (the inverse of `drawn`)."""
    return text_of(value) if isinstance(value, tuple) else value
