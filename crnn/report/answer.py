"""The answer in plain words, which the console and the reports begin with.

Nothing has been tested here, so the words claim no significance: they say mean differences, the
lowest and the highest pair, and how many pairs there are.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from crnn.report.effects import average_effects, pair_ranges, paired, replicates
from crnn.report.table import StudyTable
from crnn.report.wording import counted, listed, percent, points, signed

# In the order in which they are said; see `_kind`.
KINDS = {
    "above": "Above {base} in every pair, by more than the margin of {margin} points on average",
    "below": "Below {base} in every pair, by more than the margin of {margin} points on average",
    "small": "On one side of {base} in every pair, but within ±{margin} points on average",
    "mixed": "Not told apart from {base} (pairs differ in sign), though beyond ±{margin} points",
    "alike": "Not told apart from {base} (pairs differ in sign), and within ±{margin} points",
    "single": "Against {base}, trained once each, so how much of it is chance cannot be said",
    "none": "Not compared with {base}, for want of a seed that both sides finished",
}


def answer(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """The findings and the space's own notes: one plain sentence or two an item.

    Args:
        table: the study.
        effects: its effects, of ``crnn.report.effects.effects``.
    """
    return [*incomplete(table), *findings(table, effects), *table.notes]


def findings(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """The answer without the notes of the space's author and without what is missing."""
    if not effects["n"].any():
        return [f"No trial has finished yet (0 of {table.wanted:,}), so there is no answer."]
    if table.design == "search":
        return list(_search(table, effects))
    best, averages = _best(table, effects), _averages(table)
    return [*best, *averages, *_comparisons(table, effects), *_untested(table)]


def incomplete(table: StudyTable) -> list[str]:
    """A sentence where fewer trials have finished than the study wants, and some have."""
    finished = counts(table)["finished"]
    if not 0 < finished < table.wanted:
        return []
    return [
        f"The study is incomplete: {finished:,} of {table.wanted:,} trials have finished, "
        "so its answer may change."
    ]


def counts(table: StudyTable) -> dict[str, int]:
    """Trials by what became of them, the empty kinds left out but for ``finished``.

    ``finished`` are complete trials and, in a search, those that its pruner stopped after an
    epoch at least; a trial that was pruned before any was a draw that cannot exist.
    """
    state, trained = table.trials["state"], table.trials["number"].isin(table.epochs["number"])
    stopped = int(((state == "PRUNED") & trained).sum())
    kinds = {
        "stopped early": stopped,
        "failed": int((state == "FAIL").sum()),
        "running": int((state == "RUNNING").sum()),
        "infeasible": int(((state == "PRUNED") & ~trained).sum()),
    }
    finished = int((state == "COMPLETE").sum()) + stopped
    return {"finished": finished} | {kind: number for kind, number in kinds.items() if number}


def _best(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """The highest mean, the baseline's beside it, and whether the next one is told apart."""
    ranked = effects[effects["n"] > 0].sort_values("val_mean", ascending=False, kind="stable")
    baseline, best = effects.iloc[0], ranked.iloc[0]
    head = f"Highest mean validation accuracy of {counted(len(ranked), 'arm')}: {best['arm']}"
    means = f"{percent(best['val_mean'])} over {counted(best['n'], 'seed')}"
    if best["arm"] == baseline["arm"]:
        yield f"{head}, {means}."
    else:
        yield f"{head}, {means}; {baseline['arm']}: {percent(baseline['val_mean'])}."
    if len(ranked) > 2:
        yield from _runner_up(table, str(best["arm"]), str(ranked.iloc[1]["arm"]))


def _runner_up(table: StudyTable, best: str, second: str) -> Iterable[str]:
    differences = paired(table.trials, second, best)
    baseline = table.arms["arm"].iloc[0]
    if len(differences) < 2 or second == baseline:  # the comparisons will say it
        return
    kind = _kind(differences.mean(), differences.min(), differences.max(), 2, table.margin)
    apart = {"below": "lower in every pair", "small": "lower in every pair, within the margin"}
    yield (
        f"Next is {second}, {points(differences.mean())} from it "
        f"({_range(differences.min(), differences.max(), len(differences))}): "
        f"{apart.get(kind, 'not told apart from it')}."
    )


def _averages(table: StudyTable) -> Iterable[str]:
    """A factorial's factors, one sentence for all."""
    if table.design != "factorial" or len(table.factors) < 2:
        return
    rows = average_effects(table.trials, table.arms, list(table.factors))
    items = [
        f"{row.factor} {row.level} instead of {row.reference}: {points(row.delta)} "
        f"({counted(row.n, 'seed')}, {signed(row.lowest)} to {signed(row.highest)})"
        for _, row in rows[rows["n"] > 0].iterrows()
    ]
    if items:
        yield f"Averaged over the levels of the other factors: {listed(items)}."


def _comparisons(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """A sentence for each kind of difference that occurs, the largest differences first."""
    baseline = effects["arm"].iloc[0]
    said: dict[str, list[str]] = {kind: [] for kind in KINDS}
    rows = effects.iloc[1:].merge(pair_ranges(table.trials, table.arms), on="arm")
    for _, row in rows.sort_values("delta", key=abs, ascending=False, kind="stable").iterrows():
        other = "" if row["against"] == baseline else f" against {row['against']}"
        kind = _kind(row["delta"], row["lowest"], row["highest"], row["pairs"], table.margin)
        difference = f" {_difference(row)}" if row["pairs"] else ""
        said[kind].append(f"{row['arm']}{other}{difference}")
    margin = f"{100 * table.margin:.2f}"
    for kind, items in said.items():
        if items:
            yield f"{KINDS[kind].format(base=baseline, margin=margin)}: {listed(items, limit=5)}."


def _untested(table: StudyTable) -> Iterable[str]:
    """What the ranges are not, and how little a few pairs on one side mean."""
    pairs = int(pair_ranges(table.trials, table.arms)["pairs"].max())
    if pairs < 2:
        return
    chance = f" Chance alone puts {pairs} pairs on one side one time in {2 ** (pairs - 1)}."
    yield (
        "The ranges are the lowest and the highest pair, not confidence intervals: nothing here "
        f"has been tested for significance.{chance if pairs <= 5 else ''}"
    )


def _kind(mean: float, lowest: float, highest: float, pairs: int, margin: float) -> str:
    if pairs < 2:
        return "single" if pairs else "none"
    if lowest > 0 or highest < 0:
        if abs(mean) <= margin:
            return "small"
        return "above" if mean > 0 else "below"
    return "alike" if abs(mean) <= margin else "mixed"


def _difference(row: pd.Series[float]) -> str:
    lowest, highest, pairs = row["lowest"], row["highest"], int(row["pairs"])
    if pairs == 1:
        return points(row["delta"])
    mixed = "" if lowest > 0 or highest < 0 else f", {int(row['above'])} above"
    return f"{points(row['delta'])} ({_range(lowest, highest, pairs)}{mixed})"


def _range(lowest: float, highest: float, pairs: int) -> str:
    return f"{pairs} pairs, {signed(lowest)} to {signed(highest)}"


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
        beyond = "beyond" if difference > table.margin else "within"
        yield (
            f"Best found: {found}; the baseline, trained once as well: "
            f"{percent(base.iloc[0]['val_accuracy'])}. That is {points(difference)}, {beyond} "
            f"the margin of {100 * table.margin:.2f} points."
        )
    yield (
        f"It is one training, and the best of {counted(len(done), 'finished setting')}: not "
        "replicated, and optimistic because it was selected. Take it as exploratory until it has "
        "been repeated on fresh seeds."
    )
