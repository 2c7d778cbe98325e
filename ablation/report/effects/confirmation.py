"""What a confirmation says of a search, and what each change on the path to the best was worth.

Pure functions of DataFrames; the effects themselves are `ablation.report.effects.effects`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ablation.design.arms import change_text
from ablation.objective.metric import Direction, sign_of
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounded, is_first
from ablation.report.effects.effects import COLUMNS, effects, mean_differences
from ablation.report.effects.gains import slight
from ablation.report.effects.health import diverged_arms, of_arms, untrained_arms
from ablation.report.effects.replicates import best_first, largest_value, paired, replicates
from ablation.scheduling.path import TAKEN_BACK
from ablation.settings import Value
from ablation.statistics.inference import (
    MeanDifference,
    holm,
    paired_test,
    unsound,
    without_verdict,
)
from ablation.statistics.power import ALPHA

INTERACTIONS = [
    *("interaction", "interaction_ci_low", "interaction_ci_high"),
    *("interaction_p", "interaction_p_holm", "depends_on_order", "other_order", "other_where"),
]
PATH_COLUMNS = ["step", "change", "role", *COLUMNS, "confounded", *INTERACTIONS]
NAMED = "named"  # what tables call the arms that the space's author has named
SCIENTIFIC, NUISANCE = "scientific", "nuisance"


def found_against_confirmed(
    search: pd.DataFrame, confirmed: pd.DataFrame, direction: Direction = "maximize"
) -> pd.DataFrame:
    """Each confirmed arm as the search found it and as it was confirmed, best in the search first.

    Args:
        search: the search's trials, the columns of ``trials.csv``.
        confirmed: of `ablation.report.effects.effects.effects` over the confirmation.
        direction: of the metric.

    Returns:
        ``arm``, ``trial`` and ``rank`` in the search, ``found`` (its value there),
        ``found_effect`` (less the baseline's there), ``n``, ``confirmed`` (the mean),
        ``confirmed_effect`` and ``optimism``: how much better the found effect is. Effects are
        compared rather than values, since the search may train shorter. Empty where one of the
        two has not finished.
    """
    done = best_first(replicates(search).sort_values("number"), direction)
    done = done.assign(rank=range(1, len(done) + 1))
    rows = confirmed[["arm", "n", "val_mean", "delta"]].merge(
        done[["arm", "number", "rank", "value"]], on="arm", how="left"
    )
    base = rows["value"].iloc[0]
    rows["found_effect"] = (rows["value"] - base).where(rows.index > 0)
    rows["optimism"] = sign_of(direction) * (rows["found_effect"] - rows["delta"])
    names = {
        "number": "trial",
        "value": "found",
        "val_mean": "confirmed",
        "delta": "confirmed_effect",
    }
    order = ["arm", "trial", "rank", "found", "found_effect", "n", "confirmed", "confirmed_effect"]
    rows = rows.rename(columns=names)[[*order, "optimism"]]
    whole = {"trial": "Int64", "rank": "Int64"}
    return rows.astype(whole).sort_values("rank", kind="stable").reset_index(drop=True)


def search_length(search: StudyTable, confirmed: StudyTable) -> str:
    """How long the search trained what was confirmed, beside that: "", "shorter" or "longer".

    Args:
        search: the search.
        confirmed: its confirmation.

    Returns:
        "of another length" where one of the settings that say how much a training is was more and
        another less.
    """
    names = [name for name in search.amounts if name in search.trials]
    both_trials = (search.trials, confirmed.trials)
    own, other = (trials[["arm", *names]].drop_duplicates() for trials in both_trials)
    both = own.merge(other, on="arm", suffixes=("", "_confirmed"))
    more = [both[name].astype(float) - both[f"{name}_confirmed"].astype(float) for name in names]
    differences = pd.concat(more)
    if not (differences != 0).any():
        return ""
    if (differences <= 0).all():
        return "shorter"
    return "longer" if (differences >= 0).all() else "of another length"


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
    steps = _steps(arms)
    changes = [{}, *(_change(steps, place) for place in range(1, len(steps)))]
    made = steps.assign(
        change=[change_text(change) for change in changes],
        names=pd.Series([frozenset(change) for change in changes], dtype=object),
    )
    numbers = [str(place) for place in range(len(steps))]
    first = _compared(trials, made, margin, nuisances, direction).assign(step=numbers)
    back = _compared(trials, _taken_back(arms, steps), margin, nuisances, direction).iloc[1:]
    named = arms[arms["named"] & ~is_first(arms)].assign(against=str(arms["arm"].iloc[0]))
    own = pd.concat([steps.head(1), named], ignore_index=True)
    own = own.assign(change="", names=pd.Series([frozenset()] * len(own), dtype=object))
    own = _compared(trials, own, margin, nuisances, direction).iloc[1:]
    step_rows = first.join(interactions(trials, arms, first["role"].tolist()))
    parts = [step_rows, back.assign(step=TAKEN_BACK), own.assign(step=NAMED)]
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    rows["depends_on_order"] = rows["depends_on_order"].eq(True)
    rows["other_where"] = rows["other_where"].astype(object).fillna("")
    return rows[PATH_COLUMNS]


def whole_path(
    trials: pd.DataFrame, arms: pd.DataFrame, direction: Direction = "maximize"
) -> MeanDifference:
    """All of a path's changes together: its last step against the baseline, paired by seed."""
    base, last = str(arms["arm"].iloc[0]), last_step(arms)
    ends = pd.DataFrame({"arm": [base, last], "against": ["", base]})
    return mean_differences(trials, ends, direction=direction)[last]


def last_step(arms: pd.DataFrame) -> str:
    """The arm that a path ends with: the chosen setting, by its full name."""
    return str(_steps(arms)["arm"].iloc[-1])


def is_step(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of `path_effects` are the baseline and the steps."""
    return ~rows["step"].isin([TAKEN_BACK, NAMED])


def interactions(trials: pd.DataFrame, arms: pd.DataFrame, roles: Sequence[str]) -> pd.DataFrame:
    """Whether a step is worth something else where it stood than at the end, paired by seed.

    By seed ``I_k = (y_k - y_(k-1)) - (y_best - y_(best without k))``: of each scientific step but
    the last whose change alone was taken back. These are one family of Holm's. Where one is
    significant, the step and all later ones depend on the order. That none is does not show that
    none does.

    Args:
        trials, arms: as in `path_effects`.
        roles: of the baseline and the steps.

    Returns:
        A row for the baseline and each step: ``interaction`` (its mean), ``interaction_ci_low``,
        ``interaction_ci_high``, ``interaction_p``, ``interaction_p_holm``, ``depends_on_order``,
        and of these steps the effect in another order, where it was trained: ``other_order``, and
        with which changes, or without which, in ``other_where``.
    """
    steps = _steps(arms)
    tests = {
        place: test
        for place in range(1, len(steps) - 1)
        if roles[place] == SCIENTIFIC
        and (test := _interaction(trials, arms, steps, place)) is not None
    }
    adjusted = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    first = min((place for place, p in adjusted.items() if p < ALPHA), default=len(steps))
    rows: list[dict[str, Any]] = []
    for place in range(len(steps)):
        row: dict[str, Any] = {"depends_on_order": place >= first}
        if place in tests:
            test = tests[place]
            p_holm = math.nan if test.why_not else float(adjusted[place])
            ends = [test.mean, test.low, test.high, test.p, p_holm]
            row |= dict(zip(INTERACTIONS, ends, strict=False))
        if place >= first:
            row |= _other_order(trials, arms, steps, place, first)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=INTERACTIONS)
    return frame.astype(dict.fromkeys([*INTERACTIONS[:5], "other_order"], "float64"))


def _interaction(
    trials: pd.DataFrame, arms: pd.DataFrame, steps: pd.DataFrame, place: int
) -> MeanDifference | None:
    """A step's effect where it stood less that at the end, by seed; None where not trained."""
    best, change = steps.iloc[-1], _change(steps, place)
    without = {name: value for name, value in best["changed"].items() if name not in change}
    back = [str(arm) for arm, changed in _changed(arms) if changed == without]
    if not back:
        return None
    used = [*(str(steps["arm"].iloc[at]) for at in (place, place - 1)), str(best["arm"]), back[0]]
    excess = paired(trials, used[0], used[1]) - paired(trials, used[2], used[3])
    test = unsound(
        paired_test(excess.dropna(), size=largest_value(trials)),
        of_arms(diverged_arms(trials), used),
    )
    none = of_arms(untrained_arms(trials), used)
    return without_verdict(test, none) if none else test


def _changed(arms: pd.DataFrame) -> list[tuple[str, dict[str, Value]]]:
    return list(zip(arms["arm"], arms["changed"], strict=True))


def _other_order(
    trials: pd.DataFrame, arms: pd.DataFrame, steps: pd.DataFrame, place: int, first: int
) -> dict[str, Any]:
    """What a step gives among other changes than where it stood, if two such arms were trained.

    Of the first that depends on the order this is what it gives at the end, of later ones what
    they give without that.
    """
    change, lost = _change(steps, place), _change(steps, first)
    stood = steps["changed"].iloc[place - 1]
    for before, having in _changed(arms):
        for after, wanted in _changed(arms):
            if wanted != {**having, **change} or wanted == having or having == stood:
                continue
            if place > first and not lost.keys().isdisjoint(having):
                continue
            test = paired_test(paired(trials, after, before), size=largest_value(trials))
            more = {name: x for name, x in having.items() if name not in stood}
            less = {name: x for name, x in stood.items() if name not in having}
            words = [
                f"{word} {change_text(x)}" for word, x in (("with", more), ("without", less)) if x
            ]
            return {"other_order": test.mean, "other_where": " and ".join(words)}
    return {}


def never_taken_back(arms: pd.DataFrame) -> list[str]:
    """The changes of a path that were not taken back alone, as the space allows no such setting."""
    steps = _steps(arms)
    back = {frozenset(names) for names in _taken_back(arms, steps)["names"].iloc[1:]}
    every = [_change(steps, place) for place in range(1, len(steps))]
    return [change_text(change) for change in every if frozenset(change) not in back]


def _compared(
    trials: pd.DataFrame,
    arms: pd.DataFrame,
    margin: float,
    nuisances: Collection[str],
    direction: Direction,
) -> pd.DataFrame:
    """The effects of arms, tested as one family but for those that change nuisances alone."""
    tuned = [bool(names) and names <= set(nuisances) for names in arms["names"]]
    arms = arms.assign(role=[NUISANCE if yes else SCIENTIFIC for yes in tuned])
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


def _steps(arms: pd.DataFrame) -> pd.DataFrame:
    """The baseline, which comes first, and the steps."""
    made = arms[arms["path_step"].notna()].sort_values("path_step")
    return pd.concat([arms[is_first(arms)], made], ignore_index=True)


def _change(steps: pd.DataFrame, place: int) -> dict[str, Value]:
    """What a step changes: the differences from the baseline that the one before it has not."""
    now, before = steps["changed"].iloc[place], steps["changed"].iloc[place - 1]
    return {name: value for name, value in now.items() if before.get(name) != value}


def _taken_back(arms: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The chosen arm, then every arm of the path that is it but for one change of a step."""
    best = steps.iloc[-1]
    alone = {frozenset(names): row for _, row in arms.iterrows() for names in row["without"]}
    rows = [best.copy()]
    rows[0]["change"], rows[0]["names"] = "", frozenset()
    for place in range(1, len(steps)):
        names = frozenset(_change(steps, place))
        if names in alone:
            rows.append(alone[names].copy())
            back = {name: value for name, value in best["changed"].items() if name in names}
            rows[-1]["change"], rows[-1]["names"] = change_text(back), names
    variants = pd.DataFrame(rows).reset_index(drop=True)
    against = [str(best["arm"]) if place else "" for place in range(len(variants))]
    return variants.assign(against=against)


def tested_path(path: StudyTable) -> pd.DataFrame:
    """A path's effects with their verdicts, of the trials that it has."""
    nuisances = [name for name, factor in path.factors.items() if factor["role"] == NUISANCE]
    rows = path_effects(path.trials, path.arms, path.margin, nuisances, path.metric.direction)
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
