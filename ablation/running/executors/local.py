"""Worker processes on this machine, a pipe each way to each, and nothing else.

No semaphore, no shared memory, no queue that a killed worker could leave locked: it loses its own
job only, and another takes its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import wait

from ablation.errors import UserError
from ablation.running.executors.base import Handle, Offer, Wish
from ablation.running.messages import Answer, Job, JobFinished, WorkerLost
from ablation.running.resources import Resources
from ablation.running.worker import serve
from ablation.signals import ctrl_c_ignored

OFFER_SECONDS = 600.0  # that a new process may take to say what it has, from a cold disk
MAX_OFFERS = 3  # workers that may end before one has said what it has
NOT_FOR_WORKERS = ("CRNN_STUDY_STORAGE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")


class LocalExecutor:
    """Trains in processes of this machine, one a job; see `ablation.running.executors.base`."""

    def __init__(self) -> None:
        self.capacity = 0
        self.workers: list[LocalWorker] = []
        self._first: LocalWorker | None = None  # which has made the offer

    def offer(self, wish: Wish) -> Offer:
        """What a worker of this machine finds; on a CPU it is the first to be handed a job.

        Raises:
            UserError: worker after worker has ended before it could say.
        """
        environment = worker_environment(wish.threads, os.environ.get("CUDA_VISIBLE_DEVICES"))
        for _ in range(MAX_OFFERS):
            worker = LocalWorker(wish.threads, environment)
            try:
                worker.send(wish)
                offer = worker.receive(OFFER_SECONDS)
            except BaseException:
                worker.close()
                raise
            if isinstance(offer, Offer) and not (
                offer.gpus or offer.no_device or offer.no_precision
            ):
                self._first = worker
                return offer
            worker.close()  # dead, or it sees more than the GPU that it would be given
            if isinstance(offer, Offer):
                return offer
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
            self.workers.append(worker or LocalWorker(threads, environment))

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
        for worker in [*self.workers, *([self._first] if self._first else [])]:
            worker.close()


class LocalWorker:
    """A worker process, and a pipe to it and from it.

    Attributes:
        token: of the job that it has; empty where it is free.
        dead: whether its pipe has ended, as it does with the worker.
    """

    def __init__(self, threads: int, environment: Mapping[str, str]) -> None:
        self.threads, self.environment = threads, environment
        self.token = ""
        self._open()

    def _open(self) -> None:
        """Two pipes and a worker at their other ends, which starts with its first job."""
        self.dead = False
        spawn = get_context("spawn")
        orders, self.orders = spawn.Pipe(duplex=False)
        self.inbox, channel = spawn.Pipe(duplex=False)
        words = (orders, channel, os.getpid(), self.threads)
        self.process = spawn.Process(target=serve, args=words, daemon=True)
        self.ends = (orders, channel)

    def send(self, message: Job | Answer | Wish) -> None:
        """Send a message, and start the process where it has not been started."""
        if self.process.pid is None:
            with ctrl_c_ignored(), _worker_surroundings(self.environment):
                self.process.start()
            for end in self.ends:  # the worker's alone from now on: they close when it dies
                end.close()
        with suppress(BrokenPipeError):  # dead already, as its own pipe will tell
            self.orders.send(message)

    def receive(self, timeout: float) -> object:
        """The next message, or None where none came in so many seconds."""
        return next(self.messages(), None) if self.inbox.poll(timeout) else None

    def messages(self) -> Iterator[object]:
        """What the worker has said since the last look."""
        while not self.dead and self.inbox.poll():
            try:
                message = self.inbox.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                self.dead = True
                return
            yield message

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        for end in (*self.ends, self.inbox, self.orders):
            end.close()

    def renew(self) -> None:
        """A new worker with new pipes: the old ones may hold half a message."""
        self.close()
        self._open()


@contextmanager
def _worker_surroundings(values: Mapping[str, str]) -> Iterator[None]:
    """The environment and the words that processes started meanwhile get.

    Workers run the user's code: nothing there leads to the storage, nor to its password.
    """
    environment, words = dict(os.environ), sys.argv
    os.environ.update(values)
    for name in NOT_FOR_WORKERS:
        os.environ.pop(name, None)
    sys.argv = words[:1]
    try:
        yield
    finally:
        sys.argv = words
        for name in {*values, *NOT_FOR_WORKERS}:
            if name in environment:
                os.environ[name] = environment[name]
            else:
                os.environ.pop(name, None)


def worker_environment(threads: int, visible: str | None = "") -> dict[str, str]:
    """The environment variables of a worker: its threads, the GPUs that it may see, its memory.

    Where `visible` is None it may see them all.

    Left to itself, glibc gives a training step's memory back to the system after it, and the
    system clears it for the next one: 2 ms of a step of 20. So it is told to keep it.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    keep = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
    gpus = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return {**dict.fromkeys(names, str(threads)), **keep, **gpus}
