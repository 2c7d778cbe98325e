"""Dropout masks: a function of seed, layer, epoch, batch and activation, and of nothing else.

A mask does not depend on the device, on what is trained beside it, or on what was drawn before, so
a replicate has the same masks on a CPU and on a GPU, alone and among others, and after a resume.

Each batch of a layer has two random 64-bit numbers a (odd) and b from the layer's own stream; the
four activations in front of random word x take the 16-bit parts of a·x + b modulo 2^64, its upper
half folded onto its lower. That is multiply-add hashing (Dietzfelbinger, "Universal hashing and
k-wise independent random variables via integer arithmetic without primes", STACS 1996): half the
time of a Mersenne twister.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ablation.seeding import generator

LOW_HALF = 2**32 - 1


class Masks:
    """The masks of one layer.

    Args:
        dropout: the probability of dropping an activation; the nearest multiple of 1/65536 counts.

    Attributes:
        scale: what kept activations are multiplied by, the inverse of exactly the probability of
            keeping one.
    """

    def __init__(self, dropout: float) -> None:
        cut = round(dropout * 65536)
        self.scale = 65536 / (65536 - cut)
        self.cut = cut - 32768
        self.keys = torch.zeros(0, 2, dtype=torch.int64)
        self.batch = torch.zeros(1, dtype=torch.int64)
        self._places: dict[torch.Size, Tensor] = {}  # kept: a CUDA graph reads their memory

    @property
    def seeded(self) -> bool:
        """Whether a seed and an epoch have been given."""
        return len(self.keys) > 0

    def reseed(self, seed: int, name: str, epoch: int, batches: int, device: torch.device) -> None:
        """Draw the numbers for the `batches` of `epoch`; the first is at hand."""
        keys = torch.empty(batches, 2, dtype=torch.int64)
        keys.random_(-(2**63), None, generator=generator(seed, f"dropout/{name}", epoch))
        keys[:, 0] |= 1  # odd: multiplying by it loses nothing
        # In place where it can be: a captured CUDA graph keeps reading the same memory.
        if self.keys.shape != keys.shape or self.keys.device != device:
            self._places.clear()
            self.keys = torch.empty_like(keys, device=device)
            self.batch = self.batch.to(device)
        self.keys.copy_(keys)
        self.batch.zero_()

    def draw(self, shape: torch.Size) -> Tensor:
        """The masks of the next batch: int16, 1 where an activation is kept, else 0.

        Args:
            shape: of the activations, (batch, channels, height, width).

        Returns:
            A tensor of that shape, channels last in memory.

        Raises:
            RuntimeError: there was no `reseed` yet.
        """
        if not self.seeded:
            raise RuntimeError("reseed before training: a mask belongs to a seed and an epoch")
        images, channels, height, width = shape
        if shape not in self._places:
            places = _places(images, height, width, channels)
            self._places[shape] = places.to(self.keys.device)
        multiplier, summand = self.keys.index_select(0, self.batch)[0]
        self.batch += 1
        words = torch.mul(self._places[shape], multiplier).add_(summand)
        upper = (words >> 32).bitwise_and_(LOW_HALF)  # the shift keeps the sign
        words ^= upper
        bits = words.view(torch.int16)[..., :channels]
        keep = torch.ge(bits, self.cut, out=bits)
        return keep.permute(0, 3, 1, 2)


def _places(images: int, height: int, width: int, channels: int) -> Tensor:
    """The random words x, each in front of four activations: (images, height, width, words)."""
    words = torch.empty(images, height, width, -(-channels // 4), dtype=torch.int64)
    return words.random_(-(2**63), None, generator=generator(0, "places"))
