"""An Optuna study as pandas tables: the one place where that happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.storages import RDBStorage

from ablation.design.arms import Arm, Plan, arm_name, change_text, full_length, make_arm
from ablation.design.origin import Drawn, Named, Step, WithoutChange, having, kind
from ablation.files import from_home
from ablation.folders import search_of
from ablation.report.data.csv_file import read_csv
from ablation.scheduling.arm_names import ArmNames
from ablation.scheduling.confirmation import with_origins
from ablation.space.schema import Factor, Space
from ablation.storage import TrialRow, UnreadableError, opened_storage, storage_url
from ablation.storage.attributes import checked_trials, diverged_epoch, is_ours
from ablation.storage.record import Record, confirmation_of, confirmed_by, latest_study, load_record
from crnn.network.config import CLASSES, FIELDS, MODEL_KEYS, TRAIN_KEYS, Setting, bounds, text_of

SETTINGS = [name for name in (*MODEL_KEYS, *TRAIN_KEYS) if name not in ("epochs", "precision")]


@dataclass(frozen=True)
class StudyTable:
    """Everything that a report needs of one study.

    Attributes:
        name: the study's name.
        question: the space's question, plain text.
        design: ``one-factor``, ``factorial``, ``search`` or ``confirmation``.
        margin: the smallest difference of validation accuracy that matters, a fraction.
        notes: sentences of the space's author that the report repeats (may be empty).
        seeds: the seeds that the study wants, in order.
        looks: the numbers of finished trials at which verdicts were produced, in order.
        sampler: of a search, what draws its trials; else empty.
        wanted: the number of trials that the study wants (replicates; for a search, trials).
        factors: by name of the factor: its ``role`` (``scientific`` or ``nuisance``), its
            ``levels`` as text, the baseline's among them; of a search also its ``range`` (None
            where it has a list: ``low``, ``high``, ``step``, ``log``, and ``whole`` where only
            whole numbers are drawn) and its ``limits``, the lowest and highest number that the
            setting may have to any effect (None where it is no number).
        fixed: what is no factor, by name, as text: what the conclusions are conditional on.
        arms: one row an arm in the order of the design, the baseline first; columns ``arm``,
            ``against`` (the arm it is compared with, empty for the baseline), ``factor`` and
            ``level`` (empty for the baseline and for arms that change several), ``changes``
            (what differs from the baseline, joined by ``+``) and ``changed`` (the same by setting),
            ``kind`` (where it comes from: ``baseline``, ``level``, ``named``, ``drawn``, ``step``
            or ``without_change``; see `ablation.design.origin`), ``trial`` and ``rank`` of what a
            search drew, ``named`` (whether the author has named it; a step may be, too), ``step``
            (its number) and ``without`` (of the chosen setting of a path
            without a change: the names of the settings taken back; a tuple for each such change)
            on a path, ``note``,
            ``reported_test_accuracy``, ``reported_test_loss`` (NaN where none),
            ``sequence_length``, ``parameters``, ``macs``, and one text column a factor (empty
            where it has no effect, or its condition is not met so that it is not drawn).
        trials: one row a trial, the columns of ``trials.csv``.
        epochs: one row an epoch of a trial, the columns of ``epochs.csv``.
        confusion: one row a pair of classes of a finished trial: ``arm``, ``seed``, ``true``,
            ``predicted``, ``count`` of test images; arm by arm in the order of the design.
        reported_curves: one row an epoch that somebody else logged of an arm: ``arm``, ``epoch``,
            ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy`` (NaN where not).
        environment: versions, hardware, precision, thread count, commit; text by name.
        space_text: the space file as it was run.
        command: what `python study.py` is given to go on with the study.
        reuses: whether a search counts a setting drawn again as one of its trials.
        chosen: of a confirmation, the arm that was best in it; empty before that is known.
        confirmation: of a search, the study that confirms what it found; None before the first of
            its trainings has ended.
        path: of a confirmation, the way from the baseline to the chosen arm: each arm is compared
            with the step before it, or, taken back from the chosen one, with that; None before it
            is known, or where there is none.
    """

    name: str
    question: str
    design: str
    margin: float
    notes: list[str]
    seeds: list[int]
    wanted: int
    factors: dict[str, dict[str, Any]]
    fixed: dict[str, str]
    arms: pd.DataFrame
    trials: pd.DataFrame
    epochs: pd.DataFrame
    confusion: pd.DataFrame
    reported_curves: pd.DataFrame
    environment: dict[str, Any] = field(default_factory=dict)
    space_text: str = ""
    command: str = ""
    looks: tuple[int, ...] = ()
    reuses: bool = False
    chosen: str = ""
    confirmation: StudyTable | None = None
    path: StudyTable | None = None
    sampler: str = ""


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
        return read_csv(Path(given), TEXT_COLUMNS)
    with opened_storage(storage_url(given, Path())) as opened:
        return all_trials(load_study(opened, study or latest_study(opened)))


def all_trials(table: StudyTable) -> pd.DataFrame:
    """The trials of all stages of a study, those of a search first."""
    return pd.concat([stage.trials for stage in stages(table)], ignore_index=True)


def all_epochs(table: StudyTable) -> pd.DataFrame:
    """The epochs of all stages of a study."""
    return pd.concat([stage.epochs for stage in stages(table)], ignore_index=True)


def stages(table: StudyTable) -> list[StudyTable]:
    """A study stage by stage: itself, what confirms it, and the path."""
    later = (table.confirmation, table.path)
    return [table, *(stage for part in later if part for stage in stages(part))]


def provenance(table: StudyTable) -> dict[str, Any]:
    """What a study ran on; the search and what confirms it apart, where that differs."""
    confirmation = table.confirmation
    if confirmation is None or confirmation.environment == table.environment:
        return table.environment
    return {"search": table.environment, "confirmation": confirmation.environment}


def load_study(storage: RDBStorage, study: str) -> StudyTable:
    """Everything that a report needs of one study; of a search with its confirmation.

    Raises:
        StorageError: there is no such study.
    """
    record = load_record(storage, study)
    if (search := confirmed_by(storage, study)) != study:
        record = with_origins(storage, search, record)
    rows = _rows(storage, study, record)
    if record.trials:
        table, confirms = _table(study, record, rows), confirmation_of(storage, study)
        if confirms is None:
            return table
        confirmation = load_study(storage, confirms)
        if confirmation.trials["state"].isin(["COMPLETE", "FAIL"]).any():
            return replace(table, confirmation=confirmation)
        begun = (
            f"What it found is being confirmed: 0 of {confirmation.wanted} trainings have ended."
        )
        return replace(table, notes=[*table.notes, begun])
    first, *later = (
        _table(study, record.of(stage), [r for r in rows if r.attributes["stage"] == stage.name])
        for stage in record.stages
        if stage.arms
    )
    if first.design == "confirmation" and not first.chosen:
        first = _without_test(first)
    return replace(first, path=later[0] if later else None)


def _without_test(table: StudyTable) -> StudyTable:
    """A confirmation before its choice: the test figures stay in the storage until then."""
    nothing = {"test_accuracy": float("nan"), "test_loss": float("nan")}
    return replace(table, trials=table.trials.assign(**nothing), confusion=table.confusion[:0])


def _rows(storage: RDBStorage, study: str, record: Record) -> list[TrialRow]:
    """The study's own trials."""
    search, rows = record.plan.space.search, []
    seeds = {stage.name: stage.seeds for stage in record.stages}
    seeds |= {"search": (search.seed,)} if search else {}
    for row in checked_trials(storage, study):
        found = row.attributes
        if not is_ours(found, is_search=bool(search)):
            continue
        rows.append(row)
        own = seeds.get(found["stage"], ())
        if "seed" in found and found["seed"] not in own:
            fault = f"attribute seed: the study has no seed {found['seed']}"
            raise UnreadableError(f"study {study}: trial {row.number}", fault)
    return rows


def _table(study: str, record: Record, rows: list[TrialRow]) -> StudyTable:
    plan, space = record.plan, record.plan.space
    rows = _renamed(plan, rows)
    arms = _arms(plan, rows)
    places = {arm.name: place for place, arm in enumerate(arms)}
    rows = sorted(rows, key=lambda row: _place(record, places, row))
    return StudyTable(
        name=study,
        question=space.question,
        design=space.design,
        margin=space.margin,
        notes=_notes(record),
        seeds=[space.search.seed] if space.search else list(record.seeds),
        wanted=record.wanted,
        factors={factor.name: _factor(space, factor) for factor in space.factors},
        fixed={**space.held_fixed(), "precision": record.precision},
        arms=_arm_frame(plan, arms),
        trials=_trials(record, rows),
        epochs=pd.DataFrame([e for row in rows for e in _epochs(row)], columns=EPOCH_COLUMNS),
        confusion=_confusion(rows, places),
        reported_curves=_reported_curves(plan),
        environment=_environment(record),
        space_text=space.text,
        command=_command(record, study),
        looks=record.looks,
        reuses=bool(space.search and space.search.duplicates == "reuse"),
        chosen=record.chosen,
        sampler=space.search.sampler.name if space.search else "",
    )


TRIAL_COLUMNS = [
    *("stage", "number", "state", "arm", "is_baseline", "replicate", "seed", *SETTINGS),
    *("val_accuracy", "val_loss", "test_accuracy", "test_loss", "train_accuracy", "train_loss"),
    *("best_val_accuracy", "best_epoch", "epochs", "sequence_length", "parameters", "macs"),
    *("seconds", "device", "precision", "threads", "fused", "started", "finished", "failure"),
    *("duplicate_of", "diverged"),
]
TEXT_COLUMNS = [
    *("stage", "state", "arm", "device", "precision", "started", "finished", "failure"),
    *(name for name, value in Setting().values().items() if isinstance(value, str | tuple)),
]
EPOCH_COLUMNS = [
    *("stage", "number", "arm", "seed", "epoch"),
    *("train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds"),
]


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


def _factor(space: Space, factor: Factor) -> dict[str, Any]:
    """What a report needs of a factor; see ``StudyTable.factors``."""
    form: dict[str, Any] = {"role": factor.role, "levels": factor.texts()}
    if not space.search:
        return form
    kind = FIELDS[factor.name].annotation
    found = factor.model_dump(include={"low", "high", "step", "log"}) | {"whole": kind is int}
    limits = _limits(space, factor.name) if kind in (int, float) else None
    return form | {"range": None if factor.levels else found, "limits": limits}


def _limits(space: Space, name: str) -> tuple[float, float]:
    """Beyond which a setting has no numbers, or none that make another network."""
    low, high = bounds(FIELDS[name].metadata)
    if name == "dropout_count":  # with none, nothing drops out, which is dropout = 0
        varied = {factor.name for factor in space.factors}
        return 1, high if "conv_layers" in varied else space.baseline.model.conv_layers
    return low, high


def _arm_frame(plan: Plan, arms: list[Arm]) -> pd.DataFrame:
    rows = []
    for arm in arms:
        reported, shapes, values = (
            plan.space.reported.get(arm.name),
            arm.shapes,
            arm.setting.values(),
        )
        idle = plan.space.idle(arm.setting)
        rows.append(
            {
                "arm": arm.name,
                "against": arm.against,
                "factor": arm.factor,
                "level": arm.level,
                "changes": change_text(arm.changes),
                "changed": arm.changes,
                **_origin(arm),
                "note": "; ".join(filter(None, (arm.note, reported.note if reported else ""))),
                "reported_test_accuracy": reported.test_accuracy if reported else None,
                "reported_test_loss": reported.test_loss if reported else None,
                "sequence_length": shapes.sequence_length,
                "parameters": shapes.parameters,
                "macs": shapes.macs,
                **{
                    f.name: "" if f.name in idle else text_of(values[f.name])
                    for f in plan.space.factors
                },
            }
        )
    frame = pd.DataFrame(rows)
    figures = dict.fromkeys(["reported_test_accuracy", "reported_test_loss"], "float64")
    return frame.astype(figures | dict.fromkeys(["trial", "rank", "step"], "Int64"))


def _origin(arm: Arm) -> dict[str, Any]:
    """Where an arm comes from, column by column."""
    draw = next(iter(having(arm.origins, Drawn)), Drawn(None))
    return {
        "kind": kind(arm.origins),
        "named": bool(having(arm.origins, Named)),
        "trial": draw.trial,
        "rank": draw.rank,
        "step": next((step.number for step in having(arm.origins, Step)), None),
        "without": tuple(back.names for back in having(arm.origins, WithoutChange)),
    }


def _place(record: Record, places: dict[str, int], row: TrialRow) -> tuple[int, int, int]:
    """Where a trial stands in the design: seed by seed, arm by arm; a search by number."""
    if record.plan.space.search:
        return (0, 0, row.number)
    seed = row.attributes["seed"]
    return (record.seeds.index(seed), places[row.attributes["arm"]], row.number)


def _trials(record: Record, rows: list[TrialRow]) -> pd.DataFrame:
    frame = pd.DataFrame([_trial(record, row) for row in rows], columns=TRIAL_COLUMNS)
    return frame.astype({"duplicate_of": "Int64", "diverged": "Int64"})  # which may be empty


def _trial(record: Record, row: TrialRow) -> dict[str, Any]:
    found = row.attributes
    plan, values = record.plan, found.get("setting", {})
    seeds = record.seeds or (plan.space.search.seed if plan.space.search else 0,)
    diverged, history = diverged_epoch(found), found.get("history", [])
    arm = found.get("arm") or (
        arm_name(plan.space, full_length(plan.space, values)) if values else ""
    )
    return {
        **{name: found.get(name) for name in TRIAL_COLUMNS},
        "stage": found.get("stage", "search"),  # a draw that was never trained has none
        "arm": arm,
        "seed": found.get("seed", seeds[0]),
        **{name: _cell(values.get(name)) for name in (*SETTINGS, "epochs", "precision")},
        "diverged": diverged,
        "number": row.number,
        "state": row.state,
        "is_baseline": arm == plan.arms[0].name,
        "replicate": seeds.index(found.get("seed", seeds[0])),
        **_final(history if row.state == "COMPLETE" and diverged is None else []),
        "started": _time(row.started),
        "finished": _time(row.finished),
    }


def _final(history: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures after the last epoch, and the best epoch's (shown, never used to conclude)."""
    if not history:
        return {}
    names = ("val_accuracy", "val_loss", "train_accuracy", "train_loss")
    best = max(history, key=lambda epoch: epoch["val_accuracy"])
    return {
        **{name: history[-1][name] for name in names},
        "best_val_accuracy": best["val_accuracy"],
        "best_epoch": best["epoch"],
    }


def _epochs(row: TrialRow) -> list[dict[str, Any]]:
    found = row.attributes
    same = {name: found.get(name) for name in ("stage", "arm", "seed")}
    return [{**same, "number": row.number, **epoch} for epoch in found.get("history", [])]


def _confusion(rows: list[TrialRow], places: dict[str, int]) -> pd.DataFrame:
    cells = [
        (row.attributes["arm"], row.attributes["seed"], CLASSES[true], CLASSES[predicted], count)
        for row in sorted(rows, key=lambda row: places.get(row.attributes.get("arm", ""), 0))
        if row.state == "COMPLETE"
        for true, line in enumerate(row.attributes.get("confusion") or [])
        for predicted, count in enumerate(line)
    ]
    return pd.DataFrame(cells, columns=["arm", "seed", "true", "predicted", "count"])


def _reported_curves(plan: Plan) -> pd.DataFrame:
    curves = ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    frames = [
        pd.DataFrame({name: pd.Series(getattr(found, name), dtype=float) for name in curves})
        .rename_axis(index="epoch")
        .reset_index()
        .assign(arm=arm, epoch=lambda rows: rows["epoch"] + 1)
        for arm, found in plan.space.reported_curves.items()
    ]
    columns = ["arm", "epoch", *curves]
    return pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns)


def _environment(record: Record) -> dict[str, str]:
    """What the study ran on; where that changed on the way, every text, one after the other."""
    names = list(dict.fromkeys(name for found in record.environments for name in found))
    texts = {
        name: " | ".join(dict.fromkeys(e[name] for e in record.environments if name in e))
        for name in names
    }
    conditions = {"device": record.device, "precision": record.precision}
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


def _command(record: Record, study: str) -> str:
    """``run source --epochs 1 …``; a space that is not a shipped one is the study's own copy."""
    plan = record.plan
    own = f"results/{search_of(study)}/space.toml"
    words = ["run", plan.space.name if plan.is_shipped else own]
    for key, value in plan.overrides.items():
        words += [f"--{key.replace('_', '-')}", str(value)]
    space = plan.space
    if space.search and record.trials and record.trials != space.search.trials:
        words += ["--trials", str(record.trials)]
    if not space.search and search_of(study) == study and record.seeds not in (space.seeds, ()):
        words += ["--seeds", str(len(record.seeds))]
    if search_of(study) != plan.study_name or not plan.is_shipped:
        words += ["--study", search_of(study)]
    # A study keeps these; where there is none yet, the same command begins one like it.
    words += ["--device", record.device, "--precision", record.precision]
    words += ["--threads", str(record.threads)]
    return " ".join(words)


def _cell(value: Any) -> Any:
    return text_of(value) if isinstance(value, list | tuple) else value


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
