"""Looks at a study's arms: taken when they are due, stored, never changed; nothing trains here."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage

from ablation.design.arms import Stage
from ablation.design.settling import Settling, settling_of
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.looks import look_text
from ablation.scheduling.source import Source, Task
from ablation.storage import finish_trial, study_attributes
from ablation.storage.record import Record, find_record
from tests.helpers.made.studies import HEAD, STUDY, begin, document, new_storage, outcome, record

BIG = [3.1, 2.8, 3.2, 2.9, 3.0]
NULL = [0.1, -0.2, 0.05, 0, 0.1, -0.1, 0.2, 0, -0.05, 0.1]
GAPS = [1.0, None, 0.9, 1.2, 1.1, 0.8, 1.0, 1.1, 0.9, 1.3]  # one training failed
WAVY = [2.0, -2.0, 1.5, -1.0, 0.5, 1.0, -0.5, 2.0, -1.5, 1.0] * 3  # settled by no look
LOOKS = (5, 10, 15, 20)
ARMS = {"hidden_size": [64], "dropout": [0.1], "batch_norm": [False]}
NAMES = ("hidden_size=64", "dropout=0.1", "batch_norm=false")
Differences = dict[str, list[float | None]]


def space(**changes: Any) -> str:
    """A study of three arms and 20 seeds."""
    values = {
        "design": "one-factor",
        "seeds": 20,
        "settle": {"looks": list(LOOKS)},
        "baseline": {"epochs": 2, "train_size": 100},
        "factors": ARMS,
    }
    given = {key: value for key, value in {**values, **changes}.items() if value is not None}
    return HEAD + document(given)


def declared(looks: tuple[int, ...] = LOOKS, text: str = "", **options: Any) -> Record:
    """The record of a study that declares looks."""
    wanted = record(text or space())
    return replace(wanted, settling=settling_of(wanted.plan.arms, looks, **options))


def source_of(storage: RDBStorage, **options: Any) -> DesignedSource:
    """What goes on with the study as it is stored."""
    found = find_record(storage, STUDY)
    assert found is not None
    return DesignedSource(storage, STUDY, found, found.stages, **options)


def differences(*arms: list[Any]) -> Differences:
    """By arm, in points; later seeds repeat the first value."""
    named = zip(NAMES, arms, strict=False)
    return {name: [*values, *[values[0]] * (30 - len(values))] for name, values in named}


def ending(values: Differences, task: Task) -> tuple[str, float | None, dict[str, Any]]:
    """How a training ends whose arm differs from the baseline by so many points."""
    gap = values.get(task.arm, [0.0] * 30)[task.seed]
    if gap is None:
        return outcome(task, "FAIL")
    state, _, attributes = outcome(task)
    return state, 0.5 + task.seed / 1000 + gap / 100, attributes


def train(source: Source, values: Differences, limit: int | None = None) -> list[tuple[str, int]]:
    """Train (made up) what the source gives, one after the other."""
    done: list[tuple[str, int]] = []
    while (limit is None or len(done) < limit) and (task := source.next()):
        source.finish(task, *ending(values, task))
        done.append((task.arm, task.seed))
    return done


def settling(storage: RDBStorage) -> Settling:
    """The looks as they are stored."""
    found = find_record(storage, STUDY)
    assert found is not None
    assert found.settling is not None
    return found.settling


def test_the_arms_of_the_contract_end_at_the_first_look(storage: RDBStorage) -> None:
    begin(storage, declared())
    said: list[str] = []
    done = train(source_of(storage, say=said.append), differences(BIG, NULL, GAPS))
    assert len(done) == 20
    standings = settling(storage).standings()
    assert {arm: (each.verdict, each.look) for arm, each in standings.items()} == {
        NAMES[0]: ("better", 1), NAMES[1]: ("equivalent", 1), NAMES[2]: ("better", 1),
    }  # fmt: skip
    assert standings[NAMES[0]].p == pytest.approx(7.38005e-06, rel=1e-4)
    assert standings[NAMES[1]].e == pytest.approx(0.00183922, rel=1e-4)
    assert standings[NAMES[2]].p == pytest.approx(0.00202194, rel=1e-4)
    assert said == ["Look 1 of 4, at 5 seeds: 3 of 3 comparisons settled: 20 of at most 80 "
                    "trainings."]  # fmt: skip


def test_settled_arms_get_no_more_seeds_and_the_others_all_that_are_due(
    storage: RDBStorage,
) -> None:
    begin(storage, declared())
    said: list[str] = []
    source = source_of(storage, say=said.append)
    done = train(source, differences(BIG, NULL, WAVY))
    assert [seed for arm, seed in done if arm == NAMES[0]] == list(range(5))
    assert [seed for arm, seed in done if arm == NAMES[2]] == list(range(20))
    assert [seed for arm, seed in done if arm == "baseline"] == list(range(20))
    found = settling(storage)
    assert (found.is_over, found.active) == (True, (NAMES[2],))
    assert source.progress.all_ended
    assert source.progress.ended == source.progress.wanted == 50
    assert said[0] == (
        "Look 1 of 4, at 5 seeds: 2 of 3 comparisons settled. 1 open until the look at 10 seeds."
    )
    assert said[-1] == (
        "Look 4 of 4, at 20 seeds: 2 of 3 comparisons settled, 1 left open: 50 of at most 80 "
        "trainings."
    )


def test_nothing_beyond_a_look_is_begun_before_it_is_taken(storage: RDBStorage) -> None:
    begin(storage, declared())
    source, values = source_of(storage), differences(WAVY, WAVY, WAVY)
    tasks = [task for _ in range(20) if (task := source.next())]
    assert len(tasks) == 20
    assert source.next() is None  # it waits for the stragglers
    for task in tasks[:-1]:
        source.finish(task, *ending(values, task))
    assert source.next() is None
    assert settling(storage).taken == ()
    source.finish(tasks[-1], *ending(values, tasks[-1]))
    assert len(settling(storage).taken) == 1
    following = source.next()
    assert following is not None
    assert following.seed == 5


def test_a_look_that_a_kill_kept_from_being_taken_is_taken_by_the_next_run(
    storage: RDBStorage,
) -> None:
    begin(storage, declared())
    source, values = source_of(storage), differences(BIG, NULL, GAPS)
    train(source, values, limit=19)
    last = source.next()
    assert last is not None
    finish_trial(storage, last.trial_id, *ending(values, last))  # and then the coordinator died
    again = source_of(storage)
    assert not again.progress.all_ended
    assert settling(storage).taken == ()
    assert again.next() is None
    assert again.progress.all_ended
    assert len(settling(storage).taken) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_order_stops_and_failures_change_no_look(
    storage: RDBStorage, tmp_path: Path, seed: int
) -> None:
    values = differences(BIG, GAPS, WAVY)
    begin(storage, declared())
    train(source_of(storage), values)
    other, rng = new_storage(tmp_path / "other"), random.Random(seed)
    begin(other, declared())
    while not (source := source_of(other)).progress.all_ended:
        under_way = []
        for _ in range(rng.randrange(1, 12)):  # several at a time, some lost with the coordinator
            if task := source.next():
                under_way.append(task)
        rng.shuffle(under_way)
        for task in under_way[: rng.randrange(len(under_way) + 1)]:
            source.finish(task, *ending(values, task))
    assert settling(other) == settling(storage)
    other.engine.dispose()


def test_seeds_beyond_a_look_do_not_enter_it(storage: RDBStorage) -> None:
    """All 20 seeds are there already: each look takes its own, and nothing is trained."""
    values = differences(BIG, NULL, WAVY)
    plain = replace(declared(), settling=None)
    begin(storage, plain)
    assert len(train(source_of(storage), values)) == 80
    begin(storage, declared())
    assert train(source_of(storage), values) == []
    found = settling(storage)
    assert [look.seeds for look in found.taken] == [tuple(range(n)) for n in LOOKS]
    assert [look.figures[NAMES[2]].n for look in found.taken] == list(LOOKS)
    assert list(found.taken[1].figures) == [NAMES[2]]
    assert found.taken[0].figures[NAMES[0]].n == 5


def test_failures_made_good_change_later_looks_only(storage: RDBStorage) -> None:
    values = differences(BIG, WAVY, GAPS)
    begin(storage, declared())
    values[NAMES[1]][2] = None
    train(source_of(storage), values, limit=20)
    before = settling(storage).taken
    assert before[0].figures[NAMES[1]].n == 4
    made_good: Differences = {
        **values,
        NAMES[1]: [1.0 if x is None else x for x in values[NAMES[1]]],
    }
    done = train(source_of(storage, retry_failed=True), made_good)
    assert (NAMES[1], 2) in done
    assert (NAMES[2], 1) not in done  # its arm is settled
    after = settling(storage).taken
    assert after[0] == before[0]
    assert after[1].figures[NAMES[1]].n == 10


def test_an_arm_that_fails_everywhere_stays_open_in_its_family(storage: RDBStorage) -> None:
    begin(storage, declared((5, 10)))
    train(source_of(storage), differences(BIG, NULL, [None]))
    standings = settling(storage).standings()
    assert (standings[NAMES[2]].verdict, standings[NAMES[2]].p) == ("inconclusive", 1.0)
    assert standings[NAMES[0]].p_holm == pytest.approx(3 * standings[NAMES[0]].p)
    assert settling(storage).is_over


def test_an_arm_that_another_is_compared_with_is_trained_on(storage: RDBStorage) -> None:
    """It keeps its verdict; what it gains in seeds is for the other arm."""
    arms = {"both": {"set": {"hidden_size": 64, "dropout": 0.1}, "against": "hidden_size=64"}}
    text = space(factors={"hidden_size": [64]}, arms=arms)
    begin(storage, declared(text=text))
    own = [*BIG, *[-9.0] * 25]
    values: Differences = {
        NAMES[0]: [*own],
        "both": [x + y for x, y in zip(own, WAVY, strict=True)],
    }
    done = train(source_of(storage), values)
    assert [seed for arm, seed in done if arm == NAMES[0]] == list(range(20))
    standing = settling(storage).standings()[NAMES[0]]
    assert (standing.verdict, standing.look) == ("better", 1)
    assert standing.last is not None
    assert standing.last.n == 5


def test_what_diverged_or_learned_nothing_is_no_finding(storage: RDBStorage) -> None:
    begin(storage, declared((5, 10)))
    source, values = source_of(storage), differences(BIG, [-42.0, -41.9, -42.1], BIG)
    while task := source.next():
        end = ending(values, task)
        if (task.arm, task.seed) == (NAMES[0], 1):
            state, _, attributes = outcome(task, "FAIL")
            end = (state, None, {**attributes, "diverged": 1})
        source.finish(task, *end)
    first = settling(storage).taken[0].figures
    assert first[NAMES[0]].reason == "diverged in 1 of 5 seeds"
    assert (first[NAMES[0]].n, first[NAMES[0]].p, first[NAMES[0]].e) == (4, 1.0, 1.0)
    assert first[NAMES[1]].reason == "untrained: at chance level"
    assert first[NAMES[2]].reason == ""


def test_only_the_looks_are_written(storage: RDBStorage) -> None:
    begin(storage, declared((2, 3)))
    source = source_of(storage)
    begin(storage, replace(declared((2, 3)), looks=(7,)))  # meanwhile, by somebody else
    train(source, differences(BIG, BIG, BIG))
    assert study_attributes(storage, STUDY)["looks"] == [7]


def test_a_stage_without_looks_says_nothing_of_them() -> None:
    assert look_text(Stage("ablation", (), ())) == ""
