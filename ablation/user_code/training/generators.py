"""Random streams of a training, and the libraries' global generators begun anew.

Each depends on the seed, a name and a step, never on the arm: arms share their batch orders, and a
training that is gone on with draws what it would have drawn.
"""

from __future__ import annotations

import random
import sys

from ablation.seeding import key

LARGEST = 2**32  # scikit-learn and NumPy take seeds below it


def stream_seed(seed: int, name: str, epoch: int = 0) -> int:
    """The seed of a stream of its own, from 0 to 2**32 - 1.

    Args:
        seed: the training's.
        name: of the stream.
        epoch: where each epoch has a stream; else 0.
    """
    return key(seed, name, epoch) % LARGEST


def begin_generators(seed: int, step: int) -> None:
    """Begin the global generators of Python, NumPy and PyTorch at a step; no library is imported.

    Args:
        seed: the training's.
        step: the last one that was reported; 0 before the first.
    """
    random.seed(stream_seed(seed, "python", step))
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(stream_seed(seed, "numpy", step))
    if torch := sys.modules.get("torch"):
        torch.manual_seed(stream_seed(seed, "torch", step))
