"""A training between two epochs in a file, so that a kill costs an epoch at most.

The file is safetensors: the weights, their average, the optimizer's memory, and as text the epochs
behind it, a digest of all that, and whose training it is. Nothing in it is code.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from ablation.files import write_atomic
from crnn.training.results import Epoch, TrainingState
from crnn.training.weights import digest

FORMAT = "1"


class DamagedError(Exception):
    """A file that is no checkpoint of this format, or no longer the one that was written."""


def write_checkpoint(path: Path, state: TrainingState, marks: Mapping[str, str]) -> None:
    """Write a state, whole or not at all; the folder is made if need be.

    Args:
        path: where to.
        state: what to write.
        marks: whose training it is.

    Raises:
        OSError: it cannot be written; an earlier checkpoint is unharmed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copies: a parameter may be a view of a vector of all of them.
    tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in state.tensors.items()}
    notes = {
        "format": FORMAT,
        "marks": json.dumps(dict(marks), sort_keys=True),
        "epochs": json.dumps([[epoch.known() for epoch in seen] for seen in state.epochs]),
        "failures": json.dumps({str(k): why for k, why in state.failures.items()}),
    }
    notes["digest"] = digest(tensors, notes)
    write_atomic(path, save(tensors, notes))


def read_checkpoint(path: Path, marks: Mapping[str, str]) -> TrainingState | None:
    """The state in a file; None where there is no file, or one of another training.

    Args:
        path: the file.
        marks: whose training it must be.

    Raises:
        DamagedError: it is damaged, cannot be read, is of another format, or is no file at all.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a pipe would never end
            raise DamagedError(f"{path}: not a regular file")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"{path}: {error.strerror}") from None
    try:
        tensors, notes = load(data), _notes(data)
        whole = notes.pop("digest") == digest(tensors, notes)
        kind = notes.get("format", FORMAT)  # the first ones did not say it
        theirs = json.loads(notes["marks"])
        epochs = tuple(tuple(Epoch(**e) for e in seen) for seen in json.loads(notes["epochs"]))
        failures = {int(k): str(why) for k, why in json.loads(notes["failures"]).items()}
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path}: no checkpoint ({type(error).__name__})") from None
    if not all(map(_is_possible, (epoch for seen in epochs for epoch in seen))):
        raise DamagedError(f"{path}: figures that no epoch has")
    if not whole:
        raise DamagedError(f"{path}: its digest is not that of what is in it")
    if kind != FORMAT:
        raise DamagedError(f"{path}: its format is {kind}, this version reads {FORMAT}")
    return TrainingState(epochs, failures, tensors) if theirs == dict(marks) else None


def state_digest(path: Path) -> str:
    """A digest of the weights and the optimizer's memory in a file; empty where there is none."""
    return digest(load(path.read_bytes()), {}) if path.exists() else ""


def _is_possible(epoch: Epoch) -> bool:
    """Whether an epoch's figures are numbers that it may have."""
    figures = epoch.known()
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in figures.values()):
        return False
    shares = [share for name, share in figures.items() if name.endswith("accuracy")]
    return epoch.seconds >= 0 and all(0 <= share <= 1 for share in shares)


def _notes(data: bytes) -> dict[str, str]:
    """The text in a safetensors file: a JSON header, whose length are the first 8 bytes."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])
