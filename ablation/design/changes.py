"""What makes a space another study than it was."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ablation.design.loading import enumerate_arms
from ablation.objective import Setting
from ablation.settings import text_of
from ablation.space.schema import Space


def changes(old: Space, new: Space) -> list[str]:
    """What makes `new` another study than `old`; empty where it only adds arms or seeds.

    What a search's confirmation may still change depends on how far it is:
    `ablation.scheduling.extension.check_extension`.
    """
    texts = [
        f"{key}: was {getattr(old, key)}, is {getattr(new, key)}"
        for key in ("design", "margin", "settle", "limits")
        if getattr(old, key) != getattr(new, key)
    ]
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
    return texts


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
