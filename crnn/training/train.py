"""Train one replicate: a setting, a seed, the data. Knows nothing of studies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic

from crnn.data.fashion_mnist import FashionMNIST
from crnn.network.config import Setting
from crnn.training.packing import Pack
from crnn.training.results import DivergedError, Epoch, Result, StateError, TrainingState


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

    def report_epoch(_: int, epoch: Epoch) -> None:
        if on_epoch:
            on_epoch(epoch)

    (result,) = train_packed(
        [(setting, seed)],
        data,
        device=device,
        score_test=score_test,
        on_epoch=report_epoch,
        on_batch=on_batch,
    )
    if isinstance(result, DivergedError):
        raise result
    return result


def train_packed(
    members: Sequence[tuple[Setting, int]],
    data: FashionMNIST,
    *,
    device: torch.device | str = "cpu",
    score_test: bool = True,
    on_epoch: Callable[[int, Epoch], None] | None = None,
    on_batch: Callable[[int, int, int], None] | None = None,
    resume_from: TrainingState | None = None,
    on_resume: Callable[[TrainingState], None] | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
) -> list[Result | DivergedError]:
    """Train several replicates side by side; arguments are those of `train`.

    Each is what it is alone, bit for bit. On a GPU a step of them all is one CUDA graph, in which
    each member has a stream of its own: alone it would leave most of the GPU idle.

    Args:
        members: settings with the same `Setting.pack_key`, and seeds.
        data: see `train`, as all that follow.
        device: as there.
        score_test: as there.
        on_epoch: called with the member's number (from 0) and its epoch. Times are the member's
            share: the time of all by the number of members.
        on_batch: as there.
        resume_from: the state to go on from, of a training of the same members; the result is then
            that of one that was never stopped, bit for bit.
        on_resume: called with `resume_from`, once it has been taken up.
        on_state: called after each epoch but the last, before `on_epoch`.

    Returns:
        Each member's result, or why it has none. A member that diverges leaves the others as they
        were.

    Raises:
        ValueError: the settings cannot be trained side by side.
        StateError: `resume_from` is not a state of these trainings.
        InfeasibleError: they cannot exist as networks.

    It is one function because half of it is this signature and text, and the rest reads from top to
    bottom as a training goes.
    """
    start, device = time.perf_counter(), torch.device(device)
    epochs = [list(seen) for seen in resume_from.epochs] if resume_from else [[] for _ in members]
    earlier = [sum(epoch.seconds for epoch in seen) for seen in epochs]
    failures = (
        {k: DivergedError(why) for k, why in resume_from.failures.items()} if resume_from else {}
    )
    last = members[0][0].train.epochs
    with _reproducible(device):
        fit = Pack(members, data, device, on_batch)
        if resume_from:
            _check_history(resume_from, len(members), last)
            fit.restore(resume_from.tensors, resume_from.failures)
            if on_resume:
                on_resume(resume_from)
        for number in range(resume_from.epoch + 1 if resume_from else 1, last + 1):
            new = _drop_diverged(fit.epoch(number), failures)
            for member, epoch in new.items():
                epochs[member].append(epoch)
            if len(failures) == len(members):
                return [failures[member] for member in range(len(members))]
            if on_state and number < last:
                why = {member: str(error) for member, error in failures.items()}
                on_state(TrainingState(tuple(map(tuple, epochs)), why, fit.tensors()))
            if on_epoch:
                for member, epoch in new.items():
                    on_epoch(member, epoch)
        tests = fit.score_test(data) if score_test else [(None, None)] * len(members)
        networks, averages = fit.networks(), fit.averages()
    share = (time.perf_counter() - start) / len(members)
    ends = zip(epochs, tests, networks, averages, earlier, strict=True)
    return [
        failures.get(member)
        or Result(tuple(seen), test, share + before, network, ema_test, average)
        for member, (seen, (test, ema_test), network, average, before) in enumerate(ends)
    ]


def _check_history(state: TrainingState, members: int, last: int) -> None:
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


def _drop_diverged(
    epoch: list[Epoch | DivergedError], failures: dict[int, DivergedError]
) -> dict[int, Epoch]:
    """The epochs of the members that go on; those that have just ended join `failures`."""
    new = {}
    for member, outcome in enumerate(epoch):
        if member in failures:
            continue
        if isinstance(outcome, DivergedError):
            failures[member] = outcome
        else:
            new[member] = outcome
    return new


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
