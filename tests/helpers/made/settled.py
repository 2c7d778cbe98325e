"""Studies whose looks were declared, made up from differences by seed: nothing here trains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ablation.design.settling import Settling, TakenLook
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import pair_differences
from ablation.report.effects.settling import seeds_by_arm
from ablation.statistics.settling import look_figures
from tests.helpers.made.report_studies import alone, study

LOOKS = (5, 10, 15, 20)
Differences = Mapping[str, Sequence[float | None]]
"""By arm, its differences from what it is compared with, by seed, in points; None: it failed."""


def settled(
    differences: Differences,
    looks: Sequence[int] = LOOKS,
    margin: float = 0.5,
    *,
    against: Mapping[str, str] | None = None,
    most: int | None = None,
    begun: int = 0,
    reserve: bool = False,
    **changes: Any,
) -> StudyTable:
    """A study of dropouts and widths whose looks have been taken as a run takes them.

    Args:
        differences: their arms are ``a``, ``b`` and so on, as they come.
        looks: the looks declared.
        margin: in points.
        against: by arm, what it is compared with where that is not the baseline.
        most: the looks taken at most; all that are needed unless given.
        begun: of the look after these, with how many more seeds its arms have been trained.
        reserve: whether looks beyond were provided for.
        **changes: fields of ``StudyTable`` to set at the end.
    """
    table = replace(_whole(differences, looks[-1], against or {}), margin=margin / 100)
    arms = zip(table.arms["arm"], table.arms["against"], strict=True)
    table = replace(table, settling=Settling(tuple(looks), dict(arms), reserve))
    count = len(looks) if most is None else most
    while (settling := table.settling) and not settling.is_over and len(settling.taken) < count:
        table = replace(table, settling=look_at(table, settling))
    return replace(trained(table, begun), **changes)


def look_at(table: StudyTable, settling: Settling) -> Settling:
    """The next look, taken."""
    seeds = tuple(table.seeds)[: settling.next_seeds]
    pairs = pair_differences(table.trials, table.arms)
    inside = pairs[pairs["seed"].isin(seeds)]
    figures = {
        arm: look_figures(inside.loc[inside["arm"] == arm, "difference"], table.margin)
        for arm in settling.active
    }
    look = TakenLook(len(settling.taken) + 1, seeds, figures)
    return replace(settling, taken=(*settling.taken, look))


def trained(table: StudyTable, begun: int) -> StudyTable:
    """The study with no more trials than its looks have asked for."""
    assert table.settling is not None
    taken = table.settling.taken
    seeds = len(taken[-1].seeds) if taken else 0
    counts = table.trials["arm"].map(seeds_by_arm(table.settling))
    trials = table.trials[table.trials["seed"] < counts.clip(upper=seeds + begun)]
    epochs = table.epochs[table.epochs["number"].isin(trials["number"])]
    key = pd.MultiIndex.from_frame(trials[["arm", "seed"]])
    known = pd.MultiIndex.from_frame(table.confusion[["arm", "seed"]]).isin(key)
    wanted = sum(table.settling.wanted().values())
    return replace(
        table, trials=trials, epochs=epochs, confusion=table.confusion[known], wanted=wanted
    )


def _whole(differences: Differences, seeds: int, against: Mapping[str, str]) -> StudyTable:
    """All seeds of all arms; each arm repeats its last difference, as many as there are."""
    names = list(differences)
    levels = [f"0.{place + 1:02d}" for place in range(len(names))]
    table = study(settings=alone({"dropout": levels}), seeds=seeds, epochs=3)
    made = dict(zip(table.arms["arm"].iloc[1:], names, strict=True))
    base = 0.9 + np.random.default_rng(0).normal(0, 0.003, seeds)
    values = {("baseline", seed): float(base[seed]) for seed in range(seeds)}
    for name, seed in itertools.product(sorted(names, key=lambda n: n in against), range(seeds)):
        own = differences[name]
        d = own[min(seed, len(own) - 1)]
        other = values[against.get(name, "baseline"), seed]
        values[name, seed] = float("nan") if d is None else other + d / 100
    called = {"arm": made}
    arms = table.arms.replace(called)
    arms["against"] = [against.get(arm, other) for arm, other in
                       zip(arms["arm"], arms["against"], strict=True)]  # fmt: skip
    trials = table.trials.replace(called)
    keys = zip(trials["arm"], trials["seed"], strict=True)
    trials["value"] = [values[key] for key in keys]
    failed = trials["value"].isna()
    trials["state"] = trials["state"].mask(failed, "FAIL")
    trials["failure"] = trials["failure"].mask(failed, "out of memory")
    trials["test_value"] = trials["value"] - 0.004
    epochs = table.epochs.replace(called)
    moved = dict(zip(trials["number"], trials["value"], strict=True))
    epochs["value"] = epochs["number"].map(moved) - 0.001 * (3 - epochs["epoch"])
    epochs = epochs[epochs["value"].notna()]
    confusion = table.confusion.replace(called)
    return replace(table, arms=arms, trials=trials, epochs=epochs, confusion=confusion)
