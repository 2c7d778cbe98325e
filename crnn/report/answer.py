"""The answer in plain words, which the console and the reports begin with.

It is made from the verdicts: what is better, worse or equivalent, by how much and how sure that is,
and what would settle what is not. Where there is no test it says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from crnn.power import ALPHA, MOST_SEEDS
from crnn.report.contrasts import empty_cells, idle_arms
from crnn.report.edges import edges
from crnn.report.effects import (
    also_changed,
    compared,
    confounded,
    identities,
    paired,
    paired_tests,
    replicates,
    trained,
    verdicts_on_test,
)
from crnn.report.found import finished
from crnn.report.inference import PairedTest, paired_test, within
from crnn.report.table import StudyTable, stages
from crnn.report.wording import (
    CONFOUNDED,
    counted,
    interval,
    listed,
    percent,
    points,
    records,
)

# In the order in which they are said.
VERDICTS = {
    "better": "Better than {base}",
    "worse": "Worse than {base}",
    "equivalent": "Equivalent to {base}, within ±{margin} points",
    "inconclusive": "Inconclusive",
}


def answer(
    table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame, chosen: Sequence[str] = ()
) -> list[str]:
    """The findings and the space's own notes: one plain sentence or two an item.

    Args:
        table: the study.
        effects: its effects, of ``crnn.report.effects.effects``.
        contrasts: its contrasts, of ``crnn.report.contrasts.contrasts``.
        chosen: what comes first: of a search, which setting has been chosen by confirmation.
    """
    return [*incomplete(table), *chosen, *findings(table, effects, contrasts), *table.notes]


def findings(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> list[str]:
    """The answer without the notes of the space's author and without what is missing."""
    if not effects["n"].any():
        return [f"No trial has finished yet (0 of {table.wanted:,}), so there is no answer."]
    if table.design == "search":
        return list(_search(table, effects))
    base = effects.iloc[0]
    if len(effects) == 1:
        over = f"{percent(base['val_mean'])} over {counted(int(base['n']), 'seed')}"
        return [f"{base['arm']}: {over}. It is the only arm, so there is nothing to compare."]
    tests, names = paired_tests(table.trials, table.arms), compared(effects, effects)
    return [
        *_verdicts(table, effects, tests),
        *_unadjusted(effects, names),
        *_untested(tests, names),
        *_averages(table, contrasts),
        *_additivity(contrasts),
        *_confounded(table, effects),
        *_recommended(table, effects),
        *_on_test(table, effects, names),
    ]


def incomplete(table: StudyTable) -> list[str]:
    """What keeps the answer from being final: trials that lack, and looks beyond the first."""
    finished, notes = counts(table)["finished"], []
    # A search's failures count as tried, and are not trained again.
    search, failed = table.design == "search", counts(table).get("failed", 0)
    if finished and finished + failed * search < table.wanted:
        failed *= not search
        also = f" and {failed:,} failed (--retry-failed trains them once more)" * bool(failed)
        notes.append(
            f"Preliminary: {finished:,} of {table.wanted:,} trials have finished{also}, so the "
            "answer may change."
        )
    every = stages(table)
    paths = [stage.path for stage in every]
    for stage in every:
        if len(stage.looks) > 1:
            where = " on the path" if any(stage is path for path in paths) else ""
            notes.append(_looks(stage.looks, where))
    return notes


def _looks(looks: Sequence[int], where: str) -> str:
    """That verdicts on a stage were produced more than once."""
    *earlier, last = [f"{trials:,}" for trials in looks]
    return (
        f"Look {len(looks)}, error rate not controlled: verdicts{where} were produced at "
        f"{', '.join(earlier)} and {last} finished trials. Testing again as they come in finds "
        "differences by chance more often than 5 %."
    )


def all_ended(table: StudyTable) -> bool:
    """Whether each trial that the study wants has finished or failed."""
    if table.design == "search":
        found = counts(table)
        return found["finished"] + found.get("failed", 0) >= table.wanted
    return len(identities(table.trials, "COMPLETE", "FAIL")) >= table.wanted


def counts(table: StudyTable) -> dict[str, int]:
    """Trials by what became of them, the empty kinds left out but for ``finished``.

    ``finished`` are complete trials and, in a search, those that its pruner stopped after an
    epoch at least; a trial that was pruned before any was a draw that cannot exist. What was drawn
    again and not trained is among them only where the search lets it count.
    """
    state, begun = table.trials["state"], trained(table.trials, table.epochs)
    stopped = int(((state == "PRUNED") & begun).sum())
    kinds = {
        "stopped early": stopped,
        "failed": int((state == "FAIL").sum()),
        "under way or cut off": int((state == "RUNNING").sum()),
        "infeasible": int(((state == "PRUNED") & ~begun).sum()),
    }
    finished = int((state == "COMPLETE").sum()) + stopped
    if again := int((table.trials["duplicate_of"].notna() & begun).sum()):
        kinds["drawn again"] = again
        finished -= 0 if table.reuses else again
    return {"finished": finished} | {kind: number for kind, number in kinds.items() if number}


def _averages(table: StudyTable, contrasts: pd.DataFrame) -> Iterable[str]:
    """A factorial's main effects and interactions, a sentence each."""
    if table.design != "factorial":
        return
    kinds = {
        "main": "Averaged over the levels of the other factors",
        "interaction": "Together, beyond the sum of both",
    }
    for kind, words in kinds.items():
        found = contrasts[contrasts["kind"] == kind]
        items = [
            f"{row['term']} {points(row['delta'])} (95 % interval "
            f"{interval(row['ci_low'], row['ci_high'])}, "
            f"{_significant(row)})"
            for row in records(found[found["p_holm"].notna()])
        ]
        if items:
            yield f"{words}: {listed(items)}."
    if empty := empty_cells(table.trials, table.arms):
        yield f"No averages over factors yet: nothing has finished in {listed(empty)}."
    elif not (contrasts["kind"] == "main").any():
        yield (
            "No averages over factors: that takes two seeds, pairs that differ, and levels that "
            "meet the same levels of the other factors."
        )
    for name, left in idle_arms(table.arms, list(table.factors)).items():
        yield f"Not in the means of {name}, which has no effect there: {listed(left)}."


def _additivity(contrasts: pd.DataFrame) -> Iterable[str]:
    """What several changes give together, beyond the sum of what each gives alone."""
    for row in records(contrasts[(contrasts["kind"] == "additivity") & contrasts["n"].gt(0)]):
        arm, _, parts = row["term"].partition(" less ")
        sure = ""
        if pd.notna(row["p_holm"]):
            ends = interval(row["ci_low"], row["ci_high"])
            sure = f", 95 % interval {ends}, {_significant(row)}"
        yield (
            f"{arm} beyond the sum of the single effects of {parts}: {points(row['delta'])} "
            f"({counted(int(row['n']), 'seed')}{sure})."
        )


def _significant(row: dict[str, Any]) -> str:
    return "significant" if row["p_holm"] < ALPHA else "not significant"


def _verdicts(
    table: StudyTable, effects: pd.DataFrame, tests: dict[str, PairedTest]
) -> Iterable[str]:
    """A sentence for each verdict that occurs, the largest effects first."""
    base, margin = effects["arm"].iloc[0], f"{100 * table.margin:.2f}"
    rows = effects.sort_values("delta", key=abs, ascending=False, kind="stable")
    for kind, words in VERDICTS.items():
        chosen = rows[rows["verdict"] == kind]
        # What is better, worse or equivalent is so than something, which the sentence names once.
        others = sorted(chosen["against"].unique(), key=base.__ne__)
        groups = [(other, chosen[chosen["against"] == other]) for other in others]
        if kind == "inconclusive":
            groups = [(base, chosen)]
        for other, group in groups:
            items = [_effect(row, other, tests[row["arm"]], table.margin) for row in records(group)]
            if items:
                yield f"{words.format(base=other, margin=margin)}: {listed(items)}."
        if kind == "inconclusive" and len(chosen):
            yield from _settling(chosen, len(tests))


def _effect(row: dict[str, Any], base: str, test: PairedTest, margin: float) -> str:
    """``dropout=0.1 +1.03 points (95 % interval +0.72 to +1.34, 10 seeds)``."""
    other = "" if row["against"] == base else f" against {row['against']}"
    little = within(test, margin) and row["verdict"] in ("better", "worse")
    less = ", by less than the margin" if little else ""
    sure = f"95 % interval {interval(test.low, test.high)}, {counted(test.n, 'seed')}"
    return f"{row['arm']}{other} {points(test.mean)} ({sure}{less})"


def _settling(chosen: pd.DataFrame, family: int) -> Iterable[str]:
    """How many seeds would settle what is inconclusive."""
    low, high = chosen["seeds_to_settle_low"].max(), chosen["seeds_to_settle_high"].max()
    which = "it" if len(chosen) == 1 else "all of them"
    seeds = f"about {low:,.0f} to {high:,.0f}"
    if math.isinf(high):
        seeds = f"more than {MOST_SEEDS:,}" if math.isinf(low) else f"{low:,.0f} or more"
    yield (
        f"{len(chosen)} of {counted(family, 'comparison')} "
        f"{'is' if len(chosen) == 1 else 'are'} inconclusive; at the spread between pairs "
        f"{seeds} seeds would settle {which}, whatever the true differences; large ones take fewer."
    )


def _unadjusted(effects: pd.DataFrame, names: Mapping[str, str]) -> Iterable[str]:
    """Intervals that exclude 0 where the test, for the number of comparisons, does not reject."""
    apart = (effects["ci_low"] > 0) | (effects["ci_high"] < 0)
    arms = [names[arm] for arm in effects.loc[apart & (effects["p_holm"] >= ALPHA), "arm"]]
    if arms:
        what, they = ("interval", "excludes 0") if len(arms) == 1 else ("intervals", "exclude 0")
        it = "it is" if len(arms) == 1 else "they are"
        yield (
            f"Taken alone, the 95 % {what} of {listed(arms)} {they}; adjusted for "
            f"{counted(len(effects) - 1, 'comparison')} (Holm) {it} not significant."
        )


def _untested(tests: dict[str, PairedTest], names: Mapping[str, str]) -> Iterable[str]:
    """Comparisons without a test, by the reason."""
    reasons: dict[str, list[str]] = {}
    for arm, test in tests.items():
        if test.why_not:
            difference = f" {points(test.mean)}" if test.n else ""
            reasons.setdefault(test.why_not, []).append(f"{names[arm]}{difference}")
    for reason, items in reasons.items():
        yield f"Not tested, because {reason}: {listed(items)}."


def _confounded(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """Effects that are not the changed setting's alone."""
    also = confounded(table.arms)
    arms = [row["arm"] for row in records(effects) if row["verdict"] and row["arm"] in also]
    if arms:
        they = "It also changes" if len(arms) == 1 else "They also change"
        yield (
            f"Marked {CONFOUNDED}: {listed(arms, 10)}. {they} {also_changed(table.arms)} by more "
            "than 10 %, so an effect may be due to that."
        )


def _on_test(table: StudyTable, effects: pd.DataFrame, names: Mapping[str, str]) -> Iterable[str]:
    """Where the test set, which decides nothing, would have it otherwise."""
    there = verdicts_on_test(table.trials, table.arms, table.margin)
    items = [
        f"{names[row['arm']]} {there[row['arm']]} instead of {row['verdict']}"
        for row in records(effects)
        if row["verdict"] and there[row["arm"]] not in ("", row["verdict"])
    ]
    if items:
        yield f"The test set, which decides nothing, would say otherwise of: {listed(items)}."


def _recommended(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """The setting to take, and what that rests on."""
    base = effects.iloc[0]
    if not base["n"]:
        return
    shown = effects[(effects["verdict"] == "better") & (effects["against"] == base["arm"])]
    if shown.empty:
        undecided = int(effects["verdict"].iloc[1:].isin(["", "inconclusive"]).sum())
        if undecided < len(effects) - 1:
            yield f"Recommended: keep {base['arm']}; no arm has been shown to be better."
        elif (effects["verdict"] != "").any():
            yield "No recommendation yet: every comparison is inconclusive or untested."
        return
    ranked = shown.sort_values("val_mean", ascending=False, kind="stable")
    best = ranked.iloc[0]
    yield (
        f"Recommended: {best['arm']}, {percent(best['val_mean'])} over "
        f"{counted(int(best['n']), 'seed')}, the highest mean of what has been shown to be better "
        f"({base['arm']}: {percent(base['val_mean'])})."
    )
    others = effects[(effects["arm"] != best["arm"]) & (effects["n"] > 0)]
    if len(others) < 2:
        return
    second = others.sort_values("val_mean", ascending=False, kind="stable").iloc[0]
    lead = paired_test(paired(table.trials, str(best["arm"]), str(second["arm"])))
    if not lead.why_not and second["arm"] != base["arm"]:
        which = "Its distance from" if lead.mean < 0 else "Its lead over"
        yield (
            f"{which} {second['arm']} is {points(lead.mean)} "
            f"(95 % interval {interval(lead.low, lead.high)}, for this pair alone)."
        )


def _search(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """The best trial against the baseline: one training each, chosen because it was the best."""
    done = replicates(table.trials).sort_values("val_accuracy", ascending=False, kind="stable")
    best, base = done.iloc[0], done[done["arm"] == effects["arm"].iloc[0]]
    found = f"trial {best['number']} ({best['arm']}), {percent(best['val_accuracy'])}"
    if base.empty:
        yield f"Best found: {found}; the baseline has no finished trial to compare it with."
    elif best["arm"] == base.iloc[0]["arm"]:
        yield f"No trial was above the baseline's {percent(best['val_accuracy'])}."
        return
    else:
        difference = best["val_accuracy"] - base.iloc[0]["val_accuracy"]
        yield (
            f"Best found: {found}; the baseline, trained once as well: "
            f"{percent(base.iloc[0]['val_accuracy'])}. That is {points(difference)}."
        )
    yield from at_the_edge(table)
    main = table.confirmation
    if main is not None and best["arm"] in set(replicates(main.trials)["arm"]):
        return  # it has been repeated
    yield (
        f"It is one training, and the best of {counted(len(done), 'complete setting')}: not "
        "replicated, and optimistic because it was selected. Take it as exploratory until it has "
        "been repeated on fresh seeds."
    )


def at_the_edge(table: StudyTable, chosen: str = "") -> Iterable[str]:
    """Where a setting lies at an end of what could be drawn, so that better may lie beyond.

    Args:
        table: the search.
        chosen: the arm that its confirmation has chosen; empty for the search's best trial.
    """
    rows = finished(table.trials, table.arms, table.factors)
    if chosen:
        rows = rows[rows["arm"] == chosen]
        if chosen == table.arms["arm"].iloc[0]:  # which nobody drew
            return
    which = "chosen setting" if chosen else "best trial"
    for edge in edges(rows, table.factors):
        kind = "upper" if edge.is_upper else "lower"
        where = "at" if edge.value == edge.end else "close to"
        yield (
            f"{edge.name}={edge.value:.6g} of the {which} lies {where} the {kind} end of what was "
            f"tried, {edge.low:.6g} to {edge.high:.6g}."
        )
