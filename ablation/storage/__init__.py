"""The Optuna storage: open it, keep studies and trials in it, read them back quickly.

This package alone touches Optuna's storage layer.
"""

from ablation.storage.copying import copy_study, take_places
from ablation.storage.errors import (
    NO_SPACE,
    FullError,
    ImportedError,
    ReadOnlyError,
    StorageError,
    UnreadableError,
    out_of_space,
)
from ablation.storage.journal import checkpoint, settle
from ablation.storage.locks import Holder, Lock, holder, lock, second_name
from ablation.storage.opening import (
    display_url,
    open_storage,
    opened_storage,
    sqlite_file,
    storage_url,
    url_of,
)
from ablation.storage.trials import (
    TrialRow,
    create_trial,
    delete_study,
    drop_waiting_attributes,
    finish_trial,
    read_trials,
    report_steps,
    reported_steps,
    save_study,
    set_attributes,
    studies_with,
    study_attributes,
    study_names,
)
from ablation.storage.waiting import LOCK_TIMEOUT_SECONDS, RUN_LOCK_TIMEOUT_SECONDS

__all__ = [
    "LOCK_TIMEOUT_SECONDS",
    "NO_SPACE",
    "RUN_LOCK_TIMEOUT_SECONDS",
    "FullError",
    "Holder",
    "ImportedError",
    "Lock",
    "ReadOnlyError",
    "StorageError",
    "TrialRow",
    "UnreadableError",
    "checkpoint",
    "copy_study",
    "create_trial",
    "delete_study",
    "display_url",
    "drop_waiting_attributes",
    "finish_trial",
    "holder",
    "lock",
    "open_storage",
    "opened_storage",
    "out_of_space",
    "read_trials",
    "report_steps",
    "reported_steps",
    "save_study",
    "second_name",
    "set_attributes",
    "settle",
    "sqlite_file",
    "storage_url",
    "studies_with",
    "study_attributes",
    "study_names",
    "take_places",
    "url_of",
]
