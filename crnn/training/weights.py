"""A finished network's weights in a file: safetensors, which holds numbers and no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ablation.errors import UserError, one_line
from ablation.files import write_atomic
from crnn.network.config import ModelConfig, Setting
from crnn.network.model import CRNN


class WeightsError(UserError):
    """A file of weights that cannot be used; one line with the fix."""


def marks(setting: Setting, seed: int) -> dict[str, str]:
    """What a file of weights says of itself: the training that they come from.

    The precision is said apart: a setting's digest leaves it out.
    """
    return {"setting": setting.digest, "seed": str(seed), "precision": setting.train.precision}


AVERAGED = "averaged"  # the folder, beside the final weights, of their moving averages


def averaged_file(path: Path) -> Path:
    """Where the averaged weights of a training are, given the file of its final ones."""
    return path.parent / AVERAGED / path.name


def save_weights(model: CRNN, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a network's weights, whole or not at all; the folder is made if need be.

    Args:
        model: the network.
        path: where to.
        metadata: what to say of them, such as the setting's digest.

    Raises:
        OSError: the file cannot be written; what was there before is unharmed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    notes = dict(metadata)
    write_atomic(path, save(tensors, {**notes, "digest": digest(tensors, notes)}))


def digest(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """SHA-256 over texts and tensors, in the order of their names."""
    sha256 = hashlib.sha256(json.dumps(dict(notes), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        sha256.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha256.update(tensor.flatten().view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def load_weights(path: Path, config: ModelConfig, metadata: Mapping[str, str]) -> CRNN:
    """The network of a file, in evaluation mode.

    Args:
        path: the file.
        config: the network's setting.
        metadata: what the file must say of itself.

    Raises:
        WeightsError: there is no such file, it is damaged, or it is of another training.
    """
    model = CRNN(config)
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model.load_state_dict(tensors)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = one_line(str(error).partition("\n")[0])
        raise WeightsError(f"{path}: damaged, or not this network's: {reason}") from None
    if notes.pop("digest", "") != digest(tensors, notes):
        raise WeightsError(f"{path}: damaged: its digest is not that of what is in it; delete it")
    if differs := [key for key, value in metadata.items() if notes.get(key) != value]:
        raise WeightsError(f"{path}: of another training (its {', '.join(differs)}); delete it")
    return model.eval()
