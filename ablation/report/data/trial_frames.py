"""Trials, their epochs and their confusions as DataFrames."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from ablation.design.arms import arm_name, full_length
from ablation.settings import text_of
from ablation.storage import TrialRow
from ablation.storage.attributes import diverged_epoch
from ablation.storage.record import Record
from crnn.data.classes import CLASSES
from crnn.network.config import MODEL_KEYS, TRAIN_KEYS, Setting

SETTINGS = [name for name in (*MODEL_KEYS, *TRAIN_KEYS) if name not in ("epochs", "precision")]


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


def place_of(record: Record, places: dict[str, int], row: TrialRow) -> tuple[int, int, int]:
    """Where a trial stands in the design: seed by seed, arm by arm; a search by number."""
    if record.plan.space.search:
        return (0, 0, row.number)
    seed = row.attributes["seed"]
    return (record.seeds.index(seed), places[row.attributes["arm"]], row.number)


def trial_frame(record: Record, rows: list[TrialRow]) -> pd.DataFrame:
    """One row a trial: ``TRIAL_COLUMNS``."""
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


def epoch_rows(row: TrialRow) -> list[dict[str, Any]]:
    """A trial's epochs: ``EPOCH_COLUMNS``."""
    found = row.attributes
    same = {name: found.get(name) for name in ("stage", "arm", "seed")}
    return [{**same, "number": row.number, **epoch} for epoch in found.get("history", [])]


def confusion_frame(rows: list[TrialRow], places: dict[str, int]) -> pd.DataFrame:
    """One row a pair of classes of a trial; see ``StudyTable.confusion``."""
    cells = [
        (row.attributes["arm"], row.attributes["seed"], CLASSES[true], CLASSES[predicted], count)
        for row in sorted(rows, key=lambda row: places.get(row.attributes.get("arm", ""), 0))
        if row.state == "COMPLETE"
        for true, line in enumerate(row.attributes.get("confusion") or [])
        for predicted, count in enumerate(line)
    ]
    return pd.DataFrame(cells, columns=["arm", "seed", "true", "predicted", "count"])


def _cell(value: Any) -> Any:
    return text_of(value) if isinstance(value, list | tuple) else value


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
