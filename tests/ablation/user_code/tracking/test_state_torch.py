"""Trainings in PyTorch that go on from a file end as if they had never been stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ablation.user_code.tracking.state import capture, read_state, restore, write_state

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 3
Tracked = dict[str, Any]
Step = Callable[[Tracked], None]


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def tied_net() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    return net


def convolution() -> nn.Module:
    net = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 3, 2), nn.Flatten())
    return net.to(memory_format=torch.channels_last)


def matrices() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 1, bias=False))


class Rows(nn.Module):
    """An embedding whose gradients are sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 4, sparse=True)

    def forward(self, examples: Tensor) -> Tensor:
        places = (examples[:, 0].abs() * 4).long() % 8
        return nn.functional.embedding(places, self.table.weight, sparse=True)


def step(tracked: Tracked) -> None:
    """One step of a training: of its network, its optimizer, its scheduler."""
    net, optimizer, scheduler = tracked["net"], tracked["optimizer"], tracked["scheduler"]
    examples = torch.randn(16, 4, generator=tracked["generator"])

    def loss() -> Tensor:
        optimizer.zero_grad()
        error: Tensor = (net(examples) - examples.sum(1, keepdim=True)).square().mean()
        error.backward()
        return error

    error = optimizer.step(loss)
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        scheduler.step(error.item())
    elif scheduler is not None:
        scheduler.step()


def begin_training(
    seed: int,
    net: Callable[[], nn.Module] = dense,
    optimizer: Callable[[Iterator[nn.Parameter]], Any] = lambda weights: optim.SGD(weights, 0.1),
    scheduler: Callable[[Any], Any] = lambda optimizer: None,
) -> Tracked:
    """The objects of a training, new."""
    torch.manual_seed(seed)
    made = net()
    used = optimizer(made.parameters())
    return {
        "net": made,
        "optimizer": used,
        "scheduler": scheduler(used),
        "generator": torch.Generator().manual_seed(seed),
    }


def assert_goes_on(begin: Callable[[int], Tracked], path: Path, step: Step = step) -> None:
    """Undisturbed and stopped in the middle, a training has the same states."""
    undisturbed = begin(0)
    for _ in range(STEPS):
        step(undisturbed)
    middle = capture(undisturbed)
    write_state(path, middle, {})
    assert capture(begin(0)).digest() != middle.digest()
    for _ in range(STEPS):
        step(undisturbed)
    resumed = begin(1)
    restore(resumed, read_state(path)[0])
    assert capture(resumed).digest() == middle.digest()
    for _ in range(STEPS):
        step(resumed)
    end = capture(undisturbed).digest()
    assert capture(resumed).digest() == end
    assert end != middle.digest()


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.9, "dampening": 0.1},
        {"momentum": 0.9, "fused": True},
    ],
    "Adam": [{"amsgrad": True}, {"fused": True}, {"lr": torch.tensor(0.01)}, {"maximize": True}],
    "AdamW": [{"amsgrad": True, "foreach": True}],
    "Adagrad": [{"lr_decay": 0.1, "initial_accumulator_value": 0.1}],
    "ASGD": [{"t0": 2.0, "weight_decay": 0.1}],
    "LBFGS": [
        {"lr": 0.1, "max_iter": 4, "history_size": 3},
        {"max_iter": 4, "line_search_fn": "strong_wolfe"},
    ],
    "NAdam": [{"momentum_decay": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}],
    "RAdam": [{"weight_decay": 0.1}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
}
NETS: dict[str, Callable[[], nn.Module]] = {"Muon": matrices, "SparseAdam": Rows}
OPTIMIZERS = [name for name in optim.__all__ if isinstance(getattr(optim, name), type)]
CASES = [
    (name, options)
    for name in OPTIMIZERS
    if name != "Optimizer"
    for options in [{}, *OPTIONS.get(name, [])]
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{n}-{list(o)}" for n, o in CASES])
def test_with_every_optimizer(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        kind = getattr(optim, name)
        return begin_training(seed, NETS.get(name, dense), lambda weights: kind(weights, **options))

    assert_goes_on(begin, tmp_path / "state")


def test_every_optimizer_of_torch_is_among_them() -> None:
    found = {kind.__name__ for kind in optim.Optimizer.__subclasses__()}
    assert {name for name in found if hasattr(optim, name)} <= {name for name, _ in CASES}
    assert {*OPTIONS, *NETS} <= {name for name, _ in CASES}
    assert len({name for name, _ in CASES}) >= 14


class Fading:
    """A schedule with a state of its own."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return 1 / self.calls


def cyclic(scale_fn: Callable[..., Any] | None = None, **options: Any) -> Callable[[Any], Any]:
    def make(optimizer: Any) -> lr_scheduler.CyclicLR:
        scale: Any = Fading() if scale_fn is Fading else scale_fn
        return lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, 2, scale_fn=scale, **options)

    return make


SCHEDULERS: dict[str, list[Callable[[Any], Any]]] = {
    "LambdaLR": [
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, Fading()),
    ],
    "MultiplicativeLR": [
        lambda optimizer: lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.9),
        lambda optimizer: lr_scheduler.MultiplicativeLR(optimizer, Fading()),
    ],
    "StepLR": [lambda optimizer: lr_scheduler.StepLR(optimizer, 2)],
    "MultiStepLR": [lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 2, 4])],
    "ConstantLR": [lambda optimizer: lr_scheduler.ConstantLR(optimizer, 0.5, 4)],
    "LinearLR": [lambda optimizer: lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5)],
    "ExponentialLR": [lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.7)],
    "PolynomialLR": [lambda optimizer: lr_scheduler.PolynomialLR(optimizer, 5, 2.0)],
    "CosineAnnealingLR": [lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 5)],
    "CosineAnnealingWarmRestarts": [
        lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    ],
    "OneCycleLR": [
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=8),
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer, 0.2, total_steps=8, three_phase=True, anneal_strategy="linear"
        ),
    ],
    "CyclicLR": [
        cyclic(mode="triangular"),
        cyclic(mode="triangular2"),
        cyclic(mode="exp_range", gamma=0.9),
        cyclic(scale_fn=lambda x: 0.5),
        cyclic(scale_fn=Fading),
    ],
    "ReduceLROnPlateau": [
        lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, cooldown=1),
        lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=1),
    ],
    "SequentialLR": [
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer,
            [lr_scheduler.LinearLR(optimizer, 0.1), lr_scheduler.CosineAnnealingLR(optimizer, 3)],
            [2],
        )
    ],
    "ChainedScheduler": [
        lambda optimizer: lr_scheduler.ChainedScheduler(
            [lr_scheduler.LinearLR(optimizer, 0.1), lr_scheduler.StepLR(optimizer, 2)]
        )
    ],
}
SCHEDULES = [(name, make) for name, makes in SCHEDULERS.items() for make in makes]


@pytest.mark.parametrize(("name", "make"), SCHEDULES, ids=[name for name, _ in SCHEDULES])
def test_with_every_scheduler(name: str, make: Callable[[Any], Any], tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        return begin_training(
            seed, optimizer=lambda w: optim.SGD(w, 0.1, momentum=0.9), scheduler=make
        )

    assert type(begin(0)["scheduler"]).__name__ == name
    assert_goes_on(begin, tmp_path / "state")


def test_every_scheduler_of_torch_is_among_them() -> None:
    assert {*lr_scheduler.__all__} - {"LRScheduler"} <= set(SCHEDULERS)


@pytest.mark.parametrize("net", [tied_net, convolution])
@pytest.mark.parametrize("optimizer", [optim.Adam, optim.SGD])
def test_with_shared_weights_and_other_layouts(
    net: Callable[[], nn.Module], optimizer: Callable[..., Any], tmp_path: Path
) -> None:
    assert_goes_on(lambda seed: begin_training(seed, net, optimizer), tmp_path / "state")


def test_shared_weights_stay_shared(tmp_path: Path) -> None:
    net, fresh = tied_net(), tied_net()
    write_state(tmp_path / "a", capture({"net": net}), {})
    restore({"net": fresh}, read_state(tmp_path / "a")[0])
    assert fresh[0].weight is fresh[2].weight  # type: ignore[index]
    assert torch.equal(fresh[0].weight, net[0].weight)  # type: ignore[index]


def test_with_bfloat16(tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        return begin_training(seed, lambda: dense().to(torch.bfloat16), optim.Adam)

    def lower(tracked: Tracked) -> None:
        examples = torch.randn(16, 4, generator=tracked["generator"], dtype=torch.bfloat16)
        tracked["optimizer"].zero_grad()
        tracked["net"](examples).square().mean().backward()
        tracked["optimizer"].step()

    assert_goes_on(begin, tmp_path / "state", lower)


def test_with_a_scaler_of_gradients(tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        return {**begin_training(seed), "scaler": scaler}

    def scaled(tracked: Tracked) -> None:
        scaler, optimizer = tracked["scaler"], tracked["optimizer"]
        examples = torch.randn(16, 4, generator=tracked["generator"])
        optimizer.zero_grad()
        scaler.scale(tracked["net"](examples).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()

    assert_goes_on(begin, tmp_path / "state", scaled)


def test_with_a_moving_average_of_the_weights(tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        tracked = begin_training(seed)
        average = get_ema_multi_avg_fn(0.9)
        return {
            **tracked,
            "ema": AveragedModel(tracked["net"], multi_avg_fn=average, use_buffers=True),
        }

    def averaged(tracked: Tracked) -> None:
        step(tracked)
        tracked["ema"].update_parameters(tracked["net"])

    assert_goes_on(begin, tmp_path / "state", averaged)


def test_with_best_weights_in_a_dict(tmp_path: Path) -> None:
    def begin(seed: int) -> Tracked:
        return {**begin_training(seed), "best": {"loss": float("inf"), "weights": None}}

    def keeping(tracked: Tracked) -> None:
        step(tracked)
        loss = tracked["net"][3].weight.abs().sum().item()
        if loss < tracked["best"]["loss"]:
            weights = {k: v.clone() for k, v in tracked["net"].state_dict().items()}
            tracked["best"].update(loss=loss, weights=weights)

    assert_goes_on(begin, tmp_path / "state", keeping)


def test_what_a_scheduler_of_a_users_own_holds_is_named() -> None:
    class Own(lr_scheduler.LRScheduler):
        """Keeps its function where `state_dict` finds it."""

        def __init__(self, optimizer: Any, function: Callable[[int], float]) -> None:
            self.functions = [function]
            super().__init__(optimizer)

        def get_lr(self) -> list[float | Tensor]:
            return [self.functions[0](self.last_epoch)]

    tracked = begin_training(0, scheduler=lambda optimizer: Own(optimizer, lambda epoch: 0.1))
    with pytest.raises(Exception, match=r"scheduler=…\): its state has functions\[0\], a function"):
        capture(tracked)
