"""Whether the code that a study trains is still the code that it was begun with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optuna.storages import RDBStorage

from ablation.objective import Objective
from ablation.storage import StorageError, read_trials, study_attributes
from ablation.storage.studies import confirmation_of

REPOSITORY = "code"  # of an environment's facts: the commit that the code is of


def check_code(storage: RDBStorage, study: str, objective: Objective, wanted: int) -> None:
    """Refuse to go on with other code than a study's trainings had: they would not be replicates.

    Args:
        storage: where the study is.
        study: its name; what confirms it counts as well.
        objective: with its code.
        wanted: how many trainings the study wants.

    Raises:
        StorageError: a file has changed; which, since how many trainings, and what can be done.
    """
    if not (changed := _changed(storage, study, objective)):
        return
    commit = _commit(study_attributes(storage, study))
    old = f"finish with the old one (git: {commit})" if commit else "finish with the old one"
    raise StorageError(
        f"study {study}: {_files(changed)} has changed since {len(changed)} of {wanted} trainings: "
        f"{old}, run it as a study of its own (--study NAME), or say that it computes the same "
        "(--same-code)"
    )


def say_what_changed(
    storage: RDBStorage, study: str, objective: Objective, say: Callable[[str], None]
) -> None:
    """Say of a study that lacks nothing that its trainings had other code; see `check_code`."""
    if changed := _changed(storage, study, objective):
        say(
            f"Note: {_files(changed)} has changed since {len(changed)} of these trainings; "
            "--study NAME runs it as a study of its own."
        )


def _changed(storage: RDBStorage, study: str, objective: Objective) -> list[list[str]]:
    """By training that had other code: the files that have changed since."""
    if not objective.beside_space:  # whose code is the project's own: no trial is read for it
        return []
    names = [name for name in (study, confirmation_of(storage, study)) if name]
    trained = [
        row.attributes["code"]
        for name in names
        for row in read_trials(storage, name, ("code",))
        if _is_code(row.attributes.get("code"))
    ]
    return [found for code in trained if (found := objective.changed(code))]


def _files(changed: list[list[str]]) -> str:
    return ", ".join(dict.fromkeys(name for found in changed for name in found))


def _is_code(given: Any) -> bool:
    return isinstance(given, Mapping) and all(isinstance(text, str) for text in given.values())


def _commit(attributes: Mapping[str, Any]) -> str:
    """The commit of the code when the study ran last; empty where none is known."""
    environments = [e for e in attributes.get("environments", []) if isinstance(e, Mapping)]
    return next((str(e[REPOSITORY]) for e in reversed(environments) if REPOSITORY in e), "")
