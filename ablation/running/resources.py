"""What a run takes of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from joblib import cpu_count

from ablation.errors import UserError

PACK_ON_CUDA = 32  # trainings side by side, unless told otherwise; memory may allow fewer


@dataclass(frozen=True)
class Resources:
    """What a run takes of the machine.

    Attributes:
        device: ``cpu`` or ``cuda``.
        gpus: what workers see of CUDA, each in turn, as CUDA_VISIBLE_DEVICES says it.
        jobs: trainings at a time.
        threads: threads of each worker.
        pack: replicates that a worker trains side by side, at most.
    """

    device: str = "cpu"
    gpus: tuple[str, ...] = ()
    jobs: int = 1
    threads: int = 1
    pack: int = 1


def gpu_shares(gpus: tuple[str, ...], each: float) -> tuple[str, ...]:
    """What each training that fits beside others sees of the GPUs.

    Args:
        gpus: the CUDA devices, as CUDA_VISIBLE_DEVICES names them.
        each: how many a training has: a whole number, or a fraction where several share one.

    Returns:
        For each training the value of its CUDA_VISIBLE_DEVICES.

    Raises:
        UserError: there are fewer than one training has.
    """
    if each < 1:
        return gpus * int(1 / each + 1e-9)
    count = int(each)
    if count > len(gpus):
        present = "1 GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
        raise UserError(
            f"resources.gpus: a training has {count}, and this run {present}; lower it, train on "
            "a machine with more, or use --device cpu"
        )
    groups = range(0, len(gpus) - count + 1, count)
    return tuple(",".join(gpus[first : first + count]) for first in groups)


def default_jobs(device: str, gpus: tuple[str, ...], threads: int) -> int:
    """One job a physical core (or `threads` of them), on CUDA one a GPU, or a share of them."""
    if device == "cuda":
        return max(1, len(gpus))
    return max(1, int(cpu_count(only_physical_cores=True)) // threads)
