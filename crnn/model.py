"""The CRNN: convolutional blocks, the map as a sequence, an LSTM, fully connected layers."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from crnn.config import HEAD, ModelConfig
from crnn.shapes import shapes
from crnn.streams import generator


class Dropout(nn.Module):
    """Dropout with a random stream of its own, from 16 random bits an activation.

    The probability is that of the nearest multiple of 1/65536, and kept activations are divided
    by exactly its complement (under bf16 the factor is rounded to bf16). Drawing 64 bits at a
    time and cutting them up takes a fraction of the time of one Bernoulli draw an activation.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.cut = round(probability * 65536)
        self.generator: torch.Generator | None = None

    def reseed(self, seed: int, name: str, epoch: int, device: torch.device) -> None:
        """Go to the start of this layer's stream for `epoch`."""
        self.generator = generator(seed, f"dropout/{name}", epoch, device)

    def forward(self, x: Tensor) -> Tensor:
        """Drop activations of `x` (any shape, dense in memory) in training; else return it."""
        if not self.training:
            return x
        count = x.numel()
        words = torch.empty((count + 3) // 4, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)  # all 64 bits
        bits = words.view(torch.int16)[:count].as_strided(x.shape, x.stride())
        keep = bits >= self.cut - 32768
        return x * (keep * (65536 / (65536 - self.cut))).to(x.dtype)

    def extra_repr(self) -> str:
        """The probability, for the module's printed form."""
        return f"p={self.cut / 65536:g}"


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
    stages bear the names of `crnn.shapes.Stage`, and their outputs its shapes. Every parameter's
    initial values come from a stream of its own, keyed by `seed` and the parameter's name.

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

    def reseed(self, seed: int, epoch: int) -> None:
        """Bring every dropout layer to the start of its stream for `epoch`."""
        device = next(self.parameters()).device
        for name, module in self.named_modules():
            if isinstance(module, Dropout):
                module.reseed(seed, name, epoch, device)


def _block(config: ModelConfig, block: int, inputs: int) -> nn.Sequential:
    outputs, (before, after) = config.channels[block], config.paddings()[block]
    layers = nn.Sequential()
    if before != after:
        layers.add_module("pad", nn.ZeroPad2d((before, after, before, after)))
    convolution = nn.Conv2d(
        inputs,
        outputs,
        config.filter_sizes[block],
        config.strides[block],
        padding=before if before == after else 0,
    )
    layers.add_module("conv", convolution)
    if config.batch_norm:
        layers.add_module("batch_norm", nn.BatchNorm2d(outputs))
    layers.add_module("relu", nn.ReLU())
    if config.dropout_of(block):
        layers.add_module("dropout", Dropout(config.dropout_of(block)))
    if config.pools(block):
        layers.add_module("pool", nn.MaxPool2d(2))
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
