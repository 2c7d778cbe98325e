"""Which settings cannot be trained, or do not report what a study is about, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ablation.objective import Setting
from ablation.space.schema import Space


def infeasible_reason(space: Space, setting: Setting) -> str:
    """Why a setting cannot be trained, or goes beyond the space's limits; empty where it can."""
    for trained in (setting, space.trained(setting)):
        if why := space.objective.infeasible(trained):
            return why
    return _beyond(space, setting)


def _beyond(space: Space, setting: Setting) -> str:
    size = space.objective.size(setting)
    for key in constraint_violations(space, setting):
        limit, value = getattr(space.limits, key), getattr(size, key)
        if value > limit:
            return f"{key}: {value:,} is beyond the limit of {limit:,}"
    return ""


def constraint_violations(space: Space, setting: Setting) -> dict[str, float]:
    """By limit of the space: how far beyond a setting goes, as a part of it; else 0 or below.

    A limit on what the objective does not know of its networks is none.

    Raises:
        ValueError: the network cannot exist.
    """
    size = space.objective.size(setting)
    limits = {key: limit for key, limit in space.limits if limit is not None}
    known = {key: value for key in limits if (value := getattr(size, key)) is not None}
    return {key: value / limits[key] - 1 for key, value in known.items()}


def unreported(space: Space, arms: Mapping[str, Setting]) -> Iterator[str]:
    """Figures that the space decides by or shows, and that some of its trainings lack, a line each.

    Args:
        space: the space.
        arms: its arms' settings, by name.
    """
    figures = {space.objective.metric.name: "outcome.of"}
    figures |= dict.fromkeys(space.outcome.also, "outcome.also")
    settings = {f"arm {name}": setting for name, setting in arms.items()}
    if space.search:
        settings = {name: space.trained(setting) for name, setting in settings.items()} | settings
        for factor in space.factors:
            for value in factor.levels or (factor.low, factor.high):
                drawn = space.baseline.replace(**{factor.name: value})
                settings[f"factors.{factor.name} = {value}"] = drawn
    for figure, key in figures.items():
        for where, setting in settings.items():
            if why := space.objective.unreported(figure, setting):
                yield f"{key}: {where} has no {figure}: {why}"
                break
