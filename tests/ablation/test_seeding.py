"""Random streams: a function of seed, name and epoch, and of nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablation.seeding import generator, key
from crnn.network.config import ModelConfig
from crnn.network.model import CRNN

names = st.text("ab/.0123", max_size=6)
streams = st.tuples(st.integers(0, 2**40), names, st.integers(0, 10_000))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ((0, "split"), 590571038515690228),
        ((3, "init/lstm.weight_hh_l0", 0), 6130535246993171104),
        ((3, "dropout/block1.activation", 20), 2632320187018790767),
    ],
)
def test_keys_are_the_same_in_every_process_and_version(
    stream: tuple[int, str], expected: int
) -> None:
    # Every figure of every study hangs on them.
    assert key(*stream) == expected


@given(streams)
def test_a_key_is_a_63_bit_number(stream: tuple[int, str, int]) -> None:
    assert 0 <= key(*stream) < 2**63


@given(streams, streams)
def test_streams_have_keys_of_their_own(
    one: tuple[int, str, int], other: tuple[int, str, int]
) -> None:
    assert (key(*one) == key(*other)) == (one == other)


def test_numbers_in_a_name_are_not_taken_for_seed_or_epoch() -> None:
    alike = [
        (1, "a", 23),
        (1, "a2", 3),
        (1, "a/2", 3),
        (1, "a/23", 0),
        (1, "1/a", 23),
        (11, "a", 23),
    ]
    assert len({key(*stream) for stream in alike}) == len(alike)


def test_a_generator_starts_at_the_start_of_its_stream() -> None:
    one, other = generator(1, "order", 2), generator(1, "order", 2)
    first = torch.randperm(100, generator=one)
    assert torch.equal(torch.randperm(100, generator=other), first)
    assert not torch.equal(torch.randperm(100, generator=one), first)
    assert not torch.equal(torch.randperm(100, generator=generator(1, "order", 3)), first)


def test_a_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(10, generator=generator(0, "split"))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_two_streams_of_a_study_start_alike() -> None:
    # PyTorch's generator on a CPU takes 32 bits of a key only: look at what is drawn.
    drawn = [
        int(torch.empty((), dtype=torch.int64).random_(generator=generator(*stream)))
        for seed in range(10)
        for stream in streams_of_a_replicate(seed)
    ]
    assert len(set(drawn)) == len(drawn) > 1000


def streams_of_a_replicate(seed: int) -> list[tuple[int, str, int]]:
    parameters = [name for name, _ in CRNN(ModelConfig()).named_parameters()]
    layers = [f"dropout/block{block}.activation" for block in (1, 2, 3)]
    once = ["split", *(f"init/{name}" for name in parameters)]
    each_epoch = [(seed, name, epoch) for name in ("order", *layers) for epoch in range(1, 21)]
    return [*((seed, name, 0) for name in once), *each_epoch]
