"""What each change on a path was worth, and all of them together.

Pure functions of DataFrames; the effects themselves are `ablation.report.effects.effects`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ablation.objective.metric import Direction
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounded
from ablation.report.effects.effects import COLUMNS, effects, mean_differences
from ablation.report.effects.gains import slight
from ablation.report.effects.replicates import replicates
from ablation.report.path.interactions import INTERACTIONS, interactions
from ablation.report.path.steps import NAMED, NUISANCE, SCIENTIFIC, comparisons, last_step
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import MeanDifference

PATH_COLUMNS = ["step", "change", "role", *COLUMNS, "confounded", *INTERACTIONS]


def path_effects(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    nuisances: Collection[str] = (),
    direction: Direction = "maximize",
) -> pd.DataFrame:
    """The steps of a path, each against the one before; then each change taken back alone.

    The steps are one family of Holm's, those taken back another, the named arms against the
    baseline a third. A change of nuisances alone is in none: they are tuned, and nothing is
    concluded on them. Whether a step depends on the order is `interactions`.

    Args:
        trials: the path's trials, the columns of ``trials.csv``.
        arms: the path's arms as in ``StudyTable.arms``: the baseline, the steps in their order,
            and the last step with changes taken back alone, which are compared with it.
        margin: within which differences are too small to matter.
        nuisances: settings that are tuned.
        direction: of the metric.

    Returns:
        ``step`` (0 for the baseline, after the steps ``leave-one-out`` and ``named``), ``change``
        (the settings that the step gives new values, or that were taken back), ``role``
        (``scientific``, or ``nuisance`` for what is not tested), then as ``effects.csv``, and
        whether the sequence's steps or the network's size change by more than 10 % as well
        (``confounded``), and of steps the columns of `interactions`. Of what is taken back,
        ``delta`` is the arm without it less the last step: worse where the change is worth
        something.
    """
    parts = {
        kind: _compared(trials, frame, margin, nuisances, direction)
        for kind, frame in comparisons(arms).items()
    }
    order = interactions(trials, arms, parts[""]["role"].tolist())
    return as_path(parts, order)[PATH_COLUMNS]


def as_path(parts: Mapping[str, pd.DataFrame], order: pd.DataFrame) -> pd.DataFrame:
    """The rows of a path: its steps by their numbers, what is taken back, the named arms.

    Args:
        parts: the effects of each of `comparisons`, which begin with what others are compared with.
        order: of `interactions`, a row a step.
    """
    steps = parts[""].assign(step=list(map(str, range(len(parts[""]))))).join(order)
    later = [parts[kind].iloc[1:].assign(step=kind) for kind in (TAKEN_BACK, NAMED)]
    rows = pd.concat([part for part in (steps, *later) if len(part)], ignore_index=True)
    rows["depends_on_order"] = rows["depends_on_order"].eq(True)
    rows["other_where"] = rows["other_where"].astype(object).fillna("")
    return rows


def whole_path(
    trials: pd.DataFrame, arms: pd.DataFrame, direction: Direction = "maximize"
) -> MeanDifference:
    """All of a path's changes together: its last step against the baseline, paired by seed."""
    base, last = str(arms["arm"].iloc[0]), last_step(arms)
    ends = pd.DataFrame({"arm": [base, last], "against": ["", base]})
    return mean_differences(trials, ends, direction=direction)[last]


def _compared(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    nuisances: Collection[str],
    direction: Direction,
) -> pd.DataFrame:
    """The effects of arms, tested as one family but for those that change nuisances alone."""
    arms = arms.assign(role=roles(arms, nuisances))
    every = effects(trials, arms, margin, direction).set_index("arm")
    scientific = arms[arms["role"] == SCIENTIFIC]
    tested = effects(trials, scientific, margin, direction).set_index("arm")
    columns = COLUMNS[COLUMNS.index("effect_size") :]
    every[columns] = tested[columns].reindex(every.index)
    also = confounded(arms)
    return every.reset_index().assign(
        change=list(arms["change"]),
        role=list(arms["role"]),
        verdict=every["verdict"].fillna("").to_numpy(),
        reason=every["reason"].fillna("").to_numpy(),
        confounded=[arm in also for arm in arms["arm"]],
    )


def roles(arms: pd.DataFrame, nuisances: Collection[str]) -> list[str]:
    """By arm of `comparisons`, ``nuisance`` where it changes settings alone that are tuned."""
    tuned = [bool(names) and names <= set(nuisances) for names in arms["names"]]
    return [NUISANCE if yes else SCIENTIFIC for yes in tuned]


def nuisances_of(path: StudyTable) -> list[str]:
    """The settings of a path that are tuned, and not concluded on."""
    return [name for name, factor in path.factors.items() if factor["role"] == NUISANCE]


def tested_path(path: StudyTable) -> pd.DataFrame:
    """A path's effects with their verdicts, of the trials that it has."""
    rows = path_effects(
        path.trials, path.arms, path.margin, nuisances_of(path), path.metric.direction
    )
    return rows.assign(slight=slight(rows, path.margin))


def preliminary_path(path: StudyTable) -> pd.DataFrame:
    """A path's effects before its last training has ended: those of whole seeds, untested.

    Verdicts on a path that grows would be looks that nobody counts, and means over different seeds
    are no steps.
    """
    done = replicates(path.trials)
    arms = done.groupby("seed")["arm"].nunique()
    whole = path.trials["seed"].isin(arms.index[arms == len(path.arms)])
    rows = tested_path(replace(path, trials=path.trials[whole]))
    hidden = COLUMNS[COLUMNS.index("ci_low") : COLUMNS.index("verdict")]
    untested: dict[str, Any] = dict.fromkeys([*hidden, *INTERACTIONS], float("nan"))
    nothing = {"depends_on_order": False, "other_where": "", "verdict": "", "reason": ""}
    return rows.assign(**untested | nothing, slight=False)
