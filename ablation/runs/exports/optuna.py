"""Optuna: a study's trials as a table, and a storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from ablation.errors import UserError, did_you_mean, one_line
from ablation.objective.metric import Direction
from ablation.runs.exports.prefixes import starting_with
from ablation.runs.files.opening import shown
from ablation.runs.tables.flattening import text_of
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.source import text_frame
from ablation.runs.tables.table import Roles, Table
from ablation.storage.errors import StorageError
from ablation.storage.opening import opened_storage, storage_url

EXPORTER = "Optuna's trials"
PREFIXES = ("params_", "user_attrs_")
BOOKKEEPING = ("", "number", "datetime_start", "datetime_complete", "duration")


def trials_table(table: Table, direction: Direction | None = None) -> Table | None:
    """Trials as ``study.trials_dataframe()`` gives them.

    Args:
        table: which may be such.
        direction: of the study, if known.

    Returns:
        The table; None for another one.
    """
    names = table.names
    if not {"number", "state"} <= set(names) or not starting_with(names, "params_"):
        return None
    values = [name for name in names if name == "value" or name.startswith("values_")]
    roles = Roles(
        exporter=EXPORTER, settings=starting_with(names, "params_"),
        figures=(*values, *starting_with(names, "user_attrs_")),
        metric=values[0] if len(values) == 1 else "", state="state",
        created="datetime_start" if "datetime_start" in names else "", run="number",
        prefix="params_", prefixes=PREFIXES, direction=direction,
        others=tuple(n for n in names if n in BOOKKEEPING or n.startswith("system_attrs_")),
    )  # fmt: skip
    return replace(table, roles=roles)


def read_storage(name: str, study: str) -> Table:
    """The trials of a study in an SQLite storage, which is opened to be read only.

    Args:
        name: the file, or its URL.
        study: the study; where there is one alone it need not be named.

    Raises:
        UserError: there is no such storage or study, or Optuna of this version cannot read it.
    """
    try:
        url = storage_url(name, Path())
        with opened_storage(url, read_only=True) as storage:
            found = {each.study_name: each for each in storage.get_all_studies()}
            chosen = found.get(_chosen(name, study, list(found)))
            trials = storage.get_all_trials(chosen._study_id) if chosen else []
    except StorageError as error:
        raise _refusal(name, str(error)) from None
    if not chosen or not trials:
        raise UserError(f"{shown(name)}: the study {one_line(study)} has no trials")
    rows = [_row(trial, len(chosen.directions)) for trial in trials]
    names = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[row.get(column, "") for row in rows] for column in names]
    table = frame_table(text_frame(names, cells, [trial.number for trial in trials]))
    return trials_table(table, _direction(chosen.directions)) or table


def _refusal(name: str, said: str) -> UserError:
    """What is said of a storage that cannot be read."""
    if "storage upgrade" in said:
        return UserError(
            f"{shown(name)}: written by another version of Optuna, and not changed here; upgrade a "
            "copy of it: optuna storage upgrade --storage sqlite:///COPY"
        )
    if "Optuna's tables" in said:
        return UserError(
            f"{shown(name)}: an SQLite file, but no storage of Optuna's; of MLflow's runs export a "
            "table: mlflow.search_runs().to_csv('runs.csv')"
        )
    return UserError(said)


def _chosen(name: str, study: str, names: list[str]) -> str:
    if not names:
        raise UserError(f"{shown(name)}: it has no study")
    if study in names or (not study and len(names) == 1):
        return study or names[0]
    if study:
        hint = did_you_mean(study, names)
        raise UserError(f"{shown(name)}: no study {one_line(study)}. {one_line(hint)}")
    raise UserError(
        f"{shown(name)}: it has {len(names)} studies; name one with --study: "
        f"{one_line(', '.join(names[:10]))}"
    )


def _direction(directions: Sequence[optuna.study.StudyDirection]) -> Direction | None:
    """Of the one objective; None of several."""
    if len(directions) != 1:
        return None
    return "minimize" if directions[0] == optuna.study.StudyDirection.MINIMIZE else "maximize"


def _row(trial: optuna.trial.FrozenTrial, objectives: int) -> dict[str, str]:
    values = trial.values or [None] * objectives
    keys = ["value"] if objectives == 1 else [f"values_{place}" for place in range(objectives)]
    times: dict[str, Any] = {
        "datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete,
    }  # fmt: skip
    return {
        "number": str(trial.number),
        **{key: text_of(value) for key, value in zip(keys, values, strict=True)},
        **{key: time.isoformat() if time else "" for key, time in times.items()},
        **{f"params_{key}": text_of(value) for key, value in trial.params.items()},
        **{f"user_attrs_{key}": text_of(value) for key, value in trial.user_attrs.items()},
        "state": trial.state.name,
    }
