"""Variables of a training function that have a state and are not tracked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch import nn

from ablation.user_code.training.run import Run
from ablation.user_code.training.untracked import untracked_locals
from tests.ablation.user_code.training.test_run import Heard


class Counter:
    def __init__(self, state: dict[str, int] | None = None) -> None:
        self.state = {"count": 1} if state is None else state

    def state_dict(self) -> dict[str, int]:
        return self.state

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.state = state


def found(train: Any) -> Any:
    """What is found in a function, which calls what it is given with what it tracks."""
    code: CodeType = train.__code__
    return train(lambda *tracked: untracked_locals(code, tracked))


def test_what_has_a_state_and_is_not_tracked_is_named() -> None:
    def train(look: Any) -> Any:
        net = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        return look(net, optimizer), scheduler

    names, _ = found(train)
    assert names == ["scheduler"]


def test_parts_and_wrappers_of_a_tracked_module_are_tracked() -> None:
    def train(look: Any) -> Any:
        part, other = nn.Linear(2, 2), nn.Linear(2, 2)
        net = nn.Sequential(part, nn.BatchNorm1d(2))
        wrapper = nn.Sequential(net)
        return look(net), other, wrapper

    names, *_ = found(train)
    assert names == ["other"]


def test_what_has_no_state_needs_not_be_tracked() -> None:
    def train(look: Any) -> Any:
        loss, kind, empty, full = nn.CrossEntropyLoss(), Counter, Counter({}), Counter()
        return look(), loss, kind, empty, full

    names, *_ = found(train)
    assert names == ["full"]


def test_a_function_is_found_through_those_that_it_calls() -> None:
    def train(look: Any) -> Any:
        counter = Counter()

        def callback() -> Any:
            inner = Counter()
            return look(), inner

        return callback()[0], counter

    names, _ = found(train)
    assert names == ["counter"]


def test_a_run_that_is_watched_looks_at_its_first_report(tmp_path: Path) -> None:
    told: list[list[str]] = []

    class Watching(Heard):
        def untracked(self, names: Sequence[str]) -> None:
            told.append(list(names))

    def train(run: Run) -> None:
        first = Counter()
        second = {"count": 0}
        run.track(second=second)
        run.report(loss=0.1)  # without the metric
        run.report(acc=0.1)
        third = first
        run.report(acc=third.state["count"])

    run = Run("acc", Watching(), seed=0, folder=tmp_path, data=tmp_path, watched=train.__code__)
    train(run)
    assert told == [["first"]]
