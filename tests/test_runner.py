"""What the coordinator makes of what workers say, without a worker: the slot is played here."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import UserError
from ablation.running.coordinator import MAX_WORKER_LOSSES, Coordinator
from ablation.running.executors.local import _worker_surroundings
from ablation.running.messages import (
    Answer,
    EpochFinished,
    Job,
    JobFinished,
    TrainingContext,
    TrialOutcome,
)
from ablation.running.resources import Resources
from ablation.scheduling.source import Task
from crnn.network.config import Setting
from crnn.training.results import Epoch

EPOCH = EpochFinished(0, Epoch(1, 0.5, 0.8, 0.5, 0.8, 1.0))


class PlayedSlot:
    """A slot whose worker is played by the test: what it says, and whether it is alive."""

    def __init__(self) -> None:
        self.number, self.machine, self.tasks = 0, Resources(), [task(k) for k in range(4)]
        self.losses, self.spoken, self.dead, self.silence = 0, False, False, 0.0
        self.said: list[object] = []
        self.begun: list[list[int]] = []
        self.answers: list[bool] = []
        self.token = ""
        self.renewed = 0

    def begin(self, order: Job) -> None:
        self.begun.append([task.number for task in order.tasks])
        self.token = order.token

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer.prune)

    def messages(self) -> list[object]:
        said, self.said = self.said, []
        return said

    def renew(self) -> None:
        self.dead, self.spoken, self.silence = False, False, 0.0
        self.renewed += 1


class PlayedSource:
    """Has nothing to give, and notes how tasks end."""

    progress: Any = None

    def __init__(self) -> None:
        self.ended: dict[int, tuple[str, str]] = {}
        self.told_of: list[int] = []

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
        self.epochs.append((task.number, epoch.epoch))
        return self.prune


def task(number: int) -> Task:
    return Task(number, number, "baseline", number, Setting())


def outcome(state: str, failure: str = "") -> TrialOutcome:
    return TrialOutcome(state, None, {"failure": failure} if failure else {})


@pytest.fixture
def source() -> PlayedSource:
    return PlayedSource()


@pytest.fixture
def slot() -> Any:
    return PlayedSlot()


@pytest.fixture
def recorder() -> PlayedRecorder:
    return PlayedRecorder()


@pytest.fixture
def dispatcher(source: Any, recorder: Any, tmp_path: Path) -> Coordinator:
    place = TrainingContext(tmp_path, "cpu", tmp_path)
    return Coordinator(source, place, recorder, lambda event: None, source.told)


def test_tasks_that_memory_was_short_for_are_tried_again_without_the_others(
    dispatcher: Coordinator, slot: Any, source: PlayedSource, tmp_path: Path
) -> None:
    short = outcome("MEMORY", "OutOfMemoryError: made up")
    for number in range(4):
        (tmp_path / f"trial-{number}.safetensors").touch()
    slot.said = [EPOCH, JobFinished([outcome("COMPLETE"), short, outcome("FAIL", "x"), short])]
    dispatcher.attend(slot)
    assert source.ended == {0: ("COMPLETE", ""), 2: ("FAIL", "x")}
    assert slot.begun == [[1, 3]]
    assert slot.renewed == 1  # which gives the memory back
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"trial-1.{slot.token}.safetensors", "trial-3.safetensors"]
    for _ in range(MAX_WORKER_LOSSES - 1):
        slot.said = [JobFinished([short, short])]
        dispatcher.attend(slot)
    reason = f"out of memory {MAX_WORKER_LOSSES} times: OutOfMemoryError: made up"
    assert (source.ended[1], source.ended[3]) == (("FAIL", reason), ("FAIL", reason))
    assert slot.tasks == []
    assert slot.renewed == MAX_WORKER_LOSSES  # the next trial starts clean


@pytest.mark.parametrize("fault", ["dead", "quiet"])
def test_a_lost_worker_is_replaced_until_it_has_been_too_often(
    fault: str, dispatcher: Coordinator, slot: Any, source: PlayedSource
) -> None:
    def lose() -> None:
        slot.dead, slot.silence = fault == "dead", 1e6 if fault == "quiet" else 0.0
        dispatcher.attend(slot)

    lose()
    lose()
    slot.said, slot.spoken = [EPOCH], True
    dispatcher.attend(slot)  # an epoch: the count begins anew
    lose()
    lose()
    assert source.ended == {}
    assert slot.begun == [[0, 1, 2, 3]] * 4
    lose()
    assert {state for state, _ in source.ended.values()} == {"FAIL"}
    why = "killed, or out of memory" if fault == "dead" else "it said nothing any more"
    assert source.ended[0][1] == f"lost its worker process 3 times ({why})"


def test_what_a_worker_said_before_it_died_counts(
    dispatcher: Coordinator, slot: Any, source: PlayedSource
) -> None:
    slot.said, slot.dead = [JobFinished([outcome("COMPLETE")] * 4)], True
    dispatcher.attend(slot)
    assert [state for state, _ in source.ended.values()] == ["COMPLETE"] * 4
    assert slot.begun == []


def test_a_worker_that_is_at_work_is_left_alone(dispatcher: Coordinator, slot: Any) -> None:
    for quiet, spoken in ((100.0, True), (500.0, False)):
        slot.silence, slot.spoken = quiet, spoken
        dispatcher.attend(slot)
    assert (slot.renewed, len(slot.tasks)) == (0, 4)


def test_a_slow_study_has_more_patience(dispatcher: Coordinator, slot: Any) -> None:
    slot.tasks, slot.spoken = slot.tasks[:1], True
    slot.said = [EpochFinished(0, Epoch(1, 0.5, 0.8, 0.5, 0.8, 60.0))]
    dispatcher.attend(slot)
    slot.silence = 599.0
    dispatcher.attend(slot)
    assert slot.renewed == 0
    slot.silence = 601.0
    dispatcher.attend(slot)
    assert slot.renewed == 1


def test_a_full_disk_stops_the_run_and_ends_no_trial(
    dispatcher: Coordinator, slot: Any, source: PlayedSource
) -> None:
    slot.said = [JobFinished([outcome("DISK", "OSError: no space: '/x/trial-0'")] * 4)]
    with pytest.raises(UserError, match=r"no space left on the disk .*/x/trial-0.*free some"):
        dispatcher.attend(slot)
    assert source.ended == {}


def test_an_epoch_is_recorded_and_a_question_answered(
    dispatcher: Coordinator, slot: Any, recorder: PlayedRecorder
) -> None:
    slot.said = [EPOCH, replace(EPOCH, member=2, asks=True)]
    dispatcher.attend(slot)
    recorder.prune = True
    slot.said = [replace(EPOCH, member=3, asks=True)]
    dispatcher.attend(slot)
    assert recorder.epochs == [(0, 1), (2, 1), (3, 1)]
    assert slot.answers == [False, True]


def test_a_new_worker_takes_over_the_latest_checkpoint(
    dispatcher: Coordinator, slot: Any, tmp_path: Path
) -> None:
    for place, name in enumerate(["trial-0.a1", "trial-0", "trial-0.b2", "trial-1"]):
        path = tmp_path / f"{name}.safetensors"
        path.write_text(name)
        os.utime(path, (place, place))
    (tmp_path / "trial-01.c3.safetensors").touch()  # no trial's
    slot.dead = True
    dispatcher.attend(slot)
    taken = tmp_path / f"trial-0.{slot.token}.safetensors"
    assert taken.read_text() == "trial-0.b2"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {taken.name, "trial-1.safetensors", "trial-01.c3.safetensors"}


def test_what_no_longer_holds_stops_the_run_before_anything_is_written(
    dispatcher: Coordinator, slot: Any, source: PlayedSource, recorder: PlayedRecorder
) -> None:
    def refuse() -> None:
        raise UserError("the storage was replaced")

    dispatcher.check = refuse
    for said in ([EPOCH], [JobFinished([outcome("COMPLETE")] * 4)]):
        slot.said = said
        with pytest.raises(UserError, match="replaced"):
            dispatcher.attend(slot)
    slot.tasks = []
    with pytest.raises(UserError, match="replaced"):
        dispatcher.hand_out(slot)
    assert (source.ended, source.told_of, recorder.epochs) == ({}, [], [])


def test_what_a_person_must_correct_first_stops_the_run_and_ends_no_trial(
    dispatcher: Coordinator, slot: Any, source: PlayedSource
) -> None:
    slot.said = [JobFinished([outcome("STOP", "images.npy: damaged; made up")] * 4)]
    with pytest.raises(UserError, match=r"^images.npy: damaged; made up; then the same command"):
        dispatcher.attend(slot)
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
    failures: list[str], hopeless: bool, dispatcher: Coordinator, slot: Any
) -> None:
    for number, failure in enumerate(failures):
        slot.tasks = [task(number)]
        slot.said = [JobFinished([outcome("FAIL", failure) if failure else outcome("COMPLETE")])]
        dispatcher.attend(slot)
    assert dispatcher.hopeless is hopeless


def test_every_end_is_told_before_it_is_recorded(
    dispatcher: Coordinator, slot: Any, source: PlayedSource
) -> None:
    slot.said = [
        JobFinished([outcome("COMPLETE"), outcome("FAIL", "x"), *[outcome("COMPLETE")] * 2])
    ]
    dispatcher.attend(slot)
    assert source.told_of == [0, 1, 2, 3] == list(source.ended)


def seen_by_a_worker(pipe: Any) -> None:
    pipe.send((dict(os.environ), sys.argv))


def test_no_worker_has_a_way_to_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:s3cret@host/studies"
    given = {"CRNN_STUDY_STORAGE": url, "PGPASSWORD": "s3cret", "HOME": "/here"}
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
