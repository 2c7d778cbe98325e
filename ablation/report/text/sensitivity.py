"""What verdicts would be without the trainings that collapsed: sensitivity, and no verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.confirmation import NUISANCE, path_effects, whole_path
from ablation.report.effects.contrasts import contrasts, significance
from ablation.report.effects.effects import effects
from ablation.report.effects.gains import by_gain, gains
from ablation.report.effects.progress import all_ended
from ablation.report.rendering.formatting import counted, listed, points, records
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import sign
from ablation.statistics.power import ALPHA

FEW = 9  # comparisons that are all told; of more only those whose verdict changes
NOT_TESTED = "not tested"

Verdicts = Mapping[str, tuple[float, str]]
"""By what is compared, its effect and its verdict."""


def without(table: StudyTable, lost: pd.DataFrame) -> Iterable[str]:
    """What changes without some trainings, everything computed anew: sentences.

    Args:
        table: one stage of a study that is no search.
        lost: the rows of its trials to leave out.
    """
    if is_path(table) and not all_ended(table):
        return  # it has no verdicts before its last training has ended
    kept = table.trials.drop(lost.index)
    (now, now_too), (then, then_too) = (_families(table, each) for each in (table.trials, kept))
    found = [
        *_changes(now, then, others=True),
        *_changes(now_too, then_too, others=False),
        *_choice(table, kept),
    ]
    it = "it" if len(lost) == 1 else "them"
    for text in found:
        yield f"Sensitivity, not a verdict: without {it}, {text}."
    if not found:
        yield f"Sensitivity, not a verdict: without {it}, every verdict is the same."


def is_path(table: StudyTable) -> bool:
    """Whether a stage is the path of a confirmation."""
    return "step" in table.arms and bool(table.arms["step"].notna().any())


def _families(table: StudyTable, trials: pd.DataFrame) -> tuple[Verdicts, Verdicts]:
    """The verdicts of a stage with these trials: on its arms, and on what combines them."""
    if is_path(table):
        return _of_path(table, trials)
    rows = effects(trials, table.arms, table.margin)
    names = comparison_labels(rows, rows)
    arms = {
        names[row["arm"]]: (row["delta"], row["verdict"] or NOT_TESTED)
        for row in records(rows.iloc[1:])
    }
    more = contrasts(trials, table.arms, table.design, list(table.factors))
    return arms, {row["term"]: (row["delta"], significance(row)) for row in records(more)}


def _of_path(path: StudyTable, trials: pd.DataFrame) -> tuple[Verdicts, Verdicts]:
    """The verdicts on a path's steps, and on whether these depend on the order."""
    base = f"against {path.arms['arm'].iloc[0]}"
    nuisances = [name for name, factor in path.factors.items() if factor["role"] == NUISANCE]
    rows = path_effects(trials, path.arms, path.margin, nuisances)
    rows = rows[(rows["step"] != "0") & (rows["role"] != NUISANCE)]
    whole = whole_path(trials, path.arms)
    steps = {f"the whole path {base}": (whole.mean, sign(whole) or "not shown to differ")}
    orders: dict[str, tuple[float, str]] = {}
    for row in records(rows):
        name = f"taking back {row['change']}" if row["step"] == TAKEN_BACK else row["change"]
        steps[name or row["arm"]] = (row["delta"], row["verdict"] or NOT_TESTED)
        if pd.notna(row["interaction"]):
            said = "significant" if row["interaction_p_holm"] < ALPHA else "not significant"
            orders[f"{name} where it stood less at the end"] = (row["interaction"], said)
    return steps, orders


def _changes(now: Verdicts, then: Verdicts, *, others: bool) -> Iterable[str]:
    """The verdicts that change, and what becomes of the others if asked; one text or none."""
    changed = {name: x for name, x in then.items() if x[1] != now[name][1]}
    if not changed:
        return
    items = [
        f"{name} {points(delta)}, {verdict} instead of {now[name][1]}"
        for name, (delta, verdict) in changed.items()
    ]
    told = [listed(items, FEW)]
    same = [name for name in then if name not in changed]
    if others and len(then) <= FEW:
        tested = [name for name in same if then[name][1] != NOT_TESTED]
        told += [f"{name} {points(then[name][0])}, {then[name][1]}" for name in tested]
    elif others and same:
        told.append(f"the same for {counted(len(same), 'other comparison')}")
    yield "; ".join(told)


def _choice(table: StudyTable, kept: pd.DataFrame) -> Iterable[str]:
    """Of a confirmation: that another arm would be the best of it."""
    if not table.chosen or is_path(table):
        return
    best = [
        str(by_gain(table.arms, gains(trials, table.arms))["arm"].iloc[0])
        for trials in (table.trials, kept)
    ]
    if best[0] == table.chosen != best[1]:
        yield f"{best[1]} would be the best of the confirmation instead of {best[0]}"
