"""A trial's files on its page in optuna-dashboard: its pictures, why it failed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.storages import RDBStorage

from ablation.dashboard.trial_pictures import confusion, curve


def attach_files(
    storage: RDBStorage,
    folder: Path,
    trial_id: int,
    attributes: Mapping[str, Any],
    classes: Sequence[str] = (),
) -> None:
    """Attach what a training has found, before its trial ends: Optuna refuses that afterwards.

    A run that was killed in between may have got as far as this: those files are written again
    in their places, since of the last one there may be half.

    Args:
        storage: where the trial is, RUNNING.
        folder: the artifact store's; made if need be.
        trial_id: the trial.
        attributes: those that it will end with; of a failed one perhaps none of these.
        classes: the names of what is classified.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store, trial = FileSystemArtifactStore(folder), storage.get_trial(trial_id)
    present = {m.filename: m.artifact_id for m in get_all_artifact_meta(trial, storage=storage)}
    for name, text in _files(attributes, classes):
        if name in present:
            store.write(present[name], io.BytesIO(text.encode("utf-8")))
            continue
        with TemporaryDirectory() as place:
            file = Path(place) / name
            file.write_text(text, encoding="utf-8")
            upload_artifact(
                artifact_store=store, file_path=str(file), study_or_trial=trial, storage=storage
            )


def _files(attributes: Mapping[str, Any], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    if history := attributes.get("history"):
        yield "learning-curve.svg", curve(history)
    if counts := attributes.get("confusion"):
        yield "confusion.svg", confusion(counts, classes)
    if text := attributes.get("traceback"):
        yield "traceback.txt", text
