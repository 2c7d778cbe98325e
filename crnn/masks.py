"""Dropout masks: a function of seed, layer, epoch, batch and activation, and of nothing else.

A mask does not depend on the device, on what is trained beside it, or on what was drawn before, so
a replicate has the same masks on a CPU and on a GPU, alone and among others, and after a resume.

Each batch of a layer has two random 64-bit numbers a (odd) and b from the layer's own stream; the
four activations in front of random word x take the 16-bit parts of a·x + b modulo 2^64, its upper
half folded onto its lower. That is multiply-add hashing (Dietzfelbinger, "Universal hashing and
k-wise independent random variables via integer arithmetic without primes", STACS 1996): half the
time of a Mersenne twister, and the same few operations however many members share a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crnn.streams import generator

LOW_HALF = 2**32 - 1


class Masks:
    """The masks of one layer, for one or more members.

    Args:
        dropouts: each member's probability of dropping an activation; the nearest multiple of
            1/65536 counts.

    Attributes:
        scale: what kept activations are multiplied by, the inverse of exactly the probability of
            keeping one: a number, or (members, 1).
    """

    def __init__(self, dropouts: Sequence[float]) -> None:
        cuts = [round(dropout * 65536) for dropout in dropouts]
        self.members = len(cuts)
        scales = [65536 / (65536 - cut) for cut in cuts]
        alone = len(cuts) == 1  # then a plain number is faster
        self.scale: Tensor | float = scales[0] if alone else torch.tensor(scales).view(-1, 1)
        self.cuts = torch.tensor(cuts).sub(32768).to(torch.int16).view(-1, 1)
        self.keys = torch.zeros(0, len(cuts), 2, 1, dtype=torch.int64)
        self.batch = torch.zeros(1, dtype=torch.int64)
        self._places: dict[torch.Size, Tensor] = {}  # kept: a CUDA graph reads their memory

    def reseed(
        self, seeds: Sequence[int], name: str, epoch: int, batches: int, device: torch.device
    ) -> None:
        """Draw each member's numbers for the `batches` of `epoch`; the first is at hand."""
        keys = torch.empty(self.members, batches, 2, 1, dtype=torch.int64)
        for drawn, seed in zip(keys, seeds, strict=True):
            drawn.random_(-(2**63), None, generator=generator(seed, f"dropout/{name}", epoch))
        keys[:, :, 0] |= 1  # odd: multiplying by it loses nothing
        # In place where it can be: a captured CUDA graph keeps reading the same memory.
        if self.keys.shape[0] != batches or self.keys.device != device:
            self._places.clear()
            self.keys = torch.empty_like(keys.transpose(0, 1), device=device)
            self.batch, self.cuts = self.batch.to(device), self.cuts.to(device)
            if isinstance(self.scale, Tensor):
                self.scale = self.scale.to(device)
        self.keys.copy_(keys.transpose(0, 1))
        self.batch.zero_()

    def draw(self, shape: torch.Size) -> Tensor:
        """The masks of the next batch: int16, 1 where an activation is kept, else 0.

        Args:
            shape: of the activations, (batch, members x channels, height, width).

        Returns:
            A tensor of that shape, channels last in memory.

        Raises:
            RuntimeError: there was no `reseed` yet.
        """
        if not len(self.keys):
            raise RuntimeError("reseed before training: a mask belongs to a seed and an epoch")
        images, channels, height, width = shape
        each = channels // self.members
        if shape not in self._places:
            self._places[shape] = _places(images, height, width, each).to(self.keys.device)
        multiplier, summand = self.keys.index_select(0, self.batch)[0].unbind(1)
        self.batch += 1
        words = torch.mul(self._places[shape], multiplier).add_(summand)
        upper = (words >> 32).bitwise_and_(LOW_HALF)  # the shift keeps the sign
        words ^= upper
        bits = words.view(torch.int16)[..., :each]
        keep = torch.ge(bits, self.cuts, out=bits)
        return keep.reshape(images, height, width, channels).permute(0, 3, 1, 2)


def _places(images: int, height: int, width: int, channels: int) -> Tensor:
    """The random words x, each in front of four activations: (images, height, width, 1, words)."""
    words = torch.empty(images, height, width, 1, -(-channels // 4), dtype=torch.int64)
    return words.random_(-(2**63), None, generator=generator(0, "places"))
