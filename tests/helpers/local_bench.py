"""An executor of this machine with jobs of witnesses, without a study."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ablation.running.executors.base import Wish
from ablation.running.executors.local import LocalExecutor
from ablation.running.messages import Job, JobFinished, TrainingContext, WorkerLost
from ablation.running.resources import Resources
from ablation.scheduling.source import Task
from tests.helpers.witness import Deed, Settings, objective

SECONDS = 30.0  # that anything here may take
ONE = Resources()


class Bench:
    """An executor, and what its workers say of the jobs that it has been given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.executor = LocalExecutor()
        self.said: dict[str, list[object]] = {}

    def open(self, *libraries: str, resources: Resources = ONE) -> tuple[str, ...]:
        """Be ready for jobs, with these libraries loaded beforehand; the notes on them."""
        wish = Wish(objective.spec, fresh_processes=True, libraries=libraries)
        offer = self.executor.offer(wish)
        self.executor.open(resources)
        return offer.notes

    def submit(self, token: str, deed: Deed = "nothing", steps: int = 1) -> None:
        """Have a training done."""
        task = Task(0, 0, "baseline", 0, Settings(steps=steps, deed=deed))
        self.said[token] = []
        self.executor.submit(Job([task], TrainingContext(self.folder, objective.spec), token))

    def poll_until(self, done: Callable[[], object]) -> None:
        """Hear what workers say until something is so."""
        deadline = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < deadline, self.said
            self.executor.poll(0.05, self.hear)

    def hear(self, token: str, message: object) -> None:
        """Note a message."""
        self.said[token].append(message)

    def train(self, *deeds: Deed) -> list[Any]:
        """Train so, one after another, to the end; what each has written down."""
        for deed in deeds:
            token = f"job {len(self.said)}"
            self.submit(token, deed)
            self.poll_until(partial(self.last, token))
        return self.written()

    def last(self, token: str) -> JobFinished | WorkerLost | None:
        """How a job has ended; None where it has not."""
        said = self.said[token][-1:]
        return next((each for each in said if isinstance(each, JobFinished | WorkerLost)), None)

    def written(self) -> list[Any]:
        """What trainings have written down, in their order."""
        paths = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
