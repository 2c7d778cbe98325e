"""A study read from its storage into a `StudyTable`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from optuna.storages import RDBStorage

from ablation.design.arms import Arm, Plan, full_length, make_arm
from ablation.design.loading import WITH_OPTION
from ablation.design.origin import Drawn
from ablation.design.outcome import most_reports, shorter
from ablation.files import from_home
from ablation.folders import search_of
from ablation.objective import load_objective
from ablation.report.data import own_figures
from ablation.report.data.arm_frames import arm_frame, factor_form, reported_curve_frame
from ablation.report.data.csv_file import read_csv
from ablation.report.data.imported import load_imported
from ablation.report.data.study_table import StudyTable, all_absent, all_trials
from ablation.report.data.trial_frames import (
    as_in_files,
    confusion_frame,
    epoch_frame,
    place_of,
    taken_columns,
    text_columns,
    trial_frame,
    unused_columns,
)
from ablation.scheduling.arm_names import ArmNames
from ablation.scheduling.confirmation import with_origins
from ablation.settings import Value, text_of
from ablation.space.schema import Space
from ablation.storage import (
    TrialRow,
    UnreadableError,
    opened_storage,
    storage_url,
    study_attributes,
)
from ablation.storage.attributes import checked_trials, is_imported, is_ours
from ablation.storage.record import Record, load_record
from ablation.storage.studies import can_be, confirmation_of, confirmed_by, latest_study


def load_trials(source: str | Path, study: str | None = None) -> pd.DataFrame:
    """The trials of a study, as in ``trials.csv``.

    Args:
        source: the storage's URL, or its SQLite file; or a study's ``trials.csv`` itself.
        study: the study's name; None for the latest, or for that of the CSV.

    Raises:
        StorageError: there is no such storage, or no such study in it.
        OSError: the CSV cannot be read.
    """
    given = from_home(str(source))
    if given.endswith(".csv"):
        return read_csv(Path(given), text_columns(load_objective()))
    with opened_storage(storage_url(given, Path())) as opened:
        table = load_study(opened, study or latest_study(opened))
    return as_in_files(all_trials(table), table.metric, all_absent(table))


def load_study(storage: RDBStorage, study: str) -> StudyTable:
    """Everything that a report needs of one study; of a search with its confirmation.

    Raises:
        StorageError: there is no such study.
    """
    if is_imported(study_attributes(storage, study) if can_be(study) else {}):
        return load_imported(storage, study)
    return _load(storage, study, ())


def _load(storage: RDBStorage, study: str, searched: Sequence[TrialRow]) -> StudyTable:
    """See `load_study`; a confirmation is given the trials of the search that it confirms."""
    record = load_record(storage, study)
    if (search := confirmed_by(storage, study)) != study:
        record = with_origins(storage, search, record)
    rows = _rows(storage, study, record)
    code_notes = list(own_figures.code_notes(rows, searched))
    if record.trials:
        table, confirms = _table(study, record, rows), confirmation_of(storage, study)
        if confirms is None:
            return replace(table, notes=[*table.notes, *code_notes])
        confirmation = _load(storage, confirms, rows)
        if confirmation.trials["state"].isin(["COMPLETE", "FAIL"]).any():
            notes = list(dict.fromkeys([*confirmation.notes, *table.notes]))
            return replace(table, confirmation=replace(confirmation, notes=notes))
        begun = (
            f"What it found is being confirmed: 0 of {confirmation.wanted} trainings have ended."
        )
        return replace(table, notes=[*table.notes, *code_notes, begun])
    first, *later = (
        _table(study, record.of(stage), [r for r in rows if r.attributes["stage"] == stage.name])
        for stage in record.stages
        if stage.arms
    )
    first = replace(first, notes=[*first.notes, *code_notes])
    if first.design == "confirmation" and not first.chosen:
        first = _without_test(first)
    return replace(first, path=later[0] if later else None)


def _without_test(table: StudyTable) -> StudyTable:
    """A confirmation before its choice: the test figures stay in the storage until then."""
    hidden = dict.fromkeys(["test_value", *table.scores], float("nan"))
    return replace(table, trials=table.trials.assign(**hidden), confusion=table.confusion[:0])


def _rows(storage: RDBStorage, study: str, record: Record) -> list[TrialRow]:
    """The study's own trials."""
    search, rows = record.plan.space.search, []
    seeds = {stage.name: stage.seeds for stage in record.stages}
    seeds |= {"search": (search.seed,)} if search else {}
    for row in checked_trials(storage, study):
        attributes = row.attributes
        if not is_ours(attributes, is_search=bool(search)):
            continue
        rows.append(row)
        own = seeds.get(attributes["stage"], ())
        if "seed" in attributes and attributes["seed"] not in own:
            fault = f"attribute seed: the study has no seed {attributes['seed']}"
            raise UnreadableError(f"study {study}: trial {row.number}", fault)
    return rows


def _table(study: str, record: Record, rows: list[TrialRow]) -> StudyTable:
    plan, space = record.plan, record.plan.space
    objective = space.objective
    rows = _renamed(plan, rows)
    arms = _arms(plan, rows)
    places = {arm.name: place for place, arm in enumerate(arms)}
    rows = sorted(rows, key=lambda row: place_of(record, places, row))
    trials, epochs = trial_frame(record, rows), epoch_frame(objective, rows)
    unused = unused_columns(objective, trials, epochs)
    table = StudyTable(
        name=study,
        question=space.question,
        design=space.design,
        margin=space.margin,
        notes=_notes(record),
        seeds=[space.search.seed] if space.search else list(_seeds(record)),
        wanted=record.wanted,
        factors={factor.name: factor_form(space, factor) for factor in space.factors},
        fixed={**space.held_fixed(), **_precision(record)},
        arms=arm_frame(plan, arms),
        trials=trials,
        epochs=epochs,
        confusion=confusion_frame(objective.classes, rows, places),
        reported_curves=reported_curve_frame(plan),
        environment=_environment(record),
        space_text=space.text,
        command=_command(record, study),
        looks=record.looks,
        settling=record.settling,
        reuses=bool(space.search and space.search.duplicates == "reuse"),
        chosen=record.chosen,
        metric=objective.metric,
        figures=tuple(name for name in objective.figures if name not in unused),
        words=objective.words,
        scores=tuple(name for name in objective.scores if name != objective.metric.test),
        length=objective.length,
        amounts=(*filter(None, [objective.length]), *objective.data_size),
        sampler=space.search.sampler.name if space.search else "",
        absent=unused,
        free_figures=objective.free_figures,
        secondary=tuple(space.outcome.also),
        metrics=objective.metrics,
        over_last=most_reports(space, arms),
    )
    return _of_own_code(table, space, rows) if objective.free_figures else table


def _seeds(record: Record) -> tuple[int, ...]:
    """The seeds of a design: where arms may stop, those that some arm may still get."""
    if record.settling is None:
        return record.seeds
    return record.seeds[: max(record.settling.wanted().values())]


def _of_own_code(table: StudyTable, space: Space, rows: list[TrialRow]) -> StudyTable:
    """A table with what only a user's code has, and without what it has not."""
    objective = space.objective
    returned = own_figures.returned_columns(objective, rows, taken_columns(space))
    lost = own_figures.without_outcome(space, rows)
    known = [row for row in rows if row not in lost]
    return replace(
        table,
        notes=[
            *table.notes,
            *own_figures.about_those_without(space, len(lost)),
            *own_figures.notes(objective, known),
        ],
        figures=own_figures.curves(objective, table.epochs),
        scores=(*table.scores, *returned.values()),
        secondary=own_figures.secondary(objective, table.trials),
        logged=epoch_frame(objective, rows, "logged"),
        absent=own_figures.absent_columns(objective, table.trials, table.arms),
    )


def _precision(record: Record) -> dict[str, str]:
    """The precision of the trainings; none of a user's code, which has its own."""
    is_known = not record.plan.space.objective.free_figures
    return {"precision": record.precision} if is_known else {}


def _renamed(plan: Plan, rows: list[TrialRow]) -> list[TrialRow]:
    """The trials under the names of their arms, which are told apart by their settings' digests."""
    if plan.space.search:
        names = ArmNames(plan, rows)
        return [names.renamed(row) for row in rows]
    by_digest = {arm.setting.digest: arm.name for arm in plan.arms}
    return [
        row
        if (name := by_digest.get(row.attributes["digest"])) in (None, row.attributes["arm"])
        else replace(row, attributes={**row.attributes, "arm": name})
        for row in rows
    ]


def _arms(plan: Plan, rows: list[TrialRow]) -> list[Arm]:
    """The plan's arms, then those that a search drew and trained, as they were drawn."""
    arms = {arm.name: arm for arm in plan.arms}
    for row in rows:
        name = row.attributes.get("arm")
        if name and name not in arms and "duplicate_of" not in row.attributes:
            setting = full_length(plan.space, row.attributes["setting"])
            arms[name] = make_arm(plan.space, setting, name, [Drawn(row.number)])
    return list(arms.values())


def _environment(record: Record) -> dict[str, str]:
    """What the study ran on; where that changed on the way, every text, one after the other."""
    names = list(dict.fromkeys(name for environment in record.environments for name in environment))
    texts = {
        name: " | ".join(dict.fromkeys(e[name] for e in record.environments if name in e))
        for name in names
    }
    conditions = {"device": record.device, **_precision(record)}
    return {**conditions, "threads a worker": str(record.threads), **texts}


def _notes(record: Record) -> list[str]:
    notes = [record.plan.space.note] if record.plan.space.note else []
    for key, value in record.plan.overrides.items():
        notes.append(f"The space's own {key} was replaced by {value} for this study.")
    if not _are_as_asked(record):
        seeds = " and ".join(filter(None, (", ".join(map(str, record.seeds[:-1])),
                                           str(record.seeds[-1]))))  # fmt: skip
        notes.append(
            f"Seeds {seeds} are not the first that the space lists: an earlier version chose "
            "them. A new study would have those listed."
        )
    notes += shorter(record.plan)
    if record.exhausted:
        notes.append(
            f"The search ended after {record.exhausted:,} of {record.trials:,} trials: draw after "
            "draw gave nothing that had not been tried."
        )
    return notes


def _are_as_asked(record: Record) -> bool:
    """Whether a new study of as many seeds would have the same; of a search there is no list."""
    space, seeds = record.plan.space, record.seeds
    if not space.lists_seeds or not seeds:
        return True
    return set(seeds) == set(space.seeds) or seeds == space.seeds[: len(seeds)]


def _exact_text(value: Value) -> str:
    """A value as `--set` takes it, with all of its digits."""
    if value is None or isinstance(value, str):
        return text_of(value)
    return json.dumps(value)


def _of_seeds(record: Record) -> list[str]:
    """The options that say with how many seeds arms are trained, where the space does not."""
    space, settling = record.plan.space, record.settling
    if space.confirm:
        own = tuple(space.confirm.looks)
        if settling is None:
            return ["--no-settle"] if own else []
        return [] if settling.looks == own else ["--settle", ",".join(map(str, settling.looks))]
    if settling is None:
        given = ["--no-settle"] if space.settle and space.settle.is_acted_on else []
        is_own = record.seeds in (space.seeds, ())
        return [*given, *([] if is_own else ["--seeds", str(len(record.seeds))])]
    own = tuple(space.settle.looks) if space.settle and space.settle.is_acted_on else ()
    looks = [] if settling.looks == own else ["--settle", ",".join(map(str, settling.looks))]
    return [*looks, *(["--seeds", str(settling.extra[-1])] if settling.extra else [])]


def _command(record: Record, study: str) -> str:
    """``run source --epochs 1 …``; a space that is not a shipped one is the study's own copy."""
    plan = record.plan
    is_code = plan.space.objective.beside_space
    own = f"{plan.space.name}.toml" if is_code else f"results/{search_of(study)}/space.toml"
    words = ["run", plan.space.name if plan.is_shipped else own]
    for key, value in plan.overrides.items():
        if key in WITH_OPTION:
            words += [f"--{key.replace('_', '-')}", str(value)]
        else:
            words += ["--set", shlex.quote(f"{key}={_exact_text(value)}")]
    space = plan.space
    if space.search and record.trials and record.trials != space.search.trials:
        words += ["--trials", str(record.trials)]
    if not space.search:
        words += _of_seeds(record)
    if search_of(study) != plan.study_name or not plan.is_shipped:
        words += ["--study", search_of(study)]
    # A study keeps these; where there is none yet, the same command begins one like it.
    words += ["--device", record.device]
    words += [word for name, text in _precision(record).items() for word in (f"--{name}", text)]
    words += ["--threads", str(record.threads)]
    return " ".join(words)
