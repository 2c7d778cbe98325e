"""What an answer says first: that networks have learned nothing, or were still learning."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.effects.blocks import constant_arms
from ablation.report.effects.health import seeds_text
from ablation.report.effects.last_epoch import KEYS, epoch_numbers, still_learning
from ablation.report.rendering.formatting import capitalized, listed, records
from ablation.report.text.comparisons import pair
from ablation.report.text.sensitivity import is_path, without
from ablation.statistics.inference import MeanDifference, paired_test, sign

CONSTANT = 6  # arms that are named


def cautions(stage: Analysis) -> Iterable[str]:
    """Sentences on one stage of a study; none where its networks have learned all they could."""
    if seeds := stage.same_seeds:
        yield (
            f"{capitalized(seeds_text(seeds))} gave the same figures to the last digit: "
            f"{stage.table.words.seed_question} There are no verdicts."
        )
    if said := nothing_to_compare(stage):
        yield " ".join(said)
    elif untrained := list(stage.untrained):
        items = [f"{arm}{_exceptions(stage, arm)}" for arm in untrained]
        yield (
            f"Untrained, at chance level: {listed(items)}. There is no verdict on such an arm, nor "
            "on what is compared with it."
        )
    yield from _constant(stage)
    if stage.table.design != "search":
        yield from _collapsed(stage)
        yield from improving(stage)


def _constant(stage: Analysis) -> Iterable[str]:
    """Arms whose runs all have the same figure, where nothing else is known of the runs."""
    table = stage.table
    if table.knows_trainings or table.comparison.method == "summaries":
        return
    of = pair(table.comparison)
    why = f"deterministic, or its {of} is not used" if of == "seed" else "deterministic, or copied"
    runs = table.blocks if len(table.blocks) else table.trials
    items = [
        f"{arm}{f' on {block}' if block else ''}: the same figure for all {counted(n, of)}"
        for block, arm, n in constant_arms(runs)
    ]
    for item in items[:CONSTANT]:
        yield f"{item}: {why}."
    if len(items) > CONSTANT:
        yield f"So it is of {len(items) - CONSTANT:,} more."


def nothing_to_compare(stage: Analysis) -> list[str]:
    """That one stage's arms have learned nothing, so that nothing is compared, and what to do.

    Two sentences; none where there is something to compare with the baseline.
    """
    table, base = stage.table, stage.baseline
    what = "trials" if table.design == "search" else "arms"
    where = " on the path" if is_path(table) else ""
    done = set(stage.replicates["arm"])
    finished = "" if done >= set(table.arms["arm"]) else " that have finished"
    which = stage.unlearned
    if not which:
        return []
    said = {
        "all": (
            f"Nothing was learned{where}: all {what}{finished} are at chance level, so nothing is "
            "compared."
        ),
        "baseline": (
            f"Nothing is compared with {base}{where}: it is at chance level"
            f"{_exceptions(stage, base) or ', so it has learned nothing'}."
        ),
        "others": (
            f"Only {base} has learned anything{where}: all other {what}{finished} are at chance "
            "level, so nothing is compared with it."
        ),
    }
    if len(table.arms) == 1:
        said["all"] = f"Nothing was learned: {base} is at chance level."
    return [said[which], "Try more epochs or another learning rate."]


def _exceptions(stage: Analysis, arm: str) -> str:
    """How many seeds of an untrained arm have learned something, in brackets; empty if none."""
    own = stage.replicates[stage.replicates["arm"] == arm]
    learned = int((~stage.is_at_chance(own)).sum())
    beyond = "above" if stage.metric.sign > 0 else "below"
    return f" ({learned} of {counted(len(own), 'seed')} {beyond} it)" if learned else ""


def _collapsed(stage: Analysis) -> Iterable[str]:
    """Which trainings collapsed, and what the verdicts would be without them."""
    lost = stage.collapsed
    if lost.empty:
        return
    items = [
        f"{row['arm']} seed {row['seed']} ({stage.metric.value(row['value'])})"
        for row in records(lost)
    ]
    one = len(items) == 1
    what = "A training" if one else f"{len(items)} trainings"
    yield (
        f"{what} collapsed, nearer to chance than to the other seeds of {'its' if one else 'their'}"
        f" arm: {listed(items)}. Verdicts count {'it' if one else 'them'} all the same."
    )
    yield from without(stage, lost)


def improving(stage: Analysis) -> Iterable[str]:
    """Whether the metric still got better after the last epoch, by more than the margin."""
    metric, where = stage.metric, " on the path" if is_path(stage.table) else ""
    epoch = stage.table.words.epoch
    test, how = still_improving(stage)
    if arms := _of_one_epoch(stage):
        of = "" if set(arms) >= set(stage.replicates["arm"]) else f" of {listed(arms)}"
        values = f"{metric.plural}{of} were still {metric.improving}"
        yield f"With one {epoch} it is not known whether {values}."
    if not how and (alone := improving_arms(stage)):
        items = [
            f"{arm} ({metric.difference(test.mean)} in the last one, 95 % interval "
            f"{metric.interval(test.low, test.high)})"
            for arm, test in alone.items()
        ]
        yield (
            f"Still {metric.improving} after the last {epoch}{where}: {listed(items)}. The order "
            f"may change with more {epoch}s."
        )
    if how:
        is_shown = sign(test, stage.direction) == "better"
        ends = "" if is_shown else f", 95 % interval {metric.interval(test.low, test.high)}"
        values = capitalized(metric.plural)
        yield (
            f"{values}{where} {how} {metric.improving} after the last {epoch} "
            f"({metric.difference(test.mean)} in the last one{ends}): the order may change with "
            f"more {epoch}s."
        )


def still_improving(stage: Analysis) -> tuple[MeanDifference, str]:
    """What the last epoch's steps say of their mean, and how sure a gain above the margin is.

    ``were still`` where it is shown to be one, ``may still be`` where it is not; else empty.
    """
    test = last_gain(stage)
    if test.why_not or not stage.metric.sign * test.mean > stage.table.margin:
        return test, ""
    return test, "were still" if sign(test, stage.direction) == "better" else "may still be"


def improving_arms(stage: Analysis) -> dict[str, MeanDifference]:
    """By arm that was still getting better by more than the margin, its last epoch's steps."""
    steps = last_steps(stage).groupby(level="arm", sort=False)
    tests = {str(arm): paired_test(own) for arm, own in steps}
    return {
        arm: test
        for arm, test in tests.items()
        if sign(test, stage.direction) == "better" and abs(test.mean) > stage.table.margin
    }


def _of_one_epoch(stage: Analysis) -> list[str]:
    """The arms that were trained for one epoch."""
    rows = still_learning(stage.table, stage.replicates)
    numbers = epoch_numbers(stage.table.epochs).reindex(pd.MultiIndex.from_frame(rows[KEYS]))
    longest = pd.Series(numbers.to_numpy()).groupby(rows["arm"].to_numpy(), sort=False).max()
    return [str(arm) for arm in longest.index[longest == 1]]


def last_gain(stage: Analysis) -> MeanDifference:
    """What the last epoch's steps say of their mean.

    Arms share their seeds, so the steps of one seed count as one value, their mean. With a single
    seed each arm is a value.
    """
    last = last_steps(stage)
    by_seed = last.groupby(level="seed").mean()
    return paired_test(by_seed if len(by_seed) > 1 else last)


def last_steps(stage: Analysis) -> pd.Series[float]:
    """Of each training, by arm and seed, its last epoch's value less that of the one before."""
    rows = still_learning(stage.table, stage.replicates)
    own = stage.table.epochs.merge(rows[KEYS], on=KEYS).sort_values("epoch")
    steps = own.assign(step=own.groupby(KEYS)["value"].diff())
    last = steps.groupby(KEYS).tail(1).set_index(["arm", "seed"])
    return last["step"].dropna().astype(float)
