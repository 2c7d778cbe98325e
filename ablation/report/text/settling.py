"""What looks that were declared have settled, what is open and why, and what that saved."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from ablation.design.settling import Settling
from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import by_size
from ablation.report.effects.looks import verdicts_by_look
from ablation.report.effects.progress import counts
from ablation.report.effects.settling import awaited, ended, last_looks
from ablation.report.rendering.formatting import SLIGHT, listed, records
from ablation.statistics.power import MOST_SEEDS, about

NAMES = 6  # of arms that a sentence has


def awaits(table: StudyTable) -> str:
    """That a look is still awaited, and by how many trainings; empty where none is."""
    settling = table.settling
    if settling is None or settling.next_look is None:
        return ""
    waits, failed = awaited(table, settling), counts(table).get("failed", 0)
    count = f"waits for {counted(waits, 'more training')}"
    if not waits:
        count = "is due: the same command takes it"
    next_one = f"look {settling.next_look} of at most {len(settling.all_looks)}"
    at = counted(settling.next_seeds, "seed")
    done, family = len(settling.family) - len(settling.active), len(settling.family)
    settled = f" {done} of {counted(family, 'comparison')} settled." if settling.taken else ""
    rest = "What is open has" if settling.taken else "Until then there are"
    lost = ""
    if failed:
        them = "it" if failed == 1 else "them"
        lost = f" {failed:,} failed; --retry-failed trains {them} again, for looks to come."
    return (
        f"Preliminary: {next_one}, at {at}, {count}.{settled} {rest} means only: no verdict, no p "
        f"and no interval.{lost}"
    )


def left_out(table: StudyTable) -> Iterable[str]:
    """Once the last look has been taken, how many trainings failed, which no look can have."""
    failed = counts(table).get("failed", 0)
    if failed and table.settling is not None and table.settling.is_over:
        their = "its pair" if failed == 1 else "their pairs"
        yield f"{counted(failed, 'training')} failed: the looks were taken without {their}."


def awaits_briefly(settling: Settling) -> str:
    """The same for a headline."""
    done, family = len(settling.family) - len(settling.active), len(settling.family)
    where = f"look {settling.next_look}, at {counted(settling.next_seeds, 'seed')}, is next"
    return f"Preliminary: {done} of {counted(family, 'comparison')} settled; {where}."


def looks_text(settling: Settling) -> str:
    """``looks at 5, 10, 15 and 20 seeds``."""
    *first, last = map(str, settling.all_looks)
    if not first:
        return f"one look, at {counted(settling.all_looks[0], 'seed')}"
    return f"looks at {', '.join(first)} and {last} seeds"


def about_intervals(table: StudyTable) -> str:
    """What the intervals are that are shown; empty where no look has been taken."""
    if table.settling is None or not table.settling.taken:
        return ""
    looks = len(table.settling.all_looks)
    at = "the one look" if looks == 1 else f"all {looks} looks together"
    at += " and at those of the reserve" if table.settling.reserve else ""
    return f"Intervals are repeated confidence intervals: they hold at {at}."


def settled_when(study: Analysis) -> Iterable[str]:
    """At which look each arm was settled, and what that saved."""
    settling, rows = study.settling, study.effects
    if settling is None or not settling.taken:
        return
    names = comparison_labels(rows, rows)
    groups = [
        (f"look {look.number} ({counted(len(look.seeds), 'seed')})",
         [names[arm] for arm in rows.loc[rows["settled_look"] == look.number, "arm"]])
        for look in settling.taken
    ]  # fmt: skip
    items = [f"at {where}: {listed(arms, NAMES, ', ')}" for where, arms in groups if arms]
    if settling.is_over and (open_still := [names[arm] for arm in settling.active]):
        where = groups[-1][0]
        items.append(f"open after {where}, the last: {listed(open_still, NAMES, ', ')}")
    if items:
        text = "; ".join(items)
        text = f"settled {text}" if not text.startswith("open") else text
        where = "In the confirmation, " if study.table.design == "confirmation" else ""
        text = f"{where}{text}."
        yield f"{text[0].upper()}{text[1:]}"
    if settling.is_over:
        yield _saved(study.table, settling)


def _saved(table: StudyTable, settling: Settling) -> str:
    """What was trained, and what all seeds for every arm would have been."""
    spent, arms, seeds = ended(table), len(settling.against), settling.all_looks[-1]
    every = f"{counted(arms, 'arm')} with {counted(seeds, 'seed')} each"
    if spent >= settling.most:
        return f"{spent:,} trainings, all there could be ({every}): the looks saved none."
    saved = settling.most - spent
    return f"{spent:,} of at most {settling.most:,} trainings ({every}): {saved:,} saved."


def so_far(study: Analysis) -> Iterable[str]:
    """The means of what awaits a look."""
    rows = by_size(study.effects[study.effects["arm"].isin(study.awaiting)])
    names, metric = comparison_labels(study.effects, rows), study.metric
    items = [
        f"{names[row['arm']]} {metric.difference(row['delta'])} "
        f"({counted(int(row['pairs']), 'seed')})"
        for row in records(rows[rows["pairs"] > 0])
    ]
    if items:
        yield f"Open, means so far: {listed(items, NAMES)}."


def found_later(study: Analysis) -> Iterable[str]:
    """Arms that were called equivalent, and are shown to differ since fewer are left to adjust for.

    Holm's adjustment falls as other arms are found to differ, and a verdict is never withdrawn.
    """
    settling = study.settling
    if settling is None:
        return
    names = comparison_labels(study.effects, study.effects)
    by_look = verdicts_by_look(settling, study.direction)
    for arm in settling.family:
        said = [now[arm].verdict for now in by_look]
        if "equivalent" in said and said[-1] in ("better", "worse"):
            first, since = said.index("equivalent") + 1, said.index(said[-1]) + 1
            yield (
                f"{names[arm]}, equivalent at look {first}, is {said[-1]} {SLIGHT} since look "
                f"{since}: its figures are those of look {first}, and Holm's adjustment has fallen "
                "as other arms were found to differ."
            )


def late_pairs(study: Analysis) -> Iterable[str]:
    """Arms with trainings that finished after the look that would have had them."""
    settling, rows = study.settling, study.pairs
    if settling is None:
        return
    counts, own = rows["arm"].value_counts(), last_looks(settling)
    arms = [arm for arm in counts.index if counts[arm] > own[arm].figures.n]
    if arms:
        their = "its last look" if len(arms) == 1 else "their last looks"
        yield (
            f"Finished after {their}, so not in figures and verdict: a training of "
            f"{listed(sorted(arms), NAMES)}."
        )


def open_still(study: Analysis, chosen: pd.DataFrame) -> Iterable[str]:
    """What stayed open at the last look, which difference it would have found, what to declare.

    Args:
        study: the study.
        chosen: the inconclusive effects that have a test.
    """
    settling, metric = study.settling, study.metric
    if settling is None or chosen.empty:
        return
    family, looks = len(settling.family), len(settling.all_looks)
    left = len(settling.active)  # with those that no look could test
    are = "is" if left == 1 else "are"
    said = [
        f"{left} of {counted(family, 'comparison')} {are} open after the last look, at "
        f"{counted(settling.all_looks[len(settling.taken) - 1], 'seed')}."
    ]
    least = chosen["minimum_detectable"].max()
    if least <= metric.largest:
        leave = f"{counted(family, 'comparison')} and {counted(looks, 'look')} leave"
        any_of = "it" if left == 1 else "any of them"
        if len(chosen) < left:
            any_of = "the one that has a test" if len(chosen) == 1 else "any that has a test"
        said.append(
            "Four times in five that look would have found a true difference of "
            f"{metric.size(least)} or more in {any_of} (by the largest spread, at the significance "
            f"that {leave})."
        )
    said += _more_seeds(study, settling, float(chosen["seeds_to_settle_high"].max()))
    yield " ".join(said)


def _more_seeds(study: Analysis, settling: Settling, most: float) -> Iterable[str]:
    """What to declare to settle it: seeds beyond the looks are no look of this study's."""
    margin = f"a difference near the margin of ±{study.metric.margin(study.table.margin)}"
    if settling.reserve:
        yield "A reserve was declared: more --seeds are one more look, at a stricter level."
    else:
        yield "Seeds beyond the last look do not count in this study."
    if math.isfinite(most):
        yield (
            f"To settle even {margin}, declare a new study whose last look has up to about "
            f"{about(most):,} seeds."
        )
    elif not math.isnan(most):
        yield f"Not even {MOST_SEEDS:,} seeds are sure to settle {margin}."
