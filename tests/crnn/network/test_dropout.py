"""Dropout masks: how much they keep, what they are independent of, what they depend on."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

import crnn.network.dropout
from crnn.network.dropout import Masks

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
SHAPE = torch.Size((64, 16, 14, 14))  # 200,704 activations
PROBABILITIES = [0.1, 0.25, 0.5, 0.9]


def ready(
    dropout: float,
    seed: int = 0,
    name: str = "block1.activation",
    epoch: int = 1,
    batches: int = 8,
) -> Masks:
    masks = Masks(dropout)
    masks.reseed(seed, name, epoch, batches, CPU)
    return masks


def by_lane(keep: Tensor) -> Tensor:
    """The masks (..., batch, channels, height, width) by their place in a 64-bit word, (4, ...)."""
    lanes: Tensor = keep.movedim(-3, -1).unflatten(-1, (-1, 4)).movedim(-1, 0)
    return lanes


def kept_right(keep: Tensor, dropout: float) -> bool:
    """Whether so many are kept as chance has it, to five standard errors."""
    share = 1 - round(dropout * 65536) / 65536
    spread = (share * (1 - share) / keep.numel()) ** 0.5
    return bool(abs(keep.double().mean().item() - share) < 5 * spread)


def correlated(*keeps: Tensor) -> bool:
    """Whether any two masks of one shape are correlated, by more than five standard errors."""
    table = torch.stack([keep.flatten() for keep in keeps]).double().corrcoef()
    return bool((table - torch.eye(len(table))).abs().max() > 5 / keeps[0].numel() ** 0.5)


# How much is kept


@pytest.mark.parametrize("dropout", PROBABILITIES)
def test_the_right_share_is_kept_in_every_lane_of_every_batch(dropout: float) -> None:
    masks = ready(dropout)
    keep = torch.stack([masks.draw(SHAPE) for _ in range(4)])
    assert keep.dtype == torch.int16
    assert keep.unique().tolist() == [0, 1]
    lanes = by_lane(keep)
    assert lanes.shape == (4, 4, 64, 14, 14, 4)
    assert kept_right(keep, dropout)
    assert all(kept_right(lane, dropout) for lane in lanes)
    assert all(kept_right(batch, dropout) for lane in lanes for batch in lane)


@pytest.mark.parametrize("dropout", PROBABILITIES)
def test_every_activation_is_kept_in_the_right_share_of_batches(dropout: float) -> None:
    masks, shape = ready(dropout, batches=2000), torch.Size((2, 8, 4, 4))
    keep = torch.stack([masks.draw(shape) for _ in range(2000)])
    assert all(kept_right(place, dropout) for place in keep.flatten(1).unbind(1))


@pytest.mark.parametrize("dropout", PROBABILITIES)
def test_of_every_bit_pattern_the_right_number_is_kept(
    dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = torch.arange(65536).view(-1, 1, 1, 1)
    monkeypatch.setattr(crnn.network.dropout, "_places", lambda *_: every)
    masks = ready(dropout)
    masks.keys[:] = torch.tensor([1, 0])  # 1·x + 0: the lowest lane has every pattern once
    kept = int(masks.draw(torch.Size((65536, 1, 1, 1))).sum())
    assert kept == 65536 - round(dropout * 65536)
    assert masks.scale == 65536 / kept


def test_no_dropout_keeps_everything() -> None:
    assert bool(ready(0.0).draw(SHAPE).all())


@pytest.mark.parametrize(
    ("dropout", "scale"), [(0.0, 1.0), (0.5, 2.0), (0.1, 65536 / (65536 - 6554))]
)
def test_what_is_kept_makes_up_for_what_is_dropped(dropout: float, scale: float) -> None:
    assert Masks(dropout).scale == scale


# Independence


@pytest.mark.parametrize("dropout", PROBABILITIES)
def test_batches_seeds_layers_and_epochs_have_uncorrelated_masks(dropout: float) -> None:
    one = ready(dropout)
    batches = [one.draw(SHAPE) for _ in range(4)]
    others = [
        ready(dropout, seed=1),
        ready(dropout, name="block2.activation"),
        ready(dropout, epoch=2),
    ]
    assert not correlated(*batches, *(other.draw(SHAPE) for other in others))


@pytest.mark.parametrize("dropout", PROBABILITIES)
def test_lanes_are_uncorrelated(dropout: float) -> None:
    masks = ready(dropout)
    assert not correlated(*by_lane(torch.stack([masks.draw(SHAPE) for _ in range(4)])))


@pytest.mark.parametrize("dropout", PROBABILITIES)
@pytest.mark.parametrize("dim", range(4))
def test_neighbours_are_uncorrelated(dim: int, dropout: float) -> None:
    keep = ready(dropout).draw(SHAPE)
    count = keep.shape[dim]
    for distance in (1, 2, 3, 4):
        one = keep.narrow(dim, 0, count - distance)
        assert not correlated(one, keep.narrow(dim, distance, count - distance))


def test_channels_that_fill_no_word_are_uncorrelated() -> None:
    keep = ready(0.5).draw(torch.Size((512, 6, 14, 14)))
    assert all(kept_right(channel, 0.5) for channel in keep.unbind(1))
    assert not correlated(*keep.unbind(1))


def test_no_two_activations_share_their_fate_in_every_batch() -> None:
    masks, shape = ready(0.5, batches=60), torch.Size((64, 16, 7, 7))
    fates = torch.zeros(shape, dtype=torch.int64)
    for _ in range(60):
        fates = 2 * fates + masks.draw(shape)
    assert len(fates.unique()) == fates.numel()


# What a mask depends on


def test_masks_come_again_after_a_new_reseed() -> None:
    masks = ready(0.5)
    drawn = [masks.draw(SHAPE) for _ in range(3)]
    masks.reseed(0, "block1.activation", 2, 8, CPU)
    assert not torch.equal(masks.draw(SHAPE), drawn[0])
    masks.reseed(0, "block1.activation", 1, 8, CPU)
    assert all(torch.equal(masks.draw(SHAPE), keep) for keep in drawn)


def test_masks_do_not_depend_on_the_number_of_batches() -> None:
    masks, shape = ready(0.5, batches=2), torch.Size((4, 8, 3, 3))
    drawn = [masks.draw(shape) for _ in range(2)]
    masks.reseed(0, "block1.activation", 1, 900, CPU)
    assert all(torch.equal(masks.draw(shape), keep) for keep in drawn)


def test_a_shorter_last_batch_has_the_masks_of_the_images_it_has() -> None:
    long, short = ready(0.5), ready(0.5)
    first, second = long.draw(SHAPE), long.draw(SHAPE)
    assert torch.equal(short.draw(SHAPE), first)
    assert torch.equal(short.draw(torch.Size((18, *SHAPE[1:]))), second[:18])


@pytest.mark.parametrize("channels", [1, 3, 4, 6, 32])
def test_masks_do_not_depend_on_what_is_drawn_in_between(channels: int) -> None:
    shape = torch.Size((8, channels, 5, 7))
    alone, among, other = ready(0.5, seed=3), ready(0.5, seed=3), ready(0.25, seed=8)
    drawn = [alone.draw(shape) for _ in range(3)]
    for keep in drawn:
        assert torch.equal(among.draw(shape), keep)
        other.draw(shape)
        other.reseed(8, "block2.activation", 1, 5, CPU)


def test_what_a_higher_dropout_keeps_a_lower_one_keeps() -> None:
    keeps = [ready(dropout).draw(SHAPE) for dropout in (0.0, *PROBABILITIES)]
    for lower, higher in pairwise(keeps):
        assert bool((lower >= higher).all())
        assert not torch.equal(lower, higher)


@pytest.mark.parametrize("channels", [4, 12])
def test_channels_are_last_in_memory(channels: int) -> None:
    shape = torch.Size((8, channels, 5, 7))
    keep = ready(0.5).draw(shape)
    assert keep.shape == shape
    assert keep.is_contiguous(memory_format=torch.channels_last)


def test_the_global_random_state_is_neither_used_nor_changed() -> None:
    first = ready(0.5).draw(SHAPE)
    torch.rand(7)
    before = torch.get_rng_state()
    assert torch.equal(ready(0.5).draw(SHAPE), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_there_is_no_mask_before_a_reseed() -> None:
    with pytest.raises(RuntimeError, match="reseed"):
        Masks(0.5).draw(SHAPE)
