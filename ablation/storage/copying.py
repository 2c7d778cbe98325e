"""Copy a study from one storage to another, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from ablation.errors import did_you_mean, one_line
from ablation.folders import confirm_name, search_of
from ablation.storage.errors import StorageError, UnreadableError
from ablation.storage.journal import settle
from ablation.storage.locks import lock, second_name
from ablation.storage.opening import display_url, opened_storage, same_storage
from ablation.storage.trials import study_names


def copy_study(
    study: str,
    source: str,
    target: str,
    *,
    replace: bool = False,
    confirmation: Callable[[RDBStorage, str], str | None] = lambda storage, study: None,
) -> None:
    """Copy a study into another storage, whole or not at all; a search with its confirmation.

    Copies are made under names that no study can have. One transaction then puts them in the
    place of what was there: whatever ends this, the target has the old studies or the new ones.

    Args:
        study: its name.
        source: the URL of the storage that it is in.
        target: the URL of the other storage.
        replace: put it in the place of one of that name.
        confirmation: finds the name of what confirms a search, where that was renamed.

    Raises:
        UserError: no such study, the target has one of that name and `replace` is off, a
            confirmation is called as another study of the target, or another process runs one of
            those that would be replaced.
    """
    with opened_storage(source) as read:
        if study not in (names := study_names(read)):
            raise StorageError(
                f"{display_url(source)} has no study {study}; {did_you_mean(study, names)}"
            )
        renamed = confirmation(read, study)
        both = list(dict.fromkeys([study, confirm_name(study), *([renamed] if renamed else [])]))
        if same_storage(source, target) and replace:
            return
        with opened_storage(target, create=True) as written:
            places = _places(written, both, target, replace, confirmation)
            if why := second_name(written):
                raise StorageError(why)
            with ExitStack() as stack:
                searches = dict.fromkeys(map(search_of, places))
                held = [stack.enter_context(lock(written, name)) for name in searches]
                places = _places(written, both, target, replace, confirmation)
                parts = {name: f"{name} (being copied)" for name in places}
                _copy_aside(read, [name for name in both if name in names], written, parts)
                for each in held:
                    each.check()
                take_places(written, parts)
            settle(written)


def _copy_aside(
    read: RDBStorage, studies: Iterable[str], written: RDBStorage, parts: Mapping[str, str]
) -> None:
    """Copy studies under the names that `parts` has for them, in the place of older copies."""
    _remove(written, parts.values())
    for study in studies:
        _copy(read, study, written, parts[study])


def _copy(read: RDBStorage, study: str, written: RDBStorage, part: str) -> None:
    try:
        optuna.copy_study(
            from_study_name=study, from_storage=read, to_storage=written, to_study_name=part
        )
    except (LookupError, TypeError, ValueError, StorageInternalError) as error:
        fault = one_line(f"Optuna cannot read it ({type(error).__name__}: {error})")
        raise UnreadableError(f"study {study}", fault) from None


def _places(
    written: RDBStorage,
    both: list[str],
    target: str,
    replace: bool,
    confirmation: Callable[[RDBStorage, str], str | None],
) -> list[str]:
    """The names whose studies give way in the target: those copied, and what confirms the old one.

    Raises:
        StorageError: one of them must not give way.
    """
    study, names = both[0], study_names(written)
    old = confirmation(written, study) if study in names else None
    own = (study, old or confirm_name(study))
    for name in both:
        if name in names and name not in own:
            raise StorageError(
                f"{display_url(target)} has another study {name}, as the confirmation of {study} "
                "is called here; rename one of them, or copy to another storage"
            )
    present = [name for name in both if name in names]
    if present and not replace:
        raise StorageError(f"{display_url(target)} has a study {present[0]} already; --replace it")
    return list(dict.fromkeys([*both, *([old] if old else [])]))


def _remove(written: RDBStorage, studies: Iterable[str]) -> None:
    tables = _tables(written)
    with written.engine.begin() as connection:
        for study in studies:
            _delete(connection, tables, study)


def take_places(written: RDBStorage, parts: Mapping[str, str]) -> None:
    """Put parts in the place of the studies of that name, and none where there is no part.

    Args:
        written: the storage.
        parts: by the name of a study, that of what takes its place.
    """
    tables = _tables(written)
    names = tables.tables["studies"]
    with written.engine.begin() as connection:
        for study, part in parts.items():
            _delete(connection, tables, study)
            renamed = names.update().where(names.c.study_name == part).values(study_name=study)
            connection.execute(renamed)


def _tables(storage: RDBStorage) -> sqlalchemy.MetaData:
    tables = sqlalchemy.MetaData()
    tables.reflect(storage.engine)
    return tables


def _delete(connection: sqlalchemy.Connection, tables: sqlalchemy.MetaData, study: str) -> None:
    """Delete a study, if there is one, and all that refers to it or to its trials."""
    studies, trials = tables.tables["studies"], tables.tables["trials"]
    own = sqlalchemy.select(studies.c.study_id).where(studies.c.study_name == study)
    its_trials = sqlalchemy.select(trials.c.trial_id).where(trials.c.study_id.in_(own))
    for table in reversed(tables.sorted_tables):
        if table is not trials and "trial_id" in table.c:
            connection.execute(table.delete().where(table.c.trial_id.in_(its_trials)))
    for table in reversed(tables.sorted_tables):
        if table is not studies and "study_id" in table.c:
            connection.execute(table.delete().where(table.c.study_id.in_(own)))
    connection.execute(studies.delete().where(studies.c.study_name == study))
