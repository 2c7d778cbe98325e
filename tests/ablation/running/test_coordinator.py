"""What the coordinator makes of what workers say, without a worker: the executor is played here."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import UserError
from ablation.objective import Epoch
from ablation.running.coordinator import MAX_WORKER_LOSSES, Coordinator
from ablation.running.executors.local import _worker_surroundings
from ablation.running.messages import (
    Answer,
    EpochFinished,
    Job,
    JobFinished,
    JobStarted,
    TrainingContext,
    TrialOutcome,
    WorkerLost,
)
from ablation.running.resources import Resources
from ablation.scheduling.source import Task
from crnn.network.config import Setting
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import epoch

EPOCH = EpochFinished(0, epoch(1, 0.8))


class PlayedSource:
    """Gives groups of tasks of these numbers, and notes how they end."""

    progress: Any = None

    def __init__(self, *groups: list[int]) -> None:
        self.groups = [[task(number) for number in group] for group in groups or ([0, 1, 2, 3],)]
        self.rest: list[Task] = []
        self.ended: dict[int, tuple[str, str]] = {}
        self.told_of: list[int] = []

    def next(self) -> Task | None:
        if not self.groups:
            return None
        first, *self.rest = self.groups.pop(0)
        return first

    def packed_with(self, task: Task, most: int) -> list[Task]:
        return self.rest

    def told(self, task: Task, _outcome: TrialOutcome) -> None:
        assert task.number not in self.ended, "told only after its trial had ended"
        self.told_of.append(task.number)

    def finish(self, task: Task, state: str, _value: object, found: dict[str, Any]) -> None:
        assert task.number not in self.ended, "ended twice"
        self.ended[task.number] = (state, found.get("failure", ""))


class PlayedRecorder:
    """Notes the epochs that it is told of; prunes after those that it is to."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int]] = []
        self.prune = False

    def record(self, task: Task, epoch: Epoch) -> bool:
        self.epochs.append((task.number, epoch.number))
        return self.prune


def task(number: int) -> Task:
    return Task(number, number, "baseline", number, Setting())


def outcome(state: str, failure: str = "") -> TrialOutcome:
    return TrialOutcome(state, None, {"failure": failure} if failure else {})


@pytest.fixture
def source() -> PlayedSource:
    return PlayedSource()


@pytest.fixture
def recorder() -> PlayedRecorder:
    return PlayedRecorder()


class Bench:
    """A coordinator with one job of four tasks under way, on an executor that is played."""

    def __init__(self, source: PlayedSource, recorder: PlayedRecorder, folder: Path) -> None:
        self.executor = PlayedExecutor()
        context = TrainingContext(folder, checkpoints=folder)
        played: dict[str, Any] = {"source": source, "recorder": recorder}
        self.coordinator = Coordinator(
            executor=self.executor,
            context=context,
            resources=Resources(pack=4),
            on_event=lambda event: None,
            on_trial_end=source.told,
            **played,
        )
        self.coordinator.hand_out()

    @property
    def job(self) -> Job:
        """The job that is under way."""
        return self.executor.jobs[0]

    def say(self, *messages: object) -> None:
        """The job's worker says this."""
        self.executor.say(self.coordinator.handle, self.job, messages)

    def begun(self) -> list[list[int]]:
        """The numbers of the tasks of each job that was submitted."""
        return [[task.number for task in job.tasks] for job in self.executor.submitted]

    def pass_silently(self, seconds: float) -> None:
        """So much time passes, a second at a look, in which nothing is said."""
        for _ in range(int(seconds)):
            self.coordinator.give_up_silent(1.0)


@pytest.fixture
def bench(source: PlayedSource, recorder: PlayedRecorder, tmp_path: Path) -> Bench:
    return Bench(source, recorder, tmp_path)


def test_tasks_that_memory_was_short_for_are_tried_again_without_the_others(
    bench: Bench, source: PlayedSource, tmp_path: Path
) -> None:
    short = outcome("MEMORY", "OutOfMemoryError: made up")
    for number in range(1, 4):
        (tmp_path / f"trial-{number}.safetensors").touch()
    bench.say(EPOCH, JobFinished([outcome("COMPLETE"), short, outcome("FAIL", "x"), short]))
    assert source.ended == {0: ("COMPLETE", ""), 2: ("FAIL", "x")}
    assert bench.begun()[1:] == [[1, 3]]
    assert len(bench.executor.cancelled) == 1  # which gives the memory back
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"trial-1.{bench.job.token}.safetensors", "trial-3.safetensors"]
    for _ in range(MAX_WORKER_LOSSES - 1):
        bench.say(JobFinished([short, short]))
    reason = f"out of memory {MAX_WORKER_LOSSES} times: OutOfMemoryError: made up"
    assert (source.ended[1], source.ended[3]) == (("FAIL", reason), ("FAIL", reason))
    assert bench.executor.jobs == []
    assert len(bench.executor.cancelled) == MAX_WORKER_LOSSES  # the next trial starts clean


@pytest.mark.parametrize("fault", ["dead", "quiet"])
def test_a_lost_worker_is_replaced_until_it_has_been_too_often(
    fault: str, bench: Bench, source: PlayedSource
) -> None:
    def lose() -> None:
        if fault == "dead":
            bench.say(WorkerLost("killed, or out of memory"))
        else:
            bench.say(JobStarted())
            bench.pass_silently(130)

    lose()
    lose()
    bench.say(EPOCH)  # an epoch: the count begins anew
    lose()
    lose()
    assert source.ended == {}
    assert bench.begun() == [[0, 1, 2, 3]] * 5
    lose()
    assert {state for state, _ in source.ended.values()} == {"FAIL"}
    why = "killed, or out of memory" if fault == "dead" else "it said nothing for 2 min"
    assert source.ended[0][1] == f"lost its worker process 3 times ({why})"
    assert len(set(bench.executor.cancelled)) == 5


def test_what_comes_of_a_job_that_was_given_up_changes_nothing(
    bench: Bench, source: PlayedSource, recorder: PlayedRecorder
) -> None:
    stale = bench.job
    bench.say(WorkerLost("killed, or out of memory"))
    late = [EPOCH, JobFinished([outcome("COMPLETE")] * 4)]
    bench.executor.say(bench.coordinator.handle, stale, late)
    assert (source.ended, recorder.epochs) == ({}, [])
    assert bench.job.token != stale.token


def test_a_worker_that_is_at_work_is_left_alone(bench: Bench) -> None:
    bench.pass_silently(500)  # it imports what it needs
    bench.say(JobStarted())
    bench.pass_silently(100)
    assert bench.executor.cancelled == []


def test_time_in_which_this_process_was_stopped_counts_for_nothing(bench: Bench) -> None:
    bench.say(JobStarted())
    bench.coordinator.give_up_silent(1e6)
    assert bench.executor.cancelled == []


def test_a_slow_study_has_more_patience(bench: Bench) -> None:
    bench.say(JobStarted(), EpochFinished(0, epoch(1, seconds=15.0)))  # of four at a time
    bench.pass_silently(600)
    assert bench.executor.cancelled == []
    bench.pass_silently(1)
    assert len(bench.executor.cancelled) == 1


def test_a_full_disk_stops_the_run_and_ends_no_trial(bench: Bench, source: PlayedSource) -> None:
    with pytest.raises(UserError, match=r"no space left on the disk .*/x/trial-0.*free some"):
        bench.say(JobFinished([outcome("DISK", "OSError: no space: '/x/trial-0'")] * 4))
    assert source.ended == {}


def test_an_epoch_is_recorded_and_a_question_answered(
    bench: Bench, recorder: PlayedRecorder
) -> None:
    bench.say(EPOCH, replace(EPOCH, member=2, asks=True))
    recorder.prune = True
    bench.say(replace(EPOCH, member=3, asks=True))
    assert recorder.epochs == [(0, 1), (2, 1), (3, 1)]
    assert bench.executor.answers == [None, Answer(prune=False), Answer(prune=True)]


def test_a_new_worker_takes_over_the_latest_checkpoint(bench: Bench, tmp_path: Path) -> None:
    for place, name in enumerate(["trial-0.a1", "trial-0", "trial-0.b2", "trial-1"]):
        path = tmp_path / f"{name}.safetensors"
        path.write_text(name)
        os.utime(path, (place, place))
    (tmp_path / "trial-01.c3.safetensors").touch()  # no trial's
    bench.say(WorkerLost("killed, or out of memory"))
    taken = tmp_path / f"trial-0.{bench.job.token}.safetensors"
    assert taken.read_text() == "trial-0.b2"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {taken.name, "trial-1.safetensors", "trial-01.c3.safetensors"}


def test_what_no_longer_holds_stops_the_run_before_anything_is_written(
    bench: Bench, source: PlayedSource, recorder: PlayedRecorder
) -> None:
    def refuse() -> None:
        raise UserError("the storage was replaced")

    bench.coordinator.check = refuse
    for said in (EPOCH, JobFinished([outcome("COMPLETE")] * 4)):
        with pytest.raises(UserError, match="replaced"):
            bench.coordinator.handle(bench.executor.submitted[0].token, said)
    bench.coordinator.running.clear()
    with pytest.raises(UserError, match="replaced"):
        bench.coordinator.hand_out()
    assert (source.ended, source.told_of, recorder.epochs) == ({}, [], [])


def test_what_a_person_must_correct_first_stops_the_run_and_ends_no_trial(
    bench: Bench, source: PlayedSource
) -> None:
    with pytest.raises(UserError, match=r"^images.npy: damaged; made up; then the same command"):
        bench.say(JobFinished([outcome("STOP", "images.npy: damaged; made up")] * 4))
    assert source.ended == {}


@pytest.mark.parametrize(
    ("failures", "hopeless"),
    [
        (
            [
                "loss is 1e+9 in epoch 1",
                "loss is nan in epoch 12",
                *["loss is -0.5 in epoch 3"] * 3,
            ],
            True,
        ),
        (["the same"] * 4, False),
        ([*["the same"] * 4, "another"], False),
        ([*["the same"] * 4, "", "the same"], False),
        (["another", *["the same"] * 5], True),
    ],
)
def test_five_failures_in_a_row_for_one_reason_are_enough(
    failures: list[str], hopeless: bool, recorder: PlayedRecorder, tmp_path: Path
) -> None:
    source = PlayedSource(*([number] for number in range(len(failures))))
    bench = Bench(source, recorder, tmp_path)
    for failure in failures:
        bench.say(JobFinished([outcome("FAIL", failure) if failure else outcome("COMPLETE")]))
        bench.coordinator.hand_out()
    assert bench.coordinator.is_hopeless is hopeless


def test_every_end_is_told_before_it_is_recorded(bench: Bench, source: PlayedSource) -> None:
    ends = [outcome("COMPLETE"), outcome("FAIL", "x"), *[outcome("COMPLETE")] * 2]
    bench.say(JobFinished(ends))
    assert source.told_of == [0, 1, 2, 3] == list(source.ended)


def seen_by_a_worker(pipe: Any) -> None:
    pipe.send((dict(os.environ), sys.argv))


@pytest.mark.slow
def test_no_worker_has_a_way_to_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:s3cret@host/studies"
    given = {"CRNN_STUDY_STORAGE": url, "PGPASSWORD": "s3cret", "PGHOST": "s3cret.host"}
    given["HOME"] = "/here"
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    words = ["study.py", "run", "quick", "--storage", url]
    monkeypatch.setattr(sys, "argv", words)
    spawn = get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=seen_by_a_worker, args=(there,))
    with _worker_surroundings({"CUDA_VISIBLE_DEVICES": "3"}):
        process.start()
    environment, seen = here.recv()
    process.join()
    assert not any("s3cret" in text for text in (*environment.values(), *seen))
    assert (environment["HOME"], environment["CUDA_VISIBLE_DEVICES"]) == ("/here", "3")
    assert given.items() <= os.environ.items()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert sys.argv == words
