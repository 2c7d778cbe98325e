"""Averaged weights: what they are, and that the training beside them stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from ablation.device import has_bf16
from crnn.data.fashion_mnist import FashionMNIST, split
from crnn.network.config import Setting
from crnn.network.model import CRNN
from crnn.training.averaging import WeightAverage
from crnn.training.evaluation import score
from crnn.training.results import Result, StateError, TrainingState
from crnn.training.train import train, train_packed
from tests.helpers.made.networks import small

pytestmark = pytest.mark.usefixtures("one_thread")

needs_bf16 = pytest.mark.skipif(
    not has_bf16(torch.device("cpu")), reason="needs a CPU that computes in bf16"
)


def without_average(result: Result) -> list[Any]:
    """Everything that a training ends with but its time and what its average comes to."""
    epochs = [replace(epoch, seconds=0.0, ema_val_accuracy=None) for epoch in result.epochs]
    return [epochs, result.test, {k: v.tolist() for k, v in result.model.state_dict().items()}]


def state_after(setting: Setting, data: FashionMNIST) -> TrainingState:
    """The state of a training after its first epoch."""
    states: list[TrainingState] = []

    def on_state(state: TrainingState) -> None:
        states.append(replace(state, tensors={k: t.clone() for k, t in state.tensors.items()}))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train_packed([(setting, 0)], data, on_state=on_state)
    return states[0]


def average_of(state: TrainingState) -> dict[str, Tensor]:
    own = "0/average/"
    return {k.removeprefix(own): t for k, t in state.tensors.items() if k.startswith(own)}


@contextmanager
def watched() -> Iterator[list[dict[str, Tensor]]]:
    """A network's state at the end of each forward pass in training: before the step."""
    seen: list[dict[str, Tensor]] = []

    def look(module: nn.Module, *_: object) -> None:
        if isinstance(module, CRNN) and module.training:
            seen.append({name: t.double() for name, t in module.state_dict().items()})

    handle = register_module_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "schedule": "cosine", "dropout": 0.1},
        {"lstm_layers": 0, "batch_norm": False},
        pytest.param({"precision": "bf16"}, marks=needs_bf16),
    ],
)
def test_a_training_is_the_same_to_the_bit_beside_an_average(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    setting = small(**changes)
    plain, averaged = (train(each, 1, sample) for each in (setting, setting.replace(averaging=0.9)))
    assert without_average(averaged) == without_average(plain)
    assert [epoch.ema_val_accuracy for epoch in plain.epochs] == [None, None]
    assert plain.ema_test is None
    assert all(epoch.ema_val_accuracy is not None for epoch in averaged.epochs)
    assert averaged.ema_test is not None
    assert averaged.ema_test != averaged.test


@pytest.mark.parametrize("decay", [0.998, 0.2])  # the first never leaves its warm-up here
def test_the_average_is_that_of_what_every_step_leaves(decay: float, sample: FashionMNIST) -> None:
    setting = small(averaging=decay)
    with watched() as before:
        train(setting, 0, sample)
    statistics = [name for name in before[0] if "running" in name]
    weights = [name for name in before[0] if name not in statistics and "tracked" not in name]
    begun = {name: t.double() for name, t in CRNN(setting.model).state_dict().items()}
    expected = {name: before[0][name] for name in weights} | {n: begun[n] for n in statistics}
    for step in range(1, 5):
        # A forward pass changes the statistics, the step after it the weights.
        after = {n: before[step][n] for n in weights} | {n: before[step - 1][n] for n in statistics}
        kept = min(decay, (1 + step) / (10 + step))
        expected = {n: kept * expected[n] + (1 - kept) * after[n] for n in expected}
    found = average_of(state_after(setting, sample))
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-5, atol=1e-7)


def test_the_figures_are_those_of_the_averaged_network(sample: FashionMNIST) -> None:
    setting = small(averaging=0.5)
    state = state_after(setting, sample)
    network = CRNN(setting.model)
    network.load_state_dict(average_of(state))
    held_out = split(1000, 0, 0.7, 300)[1]
    found = score(network, sample.train_images[held_out], sample.train_labels[held_out])
    assert state.epochs[0][0].ema_val_accuracy == found.accuracy
    tested = train(setting.replace(epochs=1), 0, sample).ema_test
    assert tested == score(network, sample.test_images, sample.test_labels)


@needs_bf16
def test_in_bf16_the_average_is_kept_in_fp32(sample: FashionMNIST) -> None:
    average = average_of(state_after(small(averaging=0.5, precision="bf16"), sample))
    dtypes = {t.dtype for name, t in average.items() if "tracked" not in name}
    assert dtypes == {torch.float32}


def test_an_average_is_kept_apart_from_its_network() -> None:
    network = CRNN(small().model, seed=3)
    average = WeightAverage(network, 0.9)
    bias, averaged = (each.get_parameter("linear3.bias") for each in (network, average.network))
    begun = bias.detach().clone()
    with torch.no_grad():
        bias.add_(1.0)
    assert torch.equal(averaged, begun)
    average.update(1)  # by 1 - 2/11
    torch.testing.assert_close(averaged, begun + 9 / 11)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


@pytest.mark.parametrize(("then", "now"), [(0.0, 0.9), (0.9, 0.0)])
def test_a_state_with_an_average_is_none_of_a_training_without_one(
    then: float, now: float, sample: FashionMNIST
) -> None:
    state = state_after(small(averaging=then), sample)
    with pytest.raises(StateError, match="only one keeps an average"):
        train_packed([(small(averaging=now), 0)], sample, resume_from=state)


def test_an_average_that_is_not_finite_is_refused(sample: FashionMNIST) -> None:
    setting = small(averaging=0.9)
    state = state_after(setting, sample)
    state.tensors["0/average/linear3.bias"][0] = torch.nan
    with pytest.raises(StateError, match=r"average/linear3\.bias has a value"):
        train_packed([(setting, 0)], sample, resume_from=state)
