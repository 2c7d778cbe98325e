"""Whatever happens to coordinators, a study comes to what its design wants, each training once.

Coordinators begin, train, fail, die at any statement that they send to the database, and come
back, with more seeds and arms or to retry what failed. What must then be in the storage is known
from a model that is kept here: a list of trials, and what is left of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from optuna.trial import FrozenTrial

from crnn.ablation.design import build, cost
from crnn.ablation.record import Record, find_record, merge
from crnn.ablation.search import SearchSource
from crnn.ablation.storage import holds_claim, open_storage, save_study, url_of
from crnn.ablation.tasks import DesignedSource, Source, Task
from crnn.config import Setting
from tests.studies import HEAD, SEARCH, STUDY, document, new_storage, outcome

SHORT = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    stateful_step_count=25,
    phases=(Phase.generate,),  # a shorter example is minutes of work
)

BASELINE = {"epochs": 2, "train_size": 100}
FACTORS: list[dict[str, Any]] = [  # of the space as it grows
    {"hidden_size": [64], "dropout": [0.1]},
    {"hidden_size": [64], "dropout": [0.05, 0.1]},
    {"learning_rate": [0.01], "hidden_size": [64], "dropout": [0.05, 0.1]},
]
ARMS: list[list[str]] = [  # of each, in the order in which they are trained
    ["baseline", "hidden_size=64", "dropout=0.1"],
    ["baseline", "hidden_size=64", "dropout=0.05", "dropout=0.1"],
    ["baseline", "learning_rate=0.01", "hidden_size=64", "dropout=0.05", "dropout=0.1", "both"],
]
CHANGES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "hidden_size=64": {"hidden_size": 64},
    "dropout=0.05": {"dropout": 0.05},
    "dropout=0.1": {"dropout": 0.1},
    "learning_rate=0.01": {"learning_rate": 0.01},
    "both": {"hidden_size": 64, "dropout": 0.1},
}
NARROW = ("hidden_size=64", "both")  # the arms that cannot be one network with the others
SEEDS = [(0,), (0, 1), (0, 1, 2), (2, 0)]
KILLS = st.none() | st.integers(0, 60)


def space(size: int) -> str:
    """A space that has grown so far."""
    arms = {"both": {"set": CHANGES["both"]}} if size == 2 else {}
    values = {"design": "one-factor", "seeds": 1, "baseline": BASELINE, "factors": FACTORS[size]}
    return HEAD + document({**values, "arms": arms})


def setting(arm: str) -> Setting:
    return Setting.of({**BASELINE, **CHANGES[arm]})


class KilledError(BaseException):
    """The coordinator's end: nothing in it may catch this, as nothing catches a SIGKILL."""


@dataclass
class Trial:
    """What the model knows of a trial; `ended` is the whole of it, once it has ended."""

    arm: str
    seed: int
    state: str = "RUNNING"
    claims: list[str] = field(default_factory=list)
    ended: FrozenTrial | None = None

    @property
    def replicate(self) -> tuple[str, int]:
        return self.arm, self.seed


class Machine(RuleBasedStateMachine):
    """A storage, the coordinator that is alive, if any, and the model of both."""

    source: Source

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.storage = new_storage(Path(self.folder.name))
        self.trials: list[Trial] = []
        self.groups: list[list[Task]] = []  # handed to a worker each
        self.alive = False
        self.left: int | None = None  # statements and commits until the kill

    def teardown(self) -> None:
        self.storage.engine.dispose()
        self.folder.cleanup()

    def come_back(self) -> None:
        """A new process; whatever the one before had not written is lost."""
        self.storage.engine.dispose()
        self.storage = open_storage(url_of(self.storage))
        for event in ("before_cursor_execute", "commit"):
            sqlalchemy.event.listen(self.storage.engine, event, self._count)
        self.groups, self.alive = [], True

    def _count(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    @contextmanager
    def killed(self, after: int | None) -> Iterator[None]:
        """The coordinator is killed after so many statements, unless it is done before."""
        self.left = after
        try:
            yield
        except KilledError:
            self.alive = False
        finally:
            self.left = None

    def stored(self) -> list[FrozenTrial]:
        """The study's trials, read by Optuna."""
        names = {s.study_name: s._study_id for s in self.storage.get_all_studies()}
        return self.storage.get_all_trials(names[STUDY]) if STUDY in names else []

    @precondition(lambda self: self.groups)
    @rule(which=st.integers(0, 9), kill=KILLS)
    def claim_anew(self, which: int, kill: int | None) -> None:
        """A worker was lost: another gets its trainings."""
        self.claim(self.groups[which % len(self.groups)], kill)

    def claim(self, group: list[Task], kill: int | None = None) -> None:
        token = ""
        with self.killed(kill):
            token = self.source.claim(group)
        for task in group:
            earlier = self.trials[task.number].claims
            assert token not in earlier
            if token:
                assert not any(holds_claim(self.storage, [task.trial_id], t) for t in earlier)
                earlier.append(token)
        if token:
            assert holds_claim(self.storage, [task.trial_id for task in group], token)

    @precondition(lambda self: self.alive)
    @rule()
    def die(self) -> None:
        """Between two statements, with workers at work."""
        self.alive = False

    def end(self, which: int, state: str, kill: int | None) -> None:
        """The end of a worker's trainings is recorded, or of some of them until the kill."""
        for task in self.groups.pop(which % len(self.groups)):
            if not self.alive:
                break
            told = outcome(task, state)
            with self.killed(kill):
                self.source.finish(task, *told)
            found, trial = self.stored()[task.number], self.trials[task.number]
            if self.alive or found.state.name != "RUNNING":
                assert found.state.name == state
                assert found.value == told[1]
                assert told[2].items() <= found.user_attrs.items()
                trial.state, trial.ended = state, found
                assert not any(
                    holds_claim(self.storage, [task.trial_id], token) for token in trial.claims
                )

    @invariant()
    def the_storage_has_what_the_model_has(self) -> None:
        found = self.stored()
        assert [row.state.name for row in found] == [trial.state for trial in self.trials]
        for row, trial in zip(found, self.trials, strict=True):
            assert trial.ended in (None, row)  # what has ended is never touched again

    def complete(self, *states: str) -> int:
        return sum(trial.state in states for trial in self.trials)


class Designed(Machine):
    """The coordinators of a designed study, whose seeds and arms grow."""

    source: DesignedSource

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self.todo: list[tuple[str, int]] = []
        self.wanted: list[tuple[str, int]] = []
        self.failed: set[tuple[str, int]] = set()  # as the run counts them

    @precondition(lambda self: not self.alive)
    @rule(seeds=st.sampled_from(SEEDS), more=st.booleans(), retry=st.booleans(), kill=KILLS)
    def begin(self, seeds: tuple[int, ...], more: bool, retry: bool, kill: int | None) -> None:
        """A run starts, as `launch` starts it."""
        self.size = min(2, self.size + more)
        self.come_back()
        asked = Record(build("tiny", space(self.size)), seeds=seeds)
        with self.killed(kill):
            record = merge(STUDY, find_record(self.storage, STUDY), asked)
            assert set(record.seeds) >= set(seeds)
            save_study(self.storage, STUDY, record.attributes())
            self.source = DesignedSource(self.storage, STUDY, record, seeds, retry)
        self.wanted = [(arm, seed) for seed in seeds for arm in ARMS[self.size]]
        states = self.states()
        closed = ("COMPLETE",) if retry else ("COMPLETE", "FAIL")
        self.todo = [each for each in self.wanted if states.get(each) not in closed]
        self.failed = {each for each in self.wanted if states.get(each) == "FAIL" and not retry}

    def states(self) -> dict[tuple[str, int], str]:
        """The state of each replicate: of its last trial."""
        return {trial.replicate: trial.state for trial in self.trials}

    @precondition(lambda self: self.alive)
    @rule(most=st.integers(0, 3), kill=KILLS)
    def hand_out(self, most: int, kill: int | None) -> None:
        """A slot is free: trainings that make one network are created, and claimed."""
        expected = self.todo[:1]
        for each in self.todo[1:]:
            if len(expected) <= most and (each[0] in NARROW) == (expected[0][0] in NARROW):
                expected.append(each)
        self.todo = [each for each in self.todo if each not in expected]
        tasks: list[Task] = []
        with self.killed(kill):
            if first := self.source.next():
                tasks = [first, *self.source.companions(first, most)]
        numbers = self.create(expected)
        if not self.alive:
            return
        assert [(task.arm, task.seed) for task in tasks] == expected
        assert [task.number for task in tasks] == numbers
        for task in tasks:
            assert task.setting == setting(task.arm).replace(precision="fp32")
            assert task.setting.digest == setting(task.arm).digest
        if tasks:
            self.claim(tasks, self.left)
            self.groups.append(tasks)

    def create(self, expected: list[tuple[str, int]]) -> list[int]:
        """The trials' numbers: an orphan keeps its own, others are new, until the kill."""
        stored, numbers = self.stored(), []
        for each in expected:
            open_ones = [
                number
                for number, trial in enumerate(self.trials)
                if trial.replicate == each and trial.state == "RUNNING"
            ]
            if open_ones:
                numbers += open_ones
            elif self.alive or len(self.trials) < len(stored):
                numbers.append(len(self.trials))
                self.trials.append(Trial(*each))
        return numbers

    @precondition(lambda self: self.alive and self.groups)
    @rule(
        which=st.integers(0, 9),
        state=st.sampled_from(["COMPLETE", "COMPLETE", "FAIL"]),
        kill=KILLS,
    )
    def finish(self, which: int, state: str, kill: int | None) -> None:
        self.end(which, state, kill)
        self.failed |= {
            each for each, now in self.states().items() if now == "FAIL" and each in self.wanted
        } - set(self.todo)

    @invariant()
    def each_replicate_has_one_trial_that_has_not_failed(self) -> None:
        rows = self.stored()
        sound = [trial.replicate for trial in self.trials if trial.state != "FAIL"]
        assert len(sound) == len(set(sound))
        for row, trial in zip(rows, self.trials, strict=True):
            found = row.user_attrs
            assert (found["arm"], found["seed"]) == trial.replicate
            assert found["digest"] == setting(trial.arm).digest
            assert Setting.of(found["setting"]) == setting(trial.arm).replace(precision="fp32")

    @invariant()
    def progress_is_the_models(self) -> None:
        if not self.alive:
            return
        progress, states = self.source.progress, self.states()
        complete = [each for each in self.wanted if states.get(each) == "COMPLETE"]
        left = [each for each in self.wanted if each not in complete and each not in self.failed]
        assert progress.wanted == len(self.wanted)
        assert progress.complete == len(complete)
        assert progress.failed == len(self.failed)
        costs = sum(cost(setting(arm)) for arm, _ in left)
        assert progress.remaining_cost == pytest.approx(costs, abs=1)

    def teardown(self) -> None:
        """A run to the end leaves what the design wants, and nothing to do."""
        try:
            for retry in (False, True):
                self.alive = False
                self.begin((0, 1, 2), True, retry, None)
                self.run_to_the_end()
            assert sorted(self.states()) == sorted(self.wanted)
            assert set(self.states().values()) == {"COMPLETE"}
            assert {trial.state for trial in self.trials} <= {"COMPLETE", "FAIL"}
            before = self.stored()
            self.begin((0, 1, 2), True, True, None)
            assert self.source.next() is None
            assert self.source.progress.complete == self.source.progress.wanted == 18
            assert self.stored() == before
        finally:
            super().teardown()

    def run_to_the_end(self) -> None:
        while self.todo:
            self.hand_out(0, None)
        while self.groups:
            self.finish(0, "COMPLETE", None)
        self.the_storage_has_what_the_model_has()
        self.each_replicate_has_one_trial_that_has_not_failed()
        self.progress_is_the_models()


def test_a_design_is_trained_whole_and_once() -> None:
    run_state_machine_as_test(Designed, settings=SHORT)
