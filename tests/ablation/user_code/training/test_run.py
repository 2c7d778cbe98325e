"""What a training function is given: its reports, its random streams, how it is stopped."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablation.errors import DivergedError, UserError
from ablation.files import wanted_file
from ablation.objective import Epoch
from ablation.user_code.training.checkpoint import Checkpoint
from ablation.user_code.training.run import Run, Stop, TrainingError

MARKS = {"setting": "a", "seed": "3"}


class Heard:
    """A channel that keeps what it is told, and stops a training after a step."""

    def __init__(self, last: int = 10**9) -> None:
        self.last = last
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.again: list[int] = []
        self.notes: list[tuple[int, dict[str, float]]] = []
        self.aside: list[Path] = []
        self.left = 0

    def tell(self, epoch: Epoch, *, again: bool) -> None:
        if again:
            self.again.append(epoch.number)
            return
        self.epochs.append((epoch.number, dict(epoch.figures)))
        if epoch.number >= self.last:
            raise InterruptedError("enough")

    def note(self, epoch: Epoch) -> None:
        self.notes.append((epoch.number, dict(epoch.figures)))

    def set_aside(self, path: Path) -> None:
        self.aside.append(path)

    def untracked(self, names: Sequence[str]) -> None:
        raise AssertionError  # only where a run is watched

    def leave(self) -> None:
        self.left += 1


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(
    heard: Heard, folder: Path = Path(), *, seed: int = 3, clock: Any = None, **checkpoint: Any
) -> Run:
    keep = Checkpoint(folder / "kept", **{"marks": MARKS, "seconds": 0.0, **checkpoint})
    options = {"clock": clock} if clock else {}
    return Run("acc", heard, seed=seed, folder=folder, data=folder, checkpoint=keep, **options)


def drawn() -> tuple[float, float, float]:
    """A number of each library's global generator."""
    return random.random(), float(np.random.random()), float(torch.rand(()))


@pytest.fixture(autouse=True)
def generators() -> Iterator[None]:
    """The global generators of this process stay as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def test_steps_rise_with_gaps_and_without_one_they_count() -> None:
    heard = Heard()
    each = run(heard)
    each.report(acc=0.1)
    each.report(acc=0.2)
    each.report(7, acc=0.3)
    each.report(acc=0.4)
    assert [step for step, _ in heard.epochs] == [1, 2, 7, 8]


def test_a_first_step_may_be_zero() -> None:
    heard = Heard()
    run(heard).report(0, acc=0.1)
    assert heard.epochs == [(0, {"acc": 0.1})]


def test_a_step_zero_draws_other_numbers_than_the_one_after_it(tmp_path: Path) -> None:
    each, state = run(Heard(), tmp_path), {"at": 0}
    assert each.track(state=state) == 0
    first = drawn()
    each.report(0, acc=0.1)
    second = drawn()
    assert not set(first) & set(second)
    resumed = run(Heard(), tmp_path)
    resumed.track(state=state)
    assert drawn() == second


@pytest.mark.parametrize("step", [3, 2, 0])
def test_a_step_that_does_not_rise_fails_the_training(step: int) -> None:
    heard = Heard()
    each = run(heard)
    each.report(3, acc=0.1)
    with pytest.raises(TrainingError, match=rf"run.report\({step}, …\): after 3; steps rise"):
        each.report(step, acc=0.2)
    with pytest.raises(TrainingError, match="steps rise"):
        each.outcome(None)  # also where the code has gone on


@pytest.mark.parametrize("step", [1.5, "2", -1])
def test_a_step_is_a_whole_number(step: Any) -> None:
    with pytest.raises(TrainingError, match="a step is"):
        run(Heard()).report(step, acc=0.1)


@pytest.mark.parametrize(
    "value",
    [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True),
     torch.tensor(0.5, dtype=torch.bfloat16)],
)  # fmt: skip
def test_numbers_of_any_library_are_figures(value: Any) -> None:
    heard = Heard()
    run(heard).report(acc=value)
    assert heard.epochs == [(1, {"acc": 0.5})]
    assert type(heard.epochs[0][1]["acc"]) is float


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (torch.zeros(2, 3), r"not an array of shape \(2, 3\)"),
        (np.zeros(4), r"not an array of shape \(4,\)"),
        ("0.5", "not a str"),
        (None, "not a NoneType"),
        ([0.5], "not a list"),
    ],
)
def test_what_is_no_number_is_no_figure(value: Any, why: str) -> None:
    with pytest.raises(TrainingError, match=rf"run.report\(loss=…\): a number is wanted, {why}"):
        run(Heard()).report(acc=0.1, loss=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_metric_that_is_not_finite_is_a_divergence(value: float) -> None:
    heard = Heard()
    each = run(heard)
    each.report(acc=0.5, loss=value)  # another figure may be
    with pytest.raises(DivergedError, match=r"acc is .* at 2"):
        each.report(acc=value)
    with pytest.raises(DivergedError):
        each.outcome(None)


def test_figures_without_the_metric_are_kept_and_change_nothing() -> None:
    heard = Heard()
    each = run(heard)
    each.report(2, acc=0.1)
    first, second = drawn(), drawn()
    each.begin(2)
    assert drawn() == first
    each.report(1, loss=0.3)
    assert drawn() == second
    assert heard.notes == [(1, {"loss": 0.3})]


def test_generators_begin_anew_after_each_report_whatever_was_drawn() -> None:
    rows = []
    for more in (0, 5):
        each = run(Heard())
        first = drawn()
        for _ in range(more):
            drawn()
        each.report(acc=0.1)
        rows.append((first, drawn()))
    assert rows[0] == rows[1]
    assert rows[0][0] != rows[0][1]
    run(Heard(), seed=4)
    assert drawn() != rows[0][0]


def test_streams_depend_on_seed_name_and_epoch() -> None:
    found = {
        run(Heard(), seed=seed).stream(name, epoch)
        for seed in (0, 1) for name in ("split", "init") for epoch in (0, 1)
    }  # fmt: skip
    assert len(found) == 8
    assert all(0 <= each < 2**32 for each in found)
    assert run(Heard()).stream("split") == run(Heard()).stream("split", 0)


# Stopped


def test_except_exception_does_not_keep_a_training_from_stopping() -> None:
    each = run(Heard(last=2))
    each.report(acc=0.1)
    with pytest.raises(Stop), contextlib.suppress(Exception):
        each.report(acc=0.2)
    with pytest.raises(InterruptedError, match="enough"):
        each.outcome(None)


def test_a_training_that_ignores_every_stop_is_ended_at_the_third() -> None:
    heard = Heard(last=1)
    each = run(heard)
    for times in (0, 0, 1):
        with pytest.raises(Stop):
            each.report(acc=0.1)
        assert heard.left == times
    assert [step for step, _ in heard.epochs] == [1]


# What it ends with


def test_the_last_report_is_the_outcome_and_what_is_returned_is_beside_it() -> None:
    each = run(Heard())
    each.report(acc=0.1)
    each.report(acc=0.3)
    assert each.outcome({"test": np.float32(0.25)}) == ({"test": 0.25}, 0.3)


def test_a_metric_that_is_returned_is_the_outcome() -> None:
    each = run(Heard())
    each.report(acc=0.8)
    each.report(acc=0.6)
    assert each.outcome({"acc": 0.8}) == ({"acc": 0.8}, 0.8)


def test_a_metric_that_is_only_returned_is_one_report() -> None:
    heard = Heard()
    assert run(heard).outcome({"acc": 0.8}) == ({"acc": 0.8}, 0.8)
    assert heard.epochs == [(1, {"acc": 0.8})]


def test_a_metric_that_is_never_reported_fails_with_what_was() -> None:
    each = run(Heard())
    each.report(1, loss=0.1, f1=0.2)
    with pytest.raises(TrainingError, match=r"reported: loss, f1, test; the space wants acc$"):
        each.outcome({"test": 0.5, "loss": 0.1})
    with pytest.raises(TrainingError, match=r"the space wants acc; did you mean ac\?"):
        each.outcome({"ac": 0.5})
    with pytest.raises(TrainingError, match="reported: nothing; the space wants acc"):
        run(Heard()).outcome(None)


@pytest.mark.parametrize("returned", [0.9, [0.9], "0.9"])
def test_what_is_returned_are_figures_by_name(returned: object) -> None:
    each = run(Heard())
    each.report(acc=0.1)
    with pytest.raises(TrainingError, match="return figures by name, or nothing"):
        each.outcome(returned)


def test_a_returned_metric_that_is_not_finite_is_a_divergence() -> None:
    each = run(Heard())
    each.report(acc=0.1)
    with pytest.raises(DivergedError, match="acc is nan at the end"):
        each.outcome({"acc": float("nan")})


# Gone on with


def test_a_training_goes_on_from_its_last_report(tmp_path: Path) -> None:
    counted = {"n": 0}
    first = run(Heard(), tmp_path)
    assert first.track(counted=counted, off=None) == 0
    first.report(1, loss=9.0)
    for step in (1, 4):
        counted["n"] += 1
        first.report(step, acc=0.1 * step)
    heard, found = Heard(), {"n": 0}
    again = run(heard, tmp_path)
    assert again.track(counted=found, off=None) == 4
    assert found == {"n": 2}
    assert (heard.again, heard.epochs, heard.notes) == ([1, 4], [], [(1, {"loss": 9.0})])
    expected = run(Heard())
    expected.begin(4)
    after = drawn()
    again.begin(4)
    assert drawn() == after
    again.report(acc=0.9)
    assert heard.epochs == [(5, {"acc": 0.9})]


def test_one_that_begins_again_although_it_goes_on_is_told_so(tmp_path: Path) -> None:
    first = run(Heard(), tmp_path)
    first.track(counted={})
    first.report(2, acc=0.1)
    again = run(Heard(), tmp_path)
    again.track(counted={})
    with pytest.raises(TrainingError, match="after 2; steps rise; the training goes on: begin aft"):
        again.report(1, acc=0.1)


def test_another_trainings_checkpoint_is_left_alone(tmp_path: Path) -> None:
    first = run(Heard(), tmp_path)
    first.track(counted={})
    first.report(acc=0.1)
    for marks in ({**MARKS, "seed": "4"}, {**MARKS, "code": "b"}):
        heard = Heard()
        assert run(heard, tmp_path, marks=marks).track(counted={}) == 0
        assert (heard.again, heard.aside) == ([], [])


def test_a_damaged_checkpoint_is_set_aside_and_the_training_starts_over(tmp_path: Path) -> None:
    first = run(Heard(), tmp_path)
    first.track(counted={"n": 5})
    first.report(acc=0.1)
    kept = tmp_path / "kept"
    kept.write_bytes(kept.read_bytes()[:-20])
    heard, found = Heard(), {"n": 0}
    assert run(heard, tmp_path).track(counted=found) == 0
    assert found == {"n": 0}
    assert [path.exists() for path in heard.aside] == [True]
    assert not kept.exists()


def test_a_training_that_tracks_other_things_than_before_starts_over(tmp_path: Path) -> None:
    first = run(Heard(), tmp_path)
    first.track(counted={"n": 5})
    first.report(acc=0.1)
    heard = Heard()
    assert run(heard, tmp_path).track(other={"n": 0}) == 0
    assert len(heard.aside) == 1


def test_it_is_kept_some_times_a_minute_at_most(tmp_path: Path) -> None:
    clock, counted = Clock(), {"n": 0}
    each = run(Heard(), tmp_path, seconds=5.0, clock=clock)
    each.track(counted=counted)
    steps = []
    for step in range(1, 13):
        clock.now += 1
        counted["n"] = step
        each.report(step, acc=0.1)
        found = {"n": 0}
        steps.append(run(Heard(), tmp_path).track(counted=found))
        assert found["n"] == steps[-1]
    assert steps == [1] * 5 + [6] * 5 + [11] * 2


def test_it_is_kept_at_the_next_report_where_that_is_wanted(tmp_path: Path) -> None:
    clock = Clock()
    each = run(Heard(), tmp_path, seconds=5.0, clock=clock)
    each.track(counted={})
    steps = []
    for step in range(1, 5):
        if step == 3:
            wanted_file(tmp_path / "kept").touch()
        each.report(step, acc=0.1)
        steps.append(run(Heard(), tmp_path).track(counted={}))
    assert steps == [1, 1, 3, 4]


def test_without_track_nothing_is_kept(tmp_path: Path) -> None:
    run(Heard(), tmp_path).report(acc=0.1)
    assert list(tmp_path.iterdir()) == []


def test_it_is_tracked_once_and_first(tmp_path: Path) -> None:
    each = run(Heard(), tmp_path)
    each.track(counted={})
    with pytest.raises(TrainingError, match="once, before the first report"):
        each.track(other={})
    late = run(Heard(), tmp_path)
    late.report(acc=0.1)
    with pytest.raises(TrainingError, match="once, before the first report"):
        late.track(counted={})


def test_what_has_no_state_cannot_be_tracked() -> None:
    with pytest.raises(UserError, match="loader"):
        run(Heard()).track(loader=object())
