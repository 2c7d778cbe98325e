"""A digest of what a storage has of a study, to see whether something made from it is current."""

from __future__ import annotations

import hashlib
import json

from optuna.storages import RDBStorage

from ablation.storage import study_attributes
from ablation.storage.attributes import checked_trials
from ablation.storage.record import confirmation_of


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
        trials = [
            (row.number, row.state, row.value, str(row.started), str(row.finished), row.attributes)
            for row in checked_trials(storage, name, ("arm",))
        ]
        stages.append([name, kept, trials])
    text = json.dumps(stages, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
