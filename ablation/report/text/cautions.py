"""What an answer says first: that networks have learned nothing, or were still learning."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.health import collapsed, is_at_chance, unlearned, untrained_arms
from ablation.report.effects.replicates import replicates
from ablation.report.rendering.formatting import counted, interval, listed, percent, points, records
from ablation.report.text.sensitivity import is_path, without
from ablation.statistics.inference import PairedTest, paired_test, sign


def cautions(table: StudyTable) -> Iterable[str]:
    """Sentences on one stage of a study; none where its networks have learned all they could."""
    if said := nothing_to_compare(table):
        yield " ".join(said)
    elif untrained := list(untrained_arms(table.trials)):
        items = [f"{arm}{_exceptions(table, arm)}" for arm in untrained]
        yield (
            f"Untrained, at chance level: {listed(items)}. There is no verdict on such an arm, nor "
            "on what is compared with it."
        )
    if table.design != "search":
        yield from _collapsed(table)
        yield from rising(table)


def nothing_to_compare(table: StudyTable) -> list[str]:
    """That one stage's arms have learned nothing, so that nothing is compared, and what to do.

    Two sentences; none where there is something to compare with the baseline.
    """
    base = str(table.arms["arm"].iloc[0])
    what = "trials" if table.design == "search" else "arms"
    where = " on the path" if is_path(table) else ""
    done = set(replicates(table.trials)["arm"])
    finished = "" if done >= set(table.arms["arm"]) else " that have finished"
    which = unlearned(table.trials, table.arms)
    if not which:
        return []
    said = {
        "all": (
            f"Nothing was learned{where}: all {what}{finished} are at chance level, so nothing is "
            "compared."
        ),
        "baseline": (
            f"Nothing is compared with {base}{where}: it is at chance level"
            f"{_exceptions(table, base) or ', so it has learned nothing'}."
        ),
        "others": (
            f"Only {base} has learned anything{where}: all other {what}{finished} are at chance "
            "level, so nothing is compared with it."
        ),
    }
    if len(table.arms) == 1:
        said["all"] = f"Nothing was learned: {base} is at chance level."
    return [said[which], "Try more epochs or another learning rate."]


def _exceptions(table: StudyTable, arm: str) -> str:
    """How many seeds of an untrained arm have learned something, in brackets; empty if none."""
    done = replicates(table.trials)
    own = done[done["arm"] == arm]
    learned = int((~is_at_chance(own)).sum())
    return f" ({learned} of {counted(len(own), 'seed')} above it)" if learned else ""


def _collapsed(table: StudyTable) -> Iterable[str]:
    """Which trainings collapsed, and what the verdicts would be without them."""
    lost = collapsed(table.trials)
    if lost.empty:
        return
    items = [
        f"{row['arm']} seed {row['seed']} ({percent(row['val_accuracy'])})" for row in records(lost)
    ]
    one = len(items) == 1
    what = "A training" if one else f"{len(items)} trainings"
    yield (
        f"{what} collapsed, nearer to chance than to the other seeds of {'its' if one else 'their'}"
        f" arm: {listed(items)}. Verdicts count {'it' if one else 'them'} all the same."
    )
    yield from without(table, lost)


def rising(table: StudyTable) -> Iterable[str]:
    """Whether validation accuracy still rose after the last epoch, by more than the margin."""
    test, how = still_rising(table)
    if arms := _of_one_epoch(table):
        of = "" if set(arms) >= set(replicates(table.trials)["arm"]) else f" of {listed(arms)}"
        yield f"With one epoch it is not known whether accuracies{of} were still rising."
    if not how and (alone := rising_arms(table)):
        items = [
            f"{arm} ({points(test.mean)} in the last one, 95 % interval "
            f"{interval(test.low, test.high)})"
            for arm, test in alone.items()
        ]
        yield (
            f"Still rising after the last epoch: {listed(items)}. The order may change with more "
            "epochs."
        )
    if how:
        ends = "" if test.low > 0 else f", 95 % interval {interval(test.low, test.high)}"
        yield (
            f"Accuracies {how} rising after the last epoch ({points(test.mean)} in the last one"
            f"{ends}): the order may change with more epochs."
        )


def still_rising(table: StudyTable) -> tuple[PairedTest, str]:
    """What the last epoch's steps say of their mean, and how sure a rise above the margin is.

    ``were still`` where it is shown to be above 0, ``may still be`` where it is not; else empty.
    """
    test = last_rise(table)
    if test.why_not or not test.mean > table.margin:
        return test, ""
    return test, "were still" if test.low > 0 else "may still be"


def rising_arms(table: StudyTable) -> dict[str, PairedTest]:
    """By arm whose accuracy was still rising by more than the margin, its last epoch's steps."""
    steps = last_steps(table.trials, table.epochs).groupby(level="arm", sort=False)
    tests = {str(arm): paired_test(own) for arm, own in steps}
    return {
        arm: test
        for arm, test in tests.items()
        if sign(test) == "better" and test.mean > table.margin
    }


def _of_one_epoch(table: StudyTable) -> list[str]:
    """The arms that were trained for one epoch."""
    keys = ["stage", "number"]
    own = table.epochs.merge(replicates(table.trials)[keys], on=keys)
    last = own.groupby("arm", sort=False)["epoch"].max()
    return [str(arm) for arm in last.index[last == 1]]


def last_rise(table: StudyTable) -> PairedTest:
    """What the last epoch's steps say of their mean.

    Arms share their seeds, so the steps of one seed count as one value, their mean. With a single
    seed each arm is a value.
    """
    last = last_steps(table.trials, table.epochs)
    by_seed = last.groupby(level="seed").mean()
    return paired_test(by_seed if len(by_seed) > 1 else last)


def last_steps(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.Series[float]:
    """Of each training, by arm and seed, its last epoch's accuracy less that of the one before."""
    keys = ["stage", "number"]
    own = epochs.merge(replicates(trials)[keys], on=keys).sort_values("epoch")
    steps = own.assign(step=own.groupby(keys)["val_accuracy"].diff())
    last = steps.groupby(keys).tail(1).set_index(["arm", "seed"])
    return last["step"].dropna().astype(float)
