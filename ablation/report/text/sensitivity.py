"""What verdicts would be without the trainings that collapsed: sensitivity, and no verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.contrasts import significance
from ablation.report.effects.looks import taken_again
from ablation.report.effects.progress import all_ended
from ablation.report.path.steps import NUISANCE
from ablation.report.rendering.formatting import listed, records
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import sign
from ablation.statistics.power import ALPHA

FEW = 9  # comparisons that are all told; of more only those whose verdict changes
NOT_TESTED = "not tested"

Verdicts = Mapping[str, tuple[float, str]]
"""By what is compared, its effect and its verdict."""


def without(stage: Analysis, lost: pd.DataFrame) -> Iterable[str]:
    """What changes without some trainings, everything computed anew: sentences.

    Args:
        stage: one stage of a study that is no search.
        lost: the rows of its trials to leave out.
    """
    if stage.table.awaits_look or (is_path(stage.table) and not all_ended(stage.table)):
        return  # it has no verdicts before its last training has ended
    kept = _without(stage.table, stage.table.trials.drop(lost.index))
    (now, now_too), (then, then_too) = (_families(each) for each in (stage, kept))
    difference = stage.metric.difference
    texts = [
        *_changes(now, then, difference, others=True),
        *_changes(now_too, then_too, difference, others=False),
        *_choice(stage, kept),
    ]
    it = "it" if len(lost) == 1 else "them"
    for text in texts:
        yield f"Sensitivity, not a verdict: without {it}, {text}."
    if not texts:
        yield f"Sensitivity, not a verdict: without {it}, every verdict is the same."


def _without(table: StudyTable, trials: pd.DataFrame) -> Analysis:
    """The study with other trials; declared looks are taken again at the same arms and seeds."""
    again = table.settling and taken_again(table.settling, trials, table)
    return Analysis(replace(table, trials=trials, settling=again))


def is_path(table: StudyTable) -> bool:
    """Whether a stage is the path of a confirmation."""
    return "path_step" in table.arms and bool(table.arms["path_step"].notna().any())


def _families(stage: Analysis) -> tuple[Verdicts, Verdicts]:
    """The verdicts of a stage: on its arms, and on what combines them."""
    if is_path(stage.table):
        return _of_path(stage)
    rows = stage.effects
    names = comparison_labels(rows, rows)
    arms = {
        names[row["arm"]]: (row["delta"], row["verdict"] or NOT_TESTED)
        for row in records(rows.iloc[1:])
    }
    more = records(stage.contrasts)
    return arms, {row["term"]: (row["delta"], significance(row)) for row in more}


def _of_path(path: Analysis) -> tuple[Verdicts, Verdicts]:
    """The verdicts on a path's steps, and on whether these depend on the order."""
    rows, whole = path.tested_path_rows, path.whole_path
    rows = rows[(rows["step"] != "0") & (rows["role"] != NUISANCE)]
    said = sign(whole, path.direction) or "not shown to differ"
    steps = {f"the whole path against {path.baseline}": (whole.mean, said)}
    orders: dict[str, tuple[float, str]] = {}
    for row in records(rows):
        name = f"taking back {row['change']}" if row["step"] == TAKEN_BACK else row["change"]
        steps[name or row["arm"]] = (row["delta"], row["verdict"] or NOT_TESTED)
        if pd.notna(row["interaction"]):
            said = "significant" if row["interaction_p_holm"] < ALPHA else "not significant"
            orders[f"{name} where it stood less at the end"] = (row["interaction"], said)
    return steps, orders


def _changes(
    now: Verdicts, then: Verdicts, difference: Callable[[float], str], *, others: bool
) -> Iterable[str]:
    """The verdicts that change, and what becomes of the others if asked; one text or none."""
    changed = {name: x for name, x in then.items() if x[1] != now[name][1]}
    if not changed:
        return
    items = [
        f"{name} {difference(delta)}, {verdict} instead of {now[name][1]}"
        for name, (delta, verdict) in changed.items()
    ]
    parts = [listed(items, FEW)]
    same = [name for name in then if name not in changed]
    if others and len(then) <= FEW:
        tested = [name for name in same if then[name][1] != NOT_TESTED]
        parts += [f"{name} {difference(then[name][0])}, {then[name][1]}" for name in tested]
    elif others and same:
        parts.append(f"the same for {counted(len(same), 'other comparison')}")
    yield "; ".join(parts)


def _choice(stage: Analysis, kept: Analysis) -> Iterable[str]:
    """Of a confirmation: that another arm would be the best of it."""
    chosen = stage.table.chosen
    if not chosen or is_path(stage.table):
        return
    now, then = stage.by_gain[0], kept.by_gain[0]
    if now == chosen != then:
        yield f"{then} would be the best of the confirmation instead of {now}"
