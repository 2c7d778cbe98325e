"""Which runs of different arms belong together: by seed, by fold, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE, FAIL
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.rows.labels import Labels
from ablation.runs.wording import in_order, order_of, some
from ablation.statistics.comparison import Comparison

MOST_LINES = 12
MOST_FOLDS = 10  # of one cross-validation that nobody has to ask about
USUAL_FOLDS = (5, 10, 3, 4, 2)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Runs with what pairs them.

    Attributes:
        comparison: how arms are compared, without what is known of blocks.
        runs: a row a run; ``key`` is what pairs it, or tells it apart.
        lines: what was done, a sentence each.
    """

    comparison: Comparison
    runs: pd.DataFrame
    lines: list[str]


def pair(
    runs: pd.DataFrame,
    columns: Columns,
    against: Sequence[int | None],
    labels: Labels,
    folds: int | None = None,
) -> Pairing:
    """Runs with what pairs them.

    Args:
        runs: a row a run.
        columns: which column is what.
        against: by arm, the arm it is compared with.
        labels: what runs are called.
        folds: K of the cross-validation, where that is not its number of splits.
    """
    complete = runs[runs["state"] == COMPLETE]
    if columns.sd:
        line = "means over runs, with their sd and number: unpaired, Welch's test from these"
        return Pairing(Comparison("summaries", of=columns.n or "run"), runs.assign(key=""), [line])
    shares_seeds = bool(columns.seed) and _share(complete, "seed", against)
    if columns.fold and not (shares_seeds and complete["seed"].nunique() > 1):
        return _by_fold(runs, complete, columns, folds)
    if columns.fold:
        return _by_seed_over_folds(runs, complete, columns, labels)
    if columns.seed and shares_seeds:
        return Pairing(Comparison("paired", of=known.bare(columns.seed)), _key(runs, "seed"), [])
    if columns.seed:
        return _unpaired(runs, columns.seed, "seed", _unshared_line(complete, columns))
    if columns.run:
        return _unpaired(runs, columns.run, "run", _run_line(runs, columns))
    line = (
        "no column tells which runs belong together: unpaired, Welch's test (--seed COLUMN pairs)"
    )
    keyed = runs.assign(key=runs["line"].astype(str))
    if keyed.duplicated(["arm", "block", "key"]).any():
        keyed["key"] = runs["place"].astype(str)
    single = complete.groupby(["arm", "block"]).size().max() == 1
    if single:
        keyed["key"] = "1"  # so that data sets find each other
    return Pairing(Comparison("welch", of="run"), keyed, [] if single else [line])


def _key(runs: pd.DataFrame, role: str) -> pd.DataFrame:
    return runs.assign(key=runs[role])


def _share(complete: pd.DataFrame, role: str, against: Sequence[int | None]) -> bool:
    """Whether any arm has a value in common with the arm that it is compared with."""
    values = complete.groupby("arm")[role].agg(set)
    return any(
        other is not None and arm in values and other in values and values[arm] & values[other]
        for arm, other in enumerate(against)
    )


def _unpaired(runs: pd.DataFrame, column: str, role: str, line: str) -> Pairing:
    return Pairing(Comparison("welch", of=known.bare(column)), _key(runs, role), [line])


def _unshared_line(complete: pd.DataFrame, columns: Columns) -> str:
    if complete.groupby("arm").size().max() == 1:
        return f"no value of {columns.seed} is shared by two arms: unpaired"
    return (
        f"no arm shares a value of {columns.seed} with the arm it is compared with: unpaired, "
        "Welch's test"
    )


def _run_line(runs: pd.DataFrame, columns: Columns) -> str:
    name = columns.run
    if not runs["run"].str.fullmatch(r"\d+(\.\d+)?").all():
        return f"{name} only tells runs apart: unpaired, Welch's test (--seed COLUMN pairs runs)"
    first = in_order(list(runs["run"].unique()))[0]
    return (
        f"{name} is a number, not a seed: unpaired, Welch's test (--seed {name} if {name} {first} "
        "of every arm shared its seed)"
    )


def check_folds(runs: pd.DataFrame, columns: Columns, options: Options, reasons: Reasons) -> None:
    """Refuse splits that may be of one cross-validation or of several, and a K they cannot have.

    How often a cross-validation was repeated stands in no column. The splits of r repetitions of K
    folds, taken for one of r·K folds, would make the correction far too small.
    """
    complete = runs[runs["state"] == COMPLETE]
    count, folds = complete["fold"].nunique(), options.folds
    if not columns.fold:
        if folds:
            reasons.add(f"--folds {folds}: no column is a fold")
    elif columns.repeat:
        if folds and folds != (said := _folds_of_a_repeat(complete)):
            reasons.add(
                f"--folds {folds}: {columns.repeat} and {columns.fold} say that it is {said}; "
                "leave --folds out"
            )
    elif folds and (folds < 2 or count % folds):
        reasons.add(
            f"--folds {folds}: {columns.fold} has {count} values, which are no whole number of "
            f"cross-validations of {folds} folds"
        )
    elif not folds and count > MOST_FOLDS and _shares_no_seed(complete, columns):
        usual = [each for each in USUAL_FOLDS if count % each == 0]
        if usual:
            reasons.add(
                f"{columns.fold} has {count} values: --folds {usual[0]} if they are {usual[0]} "
                f"folds repeated {count // usual[0]} times, --folds {count} if they are one "
                "cross-validation"
            )


def _shares_no_seed(complete: pd.DataFrame, columns: Columns) -> bool:
    """Whether folds pair runs: where there are several seeds they may be averaged instead."""
    return not columns.seed or complete["seed"].nunique() < 2


def _folds_of_a_repeat(complete: pd.DataFrame) -> int:
    """K of a cross-validation whose repetitions have a column."""
    return int(complete.groupby("run")["fold"].nunique().max())


def _by_fold(
    runs: pd.DataFrame, complete: pd.DataFrame, columns: Columns, folds: int | None
) -> Pairing:
    count = complete["fold"].nunique()
    size = folds or (_folds_of_a_repeat(complete) if columns.repeat else count)
    what = f"{count} folds of one cross-validation share training data"
    if size < count:
        of = f" ({columns.repeat})" if columns.repeat else ""
        what = f"{-(-count // size)} repetitions of {size} folds{of} share training data"
    lines = [
        f"{what}: intervals and tests are corrected (Nadeau and Bengio): "
        f"s·√(1/{count} + 1/{max(size - 1, 1)})"
    ]
    if (
        size == count
        and not folds
        and (repeated := [each for each in (5, 3, 2) if count % each == 0 and each < count])
    ):
        lines[0] += f" (--folds {repeated[0]} if {repeated[0]} folds were repeated)"
    if complete.duplicated(["arm", "block", "fold"]).any():
        what = columns.seed or columns.run
        lines.append(f"each fold's figure is the mean over its values of {what}")
        runs = _average(runs, ["arm", "block", "fold"])
    elif columns.seed and complete["seed"].nunique() > 1:
        lines.append(f"no arm shares a value of {columns.seed} with another: pairs by fold")
    of = known.bare(columns.fold)
    return Pairing(Comparison("folds", folds=size, of=of), _key(runs, "fold"), lines)


def _by_seed_over_folds(
    runs: pd.DataFrame, complete: pd.DataFrame, columns: Columns, labels: Labels
) -> Pairing:
    folds = in_order(list(complete["fold"].unique()))
    keys = ["arm", "block", "seed"]
    counts = complete.groupby(keys)["fold"].nunique()
    averaged = _average(runs, keys)
    found = counts.reindex(pd.MultiIndex.from_frame(averaged[keys]), fill_value=0).to_numpy()
    short = (found < len(folds)) & (averaged["state"] == COMPLETE)
    averaged.loc[short, "failure"] = [f"{n} of {len(folds)} folds" for n in found[short]]
    averaged.loc[short, "state"] = FAIL
    averaged.loc[short, ["value", "test_value"]] = float("nan")
    lines = [
        f"{len(folds)} folds are averaged for each {columns.seed}: folds share training data, so "
        f"pairs are by {columns.seed}"
    ]
    if short.any():
        names = labels.some(averaged[short].assign(fold=""))
        lines.append(f"{names}: without all {len(folds)} folds, so without a mean: left out")
    return Pairing(Comparison("paired", of=known.bare(columns.seed)), _key(averaged, "seed"), lines)


def _average(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row a group: the means of what is complete in it, or its first failure."""
    complete = runs["state"] == COMPLETE
    first = runs.assign(late=~complete).sort_values("late", kind="stable").drop_duplicates(keys)
    means = runs[complete].groupby(keys)[["value", "test_value"]].mean()
    values = means.reindex(pd.MultiIndex.from_frame(first[keys]))
    first = first.drop(columns="late").sort_index()
    values = means.reindex(pd.MultiIndex.from_frame(first[keys]))
    return first.assign(
        value=values["value"].to_numpy(), test_value=values["test_value"].to_numpy()
    )


def missing_lines(
    pairing: Pairing, labels: Labels, against: Sequence[int | None], block: str
) -> list[str]:
    """Which arms lack what others have, and how many pairs are left; a sentence an arm."""
    if not pairing.comparison.is_paired:
        return []
    runs, of = pairing.runs, pairing.comparison.of
    done = runs[runs["state"] == COMPLETE]
    wanted = sorted(
        set(zip(done["block"], done["key"], strict=True)),
        key=lambda each: (order_of(each[0]), order_of(each[1])),
    )
    present = {
        arm: set(zip(rows["block"], rows["key"], strict=True)) for arm, rows in runs.groupby("arm")
    }
    complete = _complete_keys(runs)
    keys = len({key for _, key in wanted})
    lines = []
    for arm, name in enumerate(labels.arms):
        missing = [each for each in wanted if each not in present.get(arm, set())]
        if not missing:
            continue
        text = some(", ".join(filter(None, (b, f"{of} {key}"))) for b, key in missing)
        if not block:
            text = f"{of} {some(key for _, key in missing)}"
        other = against[arm]
        pairs = "" if other is None else len(complete.get(arm, set()) & complete.get(other, set()))
        rest = (
            "" if other is None else f": {pairs} pair{'' if pairs == 1 else 's'} instead of {keys}"
        )
        lines.append(f"{name} lacks {text}{rest}")
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"{more} more arms lack others"] if more > 0 else [])]


def _complete_keys(runs: pd.DataFrame) -> dict[int, set[str]]:
    """By arm, the keys that are complete in every block."""
    complete = runs[runs["state"] == COMPLETE]
    blocks = complete["block"].nunique()
    counts = complete.groupby(["arm", "key"])["block"].nunique()
    whole = counts[counts == blocks].reset_index()
    return {rows["arm"].iloc[0]: set(rows["key"]) for _, rows in whole.groupby("arm")}


def replication_lines(pairing: Pairing, columns: Columns, names: Sequence[str]) -> list[str]:
    """That there is one run an arm, or one seed for all of them."""
    complete = pairing.runs[pairing.runs["state"] == COMPLETE]
    if columns.sd or complete.empty:
        return []
    lines = []
    if complete.groupby(["arm", "block"]).size().max() == 1:
        lines.append(
            "one run an arm: means only, no test and no verdict; more seeds would give one"
        )
        spreads = [name for name in names if known.words_of(name) & known.DEVIATIONS]
        if spreads:
            lines.append(
                f"{some(spreads)} may be standard deviations over runs: --sd {spreads[0]} --n RUNS "
                "(a column or a number) tests means by them"
            )
    if columns.seed and complete["seed"].nunique() == 1 and len(complete) > 1:
        lines.append(
            f"{columns.seed} is {complete['seed'].iloc[0]} in every run: one seed is no replication"
        )
    return lines
