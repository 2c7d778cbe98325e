"""What a worker makes of the trainings that it is handed; here in the tests' own process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.storages import RDBStorage

from ablation.files import trial_file
from ablation.running.messages import (
    Answer,
    CheckpointDamaged,
    EpochFinished,
    Job,
    PackHalved,
    TrainingContext,
    TrialOutcome,
)
from ablation.running.worker import Worker
from ablation.scheduling.source import Task
from ablation.space.schema import Pruner
from crnn.data.fashion_mnist import FashionMNIST, load_once, split
from crnn.objective import CRNNObjective, own_setting
from crnn.training.checkpoint import _notes, read_checkpoint, write_checkpoint
from crnn.training.evaluation import score
from crnn.training.results import Epoch, TrainingState
from crnn.training.train import train, train_packed
from crnn.training.weights import averaged_file, load_weights, marks
from tests.helpers.made.studies import designed, new_storage, record

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = """
format = 1
question = "What does a worker do?"
design = "one-factor"
seeds  = 2
[baseline]
channels      = [4, 8, 16]
embedding_dim = 16
hidden_size   = 8
lstm_layers   = {lstm_layers}
optimizer     = "{optimizer}"
epochs        = {epochs}
averaging     = {averaging}
train_size    = 300
[factors]
{factor}
"""


TOKEN = "f00d"


@dataclass
class Bench:
    """A worker's surroundings: its data, how it trains, and an ear for what it says."""

    storage: RDBStorage
    sample: FashionMNIST
    load: Callable[[Path], FashionMNIST]
    said: list[Any] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    train_packed: Callable[..., Any] = train_packed
    hear: Callable[[Any], None] = lambda message: None
    weights: Path | None = None
    checkpoints: Path | None = None
    data: Path = Path()
    folders: Path = Path()

    def tasks(self, factor: str = "dropout = [0.1]", **values: Any) -> list[Task]:
        """The trainings of a study that go side by side with its first, and that one."""
        values = {"lstm_layers": 1, "optimizer": "adam", "epochs": 2, "averaging": 0.0, **values}
        source = designed(self.storage, record(SPACE.format(factor=factor, **values)))
        first = source.next()
        assert first is not None
        return [first, *source.packed_with(first, 9)]

    def send(self, message: Any) -> None:
        self.said.append(message)
        self.hear(message)

    def ask(self, message: Any) -> Answer:
        self.send(message)
        return Answer(self.answers.pop(0))

    def work(self, tasks: list[Task]) -> list[TrialOutcome]:
        objective = CRNNObjective(self.load, self.train_packed)
        context = TrainingContext(
            self.data, checkpoints=self.checkpoints, weights=self.weights, folders=self.folders
        )
        return Worker(objective, 1, self.send, self.ask).work(Job(tasks, context, TOKEN))

    def told(self) -> list[tuple[int, int]]:
        """Member and epoch of each epoch that it told of."""
        return [(m.member, m.epoch.number) for m in self.said if isinstance(m, EpochFinished)]


@pytest.fixture
def bench(sqlite_storage: RDBStorage, sample: FashionMNIST) -> Bench:
    return Bench(sqlite_storage, sample, lambda folder: sample)


def small_memory(members: int, after: int = 0) -> Callable[..., Any]:
    """Training on a device on which more than so many members do not fit, seen after epochs."""

    def limited(group: list[Any], *data: Any, on_epoch: Any, **options: Any) -> Any:
        epochs: set[int] = set()

        def counted(member: int, epoch: Epoch) -> None:
            on_epoch(member, epoch)
            epochs.add(epoch.epoch)
            if len(group) > members and len(epochs) >= after and member == len(group) - 1:
                raise torch.OutOfMemoryError("made up")

        if len(group) > members and not after:
            raise torch.OutOfMemoryError("made up")
        return train_packed(group, *data, on_epoch=counted, **options)

    return limited


@pytest.mark.slow
@pytest.mark.parametrize(
    "factor", ["dropout = [0.1]", pytest.param("hidden_size = [16]", marks=pytest.mark.slow)]
)
def test_each_member_of_a_group_has_its_own_outcome(factor: str, bench: Bench) -> None:
    tasks = bench.tasks(factor)
    outcomes = bench.work(tasks)
    assert [outcome.state for outcome in outcomes] == ["COMPLETE"] * 4
    for task, outcome in zip(tasks, outcomes, strict=True):
        assert outcome.attributes["fused"] == 4
        alone = train(own_setting(task.setting), task.seed, bench.sample)
        assert alone.test is not None
        assert outcome.value == alone.val_accuracy
        assert outcome.attributes["test_loss"] == alone.test.loss
        losses = [epoch["val_loss"] for epoch in outcome.attributes["history"]]
        assert losses == [epoch.val_loss for epoch in alone.epochs]
        assert [epoch["epoch"] for epoch in outcome.attributes["history"]] == [1, 2]
    assert bench.told() == [(member, epoch) for epoch in (1, 2) for member in range(4)]


def test_a_training_alone_says_so(bench: Bench) -> None:
    (outcome,) = bench.work(bench.tasks()[:1])
    assert (outcome.state, outcome.attributes["fused"]) == ("COMPLETE", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("fit", "fused", "splits"), [(3, [2, 2, 2, 2], [4]),
                                                      (1, [1, 1, 1, 1], [4, 2, 2])])  # fmt: skip
def test_what_does_not_fit_the_memory_is_trained_in_halves(
    fit: int,
    fused: list[int],
    splits: list[int],
    bench: Bench,
) -> None:
    bench.train_packed = small_memory(fit)
    tasks = bench.tasks()
    outcomes = bench.work(tasks)
    assert [outcome.state for outcome in outcomes] == ["COMPLETE"] * 4
    assert [outcome.attributes["fused"] for outcome in outcomes] == fused
    assert [m.members for m in bench.said if isinstance(m, PackHalved)] == splits
    assert sorted(bench.told()) == [(member, epoch) for member in range(4) for epoch in (1, 2)]


@pytest.mark.slow
def test_epochs_before_a_split_are_told_once(bench: Bench) -> None:
    bench.train_packed = small_memory(members=2, after=1)
    tasks = bench.tasks()
    outcomes = bench.work(tasks)
    assert sorted(bench.told()) == [(member, epoch) for member in range(4) for epoch in (1, 2)]
    for outcome in outcomes:
        assert [epoch["epoch"] for epoch in outcome.attributes["history"]] == [1, 2]


def test_one_that_does_not_fit_alone_says_that_memory_is_out(
    bench: Bench,
) -> None:
    bench.train_packed = small_memory(members=0)
    outcomes = bench.work(bench.tasks())
    assert [outcome.state for outcome in outcomes] == ["MEMORY"] * 4
    assert all("OutOfMemoryError" in outcome.attributes["failure"] for outcome in outcomes)


def test_a_half_that_goes_wrong_takes_nothing_from_the_other(
    bench: Bench,
) -> None:
    tasks = bench.tasks()

    def limited(group: list[Any], *data: Any, **options: Any) -> Any:
        if (tasks[3].setting, tasks[3].seed) in group:
            raise torch.OutOfMemoryError("made up")
        return train_packed(group, *data, **options)

    bench.train_packed = limited
    outcomes = bench.work(tasks)
    assert [outcome.state for outcome in outcomes] == ["COMPLETE"] * 3 + ["MEMORY"]
    assert [outcome.attributes["fused"] for outcome in outcomes] == [2, 2, 1, 1]


def test_a_member_that_diverges_fails_alone(bench: Bench) -> None:
    tasks = bench.tasks("learning_rate = [10.0]", optimizer="sgd", lstm_layers=0)
    outcomes = bench.work(tasks)
    states = {task.arm: outcome.state for task, outcome in zip(tasks, outcomes, strict=True)}
    assert states == {"baseline": "COMPLETE", "learning_rate=10": "FAIL"}
    failed = [o for o in outcomes if o.state == "FAIL"]
    assert all("DivergedError: the " in o.attributes["failure"] for o in failed)
    assert all(o.attributes["fused"] == 4 for o in outcomes)


@pytest.mark.slow
def test_averaged_weights_are_kept_beside_the_final_ones(bench: Bench, tmp_path: Path) -> None:
    bench.weights = tmp_path / "weights"
    (task, *_), data = bench.tasks(averaging=0.9), bench.sample
    (outcome,) = bench.work([task])
    final = bench.weights / trial_file(task.number)
    expected = marks(own_setting(task.setting), task.seed)
    for path, figure in ((final, "test"), (averaged_file(final), "ema_test")):
        model = load_weights(path, own_setting(task.setting).model, expected)
        tested = score(model, data.test_images, data.test_labels)
        assert tested.accuracy == outcome.attributes[f"{figure}_accuracy"]
        assert tested.loss == outcome.attributes[f"{figure}_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_kept_weights_are_those_that_each_training_ended_with(
    count: int, bench: Bench, tmp_path: Path
) -> None:
    bench.weights = tmp_path / "weights"
    tasks, data = bench.tasks()[:count], bench.sample
    outcomes = bench.work(tasks)
    for task, outcome in zip(tasks, outcomes, strict=True):
        path, expected = (
            bench.weights / trial_file(task.number),
            marks(own_setting(task.setting), task.seed),
        )
        model = load_weights(path, own_setting(task.setting).model, expected)
        tested = score(model, data.test_images, data.test_labels)
        assert tested.accuracy == outcome.attributes["test_accuracy"]
        assert tested.confusion == outcome.attributes["confusion"]
        train = own_setting(task.setting).train
        _, held_out = split(len(data.train_labels), task.seed, train.train_fraction, 300)
        images, labels = data.train_images[held_out], data.train_labels[held_out]
        assert score(model, images, labels).accuracy == outcome.value
    assert len(list(bench.weights.iterdir())) == count


def test_a_training_whose_weights_cannot_be_kept_is_not_complete(
    bench: Bench, tmp_path: Path
) -> None:
    bench.weights = tmp_path / "weights"
    bench.weights.write_text("in the way")
    (outcome,) = bench.work(bench.tasks()[:1])
    assert outcome.state == "FAIL"
    assert "weights" in outcome.attributes["failure"]


def frozen(outcomes: list[TrialOutcome]) -> list[Any]:
    """Outcomes without their times."""
    found = []
    for outcome in outcomes:
        history = [{**epoch, "seconds": 0} for epoch in outcome.attributes["history"]]
        rest = {**outcome.attributes, "seconds": 0, "history": history}
        found.append((outcome.state, outcome.value, rest))
    return found


@pytest.mark.parametrize("count", [1, 4])
def test_a_worker_goes_on_where_an_earlier_one_was_stopped(
    count: int,
    bench: Bench,
    tmp_path: Path,
) -> None:
    tasks = bench.tasks(epochs=3)[:count]
    undisturbed = bench.work(tasks)
    bench.checkpoints = tmp_path / "checkpoints"

    def kill(message: Any) -> None:
        if isinstance(message, EpochFinished) and message.epoch.number == 2:
            raise KeyboardInterrupt

    bench.hear = kill
    with pytest.raises(KeyboardInterrupt):
        bench.work(tasks)
    (left,) = bench.checkpoints.iterdir()
    assert left.name == f"trial-0.{TOKEN}.safetensors"
    bench.hear = lambda message: None
    bench.said.clear()
    assert frozen(bench.work(tasks)) == frozen(undisturbed)
    told = [(m.member, m.epoch.number, m.again) for m in bench.said if isinstance(m, EpochFinished)]
    assert sorted(told) == [(k, e, e <= 2) for k in range(count) for e in range(1, 4)]


def test_a_training_that_may_be_pruned_asks_after_each_epoch_but_the_last(
    bench: Bench,
) -> None:
    (task,) = bench.tasks(epochs=4)[:1]
    bench.answers = [False, False, False]
    (whole,) = bench.work([replace(task, pruner=Pruner())])
    assert (whole.state, bench.answers) == ("COMPLETE", [])
    assert [m.asks for m in bench.said if isinstance(m, EpochFinished)] == [True, True, True, False]
    bench.answers += [False, True]
    (pruned,) = bench.work([replace(task, pruner=Pruner())])
    assert (pruned.state, bench.answers) == ("PRUNED", [])
    assert [epoch["epoch"] for epoch in pruned.attributes["history"]] == [1, 2]
    assert pruned.value == whole.attributes["history"][1]["val_accuracy"]
    bench.said.clear()
    bench.work([task])
    assert not any(m.asks for m in bench.said if isinstance(m, EpochFinished))


@dataclass(frozen=True)
class Ended:
    """What the first training comes to, and the checkpoint that it leaves."""

    outcomes: list[Any]
    checkpoint: bytes


@pytest.fixture(scope="module")
def ended(
    sample: FashionMNIST, tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> Callable[[int], Ended]:
    """Trains over so many epochs, undisturbed, the first time that it is asked."""

    @cache
    def through(epochs: int) -> Ended:
        folder = tmp_path_factory.mktemp("ended")
        storage = new_storage(folder)
        bench = Bench(storage, sample, lambda folder: sample)
        (task,) = bench.tasks(epochs=epochs)[:1]
        outcomes = frozen(bench.work([task]))
        bench.checkpoints = folder
        bench.work([task])  # its checkpoint stays: the coordinator removes it
        storage.engine.dispose()
        return Ended(outcomes, (folder / CHECKPOINT).read_bytes())

    return through


def test_a_damaged_checkpoint_is_set_aside_and_the_training_starts_over(
    bench: Bench, ended: Callable[[int], Ended], tmp_path: Path
) -> None:
    (task,) = bench.tasks()[:1]
    bench.checkpoints = tmp_path
    (tmp_path / CHECKPOINT).write_bytes(b"half of it")
    assert frozen(bench.work([task])) == ended(2).outcomes
    assert set_aside(bench) == [f"{CHECKPOINT}.damaged"]


def set_aside(bench: Bench) -> list[str]:
    return [m.path.name for m in bench.said if isinstance(m, CheckpointDamaged)]


CHECKPOINT = f"trial-0.{TOKEN}.safetensors"


@pytest.mark.parametrize(
    "kind", ["folder", *(pytest.param(k, marks=pytest.mark.slow) for k in ("pipe", "loop", "link"))]
)
def test_what_stands_in_a_checkpoints_place_is_set_aside(
    kind: str, bench: Bench, ended: Callable[[int], Ended], tmp_path: Path
) -> None:
    (task,) = bench.tasks()[:1]
    bench.checkpoints, path = tmp_path, tmp_path / CHECKPOINT
    (tmp_path / f"{CHECKPOINT}.damaged").mkdir()  # of an earlier time
    (tmp_path / f"{CHECKPOINT}.damaged" / "full").touch()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        (path / "full").mkdir(parents=True)
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "elsewhere")
    assert frozen(bench.work([task])) == ended(2).outcomes
    assert set_aside(bench) == [f"{CHECKPOINT}.2.damaged"]


def spoil(path: Path, how: str) -> None:
    """Write a checkpoint anew: whole, with a digest of its own, but not to be gone on from."""
    state = read_checkpoint(path, json.loads(_notes(path.read_bytes())["marks"]))
    assert state is not None
    tensors, epochs = dict(state.tensors), state.epochs
    weight = next(name for name in tensors if name.endswith("weight"))
    memory = next(name for name in tensors if "exp_avg" in name)
    if how == "shape":
        tensors[weight] = tensors[weight][:1].clone()
    elif how == "not a number":
        tensors[weight] = tensors[weight] * float("nan")
    elif how == "infinite":
        tensors[weight] = tensors[weight] * float("inf")
    elif how == "whole numbers":
        tensors[memory] = tensors[memory].to(torch.int64)
    elif how == "step":
        tensors[next(name for name in tensors if name.endswith("/step"))] -= 9
    elif how in ("accuracy", "no accuracy", "text", "time"):
        values = {"accuracy": 7.0, "no accuracy": float("nan"), "text": "x", "time": -1e300}
        wrong: dict[str, Any] = {"seconds" if how == "time" else "val_accuracy": values[how]}
        epochs = ((replace(epochs[0][0], **wrong), *epochs[0][1:]),)
    elif how == "weight missing":
        del tensors[weight]
    elif how == "memory missing":
        del tensors[memory]
    elif how == "memory's shape":
        tensors[memory] = tensors[memory].flatten()[:1].clone()
    elif how == "epochs":
        epochs = (epochs[0] * 2,)
    elif how == "no epoch":
        epochs = ((),)
    elif how == "members":
        epochs = epochs * 2
    marks = json.loads(_notes(path.read_bytes())["marks"])
    write_checkpoint(path, TrainingState(epochs, {}, tensors), marks)


OTHER_FAULTS = (
    *("weight missing", "memory missing", "memory's shape", "epochs", "no epoch", "infinite"),
    *("whole numbers", "no accuracy", "text", "time"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        *("shape", "not a number", "members", "step", "accuracy"),
        *(pytest.param(how, marks=pytest.mark.slow) for how in OTHER_FAULTS),
    ],
)
def test_a_whole_checkpoint_that_does_not_fit_is_set_aside(
    how: str,
    bench: Bench,
    ended: Callable[[int], Ended],
    tmp_path: Path,
) -> None:
    (task,) = bench.tasks(epochs=3)[:1]
    bench.checkpoints = tmp_path
    (tmp_path / CHECKPOINT).write_bytes(ended(3).checkpoint)
    spoil(tmp_path / CHECKPOINT, how)
    assert frozen(bench.work([task])) == ended(3).outcomes
    assert set_aside(bench) == [f"{CHECKPOINT}.damaged"]
    assert [m.again for m in bench.said if isinstance(m, EpochFinished)] == [False] * 3


def test_a_full_disk_is_no_failure_of_the_training(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.checkpoints = tmp_path / "checkpoints"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (outcome,) = bench.work(bench.tasks()[:1])
    assert outcome.state == "DISK"
    assert "No space left" in outcome.attributes["failure"]
    assert list(bench.checkpoints.iterdir()) == []


@pytest.fixture
def images(full_data: Path, bench: Bench, tmp_path: Path) -> Path:
    """The file of images that the worker trains on, the test's own."""
    bench.load = load_once
    bench.data = tmp_path / "data"
    bench.data.mkdir()
    return Path(shutil.copy(full_data / "fashion-mnist.npy", bench.data))


def write_noise(path: Path, size: int) -> bytes:
    """Write noise for so many bytes of pixels and labels, in place; what was there."""
    with path.open("r+b") as file:
        file.seek(128)
        before = file.read(size)
        file.seek(128)
        file.write(np.random.default_rng(0).bytes(size))
    return before


def test_images_that_were_written_into_stop_the_run(images: Path, bench: Bench) -> None:
    write_noise(images, 5)
    (outcome,) = bench.work(bench.tasks()[:1])
    assert (outcome.state, outcome.value) == ("STOP", None)
    assert "is damaged or another file" in outcome.attributes["failure"]
    assert list(outcome.attributes) == ["failure"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["noise", pytest.param("restored at once", marks=pytest.mark.slow)])
def test_an_epoch_on_images_that_were_written_into_is_dropped(
    how: str,
    images: Path,
    bench: Bench,
    tmp_path: Path,
) -> None:
    (task,) = bench.tasks(epochs=2)[:1]
    undisturbed = bench.work([task])
    bench.checkpoints, before, pixels = tmp_path, b"", images.stat().st_size - 128

    def disturb(message: Any) -> None:
        nonlocal before
        if isinstance(message, EpochFinished) and message.epoch.number == 1 and not before:
            before = write_noise(images, pixels)
            if how != "noise":
                restore()

    def restore() -> None:
        with images.open("r+b") as file:
            file.seek(128)
            file.write(before)

    bench.hear = disturb
    bench.said.clear()
    (outcome,) = bench.work([task])
    assert (outcome.state, bench.told()) == ("STOP", [(0, 1)])
    wrong = "is damaged or another file" if how == "noise" else "was written to while it was"
    assert wrong in outcome.attributes["failure"]
    restore()
    assert frozen(bench.work([task])) == frozen(undisturbed)
    again = [m.again for m in bench.said if isinstance(m, EpochFinished)]
    assert again == [False, True, False]


@pytest.mark.slow
def test_other_permissions_and_another_file_in_its_place_stop_nothing(
    images: Path,
    bench: Bench,
) -> None:
    (task,) = bench.tasks()[:1]
    undisturbed = bench.work([task])

    def disturb(message: Any) -> None:
        if isinstance(message, EpochFinished) and message.epoch.number == 1:
            images.chmod(0o400)
            copy = shutil.copy(images, images.with_name("copy"))
            Path(copy).replace(images)

    bench.hear = disturb
    assert frozen(bench.work([task])) == frozen(undisturbed)


@pytest.mark.parametrize("kind", ["file", "pipe", "link"])
def test_what_stands_in_the_place_of_all_checkpoints_stops_the_run(
    kind: str, bench: Bench, tmp_path: Path
) -> None:
    bench.checkpoints = tmp_path / "checkpoints"
    if kind == "link":
        bench.checkpoints.symlink_to(tmp_path / "nowhere" / "else")
    else:
        (os.mkfifo if kind == "pipe" else Path.touch)(bench.checkpoints)
    (outcome,) = bench.work(bench.tasks()[:1])
    assert outcome.state == "STOP"
    assert "checkpoints" in outcome.attributes["failure"]


def test_a_link_in_the_place_of_a_trials_folder_stops_the_run(bench: Bench, tmp_path: Path) -> None:
    (task,) = bench.tasks()[:1]
    bench.folders = tmp_path / "trials"
    bench.folders.mkdir()
    (bench.folders / f"trial-{task.number}").symlink_to(tmp_path)
    (outcome,) = bench.work([task])
    assert outcome.state == "STOP"
    assert "a link that leads out of" in outcome.attributes["failure"]


def test_a_file_that_may_not_grow_stops_the_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.checkpoints = tmp_path / "checkpoints"

    def too_large(descriptor: int) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr(os, "fsync", too_large)
    (outcome,) = bench.work(bench.tasks()[:1])
    assert outcome.state == "STOP"
    assert outcome.attributes["failure"].endswith("raise the shell's limit: ulimit -f")
