"""Trainings side by side: each is what it is alone, whatever becomes of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from ablation.device import has_bf16
from crnn.data.fashion_mnist import FashionMNIST, load_data
from crnn.network.config import Setting
from crnn.network.model import CRNN
from crnn.training.results import DivergedError, Epoch, Result, TrainingState
from crnn.training.train import train, train_packed
from tests.helpers.made.networks import give_bf16, small

pytestmark = pytest.mark.usefixtures("one_thread")

needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

Members = list[tuple[Setting, int]]

ALIKE: Members = [
    (small(), 1),
    (small(dropout=0.1, weight_decay=0.01), 2),
    (small(learning_rate=3e-3, dropout_count=2, averaging=0.9), 1),
]
UNLIKE: Members = [
    (small(optimizer="adamw", weight_decay=0.1, sequence="columns", schedule="cosine"), 0),
    (small(optimizer="sgd", learning_rate=0.02, lstm_layers=0, averaging=0.2), 1),
    (small(conv_layers=2, pooling_count=1, embedding_dim=14, batch_norm=False, dropout=0.0), 2),
    (small(optimizer="sgd", padding="matched", filter_sizes=(2, 3, 5), weight_decay=0.1), 2),
    (small(channels=(6, 10, 3), embedding_dim=9, lstm_layers=2, hidden_size=8), 1),
]
GROUPS: dict[str, Members] = {
    "one architecture": ALIKE,
    "five architectures": UNLIKE,
    "all, the other way round": [*ALIKE, *UNLIKE][::-1],
    "one twice": [ALIKE[0], UNLIKE[1], ALIKE[0]],
    "one": ALIKE[1:2],
}


def changed(members: Members, **changes: Any) -> Members:
    return [(setting.replace(**changes), seed) for setting, seed in members]


def figures(result: Result | DivergedError) -> list[Any]:
    """Everything a training ends with but the time it took."""
    assert isinstance(result, Result)
    epochs = [replace(epoch, seconds=0.0) for epoch in result.epochs]
    weights = {k: v.tolist() for k, v in result.model.state_dict().items()}
    return [epochs, result.test, result.ema_test, weights]


def finished(results: Sequence[Result | DivergedError]) -> list[Result]:
    assert all(isinstance(result, Result) for result in results)
    return [result for result in results if isinstance(result, Result)]


Alone = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def alone(sample: FashionMNIST, one_thread: None) -> Alone:
    """What a setting with a seed comes to by itself, which is trained once."""

    @cache
    def trained(setting: Setting, seed: int, device: str = "cpu") -> list[Any]:
        return figures(train(setting, seed, sample, device=device))

    return trained


def assert_as_alone(
    members: Members, alone: Alone, data: FashionMNIST, device: str = "cpu"
) -> None:
    together = train_packed(members, data, device=device)
    for result, member in zip(together, members, strict=True):
        assert figures(result) == alone(*member, device)


# Whole trainings


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(group, marks=pytest.mark.slow if len(GROUPS[group]) > 3 else ())
        for group in GROUPS
    ],
)
def test_members_end_exactly_as_they_do_alone(
    group: str, alone: Alone, sample: FashionMNIST
) -> None:
    assert_as_alone(GROUPS[group], alone, sample)


def test_a_member_does_not_depend_on_whom_it_is_with(sample: FashionMNIST) -> None:
    first, *_ = train_packed([ALIKE[0], ALIKE[1]], sample)
    again, *_ = train_packed([ALIKE[0], UNLIKE[3]], sample)
    assert figures(first) == figures(again)


@pytest.mark.slow
def test_members_of_two_precisions_end_exactly_as_they_do_alone(
    alone: Alone, sample: FashionMNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_bf16(monkeypatch, native=True)  # emulated it will do
    members = [*ALIKE[:1], *changed([ALIKE[0], *UNLIKE[:2]], precision="bf16")]
    full, half, *_ = train_packed(members, sample)
    assert figures(full) != figures(half)
    assert_as_alone(members, alone, sample)


@pytest.mark.slow
def test_members_learn_real_data_exactly_as_they_do_alone(full_data: Path) -> None:
    data = load_data(full_data)
    setting = Setting.of({"precision": "fp32", "train_size": 6000, "epochs": 1})
    sgd = setting.replace(optimizer="sgd", learning_rate=0.01, lstm_layers=0)
    members = [(setting, 0), (sgd, 1), (sgd.replace(dropout=0.1), 1)]
    together = finished(train_packed(members, data))
    for result, member in zip(together, members, strict=True):
        assert figures(result) == figures(train(*member, data))
    assert all(result.val_accuracy > 0.6 for result in together[1:])


def test_networks_are_returned_in_evaluation_mode(sample: FashionMNIST) -> None:
    results = finished(train_packed(ALIKE, sample, score_test=False))
    assert [result.test for result in results] == [None] * 3
    assert not any(result.model.training for result in results)


def test_epochs_and_batches_are_reported_as_they_pass(sample: FashionMNIST) -> None:
    epochs: list[tuple[int, Epoch]] = []
    batches: list[tuple[int, ...]] = []
    results = train_packed(
        ALIKE,
        sample,
        on_epoch=lambda *seen: epochs.append(seen),
        on_batch=lambda *at: batches.append((*at, len(epochs))),
    )
    assert [(member, epoch.epoch) for member, epoch in epochs] == [
        (member, epoch) for epoch in (1, 2) for member in (0, 1, 2)
    ]
    for member, result in enumerate(finished(results)):
        assert result.epochs == tuple(epoch for number, epoch in epochs if number == member)
        assert 0 < sum(epoch.seconds for epoch in result.epochs) < result.seconds
    assert batches == [(e, b, 4, 3 * (e - 1)) for e in (1, 2) for b in (1, 2, 3, 4)]


def test_steps_move_no_parameter_in_memory(sample: FashionMNIST) -> None:
    places: dict[nn.Module, list[list[int]]] = defaultdict(list)

    def look(module: nn.Module, *_: object) -> None:
        if isinstance(module, CRNN) and module.training:
            places[module].append([tensor.data_ptr() for tensor in module.state_dict().values()])

    handle = register_module_forward_hook(look)
    try:
        train_packed(UNLIKE, sample)
    finally:
        handle.remove()
    assert [len(seen) for seen in places.values()] == [8] * 5  # two epochs of four batches
    assert all(place == seen[0] for seen in places.values() for place in seen)


def test_bf16_is_close_to_fp32_for_a_step(sample: FashionMNIST) -> None:
    if not has_bf16(torch.device("cpu")):
        pytest.skip("needs a CPU that computes in bf16")
    # One batch: the training loss is from before the step, the validation loss from after it.
    members = changed(ALIKE, epochs=1, batch_size=210, lstm_layers=2)
    halves = changed(members, precision="bf16")
    full, half = (finished(train_packed(group, sample)) for group in (members, halves))
    for ours, theirs in zip(half, full, strict=True):
        assert ours.epochs[0].train_loss == pytest.approx(theirs.epochs[0].train_loss, abs=5e-3)
        assert ours.epochs[0].val_loss == pytest.approx(theirs.epochs[0].val_loss, abs=5e-3)
        assert ours.epochs[0].val_loss != theirs.epochs[0].val_loss
        assert {parameter.dtype for parameter in ours.model.parameters()} == {torch.float32}


# On a GPU, in 11 batches an epoch: three to warm up, seven captured, a shorter last one.


@needs_a_gpu
@pytest.mark.parametrize("members", [ALIKE, ALIKE[:1]])
def test_a_gpu_trains_as_a_cpu_does(members: Members, sample: FashionMNIST) -> None:
    members = changed(members, train_size=1000)
    gpu, cpu = (
        finished(train_packed(members, sample, device=device)) for device in ("cuda", "cpu")
    )
    for ours, theirs in zip(gpu, cpu, strict=True):
        assert ours.epochs[0].train_loss == pytest.approx(theirs.epochs[0].train_loss, abs=1e-2)
        assert ours.epochs[0].val_loss == pytest.approx(theirs.epochs[0].val_loss, abs=1e-2)
    again = finished(train_packed(members, sample, device="cuda"))
    assert [figures(result) for result in again] == [figures(result) for result in gpu]


@needs_a_gpu
@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("group", GROUPS)
def test_on_a_gpu_too_members_end_exactly_as_they_do_alone(
    group: str, precision: str, alone: Alone, sample: FashionMNIST
) -> None:
    members = changed(GROUPS[group], train_size=1000, precision=precision)
    assert_as_alone(members, alone, sample, "cuda")


@needs_a_gpu
@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("group", GROUPS)
def test_a_gpu_training_that_was_stopped_ends_the_same_bit_for_bit(
    group: str, after: int, sample: FashionMNIST
) -> None:
    members = changed(GROUPS[group], train_size=1000, epochs=3)
    states: list[TrainingState] = []

    def on_state(state: TrainingState) -> None:
        tensors = {name: tensor.to("cpu", copy=True) for name, tensor in state.tensors.items()}
        states.append(replace(state, tensors=tensors))
        if state.epoch == after:
            raise InterruptedError

    undisturbed = train_packed(members, sample, device="cuda")
    with pytest.raises(InterruptedError):
        train_packed(members, sample, device="cuda", on_state=on_state)
    assert states[-1].epoch == after
    gone_on = train_packed(members, sample, device="cuda", resume_from=states[-1])
    assert [figures(result) for result in gone_on] == [figures(result) for result in undisturbed]


# Divergence

WILD = {"optimizer": "sgd", "lstm_layers": 0, "train_size": 1000, "epochs": 3}


def wild(rates: Sequence[float]) -> Members:
    return [(small(**WILD, learning_rate=rate), seed) for seed, rate in enumerate(rates)]


def assert_one_diverges(device: str, alone: Alone, data: FashionMNIST) -> None:
    seen: list[tuple[int, int]] = []
    members = wild([0.01, 10.0, 0.02])
    results = train_packed(
        members, data, device=device, on_epoch=lambda m, epoch: seen.append((m, epoch.epoch))
    )
    for member in (0, 2):
        assert figures(results[member]) == alone(*members[member], device)
    with pytest.raises(DivergedError) as error:
        train(*members[1], data, device=device)
    assert isinstance(results[1], DivergedError)
    assert str(results[1]) == str(error.value)
    assert "in epoch 1, batch" in str(error.value)
    assert seen == [(member, epoch) for epoch in (1, 2, 3) for member in (0, 2)]


@pytest.mark.slow
def test_a_member_that_diverges_is_told_so_and_the_others_go_on(
    alone: Alone, sample: FashionMNIST
) -> None:
    assert_one_diverges("cpu", alone, sample)


@needs_a_gpu
def test_on_a_gpu_too_a_member_that_diverges_leaves_the_others(
    alone: Alone, sample: FashionMNIST
) -> None:
    assert_one_diverges("cuda", alone, sample)


def spoil_from(monkeypatch: pytest.MonkeyPatch, starts: Sequence[int | None]) -> None:
    """Have each member's loss be NaN from some step on (counted from 1, evaluation apart)."""
    calls, whole = count(), F.cross_entropy

    def spoilt(*words: Any, **options: Any) -> Tensor:
        losses = whole(*words, **options)
        if not losses.requires_grad:
            return losses
        step, member = divmod(next(calls), len(starts))  # a step takes the members in order
        start = starts[member]
        return losses * (torch.nan if start and step + 1 >= start else 1.0)

    monkeypatch.setattr(F, "cross_entropy", spoilt)


@pytest.mark.slow
def test_a_member_that_is_nan_leaves_the_others_bit_for_bit(
    alone: Alone, sample: FashionMNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [alone(*member) for member in UNLIKE]
    spoil_from(monkeypatch, [None, 3, None, 6, None])
    results = train_packed(UNLIKE, sample)
    for member in (0, 2, 4):
        assert figures(results[member]) == expected[member]
    assert [str(results[member]) for member in (1, 3)] == [
        "the loss is nan in epoch 1, batch 3 of 4",
        "the loss is nan in epoch 2, batch 2 of 4",
    ]


@pytest.mark.parametrize("starts", [(7, 2), (2, 7), (2, 2)])
def test_when_all_have_diverged_the_training_ends(
    starts: tuple[int, int], sample: FashionMNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_from(monkeypatch, starts)
    batches: list[tuple[int, ...]] = []
    members = [(small(epochs=9), 0), (small(epochs=9), 1)]
    results = train_packed(members, sample, on_batch=lambda *at: batches.append(at))
    for start, result in zip(starts, results, strict=True):  # whoever went first
        epoch, batch = divmod(start - 1, 4)
        assert isinstance(result, DivergedError)
        assert str(result) == f"the loss is nan in epoch {epoch + 1}, batch {batch + 1} of 4"
    assert len(batches) == 4 * (2 if 7 in starts else 1)


# Which settings go side by side

BESIDE: dict[str, Any] = {
    "conv_layers": 2,
    "filter_sizes": (3, 3, 5),
    "channels": (4, 8, 32),
    "strides": (1, 1, 1),
    "pooling_count": 2,
    "padding": "matched",
    "sequence": "columns",
    "embedding_dim": 8,
    "hidden_size": 8,
    "lstm_layers": 2,
    "batch_norm": False,
    "dropout": 0.1,
    "dropout_count": 1,
    "schedule": "cosine",
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "averaging": 0.998,
    "precision": "bf16",
}
APART: dict[str, Any] = {"epochs": 3, "batch_size": 63, "train_fraction": 0.8, "train_size": 200}


def test_every_setting_goes_side_by_side_or_does_not() -> None:
    assert {*BESIDE, *APART} == small().values().keys()


@pytest.mark.parametrize("name", BESIDE)
def test_settings_of_as_many_steps_of_as_many_images_share_a_key(name: str) -> None:
    start = small(filter_sizes=(3, 3, 4))
    other = start.replace(**{name: BESIDE[name]})
    assert other != start
    assert other.pack_key() == start.pack_key()


@pytest.mark.parametrize("name", APART)
def test_settings_of_others_do_not(name: str, sample: FashionMNIST) -> None:
    other = small(**{name: APART[name]})
    assert other.pack_key() != small().pack_key()
    with pytest.raises(ValueError, match="side by side"):
        train_packed([(small(), 0), (other, 1)], sample)
