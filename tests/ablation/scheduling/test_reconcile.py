"""Whatever happens to coordinators, a study comes to what its design wants, each training once.

Coordinators begin, train, fail, die at any statement that they send to the database, and come
back, with more seeds and arms or to retry what failed. What must then be in the storage is known
from a model that is kept here: a list of trials, and what is left of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ablation.design.loading import build
from ablation.running.recording import Recorder
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Source, Task
from ablation.storage import open_storage, reported_steps, save_study
from ablation.storage.record import Record, find_record, merge
from crnn.network.config import Setting
from crnn.objective import objective, own_setting
from tests.helpers.fuzzing import examples
from tests.helpers.made.studies import HEAD, SEARCH, STUDY, document, epoch, outcome

STEPS = examples(2, stateful_step_count=30, phases=(Phase.generate,))  # shortening takes minutes

BASELINE = {"epochs": 2, "train_size": 100}
FACTORS: list[dict[str, Any]] = [  # of the space as it grows
    {"batch_size": [32], "dropout": [0.1]},
    {"batch_size": [32], "dropout": [0.05, 0.1]},
    {"hidden_size": [64], "batch_size": [32], "dropout": [0.05, 0.1]},
]
ARMS: list[list[str]] = [  # of each, in the order in which they are trained
    ["baseline", "batch_size=32", "dropout=0.1"],
    ["baseline", "batch_size=32", "dropout=0.05", "dropout=0.1"],
    ["baseline", "hidden_size=64", "batch_size=32", "dropout=0.05", "dropout=0.1", "both"],
]
CHANGES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "batch_size=32": {"batch_size": 32},
    "dropout=0.05": {"dropout": 0.05},
    "dropout=0.1": {"dropout": 0.1},
    "hidden_size=64": {"hidden_size": 64},
    "both": {"batch_size": 32, "dropout": 0.1},
}
OFTENER = ("batch_size=32", "both")  # arms of more steps, which go side by side alone
LONG = ("confusion", "test_accuracy", "test_loss", "device", "threads", "traceback")
SEEDS = [(0,), (0, 1), (1, 0)]


def kills(most: int) -> st.SearchStrategy[int | None]:
    """No kill, for the most part; else after so many statements, or once all is done."""
    return st.one_of(st.none(), st.none(), st.none(), st.none(), st.integers(0, most))


def space(size: int) -> str:
    """A space that has grown so far."""
    arms = {"both": {"set": CHANGES["both"]}} if size == 2 else {}
    values = {"design": "one-factor", "seeds": 1, "baseline": BASELINE, "factors": FACTORS[size]}
    return HEAD + document({**values, "arms": arms})


def setting(arm: str) -> Setting:
    return Setting.of({**BASELINE, **CHANGES[arm]})


class KilledError(BaseException):
    """The coordinator's end: nothing in it may catch this, as nothing catches a SIGKILL."""


Row = tuple[str, float | None, dict[str, Any]]
"""A trial in the storage: its state, its value, its attributes."""


@dataclass
class Trial:
    """What the model knows of a trial; `ended` is the whole of it, once it has ended."""

    arm: str
    seed: int
    state: str = "RUNNING"
    ended: Row | None = None

    @property
    def replicate(self) -> tuple[str, int]:
        return self.arm, self.seed


class Machine(RuleBasedStateMachine):
    """A storage, the coordinator that is alive, if any, and the model of both."""

    source: Source

    new_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        url = self.new_url()
        self.storage = open_storage(url)
        self.reader = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT").connect()
        for event in ("before_cursor_execute", "commit"):
            sqlalchemy.event.listen(self.storage.engine, event, self._count)
        self.trials: list[Trial] = []
        self.groups: list[list[Task]] = []  # handed to a worker each
        self.alive = False
        self.left: int | None = None  # statements and commits until the kill

    def teardown(self) -> None:
        self.reader.close()
        self.reader.engine.dispose()
        self.storage.engine.dispose()

    def come_back(self) -> None:
        """A new process; whatever the one before had not written is lost."""
        self.storage.engine.dispose()
        self.groups, self.alive = [], True
        self.recorder = Recorder(self.storage, STUDY, objective.metric)

    def _count(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    @contextmanager
    def killed(self, after: int | None) -> Iterator[None]:
        """The coordinator is killed after so many statements, at the latest when it is done."""
        self.left = after
        with suppress(KilledError):
            yield
        self.left, self.alive = None, after is None

    def stored(self) -> list[Row]:
        """The storage's trials, by number."""
        rows = self.reader.exec_driver_sql(
            "SELECT t.trial_id, t.state, v.value FROM trials t"
            " LEFT JOIN trial_values v ON v.trial_id = t.trial_id ORDER BY t.number"
        ).fetchall()
        found: dict[int, dict[str, Any]] = {trial_id: {} for trial_id, _, _ in rows}
        query = "SELECT trial_id, key, value_json FROM trial_user_attributes"
        for trial_id, key, value in self.reader.exec_driver_sql(query):
            found[trial_id][key] = json.loads(value)
        return [(state, value, found[trial_id]) for trial_id, state, value in rows]

    def report(self, which: int, kill: int | None = None) -> None:
        """A worker tells of an epoch of its trainings, its first or one that is known already."""
        group, first = self.groups[which % len(self.groups)], epoch(1)
        with self.killed(kill):
            for task in group:
                assert self.recorder.record(task, first) is False  # no pruner
        if self.alive:
            assert all(reported_steps(self.storage, task.trial_id) == {1} for task in group)

    def end(self, which: int, state: str, kill: int | None) -> None:
        """The end of a worker's trainings is recorded, or of some of them until the kill."""
        for task in self.groups.pop(which % len(self.groups)):
            if not self.alive:
                break
            _, value, attributes = outcome(task, state)
            told = {key: attributes[key] for key in attributes if key not in LONG}
            with self.killed(kill):
                self.source.finish(task, state, value, told)
            found, trial = self.stored()[task.number], self.trials[task.number]
            if self.alive or found[0] != "RUNNING":
                assert found[:2] == (state, value)
                assert told.items() <= found[2].items()
                trial.state, trial.ended = state, found

    @invariant()
    def the_storage_has_what_the_model_has(self) -> None:
        found = self.stored()
        assert [state for state, _, _ in found] == [trial.state for trial in self.trials]
        for row, trial in zip(found, self.trials, strict=True):
            assert trial.ended in (None, row)  # what has ended is never touched again


class Designed(Machine):
    """The coordinators of a designed study, whose seeds and arms grow."""

    source: DesignedSource

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self.seeds: set[int] = set()
        self.todo: list[tuple[str, int]] = []
        self.wanted: list[tuple[str, int]] = []
        self.failed: set[tuple[str, int]] = set()  # as the run counts them

    @rule(
        what=st.sampled_from(["hand out", "hand out", "finish", "finish", "fail", "report"]),
        seeds=st.sampled_from(SEEDS),
        more=st.booleans(),
        retry=st.booleans(),
        most=st.integers(0, 3),
        which=st.integers(0, 9),
        late=kills(60),
        soon=kills(8),
    )
    def go_on(
        self,
        what: str,
        seeds: tuple[int, ...],
        more: bool,
        retry: bool,
        most: int,
        which: int,
        late: int | None,
        soon: int | None,
    ) -> None:
        """One rule for all: of several, Hypothesis would leave some out, and come to nothing."""
        if not self.alive or not (self.todo or self.groups):
            self.begin(seeds, more, retry, late)
        elif what == "hand out" or not self.groups:
            self.hand_out(most, late)
        elif what == "report":
            self.report(which, soon)
        else:
            self.finish(which, "FAIL" if what == "fail" else "COMPLETE", soon)

    def begin(self, seeds: tuple[int, ...], more: bool, retry: bool, kill: int | None) -> None:
        """A run starts, as `launch` starts it."""
        self.size = min(2, self.size + more)
        self.come_back()
        asked = Record(build("tiny", space(self.size)), seeds=seeds)
        with self.killed(kill):
            record = merge(STUDY, find_record(self.storage, STUDY), asked)
            assert set(record.seeds) >= self.seeds | set(seeds)
            save_study(self.storage, STUDY, record.attributes())
            stage = replace(record.stages[0], seeds=seeds)
            self.source = DesignedSource(self.storage, STUDY, record, (stage,), retry)
        self.seeds |= set(seeds) if self.alive else set()
        self.wanted = [(arm, seed) for seed in seeds for arm in ARMS[self.size]]
        states = self.states()
        closed = ("COMPLETE",) if retry else ("COMPLETE", "FAIL")
        self.todo = [each for each in self.wanted if states.get(each) not in closed]
        self.failed = {each for each in self.wanted if states.get(each) == "FAIL" and not retry}

    def states(self) -> dict[tuple[str, int], str]:
        """The state of each replicate: of its last trial."""
        return {trial.replicate: trial.state for trial in self.trials}

    def hand_out(self, most: int, kill: int | None) -> None:
        """A slot is free: trainings that go side by side are created."""
        expected = self.todo[:1]
        for each in self.todo[1:]:
            if len(expected) <= most and (each[0] in OFTENER) == (expected[0][0] in OFTENER):
                expected.append(each)
        self.todo = [each for each in self.todo if each not in expected]
        tasks: list[Task] = []
        with self.killed(kill):
            if first := self.source.next():
                tasks = [first, *self.source.packed_with(first, most)]
        numbers = self.create(expected)
        if not self.alive:
            return
        assert [(task.arm, task.seed) for task in tasks] == expected
        assert [task.number for task in tasks] == numbers
        for task in tasks:
            assert task.setting == setting(task.arm).replace(precision="fp32")
            assert task.setting.digest == setting(task.arm).digest
        if tasks:
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
        for (_, _, found), trial in zip(rows, self.trials, strict=True):
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
        costs = sum(objective.cost(setting(arm)) for arm, _ in left)
        assert progress.remaining_cost == pytest.approx(costs, abs=1)

    def teardown(self) -> None:
        """A run to the end leaves what the design wants, and nothing to do."""
        try:
            self.alive = False
            self.begin((0, 1), False, True, None)
            self.run_to_the_end()
            assert sorted(self.states()) == sorted(self.wanted)
            assert set(self.states().values()) == {"COMPLETE"}
            assert {trial.state for trial in self.trials} <= {"COMPLETE", "FAIL"}
            before = self.stored()
            self.begin((0, 1), False, True, None)
            assert self.source.next() is None
            assert self.source.progress.complete == self.source.progress.wanted
            assert self.stored() == before
        finally:
            super().teardown()

    def run_to_the_end(self) -> None:
        while self.todo:
            self.hand_out(3, None)
        while self.groups:
            self.finish(0, "COMPLETE", None)
        self.the_storage_has_what_the_model_has()
        self.each_replicate_has_one_trial_that_has_not_failed()
        self.progress_is_the_models()


@pytest.fixture
def stores(new_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's storage is in SQLite, and in PostgreSQL."""
    monkeypatch.setattr(Machine, "new_url", staticmethod(new_url), raising=False)


@pytest.mark.usefixtures("stores")
def test_a_design_is_trained_whole_and_once() -> None:
    run_state_machine_as_test(Designed, settings=STEPS)


class Searching(Machine):
    """The coordinators of a search, whose trials are raised."""

    source: SearchSource

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 2
        self.orphans: list[int] = []

    @rule(
        what=st.sampled_from(["hand out", "hand out", "finish", "prune", "fail", "report"]),
        more=st.integers(0, 2),
        which=st.integers(0, 9),
        late=kills(120),
        soon=kills(8),
    )
    def go_on(self, what: str, more: int, which: int, late: int | None, soon: int | None) -> None:
        if not self.alive or (self.tried() == self.wanted and not self.groups):
            self.begin(more, late)
        elif what == "hand out" or not self.groups:
            self.hand_out(late)
        elif what == "report":
            self.report(which, soon)
        else:
            self.end(which, {"fail": "FAIL", "prune": "PRUNED"}.get(what, "COMPLETE"), soon)

    def begin(self, more: int, kill: int | None) -> None:
        """A run starts, as `launch` starts it, with more trials than before."""
        self.wanted += more
        self.come_back()
        asked = Record(build("tiny", SEARCH), trials=self.wanted)
        with self.killed(kill):
            record = merge(STUDY, find_record(self.storage, STUDY), asked)
            save_study(self.storage, STUDY, record.attributes())
            self.source = SearchSource(self.storage, STUDY, record)
        self.orphans = [n for n, trial in enumerate(self.trials) if trial.state == "RUNNING"]

    def hand_out(self, kill: int | None) -> None:
        """An orphan, an arm that is tried first, or a draw, while trials are wanted."""
        orphans = self.orphans  # those of which the draw was cut short are drawn anew, in place
        under_way = sum(len(group) for group in self.groups)
        first = [arm for arm in ("baseline", "wide") if arm not in self.arms()]
        task = None
        with self.killed(kill):
            task = self.source.next()
        before = len(self.trials)
        self.note_what_was_drawn(task)
        if not self.alive:
            return
        if orphans:
            assert task is not None
            assert task.number == orphans[0]
            self.orphans = orphans[1:]
        elif self.tried() + under_way < self.wanted:
            assert task is not None
            assert before <= task.number == len(self.trials) - 1
            assert task.arm in first[:1] or not first
        else:
            assert task is None
        if task:
            assert task.arm == self.trials[task.number].arm
            assert own_setting(task.setting).train.epochs == 2
            self.groups.append([task])

    def note_what_was_drawn(self, task: Task | None) -> None:
        """A trial has no arm as long as its draw has not ended, which a kill may cut short."""
        for number, (_, _, attributes) in enumerate(self.stored()):
            if number == len(self.trials):
                self.trials.append(Trial("", 0))
            arm = attributes.get("arm", "")
            assert self.trials[number].arm in ("", arm)
            self.trials[number].arm = arm
            assert "arm" not in attributes or {"seed", "digest", "setting"} <= attributes.keys()
        assert task is None or self.trials[task.number].state == "RUNNING"

    def arms(self) -> list[str]:
        return [trial.arm for trial in self.trials]

    def tried(self) -> int:
        return sum(trial.state != "RUNNING" and bool(trial.arm) for trial in self.trials)

    @invariant()
    def no_more_is_trained_than_wanted(self) -> None:
        assert sum(bool(arm) for arm in self.arms()) <= self.wanted
        assert self.arms().count("baseline") <= 1
        assert self.arms().count("wide") <= 1
        if self.alive:
            progress = self.source.progress
            failed = sum(trial.state == "FAIL" for trial in self.trials)
            assert (progress.wanted, progress.failed) == (self.wanted, failed)
            assert progress.complete == self.tried() - failed

    def teardown(self) -> None:
        """A run to the end tries as many as are wanted."""
        try:
            self.begin(0, None)
            while self.tried() < self.wanted:
                self.hand_out(None)
                self.end(0, "COMPLETE", None)
            self.the_storage_has_what_the_model_has()
            self.no_more_is_trained_than_wanted()
            assert "RUNNING" not in {trial.state for trial in self.trials}
            assert self.source.next() is None
        finally:
            super().teardown()


@pytest.mark.slow
@pytest.mark.usefixtures("stores")
def test_a_search_tries_as_many_as_are_wanted() -> None:
    run_state_machine_as_test(Searching, settings=STEPS)
