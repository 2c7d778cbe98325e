"""An executor that trains here and can kill what it trains, as one with processes does."""

from __future__ import annotations

from ablation.objective import load_objective
from ablation.running.executors.base import Handle
from ablation.running.executors.debug import DebugExecutor
from ablation.running.messages import Answer, JobFinished, JobStarted
from ablation.running.worker import Worker


class Killed(BaseException):
    """The end of a training, which nothing in it catches."""


class InProcessExecutor(DebugExecutor):
    """Trains one job at a time; one that is cancelled at a message ends there.

    Attributes:
        submitted: the names of the arms and the seeds of all jobs.
        kills: how many there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[tuple[str, int]] = []
        self.kills = 0
        self._token = ""

    def poll(self, timeout: float, handle: Handle) -> None:
        """Train the job that was submitted, until it ends or is cancelled."""
        job, self._job = self._job, None
        assert job is not None
        self.submitted.append((job.tasks[0].arm, job.tasks[0].seed))
        self._token = job.token

        def send(message: object) -> None:
            if self._token:
                handle(job.token, message)

        def ask(message: object) -> Answer:
            answer = handle(job.token, message)
            if not self._token:
                raise Killed
            return answer or Answer(prune=False)

        worker = Worker(load_objective(job.context.objective), self.threads, send, ask)
        try:
            send(JobStarted())
            send(JobFinished(worker.work(job)))
        except Killed:
            self.kills += 1

    def cancel(self, token: str) -> None:
        """End the job under way at the message that it has sent."""
        self._token = ""
