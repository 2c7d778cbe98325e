"""A trial's files on its page in optuna-dashboard: its pictures, why it failed, what it left."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.storages import RDBStorage

from ablation.dashboard.trial_pictures import confusion, curve
from ablation.files import files_below

MAX_FILES, MAX_BYTES = 20, 10_000_000  # of those that a training has left, on its page


def attach_files(
    storage: RDBStorage,
    folder: Path,
    trial_id: int,
    attributes: Mapping[str, Any],
    classes: Sequence[str] = (),
    left: Mapping[str, Path] = {},
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
        left: by name, files that the training has left.

    Raises:
        OSError: the folder cannot be written, or one of the files be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store, trial = FileSystemArtifactStore(folder), storage.get_trial(trial_id)
    present = {m.filename: m.artifact_id for m in get_all_artifact_meta(trial, storage=storage)}
    made = {name: text.encode("utf-8") for name, text in _files(attributes, classes)}
    for name, content in {**{n: p.read_bytes() for n, p in left.items()}, **made}.items():
        if name in present:
            store.write(present[name], io.BytesIO(content))
            continue
        with TemporaryDirectory() as place:
            file = Path(place) / name
            file.write_bytes(content)
            upload_artifact(
                artifact_store=store, file_path=str(file), study_or_trial=trial, storage=storage
            )


def left_files(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """The files that a training has left in its folder.

    Args:
        folder: its own, which need not exist.

    Returns:
        Those that its page can have, by name, and the others: the smallest come first, up to
        `MAX_FILES` and `MAX_BYTES` in all. Empty ones are neither.
    """
    taken: dict[str, Path] = {}
    others, bytes_left = [], MAX_BYTES
    sizes = {path: size for path in files_below(folder) if (size := path.stat().st_size)}
    for path in sorted(sizes, key=lambda each: sizes[each]):
        bytes_left -= sizes[path]
        if bytes_left < 0 or len(taken) == MAX_FILES:
            others.append(path)
        else:
            taken["-".join(path.relative_to(folder).parts)] = path
    return taken, others


def _files(attributes: Mapping[str, Any], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    if history := attributes.get("history"):
        yield "learning-curve.svg", curve(history)
    if counts := attributes.get("confusion"):
        yield "confusion.svg", confusion(counts, classes)
    if text := attributes.get("traceback"):
        yield "traceback.txt", text
