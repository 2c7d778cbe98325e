"""What a study may not begin with.

These rules are younger than the first studies, so they are no part of reading a space: a study
that is stored already stays readable and goes on, whatever its space holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from ablation.design.arms import Plan
from ablation.errors import UserError
from ablation.objective import Setting
from ablation.settings import Value, text_of
from ablation.space.errors import SpaceError
from ablation.space.schema import Factor, Space

MAX_CONTEXTS = 5_000  # settings of the other factors in which a factor's effect is looked for


def check_beginning(plan: Plan, seeds: int | None = None) -> None:
    """Refuse what no study should begin with.

    Args:
        plan: what the study would be of.
        seeds: the number of seeds asked for in place of the space's own.

    Raises:
        SpaceError: a factor has no effect anywhere, or none on the metric; a batch is larger than
            the training images; or two values look the same; all errors together.
        UserError: more seeds are asked for than the space lists.
    """
    space = plan.space
    errors = [*_idle_factors(plan), *_beside_metric(space), *_unfit(plan), *_alike(space)]
    if errors:
        raise SpaceError(space.name, errors)
    if not space.search:
        wanted_seeds(space, seeds)


def wanted_seeds(space: Space, count: int | None, stored: Sequence[int] = ()) -> tuple[int, ...]:
    """The seeds that a run wants.

    A number means the first so many of the study's own, then of those that the space lists; where
    the space gives a number itself, those from 0 on.

    Args:
        space: of a design that has seeds.
        count: how many are asked for; None for the space's own.
        stored: the seeds that the study has already, in its order.

    Raises:
        UserError: the space does not list so many.
    """
    if count is None:
        return space.seeds
    own = tuple(stored[:count])
    listed = space.seeds if space.lists_seeds else range(count + len(own))
    wanted = (*own, *(seed for seed in listed if seed not in own))[:count]
    if len(wanted) < count:
        raise UserError(
            f"--seeds {count}: the space lists {len(space.seeds)} seeds; add to its list, or ask "
            f"for at most {len(wanted)}"
        )
    return wanted


def unfit(space: Space, setting: Setting) -> str:
    """Why no new study should have a setting; empty where it may."""
    reasons = (space.objective.unfit(each) for each in (setting, space.trained(setting)))
    return next(filter(None, reasons), "")


def _unfit(plan: Plan) -> Iterator[str]:
    """Arms that no study should begin with, and levels that a search should not draw."""
    space = plan.space
    for arm in plan.arms:
        if why := unfit(space, arm.setting):
            yield f"arm {arm.name}: {why}"
    own, most = space.baseline.values(), _with_most_data(space)
    for factor in space.factors if space.search else ():
        for level in factor.levels:
            why = space.objective.unfit_level(factor.name, level, most)
            if why and level != own[factor.name]:  # which is an arm
                yield f"factors.{factor.name}: {why}"


def _with_most_data(space: Space) -> list[Setting]:
    """The baseline with as much data as a draw may have, in the search and when it is confirmed."""
    ends: dict[str, Value] = {
        f.name: max(f.levels) if f.levels else f.high or 0
        for f in space.factors
        if f.name in space.objective.data_size
    }
    setting = space.baseline.replace(**ends)
    return [setting, space.trained(setting)]


def _alike(space: Space) -> Iterator[str]:
    """Different values of a setting that look the same wherever they are shown."""
    given: dict[str, list[Value]] = {f.name: [*f.levels] for f in space.factors}
    for arm in space.arms.values():
        for name, value in arm.set.items():
            given.setdefault(name, []).append(value)
    baseline, factors = space.baseline.values(), {factor.name for factor in space.factors}
    for name, values in given.items():
        first: dict[str, Value] = {}
        for value in [baseline[name], *values]:
            other = first.setdefault(text_of(value), value)
            if other != value:
                where = f"factors.{name}" if name in factors else f"arms: {name}"
                yield (
                    f"{where}: two levels show as {text_of(value)} ({other!r} and {value!r}); "
                    "write levels that differ in their first six digits"
                )


def _idle_factors(plan: Plan) -> Iterator[str]:
    """Factors that are varied but never make another network or training."""
    space = plan.space
    if space.design == "one-factor":  # where each such level is refused as an arm
        return
    for factor in space.factors:
        if len(_ends(space, factor)) > 1 and not _matters(plan, factor):
            yield (
                f"factors.{factor.name}: has no effect in any setting of this space; take it out, "
                "or vary what it depends on"
            )


def _beside_metric(space: Space) -> Iterator[str]:
    """Settings that are varied though the metric is the same with all of their values."""
    varied = {f"factors.{factor.name}": [factor.name] for factor in space.factors}
    varied |= {f"arms.{name}": list(arm.set) for name, arm in space.arms.items()}
    for where, names in varied.items():
        for name in space.objective.beside_metric:
            if name in names:
                metric = space.objective.metric.text
                yield f"{where}: {name} never changes the {metric}; set it in [baseline]"


def _matters(plan: Plan, factor: Factor) -> bool:
    """Whether the factor's value makes a difference anywhere; where too much varies, it may."""
    space = plan.space
    contexts = itertools.chain([arm.setting for arm in plan.arms], _contexts(space, factor))
    for place, context in enumerate(contexts):
        if place >= MAX_CONTEXTS:
            return True
        if factor.is_active(context.values()):
            settings = [context.replace(**{factor.name: v}) for v in _ends(space, factor)]
            if len({setting.digest for setting in settings}) > 1:
                return True
    return False


def _contexts(space: Space, but: Factor) -> Iterator[Setting]:
    """The settings that those come to on which the effect depends, of ranges the ends alone."""
    names = _governing(space, but)
    others = [factor for factor in space.factors if factor.name in names]
    for values in itertools.product(*(_ends(space, factor) for factor in others)):
        changed = dict(zip((factor.name for factor in others), values, strict=True))
        setting = space.baseline.replace(**changed)
        own = space.baseline.values()
        undrawn = space.undrawn(setting) - {but.name}
        yield setting.replace(**{name: own[name] for name in undrawn})


def _governing(space: Space, factor: Factor) -> set[str]:
    """The settings on which it depends whether a factor is drawn and has an effect."""
    when = {each.name: tuple(each.when) for each in space.factors}
    governing, waiting = set[str](), [factor.name]
    while waiting:
        name = waiting.pop()
        direct = (
            {*when.get(name, ()), *space.objective.governed_by.get(name, ())}
            - governing
            - {factor.name}
        )
        governing |= direct
        waiting += direct
    return governing


def _ends(space: Space, factor: Factor) -> list[Value]:
    """A factor's levels; of a range both ends, the baseline's value and what conditions name."""
    if factor.levels:
        return list(factor.levels)
    named = [
        value
        for other in space.factors
        if factor.name in other.when
        for value in other.when[factor.name].is_ or []
        if factor.has(value)
    ]
    ends = [factor.low, factor.high, space.baseline.values()[factor.name], *named]
    return list(dict.fromkeys(end for end in ends if end is not None))
