"""Training on a small part of the real data: what it computes, and what it depends on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from ablation.device import DeviceError, has_bf16, pick_device, pick_precision
from crnn.data.fashion_mnist import FashionMNIST, split
from crnn.network.config import Setting, TrainConfig
from crnn.network.model import CRNN
from crnn.training.evaluation import as_input, forward, score
from crnn.training.optimizer import lr_multiplier
from crnn.training.results import DivergedError, Epoch, Result
from crnn.training.train import train
from tests.helpers.made.networks import SAME, give_bf16, optimizer_of, plain, small

pytestmark = pytest.mark.usefixtures("one_thread")

BATCHES = [64, 64, 64, 18]  # of `small`


@pytest.fixture(scope="module")
def data(sample: FashionMNIST) -> FashionMNIST:
    """The sample, each image with its number in its first two pixels (test images: from 1,000)."""

    def numbered(images: Tensor, first: int) -> Tensor:
        images, numbers = images.clone(), torch.arange(first, first + len(images))
        images[:, 0, 0], images[:, 0, 1] = numbers // 256, numbers % 256
        return images

    return replace(
        sample,
        train_images=numbered(sample.train_images, 0),
        test_images=numbered(sample.test_images, 1000),
    )


@dataclass
class Seen:
    """What networks were shown, batch by batch: numbers of images, and what came out."""

    training: list[list[int]] = field(default_factory=list)
    evaluation: list[list[int]] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)  # in training

    def epochs(self) -> list[list[int]]:
        """The images of each epoch of training, in order."""
        batches = [self.training[i : i + 4] for i in range(0, len(self.training), 4)]
        return [[number for batch in epoch for number in batch] for epoch in batches]


@contextmanager
def watched() -> Iterator[Seen]:
    """Watch every network there is, from outside, while it runs."""
    seen = Seen()

    def look(module: nn.Module, inputs: tuple[Tensor], scores: Tensor) -> None:
        if isinstance(module, CRNN):
            pixels = (inputs[0][:, 0, 0, :2] * 255).round().long()
            numbers = (pixels[:, 0] * 256 + pixels[:, 1]).tolist()
            (seen.training if module.training else seen.evaluation).append(numbers)
            if module.training:
                seen.scores.append(scores.detach().clone())

    handle = register_module_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


def figures(result: Result) -> list[Any]:
    """Everything a training ends with but the time it took."""
    epochs = [replace(epoch, seconds=0.0) for epoch in result.epochs]
    return [epochs, result.test, {k: v.tolist() for k, v in result.model.state_dict().items()}]


# What a result depends on


def test_the_same_seed_gives_the_same_bits(data: FashionMNIST) -> None:
    assert figures(train(small(), 1, data)) == figures(train(small(), 1, data))


def test_another_seed_gives_another_result(data: FashionMNIST) -> None:
    one, other = figures(train(small(), 1, data)), figures(train(small(), 2, data))
    assert all(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=() if place % 3 == 0 else pytest.mark.slow)
        for place, what in enumerate(SAME)
    ],
)
def test_what_shares_a_digest_shares_its_result(what: str, data: FashionMNIST) -> None:
    values, change = SAME[what]
    values = {"hidden_size": 16, "train_size": 100, "epochs": 1, "precision": "fp32", **values}
    setting = Setting.of(values)
    one, other = (
        train(each, 0, data, score_test=False) for each in (setting, setting.replace(**change))
    )
    assert figures(one) == figures(other)


def global_states() -> tuple[Any, ...]:
    numpy_state: Any = np.random.get_state()
    return torch.get_rng_state().tolist(), numpy_state[1].tolist(), random.getstate()


def test_global_random_state_is_neither_used_nor_changed(data: FashionMNIST) -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = global_states()
        results.append(figures(train(small(), 0, data)))
        after = global_states()
        assert after == before
    assert results[0] == results[1]


def test_callbacks_change_no_result(data: FashionMNIST) -> None:
    def noisy(*_: object) -> None:
        torch.rand(5)

    undisturbed = figures(train(small(), 0, data))
    assert figures(train(small(), 0, data, on_epoch=noisy, on_batch=noisy)) == undisturbed


def test_scoring_the_test_images_changes_no_result(data: FashionMNIST) -> None:
    with watched() as seen:
        result = train(small(), 0, data, score_test=False)
    assert result.test is None
    assert max(number for batch in seen.evaluation for number in batch) < 1000
    scored = train(small(), 0, data)
    assert figures(scored)[::2] == figures(result)[::2]


def test_the_data_is_left_as_it_was(data: FashionMNIST) -> None:
    before = data.train_images.clone(), data.train_labels.clone()
    train(small(), 0, data)
    assert torch.equal(data.train_images, before[0])
    assert torch.equal(data.train_labels, before[1])


def switches() -> tuple[bool, bool, bool, str]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.get_float32_matmul_precision(),
    )


def switch(enabled: bool, warn_only: bool, fill: bool, products: str) -> None:
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision(products)


@pytest.mark.parametrize(
    "asked",
    [
        (False, False, True, "highest"),
        (True, False, False, "high"),
        (True, True, True, "medium"),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_pytorchs_switches_are_as_they_were_before(
    asked: tuple[bool, bool, bool, str], fails: bool, data: FashionMNIST
) -> None:
    def look(_: Epoch) -> None:
        assert switches()[:2] == (True, False)
        if fails:
            raise InterruptedError

    before = switches()
    try:
        switch(*asked)
        try:
            train(small(epochs=1), 0, data, on_epoch=look)
        except InterruptedError:
            assert fails
        assert switches() == asked
    finally:
        switch(*before)


# Which images, in which order


def test_arms_share_split_and_batch_order(data: FashionMNIST) -> None:
    arms = [
        small(),
        small(hidden_size=8, dropout=0.0),
        small(conv_layers=2, embedding_dim=8, learning_rate=0.01),
    ]
    seen = []
    for arm in arms:
        with watched() as one:
            train(arm, 5, data)
        seen.append((one.training, one.evaluation))
    assert seen[0] == seen[1] == seen[2]


def test_every_epoch_shows_each_training_image_once_in_a_new_order(data: FashionMNIST) -> None:
    with watched() as seen:
        train(small(epochs=3), 5, data)
    chosen, held_out = split(1000, 5, 0.7, 300)
    epochs = seen.epochs()
    assert [len(batch) for batch in seen.training] == 3 * BATCHES
    assert all(sorted(epoch) == sorted(chosen.tolist()) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    test_images = list(range(1000, 1300))
    evaluated = [number for batch in seen.evaluation for number in batch]
    assert evaluated == 3 * held_out.tolist() + test_images


def test_seeds_have_splits_and_orders_of_their_own(data: FashionMNIST) -> None:
    splits, orders = [], []
    for seed in (0, 1):
        with watched() as seen:
            train(small(epochs=1), seed, data)
        chosen = split(1000, seed, 0.7, 300)[0].tolist()
        splits.append(set(chosen))
        orders.append([chosen.index(number) for number in seen.epochs()[0]])
    assert splits[0] != splits[1]
    assert orders[0] != orders[1]


def test_without_a_cap_every_image_is_used(data: FashionMNIST) -> None:
    with watched() as seen:
        train(small(epochs=1, train_size=60_000, batch_size=500), 0, data)
    assert [len(batch) for batch in seen.training] == [500, 200]
    assert [len(batch) for batch in seen.evaluation] == [300, 300]


# What is reported


def test_training_figures_are_running_means_over_the_images(data: FashionMNIST) -> None:
    with watched() as seen:
        (epoch,) = train(small(epochs=1), 0, data).epochs
    labels = data.train_labels[torch.tensor(seen.epochs()[0])].long()
    scores = torch.cat(seen.scores)
    assert epoch.train_loss == pytest.approx(F.cross_entropy(scores, labels).item(), abs=1e-6)
    assert epoch.train_accuracy == (scores.argmax(1) == labels).sum().item() / 210


def test_the_last_validation_is_of_the_network_returned(data: FashionMNIST) -> None:
    result = train(small(), 3, data)
    held_out = split(1000, 3, 0.7, 300)[1]
    found = score(result.model, data.train_images[held_out], data.train_labels[held_out])
    assert (found.loss, found.accuracy) == (result.epochs[-1].val_loss, result.val_accuracy)
    assert result.test == score(result.model, data.test_images, data.test_labels)


@pytest.mark.parametrize("training", [True, False])
def test_score_is_what_cross_entropy_and_counting_give(data: FashionMNIST, training: bool) -> None:
    images, labels = data.train_images, data.train_labels  # more than one evaluation batch
    model = CRNN(small().model, seed=0).train(training)
    found = score(model, images, labels)
    assert model.training is training
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        scores = model.eval()(images.unsqueeze(1).float() / 255)
    predicted, truth = scores.argmax(1).tolist(), labels.tolist()
    expected = F.cross_entropy(scores.double(), labels.long()).item()
    assert found.loss == pytest.approx(expected, rel=1e-6)
    pairs = list(zip(truth, predicted, strict=True))
    assert found.confusion == [[pairs.count((t, p)) for p in range(10)] for t in range(10)]
    assert found.accuracy == sum(found.confusion[c][c] for c in range(10)) / 1000
    assert [sum(row) for row in found.confusion] == labels.bincount(minlength=10).tolist()


def test_pixels_go_in_from_0_to_1() -> None:
    images = torch.tensor([[[0, 51], [255, 128]]], dtype=torch.uint8)  # one image
    expected = torch.tensor([[[[0, 0.2], [1, 128 / 255]]]])
    torch.testing.assert_close(as_input(images), expected, check_stride=False)


def test_images_get_a_channel_which_is_last_in_memory() -> None:
    images = torch.arange(4 * 28 * 28).view(4, 28, 28).to(torch.uint8)
    before = images.clone()
    x = as_input(images)
    assert x.shape == (4, 1, 28, 28)
    assert x.dtype == torch.float32
    assert torch.equal(x[1, 0], images[1].float() / 255)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_it_learns(data: FashionMNIST) -> None:
    setting = small(train_size=1000, epochs=8, batch_size=32, learning_rate=3e-3)
    result = train(setting, 0, data)
    assert result.val_accuracy > 0.5
    assert result.test is not None
    assert result.test.accuracy > 0.5
    losses = [epoch.train_loss for epoch in result.epochs]
    assert losses[-1] < 0.5 * losses[0]


def test_epochs_and_batches_are_reported_as_they_pass(data: FashionMNIST) -> None:
    epochs: list[Epoch] = []
    batches: list[tuple[int, ...]] = []
    result = train(
        small(),
        0,
        data,
        on_epoch=epochs.append,
        on_batch=lambda *at: batches.append((*at, len(epochs))),
    )
    assert tuple(epochs) == result.epochs
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert all(0 < epoch.seconds < result.seconds for epoch in epochs)
    assert batches == [(e, batch, 4, e - 1) for e in (1, 2) for batch in (1, 2, 3, 4)]


def test_what_on_epoch_raises_ends_the_training(data: FashionMNIST) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise InterruptedError("enough")

    with watched() as seen, pytest.raises(InterruptedError, match="enough"):
        train(small(epochs=9), 0, data, on_epoch=stop)
    assert len(seen.training) == 2 * len(BATCHES)


# Divergence


def test_a_training_that_diverges_ends_with_its_epoch(data: FashionMNIST) -> None:
    batches: list[tuple[int, int]] = []
    setting = small(optimizer="sgd", learning_rate=10.0, lstm_layers=0, train_size=1000, epochs=9)
    with watched() as seen, pytest.raises(DivergedError) as error:
        train(setting, 0, data, on_batch=lambda *at: batches.append(at[:2]))
    epoch, done = batches[-1]
    assert done == 11
    start = 11 * (epoch - 1)
    bad = [not scores.isfinite().all() for scores in seen.scores[start:]]
    assert not any(not scores.isfinite().all() for scores in seen.scores[:start])
    assert f"in epoch {epoch}, batch {bad.index(True) + 1} of 11" in str(error.value)


@contextmanager
def spoilt(when: Callable[[nn.Module], bool], value: float) -> Iterator[None]:
    """Have a network give `value` for every score, when asked to."""

    def spoil(module: nn.Module, inputs: object, scores: Tensor) -> Any:
        return scores * value if isinstance(module, CRNN) and when(module) else None

    handle = register_module_forward_hook(spoil)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_first_bad_batch_is_the_one_named(
    epoch: int, batch: int, value: float, data: FashionMNIST
) -> None:
    calls = iter(range(100))

    def when(module: nn.Module) -> bool:
        return module.training and next(calls) == (epoch - 1) * 4 + batch - 1

    message = f"the loss is nan in epoch {epoch}, batch {batch} of 4"
    with spoilt(when, value), pytest.raises(DivergedError, match=message):
        train(small(), 0, data)


def test_a_validation_loss_that_is_no_number_ends_it_too(data: FashionMNIST) -> None:
    message = "the validation loss is nan after epoch 1"
    with (
        spoilt(lambda module: not module.training, math.nan),
        pytest.raises(DivergedError, match=message),
    ):
        train(small(), 0, data)


# The steps of the optimizer


def by_hand(
    setting: Setting, seed: int, data: FashionMNIST, batches: list[list[int]]
) -> tuple[nn.Module, list[float]]:
    """The same training in plain PyTorch; its network and the loss of each batch."""
    network = plain(setting.model)
    start = CRNN(setting.model, seed).parameters()
    for ours, theirs in zip(start, network.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    optimizer = optimizer_of(setting.train, network)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    losses = []
    for batch in batches:
        images = data.train_images[batch].unsqueeze(1).float() / 255
        loss = F.cross_entropy(network(images), data.train_labels[batch].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if setting.train.schedule == "cosine":
            scheduler.step()
        losses.append(loss.item())
    return network, losses


def compare_with_plain_pytorch(setting: Setting, data: FashionMNIST, atol: float) -> None:
    with watched() as seen:
        result = train(setting, 7, data)
    network, losses = by_hand(setting, 7, data, seen.training)
    for number, epoch in enumerate(result.epochs):
        mean = np.average(losses[4 * number : 4 * number + 4], weights=BATCHES)
        assert epoch.train_loss == pytest.approx(mean, abs=atol)
    ours, theirs = result.model.state_dict(), network.state_dict()
    for (name, value), expected in zip(ours.items(), theirs.values(), strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=atol, msg=name)
    held_out = split(1000, 7, 0.7, 300)[1]
    with torch.no_grad():
        scores = network.eval()(data.train_images[held_out].unsqueeze(1).float() / 255)
    loss = F.cross_entropy(scores, data.train_labels[held_out].long()).item()
    assert result.epochs[-1].val_loss == pytest.approx(loss, abs=atol)


# A parameter moves by up to 8e-3 in these 8 steps. Without batch normalisation, under which some
# gradients are nothing but rounding, and Adam makes them as large as any.
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_training_is_what_plain_pytorch_does(
    optimizer: str, weight_decay: float, schedule: str, data: FashionMNIST
) -> None:
    rate = 1e-2 if optimizer == "sgd" else 1e-3
    setting = small(batch_norm=False, dropout=0.0, learning_rate=rate, weight_decay=weight_decay)
    setting = setting.replace(optimizer=optimizer, schedule=schedule)
    compare_with_plain_pytorch(setting, data, atol=1e-5)


# A parameter moves by up to 1e-2 here. PyTorch's batch normalisation is right to 1e-5 only where
# channels come last in memory, and a gradient changes where that crosses the corner of a ReLU.
@pytest.mark.parametrize("changes", [{}, {"padding": "matched", "filter_sizes": (2, 4, 5)},
                                     {"sequence": "columns"}, {"lstm_layers": 0}])  # fmt: skip
def test_batch_norm_trains_as_in_plain_pytorch(changes: dict[str, Any], data: FashionMNIST) -> None:
    setting = small(optimizer="sgd", learning_rate=0.01, dropout=0.0, **changes)
    compare_with_plain_pytorch(setting, data, atol=5e-4)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_weight_decay_makes_weights_smaller(optimizer: str, data: FashionMNIST) -> None:
    def size(weight_decay: float) -> float:
        setting = small(optimizer=optimizer, learning_rate=1e-2, weight_decay=weight_decay)
        model: Any = train(setting, 0, data, score_test=False).model
        return float(model.linear1[0].weight.detach().square().sum())

    assert size(1.0) < 0.95 * size(0.0)


def test_the_cosine_schedule_goes_from_1_to_0() -> None:
    config = TrainConfig(learning_rate=0.02, schedule="cosine", epochs=4)
    factors = [lr_multiplier(config, step, batches=25) for step in range(101)]
    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert factors == sorted(factors, reverse=True)
    assert factors[25] == pytest.approx(0.5 + 0.25 * math.sqrt(2))


def test_the_constant_schedule_is_1() -> None:
    assert {lr_multiplier(TrainConfig(epochs=4), step, batches=25) for step in range(101)} == {1.0}


# Device and precision


@pytest.fixture(params=[0, 1, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine with so many GPUs, as PyTorch tells it."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


def test_auto_is_cuda_where_there_is_one(gpus: int) -> None:
    assert pick_device() == pick_device("auto") == torch.device("cuda" if gpus else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("name", "needed"), [("cuda", 1), ("cuda:0", 1), ("cuda:1", 2)])
def test_cuda_is_taken_where_it_is_and_refused_where_not(name: str, needed: int, gpus: int) -> None:
    if gpus >= needed:
        assert pick_device(name) == torch.device(name)
        return
    found = ["no CUDA device", "1 CUDA device"][gpus]
    with pytest.raises(DeviceError, match=f"--device {name}: this machine has {found}; use --dev"):
        pick_device(name)


NO_DEVICES = ["gpu", "", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:01", "cpu:0", "mps", "meta"]


# PyTorch takes cuda:128 for cuda:-128.
@pytest.mark.parametrize("name", [*NO_DEVICES, "cuda:128", "cuda:99999999999999999999"])
def test_a_name_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match=f"--device {name}: .*auto, cpu, cuda or cuda:N"):
        pick_device(name)


@pytest.mark.parametrize("native", [True, False])
def test_precision_is_bf16_only_where_it_is_native(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_bf16(monkeypatch, native=native)
    cpu = torch.device("cpu")
    assert pick_precision("fp32", cpu) == "fp32"
    assert pick_precision("auto", cpu) == ("bf16" if native else "fp32")
    if native:
        assert pick_precision("bf16", cpu) == "bf16"
        return
    with pytest.raises(DeviceError, match="--precision bf16: this cpu has no bf16; use fp32"):
        pick_precision("bf16", cpu)


def test_bf16_is_close_to_fp32_for_a_step(data: FashionMNIST) -> None:
    if not has_bf16(torch.device("cpu")):
        pytest.skip("needs a CPU that computes in bf16")
    # One batch: the training loss is from before the step, the validation loss from after it.
    setting = small(epochs=1, batch_size=210, dropout=0.0, learning_rate=3e-3)
    full = train(setting, 0, data)
    half = train(setting.replace(precision="bf16"), 0, data)
    assert half.epochs[0].train_loss == pytest.approx(full.epochs[0].train_loss, abs=5e-3)
    assert half.epochs[0].val_loss == pytest.approx(full.epochs[0].val_loss, abs=5e-3)
    assert half.epochs[0].val_loss != full.epochs[0].val_loss
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    assert forward(half.model, data.test_images, "bf16").dtype == torch.float32
