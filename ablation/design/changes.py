"""What makes a space another study than it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ablation.design.loading import enumerate_arms
from ablation.objective import Setting
from ablation.settings import text_of
from ablation.space.schema import Space


def changes(old: Space, new: Space, *, looked: bool = True, fixed: bool = False) -> list[str]:
    """What makes `new` another study than `old`; empty where it only adds arms or seeds.

    Its looks are compared by `ablation.design.declaration.changed_looks`.

    What a search's confirmation may still change depends on how far it is:
    `ablation.scheduling.extension.check_extension`.

    Args:
        old: the space as the study has it.
        new: as it is wanted.
        looked: whether verdicts have been seen. Before that a design may still change what comes
            of a training, as far as the trainings that it has tell; the trials of a search were
            drawn by it.
        fixed: whether a declared look has been taken: then no arm is added, either.
    """
    texts = [
        f"{key}: was {getattr(old, key)}, is {getattr(new, key)}"
        for key in ("design", "margin", "limits")
        if getattr(old, key) != getattr(new, key)
    ]
    texts += _outcome_changes(old, new, is_open=not looked and old.design != "search")
    if gone := sorted(set(old.seeds) - set(new.seeds)):
        texts.append(f"seeds: {text_of(gone)} gone")
    if old.design == "search":
        texts += _search_changes(old, new)
    now = {arm.name: arm for arm in enumerate_arms(new)[0]}
    for arm in enumerate_arms(old)[0]:
        if arm.name not in now:
            texts.append(f"arm {arm.name}: gone")
        elif arm.setting.digest != now[arm.name].setting.digest:
            texts.append(f"arm {arm.name}: {_difference(arm.setting, now[arm.name].setting)}")
        elif arm.against != now[arm.name].against:
            texts.append(f"arm {arm.name}: was compared with {arm.against}")
    if fixed:
        known = {arm.name for arm in enumerate_arms(old)[0]}
        texts += [f"arm {name}: added after the first look" for name in now if name not in known]
    return texts


def _outcome_changes(old: Space, new: Space, *, is_open: bool) -> Iterator[str]:
    """What of a training's outcome can no longer change, or not at all."""
    metrics = [space.objective.metric for space in (old, new)]
    was, now = (f"{metric.name} ({metric.direction})" for metric in metrics)
    if was != now and not (is_open and _is_known(old, metrics[1].name)):
        yield f"the figure that decides: was {was}, is {now}"
    counts = [space.outcome.over_last for space in (old, new)]
    if counts[0] != counts[1] and not is_open:
        yield f"outcome.over_last: was {counts[0]}, is {counts[1]}"


def _is_known(space: Space, figure: str) -> bool:
    """Whether all trainings of a space have reported a figure that can decide."""
    if figure not in space.objective.metrics:
        return False
    arms = enumerate_arms(space)[0]
    return not any(space.objective.unreported(figure, arm.setting) for arm in arms)


def _search_changes(old: Space, new: Space) -> list[str]:
    parts = dict[str, tuple[Any, Any]]()
    for name in dict.fromkeys(factor.name for factor in (*old.factors, *new.factors)):
        both = [next((f for f in s.factors if f.name == name), None) for s in (old, new)]
        parts[f"factors.{name}"] = (both[0], both[1])
    if old.search and new.search:
        for key in ("seed", "sampler", "pruner", "duplicates", "training"):
            parts[f"search.{key}"] = (getattr(old.search, key), getattr(new.search, key))
    texts = [_changed(key, was, now) for key, (was, now) in parts.items() if was != now]
    orders = [[factor.name for factor in space.factors] for space in (old, new)]
    if not texts and orders[0] != orders[1]:
        texts.append(f"factors: were in the order {text_of(orders[0])}, are {text_of(orders[1])}")
    return texts


def _changed(key: str, was: Any, now: Any) -> str:
    """What became of a part of a search: each of its values that changed."""
    if was is None or now is None:
        return f"{key}: {'added' if was is None else 'gone'}"
    values = [_values(part) for part in (was, now)]
    names = [n for n in {**values[0], **values[1]} if values[0].get(n) != values[1].get(n)]
    texts = [
        f"{name} was {_shown(values[0].get(name))}, is {_shown(values[1].get(name))}".strip()
        for name in names
    ]
    return f"{key}: {', '.join(texts)}"


def _values(part: Any) -> dict[str, Any]:
    if isinstance(part, BaseModel):
        return {name: getattr(part, name) for name in type(part).model_fields}
    return dict(part) if isinstance(part, dict) else {"": part}


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "none"
    return text_of(value) if isinstance(value, str | int | float | tuple | list) else str(value)


def _difference(old: Setting, new: Setting) -> str:
    was, now = old.values(), new.values()
    return ", ".join(
        f"{k} was {text_of(was[k])}, is {text_of(now[k])}" for k in was if was[k] != now[k]
    )
