"""Which studies a storage has, which confirms which, and in what state each is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError

from ablation.errors import one_line
from ablation.folders import CONFIRM, confirm_name, is_part, search_of
from ablation.program import command
from ablation.storage import (
    StorageError,
    UnreadableError,
    display_url,
    read_trials,
    studies_with,
    study_attributes,
    study_names,
    url_of,
)
from ablation.storage.attributes import checked_trials, is_imported


def own_studies(storage: RDBStorage) -> list[str]:
    """The names of this program's studies, the latest last: a storage may have others.

    It may have half a copy, too.
    """
    return [name for name in studies_with(storage, "format") if not is_part(name)]


def confirmation_of(storage: RDBStorage, study: str) -> str | None:
    """The name of the study that confirms a search; None where there is none.

    It is called as the search is, but any tool can rename either: it is known by the search's
    identity, or, of older versions, as the only one of the same space whose search has gone.
    """
    own, name = study_attributes(storage, study), confirm_name(study)
    if is_imported(own):
        return None
    identity = own.get("identity", "")
    attributes = study_attributes(storage, name)
    if "format" in attributes and attributes.get("confirms", "") in ("", identity):
        return name
    if identity:
        known = studies_with(storage, "confirms")
        others = {name: study_attributes(storage, name) for name in known if not is_part(name)}
        return next((n for n, a in others.items() if a.get("confirms") == identity), None)
    names = own_studies(storage)
    lost = [n for n in names if n.endswith(CONFIRM) and search_of(n) not in names]
    alike = [n for n in lost if _is_alike(study_attributes(storage, n), own)]
    return alike[0] if len(alike) == 1 else None


def _is_alike(confirmation: dict[str, Any], search: dict[str, Any]) -> bool:
    """Whether a confirmation without a `confirms` may be that of a search."""
    same = all(confirmation.get(k) == search.get(k) for k in ("space_digest", "overrides"))
    return same and bool(search.get("trials")) and "confirms" not in confirmation


def confirming(storage: RDBStorage, study: str) -> str:
    """The name of a search's confirmation, whether it has begun or not.

    Raises:
        StorageError: the name that it would have is that of another search's.
    """
    if confirmation := confirmation_of(storage, study):
        return confirmation
    name = confirm_name(study)
    if "format" in study_attributes(storage, name):
        raise StorageError(
            f"study {name} confirms another search than {study} is now; run this one under another "
            "name with --study NAME"
        )
    return name


def confirmed_by(storage: RDBStorage, study: str) -> str:
    """The search that a study confirms, whatever it is called now; any other is its own."""
    identity = study_attributes(storage, study).get("confirms") if can_be(study) else None
    if not identity:
        return search_of(study)
    known = studies_with(storage, "identity")
    searches = (n for n in known if study_attributes(storage, n).get("identity") == identity)
    return next(searches, search_of(study))


def latest_study(storage: RDBStorage) -> str:
    """The name of the study begun last; of a search where that is its confirmation.

    Raises:
        StorageError: there is none.
    """
    names = own_studies(storage)
    if not names:
        raise StorageError(
            f"no study in {display_url(url_of(storage))} yet; start with: {command('run', 'SPACE')}"
        )
    search = confirmed_by(storage, names[-1])
    return search if search in names else names[-1]


def fingerprint(storage: RDBStorage, study: str) -> str:
    """The digest of a study's attributes and trials, and of those of its confirmation.

    It does not depend on where the storage is: a copy has the same. Looks are left out, since a
    report notes one itself; a finished trial's attributes never change, so its times stand for
    them.
    """
    stages = []
    for name in filter(None, (study, confirmation_of(storage, study))):
        attributes = study_attributes(storage, name)
        kept = {key: value for key, value in attributes.items() if "looks" not in key}
        read = read_trials if is_imported(attributes) else checked_trials
        trials = [
            (row.number, row.state, row.value, str(row.started), str(row.finished), row.attributes)
            for row in read(storage, name, ("arm",))
        ]
        stages.append([name, kept, trials])
    text = json.dumps(stages, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def unless_gone(storage: RDBStorage, study: str) -> Iterator[None]:
    """Tell of a study that another program has taken away, or changed, while it ran.

    Optuna says of it that a record does not exist, or that one is not what it may be.
    """
    try:
        yield
    except IntegrityError as error:
        cause = one_line(str(error.orig))
        fault = f"its rows contradict each other ({cause})"
        raise UnreadableError(f"study {study}", fault) from None
    except LookupError as error:
        if "enum values" in str(error):
            raise UnreadableError(f"study {study}", one_line(str(error))) from None
        if not isinstance(error, KeyError):
            raise
        if study in study_names(storage):
            raise
        raise StorageError(
            f"study {study} has gone from {display_url(url_of(storage))}: it was deleted or "
            "renamed while it ran; the same command begins it again, --study NAME goes on with "
            "a renamed one"
        ) from None


def can_be(study: str) -> bool:
    """Whether a storage can have a whole study of this name: it asks for text, without a NUL."""
    text = study.encode("utf-8", "replace").decode("utf-8") == study and "\0" not in study
    return text and not is_part(study)
