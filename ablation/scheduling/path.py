"""From the baseline to the chosen setting, one change at a time: which of the changes counted?

The order is greedy: of the changes left, always the one after which a random forest, fitted to the
search's completed trials, expects most. What each step is worth is then measured by training it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ablation.design.arms import Arm, Stage, arm_name, differences, make_arm
from ablation.design.feasibility import infeasible_reason
from ablation.design.origin import Baseline, Named, Origin, Step, WithoutChange, having
from ablation.objective import Setting
from ablation.settings import Value, text_of
from ablation.space.schema import BASELINE, Factor, Space

Change = dict[str, Value]
Predict = Callable[[Sequence[Setting]], Sequence[float]]
IDLE = -1.0  # stands for the value of a number that has no effect where it is
TREES = 200
TAKEN_BACK = "leave-one-out"  # what tables call the chosen setting without one change


@dataclass(frozen=True)
class Move:
    """One change on the way.

    Attributes:
        change: the new values by setting.
        setting: the whole setting after it.
    """

    change: Change
    setting: Setting


def changes(space: Space, best: Setting) -> list[Change]:
    """What has to change: each scientific factor alone, the nuisances together at the end.

    Nuisances are tuned, not concluded on, so what one of them is worth is not asked.
    """
    changed = differences(space, best)
    for name in list(changed):  # what would be the same network without it is no change
        if taken_back(space, best, {name: changed[name]}).digest == best.digest:
            best = taken_back(space, best, {name: changed.pop(name)})
    nuisances = {factor.name for factor in space.factors if factor.role == "nuisance"}
    alone = [{name: value} for name, value in changed.items() if name not in nuisances]
    tuned = {name: value for name, value in changed.items() if name in nuisances}
    return [*alone, tuned] if tuned else alone


def steps(space: Space, best: Setting, predict: Predict) -> list[Move]:
    """The changes from the space's baseline to `best`, in greedy order.

    A change that cannot be made yet (the network would not exist, or go beyond the limits) or would
    have no effect yet waits; where none of those left can be made alone, they are made together.

    Args:
        space: whose baseline it starts from.
        best: where it leads to.
        predict: settings -> what is expected of each, the more the better.
    """
    now, left, made = space.baseline, changes(space, best), list[Move]()
    while now.digest != best.digest:
        possible = [change for change in left if _possible(space, now, change)]
        if not possible:
            possible = [{name: value for change in left for name, value in change.items()}]
        expected = list(predict([now.replace(**change) for change in possible]))
        change = possible[expected.index(max(expected))]
        now = now.replace(**change)
        made.append(Move(change, now))
        left = [other for other in left if not other.keys() <= change.keys()]
    return made


def _possible(space: Space, now: Setting, change: Change) -> bool:
    changed = now.replace(**change)
    if not space.undrawn(changed).isdisjoint(change) or changed.digest == now.digest:
        return False
    return not infeasible_reason(space, changed)


def without(space: Space, best: Setting, change: Change) -> Setting:
    """`best` with a change taken back, and with it what is drawn only where the change is made."""
    setting, left = taken_back(space, best, change), differences(space, best)
    while gone := space.undrawn(setting) & differences(space, setting).keys() & left.keys():
        setting = taken_back(space, setting, {name: left[name] for name in gone})
    return setting


def taken_back(space: Space, best: Setting, change: Change) -> Setting:
    """`best` with the baseline's values in place of a change's."""
    values = space.baseline.values()
    return best.replace(**{name: values[name] for name in change})


def path_stage(
    space: Space,
    chosen: Arm,
    predict: Predict,
    known: Sequence[Arm],
    seeds: tuple[int, ...],
) -> Stage:
    """What the path trains: every step, each compared with the one before, and leave-one-out.

    Args:
        space: whose baseline it starts from.
        chosen: the arm that it leads to.
        predict: see `steps`.
        known: arms whose names are kept where they are met again. Those that the space's author
            has named are trained too, and compared with the baseline: on the seeds that chose, the
            figures of all arms are optimistic.
        seeds: none of which the search or the confirmation has used.

    Returns:
        The stage ``path``: the baseline, the steps, the last of which is the chosen arm, then this
        without the change of each step alone, as far as such a network can be trained. An arm that
        is a step as well has both origins. Without arms where nothing changes.
    """
    names = {arm.setting.digest: arm.name for arm in [*known, chosen]}
    made = steps(space, chosen.setting, predict)
    if not made:
        return Stage("path", (), ())

    def name(setting: Setting) -> str:
        if setting.digest not in names:
            names[setting.digest] = arm_name(space, setting, names.values())
        return names[setting.digest]

    arms = [Arm(BASELINE, space.baseline, origins=(Baseline(),))]
    for place, step in enumerate(made, start=1):
        before = arms[-1].name
        arms.append(make_arm(space, step.setting, name(step.setting), [Step(place)], before))
    for step in made:
        setting = without(space, made[-1].setting, step.change)
        origin = WithoutChange(tuple(step.change))
        if not _add(arms, setting, origin) and not infeasible_reason(space, setting):
            arms.append(make_arm(space, setting, name(setting), [origin], chosen.name))
    for arm in known:
        if having(arm.origins, Named) and not _add(arms, arm.setting, Named()):
            arms.append(replace(arm, against=BASELINE))
    return Stage("path", tuple(arms), seeds)


def untested(space: Space, arms: Sequence[Arm]) -> tuple[str, ...]:
    """The arms of a path that change nuisances alone: they are tuned, and nothing is concluded.

    None where nothing else is compared, so that something says how many seeds the path takes.
    """
    nuisances = {factor.name for factor in space.factors if factor.role == "nuisance"}
    by_name = {arm.name: arm for arm in arms}

    def changed(arm: Arm) -> set[str]:
        if not having(arm.origins, Step):
            return {name for back in having(arm.origins, WithoutChange) for name in back.names}
        now, before = arm.setting.values(), by_name[arm.against].setting.values()
        return {name for name, value in now.items() if before[name] != value}

    compared = [arm for arm in arms if arm.against]
    tuned = [arm.name for arm in compared if (names := changed(arm)) and names <= nuisances]
    return tuple(tuned) if len(tuned) < len(compared) else ()


def _add(arms: list[Arm], setting: Setting, origin: Origin) -> bool:
    """Give the arm with this setting, if there is one, an origin more; whether there is one."""
    for place, arm in enumerate(arms):
        if arm.setting.digest == setting.digest:
            arms[place] = replace(arm, origins=(*arm.origins, origin))
            return True
    return False


def with_path_origins(space: Space, stored: Sequence[Arm], chosen: str) -> tuple[Arm, ...]:
    """The arms of a path that was stored without their origins.

    The steps are the chain of what each arm is compared with, from the baseline to the chosen arm;
    the others are this without one change.

    Args:
        space: the search's.
        stored: the path's arms in their order.
        chosen: what the chosen arm is called there.
    """
    arms = [replace(stored[0], origins=(Baseline(),))]
    for place, arm in enumerate(stored[1:], start=1):
        if arms[-1].name == chosen or arm.against != arms[-1].name:
            break
        arms.append(replace(arm, origins=(Step(place),)))
    made, best = [arm.setting.values() for arm in arms], arms[-1].setting
    arms += [replace(arm, origins=()) for arm in stored[len(arms) :]]
    for before, after in pairwise(made):
        change = {name: value for name, value in after.items() if before[name] != value}
        _add(arms, without(space, best, change), WithoutChange(tuple(change)))
    return tuple(arms)


def forest(space: Space, tried: Sequence[tuple[Setting, float]], seed: int) -> Predict:
    """A random forest of the search's results over the space's factors.

    Args:
        space: whose factors they are.
        tried: settings with what the search found of them, the more the better; one at least.
        seed: of the forest.
    """
    from sklearn.ensemble import RandomForestRegressor  # takes a second

    model = RandomForestRegressor(n_estimators=TREES, random_state=seed % 2**32)
    model.fit([_row(space, setting) for setting, _ in tried], [score for _, score in tried])

    def predict(settings: Sequence[Setting]) -> list[float]:
        return [float(x) for x in model.predict([_row(space, setting) for setting in settings])]

    return predict


def _row(space: Space, setting: Setting) -> list[float]:
    """A setting as numbers: a number as it is, of a list of other values one column each."""
    values, idle = setting.values(), space.idle(setting)
    return [x for f in space.factors for x in _columns(f, values[f.name], f.name in idle)]


def _columns(factor: Factor, value: Value, idle: bool) -> list[float]:
    numbers = not factor.levels or all(
        isinstance(level, int | float) and not isinstance(level, bool) for level in factor.levels
    )
    if not numbers:
        return [float(not idle and text_of(level) == text_of(value)) for level in factor.levels]
    if idle or not isinstance(value, int | float):
        return [IDLE]
    return [math.log10(value) if factor.log else float(value)]
