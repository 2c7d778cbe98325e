"""Several replicates as one network: each is what it is alone, whatever becomes of the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from crnn.config import ModelConfig, Setting, TrainConfig
from crnn.data import FashionMNIST, load
from crnn.fused import FusedCRNN, FusedOptimizer, _FusedLSTM
from crnn.model import CRNN, LSTM, reseed
from crnn.training import (
    DivergedError,
    Epoch,
    Result,
    as_input,
    cross_entropies,
    has_bf16,
    train,
    train_together,
)
from tests.networks import optimizer_of, small

pytestmark = pytest.mark.usefixtures("one_thread")

# What members may differ in, beside their seeds.
ARMS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.1, "weight_decay": 0.01},
    {"dropout": 0.1, "dropout_count": 1, "learning_rate": 0.01},
    {"dropout": 0.0},
]
SEEDS = [0, 1, 2, 2]
ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"sequence": "columns"},
    {"lstm_layers": 0},
    {
        "conv_layers": 2,
        "pooling_count": 1,
        "batch_norm": False,
        "channels": (6, 10, 3),
        "embedding_dim": 10,
    },
    {"padding": "matched", "filter_sizes": (2, 3, 5)},
]
TINY: dict[str, Any] = {"channels": (4, 8, 16), "embedding_dim": 16, "hidden_size": 16}


def arms(**changes: Any) -> list[Setting]:
    return [Setting.of({"precision": "fp32", **arm, **changes}) for arm in ARMS]


def fused(settings: Sequence[Setting], seeds: Sequence[int]) -> FusedCRNN:
    """The network with channels last in memory, as in training."""
    network: Any = FusedCRNN(settings, seeds)
    moved: FusedCRNN = network.to(memory_format=torch.channels_last)
    return moved


def batch(data: FashionMNIST, members: int, images: int, number: int = 0) -> tuple[Tensor, Tensor]:
    """Other images for each member: pixels (members, images, 28, 28) and their labels."""
    first = number * images
    order = torch.arange(first, first + members * images).view(members, images)
    order = order * 7 % len(data.train_labels)  # the sample is sorted by class
    return data.train_images[order], data.train_labels[order].long()


def backward(network: nn.Module, images: Tensor, truth: Tensor) -> Tensor:
    """Each member's loss; the gradients are in the network."""
    scores = network(as_input(images))
    if isinstance(network, CRNN):
        scores = scores.unsqueeze(0)
    losses = cross_entropies(scores, truth).mean(1)
    losses.sum().backward()
    return losses.detach()


def train_some(
    network: FusedCRNN, optimizer: FusedOptimizer, data: FashionMNIST, steps: int, images: int = 32
) -> list[Tensor]:
    """Train for some steps; each step's losses."""
    reseed(network, network.seeds, 1, steps)
    losses = []
    for number in range(steps):
        optimizer.zero_grad()
        losses.append(backward(network, *batch(data, len(network.seeds), images, number)))
        optimizer.step(torch.ones(1))
    return losses


def fused_optimizer(network: FusedCRNN) -> FusedOptimizer:
    return FusedOptimizer(network, [setting.train for setting in network.settings])


def of_member(value: Tensor, number: int, members: int, like: Tensor) -> Tensor:
    """One member's part of a parameter (or its gradient) of all."""
    part: Tensor = value.unflatten(0, (members, -1))[number].reshape(like.shape)
    return part


def gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


# What a member is


@pytest.mark.parametrize("changes", ARCHITECTURES)
def test_a_member_starts_as_its_own_network(changes: dict[str, Any]) -> None:
    settings = arms(**changes)
    network = FusedCRNN(settings, SEEDS)
    for number, (setting, seed) in enumerate(zip(settings, SEEDS, strict=True)):
        ours, own = network.member(number).state_dict(), CRNN(setting.model, seed).state_dict()
        assert list(ours) == list(own)
        assert all(torch.equal(ours[name], own[name]) for name in own)


# A small batch, so that hardly an activation lies at the corner of a ReLU, where a rounding that
# depends on the processor would change a gradient as a whole.
@pytest.mark.parametrize("changes", ARCHITECTURES)
def test_a_first_step_has_the_gradients_of_separate_networks(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    settings = arms(**changes)
    together = fused(settings, SEEDS)
    reseed(together, together.seeds, 3, 1)
    images, truth = batch(sample, 4, 8)
    losses = backward(together, images, truth)
    for number, (setting, seed) in enumerate(zip(settings, SEEDS, strict=True)):
        alone: Any = CRNN(setting.model, seed)
        alone.to(memory_format=torch.channels_last)
        reseed(alone, [seed], 3, 1)
        (loss,) = backward(alone, images[number : number + 1], truth[number : number + 1])
        torch.testing.assert_close(losses[number], loss)
        for (name, ours), own in zip(together.named_parameters(), alone.parameters(), strict=True):
            if name.endswith("conv.bias") and setting.model.batch_norm:
                continue  # batch normalisation takes it out: its gradient is nothing but rounding
            found, expected = of_member(gradient(ours), number, 4, own), gradient(own)
            assert (found - expected).norm() < 1e-5 * expected.norm(), name


def test_scores_are_those_of_the_members(sample: FashionMNIST) -> None:
    network = fused(arms(**TINY), SEEDS)
    train_some(network, fused_optimizer(network), sample, 5)
    network.eval()
    images, _ = batch(sample, 4, 50)
    with torch.no_grad():
        scores = network(as_input(images))
        for number in range(4):
            own = network.member(number).eval()(as_input(images[number : number + 1]))
            torch.testing.assert_close(scores[number], own)
    assert scores.shape == (4, 50, 10)


def test_building_a_network_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    FusedCRNN(arms(**TINY), SEEDS)
    assert torch.equal(torch.get_rng_state(), before)


class Operators(TorchDispatchMode):
    """Counts PyTorch's operations, those of the way back too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "lstm_layers": 0}])
def test_a_step_takes_as_many_operations_however_many_members(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    settings, counts = arms(**{**TINY, **changes}), []
    for members in (2, 3, 6):
        group = (settings * 2)[1 : members + 1]
        network = fused(group, range(members))
        optimizer = fused_optimizer(network)
        train_some(network, optimizer, sample, 1, images=8)  # makes what later steps keep
        reseed(network, network.seeds, 2, 1)
        with Operators() as seen:
            optimizer.zero_grad()
            backward(network, *batch(sample, members, 8))
            optimizer.step(torch.ones(1))
        counts.append(seen.counts)
    assert counts[0] == counts[1] == counts[2]
    for operation in ("convolution", "convolution_backward", "max_pool2d_with_indices_backward"):
        assert counts[0][f"aten.{operation}.default"] == 3


# The LSTM


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_lstm_is_pytorchs(layers: int, length: int) -> None:
    random = torch.Generator().manual_seed(0)
    singles = [LSTM(5, 6, layers, batch_first=True) for _ in range(3)]
    together = _FusedLSTM(singles[0], 3)
    for single in singles:
        for parameter in single.parameters():
            nn.init.uniform_(parameter, -1, 1, generator=random)
    for name, parameter in together.named_parameters():
        parameter.data.copy_(torch.stack([single.get_parameter(name) for single in singles]))
    x = torch.randn(3, 4, length, 5, generator=random, requires_grad=True)
    y = together(x)
    grad = torch.randn(y.shape, generator=random)
    y.backward(grad)
    for number, single in enumerate(singles):
        own = x.detach()[number].requires_grad_()
        expected = single(own)
        expected.backward(grad[number])
        torch.testing.assert_close(y[number], expected)
        torch.testing.assert_close(gradient(x)[number], gradient(own))
        for name, parameter in single.named_parameters():
            found = gradient(together.get_parameter(name))[number]
            torch.testing.assert_close(found, gradient(parameter), msg=name)


# The optimizer


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize(
    ("rates", "decays"),
    [
        ((1e-3, 1e-2, 3e-4), (0.1, 0.0, 0.01)),
        ((1e-3, 1e-3, 1e-3), (0.1, 0.1, 0.1)),
        ((1e-3, 1e-3, 1e-3), (0.0, 0.1, 0.01)),
        ((1e-3, 1e-2, 1e-3), (0.0, 0.0, 0.0)),
    ],
)
def test_each_member_moves_as_with_pytorchs_optimizer(
    optimizer: str, rates: tuple[float, ...], decays: tuple[float, ...]
) -> None:
    config = TrainConfig(optimizer=optimizer)  # type: ignore[arg-type]
    configs = [
        config.model_copy(update={"learning_rate": rate, "weight_decay": decay})
        for rate, decay in zip(rates, decays, strict=True)
    ]
    model = ModelConfig(**TINY, lstm_layers=1)
    # The settings of the network say nothing of the rates here.
    network = fused([Setting(model=model)] * 3, range(3))
    singles = [network.member(number) for number in range(3)]
    ours = FusedOptimizer(network, configs)
    theirs = [optimizer_of(c, single) for c, single in zip(configs, singles, strict=True)]
    random = torch.Generator().manual_seed(0)
    for step in range(20):
        factor = 1 - step / 20
        ours.zero_grad()
        for parameter in network.parameters():
            gradient(parameter).add_(torch.randn(parameter.shape, generator=random))
        for number, (single, reference) in enumerate(zip(singles, theirs, strict=True)):
            for parameter, own in zip(network.parameters(), single.parameters(), strict=True):
                own.grad = of_member(gradient(parameter), number, 3, own).clone()
            reference.param_groups[0]["lr"] = rates[number] * factor
            reference.step()
        ours.step(torch.tensor([factor], dtype=torch.float64))
    for number, single in enumerate(singles):
        for parameter, own in zip(network.parameters(), single.parameters(), strict=True):
            found = of_member(parameter.detach(), number, 3, own)
            torch.testing.assert_close(found, own.detach(), rtol=1e-6, atol=1e-6)


def test_steps_move_no_parameter_or_gradient_in_memory(sample: FashionMNIST) -> None:
    network = fused(arms(**TINY), SEEDS)
    optimizer = fused_optimizer(network)

    def places() -> list[tuple[int, int]]:
        return [(p.data_ptr(), gradient(p).data_ptr()) for p in network.parameters()]

    before = places()
    train_some(network, optimizer, sample, 2)
    assert places() == before


# Whole trainings


def figures(result: Result | DivergedError) -> list[Any]:
    """Everything a training ends with but the time it took."""
    assert isinstance(result, Result)
    epochs = [replace(epoch, seconds=0.0) for epoch in result.epochs]
    return [epochs, result.test, {k: v.tolist() for k, v in result.model.state_dict().items()}]


def finished(results: Sequence[Result | DivergedError]) -> list[Result]:
    assert all(isinstance(result, Result) for result in results)
    return [result for result in results if isinstance(result, Result)]


MEMBERS = [
    (small(), 1),
    (small(dropout=0.1, weight_decay=0.01), 2),
    (small(learning_rate=3e-3, dropout_count=2), 1),
]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sequence": "columns", "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
        {"lstm_layers": 0, "optimizer": "sgd", "learning_rate": 0.02},
    ],
)
def test_members_learn_as_they_do_alone(changes: dict[str, Any], sample: FashionMNIST) -> None:
    members = [(setting.replace(**changes), seed) for setting, seed in MEMBERS]
    together = finished(train_together(members, sample))
    for result, (setting, seed) in zip(together, members, strict=True):
        alone = train(setting, seed, sample)
        for ours, own in zip(result.epochs, alone.epochs, strict=True):
            assert ours.epoch == own.epoch
            assert ours.train_loss == pytest.approx(own.train_loss, abs=1e-3)
            assert ours.val_loss == pytest.approx(own.val_loss, abs=1e-3)
            assert ours.train_accuracy == pytest.approx(own.train_accuracy, abs=0.015)
        assert result.test is not None
        assert alone.test is not None
        assert result.test.loss == pytest.approx(alone.test.loss, abs=1e-3)
        assert not result.model.training


# Without batch normalisation, under which some gradients are nothing but rounding, and Adam makes
# them as large as any.
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_members_end_with_the_weights_they_have_alone(optimizer: str, sample: FashionMNIST) -> None:
    members = [
        (setting.replace(optimizer=optimizer, batch_norm=False, weight_decay=decay), seed)
        for (setting, seed), decay in zip(MEMBERS, (0.1, 0.01, 0.3), strict=True)
    ]
    for result, (setting, seed) in zip(
        finished(train_together(members, sample)), members, strict=True
    ):
        alone = train(setting, seed, sample).model.state_dict()
        for name, value in result.model.state_dict().items():
            torch.testing.assert_close(value, alone[name], rtol=0, atol=1e-4, msg=name)


# By small steps of SGD and without an LSTM: under Adam a change of the first weights by a rounding
# (1e-7) alone moves the baseline's accuracy here by three points. Even so rounding, which differs
# from one kind of processor to another, has moved it by 13 of the 1,800 images.
@pytest.mark.slow
def test_members_learn_real_data_as_they_do_alone(full_data: Path) -> None:
    data = load(full_data)
    changes = {"optimizer": "sgd", "learning_rate": 0.01, "lstm_layers": 0, "precision": "fp32"}
    setting = Setting.of({**changes, "train_size": 6000, "epochs": 1})
    members = [(setting, 0), (setting, 1), (setting.replace(dropout=0.1), 1)]
    together = finished(train_together(members, data, score_test=False))
    for result, member in zip(together, members, strict=True):
        alone = train(*member, data, score_test=False)
        assert result.val_accuracy == pytest.approx(alone.val_accuracy, abs=0.02)
        assert result.epochs[0].val_loss == pytest.approx(alone.epochs[0].val_loss, abs=0.02)
        assert result.val_accuracy > 0.6


def test_one_member_is_a_training_by_itself(sample: FashionMNIST) -> None:
    (result,) = train_together([MEMBERS[1]], sample)
    assert figures(result) == figures(train(*MEMBERS[1], sample))


def test_a_member_does_not_depend_on_whom_it_is_with(sample: FashionMNIST) -> None:
    first, *_ = train_together([MEMBERS[0], MEMBERS[1]], sample)
    again, *_ = train_together([MEMBERS[0], MEMBERS[2]], sample)
    assert figures(first) == figures(again)


def test_epochs_and_batches_are_reported_as_they_pass(sample: FashionMNIST) -> None:
    epochs: list[tuple[int, Epoch]] = []
    batches: list[tuple[int, ...]] = []
    results = train_together(
        MEMBERS,
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


def test_bf16_is_close_to_fp32_for_a_step(sample: FashionMNIST) -> None:
    if not has_bf16(torch.device("cpu")):
        pytest.skip("needs a CPU that computes in bf16")
    # One batch: the training loss is from before the step, the validation loss from after it.
    members = [(s.replace(epochs=1, batch_size=210, lstm_layers=2), seed) for s, seed in MEMBERS]
    halves = [(setting.replace(precision="bf16"), seed) for setting, seed in members]
    full, half = (finished(train_together(group, sample)) for group in (members, halves))
    for ours, theirs in zip(half, full, strict=True):
        assert ours.epochs[0].train_loss == pytest.approx(theirs.epochs[0].train_loss, abs=5e-3)
        assert ours.epochs[0].val_loss == pytest.approx(theirs.epochs[0].val_loss, abs=5e-3)
        assert ours.epochs[0].val_loss != theirs.epochs[0].val_loss
        assert {parameter.dtype for parameter in ours.model.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: never run yet")
@pytest.mark.parametrize("members", [MEMBERS, MEMBERS[:1]])
def test_a_gpu_trains_as_a_cpu_does(
    members: list[tuple[Setting, int]], sample: FashionMNIST
) -> None:
    # 11 batches an epoch: three to warm up, seven captured, a shorter last one.
    members = [(setting.replace(train_size=1000), seed) for setting, seed in members]
    gpu, cpu = (
        finished(train_together(members, sample, device=device)) for device in ("cuda", "cpu")
    )
    for ours, theirs in zip(gpu, cpu, strict=True):
        assert ours.epochs[0].train_loss == pytest.approx(theirs.epochs[0].train_loss, abs=1e-2)
        assert ours.epochs[0].val_loss == pytest.approx(theirs.epochs[0].val_loss, abs=1e-2)
    again = finished(train_together(members, sample, device="cuda"))
    assert [figures(result) for result in again] == [figures(result) for result in gpu]


# Divergence


@pytest.mark.parametrize("changes", [*ARCHITECTURES, {**TINY, "optimizer": "sgd"}])
def test_a_member_that_is_nan_leaves_the_others_bit_for_bit(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    settings = arms(**changes)[:3]
    good, bad = fused(settings, SEEDS[:3]), fused(settings, SEEDS[:3])
    with torch.no_grad():
        for parameter in bad.parameters():
            parameter.unflatten(0, (3, -1))[1] = torch.nan
    images = 32 if "channels" in changes else 4
    expected = train_some(good, fused_optimizer(good), sample, 2, images)
    found = train_some(bad, fused_optimizer(bad), sample, 2, images)
    keep = torch.tensor([0, 2])
    assert all(torch.equal(a[keep], b[keep]) for a, b in zip(found, expected, strict=True))
    assert all(losses[1].isnan() for losses in found)
    for number in (0, 2):
        ours, theirs = bad.member(number).state_dict(), good.member(number).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


WILD = {"optimizer": "sgd", "lstm_layers": 0, "train_size": 1000, "epochs": 3}


def wild(rates: Sequence[float]) -> list[tuple[Setting, int]]:
    return [(small(**WILD, learning_rate=rate), seed) for seed, rate in enumerate(rates)]


def test_a_member_that_diverges_is_told_so_and_the_others_go_on(sample: FashionMNIST) -> None:
    seen: list[tuple[int, int]] = []
    results = train_together(
        wild([0.01, 10.0, 0.02]), sample, on_epoch=lambda m, epoch: seen.append((m, epoch.epoch))
    )
    expected = train_together(wild([0.01, 0.01, 0.02]), sample)
    assert figures(results[0]) == figures(expected[0])
    assert figures(results[2]) == figures(expected[2])
    with pytest.raises(DivergedError) as alone:
        train(*wild([0.01, 10.0])[1], sample)
    assert isinstance(results[1], DivergedError)
    # Which batch it is may differ: numbers that explode carry the rounding with them.
    for error in (results[1], alone.value):
        assert re.fullmatch(r"the loss is (nan|inf) in epoch 1, batch \d+ of 11", str(error))
    assert seen == [(member, epoch) for epoch in (1, 2, 3) for member in (0, 2)]


def spoil_from(monkeypatch: pytest.MonkeyPatch, starts: dict[int, int]) -> None:
    """Have each member's loss be NaN from some step on (counted from 1, evaluation apart)."""
    calls = iter(range(1, 1000))

    def spoilt(scores: Tensor, truth: Tensor) -> Tensor:
        losses = cross_entropies(scores, truth)
        if not losses.requires_grad:
            return losses
        step = next(calls)
        factors = [torch.nan if step >= starts.get(m, 1000) else 1.0 for m in range(len(losses))]
        return losses * torch.tensor(factors).unsqueeze(1)

    monkeypatch.setattr("crnn.training.cross_entropies", spoilt)


@pytest.mark.parametrize("starts", [{0: 7, 1: 2}, {0: 2, 1: 7}, {0: 2, 1: 2}])
def test_when_all_have_diverged_the_training_ends(
    starts: dict[int, int], sample: FashionMNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_from(monkeypatch, starts)
    batches: list[tuple[int, ...]] = []
    members = [(small(epochs=9), 0), (small(epochs=9), 1)]
    results = train_together(members, sample, on_batch=lambda *at: batches.append(at))
    for member, result in enumerate(results):  # each under its own number, whoever went first
        epoch, batch = divmod(starts[member] - 1, 4)
        assert isinstance(result, DivergedError)
        assert f"the loss is nan in epoch {epoch + 1}, batch {batch + 1} of 4" in str(result)
    assert len(batches) == 4 * (2 if 7 in starts.values() else 1)


# Which settings make one network

APART: dict[str, Any] = {
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
    "epochs": 3,
    "batch_size": 63,
    "schedule": "cosine",
    "optimizer": "sgd",
    "train_fraction": 0.8,
    "train_size": 200,
}


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": 0.1},
        {"dropout": 0.0},
        {"dropout_count": 1},
        {"dropout_count": 0},
        {"learning_rate": 0.01},
        {"weight_decay": 0.1},
    ],
)
def test_settings_that_differ_in_dropout_and_rates_share_a_key(change: dict[str, Any]) -> None:
    assert small(**change).digest != small().digest
    assert small(**change).fusion_key() == small().fusion_key()


@pytest.mark.parametrize("name", APART)
def test_settings_that_differ_in_anything_else_do_not(name: str, sample: FashionMNIST) -> None:
    # "matched" is another network only where a filter is another one.
    start = small(filter_sizes=(3, 3, 4))
    other = start.replace(**{name: APART[name]})
    assert other.fusion_key() != start.fusion_key()
    with pytest.raises(ValueError, match="one network"):
        train_together([(start, 0), (other, 1)], sample)


def test_one_network_computes_in_one_precision(sample: FashionMNIST) -> None:
    members = [(small(), 0), (small(precision="bf16"), 1)]
    with pytest.raises(ValueError, match="one precision"):
        train_together(members, sample)


def test_adamw_without_decay_does_not_decide_how_others_decay(sample: FashionMNIST) -> None:
    # AdamW without weight decay is Adam, and shares its key.
    plain = small(batch_norm=False)
    members = [(plain.replace(optimizer="adamw"), 0), (plain.replace(weight_decay=0.1), 1)]
    assert len({setting.fusion_key() for setting, _ in members}) == 1
    _, other = finished(train_together(members, sample))
    alone = train(*members[1], sample).model.state_dict()
    for name, value in other.model.state_dict().items():
        torch.testing.assert_close(value, alone[name], rtol=0, atol=1e-4, msg=name)
