"""A search's confirmation: which arms and seeds, when the path begins; trainings are made up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from optuna.storages import RDBStorage

from ablation.design.arms import Stage
from ablation.design.declaration import declared_in_confirmation
from ablation.design.loading import build
from ablation.design.settling import settling_of
from ablation.errors import UserError
from ablation.folders import confirm_name
from ablation.scheduling.confirmation import chosen, confirmation, ranked_results
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.extension import check_extension
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Task
from ablation.storage import StorageError, TrialRow, read_trials
from ablation.storage.record import Record, find_record
from ablation.storage.studies import own_studies
from crnn.objective import own_setting
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import SEARCH, STUDY, accuracy, begin, end, record, run_all

CONFIRM = f"{SEARCH}[confirm]\ntop = 2\nseeds = 3\n"
NAME = confirm_name(STUDY)


def searched(storage: RDBStorage, text: str = CONFIRM, **conditions: Any) -> Record:
    """The record of a search that has run."""
    wanted = record(text, **conditions)

    def fill() -> None:
        begin(storage, wanted)
        run_all(SearchSource(storage, STUDY, wanted))

    prepared(storage, (text, str(conditions)), fill)
    return wanted


def wanted(storage: RDBStorage, search: Record, count: int | None = None) -> Record:
    made = confirmation(storage, STUDY, search, search, count)
    assert made is not None
    return made


def trained(storage: RDBStorage, confirmed: Record, limit: int | None = None) -> None:
    """Save a confirmation and train (made up) what it lacks."""
    begin(storage, confirmed, NAME)
    run_all(DesignedSource(storage, NAME, confirmed, confirmed.stages), limit)


# Which arms


def test_it_has_the_baseline_the_named_arms_and_the_best_drawn(storage: RDBStorage) -> None:
    search = searched(storage)
    rows = read_trials(storage, STUDY)
    drawn = sorted(rows[2:], key=lambda row: -(row.value or 0))
    made = wanted(storage, search)
    names = [arm.name for arm in made.plan.arms]
    assert names == ["baseline", "wide", *(row.attributes["arm"] for row in drawn[:2])]
    assert [arm.against for arm in made.plan.arms] == ["", "baseline", "baseline", "baseline"]
    order = sorted(rows, key=lambda row: -(row.value or 0))
    for arm, row in zip(made.plan.arms[2:], drawn, strict=False):
        rank = order.index(row) + 1
        assert arm.note == f"trial {row.number} of the search, rank {rank}"


def test_its_trainings_are_at_full_length_and_score_the_test_set(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    begin(storage, made, NAME)
    tasks = run_all(DesignedSource(storage, NAME, made, made.stages))
    assert len(tasks) == 12
    for task in tasks:
        assert (
            own_setting(task.setting).train.epochs,
            own_setting(task.setting).train.train_size,
        ) == (3, 200)
        assert task.score
        assert task.pruner is None
    assert {row.attributes["stage"] for row in read_trials(storage, NAME)} == {"confirm"}


def test_its_seeds_are_those_after_the_searchs(storage: RDBStorage) -> None:
    text = CONFIRM.replace("trials   = 6", "trials   = 6\nseed = 7")
    search = searched(storage, text)
    assert wanted(storage, search).seeds == (8, 9, 10)
    assert wanted(storage, search, 5).seeds == (8, 9, 10, 11, 12)


def test_what_was_pruned_or_failed_is_not_confirmed(storage: RDBStorage) -> None:
    asked = begin(storage, record(CONFIRM))
    source = SearchSource(storage, STUDY, asked)
    ended: list[tuple[Task, str]] = []
    while task := source.next():
        state = "COMPLETE" if task.arm in ("baseline", "wide") or len(ended) == 4 else "PRUNED"
        end(source, task, state)
        ended.append((task, state))
    complete = [task.arm for task, state in ended if state == "COMPLETE"]
    assert [arm.name for arm in wanted(storage, asked).plan.arms] == complete
    assert len(ranked_results(asked, read_trials(storage, STUDY))) == 3


def test_a_search_without_confirm_has_none(storage: RDBStorage) -> None:
    search = searched(storage, SEARCH)
    assert confirmation(storage, STUDY, search, search) is None


def test_it_begins_under_conditions_of_its_own_and_keeps_them(storage: RDBStorage) -> None:
    search = searched(storage, precision="bf16", threads=3, environments=({"cpu": "a"},))
    here = replace(search, device="cuda", precision="fp32", threads=1, environments=({"cpu": "b"},))
    made = confirmation(storage, STUDY, search, here)
    assert made is not None
    assert (made.device, made.precision, made.threads) == ("cuda", "fp32", 1)
    assert made.environments == ({"cpu": "b"},)
    begin(storage, made, NAME)
    again = confirmation(storage, STUDY, search, search)
    assert again == replace(made, environments=({"cpu": "b"}, {"cpu": "a"}))


# How it is stored


@pytest.mark.slow
def test_a_stored_confirmation_is_read_back(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    trained(storage, made)
    with_path = wanted(storage, search)
    assert with_path.path is not None
    for each in (made, with_path):
        begin(storage, each, NAME)
        stored = find_record(storage, NAME)
        assert stored == each
        assert stored.attributes() == each.attributes()
    assert own_studies(storage) == [STUDY, NAME]


def test_it_keeps_its_arms_though_the_search_goes_on(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    begin(storage, made, NAME)
    more = replace(search, trials=12)
    begin(storage, more)
    run_all(SearchSource(storage, STUDY, more))
    assert wanted(storage, more).plan == made.plan


def test_a_search_is_not_extended_once_it_is_confirmed(storage: RDBStorage) -> None:
    search = searched(storage)
    more = replace(search, trials=12)
    wider = CONFIRM.replace("[search]", "narrow = { set = { hidden_size = 64 } }\n[search]")
    other = replace(search, plan=build("tiny", wider))
    for wish in (more, other):
        check_extension(storage, STUDY, search, wish)
    begin(storage, wanted(storage, search), NAME)
    check_extension(storage, STUDY, search, search)
    with pytest.raises(StorageError, match=r"6 trials found is being confirmed, so 12 trials"):
        check_extension(storage, STUDY, search, more)
    with pytest.raises(StorageError, match="arm narrow would come too late"):
        check_extension(storage, STUDY, search, other)


# The path


@pytest.mark.slow
def test_the_path_begins_when_all_have_ended(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    trained(storage, made, 11)
    assert wanted(storage, search).path is None
    trained(storage, made)
    assert wanted(storage, search).path is not None


@pytest.mark.slow
def test_it_leads_to_the_best_of_the_confirmation(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    begin(storage, made, NAME)
    tasks = run_all(DesignedSource(storage, NAME, made, made.stages))
    means = {arm.name: 0.0 for arm in made.plan.arms}
    for task in tasks:
        means[task.arm] += accuracy(task) / 3
    best = max(means, key=means.__getitem__)
    assert best != "baseline"
    with_path = wanted(storage, search)
    assert with_path.path is not None
    assert with_path.chosen == best
    assert with_path.path.arms[0].name == "baseline"
    assert with_path.path.arms[0].setting == search.plan.space.baseline
    assert best in [arm.name for arm in with_path.path.arms]
    assert with_path.path.seeds == (4, 5, 6)
    assert not set(with_path.path.seeds) & {0, *made.seeds}


def test_its_trainings_are_a_stage_of_their_own(storage: RDBStorage) -> None:
    search = searched(storage)
    trained(storage, wanted(storage, search))
    with_path = wanted(storage, search)
    trained(storage, with_path)
    assert with_path.path is not None
    rows = read_trials(storage, NAME)
    path = [row for row in rows if row.attributes["stage"] == "path"]
    assert len(rows) == with_path.wanted == 12 + 3 * len(with_path.path.arms)
    assert {row.attributes["seed"] for row in path} == {4, 5, 6}
    assert wanted(storage, search) == with_path


@pytest.mark.slow
def test_the_path_may_have_other_seeds_or_be_left_out(storage: RDBStorage) -> None:
    for count, seeds in ((2, (4, 5)), (0, ())):
        name = f"path{count}"
        asked = begin(storage, record(f"{CONFIRM}path_seeds = {count}\n"), name)
        run_all(SearchSource(storage, name, asked))
        made = confirmation(storage, name, asked, asked)
        assert made is not None
        begin(storage, made, confirm_name(name))
        run_all(DesignedSource(storage, confirm_name(name), made, made.stages))
        again = confirmation(storage, name, asked, asked)
        assert again is not None
        assert again.path is not None
        assert again.path.seeds == seeds
        assert bool(again.path.arms) is bool(seeds)
        assert again.chosen


@pytest.mark.slow
def test_without_a_finished_trial_of_the_search_there_is_no_path(storage: RDBStorage) -> None:
    search = begin(storage, record(CONFIRM))
    source = SearchSource(storage, STUDY, search)
    while task := source.next():
        end(source, task, "FAIL")
    made = wanted(storage, search)
    assert [arm.name for arm in made.plan.arms] == ["baseline", "wide"]
    begin(storage, made, NAME)
    source_of_it = DesignedSource(storage, NAME, made, made.stages)
    while task := source_of_it.next():
        source_of_it.finish(task, "COMPLETE", 0.5 + 0.1 * (task.arm == "wide"), {})
    ended = wanted(storage, search)
    assert (ended.chosen, ended.path) == ("wide", Stage("path", (), ()))


@pytest.mark.slow
def test_seeds_are_added_to_the_path_whenever_wished(storage: RDBStorage) -> None:
    counts = {0: (), 2: (4, 5), 4: (4, 5, 6, 7)}
    search = searched(storage, f"{CONFIRM}path_seeds = 0\n")
    trained(storage, wanted(storage, search))
    arms: list[list[str]] = []
    for count, seeds in counts.items():
        more = replace(search, plan=build("tiny", f"{CONFIRM}path_seeds = {count}\n"))
        check_extension(storage, STUDY, search, more)
        search, path = more, wanted(storage, more).path
        assert path
        assert path.seeds == seeds
        arms.append([arm.name for arm in path.arms])
        trained(storage, wanted(storage, search))
        assert len(read_trials(storage, NAME)) == 12 + len(path.arms) * len(seeds)
    assert arms[1] == arms[2] != []
    fewer = replace(search, plan=build("tiny", f"{CONFIRM}path_seeds = 3\n"))
    with pytest.raises(StorageError, match="its path has begun with 4 seeds, and seeds are only"):
        check_extension(storage, STUDY, search, fewer)


def test_its_space_may_change_until_it_begins(storage: RDBStorage) -> None:
    search = searched(storage)
    other = build("tiny", CONFIRM.replace("top = 2\nseeds = 3", "top = 1\nseeds = 2"))
    none = build("tiny", SEARCH)
    for plan in (other, none):
        check_extension(storage, STUDY, search, replace(search, plan=plan))
    made = wanted(storage, replace(search, plan=other))
    assert (len(made.plan.arms), made.seeds) == (3, (1, 2))
    begin(storage, wanted(storage, search), NAME)
    for plan in (other, none):
        with pytest.raises(StorageError, match=r"has begun: \[confirm\] was top=2 seeds=3"):
            check_extension(storage, STUDY, search, replace(search, plan=plan))


@pytest.mark.slow
def test_seeds_are_added_until_the_path_begins(storage: RDBStorage) -> None:
    search = searched(storage)
    trained(storage, wanted(storage, search))
    more = wanted(storage, search, 5)
    assert (more.seeds, more.path) == ((1, 2, 3, 4, 5), None)
    trained(storage, more)
    with_path = wanted(storage, search, 5)
    assert with_path.path is not None
    assert with_path.path.seeds == (6, 7, 8, 9, 10)[: len(with_path.path.seeds)]
    trained(storage, with_path)
    assert wanted(storage, search) == wanted(storage, search, 4) == with_path
    with pytest.raises(StorageError, match="its path has begun from what 5 seeds confirmed"):
        confirmation(storage, STUDY, search, search, 6)


@pytest.mark.slow
def test_seeds_added_to_the_space_after_the_path_began_are_refused(storage: RDBStorage) -> None:
    search = searched(storage)
    more = replace(search, plan=build("tiny", CONFIRM.replace("seeds = 3", "seeds = 4")))
    begin(storage, wanted(storage, search), NAME)
    check_extension(storage, STUDY, search, more)
    trained(storage, wanted(storage, search))
    begin(storage, wanted(storage, search), NAME)
    check_extension(storage, STUDY, search, search)
    with pytest.raises(StorageError, match=r"3 seeds confirmed; take the space's \[confirm\]"):
        check_extension(storage, STUDY, search, more)


def test_what_is_chosen_goes_by_pairs_and_not_by_means_over_other_seeds(
    storage: RDBStorage,
) -> None:
    made = wanted(storage, searched(storage))
    baseline, wide, first, second = (arm.setting.digest for arm in made.plan.arms)
    easy = dict(zip(made.seeds, (0.0, 0.1, 0.2), strict=True))  # what a seed does to all arms
    gains = {baseline: 0.0, wide: 0.01, first: 0.02, second: 0.03}
    gone = {(second, made.seeds[2]), (first, made.seeds[0]), (wide, made.seeds[1])}
    gone |= {(baseline, made.seeds[1])}
    rows = [
        TrialRow(
            *(number, number, "COMPLETE", None, None, 0.5 + gain + easy[seed]),
            {"digest": arm, "seed": seed},
        )
        for number, ((arm, gain), seed) in enumerate(itertools.product(gains.items(), made.seeds))
        if (arm, seed) not in gone
    ]
    sums = dict.fromkeys(gains, 0.0)
    for row in rows:
        sums[row.attributes["digest"]] += row.value or 0.0
    assert max(sums, key=lambda arm: sums[arm]) == first  # its two seeds are the easy ones
    assert chosen(made, rows).setting.digest == second


@pytest.mark.slow
def test_where_a_training_failed_the_path_begins_only_if_told_to(storage: RDBStorage) -> None:
    search = searched(storage)
    made = wanted(storage, search)
    begin(storage, made, NAME)
    source = DesignedSource(storage, NAME, made, made.stages)
    while task := source.next():
        end(source, task, "FAIL" if task.seed == 1 and task.arm != "wide" else "COMPLETE")
    rows = read_trials(storage, NAME)
    shared: dict[str, float] = {}  # wide alone has all of its seeds, which is no merit
    for row in rows:
        if row.value is not None and row.attributes["seed"] != 1:
            arm = row.attributes["arm"]
            shared[arm] = shared.get(arm, 0.0) + row.value
    best = max(shared, key=shared.__getitem__)
    assert chosen(made, rows).name == best != "wide"
    assert wanted(storage, search).path is None
    begun = confirmation(storage, STUDY, search, search, despite_failures=True)
    assert begun
    assert begun.chosen == best
    assert begun.path


# Looks

LOOKS = f"{CONFIRM.replace('seeds = 3', 'seeds = 6')}path_seeds = 4\nlooks = [2, 4, 6]\n"


def test_the_path_begins_when_looks_have_ended_after_the_seeds_of_the_last(
    storage: RDBStorage,
) -> None:
    search = searched(storage, LOOKS)
    first = wanted(storage, search)
    assert first.settling is not None
    assert (first.settling.looks, first.seeds) == ((2, 4, 6), (1, 2, 3, 4, 5, 6))
    assert first.settling.family == tuple(arm.name for arm in first.plan.arms[1:])
    trained(storage, first)
    found = wanted(storage, search)
    assert found.settling is not None
    assert found.settling.is_over
    path = found.path
    assert path is not None
    assert path.settling is not None
    assert (path.seeds, path.settling.looks) == ((7, 8, 9, 10), (2, 4))
    begin(storage, found, NAME)
    run_all(DesignedSource(storage, NAME, found, found.stages))
    ended = find_record(storage, NAME)
    assert ended is not None
    assert ended.path is not None
    assert ended.path.settling is not None
    assert ended.path.settling.is_over
    assert wanted(storage, search) == ended


def test_looks_stay_once_one_has_been_taken(storage: RDBStorage) -> None:
    search = searched(storage, LOOKS)
    trained(storage, wanted(storage, search))
    with pytest.raises(StorageError, match="leave --no-settle out"):
        check_extension(storage, STUDY, search, search, looks=())
    with pytest.raises(StorageError, match="they were 2, 4, 6, are 2, 4"):
        check_extension(storage, STUDY, search, search, looks=(2, 4))


def test_path_seeds_that_no_look_takes_are_refused_after_looks_were_asked_for() -> None:
    space = record(CONFIRM.replace("seeds = 3", "seeds = 6\npath_seeds = 3")).plan.space
    begun = space.confirm, settling_of((), (2, 4))
    with pytest.raises(UserError, match="path_seeds is 3, and no look takes so many"):
        declared_in_confirmation(space, begun=begun)


def test_a_confirmation_of_the_baseline_alone_has_no_looks(storage: RDBStorage) -> None:
    named = "[arms]\nwide = { set = { hidden_size = 256, dropout = 0.1 } }\n"
    assert named in LOOKS
    search = record(LOOKS.replace(named, ""))
    begin(storage, search)
    found = wanted(storage, search)
    assert [arm.name for arm in found.plan.arms] == ["baseline"]
    assert found.settling is None
    trained(storage, found)
    ended = wanted(storage, search)
    assert ended.chosen == "baseline"
