"""The seam between a run and the place where its trainings happen.

Workers send messages only. Whoever runs a study, the coordinator, alone writes to its storage, and
drops what comes from a job that it has given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ablation.running.messages import Answer, Job
    from ablation.running.resources import Resources

Handle = Callable[[str, object], "Answer | None"]
"""Takes a job's token and a message of its worker; gives the answer, where it was a question."""


@dataclass(frozen=True)
class Wish:
    """What a person wants of the workers.

    Attributes:
        objective: what is to be trained, by its spec.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32`` or ``bf16``.
        threads: of each worker.
        fresh_processes: whether each job needs a process of its own; see the objective's.
        libraries: what to load once for such processes, likewise.
    """

    objective: str
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    fresh_processes: bool = False
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """What workers have.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32`` or ``bf16``.
        gpus: the names of the GPUs that can be seen.
        no_device: why there is no such device, a line; empty where there is.
        no_precision: why the device has no such precision, likewise.
        notes: what a person should know of the workers, a line each.
    """

    device: str = "cpu"
    precision: str = "fp32"
    gpus: tuple[str, ...] = ()
    no_device: str = ""
    no_precision: str = ""
    notes: tuple[str, ...] = ()


class Executor(Protocol):
    """Trains jobs somewhere.

    Attributes:
        capacity: how many jobs it takes at a time, once it is open.
    """

    capacity: int

    def offer(self, wish: Wish) -> Offer:
        """What its workers have of what is wished for; found out where they are."""

    def open(self, resources: Resources) -> None:
        """Be ready for jobs."""

    def submit(self, job: Job) -> None:
        """Have a job trained; there are fewer than `capacity` under way."""

    def poll(self, timeout: float, handle: Handle) -> None:
        """Hand over what workers have said, waiting for it so many seconds at most.

        That is, of each job a `JobStarted`, then what is told on the way, then a `JobFinished`; or
        a `WorkerLost` at any time, after which nothing more comes of it.
        """

    def cancel(self, token: str) -> None:
        """Give a job up: its worker is ended, and nothing more comes of it."""

    def close(self) -> None:
        """End all workers, whatever they do."""
