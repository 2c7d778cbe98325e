"""Train one replicate: a setting, a seed, the data. Knows nothing of studies."""

from __future__ import annotations

import math
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crnn.config import CLASSES, Setting, TrainConfig
from crnn.data import FashionMNIST, split
from crnn.errors import UserError
from crnn.model import CRNN
from crnn.streams import generator

EVALUATION_BATCH = 500


class DivergedError(ArithmeticError):
    """A loss is no longer a finite number; the message names epoch and, in training, batch."""


class DeviceError(UserError):
    """The device or precision asked for is not to be had on this machine."""


@dataclass(frozen=True)
class Epoch:
    """One epoch. Losses are mean cross-entropies (nats), accuracies fractions.

    The training figures are running means during the epoch, dropout on; the validation figures
    are taken after it, dropout off.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Score:
    """A network's figures on a set of images; `confusion[true][predicted]` counts images."""

    loss: float
    accuracy: float
    confusion: list[list[int]]


@dataclass(frozen=True)
class Result:
    """A finished training: its epochs, the test score (None unless asked for), the network.

    The network is in evaluation mode.
    """

    epochs: tuple[Epoch, ...]
    test: Score | None
    seconds: float
    model: CRNN

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy after the last epoch."""
        return self.epochs[-1].val_accuracy


def pick_device(name: str = "auto") -> torch.device:
    """The device by name: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:N``.

    Raises:
        DeviceError: no such device: CUDA is asked for and absent, or has no such number.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", name):
        raise DeviceError(f"--device {name}: takes auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and count <= (device.index or 0):
        found = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device"
        raise DeviceError(f"--device {name}: this machine has {found}; use --device auto or cpu")
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether `device` computes in bf16 natively (an emulation would be slower than fp32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine() in ("x86_64", "AMD64"):  # oneDNN emulates it on any AVX-512
        return bool(torch.cpu._is_avx512_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pick_precision(name: str, device: torch.device) -> str:
    """``fp32`` or ``bf16``; ``auto`` is bf16 where `device` computes in it natively.

    Raises:
        DeviceError: bf16 is asked for and the device does not compute in it natively.
    """
    if name == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if name == "bf16" and not has_bf16(device):
        raise DeviceError(f"--precision bf16: this {device.type} has no bf16; use fp32 or auto")
    return name


def train(
    setting: Setting,
    seed: int,
    data: FashionMNIST,
    *,
    device: torch.device | str = "cpu",
    score_test: bool = True,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_batch: Callable[[int, int, int], None] | None = None,
) -> Result:
    """Train `setting` with `seed` on `data` and score the final weights.

    The result depends on the setting, the seed, the data, the kind of device, the number of
    threads and the precision, and on nothing else: no global random state is read or changed.

    Args:
        setting: the network and its training; ``precision="auto"`` is decided by the device.
        seed: 0 or more; arms with the same seed share split and batch order.
        data: images and labels.
        device: where to train.
        score_test: score the test images once, on the final weights.
        on_epoch: called after each epoch; what it raises ends the training.
        on_batch: called after each batch with (epoch from 1, batches done, batches in all).

    Raises:
        DivergedError: a batch's loss, or an epoch's validation loss, is not finite.
        InfeasibleError: the setting cannot exist as a network.
    """
    start, device = time.perf_counter(), torch.device(device)
    config = setting.train
    with _deterministic():
        fit = _Fit(setting, seed, data, device, on_batch)
        epochs = []
        for epoch in range(1, config.epochs + 1):
            epochs.append(fit.epoch(epoch))
            if on_epoch:
                on_epoch(epochs[-1])
        test = None
        if score_test:
            images, labels = data.test_images.to(device), data.test_labels.to(device)
            test = score(fit.model, images, labels, fit.precision)
    fit.model.eval()
    return Result(tuple(epochs), test, time.perf_counter() - start, fit.model)


@torch.no_grad()
def score(model: CRNN, images: Tensor, labels: Tensor, precision: str = "fp32") -> Score:
    """Loss, accuracy and confusion of `model` on uint8 `images` (n, 28, 28) and `labels` (n,)."""
    was_training = model.training
    model.eval()
    loss = torch.zeros((), dtype=torch.float64, device=images.device)
    classes = len(CLASSES)
    counts = torch.zeros(classes**2, dtype=torch.int64, device=images.device)
    pairs = zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True)
    for batch, truth in pairs:
        scores = forward(model, batch, precision)
        truth = truth.long()
        loss += F.cross_entropy(scores, truth, reduction="sum")
        counts.scatter_add_(0, truth * classes + scores.argmax(1), torch.ones_like(truth))
    model.train(was_training)
    confusion = counts.view(classes, classes)
    right = int(confusion.trace())
    return Score(float(loss) / len(labels), right / len(labels), confusion.tolist())


def forward(model: CRNN, images: Tensor, precision: str = "fp32") -> Tensor:
    """The scores (n, 10) in fp32 for uint8 `images` (n, 28, 28)."""
    # Autocast keeps its copies of the weights until its end: a context must not outlive a step.
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        scores: Tensor = model(as_input(images))
    return scores.float()


def as_input(images: Tensor) -> Tensor:
    """Pixels (n, 28, 28), uint8, as the network's input (n, 1, 28, 28), floats from 0 to 1."""
    return images.unsqueeze(1).to(torch.float32, memory_format=torch.channels_last).div_(255)


class _Fit:
    """The state of one training: the network, its optimizer and the images."""

    def __init__(
        self,
        setting: Setting,
        seed: int,
        data: FashionMNIST,
        device: torch.device,
        on_batch: Callable[[int, int, int], None] | None,
    ) -> None:
        config = setting.train
        size = min(config.train_size, len(data.train_labels))
        chosen, held_out = split(len(data.train_labels), seed, config.train_fraction, size)
        self.config, self.seed, self.device, self.on_batch = config, seed, device, on_batch
        self.images, self.labels = data.train_images.to(device), data.train_labels.to(device)
        self.precision = pick_precision(config.precision, device)
        self.chosen = chosen
        self.val_images = self.images[held_out.to(device)]
        self.val_labels = self.labels[held_out.to(device)]
        model = CRNN(setting.model, seed)
        self.model: CRNN = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.model, config)
        self.batches = math.ceil(len(chosen) / config.batch_size)

    def epoch(self, epoch: int) -> Epoch:
        """Train one epoch (from 1), then validate."""
        start = time.perf_counter()
        self.model.reseed(self.seed, epoch)
        self.model.train()
        shuffle = torch.randperm(len(self.chosen), generator=generator(self.seed, "order", epoch))
        order = self.chosen[shuffle].to(self.device)
        losses = torch.zeros(self.batches, device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        every = 1 if self.device.type == "cpu" else 64  # a look at the loss waits for the GPU
        for batch, index in enumerate(order.split(self.config.batch_size)):
            loss, hits = self._step((epoch - 1) * self.batches + batch, index)
            losses[batch] = loss * len(index)
            right += hits
            if (batch + 1) % every == 0 or batch + 1 == self.batches:
                self._check(epoch, losses, batch // every * every, batch + 1)
            if self.on_batch:
                self.on_batch(epoch, batch + 1, self.batches)
        validation = self._validate(epoch)
        return Epoch(
            epoch,
            float(losses.double().sum()) / len(order),
            int(right) / len(order),
            validation.loss,
            validation.accuracy,
            time.perf_counter() - start,
        )

    def _step(self, step: int, index: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.schedule == "cosine":
            rate = cosine(self.config, step, self.batches)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        truth = self.labels[index].long()
        scores = forward(self.model, self.images[index], self.precision)
        loss = F.cross_entropy(scores, truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (scores.detach().argmax(1) == truth).sum()

    def _validate(self, epoch: int) -> Score:
        found = score(self.model, self.val_images, self.val_labels, self.precision)
        if not math.isfinite(found.loss):  # what the last step did shows in no training loss
            raise DivergedError(f"the validation loss is {found.loss} after epoch {epoch}")
        return found

    def _check(self, epoch: int, losses: Tensor, first: int, end: int) -> None:
        bad = ~losses[first:end].isfinite()
        if bool(bad.any()):
            batch = first + int(bad.nonzero()[0])
            raise DivergedError(
                f"the loss is {float(losses[batch])} in epoch {epoch}, "
                f"batch {batch + 1} of {self.batches}"
            )


def cosine(config: TrainConfig, step: int, batches: int) -> float:
    """The cosine schedule's learning rate at `step` of epochs x `batches` (Loshchilov 2017)."""
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / (config.epochs * batches)))


def _optimizer(model: CRNN, config: TrainConfig) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), rate, weight_decay=decay, fused=True)


@contextmanager
def _deterministic() -> Iterator[None]:
    """Deterministic algorithms for the time of one training."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at first use
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
