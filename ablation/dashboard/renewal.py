"""Pages in optuna-dashboard brought up to date, where a run was ended before it did that."""

from __future__ import annotations

from collections.abc import Callable

from optuna.storages import RDBStorage

from ablation.dashboard.state import behind
from ablation.errors import one_line
from ablation.storage import opened_storage
from ablation.storage.status import runs
from ablation.storage.studies import confirmed_by, own_studies

Say = Callable[[str], None]
Refresh = Callable[[RDBStorage, str], None]


def _refresh(storage: RDBStorage, name: str) -> None:
    from ablation.dashboard.study_page import refresh  # slow to import, and seldom needed

    refresh(storage, name)


def renew_all_pages(url: str, say: Say) -> None:
    """Bring up to date the pages of all studies that say which state they show."""
    with opened_storage(url) as storage:
        names = own_studies(storage)
        for study in [name for name in names if confirmed_by(storage, name) == name]:
            renew_pages(storage, study, say, unmarked=False)


def renew_pages(
    storage: RDBStorage,
    study: str,
    say: Say,
    *,
    unmarked: bool = True,
    refresh: Refresh = _refresh,
) -> None:
    """Bring a study's note and graphs up to date, unless somebody runs it.

    Args:
        storage: where it is.
        study: its name.
        say: told why that was not possible; nothing else depends on it.
        unmarked: whether pages count that say nothing of their state.
        refresh: brings the pages of the study of this name up to date.
    """
    try:
        name = behind(storage, study, unmarked=unmarked)
        if name and not runs(storage, study):
            refresh(storage, name)
    except Exception as error:  # whatever it is, the caller does not depend on it
        why = str(error) or type(error).__name__
        say(one_line(f"optuna-dashboard lacks the study's note and graphs ({why})"))
