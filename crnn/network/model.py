"""The CRNN: convolutional blocks, the map as a sequence, an LSTM, fully connected layers."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ablation.seeding import generator
from crnn.network.config import HEAD, ModelConfig
from crnn.network.dropout import Masks
from crnn.network.shapes import shapes


class Activation(nn.Module):
    """What follows a convolution: ReLU, dropout, 2 x 2 max pooling, each where it is asked for.

    A mask of dropout is never negative and the ReLU never falls, so both may change places with
    the maximum: masking, pooling, ReLU, scaling in this order give the same numbers and the same
    gradients as ReLU, dropout, pooling, and the last two work on a quarter of the activations.

    Until `reseed` has given it masks of its own it drops out as `torch.nn.Dropout` does, by
    PyTorch's global generator.

    Args:
        dropout: the probability of dropping an activation.
        pools: whether to pool.
    """

    def __init__(self, dropout: float, pools: bool) -> None:
        super().__init__()
        self.dropout, self.pools = dropout, pools
        self.masks = Masks(dropout) if dropout else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, channels, height, width), channels last in memory."""
        if self.training and self.masks and not self.masks.seeded:
            x = F.dropout(F.relu(x), self.dropout)
            return F.max_pool2d(x, 2) if self.pools else x
        if self.training and self.masks:
            keep = self.masks.draw(x.shape)
            y: Tensor = _Dropped.apply(x, keep, self.masks.scale, self.pools)
            return y
        return F.relu(F.max_pool2d(x, 2) if self.pools else x)

    def extra_repr(self) -> str:
        """Dropout and pooling, for the module's printed form."""
        return f"dropout={self.dropout:g}, pools={self.pools}"


class _Dropped(torch.autograd.Function):
    """Masking, pooling, ReLU and scaling at once.

    Where an output is positive, its activation was kept: the way back needs no mask.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: Tensor, scale: float, pools: bool) -> Tensor:
        # Times 0 or 1 as an integer: the fastest way to blank out a number of any type.
        bits = torch.int16 if x.element_size() == 2 else torch.int32
        y = (x.view(bits) * keep).view(x.dtype)
        indices = None
        if pools:
            y, indices = torch.ops.aten.max_pool2d_with_indices(y, [2, 2], [2, 2])
        ctx.save_for_backward(x if pools else None, y, indices)
        ctx.scale = scale
        return y.relu_().mul_(scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, y, indices = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(grad, y, 0).mul_(ctx.scale)
        if indices is not None:
            back = torch.ops.aten.max_pool2d_with_indices_backward
            grad = back(grad, x, [2, 2], [2, 2], [0, 0], [1, 1], False, indices)
        return grad, None, None, None


class Sequence(nn.Module):
    """A map (batch, channels, height, width) as a sequence (batch, steps, features)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.columns = config.sequence == "columns"
        self.embedding_dim = config.embedding_dim

    def forward(self, x: Tensor) -> Tensor:
        """Cut the flattened map into steps, or take its columns as steps."""
        if self.columns:
            return x.permute(0, 3, 1, 2).flatten(2)
        return x.reshape(len(x), -1, self.embedding_dim)


class LSTM(nn.LSTM):
    """`torch.nn.LSTM` that returns its outputs (batch, steps, hidden) alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Every step's output of the last layer."""
        outputs, _ = super().forward(x)
        return outputs


class CRNN(nn.Sequential):
    """The network, as named stages in order; each can be run by itself.

    Input (batch, 1, 28, 28), floats from 0 to 1; output (batch, 10), unnormalised scores. The
    stages bear the names of `crnn.network.shapes.Stage`, and their outputs its shapes. Every
    parameter's initial values come from a stream of its own, keyed by `seed` and the parameter's
    name.

    Raises:
        InfeasibleError: the setting cannot exist as a network.
    """

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        # New layers fill themselves from PyTorch's global stream, which is the caller's.
        with torch.random.fork_rng(devices=[]):
            self._add_stages()
        initialise(self, seed)

    def _add_stages(self) -> None:
        config = self.config
        plan = {stage.name: stage.shape for stage in shapes(config).stages}
        inputs = 1
        for block in range(config.conv_layers):
            self.add_module(f"block{block + 1}", _block(config, block, inputs))
            inputs = config.channels[block]
        if config.lstm_layers:
            self.sequence = Sequence(config)
            features = plan["sequence"][-1]
            self.lstm = LSTM(features, config.hidden_size, config.lstm_layers, batch_first=True)
        self.flatten = nn.Flatten()
        width = plan["flatten"][0]
        for number, out in enumerate(HEAD, start=1):
            layer = nn.Linear(width, out)
            last = number == len(HEAD)
            self.add_module(f"linear{number}", layer if last else nn.Sequential(layer, nn.ReLU()))
            width = out


def reseed(model: nn.Module, seed: int, epoch: int, batches: int) -> None:
    """Bring every dropout layer of `model` to the start of `epoch`."""
    device = next(model.parameters()).device
    for name, module in model.named_modules():
        if isinstance(module, Activation) and module.masks:
            module.masks.reseed(seed, name, epoch, batches, device)


def _block(config: ModelConfig, block: int, inputs: int) -> nn.Sequential:
    outputs, (before, after) = config.channels[block], config.paddings()[block]
    layers = nn.Sequential()
    size = config.filter_sizes[block]
    # A convolution takes only the same padding on all sides, and oneDNN has no fast one for more
    # than half a filter of it (baseline's block 3: 2 ms of a step of 17).
    apart = before != after or before > size // 2
    if apart:
        layers.add_module("pad", nn.ZeroPad2d((before, after, before, after)))
    padding = 0 if apart else before
    stride = config.strides[block]
    layers.add_module("conv", nn.Conv2d(inputs, outputs, size, stride, padding=padding))
    if config.batch_norm:
        layers.add_module("batch_norm", nn.BatchNorm2d(outputs))
    layers.add_module("activation", Activation(config.dropout_of(block), config.pools(block)))
    return layers


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Fill every parameter as PyTorch does by default, each from a stream of its own.

    Convolutions and linear layers are uniform in ±1/√fan_in (PyTorch's Kaiming bound with
    a = √5), an LSTM in ±1/√hidden_size; batch normalisation keeps its ones and zeros.
    """
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / sqrt(module.weight[0].numel())
        elif isinstance(module, nn.LSTM):
            bound = 1 / sqrt(module.hidden_size)
        else:
            continue
        for name, parameter in module.named_parameters(recurse=False):
            stream = generator(seed, f"init/{path}.{name}")
            parameter.uniform_(-bound, bound, generator=stream)
