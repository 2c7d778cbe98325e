"""The CRNN written out layer by layer in plain PyTorch; settings that come to the same one.

What `crnn.network.model` builds and `crnn.network.shapes` computes is held against this: it takes
every width from the layer before it by running it, and so knows no shape arithmetic and shares no
code.
"""

from __future__ import annotations

import copy
import platform
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crnn.network.config import ModelConfig, Setting, TrainConfig

SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a missing block's filter": ({"conv_layers": 2}, {"filter_sizes": (3, 3, 5)}),
    "a missing block's channels": ({"conv_layers": 2}, {"channels": (32, 64, 9)}),
    "a missing block's stride": ({"conv_layers": 2}, {"strides": (2, 1, 3)}),
    "pooling in a missing block": ({"conv_layers": 2, "pooling_count": 2}, {"pooling_count": 3}),
    "dropout in a missing block": ({"conv_layers": 2, "dropout_count": 2}, {"dropout_count": 3}),
    "how many blocks drop out nothing": ({"dropout": 0.0}, {"dropout_count": 1}),
    "what no block drops out": ({"dropout_count": 0}, {"dropout": 0.5}),
    "no dropout in two ways": ({"dropout": 0.0}, {"dropout": 0.1, "dropout_count": 0}),
    "an absent LSTM's hidden size": ({"lstm_layers": 0}, {"hidden_size": 256}),
    "steps for no LSTM": ({"lstm_layers": 0}, {"embedding_dim": 128}),
    "columns for no LSTM": ({"lstm_layers": 0}, {"sequence": "columns"}),
    "embedding_dim under columns": ({"sequence": "columns"}, {"embedding_dim": 32}),
    "matched padding of 3,3,2": ({}, {"padding": "matched"}),
    "matched padding of two blocks of 3": ({"conv_layers": 2}, {"padding": "matched"}),
    "AdamW without weight decay": ({}, {"optimizer": "adamw"}),
    "precision, which is a study's": ({}, {"precision": "fp32"}),
}
"""What has no effect: settings, and the change that makes no other network or training of them."""

SMALL: dict[str, Any] = {
    "channels": (4, 8, 16),
    "embedding_dim": 16,
    "hidden_size": 16,
    "lstm_layers": 1,
    "epochs": 2,
    "train_size": 300,  # 210 to train, in batches of 64, 64, 64 and 18, and 90 to validate
    "precision": "fp32",
}
"""A small network and a short training."""


def small(**changes: Any) -> Setting:
    """A setting of `SMALL` with some changes."""
    return Setting.of({**SMALL, **changes})


class Steps(nn.Module):
    """A map as a sequence: its columns, or its flattened values cut into steps."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, x: Tensor) -> Tensor:
        if self.config.sequence == "columns":
            columns = [x[:, :, :, number].flatten(1) for number in range(x.shape[3])]
            return torch.stack(columns, dim=1)
        flat = x.flatten(1)
        if flat.shape[1] % self.config.embedding_dim:
            raise RuntimeError("the last step is incomplete")
        return torch.stack(flat.split(self.config.embedding_dim, dim=1), dim=1)


class Outputs(nn.Module):
    """Every step's output of an LSTM."""

    def __init__(self, features: int, config: ModelConfig) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, config.hidden_size, config.lstm_layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.lstm(x)[0]
        return outputs


def plain(config: ModelConfig) -> nn.Sequential:
    """The network of `config`, in training mode, its initial values PyTorch's own.

    Raises:
        RuntimeError: PyTorch cannot run it.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network = nn.Sequential(*_blocks(config)).eval()
        x = network(torch.zeros(1, 1, 28, 28))
        if config.lstm_layers:
            network.append(Steps(config))
            network.append(Outputs(network[-1](x).shape[2], config))
        network.append(nn.Flatten())
        width = network(torch.zeros(1, 1, 28, 28)).shape[1]
        head = nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        return network.extend(head).train()


def _blocks(config: ModelConfig) -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs, first_to_drop = 1, config.conv_layers - config.dropout_count
    for block in range(config.conv_layers):
        size, outputs = config.filter_sizes[block], config.channels[block]
        left = right = (1, 1, 2)[block]
        if config.padding == "matched":
            total = (size - 1, size - 1, size + 2)[block]
            left, right = total // 2, (total + 1) // 2
        layers.append(nn.ZeroPad2d((left, right, left, right)))
        layers.append(nn.Conv2d(inputs, outputs, size, config.strides[block]))
        layers += [nn.BatchNorm2d(outputs)] if config.batch_norm else []
        layers.append(nn.ReLU())
        layers += [nn.Dropout(config.dropout)] if block >= first_to_drop else []
        layers += [nn.MaxPool2d(2)] if block < config.pooling_count else []
        inputs = outputs
    return layers


def optimizer_of(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer that `config` names, as PyTorch has it."""
    parameters, rate, decay = network.parameters(), config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay)


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates of one image, counted by PyTorch at the operations that run."""
    # In float32 oneDNN may run an LSTM as one operation, into which the counter does not see.
    network = copy.deepcopy(network).double().eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 28, 28, dtype=torch.float64))
    flops: int = counter.get_total_flops()
    return flops // 2


def give_bf16(monkeypatch: pytest.MonkeyPatch, *, native: bool) -> None:
    """Have PyTorch say that this machine's CPU computes in bf16 natively, or that it does not."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
