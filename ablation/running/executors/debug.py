"""Trainings in this very process, so that a person can step through them with pdb."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablation.errors import UserError
from ablation.objective import load_objective
from ablation.process.signals import stop_if_interrupted
from ablation.running.executors.base import Handle, Offer, Wish
from ablation.running.messages import Answer, Job, JobFinished, JobStarted
from ablation.running.resources import Resources
from ablation.running.worker import Worker, find_offer


class DebugExecutor:
    """Trains one job at a time, here; see `ablation.running.executors.base`.

    What ends this process ends the run, as anywhere: the next one goes on from its checkpoints.
    """

    def __init__(self) -> None:
        self.capacity = 1
        self.threads = 1
        self._job: Job | None = None

    def offer(self, wish: Wish) -> Offer:
        """What this process has."""
        return find_offer(wish)

    def open(self, resources: Resources) -> None:
        """Take the threads of a worker.

        Raises:
            UserError: several jobs are wanted at a time.
        """
        if resources.jobs > 1:
            raise UserError("--jobs: one training at a time with --executor debug; leave it out")
        self.threads = resources.threads

    def submit(self, job: Job) -> None:
        """Keep a job for the next poll."""
        self._job = job

    def poll(self, timeout: float, handle: Handle) -> None:
        """Train the job that was submitted, and hand over what it says as it says it."""
        job, self._job = self._job, None
        if job is None:
            return

        def send(message: object) -> None:
            handle(job.token, message)
            stop_if_interrupted()

        def ask(message: object) -> Answer:
            answer = handle(job.token, message)
            stop_if_interrupted()
            return answer or Answer(prune=False)

        with _own_surroundings():
            worker = Worker(load_objective(job.context.objective), self.threads, send, ask)
            send(JobStarted())
            outcomes = worker.work(job)
        send(JobFinished(outcomes))

    def cancel(self, token: str) -> None:
        """Forget a job that has not begun; one that is under way ends first."""
        self._job = None

    def close(self) -> None:
        """Nothing is left to end."""


@contextmanager
def _own_surroundings() -> Iterator[None]:
    """Give back what a training changes of this process: its folder, its words, its paths."""
    folder, words, paths = Path.cwd(), sys.argv, list(sys.path)
    try:
        yield
    finally:
        os.chdir(folder)
        sys.argv, sys.path[:] = words, paths
