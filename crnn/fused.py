"""K replicates as one network, so that a GPU trains them all with the operations of one.

The members are replicates of one arm, or of arms that differ in dropout, learning rate or weight
decay only; each has its own seed, images, masks and rates. A convolution has a group of channels
for each member, one batch normalisation covers all K·C channels, LSTM and fully connected layers
are batched matrix products, and one optimizer moves all parameters as one vector. No operation
mixes members: what becomes of one (a loss that is not a number) leaves the others as they were.
HFTA (Wang et al., MLSys 2021) fuses convolutions and linear layers in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import Any

import torch
from torch import Tensor, nn

from crnn.config import Setting, TrainConfig
from crnn.model import CRNN, LSTM, Activation, Sequence

BETA1, BETA2, EPSILON, MOMENTUM = 0.9, 0.999, 1e-8, 0.9


class FusedCRNN(nn.Sequential):
    """The networks of several settings and seeds as one, with the stages of `CRNN`.

    Input (batch, members, 28, 28), floats from 0 to 1, a channel for each member; output
    (members, batch, 10), unnormalised scores. Blocks have (batch, members x channels, height,
    width), what follows them (members, batch, ...). A parameter holds that of every member, one
    after another.

    Raises:
        ValueError: the settings differ in more than dropout, learning rate and weight decay.
        InfeasibleError: they cannot exist as networks.
    """

    def __init__(self, settings: Several[Setting], seeds: Several[int]) -> None:
        super().__init__()
        if len({setting.fusion_key() for setting in settings}) != 1:
            raise ValueError("only settings that differ in dropout and rates make one network")
        self.settings, self.seeds = tuple(settings), tuple(seeds)
        networks = [CRNN(s.model, seed) for s, seed in zip(settings, seeds, strict=True)]
        with torch.random.fork_rng(devices=[]):  # new layers fill themselves
            for name, _ in networks[0].named_children():
                self.add_module(name, _fused([getattr(network, name) for network in networks]))
        if networks[0].config.lstm_layers == 0:
            self.flatten = _MembersFirst(nn.Flatten(), len(networks))
        self._fill(networks)

    @torch.no_grad()
    def _fill(self, networks: list[CRNN]) -> None:
        every = [network.state_dict() for network in networks]
        for name, value in self.state_dict().items():
            stacked = torch.stack([state[name] for state in every])
            value.copy_(stacked.view(value.shape) if value.dim() else stacked[0])

    def member(self, number: int) -> CRNN:
        """Member `number` (from 0) as a network of its own, on the same device."""
        network = CRNN(self.settings[number].model, self.seeds[number])
        every, own = self.state_dict(), network.state_dict()
        for name, value in own.items():
            shared = every[name]
            value.copy_(
                shared.unflatten(0, (len(self.seeds), -1))[number].view(value.shape)
                if value.dim()
                else shared
            )
        return network.to(next(self.parameters()).device)


def _fused(modules: list[Any]) -> nn.Module:
    """The members' modules of one place as one module."""
    first, members = modules[0], len(modules)
    match first:
        case nn.Conv2d():
            return nn.Conv2d(
                members * first.in_channels,
                members * first.out_channels,
                first.kernel_size[0],
                first.stride[0],
                int(first.padding[0]),
                groups=members,
            )
        case nn.BatchNorm2d():
            return nn.BatchNorm2d(members * first.num_features)
        case Activation():
            return Activation([p for module in modules for p in module.dropouts], first.pools)
        case Sequence():
            return _MembersFirst(first, members)
        case LSTM():
            return _FusedLSTM(first, members)
        case nn.Linear():
            return _FusedLinear(first, members)
        case nn.Flatten():
            return nn.Flatten(2)
        case nn.Sequential():
            parts = nn.Sequential()
            for name, _ in first.named_children():
                parts.add_module(name, _fused([getattr(module, name) for module in modules]))
            return parts
        case nn.ReLU() | nn.ZeroPad2d():
            return first
    raise TypeError(f"no way to fuse {type(first).__name__}")


class _MembersFirst(nn.Module):
    """Takes members apart, then applies a module without parameters to each one's map."""

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__()
        self.module, self.members = module, members

    def forward(self, x: Tensor) -> Tensor:
        """(batch, members x channels, height, width) -> (members, batch, ...)."""
        apart = x.unflatten(1, (self.members, -1)).transpose(0, 1)
        result: Tensor = self.module(apart.flatten(0, 1)).unflatten(0, (self.members, -1))
        return result


class _FusedLinear(nn.Module):
    """A fully connected layer for each member."""

    def __init__(self, layer: nn.Linear, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.new_empty(members, *layer.weight.shape))
        self.bias = nn.Parameter(layer.bias.new_empty(members, *layer.bias.shape))

    def forward(self, x: Tensor) -> Tensor:
        """(members, batch, inputs) -> (members, batch, outputs)."""
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2))


class _FusedLSTM(nn.Module):
    """Stacked LSTM layers for each member; the parameters of `torch.nn.LSTM`, members first."""

    def __init__(self, lstm: nn.LSTM, members: int) -> None:
        super().__init__()
        self.layers = lstm.num_layers
        for name, parameter in lstm.named_parameters():
            self.register_parameter(
                name, nn.Parameter(parameter.new_empty(members, *parameter.shape))
            )

    def forward(self, x: Tensor) -> Tensor:
        """(members, batch, steps, inputs) -> (members, batch, steps, hidden)."""
        kind = x.device.type
        precise = not torch.is_autocast_enabled(kind)
        dtype = x.dtype if precise else torch.get_autocast_dtype(kind)
        with torch.autocast(kind, enabled=False):
            x = x.transpose(1, 2).to(dtype).contiguous()
            for layer in range(self.layers):
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                w_ih, w_hh, b_ih, b_hh = (
                    self.get_parameter(f"{name}_l{layer}").to(dtype) for name in names
                )
                x = _LSTMLayer.apply(x, w_ih, w_hh, (b_ih + b_hh).unsqueeze(1))
        return x.transpose(1, 2)


class _LSTMLayer(torch.autograd.Function):
    """One LSTM layer of every member, over all steps.

    The gates i, f, g, o and their order are those of `torch.nn.LSTM`: c' = f·c + i·g and
    h' = o·tanh(c'). All but the products is computed in fp32. Backwards, the products for the
    weights are taken once over all steps rather than step by step.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor) -> Tensor:
        members, steps, batch, _ = x.shape
        hidden = w_hh.shape[2]
        inputs = torch.baddbmm(bias, x.flatten(1, 2), w_ih.transpose(1, 2))
        inputs = inputs.unflatten(1, (steps, batch))
        gates = torch.empty_like(inputs)
        outputs = x.new_empty(members, steps, batch, hidden)
        cells = x.new_empty(members, steps, batch, hidden, dtype=torch.float32)
        h, c = torch.zeros_like(outputs[:, 0]), torch.zeros_like(cells[:, 0])
        for t in range(steps):
            z = torch.baddbmm(inputs[:, t], h, w_hh.transpose(1, 2)).float()
            candidate = z[..., 2 * hidden : 3 * hidden].tanh()
            z.sigmoid_()[..., 2 * hidden : 3 * hidden] = candidate
            gates[:, t] = z
            i, f, g, o = z.chunk(4, -1)
            c = f * c + i * g
            cells[:, t] = c
            h = (o * c.tanh()).to(x.dtype)
            outputs[:, t] = h
        ctx.save_for_backward(x, w_ih, w_hh, gates, cells, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, w_ih, w_hh, gates, cells, outputs = ctx.saved_tensors
        steps = x.shape[1]
        back = torch.empty_like(gates)
        dh, dc = torch.zeros_like(grad[:, 0]), torch.zeros_like(cells[:, 0])
        none = torch.zeros_like(cells[:, 0])
        for t in reversed(range(steps)):
            i, f, g, o = gates[:, t].float().chunk(4, -1)
            squashed = cells[:, t].tanh()
            dh = (grad[:, t] + dh).float()
            dc = dc + dh * o * (1 - squashed * squashed)
            before = cells[:, t - 1] if t else none
            parts = (
                dc * g * i * (1 - i),
                dc * before * f * (1 - f),
                dc * i * (1 - g * g),
                dh * squashed * o * (1 - o),
            )
            back[:, t] = torch.cat(parts, -1)
            dc = dc * f
            dh = torch.bmm(back[:, t], w_hh)
        flat = back.flatten(1, 2)
        dw_ih = torch.bmm(flat.transpose(1, 2), x.flatten(1, 2))
        later = back[:, 1:].flatten(1, 2).transpose(1, 2)
        dw_hh = torch.bmm(later, outputs[:, :-1].flatten(1, 2))
        dx = torch.bmm(flat, w_ih).view(x.shape)
        return dx, dw_ih, dw_hh, flat.sum(1, keepdim=True)


class FusedOptimizer:
    """Adam, AdamW or SGD over all parameters as one vector, each member at its own rates.

    The parameters of `network` and their gradients become views of two vectors. The formulas are
    those of `torch.optim` (Adam: Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019).

    Args:
        network: a `FusedCRNN`, or any whose parameters hold the members' one after another.
        configs: each member's training; they differ in learning rate and weight decay only.
    """

    @torch.no_grad()
    def __init__(self, network: nn.Module, configs: Several[TrainConfig]) -> None:
        parameters = list(network.parameters())
        flat = [p.as_strided((p.numel(),), (1,)) for p in parameters]
        self.values = torch.cat(flat)
        self.gradients = torch.zeros_like(self.values)
        at = 0
        for parameter in parameters:
            shape, stride = parameter.shape, parameter.stride()
            parameter.data = self.values.as_strided(shape, stride, at)
            parameter.grad = self.gradients.as_strided(shape, stride, at)
            at += parameter.numel()
        # Adam and AdamW may meet where only one decays: without decay they are the same.
        self.kind = next((c.optimizer for c in configs if c.weight_decay), configs[0].optimizer)
        self.rate = self._spread(parameters, [config.learning_rate for config in configs])
        decays = [config.weight_decay for config in configs]
        self.decay = self._spread(parameters, decays) if any(decays) else None
        self.mean = torch.zeros_like(self.values)
        self.square = torch.zeros_like(self.values)
        self.steps = torch.zeros((), dtype=torch.float64, device=self.values.device)

    def _spread(self, parameters: list[nn.Parameter], each: list[float]) -> Tensor:
        """A value for each parameter's member; a single number where all are equal."""
        values = torch.tensor(each, device=self.values.device)
        if len(set(each)) == 1:
            return values[0]
        return torch.cat([values.repeat_interleave(p.numel() // len(each)) for p in parameters])

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers of the steps so far."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Remember what `tensors` gave."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        self.gradients.zero_()

    @torch.no_grad()
    def step(self, factor: Tensor) -> None:
        """Move the parameters; `factor` (one number) is the schedule's, times each rate."""
        rate, slope = self.rate * factor.to(self.rate.dtype), self.gradients
        if self.decay is not None and self.kind == "adamw":
            self.values.mul_(1 - rate * self.decay)
        elif self.decay is not None:
            slope = slope + self.decay * self.values
        if self.kind == "sgd":
            self.mean.mul_(MOMENTUM).add_(slope)
            self.values.sub_(rate * self.mean)
            return
        self.steps += 1
        self.mean.lerp_(slope, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(slope, slope, value=1 - BETA2)
        corrected = (self.square / (1 - BETA2**self.steps)).sqrt_().add_(EPSILON)
        self.values.sub_(rate / (1 - BETA1**self.steps) * self.mean / corrected)
