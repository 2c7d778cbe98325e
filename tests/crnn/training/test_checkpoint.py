"""Checkpoints: a training that goes on from one ends as if it had never been stopped."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablation.files import set_aside
from crnn.data.fashion_mnist import FashionMNIST
from crnn.network.config import Setting
from crnn.training.checkpoint import (
    DamagedError,
    read_checkpoint,
    state_digest,
    write_checkpoint,
)
from crnn.training.results import DivergedError, Epoch, Result, TrainingState
from crnn.training.train import train_packed
from tests.helpers.made.networks import small

pytestmark = pytest.mark.usefixtures("one_thread")

MARKS = {"members": "[('abc', 0)]", "device": "cpu"}
TINY = TrainingState(
    ((Epoch(1, 0.5, 0.8, 0.6, 0.7, 1.5), Epoch(2, 0.4, 0.85, 0.5, 0.75, 1.25)), ()),
    {1: "the loss is nan in epoch 1, batch 1 of 4"},
    {"0/network/a": torch.arange(3.0), "0/optimizer/a/step": torch.tensor(2.0)},
)
TRAININGS: list[dict[str, Any]] = [
    {},
    {"optimizer": "sgd", "schedule": "cosine"},
    {"optimizer": "adamw", "weight_decay": 0.1, "sequence": "columns"},
    {"lstm_layers": 0, "batch_norm": False, "padding": "matched"},
    {"averaging": 0.9},
]


def stopped(members: list[tuple[Setting, int]], data: FashionMNIST, path: Path, after: int) -> None:
    """Train, and stop once so many epochs have been written to a checkpoint."""

    def on_state(state: TrainingState) -> None:
        write_checkpoint(path, state, MARKS)
        if state.epoch == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_packed(members, data, on_state=on_state)


def figures(results: list[Result | DivergedError]) -> list[Any]:
    """All that a training comes to, its time aside."""
    found: list[Any] = []
    for result in results:
        if isinstance(result, DivergedError):
            found.append(str(result))
            continue
        weights = [tensor.tolist() for tensor in result.model.state_dict().values()]
        epochs = [replace(epoch, seconds=0.0) for epoch in result.epochs]
        found.append((weights, result.test, result.ema_test, epochs))
    return found


@pytest.mark.parametrize("members", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("changes", TRAININGS)
def test_a_training_that_was_stopped_ends_the_same_bit_for_bit(
    changes: dict[str, Any], members: int, sample: FashionMNIST, tmp_path: Path
) -> None:
    setting = small(epochs=3, **changes)
    assert_goes_on([(setting, seed) for seed in range(members)], sample, tmp_path)


@pytest.mark.slow
def test_so_do_members_of_different_architectures_and_optimizers(
    sample: FashionMNIST, tmp_path: Path
) -> None:
    group = [(small(epochs=3, **changes), seed) for seed, changes in enumerate(TRAININGS)]
    assert_goes_on(group, sample, tmp_path)


def assert_goes_on(group: list[tuple[Setting, int]], sample: FashionMNIST, folder: Path) -> None:
    undisturbed = figures(train_packed(group, sample))
    for after in (1, 2):
        path = folder / f"{after}.safetensors"
        stopped(group, sample, path, after)
        begin = read_checkpoint(path, MARKS)
        assert begin is not None
        assert begin.epoch == after
        assert figures(train_packed(group, sample, resume_from=begin)) == undisturbed


def test_a_member_that_had_diverged_stays_so(sample: FashionMNIST, tmp_path: Path) -> None:
    slow = small(epochs=3, optimizer="sgd", lstm_layers=0)
    group = [(slow, 0), (slow.replace(learning_rate=10.0), 0)]
    undisturbed = train_packed(group, sample)
    assert isinstance(undisturbed[1], DivergedError)
    stopped(group, sample, tmp_path / "a", 2)
    begin = read_checkpoint(tmp_path / "a", MARKS)
    assert figures(train_packed(group, sample, resume_from=begin)) == figures(undisturbed)


def test_the_time_of_all_parts_is_counted(sample: FashionMNIST, tmp_path: Path) -> None:
    group = [(small(epochs=2), 0)]
    stopped(group, sample, tmp_path / "a", 1)
    begin = read_checkpoint(tmp_path / "a", MARKS)
    assert begin is not None
    before = replace(begin.epochs[0][0], seconds=1000.0)
    (result,) = train_packed(group, sample, resume_from=replace(begin, epochs=((before,),)))
    assert isinstance(result, Result)
    assert 1000 < result.seconds < 1100


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.safetensors"
    write_checkpoint(path, TINY, MARKS)
    found = read_checkpoint(path, MARKS)
    assert found is not None
    assert (found.epochs, found.failures) == (TINY.epochs, TINY.failures)
    assert found.epoch == 2
    assert {name: t.tolist() for name, t in found.tensors.items()} == {
        "0/network/a": [0.0, 1.0, 2.0], "0/optimizer/a/step": 2.0,
    }  # fmt: skip
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_an_epoch_without_an_average_is_written_as_before_there_was_any(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_checkpoint(path, TINY, MARKS)
    assert b"ema_val_accuracy" not in path.read_bytes()
    (first, *others), ended = TINY.epochs
    averaged = replace(TINY, epochs=((replace(first, ema_val_accuracy=0.75), *others), ended))
    write_checkpoint(path, averaged, MARKS)
    found = read_checkpoint(path, MARKS)
    assert found is not None
    assert found.epochs == averaged.epochs


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_an_average_that_no_epoch_can_have_is_damage(share: float, tmp_path: Path) -> None:
    (first, *_), _ = TINY.epochs
    impossible = replace(TINY, epochs=((replace(first, ema_val_accuracy=share),), ()))
    write_checkpoint(tmp_path / "a", impossible, MARKS)
    with pytest.raises(DamagedError, match="figures that no epoch has"):
        read_checkpoint(tmp_path / "a", MARKS)


def test_no_file_or_another_trainings_is_no_state(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "a", MARKS) is None
    write_checkpoint(tmp_path / "a", TINY, MARKS)
    assert read_checkpoint(tmp_path / "a", {**MARKS, "device": "cuda"}) is None


def test_a_file_cut_short_at_any_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_checkpoint(path, TINY, MARKS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            read_checkpoint(path, MARKS)


def test_a_file_with_any_byte_changed_is_never_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_checkpoint(path, TINY, MARKS)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedError):
            read_checkpoint(path, MARKS)


@given(st.binary(max_size=200))
def test_anything_else_is_damaged(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        read_checkpoint(path, MARKS)


def test_one_of_a_format_to_come_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    with monkeypatch.context() as patched:
        patched.setattr("crnn.training.checkpoint.FORMAT", "2")
        write_checkpoint(path, TINY, MARKS)
    with pytest.raises(DamagedError, match="its format is 2, this version reads 1"):
        read_checkpoint(path, MARKS)


def test_a_damaged_file_is_moved_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("damaged")
    assert set_aside(tmp_path / "a") == tmp_path / "a.damaged"
    assert [path.name for path in tmp_path.iterdir()] == ["a.damaged"]


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "a", TINY, MARKS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path / "a", replace(TINY, failures={}), MARKS)
    found = read_checkpoint(tmp_path / "a", MARKS)
    assert found is not None
    assert found.failures == TINY.failures


def test_a_state_of_another_network_is_refused(sample: FashionMNIST, tmp_path: Path) -> None:
    stopped([(small(epochs=2), 0)], sample, tmp_path / "a", 1)
    begin = read_checkpoint(tmp_path / "a", MARKS)
    with pytest.raises(ValueError, match="not a state of this training"):
        train_packed([(small(epochs=2, hidden_size=8), 0)], sample, resume_from=begin)


def test_a_states_digest_is_that_of_its_numbers_and_not_of_its_times(tmp_path: Path) -> None:
    def digest(state: TrainingState) -> str:
        write_checkpoint(tmp_path / "state", state, MARKS)
        return state_digest(tmp_path / "state")

    slower = tuple(tuple(replace(e, seconds=9.0) for e in seen) for seen in TINY.epochs)
    other = {**TINY.tensors, "0/optimizer/a/step": torch.tensor(3.0)}
    assert digest(replace(TINY, epochs=slower)) == digest(TINY)
    assert digest(replace(TINY, tensors=other)) != digest(TINY)
    assert state_digest(tmp_path / "none") == ""
