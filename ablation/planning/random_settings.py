"""What a search may draw, guessed before it runs: settings at random, without Optuna."""

from __future__ import annotations

import math
import random
from typing import Any

from ablation.design.feasibility import infeasible_reason
from ablation.objective import Setting
from ablation.settings import kind_of
from ablation.space.schema import Factor, Space

DRAWS_PER_SETTING = 20  # at most: some cannot exist or go beyond the limits


def random_settings(space: Space, count: int) -> list[Setting]:
    """At most `count` settings that could be trained, as arms have them; always the same ones.

    Every factor is drawn evenly, by its logarithm where its range says so; one whose condition does
    not hold has the baseline's value.
    """
    draw, settings = random.Random(0), list[Setting]()
    for _ in range(DRAWS_PER_SETTING * count):
        drawn = space.baseline.replace(**{f.name: _value(space, f, draw) for f in space.factors})
        base = space.baseline.values()
        setting = drawn.replace(**{name: base[name] for name in space.undrawn(drawn)})
        if not infeasible_reason(space, setting):
            settings.append(setting)
        if len(settings) == count:
            break
    return settings


def _value(space: Space, factor: Factor, draw: random.Random) -> Any:
    if factor.levels:
        return draw.choice(factor.levels)
    low, high, step = factor.low or 0, factor.high or 0, factor.step
    whole = kind_of(space.objective.fields[factor.name]) is int
    if step or (whole and not factor.log):
        places = math.floor((high - low) / (step or 1) + 1e-9)
        value = low + draw.randint(0, places) * (step or 1)
    elif factor.log:
        value = math.exp(draw.uniform(math.log(low), math.log(high)))
    else:
        value = draw.uniform(low, high)
    return round(value) if whole else min(max(float(f"{value:.12g}"), low), high)
