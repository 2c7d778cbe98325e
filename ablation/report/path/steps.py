"""The arms of a path: its steps, what each changes, and what is compared with what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ablation.design.arms import change_text
from ablation.report.effects.arms import is_first
from ablation.scheduling.path import TAKEN_BACK
from ablation.settings import Value

NAMED = "named"  # what tables call the arms that the space's author has named
SCIENTIFIC, NUISANCE = "scientific", "nuisance"


def steps_of(arms: pd.DataFrame) -> pd.DataFrame:
    """The baseline, which comes first, and the steps in their order."""
    made = arms[arms["path_step"].notna()].sort_values("path_step")
    return pd.concat([arms[is_first(arms)], made], ignore_index=True)


def change_of(steps: pd.DataFrame, place: int) -> dict[str, Value]:
    """What a step changes: the differences from the baseline that the one before it has not."""
    now, before = steps["changed"].iloc[place], steps["changed"].iloc[place - 1]
    return {name: value for name, value in now.items() if before.get(name) != value}


def last_step(arms: pd.DataFrame) -> str:
    """The arm that a path ends with: the chosen setting, by its full name."""
    return str(steps_of(arms)["arm"].iloc[-1])


def is_step(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of a path's effects are the baseline and the steps."""
    return ~rows["step"].isin([TAKEN_BACK, NAMED])


def comparisons(arms: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What a path compares: its steps, each change taken back, the named arms.

    Args:
        arms: the path's arms as in ``StudyTable.arms``.

    Returns:
        Under ``""``, ``leave-one-out`` and ``named`` the arms with ``against``, ``change`` (in
        words) and ``names`` (of the settings that it changes). The first row of each is only what
        others are compared with.
    """
    steps = steps_of(arms)
    changes = [{}, *(change_of(steps, place) for place in range(1, len(steps)))]
    named = arms[arms["named"] & ~is_first(arms)].assign(against=str(arms["arm"].iloc[0]))
    own = pd.concat([steps.head(1), named], ignore_index=True)
    return {
        "": steps.assign(
            change=[change_text(change) for change in changes],
            names=_sets(map(frozenset, changes)),
        ),
        TAKEN_BACK: _taken_back(arms, steps),
        NAMED: own.assign(change="", names=_sets([frozenset()] * len(own))),
    }


def _sets(names: Iterable[frozenset[str]]) -> pd.Series[Any]:
    return pd.Series(list(names), dtype=object)


def never_taken_back(arms: pd.DataFrame) -> list[str]:
    """The changes of a path that were not taken back alone, as the space allows no such setting."""
    steps = steps_of(arms)
    back = {frozenset(names) for names in _taken_back(arms, steps)["names"].iloc[1:]}
    every = [change_of(steps, place) for place in range(1, len(steps))]
    return [change_text(change) for change in every if frozenset(change) not in back]


def _taken_back(arms: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The chosen arm, then every arm of the path that is it but for one change of a step."""
    best = steps.iloc[-1]
    alone = {frozenset(names): row for _, row in arms.iterrows() for names in row["without"]}
    rows = [best.copy()]
    rows[0]["change"], rows[0]["names"] = "", frozenset()
    for place in range(1, len(steps)):
        names = frozenset(change_of(steps, place))
        if names in alone:
            rows.append(alone[names].copy())
            back = {name: value for name, value in best["changed"].items() if name in names}
            rows[-1]["change"], rows[-1]["names"] = change_text(back), names
    variants = pd.DataFrame(rows).reset_index(drop=True)
    against = [str(best["arm"]) if place else "" for place in range(len(variants))]
    return variants.assign(against=against)
