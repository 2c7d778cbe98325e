"""Runs in an Optuna storage, and back: a study of them, whole or not at all."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any, Literal

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablation.errors import one_line
from ablation.folders import check_name
from ablation.objective.metric import Metric
from ablation.runs.options import said
from ablation.runs.runs import COLUMNS, Runs
from ablation.statistics.comparison import Comparison
from ablation.storage import (
    StorageError,
    TrialRow,
    checkpoint,
    delete_study,
    lock,
    second_name,
    study_attributes,
    study_names,
    take_places,
)
from ablation.storage.attributes import IMPORTED, is_imported
from ablation.storage.imported import (
    FORMAT,
    ImportedStudy,
    ImportedTrial,
    checked_imported,
    checked_runs,
)

EPOCHS = 500  # of a history that are kept, for learning curves
Change = Literal["new", "none", "look"]
"""What storing runs has changed: ``look`` where they have taken the place of fewer, or of the same
with another margin."""


def store_runs(storage: RDBStorage, runs: Runs) -> Change:
    """Make a study of runs; one that has them already is left as it is.

    Args:
        storage: where to.
        runs: what it is made of.

    Raises:
        UserError: a study of this name is of something else, or none may have it.
        StorageError: the storage cannot be written.
    """
    check_name(runs.study)
    if why := second_name(storage):
        raise StorageError(why)
    with lock(storage, runs.study) as held:
        change, kept = _change(storage, runs)
        if change != "none":
            part = f"{runs.study} (being begun)"
            if part in study_names(storage):
                delete_study(storage, part)
            _create(storage, runs, part, kept)
            held.check()
            take_places(storage, {runs.study: part})
            checkpoint(storage)
    return change


def load_runs(storage: RDBStorage, study: str) -> tuple[Runs, tuple[int, ...]]:
    """The runs of a study, and the looks at its verdicts so far.

    Raises:
        UnreadableError: the study is not as this version writes it.
    """
    stored = checked_imported(study, study_attributes(storage, study))
    return _runs(study, stored, checked_runs(storage, study, stored)), tuple(stored.looks)


def _change(storage: RDBStorage, runs: Runs) -> tuple[Change, dict[str, Any]]:
    """What is to be done, and the attributes that the study of this name hands on.

    Raises:
        UserError: it is of something else.
    """
    attributes = study_attributes(storage, runs.study)
    if runs.study not in study_names(storage):
        return "new", {}
    if not is_imported(attributes):
        raise StorageError(
            f"study {runs.study}: not one of runs that were trained elsewhere; choose another name "
            "with --study NAME"
        )
    before, looks = load_runs(storage, runs.study)
    for what in _asked(runs):
        was, now = (_asked(each)[what] for each in (before, runs))
        if was != now:
            raise _of_another(runs.study, one_line(f"its {what} {was}; now: {now}"))
    digests = [sorted(each.files.values()) for each in (before, runs)]
    same = digests[0] == digests[1] and _figures(before) == _figures(runs)
    if same and before.margin == runs.margin:
        return "none", {}
    if not same and (gone := _gone(before, runs)):
        raise _of_another(runs.study, gone)
    return "look", {"looks": list(looks)}


def _of_another(study: str, why: str) -> StorageError:
    return StorageError(f"study {study}: {why}; analyse these as another with --study NAME")


def _asked(runs: Runs) -> dict[str, str]:
    """What makes runs another study, in words: all that was asked for but the margin."""
    words, metric = runs.options, runs.metric
    place = words.index("--margin") if said(words, "--margin") else len(words)
    unit = f" in {metric.unit}" if metric.unit else ""
    test = f", tested as {metric.test}" if metric.test else ""
    return {
        "options were": " ".join([*words[:place], *words[place + 2 :]]) or "none",
        "metric was": f"{metric.name}{unit}, to {metric.direction}{test}",
        "comparison was": runs.comparison.method,
    }


def _gone(before: Runs, now: Runs) -> str:
    """Which earlier run is no longer there with its figure; empty where all are."""
    left = _figures(before) - _figures(now)
    if not left:
        return ""
    arm, label, block, value = next(iter(left))
    of = f", {before.comparison.of} {label}" if label else ""
    of += f", {block}" if block else ""
    return one_line(f"{arm}{of} had {before.metric.name} {value:g}, which these files lack")


def _figures(runs: Runs) -> Counter[tuple[str, str, str, float]]:
    """The runs that count; labels say nothing where they pair nothing."""
    rows = runs.runs[runs.runs["state"] == "COMPLETE"]
    labels = rows["seed"] if runs.comparison.is_paired else [""] * len(rows)
    return Counter(zip(rows["arm"], labels, rows["block"], rows["value"], strict=True))


def _create(storage: RDBStorage, runs: Runs, name: str, kept: dict[str, Any]) -> None:
    study = optuna.create_study(storage=storage, study_name=name, direction=runs.metric.direction)
    metric = runs.metric
    attributes: dict[str, Any] = {
        "design": IMPORTED,
        "files": runs.files,
        "paths": runs.paths,
        "options": runs.options,
        "arms": runs.arms[["arm", "against", "changes", "setting"]].to_dict("records"),
        "comparison": asdict(runs.comparison),
        "metric": {
            "name": metric.name,
            "unit": metric.unit,
            "direction": metric.direction,
            "test": metric.test,
        },
        "margin": runs.margin,
        "lines": [*runs.lines, *_about_courses(runs.history)],
        "looks": [],
        "looks_noted": False,
        **kept,
        "format": FORMAT,
    }
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    study.add_trials(_trials(runs))


def _trials(runs: Runs) -> list[FrozenTrial]:
    courses = _courses(runs.history)
    # Panels of optuna-dashboard want a parameter, or fail.
    names = dict.fromkeys([*runs.arms["arm"], *runs.runs["arm"]])
    distributions: dict[str, BaseDistribution] = {"arm": CategoricalDistribution(list(names))}
    trials = []
    for row in runs.runs.to_dict("records"):
        complete = row["state"] == "COMPLETE"
        failure = row["failure"] or str(row["state"]).lower()
        attributes = {
            "arm": row["arm"],
            "seed": row["seed"],
            "block": row["block"],
            "failure": "" if complete else failure,
            **{name: row[name] for name in ("test_value", "sd", "n") if _is_number(row[name])},
        }
        if course := courses.get((row["arm"], row["seed"], row["block"])):
            attributes["history"] = course
        kept = {name: value for name, value in attributes.items() if value != "" or name == "seed"}
        trials.append(
            create_trial(
                state=TrialState.COMPLETE if complete else TrialState.FAIL,
                value=float(row["value"]) if complete else None,
                params={"arm": row["arm"]},
                distributions=distributions,
                user_attrs=kept,
            )
        )
    return trials


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _courses(history: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, list[Any]]]:
    """By run, its values at the epochs that are kept: the same of all, the last ones among them."""
    epochs = sorted(history["epoch"].unique())
    if len(epochs) > EPOCHS:
        step = (len(epochs) - 1) / (EPOCHS - 1)
        kept = {epochs[round(place * step)] for place in range(EPOCHS)}
        history = history[history["epoch"].isin(kept)]
    finite = history[history["value"].abs() < math.inf]
    return {
        (str(arm), str(seed), str(block)): {
            "epochs": [int(epoch) for epoch in own["epoch"]],
            "values": [float(value) for value in own["value"]],
        }
        for (arm, seed, block), own in finite.sort_values("epoch").groupby(
            ["arm", "seed", "block"], sort=False
        )
    }


def _about_courses(history: pd.DataFrame) -> list[str]:
    count = history["epoch"].nunique()
    return [f"learning curves keep {EPOCHS} of {count:,} epochs"] if count > EPOCHS else []


def _runs(study: str, stored: ImportedStudy, trials: list[tuple[TrialRow, ImportedTrial]]) -> Runs:
    rows = [
        {
            **{name: getattr(run, name) for name in ("arm", "seed", "block", "failure")},
            **{name: _or_nan(getattr(run, name)) for name in ("test_value", "sd", "n")},
            "state": row.state,
            "value": _or_nan(row.value if row.state == "COMPLETE" else None),
        }
        for row, run in trials
    ]
    epochs = [
        (run.arm, run.seed, run.block, epoch, value)
        for _, run in trials
        if run.history
        for epoch, value in zip(run.history.epochs, run.history.values, strict=True)
    ]
    metric = stored.metric
    return Runs(
        study=study,
        metric=Metric(metric.name, unit=metric.unit, direction=metric.direction, test=metric.test),
        margin=stored.margin,
        comparison=Comparison(**stored.comparison.model_dump()),
        arms=pd.DataFrame([arm.model_dump() for arm in stored.arms]),
        runs=pd.DataFrame(rows, columns=COLUMNS),
        history=pd.DataFrame(epochs, columns=["arm", "seed", "block", "epoch", "value"]),
        lines=stored.lines,
        files=stored.files,
        paths=stored.paths,
        options=stored.options,
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
