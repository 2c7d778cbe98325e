"""The answer in plain words, which the console and the reports begin with.

It is made from the verdicts: what is better, worse or equivalent, by how much and how sure that is,
and what would settle what is not. Where there is no test it says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ablation.errors import counted
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable, stages
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import also_changed, by_size
from ablation.report.effects.progress import all_ended, counts
from ablation.report.effects.replicates import best_first
from ablation.report.rendering.formatting import (
    CONFOUNDED,
    SLIGHT,
    capitalized,
    listed,
    look_mark,
    ranked,
    records,
)
from ablation.report.search.range_edges import edges
from ablation.report.text.averages import additivity, averages, not_averaged
from ablation.report.text.blocks import block_findings
from ablation.report.text.cautions import cautions
from ablation.report.text.comparisons import behind, interval_text
from ablation.report.text.inconclusive import inconclusive, without_margin
from ablation.report.text.recommendation import (
    CHOSE,
    on_test,
    optimistic,
    own_seeds,
    recommended,
)
from ablation.report.text.settling import (
    awaits,
    found_later,
    late_pairs,
    left_out,
    open_still,
    settled_when,
    so_far,
)
from ablation.report.text.summaries import otherwise_spread
from ablation.statistics.inference import within
from ablation.statistics.power import ALPHA

# In the order in which they are said.
VERDICTS = {
    "better": "Better than {base}",
    "worse": "Worse than {base}",
    "equivalent": "Equivalent to {base}, each {interval} within ±{margin}",
    "inconclusive": "Inconclusive",
}


def answer(study: Analysis, chosen: Sequence[str] = ()) -> list[str]:
    """The findings and the space's own notes: one plain sentence or two an item.

    Args:
        study: the study.
        chosen: what comes first: of a search, which setting has been chosen by confirmation.
    """
    before = [*incomplete(study.table), *first_said(study), *chosen]
    return [*before, *findings(study), *what_decides(study.main.table), *study.table.notes]


def what_decides(table: StudyTable) -> Iterable[str]:
    """What the outcome of a training is where that is not the last value of the usual figure."""
    if table.over_last > 1 or table.metric.about:
        yield f"{capitalized(table.outcome_text(table.metric.text))} decides."


def first_said(study: Analysis) -> list[str]:
    """What is wrong with the trainings of any stage, which comes before what they show."""
    return list(dict.fromkeys(line for stage in study.stages for line in cautions(stage)))


def findings(study: Analysis) -> list[str]:
    """The answer without the notes of the space's author and without what is missing."""
    table, effects = study.table, study.effects
    if study.is_by_block_alone and study.block_effects["n"].any():
        return [*block_findings(study), *without_margin(study), *otherwise_spread(study)]
    if not effects["n"].any():
        failed = counts(table).get("failed", 0)
        # A search's failures count as tried.
        again = failed and table.can_continue and table.design != "search"
        how = " Fix the cause, then run it with --retry-failed." if again else ""
        return [f"There is no answer{'' if all_ended(table) else ' yet'}.{how}"]
    if table.design == "search":
        return list(_search(study))
    base = effects.iloc[0]
    if len(effects) == 1:
        count = counted(int(base["n"]), table.words.replicate)
        over = f"{study.metric.value(base['val_mean'])} over {count}"
        return [f"{base['arm']}: {over}. It is the only arm, so there is nothing to compare."]
    names = comparison_labels(effects, effects)
    if table.awaits_look:
        return [*settled_when(study), *_verdicts(study), *so_far(study), *_confounded(study)]
    return [
        *averages(study),
        *settled_when(study),
        *_verdicts(study),
        *found_later(study),
        *late_pairs(study),
        *without_margin(study),
        *_unadjusted(study, names),
        *_untested(study, names),
        *otherwise_spread(study),
        *not_averaged(study),
        *additivity(study),
        *_confounded(study),
        *recommended(study),
        *own_seeds(study),
        *on_test(study, names),
        *block_findings(study),
    ]


def no_result(table: StudyTable) -> str:
    """Why a study has no result, such as ``No trial has finished yet (0 of 9; 5 failed).``"""
    if not table.can_continue:
        return f"No {table.words.trial} has a figure."
    lost = {kind: count for kind in ("diverged", "failed") if (count := counts(table).get(kind))}
    if not all_ended(table):
        also = "".join(f"; {count:,} {kind}" for kind, count in lost.items())
        of = "of at most" if table.awaits_look else "of"
        return f"No trial has finished yet (0 {of} {table.wanted:,}{also})."
    if len(lost) > 1:
        return f"No trial has a result: {lost['diverged']:,} diverged, the others failed."
    return f"No trial has a result: all {table.wanted:,} {''.join(lost)}."


def incomplete(table: StudyTable) -> list[str]:
    """What keeps the answer from being final: trials that lack, and looks beyond the first."""
    finished, notes = counts(table)["finished"], []
    # A search's failures count as tried, and are not trained again.
    search, failed = table.design == "search", counts(table).get("failed", 0)
    ended = finished + counts(table).get("diverged", 0)
    lacking = ended + failed * search < table.wanted
    if waits := [line for stage in stages(table) if (line := awaits(stage))]:
        notes += waits
    elif table.settling is not None:
        notes += left_out(table)
    elif ended and lacking and table.can_continue:
        failed *= not search
        them = "it" if failed == 1 else "them"
        also = f" and {failed:,} failed (--retry-failed trains {them} once more)" if failed else ""
        notes.append(
            f"Preliminary: {finished:,} of {table.wanted:,} trials have finished{also}, so the "
            "answer may change."
        )
    every = stages(table)
    paths = [stage.path for stage in every]
    for stage in every:
        if len(stage.looks) > 1:
            where = " on the path" if any(stage is path for path in paths) else ""
            notes.append(_looks(stage, where))
    return notes


def _looks(stage: StudyTable, where: str) -> str:
    """That verdicts on a stage were produced more than once."""
    *earlier, last = [f"{trials:,}" for trials in stage.looks]
    words = stage.words
    return (
        f"Look {len(stage.looks)}, error rate not controlled: verdicts{where} were produced at "
        f"{', '.join(earlier)} and {last} finished {words.trial}s. {words.testing_again} "
        "finds differences by chance more often than 5 %."
    )


def _verdicts(study: Analysis) -> Iterable[str]:
    """A sentence for each verdict that occurs, the largest effects first."""
    base, margin = study.baseline, study.metric.margin(study.table.margin)
    rows = by_size(study.effects)
    untested = [arm for arm, test in study.tests.items() if test.why_not]
    for kind, words in VERDICTS.items():
        chosen = rows[(rows["verdict"] == kind) & ~rows["arm"].isin(untested)]
        # What is better, worse or equivalent is so than something, which the sentence names once.
        others = sorted(chosen["against"].unique(), key=base.__ne__)
        groups = [(other, chosen[chosen["against"] == other]) for other in others]
        if kind == "inconclusive":
            groups = [(base, chosen)]
        for other, group in groups:
            items = [_effect(study, row, other) for row in records(group)]
            if items:
                text = ranked(items, [kind] * len(items))
                inner = interval_text(study.table, 90)
                yield f"{words.format(base=other, margin=margin, interval=inner)}: {text}."
        left = chosen[chosen["reason"] == ""]  # more seeds settle no divergence
        if kind == "inconclusive" and len(left):
            yield from open_still(study, left) if study.settling else inconclusive(study, left)


def _effect(study: Analysis, row: dict[str, Any], base: str) -> str:
    """``dropout=0.1 +1.03 points (95 % interval +0.72 to +1.34, 10 seeds)``."""
    table, metric, test = study.table, study.metric, study.tests[row["arm"]]
    other = "" if row["against"] == base else f" against {row['against']}"
    little = within(test, table.margin) and row["verdict"] in ("better", "worse")
    less = f", {SLIGHT}" if little else ""
    bounds = f"{interval_text(table)} {metric.interval(test.low, test.high)}"
    if row["verdict"] == "equivalent":  # which rests on the other one
        inner = metric.interval(test.inner_low, test.inner_high)
        bounds = f"{interval_text(table, 90)} {inner}"
    sure = ", ".join(filter(None, [bounds, behind(test, table.comparison), look_mark(row)]))
    why = f"; {test.reason}" if test.reason else ""
    if study.settling and row["verdict"] in ("better", "worse") and test.low <= 0 <= test.high:
        why += "; by the p of an earlier look"  # its smallest: the interval is of the last one
    why += f"; {CHOSE}" if row["arm"] == optimistic(table) else ""
    return f"{row['arm']}{other} {metric.difference(test.mean)} ({sure}{less}{why})"


def _unadjusted(study: Analysis, names: Mapping[str, str]) -> Iterable[str]:
    """Intervals that exclude 0 where the test, for the number of comparisons, does not reject."""
    rows = by_size(study.with_shown_intervals(study.effects))
    apart = ((rows["ci_low"] > 0) | (rows["ci_high"] < 0)) & (rows["reason"] == "")
    arms = [names[arm] for arm in rows.loc[apart & (rows["p_holm"] >= ALPHA), "arm"]]
    if arms:
        what, they = ("interval", "excludes 0") if len(arms) == 1 else ("intervals", "exclude 0")
        it = "it is" if len(arms) == 1 else "they are"
        repeated = "repeated " if study.settling else ""
        yield (
            f"Taken alone, the {repeated}95 % {what} of {listed(arms)} {they}; adjusted for "
            f"{counted(len(rows) - 1, 'comparison')} (Holm) {it} not significant."
        )


def _untested(study: Analysis, names: Mapping[str, str]) -> Iterable[str]:
    """Comparisons without a test, by the reason."""
    reasons: dict[str, list[str]] = {}
    for arm, test in study.tests.items():
        if test.why_not:
            difference = f" {study.metric.difference(test.mean)}" if test.n else ""
            reasons.setdefault(test.why_not, []).append(f"{names[arm]}{difference}")
    for reason, items in reasons.items():
        yield f"Not tested, because {reason}: {listed(items)}."


def _confounded(study: Analysis) -> Iterable[str]:
    """Effects that are not the changed setting's alone."""
    table, also = study.table, study.confounded
    rows = by_size(study.effects)
    effects = [row for row in records(rows) if row["verdict"] and row["arm"] in also]
    effects.sort(key=lambda row: row["verdict"] not in ("better", "worse"))
    arms = [row["arm"] for row in effects]
    if arms:
        they = "It also changes" if len(arms) == 1 else "They also change"
        kinds = [row["verdict"] for row in effects]
        yield (
            f"Marked {CONFOUNDED}: {ranked(arms, kinds, 10)}. {they} {also_changed(table)} by "
            "more than 10 %, so an effect may be due to that."
        )


def _search(study: Analysis) -> Iterable[str]:
    """The best trial against the baseline: one training each, chosen because it was the best."""
    metric = study.metric
    if study.unlearned == "all":
        return
    done = best_first(study.replicates, study.direction)
    best, base = done.iloc[0], done[done["arm"] == study.baseline]
    trial = f"trial {best['number']} ({best['arm']}), {metric.value(best['value'])}"
    if base.empty:
        yield f"Best found: {trial}; the baseline has no finished trial to compare it with."
    elif best["arm"] == base.iloc[0]["arm"]:
        yield none_better(metric, best["value"])
        return
    elif study.unlearned:
        yield f"Best found: {trial}."
    else:
        difference = metric.difference(best["value"] - base.iloc[0]["value"])
        yield (
            f"Best found: {trial}; the baseline, trained once as well: "
            f"{metric.value(base.iloc[0]['value'])}. That is {difference}."
        )
    yield from at_the_edge(study)
    main = study.confirmation
    if main is not None and best["arm"] in set(main.replicates["arm"]):
        return  # it has been repeated
    yield (
        f"It is one training, and the best of {counted(len(done), 'complete setting')}: not "
        "replicated, and optimistic because it was selected. Take it as exploratory until it has "
        "been repeated on fresh seeds."
    )


def none_better(metric: Metric, baseline: float) -> str:
    """That no trial of a search was better than the baseline's value."""
    beyond = "above" if metric.sign > 0 else "below"
    return f"No trial was {beyond} the baseline's {metric.value(baseline)}."


def at_the_edge(study: Analysis, chosen: str = "") -> Iterable[str]:
    """Where a setting lies at an end of what could be drawn, so that better may lie beyond.

    Args:
        study: the search.
        chosen: the arm that its confirmation has chosen; empty for the search's best trial.
    """
    rows = study.finished
    if chosen:
        rows = rows[rows["arm"] == chosen]
        if chosen == study.baseline:  # which nobody drew
            return
    which = "chosen setting" if chosen else "best trial"
    for edge in edges(rows, study.table.factors, study.direction):
        kind = "upper" if edge.is_upper else "lower"
        where = "at" if edge.value == edge.end else "close to"
        yield (
            f"{edge.name}={edge.value:.6g} of the {which} lies {where} the {kind} end of what was "
            f"tried, {edge.low:.6g} to {edge.high:.6g}."
        )
