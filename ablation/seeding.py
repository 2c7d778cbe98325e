"""Random streams that depend on a seed and a name only.

Every random draw of a replicate (the split, each parameter's initial values, the batch order,
each layer's dropout) has a generator of its own, keyed by a hash of (seed, name, epoch). So
replicates of different arms are paired by seed even where their shapes differ, and a run is the
same whichever process makes it, and from whichever epoch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def key(seed: int, name: str, epoch: int = 0) -> int:
    """The 63-bit seed of a stream: the head of SHA-256 over ``seed/name/epoch``.

    PyTorch's generator on a CPU takes only the low 32 bits of it.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(
    seed: int, name: str, epoch: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A fresh generator at the start of the stream ``name`` of ``seed`` in ``epoch``."""
    import torch  # which not everything that is trained needs

    return torch.Generator(device=device).manual_seed(key(seed, name, epoch))
