"""What a run takes of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from joblib import cpu_count

PACK_ON_CUDA = 32  # trainings side by side, unless told otherwise; memory may allow fewer


@dataclass(frozen=True)
class Resources:
    """What a run takes of the machine.

    Attributes:
        device: ``cpu`` or ``cuda``.
        gpus: the CUDA devices (as CUDA_VISIBLE_DEVICES names them) shared out among workers.
        jobs: trainings at a time.
        threads: threads of each worker.
        pack: replicates that a worker trains side by side, at most.
    """

    device: str = "cpu"
    gpus: tuple[str, ...] = ()
    jobs: int = 1
    threads: int = 1
    pack: int = 1


def default_jobs(device: str, gpus: tuple[str, ...], threads: int) -> int:
    """One job a physical core (or `threads` of them), one a GPU on CUDA."""
    if device == "cuda":
        return max(1, len(gpus))
    return max(1, int(cpu_count(only_physical_cores=True)) // threads)
