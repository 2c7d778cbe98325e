"""The optimizer, and how its learning rate runs."""

from __future__ import annotations

import math
from typing import Any

import torch.utils.deterministic
from torch import Tensor, nn

from crnn.network.config import TrainConfig

MOMENTUM = 0.9  # of SGD


class Optimizer:
    """PyTorch's own optimizer, in its single-pass form."""

    def __init__(self, network: nn.Module, config: TrainConfig) -> None:
        self.rate, self.optimizer = config.learning_rate, _optimizer(network, config)
        self.parameters = dict(network.named_parameters())

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers of each parameter."""
        state = self.optimizer.state
        return {
            f"{name}/{key}": value
            for name, parameter in self.parameters.items()
            for key, value in state[parameter].items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Remember what `tensors` gave.

        Raises:
            KeyError: a memory lacks, or one too many is there.
            RuntimeError: one has another shape.
        """
        keys = {f"{name}/{key}" for name in self.parameters for key in self._memories()}
        if wrong := keys ^ tensors.keys():
            raise KeyError(min(wrong))
        for path, value in tensors.items():
            name, _, key = path.rpartition("/")
            parameter = self.parameters[name]
            if value.shape != (parameter.shape if key != "step" else torch.Size()):
                raise RuntimeError(f"{path} has the shape {tuple(value.shape)}")
            # As PyTorch makes it: in memory like the parameter, if it has its shape.
            like = parameter if value.shape == parameter.shape else value
            memory = torch.empty_like(like, device=parameter.device, requires_grad=False)
            self.optimizer.state[parameter][key] = memory.copy_(value)

    def _memories(self) -> tuple[str, ...]:
        """What PyTorch remembers of each parameter after a step, by its own names."""
        if isinstance(self.optimizer, torch.optim.SGD):
            return ("momentum_buffer",)
        return ("step", "exp_avg", "exp_avg_sq")

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, lr_multiplier: Tensor) -> None:
        """Move the parameters; `lr_multiplier` (one number) times the learning rate is the rate."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(self.rate * lr_multiplier[0])
            else:
                group["lr"] = self.rate * lr_multiplier.item()
        self.optimizer.step()


def _optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    device = next(network.parameters()).device
    on_gpu = device.type == "cuda"
    # In a CUDA graph the rate is read from memory, and so are Adam's steps.
    rate: Any = (
        torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
    )
    decay, parameters = config.weight_decay, network.parameters()
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=MOMENTUM, weight_decay=decay, fused=True)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True, capturable=on_gpu)


def lr_multiplier(config: TrainConfig, step: int, batches: int) -> float:
    """What the learning rate is multiplied by at `step` of epochs x `batches`, from 0 to 1.

    ``constant``, or half a cosine down to 0 (Loshchilov and Hutter 2017).
    """
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * step / (config.epochs * batches)))
