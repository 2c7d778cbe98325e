"""Train one replicate: a setting, a seed, the data. Knows nothing of studies."""

from __future__ import annotations

import math
import os
import platform
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import torch.utils.deterministic
from torch import Tensor, nn

from ablation.errors import UserError
from ablation.seeding import generator
from crnn.data.fashion_mnist import FashionMNIST, split
from crnn.network.config import CLASSES, Setting, TrainConfig
from crnn.network.model import CRNN, reseed

EVALUATION_BATCH = 500
MOMENTUM = 0.9  # of SGD


class DivergedError(ArithmeticError):
    """A loss is no longer a finite number; the message names epoch and, in training, batch."""


class StateError(ValueError):
    """A state that these trainings cannot go on from: it is not theirs."""


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
class State:
    """A training between two epochs: all that the next one depends on, and what is behind it.

    Every random draw derives from seed and epoch, so nothing about generators is in it.

    Attributes:
        epochs: by member, those behind it.
        failures: why members have ended, by member's number.
        tensors: weights and the optimizer's memory, by name; views of what training goes on to
            change.
    """

    epochs: tuple[tuple[Epoch, ...], ...]
    failures: dict[int, str]
    tensors: dict[str, Tensor]

    @property
    def epoch(self) -> int:
        """How many epochs are behind it."""
        return max(len(seen) for seen in self.epochs)


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
        DivergedError: a batch's loss, or an epoch's validation loss, is not finite. It is noticed
            at the epoch's end.
        InfeasibleError: the setting cannot exist as a network.
    """

    def told(_: int, epoch: Epoch) -> None:
        if on_epoch:
            on_epoch(epoch)

    (result,) = train_together(
        [(setting, seed)],
        data,
        device=device,
        score_test=score_test,
        on_epoch=told,
        on_batch=on_batch,
    )
    if isinstance(result, DivergedError):
        raise result
    return result


def train_together(
    members: Sequence[tuple[Setting, int]],
    data: FashionMNIST,
    *,
    device: torch.device | str = "cpu",
    score_test: bool = True,
    on_epoch: Callable[[int, Epoch], None] | None = None,
    on_batch: Callable[[int, int, int], None] | None = None,
    begin: State | None = None,
    on_begin: Callable[[State], None] | None = None,
    on_state: Callable[[State], None] | None = None,
) -> list[Result | DivergedError]:
    """Train several replicates side by side; arguments are those of `train`.

    Each is what it is alone, bit for bit. On a GPU a step of them all is one CUDA graph, in which
    each member has a stream of its own: alone it would leave most of the GPU idle.

    Args:
        members: settings with the same `Setting.fusion_key`, and seeds.
        data: see `train`, as all that follow.
        device: as there.
        score_test: as there.
        on_epoch: called with the member's number (from 0) and its epoch. Times are the member's
            share: the time of all by the number of members.
        on_batch: as there.
        begin: the state to go on from, of a training of the same members; the result is then
            that of one that was never stopped, bit for bit.
        on_begin: called with `begin`, once it has been taken up.
        on_state: called after each epoch but the last, before `on_epoch`.

    Returns:
        Each member's result, or why it has none. A member that diverges leaves the others as they
        were.

    Raises:
        ValueError: the settings cannot be trained side by side.
        StateError: `begin` is not a state of these trainings.
        InfeasibleError: they cannot exist as networks.
    """
    start, device = time.perf_counter(), torch.device(device)
    epochs = [list(seen) for seen in begin.epochs] if begin else [[] for _ in members]
    earlier = [sum(epoch.seconds for epoch in seen) for seen in epochs]
    failures = {k: DivergedError(why) for k, why in begin.failures.items()} if begin else {}
    last = members[0][0].train.epochs
    with _reproducible(device):
        fit = _Together(members, data, device, on_batch)
        if begin:
            _check_history(begin, len(members), last)
            fit.restore(begin.tensors, begin.failures)
            if on_begin:
                on_begin(begin)
        for number in range(begin.epoch + 1 if begin else 1, last + 1):
            new = _sorted_out(fit.epoch(number), failures)
            for member, epoch in new.items():
                epochs[member].append(epoch)
            if len(failures) == len(members):
                return [failures[member] for member in range(len(members))]
            if on_state and number < last:
                why = {member: str(error) for member, error in failures.items()}
                on_state(State(tuple(map(tuple, epochs)), why, fit.tensors()))
            if on_epoch:
                for member, epoch in new.items():
                    on_epoch(member, epoch)
        tests = fit.score_test(data) if score_test else [None] * len(members)
        networks = fit.networks()
    share = (time.perf_counter() - start) / len(members)
    ends = zip(epochs, tests, networks, earlier, strict=True)
    return [
        failures.get(member) or Result(tuple(seen), test, share + before, network)
        for member, (seen, test, network, before) in enumerate(ends)
    ]


def _check_history(state: State, members: int, last: int) -> None:
    """Refuse a state whose epochs are not those of so many trainings of `last` epochs.

    Raises:
        StateError: with what does not fit.
    """
    if len(state.epochs) != members or not state.failures.keys() <= set(range(members)):
        raise StateError(f"it is of {len(state.epochs)} trainings, these are {members}")
    for member, seen in enumerate(state.epochs):
        if [epoch.epoch for epoch in seen] != list(range(1, len(seen) + 1)):
            raise StateError(f"the epochs of member {member} are not numbered from 1")
        if member not in state.failures and not 0 < len(seen) == state.epoch < last:
            raise StateError(f"member {member} has {len(seen)} epochs of {last}")


def _sorted_out(
    epoch: list[Epoch | DivergedError], failures: dict[int, DivergedError]
) -> dict[int, Epoch]:
    """The epochs of the members that go on; those that have just ended join `failures`."""
    new = {}
    for member, found in enumerate(epoch):
        if member in failures:
            continue
        if isinstance(found, DivergedError):
            failures[member] = found
        else:
            new[member] = found
    return new


@torch.no_grad()
def score(model: CRNN, images: Tensor, labels: Tensor, precision: str = "fp32") -> Score:
    """Loss, accuracy and confusion of `model` on uint8 `images` (n, 28, 28) and `labels` (n,)."""
    was_training = model.training
    model.eval()
    classes = len(CLASSES)
    loss = torch.zeros((), dtype=torch.float64, device=images.device)
    counts = torch.zeros(classes**2, dtype=torch.int64, device=images.device)
    for part, truth in zip(
        images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True
    ):
        truth = truth.long()
        scores = forward(model, part, precision)
        loss += cross_entropies(scores, truth).sum()
        counts.scatter_add_(0, truth * classes + scores.argmax(1), torch.ones_like(truth))
    model.train(was_training)
    table = counts.cpu().view(classes, classes)
    size = len(labels)
    return Score(float(loss) / size, int(table.trace()) / size, table.tolist())


def forward(model: CRNN, images: Tensor, precision: str = "fp32") -> Tensor:
    """The scores (n, 10) in fp32 for uint8 `images` (n, 28, 28)."""
    # Autocast keeps its copies of the weights until its end: a context must not outlive a step.
    with torch.autocast(
        images.device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
    ):
        scores: Tensor = model(as_input(images))
    return scores.float()


def as_input(images: Tensor) -> Tensor:
    """Pixels (n, 28, 28), uint8, as (n, 1, 28, 28), floats from 0 to 1."""
    pixels = images.unsqueeze(1)
    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(255)


def cross_entropies(scores: Tensor, truth: Tensor) -> Tensor:
    """Each image's cross-entropy, (n,), of `scores` (n, classes)."""
    return F.cross_entropy(scores, truth, reduction="none")


class _Together:
    """The state of one or more trainings that go side by side."""

    def __init__(
        self,
        members: Sequence[tuple[Setting, int]],
        data: FashionMNIST,
        device: torch.device,
        on_batch: Callable[[int, int, int], None] | None,
    ) -> None:
        if len({setting.fusion_key() for setting, _ in members}) > 1:
            raise ValueError("only trainings of as many steps of as many images go side by side")
        self.device, self.on_batch = device, on_batch
        images, labels = data.train_images.to(device), data.train_labels.to(device)
        self.fits = [_Fit(setting, seed, images, labels) for setting, seed in members]
        on_gpu = device.type == "cuda"
        self.streams = [torch.cuda.Stream() for _ in members] if on_gpu else []
        self.step = _Captured(self._step) if on_gpu else self._step

    def epoch(self, epoch: int) -> list[Epoch | DivergedError]:
        """Train one epoch (from 1), then validate; each member's figures."""
        start = time.perf_counter()
        for fit in self.fits:
            fit.begin(epoch)
        order = torch.stack([fit.order(epoch) for fit in self.fits]).to(self.device)
        batches = order.split(self.fits[0].config.batch_size, dim=1)
        for done, index in enumerate(batches, start=1):
            self.step(index)
            if self.on_batch:
                self.on_batch(epoch, done, len(batches))
        sizes = torch.tensor([index.shape[1] for index in batches])
        found = [fit.end(epoch, sizes) for fit in self.fits]
        share = (time.perf_counter() - start) / len(self.fits)
        return [e if isinstance(e, DivergedError) else replace(e, seconds=share) for e in found]

    def _step(self, index: Tensor) -> None:
        """A step of every member, each on the images that its row of `index` names."""
        if not self.streams:
            for fit, images in zip(self.fits, index, strict=True):
                fit.step(images)
            return
        now = torch.cuda.current_stream()
        for fit, stream, images in zip(self.fits, self.streams, index, strict=True):
            stream.wait_stream(now)
            with torch.cuda.stream(stream):
                fit.step(images)
        for stream in self.streams:
            now.wait_stream(stream)

    def score_test(self, data: FashionMNIST) -> list[Score]:
        """Each member's figures on the test images."""
        images, labels = data.test_images.to(self.device), data.test_labels.to(self.device)
        return [score(fit.network, images, labels, fit.precision) for fit in self.fits]

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the optimizers' memory, by member's number and name."""
        return {
            f"{number}/{name}": tensor
            for number, fit in enumerate(self.fits)
            for name, tensor in fit.tensors().items()
        }

    def restore(self, tensors: dict[str, Tensor], diverged: Collection[int] = ()) -> None:
        """Take up what `tensors` gave.

        Args:
            tensors: by member's number and name.
            diverged: members that have ended, whose tensors may be anything.

        Raises:
            StateError: they are not those of these trainings.
        """
        for number, fit in enumerate(self.fits):
            own = f"{number}/"
            found = {k.removeprefix(own): t for k, t in tensors.items() if k.startswith(own)}
            if number not in diverged:
                _check_numbers(found)
            fit.restore(found)

    def networks(self) -> list[CRNN]:
        """Each member's network, in evaluation mode."""
        return [fit.network.eval() for fit in self.fits]


class _Fit:
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
        self.optimizer = _Optimizer(self.network, self.config)
        self.batches = math.ceil(len(self.chosen) / self.config.batch_size)
        # What a step leaves behind stays on the device until the epoch's end.
        self.at = torch.zeros(1, dtype=torch.int64, device=device)
        self.factors = torch.zeros(self.batches, dtype=torch.float64, device=device)
        self.losses = torch.zeros(self.batches, device=device)
        self.right = torch.zeros((), dtype=torch.int64, device=device)

    def begin(self, epoch: int) -> None:
        """Be ready for the first step of an epoch."""
        reseed(self.network, self.seed, epoch, self.batches)
        self.network.train()
        first = (epoch - 1) * self.batches
        factors = [schedule(self.config, first + b, self.batches) for b in range(self.batches)]
        self.factors.copy_(torch.tensor(factors, dtype=torch.float64))
        for counter in (self.at, self.losses, self.right):
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
        self.optimizer.step(self.factors.index_select(0, self.at))
        self.losses.index_copy_(0, self.at, loss.detach().unsqueeze(0))
        self.right += (scores.detach().argmax(1) == truth).sum()
        self.at += 1

    def end(self, epoch: int, sizes: Tensor) -> Epoch | DivergedError:
        """Validate after an epoch's steps, of batches of `sizes`; its figures, but for the time."""
        images, labels = self.images[self.held_out], self.labels[self.held_out]
        validation = score(self.network, images, labels, self.precision)
        losses, count = self.losses.cpu().double(), int(sizes.sum())
        mean, hits = float((losses * sizes).sum() / count), int(self.right)
        seen = Epoch(epoch, mean, hits / count, validation.loss, validation.accuracy, 0.0)
        return _diverged(seen, losses) or seen

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the optimizer's memory, by name."""
        parts = {"network": self.network.state_dict(), "optimizer": self.optimizer.tensors()}
        return {
            f"{part}/{k}": tensor for part, found in parts.items() for k, tensor in found.items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave.

        Raises:
            StateError: they are not those of this network and optimizer.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = tensor
        try:
            self.network.load_state_dict(parts["network"])
            self.optimizer.restore(parts["optimizer"])
        except (RuntimeError, KeyError) as error:
            raise StateError(f"not a state of this training: {error}") from None


def _check_numbers(tensors: dict[str, Tensor]) -> None:
    """Refuse tensors that no training goes on with: a NaN, infinite weights, a step below 1."""
    for name, tensor in tensors.items():
        is_weight, is_float = name.startswith("network/"), tensor.is_floating_point()
        # An optimizer's memory may overflow in a training that goes on well.
        bad = tensor.isnan() if not is_weight else ~tensor.isfinite()
        if is_float and bool(bad.any()):
            raise StateError(f"{name} has a value that is not a finite number")
        if not is_weight and not is_float:
            raise StateError(f"{name} is of {tensor.dtype}")
        if name.endswith("/step") and bool((tensor < 1).any()):
            raise StateError(f"{name} is below 1")


class _Captured:
    """A step as a CUDA graph: launched as one, and without Python between its kernels.

    Full batches are captured after a few that run as usual, as PyTorch's notes on CUDA graphs ask
    for; a shorter last batch always runs as usual. Nothing that a step reads or writes may move in
    memory between two steps.
    """

    WARM_UP = 3

    def __init__(self, step: Callable[[Tensor], None]) -> None:
        self.step = step
        self.stream = torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.index: Tensor | None = None
        self.seen = 0

    def __call__(self, index: Tensor) -> None:
        if self.index is None:
            self.index = index.clone()
        if index.shape != self.index.shape or self.seen < self.WARM_UP:
            self.seen += index.shape == self.index.shape
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(index)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        self.index.copy_(index)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.step(self.index)
        self.graph.replay()


class _Optimizer:
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

    def step(self, factor: Tensor) -> None:
        """Move the parameters; `factor` (one number) times the learning rate is the rate."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(self.rate * factor[0])
            else:
                group["lr"] = self.rate * factor.item()
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


def schedule(config: TrainConfig, step: int, batches: int) -> float:
    """What the learning rate is multiplied by at `step` of epochs x `batches`, from 0 to 1.

    ``constant``, or half a cosine down to 0 (Loshchilov and Hutter 2017).
    """
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * step / (config.epochs * batches)))


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms, and TF32 on a GPU, for the time of one training."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at first use
    algorithms = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    products = torch.get_float32_matmul_precision()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # No operation here reads memory that it has not written; filling it takes a sixth of a step.
    memory.fill_uninitialized_memory = False
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
        torch.set_float32_matmul_precision(products)
