"""A forward pass stage by stage: what goes in and out of each, as shapes and as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ablation.files import trial_file
from crnn.data.fashion_mnist import FashionMNIST, split
from crnn.network.config import ModelConfig, Setting
from crnn.network.model import CRNN
from crnn.training.evaluation import as_input
from crnn.training.weights import WeightsError, load_weights, marks

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Operation:
    """One step inside a stage; shapes are those of the batch.

    Attributes:
        what: in words, such as ``convolution 3 x 3, stride 2``.
        before: the shape that goes in.
        after: the shape that comes out.
        parameters: trainable ones.
    """

    what: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    parameters: int = 0


@dataclass(frozen=True)
class StageTrace:
    """One stage: its operations in order, and what comes out.

    Attributes:
        name: of the network's stage, as in `crnn.network.shapes.Stage`.
        operations: at least one.
        output: shape (images, …).
    """

    name: str
    operations: tuple[Operation, ...]
    output: Array

    @property
    def before(self) -> tuple[int, ...]:
        """The shape that goes in."""
        return self.operations[0].before

    @property
    def after(self) -> tuple[int, ...]:
        """The shape that comes out."""
        return self.operations[-1].after

    @property
    def parameters(self) -> int:
        """Trainable ones."""
        return sum(operation.parameters for operation in self.operations)


@dataclass(frozen=True)
class Trace:
    """A few images on their way through the network.

    Attributes:
        images: pixels 0 to 255, shape (images, 28, 28).
        labels: true classes, shape (images,).
        stages: in order; the last one's output is the scores (images, 10).
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    stages: tuple[StageTrace, ...]

    @property
    def scores(self) -> Array:
        """The ten final values of each image, unnormalised."""
        return self.stages[-1].output

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """The class with the highest score, by image."""
        predictions: npt.NDArray[np.int64] = self.scores.argmax(axis=1)
        return predictions


def network(setting: Setting, seed: int, folder: Path | None, number: int | None) -> CRNN:
    """The network of a setting: as a training with `seed` begins, or as a trial left it.

    Args:
        setting: network and training.
        seed: of the training.
        folder: where a study's weights are kept; None for a network that is not trained.
        number: the trial's; None likewise.

    Raises:
        WeightsError: the trial's weights were not kept, or cannot be used.
    """
    if folder is None or number is None:
        return CRNN(setting.model, seed)
    path = folder / trial_file(number)
    if not path.exists():
        raise WeightsError(
            f"{path}: trial {number} kept no weights; train it again, in a study of another name: "
            "run SPACE --study NAME --keep-weights"
        )
    return load_weights(path, setting.model, marks(setting, seed))


def two_images(data: FashionMNIST, setting: Setting, seed: int) -> Tensor:
    """The places of two validation images of different classes, which this training never sees."""
    train = setting.train
    size = min(train.train_size, len(data.train_labels))
    _, held_out = split(len(data.train_labels), seed, train.train_fraction, size)
    classes = data.train_labels[held_out]
    others = (classes != classes[0]).nonzero().flatten()
    second = int(others[0]) if len(others) else len(held_out) - 1
    return held_out[[0, second]]


@torch.no_grad()
def trace(model: CRNN, images: Tensor, labels: Tensor) -> Trace:
    """Send images through the network, dropout off, in fp32.

    Args:
        model: the network; it is left as it was.
        images: uint8, shape (n, 28, 28).
        labels: shape (n,).
    """
    was_training = model.training
    x = as_input(images)
    stages = []
    for name, stage in model.eval().named_children():
        operations = []
        for what, parameters, apply in _operations(name, stage, model.config):
            before, x = tuple(x.shape), apply(x)
            operations.append(Operation(what, before, tuple(x.shape), parameters))
        stages.append(StageTrace(name, tuple(operations), x.numpy().copy()))
    model.train(was_training)
    return Trace(images.numpy().copy(), labels.numpy().copy(), tuple(stages))


Step = tuple[str, int, Callable[[Tensor], Tensor]]


def _operations(name: str, stage: nn.Module, config: ModelConfig) -> Iterator[Step]:
    """A stage as what it does one after the other: words, parameters, the function."""
    if name.startswith("block"):
        yield from _block(stage, config, int(name.removeprefix("block")) - 1)
    elif isinstance(stage, nn.Sequential):  # a linear layer with its ReLU
        yield _linear(stage[0])
        yield "ReLU", 0, F.relu
    elif isinstance(stage, nn.Linear):
        yield _linear(stage)
    elif isinstance(stage, nn.LSTM):
        words = f"LSTM, {stage.num_layers} layers of {stage.hidden_size}, all steps"
        yield words, _parameters(stage), stage
    elif name == "sequence":
        cut = f"flattened map, cut into steps of {config.embedding_dim}"
        yield "columns of the map as steps" if config.sequence == "columns" else cut, 0, stage
    else:
        yield "flattened", 0, stage


def _block(block: nn.Module, config: ModelConfig, number: int) -> Iterator[Step]:
    """A block in the order in which it is thought of; `model.Activation` says why it may differ."""
    for layer in block.children():
        if isinstance(layer, nn.ZeroPad2d):
            left, right, _, _ = layer.padding
            sides = (
                f"{left}" if left == right else f"{left} left and above, {right} right and below"
            )
            yield f"zero padding, {sides}", 0, layer
        elif isinstance(layer, nn.Conv2d):
            yield _convolution(layer), _parameters(layer), layer
        elif isinstance(layer, nn.BatchNorm2d):
            yield "batch normalisation", _parameters(layer), layer
    yield "ReLU", 0, F.relu
    if rate := config.dropout_of(number):
        yield f"dropout {rate:g} (in training only)", 0, nn.Identity()
    if config.pools(number):
        yield "max pooling 2 x 2", 0, lambda x: F.max_pool2d(x, 2)


def _convolution(layer: nn.Conv2d) -> str:
    side, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
    words = f"convolution {side} x {side}, {layer.in_channels} → {layer.out_channels}"
    words += f", stride {stride}" if stride != 1 else ""
    return words + (f", padding {padding}" if padding else "")


def _linear(layer: nn.Module) -> Step:
    return f"linear, {layer.in_features} → {layer.out_features}", _parameters(layer), layer


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
