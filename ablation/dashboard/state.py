"""Which state of the storage a study's pages in optuna-dashboard show. Quick to import."""

from __future__ import annotations

from optuna.storages import RDBStorage

from ablation.storage.studies import confirmation_of, fingerprint

KEY = "crnn:pages"  # a study's system attribute, beside those that optuna-dashboard has there


def mark(storage: RDBStorage, study: str, state: str) -> None:
    """Note that the study's pages show this state (see `ablation.storage.fingerprint`)."""
    study_id = storage.get_study_id_from_name(study)
    if storage.get_study_system_attrs(study_id).get(KEY) != state:
        storage.set_study_system_attr(study_id, KEY, state)


def behind(storage: RDBStorage, study: str, *, unmarked: bool = True) -> str:
    """The study, or its confirmation, whose pages `refresh` brings up to date; empty where none.

    Args:
        storage: where it is.
        study: its name; not that of a confirmation.
        unmarked: whether pages count that say nothing of their state: an earlier version's, or
            none at all.
    """
    confirmation = confirmation_of(storage, study)
    for name in filter(None, (confirmation, study)):
        attributes = storage.get_study_system_attrs(storage.get_study_id_from_name(name))
        if (KEY in attributes or unmarked) and attributes.get(KEY) != fingerprint(storage, name):
            return confirmation or study  # which brings its search's up to date, too
    return ""
