"""The walk through the network: shapes, numbers, and the weights that a trial ended with."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablation.files import trial_file
from crnn.data.classes import CLASSES
from crnn.data.fashion_mnist import FashionMNIST, split
from crnn.network.config import Setting
from crnn.network.model import CRNN
from crnn.network.shapes import shapes
from crnn.trace.forward import Trace, network, trace, two_images
from crnn.training.evaluation import forward
from crnn.training.train import train
from crnn.training.weights import WeightsError, load_weights, marks, save_weights
from tests.helpers.made.networks import small

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS: list[dict[str, Any]] = [
    {},
    {"conv_layers": 2, "padding": "matched", "embedding_dim": 8},
    {"pooling_count": 1, "dropout": 0.0, "batch_norm": False},
    {"sequence": "columns", "lstm_layers": 2},
    {"lstm_layers": 0, "conv_layers": 1},
]


def traced(setting: Setting, data: FashionMNIST, model: CRNN | None = None) -> Trace:
    places = two_images(data, setting, 0)
    model = model or CRNN(setting.model, 0)
    return trace(model, data.train_images[places], data.train_labels[places])


@pytest.mark.parametrize("changes", SETTINGS)
def test_stages_have_the_shapes_and_parameters_of_the_arithmetic(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    setting = small(**changes)
    found = traced(setting, sample).stages
    planned = shapes(setting.model).stages
    assert [stage.name for stage in found] == [stage.name for stage in planned]
    assert [stage.after for stage in found] == [(2, *stage.shape) for stage in planned]
    assert [stage.output.shape for stage in found] == [stage.after for stage in found]
    assert [stage.parameters for stage in found] == [stage.parameters for stage in planned]


@pytest.mark.parametrize("changes", SETTINGS)
def test_each_operation_takes_up_where_the_one_before_ended(
    changes: dict[str, Any], sample: FashionMNIST
) -> None:
    operations = [o for stage in traced(small(**changes), sample).stages for o in stage.operations]
    assert operations[0].before == (2, 1, 28, 28)
    for one, following in pairwise(operations):
        assert one.after == following.before


@pytest.mark.parametrize("changes", SETTINGS)
def test_the_numbers_are_the_networks_own(changes: dict[str, Any], sample: FashionMNIST) -> None:
    model = CRNN(small(**changes).model, 3)
    found = traced(small(**changes), sample, model)
    x = torch.from_numpy(found.images).unsqueeze(1) / 255
    for stage, module in zip(found.stages, model.eval().children(), strict=True):
        x = module(x)
        np.testing.assert_allclose(stage.output, x.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(
        found.scores, forward(model, torch.from_numpy(found.images)).detach().numpy(), atol=1e-6
    )
    assert found.predictions.tolist() == found.scores.argmax(1).tolist()


def test_what_is_done_in_a_block_is_said_in_words(sample: FashionMNIST) -> None:
    block, *_, head = traced(small(), sample).stages
    assert [operation.what for operation in block.operations] == [
        "convolution 3 x 3, 1 → 4, stride 2, padding 1", "batch normalisation", "ReLU",
        "dropout 0.25 (in training only)", "max pooling 2 x 2",
    ]  # fmt: skip
    assert [operation.what for operation in head.operations] == ["linear, 64 → 10"]
    plain, *_ = traced(small(dropout=0.0, pooling_count=0, batch_norm=False), sample).stages
    assert [o.what.split()[0] for o in plain.operations] == ["convolution", "ReLU"]


def test_the_network_is_left_as_it_was(sample: FashionMNIST) -> None:
    model = CRNN(small().model, 0).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    traced(small(), sample, model)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("seed", range(5))
def test_the_two_images_are_held_out_and_of_two_classes(seed: int, sample: FashionMNIST) -> None:
    setting = small(train_size=300)
    places = two_images(sample, setting, seed)
    _, held_out = split(len(sample.train_labels), seed, setting.train.train_fraction, 300)
    assert set(places.tolist()) <= set(held_out.tolist())
    assert len(set(sample.train_labels[places].tolist())) == 2
    assert len(CLASSES) > max(sample.train_labels[places].tolist())


# Weights


def test_weights_come_back_as_they_were(sample: FashionMNIST, tmp_path: Path) -> None:
    setting = small(epochs=1)
    model = train(setting, 1, sample).model
    save_weights(model, tmp_path / "kept" / trial_file(7), marks(setting, 1))
    again = network(setting, 1, tmp_path / "kept", 7)
    assert not again.training
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["trial-7.safetensors"]


def test_without_weights_the_network_is_that_of_a_training_that_begins() -> None:
    ours, theirs = network(small(), 5, None, None), CRNN(small().model, 5)
    assert torch.equal(ours.linear1[0].weight, theirs.linear1[0].weight)  # type: ignore[index,union-attr]


def test_weights_that_were_not_kept_say_how_to_keep_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"trial 3 kept no weights; .* --keep-weights"):
        network(small(), 0, tmp_path, 3)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_damaged_weights_are_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / trial_file(0)
    save_weights(CRNN(small().model), path, marks(small(), 0))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, small().model, marks(small(), 0))


def test_weights_of_another_training_are_refused(tmp_path: Path) -> None:
    path = tmp_path / trial_file(0)
    save_weights(CRNN(small().model), path, marks(small(), 0))
    with pytest.raises(WeightsError, match=r"of another training \(its seed\)"):
        load_weights(path, small().model, marks(small(), 1))
    with pytest.raises(WeightsError, match=r"of another training \(its setting\)"):
        load_weights(path, small().model, marks(small(learning_rate=0.5), 0))
    with pytest.raises(WeightsError, match=r"of another training \(its precision\)"):
        load_weights(path, small().model, marks(small(precision="bf16"), 0))
    with pytest.raises(WeightsError, match="damaged, or not this network's"):
        load_weights(path, small(hidden_size=24).model, marks(small(), 0))
