"""An executor that trains nothing: what its jobs come to is told beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ablation.running.executors.base import Handle, Offer, Wish
from ablation.running.messages import Answer, Job, JobFinished, JobStarted, TrialOutcome
from ablation.running.resources import Resources


class PlayedExecutor:
    """Hands over what it is told to, of the jobs that it has been given.

    Args:
        play: what a job comes to, at its next poll; None where nothing is to be said by itself.
        capacity: jobs at a time.

    Attributes:
        jobs: those that are under way, in the order of submission.
        submitted: all that there were.
        cancelled: the tokens of those that were given up.
        answers: what was answered.
        closed: whether it was closed.
    """

    def __init__(
        self, play: Callable[[Job], list[TrialOutcome]] | None = None, capacity: int = 1
    ) -> None:
        self.play, self.capacity = play, capacity
        self.jobs: list[Job] = []
        self.submitted: list[Job] = []
        self.cancelled: list[str] = []
        self.answers: list[Answer | None] = []
        self.closed = False

    def offer(self, wish: Wish) -> Offer:
        """What is wished for."""
        return Offer(wish.device.replace("auto", "cpu"), wish.precision.replace("auto", "fp32"))

    def open(self, resources: Resources) -> None:
        """Take as many jobs as are wanted."""
        self.capacity = resources.jobs

    def submit(self, job: Job) -> None:
        """Take a job."""
        self.jobs.append(job)
        self.submitted.append(job)

    def poll(self, timeout: float, handle: Handle) -> None:
        """End every job as it is played."""
        for job in list(self.jobs):
            if self.play:
                self.say(handle, job, [JobStarted(), JobFinished(self.play(job))])

    def say(self, handle: Handle, job: Job, messages: Iterable[object]) -> None:
        """Hand over messages of a job's worker."""
        for message in messages:
            if isinstance(message, JobFinished):
                self.jobs = [each for each in self.jobs if each is not job]
            self.answers.append(handle(job.token, message))

    def cancel(self, token: str) -> None:
        """Give a job up."""
        self.cancelled.append(token)
        self.jobs = [job for job in self.jobs if job.token != token]

    def close(self) -> None:
        """Note that it is over."""
        self.closed = True
