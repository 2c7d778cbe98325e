"""One training, step by step and epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch.utils.deterministic
from torch import Tensor

from ablation.device import pick_precision
from ablation.seeding import generator
from crnn.data.fashion_mnist import split
from crnn.network.config import Setting
from crnn.network.model import CRNN, reseed
from crnn.training.averaging import WeightAverage
from crnn.training.evaluation import cross_entropies, forward, score
from crnn.training.optimizer import Optimizer, lr_multiplier
from crnn.training.results import DivergedError, Epoch, Score, StateError


class ReplicateTraining:
    """The state of one training: network, optimizer, which images."""

    def __init__(self, setting: Setting, seed: int, images: Tensor, labels: Tensor) -> None:
        self.config, self.seed, device = setting.train, seed, images.device
        self.images, self.labels = images, labels
        self.precision = pick_precision(self.config.precision, device)
        size = min(self.config.train_size, len(labels))
        self.chosen, held_out = split(len(labels), seed, self.config.train_fraction, size)
        self.held_out = held_out.to(device)
        network: Any = CRNN(setting.model, seed)
        self.network: CRNN = network.to(device, memory_format=torch.channels_last)
        self.optimizer = Optimizer(self.network, self.config)
        decay = self.config.averaging
        self.average = WeightAverage(self.network, decay) if decay else None
        self.batches = math.ceil(len(self.chosen) / self.config.batch_size)
        self.steps_done = 0
        # What a step leaves behind stays on the device until the epoch's end.
        self.step_index = torch.zeros(1, dtype=torch.int64, device=device)
        self.lr_multipliers = torch.zeros(self.batches, dtype=torch.float64, device=device)
        self.losses = torch.zeros(self.batches, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)

    def begin(self, epoch: int) -> None:
        """Be ready for the first step of an epoch."""
        reseed(self.network, self.seed, epoch, self.batches)
        self.network.train()
        first = self.steps_done = (epoch - 1) * self.batches
        multipliers = [
            lr_multiplier(self.config, first + b, self.batches) for b in range(self.batches)
        ]
        self.lr_multipliers.copy_(torch.tensor(multipliers, dtype=torch.float64))
        for counter in (self.step_index, self.losses, self.correct):
            counter.zero_()

    def order(self, epoch: int) -> Tensor:
        """The images of an epoch in their order, by number."""
        stream = generator(self.seed, "order", epoch)
        return self.chosen[torch.randperm(len(self.chosen), generator=stream)]

    def step(self, index: Tensor) -> None:
        """Train on a batch: the images that `index` (n,) names."""
        truth = self.labels[index].long()
        scores = forward(self.network, self.images[index], self.precision)
        loss = cross_entropies(scores, truth).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step(self.lr_multipliers.index_select(0, self.step_index))
        self.losses.index_copy_(0, self.step_index, loss.detach().unsqueeze(0))
        self.correct += (scores.detach().argmax(1) == truth).sum()
        self.step_index += 1

    def update_average(self) -> None:
        """Take the weights after a step into their average, where one is kept."""
        self.steps_done += 1
        if self.average:
            self.average.update(self.steps_done)

    def end(self, epoch: int, sizes: Tensor) -> Epoch | DivergedError:
        """Validate after an epoch's steps, of batches of `sizes`; its figures, but for the time."""
        images, labels = self.images[self.held_out], self.labels[self.held_out]
        validation, average = self.score(images, labels)
        losses, count = self.losses.cpu().double(), int(sizes.sum())
        mean, hits = float((losses * sizes).sum() / count), int(self.correct)
        seen = Epoch(epoch, mean, hits / count, validation.loss, validation.accuracy, 0.0)
        if average:
            seen = replace(seen, ema_val_accuracy=average.accuracy)
        return _diverged(seen, losses) or seen

    def score(self, images: Tensor, labels: Tensor) -> tuple[Score, Score | None]:
        """The figures of the weights, and of their average, on `images`; see `evaluation.score`."""
        own = score(self.network, images, labels, self.precision)
        if not self.average:
            return own, None
        return own, score(self.average.network, images, labels, self.precision)

    def tensors(self) -> dict[str, Tensor]:
        """Weights, their average and the optimizer's memory, by name."""
        parts = {"network": self.network.state_dict(), "optimizer": self.optimizer.tensors()}
        if self.average:
            parts["average"] = self.average.network.state_dict()
        return {f"{part}/{k}": tensor for part, own in parts.items() for k, tensor in own.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave.

        Raises:
            StateError: they are not those of this network and optimizer.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "average": {}}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = tensor
        if bool(parts["average"]) != bool(self.average):
            raise StateError("not a state of this training: only one keeps an average")
        try:
            self.network.load_state_dict(parts["network"])
            self.optimizer.restore(parts["optimizer"])
            if self.average:
                self.average.network.load_state_dict(parts["average"])
        except (RuntimeError, KeyError) as error:
            raise StateError(f"not a state of this training: {error}") from None


def check_numbers(tensors: dict[str, Tensor]) -> None:
    """Refuse tensors that no training goes on with: a NaN, infinite weights, a step below 1."""
    for name, tensor in tensors.items():
        is_weight = name.startswith(("network/", "average/"))
        is_float = tensor.is_floating_point()
        # An optimizer's memory may overflow in a training that goes on well.
        bad = tensor.isnan() if not is_weight else ~tensor.isfinite()
        if is_float and bool(bad.any()):
            raise StateError(f"{name} has a value that is not a finite number")
        if not is_weight and not is_float:
            raise StateError(f"{name} is of {tensor.dtype}")
        if name.endswith("/step") and bool((tensor < 1).any()):
            raise StateError(f"{name} is below 1")


def _diverged(epoch: Epoch, losses: Tensor) -> DivergedError | None:
    """Why a member cannot go on: the first loss of its batches, or of validation, not finite."""
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        batch = int(bad[0])
        return DivergedError(
            f"the loss is {float(losses[batch])} in epoch {epoch.epoch}, "
            f"batch {batch + 1} of {len(losses)}"
        )
    if not math.isfinite(epoch.val_loss):  # what the last step did shows in no training loss
        return DivergedError(f"the validation loss is {epoch.val_loss} after epoch {epoch.epoch}")
    return None
