"""Worker processes on this machine, a pipe each way to each, and nothing else.

No semaphore, no shared memory, no queue that a killed worker could leave locked: it loses its own
job only, and another takes its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from ablation.errors import UserError
from ablation.process.signals import ctrl_c_ignored
from ablation.process.surroundings import THREADS, leads_to_storage, without_storage
from ablation.running.executors.base import Handle, Offer, Wish
from ablation.running.executors.processes import (
    ForkServer,
    LocalWorker,
    SpawnedProcess,
    Start,
)
from ablation.running.messages import Job, JobFinished, WorkerLost
from ablation.running.resources import Resources
from ablation.running.worker import serve

OFFER_SECONDS = 600.0  # that a new process may take to say what it has, from a cold disk
MAX_OFFERS = 3  # workers that may end before one has said what it has


class LocalExecutor:
    """Trains in processes of this machine, one a job; see `ablation.running.executors.base`.

    They are spawned, and each does job after job; where each job needs a process of its own, a
    fork server makes them.
    """

    def __init__(self) -> None:
        self.capacity = 0
        self.workers: list[LocalWorker] = []
        self._first: LocalWorker | None = None  # which has made the offer
        self._server: ForkServer | None = None

    def offer(self, wish: Wish) -> Offer:
        """What a worker of this machine finds; a spawned one on a CPU is the first to have a job.

        Raises:
            UserError: worker after worker has ended before it could say.
        """
        if self._server:
            self._server.close()
        if wish.fresh_processes:
            self._server = ForkServer(fork_server_environment(wish.threads), wish.libraries)
        visible = "" if wish.device == "cpu" else os.environ.get("CUDA_VISIBLE_DEVICES")
        environment = worker_environment(wish.threads, visible)
        for _ in range(MAX_OFFERS):
            worker = LocalWorker(self._start(0, wish.threads, environment))
            try:
                worker.send(wish)
                offer = worker.receive(OFFER_SECONDS)
            except BaseException:
                worker.close()
                raise
            if isinstance(offer, Offer) and not (
                self._server or offer.gpus or offer.no_device or offer.no_precision
            ):
                self._first = worker
                return offer
            worker.close()  # dead, or has had its message, or sees more than its GPU would be
            if isinstance(offer, Offer):
                return replace(offer, notes=tuple(self._server.notes if self._server else ()))
        raise UserError(
            f"{MAX_OFFERS} worker processes ended before they had found a device: killed, or out "
            "of memory; free some, then try again"
        )

    def open(self, resources: Resources) -> None:
        """A worker a job; each starts with its first."""
        self.capacity, threads = resources.jobs, resources.threads
        gpus = resources.gpus
        for number in range(resources.jobs):
            visible = gpus[number % len(gpus)] if gpus else ""
            worker, self._first = self._first, None
            environment = worker_environment(threads, visible)
            start = self._start(number, threads, environment)
            self.workers.append(worker or LocalWorker(start))

    def _start(self, slot: int, threads: int, environment: Mapping[str, str]) -> Start:
        """What starts the processes of a slot."""
        if self._server:
            return partial(self._server.fork, slot, environment, threads)
        return partial(_spawn, threads, environment)

    def submit(self, job: Job) -> None:
        """Hand a job to a worker that has none."""
        worker = next(worker for worker in self.workers if not worker.token)
        worker.token = job.token
        worker.send(job)

    def poll(self, timeout: float, handle: Handle) -> None:
        """Hand over what workers have said."""
        busy = [worker for worker in self.workers if worker.token]
        wait([worker.inbox for worker in busy], timeout=timeout)
        for worker in busy:
            for message in worker.messages():
                if not self._hand_over(worker, message, handle):
                    break
            else:
                if worker.dead:
                    self._hand_over(worker, WorkerLost("killed, or out of memory"), handle)

    def _hand_over(self, worker: LocalWorker, message: object, handle: Handle) -> bool:
        """Hand over a message; whether the worker still has the job that it is of."""
        token = worker.token
        if (answer := handle(token, message)) is not None:
            worker.send(answer)
        if worker.token != token:  # it was given up, and perhaps handed out again
            return False
        if isinstance(message, JobFinished):
            worker.token = ""
            if self._server:
                worker.retire()
        elif isinstance(message, WorkerLost):
            self.cancel(token)
        return bool(worker.token)

    def cancel(self, token: str) -> None:
        """A new worker with new pipes takes the place of the one that has the job."""
        for worker in self.workers:
            if worker.token == token:
                worker.token = ""
                worker.renew()

    def close(self) -> None:
        """End all workers, whatever they do."""
        if self._server:
            self._server.close()
        for worker in [*self.workers, *([self._first] if self._first else [])]:
            worker.close()


def _spawn(
    threads: int, environment: Mapping[str, str], orders: Connection, channel: Connection
) -> SpawnedProcess:
    """Start a process that takes job after job, with these ends of its pipes."""
    words = (orders, channel, os.getpid(), threads)
    process = get_context("spawn").Process(target=serve, args=words, daemon=True)
    with ctrl_c_ignored(), _worker_surroundings(environment):
        process.start()
    return SpawnedProcess(process)


@contextmanager
def _worker_surroundings(values: Mapping[str, str]) -> Iterator[None]:
    """The environment and the words that processes started meanwhile get.

    Workers run the user's code: nothing there leads to the storage, nor to its password.
    """
    environment, words = dict(os.environ), sys.argv
    os.environ.update(values)
    secret = [name for name in os.environ if leads_to_storage(name)]
    for name in secret:
        del os.environ[name]
    sys.argv = words[:1]
    try:
        yield
    finally:
        sys.argv = words
        for name in {*values, *secret}:
            if name in environment:
                os.environ[name] = environment[name]
            else:
                os.environ.pop(name, None)


def fork_server_environment(threads: int) -> dict[str, str]:
    """The environment of a fork server, and of its processes as far as they have it in common.

    Hashes of text are the same in each: ``list(set(words))`` would have another order in each.
    """
    return {
        **without_storage(os.environ),
        **worker_environment(threads, None),
        "PYTHONHASHSEED": "0",
    }


def worker_environment(threads: int, visible: str | None = "") -> dict[str, str]:
    """The environment variables of a worker: its threads, the GPUs that it may see, its memory.

    Where `visible` is None it may see them all.

    Left to itself, glibc gives a training step's memory back to the system after it, and the
    system clears it for the next one: 2 ms of a step of 20. So it is told to keep it.
    """
    keep = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
    gpus = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return {**dict.fromkeys(THREADS, str(threads)), **keep, **gpus}
