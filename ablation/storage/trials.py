"""Studies and their trials in the storage, written whole and read quickly.

Designed trials are created from a template in one transaction, and identities and tables are read
by one query each: Optuna's own calls read every attribute of every trial one by one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState

from ablation.errors import one_line
from ablation.objective.metric import Direction
from ablation.storage.errors import UnreadableError
from ablation.storage.journal import checkpoint


@dataclass(frozen=True)
class TrialRow:
    """One trial as the storage has it; `attributes` are its user attributes, decoded."""

    trial_id: int
    number: int
    state: str
    started: datetime | None
    finished: datetime | None
    value: float | None
    attributes: dict[str, Any]


def study_names(storage: RDBStorage) -> list[str]:
    """All studies of the storage, the latest last."""
    query = "SELECT study_name FROM studies ORDER BY study_id"
    with storage.engine.connect() as connection:
        return [row[0] for row in connection.execute(sqlalchemy.text(query))]


def studies_with(storage: RDBStorage, attribute: str) -> list[str]:
    """The studies that have a user attribute of this name, the latest last."""
    query = (
        "SELECT s.study_name FROM studies s JOIN study_user_attributes a"
        " ON a.study_id = s.study_id WHERE a.key = :key ORDER BY s.study_id"
    )
    with storage.engine.connect() as connection:
        return list(connection.execute(sqlalchemy.text(query), {"key": attribute}).scalars())


def study_attributes(storage: RDBStorage, study: str) -> dict[str, Any]:
    """A study's user attributes; empty where there is no such study."""
    query = (
        "SELECT a.key, a.value_json FROM study_user_attributes a JOIN studies s"
        " ON s.study_id = a.study_id WHERE s.study_name = :study"
    )
    with storage.engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(query), {"study": study})
        return {key: _decoded(value, f"study {study}", key) for key, value in rows}


def _decoded(value: str, whose: str, key: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UnreadableError(whose, one_line(f"attribute {key}: no JSON")) from None


def save_study(
    storage: RDBStorage,
    study: str,
    attributes: Mapping[str, Any],
    direction: Direction = "maximize",
) -> None:
    """Create the study where it does not exist, and set its user attributes (what differs).

    Args:
        storage: where it is.
        study: its name.
        attributes: by name; None in place of one that the study is to have no more.
        direction: of what decides, for a study that is created.
    """
    if study not in study_names(storage):
        _create_study(storage, study, dict(islice(attributes.items(), 1)), direction)
    study_id = storage.get_study_id_from_name(study)
    present = study_attributes(storage, study)
    for key, value in attributes.items():
        if present.get(key) != value:
            storage.set_study_user_attr(study_id, key, value)
    checkpoint(storage)


def _create_study(
    storage: RDBStorage, study: str, first: dict[str, Any], direction: Direction
) -> None:
    """Create it under a name that no study can have, until it has an attribute.

    A kill in between would leave a study without one, which may be anybody's.
    """
    part = f"{study} (being begun)"
    _remove(storage, part)
    study_id = storage.create_new_study([optuna.study.StudyDirection[direction.upper()]], part)
    for key, value in first.items():
        storage.set_study_user_attr(study_id, key, value)
    _rename(storage, part, study)


def _remove(storage: RDBStorage, study: str) -> None:
    """Remove a study where there is one of that name."""
    if study in study_names(storage):
        delete_study(storage, study)


def _rename(storage: RDBStorage, old: str, new: str) -> None:
    renamed = sqlalchemy.text("UPDATE studies SET study_name = :new WHERE study_name = :old")
    with storage.engine.begin() as connection:
        connection.execute(renamed, {"old": old, "new": new})


def read_trials(
    storage: RDBStorage, study: str, keys: tuple[str, ...] | None = None
) -> list[TrialRow]:
    """The study's trials by number, with their user attributes (or only those in `keys`).

    States are read first: a trial that ends between the two queries has more than its state tells
    of, and one that has ended has all that belongs to it.

    Raises:
        UnreadableError: a date or a value is none.
    """
    with storage.engine.connect() as connection:
        try:
            rows = connection.execute(_TRIALS, {"study": study}).all()
        except (ValueError, TypeError) as error:
            fault = one_line(f"a trial's start or end: {error}")
            raise UnreadableError(f"study {study}", fault) from None
        for row in rows:
            if not isinstance(row.value, int | float | None):
                fault = f"its value is {one_line(repr(row.value))}, which is no number"
                raise UnreadableError(f"study {study}: trial {row.number}", fault)
        attributes = _trial_attributes(connection, study, keys)
    return [TrialRow(**row._asdict(), attributes=attributes.get(row.trial_id, {})) for row in rows]


_TRIALS = sqlalchemy.text(
    "SELECT t.trial_id, t.number, t.state, t.datetime_start AS started,"
    " t.datetime_complete AS finished, v.value"
    " FROM trials t JOIN studies s ON s.study_id = t.study_id"
    " LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0"
    " WHERE s.study_name = :study ORDER BY t.number"
).columns(  # SQLite gives times as text unless they are said to be times
    sqlalchemy.column("trial_id", sqlalchemy.Integer),
    sqlalchemy.column("number", sqlalchemy.Integer),
    sqlalchemy.column("state", sqlalchemy.String),
    sqlalchemy.column("started", sqlalchemy.DateTime),
    sqlalchemy.column("finished", sqlalchemy.DateTime),
    sqlalchemy.column("value", sqlalchemy.Float),
)


def _trial_attributes(
    connection: sqlalchemy.Connection, study: str, keys: tuple[str, ...] | None
) -> dict[int, dict[str, Any]]:
    query = (
        "SELECT a.trial_id, t.number, a.key, a.value_json FROM trial_user_attributes a"
        " JOIN trials t ON t.trial_id = a.trial_id JOIN studies s ON s.study_id = t.study_id"
        " WHERE s.study_name = :study"
    )
    if keys == ():  # PostgreSQL cannot tell the type of an empty list
        return {}
    values: dict[str, Any] = {"study": study}
    statement = sqlalchemy.text(query)
    if keys is not None:
        statement = sqlalchemy.text(query + " AND a.key IN :keys")
        text = sqlalchemy.String()
        statement = statement.bindparams(sqlalchemy.bindparam("keys", expanding=True, type_=text))
        values["keys"] = keys
    by_trial: dict[int, dict[str, Any]] = {}
    for trial_id, number, key, value in connection.execute(statement, values):
        whose = f"study {study}: trial {number}"
        by_trial.setdefault(trial_id, {})[key] = _decoded(value, whose, key)
    return by_trial


def drop_waiting_attributes(storage: RDBStorage, study: str, keys: Collection[str]) -> None:
    """Remove user attributes of these names from the trials that wait to be asked for."""
    statement = deletion_of_waiting(storage.get_study_id_from_name(study), keys)
    with storage.engine.begin() as connection:
        connection.execute(statement)


def deletion_of_waiting(study_id: int, keys: Collection[str]) -> sqlalchemy.Delete:
    """The statement: by SQLAlchemy, as ``key`` is a word of MySQL's, which it quotes there."""
    waiting = sqlalchemy.select(TrialModel.trial_id).where(
        TrialModel.study_id == study_id, TrialModel.state == TrialState.WAITING
    )
    return sqlalchemy.delete(TrialUserAttributeModel).where(
        TrialUserAttributeModel.trial_id.in_(waiting), TrialUserAttributeModel.key.in_(keys)
    )


def reported_steps(storage: RDBStorage, trial_id: int) -> set[int]:
    """The epochs whose validation accuracy the storage has already."""
    query = "SELECT step FROM trial_intermediate_values WHERE trial_id = :trial"
    with storage.engine.connect() as connection:
        return {row[0] for row in connection.execute(sqlalchemy.text(query), {"trial": trial_id})}


def report_steps(storage: RDBStorage, trial_id: int, values: Mapping[int, float]) -> None:
    """Report a trial's intermediate values, by step: those that the storage lacks."""
    present = reported_steps(storage, trial_id)
    for step, value in values.items():
        if step not in present:
            storage.set_trial_intermediate_value(trial_id, step, value)


def create_trial(
    storage: RDBStorage,
    study: str,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    attributes: dict[str, Any],
    constraints: Mapping[str, float] | None = None,
) -> int:
    """A new RUNNING trial, whole in one transaction; its id.

    `constraints` are what a sampler is told of it: 0 or below where it keeps to one.
    """
    template = FrozenTrial(
        number=-1,  # the storage gives the number
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params=params,
        distributions=distributions,
        user_attrs=attributes,
        system_attrs={},
        intermediate_values={},
    )
    for key, value in (constraints or {}).items():
        template.set_constraint(key, value)
    return storage.create_new_trial(storage.get_study_id_from_name(study), template)


def set_attributes(storage: RDBStorage, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Set a trial's user attributes, in one transaction; by Optuna itself each takes its own.

    Raises:
        KeyError: there is no such trial.
        optuna.exceptions.UpdateFinishedTrialError: it has ended.
    """
    if not attributes:
        return
    state = sqlalchemy.text("SELECT state FROM trials WHERE trial_id = :trial")
    table = sqlalchemy.inspect(TrialUserAttributeModel).local_table
    of_trial = table.c.trial_id == trial_id
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]
    with storage.engine.begin() as connection:
        found = connection.execute(state, {"trial": trial_id}).scalar()
        if found is None:
            raise KeyError(f"no trial has the id {trial_id}")
        storage.check_trial_is_updatable(trial_id, TrialState[found])
        connection.execute(sqlalchemy.delete(table).where(of_trial, table.c.key.in_(attributes)))
        connection.execute(sqlalchemy.insert(table), rows)


def finish_trial(
    storage: RDBStorage,
    trial_id: int,
    state: str,
    value: float | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Set the attributes, then the state: Optuna refuses attributes after the end."""
    set_attributes(storage, trial_id, attributes or {})
    values = None if value is None else [value]
    storage.set_trial_state_values(trial_id, TrialState[state], values)
    checkpoint(storage)


def delete_study(storage: RDBStorage, study: str) -> None:
    """Remove the study with everything in it."""
    storage.delete_study(storage.get_study_id_from_name(study))
