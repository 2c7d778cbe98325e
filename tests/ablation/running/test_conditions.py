"""What a study may not begin with, and how its seeds are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from ablation.design.arms import Plan
from ablation.design.checks import check_beginning, unfit, wanted_seeds
from ablation.design.loading import build, load
from ablation.errors import UserError
from ablation.planning.overview import check_plan
from ablation.report.data.loading import _command, load_study
from ablation.running.conditions import asked_record
from ablation.running.launch import _merged, _source
from ablation.running.request import Request
from ablation.scheduling.search import SearchSource
from ablation.space.errors import SpaceError
from ablation.space.reader import shipped
from ablation.storage import open_storage, read_trials, storage_url
from ablation.storage.record import Record, find_record, load_record
from crnn.network.config import FIELDS, GOVERNED_BY, Setting
from crnn.objective import own_setting
from tests.helpers.made.studies import STUDY, begin, designed, document, new_storage, run_all

BASE: dict[str, Any] = {"epochs": 1, "train_size": 600}
DESIGN: dict[str, Any] = {"format": 1, "question": "What?", "design": "one-factor", "seeds": 2}
SEARCH: dict[str, Any] = {
    **{"format": 1, "question": "What?", "design": "search"},
    "search": {"trials": 4, "sampler": {"name": "random"}},
}


def plan(factors: dict[str, Any], baseline: dict[str, Any] | None = None, **changed: Any) -> Plan:
    """A one-factor design unless `design` says otherwise."""
    form = SEARCH if changed.get("design") == "search" else DESIGN
    values = {**form, **changed, "baseline": {**BASE, **(baseline or {})}, "factors": factors}
    return build("tiny", document(values))


def refusals(found: Plan) -> list[str]:
    """What is said against a study of the plan beginning."""
    try:
        check_beginning(found)
    except SpaceError as error:
        return error.errors
    return []


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_space_may_begin(name: str) -> None:
    assert refusals(load(name)) == []
    assert refusals(load(name, {"epochs": 1, "train_size": 600})) == []


# Factors without an effect

SIZES = {"low": 8, "high": 512}
IDLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"lstm_layers": 0}, {"hidden_size": SIZES}, "hidden_size"),
    ({"lstm_layers": 0}, {"hidden_size": SIZES, "sequence": ["columns"]}, "hidden_size"),
    ({"sequence": "columns"}, {"embedding_dim": [32, 128]}, "embedding_dim"),
    ({"dropout": 0.0}, {"dropout_count": {"low": 1, "high": 3}}, "dropout_count"),
    ({"dropout_count": 0}, {"dropout": [0.1, 0.5]}, "dropout"),
    ({"conv_layers": 1, "pooling_count": 1, "sequence": "columns"},
     {"pooling_count": {"low": 1, "high": 3}}, "pooling_count"),
    ({"weight_decay": 0.0}, {"optimizer": ["adam", "adamw"]}, "optimizer"),
    ({}, {"dropout": [0.25, 0.1],
          "batch_norm": {"levels": [True, False], "when": {"dropout": {"above": 0.5}}}},
     "batch_norm"),
]  # fmt: skip


@pytest.mark.parametrize(("baseline", "factors", "name"), IDLE)
def test_a_search_over_an_idle_factor_does_not_begin(
    baseline: dict[str, Any], factors: dict[str, Any], name: str
) -> None:
    lines = refusals(plan(factors, baseline, design="search"))
    assert f"factors.{name}: has no effect in any setting of this space" in lines[0]


@pytest.mark.parametrize("design", ["one-factor", "search"])
def test_what_never_changes_the_metric_is_not_varied(design: str) -> None:
    arms = {"calm": {"set": {"averaging": 0.9, "dropout": 0.1}}}
    lines = refusals(plan({"averaging": [0.9], "dropout": [0.1]}, design=design, arms=arms))
    said = "averaging never changes the validation accuracy; set it in [baseline]"
    assert lines == [f"factors.averaging: {said}", f"arms.calm: {said}"]
    assert refusals(plan({"dropout": [0.1]}, {"averaging": 0.9}, design=design)) == []


@pytest.mark.parametrize(
    ("baseline", "factors"),
    [
        ({"lstm_layers": 0}, {"hidden_size": SIZES, "lstm_layers": [0, 1]}),
        ({"lstm_layers": 0}, {"lstm_layers": {"low": 0, "high": 2}, "hidden_size": SIZES}),
        ({"dropout": 0.0}, {"dropout": [0.0, 0.1], "dropout_count": {"low": 1, "high": 3}}),
        ({"weight_decay": 0.0}, {"optimizer": ["adam", "adamw", "sgd"]}),
        ({"weight_decay": 0.0}, {"optimizer": ["adam", "adamw"], "weight_decay": [0.1]}),
        ({"padding": "source"}, {"padding": ["matched"], "filter_sizes": [[5, 5, 5]]}),
        ({"lstm_layers": 0, "sequence": "columns"},
         {"lstm_layers": [1], "sequence": ["flatten"], "embedding_dim": [32]}),
    ],
)  # fmt: skip
def test_a_factor_with_an_effect_somewhere_may_be_searched(
    baseline: dict[str, Any], factors: dict[str, Any]
) -> None:
    assert refusals(plan(factors, baseline, design="search")) == []


def test_a_factorial_over_an_idle_factor_does_not_begin() -> None:
    factors = {"hidden_size": [16, 32], "dropout": [0.25, 0.1]}
    found = plan(factors, {"lstm_layers": 0, "hidden_size": 16}, design="factorial")
    assert [line.split(":")[0] for line in refusals(found)] == ["factors.hidden_size"]
    assert refusals(plan({**factors, "lstm_layers": [0, 1]}, {"lstm_layers": 0},
                         design="factorial")) == []  # fmt: skip


def test_a_one_factor_design_over_an_idle_factor_is_no_plan() -> None:
    with pytest.raises(SpaceError, match="the same network and training as baseline"):
        plan({"hidden_size": [16]}, {"lstm_layers": 0})


@given(st.data())
def test_what_governs_a_setting_is_complete(data: st.DataObject) -> None:
    """Whether a value makes a difference depends on nothing but what is said to govern it."""
    values: dict[str, list[Any]] = {
        "conv_layers": [1, 2, 3], "filter_sizes": [(3, 3, 2), (5, 5, 5)], "pooling_count": [0, 3],
        "channels": [(8, 8, 8), (8, 8, 9)], "strides": [(1, 1, 1), (1, 2, 1)],
        "padding": ["source", "matched"], "sequence": ["flatten", "columns"],
        "embedding_dim": [32, 64], "hidden_size": [8, 16], "lstm_layers": [0, 1],
        "dropout": [0.0, 0.2], "dropout_count": [0, 1, 3], "weight_decay": [0.0, 0.1],
        "optimizer": ["adam", "adamw", "sgd"], "batch_norm": [True, False],
    }  # fmt: skip
    drawn = st.fixed_dictionaries({name: st.sampled_from(v) for name, v in values.items()})
    one, other = data.draw(drawn), data.draw(drawn)
    name = data.draw(st.sampled_from(sorted(values)))
    other |= {governor: one[governor] for governor in GOVERNED_BY.get(name, ())}

    def kinds(setting: dict[str, Any]) -> list[bool]:
        digests = [Setting.of({**setting, name: value}).digest for value in values[name]]
        return [digest == digests[0] for digest in digests]

    assert kinds(one) == kinds(other)


def test_governors_are_settings() -> None:
    assert {*GOVERNED_BY, *(g for names in GOVERNED_BY.values() for g in names)} <= FIELDS.keys()


# Batches larger than the training images


def test_a_batch_beyond_the_training_images_does_not_begin() -> None:
    lines = refusals(plan({"batch_size": [419, 420, 421, 60_000]}))
    assert [line.split(":")[0] for line in lines] == [
        "arm batch_size=421",
        "arm batch_size=60000",
    ]
    assert "421 is more than the 420 training images" in lines[0]
    named = {"arms": {"big": {"set": {"batch_size": 500}}}}
    assert "arm big: batch_size: 500" in refusals(plan({"dropout": [0.1]}, **named))[0]
    few = plan({"train_size": [100]}, {"batch_size": 100})
    assert "100 is more than the 70 training images" in refusals(few)[0]


@pytest.mark.parametrize("search", [{}, {"training": {"train_size": 100}}])
def test_a_list_of_a_search_with_too_large_a_batch_does_not_begin(search: dict[str, Any]) -> None:
    section = {**SEARCH["search"], **search}
    size = 100 if search else 600
    found = plan({"batch_size": [64, size]}, {"batch_size": 16}, design="search", search=section)
    assert [line.split(":")[0] for line in refusals(found)] == ["factors.batch_size"]
    wide = plan({"batch_size": [64, 70]}, {"batch_size": 16}, design="search", search=section)
    assert refusals(wide) == []


def test_a_level_that_is_too_large_for_some_images_only_is_drawn_with_the_others() -> None:
    factors = {"batch_size": [64, 600], "train_size": [600, 1000]}
    found = plan(factors, design="search")
    assert refusals(found) == []
    small = found.space.baseline.replace(batch_size=600)
    assert unfit(found.space, small)
    assert not unfit(found.space, small.replace(train_size=1000))


def test_a_draw_with_too_large_a_batch_is_infeasible(storage: RDBStorage) -> None:
    found = plan({"batch_size": {"low": 32, "high": 2000}}, design="search")
    assert refusals(found) == []
    wanted = begin(storage, Record(found, trials=4))
    tasks = run_all(SearchSource(storage, STUDY, wanted))
    assert all(own_setting(task.setting).train.batch_size <= 420 for task in tasks)
    reasons = [row.attributes["failure"] for row in read_trials(storage, STUDY)
               if row.state == "PRUNED"]  # fmt: skip
    assert reasons
    assert all(reason.startswith("infeasible: batch_size: ") for reason in reasons)


def test_a_search_that_has_such_a_baseline_goes_on(storage: RDBStorage) -> None:
    found = plan({"batch_size": {"low": 421, "high": 2000}}, {"batch_size": 500}, design="search")
    wanted = begin(storage, Record(found, trials=4))
    assert len(run_all(SearchSource(storage, STUDY, wanted))) == 4


# Values that look the same


@pytest.mark.parametrize(
    ("factors", "baseline", "arms", "where"),
    [
        ({"dropout": [0.33333334, 0.1]}, {"dropout": 0.3333333}, {}, "factors.dropout"),
        ({"learning_rate": [0.00100000001]}, {}, {}, "factors.learning_rate"),
        ({"hidden_size": [16]}, {"dropout": 0.3}, {"x": {"dropout": 0.30000001}}, "arms: dropout"),
        ({"hidden_size": [16]}, {}, {"x": {"dropout": 0.1}, "y": {"dropout": 0.100000001}},
         "arms: dropout"),
        ({"dropout": [0.1]}, {}, {"x": {"dropout": 0.100000001, "hidden_size": 8}},
         "factors.dropout"),
    ],
)  # fmt: skip
def test_values_that_look_the_same_do_not_begin(
    factors: dict[str, Any], baseline: dict[str, Any], arms: dict[str, Any], where: str
) -> None:
    named = {name: {"set": values} for name, values in arms.items()}
    lines = refusals(plan(factors, baseline, arms=named))
    assert len(lines) == 1
    assert lines[0].startswith(f"{where}: two levels show as 0.")
    assert "write levels that differ in their first six digits" in lines[0]


# What is stored goes on


def test_a_stored_study_goes_on_with_what_could_not_begin(
    default_storage: str, tmp_path: Path
) -> None:
    storage = open_storage(storage_url(None, tmp_path), create=True)
    found = plan({"dropout": [0.33333334]}, {"dropout": 0.3333333, "batch_size": 600})
    wanted = Record(found, seeds=found.space.seeds)
    run_all(designed(storage, wanted, "tiny"), 1)
    stored = find_record(storage, "tiny")
    assert stored is not None
    assert len(run_all(designed(storage, stored, "tiny"))) == 3
    check_plan(found, None, None, tmp_path)
    storage.engine.dispose()
    with pytest.raises(SpaceError):
        check_plan(found, None, str(tmp_path / "empty.db"), tmp_path)
    with pytest.raises(SpaceError):
        check_plan(build("other", found.space.text), None, None, tmp_path)


# Seeds


def seeded(seeds: Any) -> Plan:
    return plan({"dropout": [0.4]}, seeds=seeds)


@pytest.mark.parametrize(
    ("seeds", "count", "stored", "wanted"),
    [
        ([7, 3, 1], None, (), (7, 3, 1)),
        ([7, 3, 1], 2, (), (7, 3)),
        ([7, 3, 1], 3, (7, 3), (7, 3, 1)),
        ([7, 3, 1], 2, (0, 1), (0, 1)),
        ([7, 3, 1], 3, (0, 1), (0, 1, 7)),
        ([7, 3, 1], 5, (0, 1, 2, 3, 4), (0, 1, 2, 3, 4)),
        ([7, 3, 1], 1, (7, 3, 1), (7,)),
        (3, None, (), (0, 1, 2)),
        (3, 2, (), (0, 1)),
        (3, 5, (), (0, 1, 2, 3, 4)),
        (3, 5, (0, 1, 2), (0, 1, 2, 3, 4)),
    ],
)
def test_a_number_of_seeds_means_the_first_listed(
    seeds: Any, count: int | None, stored: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    assert wanted_seeds(seeded(seeds).space, count, stored) == wanted


@pytest.mark.parametrize("seeds", [[7, 3, 1], [0, 1, 2]])
def test_more_seeds_than_are_listed_do_not_begin(seeds: list[int]) -> None:
    found = seeded(seeds)
    check_beginning(found, 3)
    with pytest.raises(UserError, match=r"--seeds 4: the space lists 3 seeds; add to its list"):
        check_beginning(found, 4)


def request(found: Plan, folder: Path, seeds: int | None) -> Request:
    return Request(found, "tiny", f"sqlite:///{folder}/studies.db", folder, seeds=seeds)


def test_a_run_trains_the_first_seeds_listed(tmp_path: Path) -> None:
    storage, found = new_storage(tmp_path), seeded([7, 3, 1])
    asked = request(found, tmp_path, 2)
    begun = begin(storage, asked_record(asked, None), "tiny")
    assert [task.seed for task in run_all(_source(storage, asked, "tiny", begun))] == [7, 7, 3, 3]
    assert _command(load_record(storage, "tiny"), "tiny").count("--seeds 2") == 1
    more = request(found, tmp_path, None)
    merged = begin(storage, _merged(storage, more, begun, asked_record(more, begun)), "tiny")
    assert [task.seed for task in run_all(_source(storage, more, "tiny", merged))] == [1, 1]
    assert "--seeds" not in _command(load_record(storage, "tiny"), "tiny")


def test_a_study_keeps_the_seeds_that_it_has(tmp_path: Path) -> None:
    """An earlier version took seeds 0 and 1 here."""
    storage, found = new_storage(tmp_path), seeded([7, 3, 1])
    stored = begin(storage, Record(found, seeds=(0, 1)), "tiny")
    asked = request(found, tmp_path, 2)
    merged = _merged(storage, asked, stored, asked_record(asked, stored))
    assert merged.seeds == (0, 1)
    tasks = run_all(_source(storage, asked, "tiny", merged))
    assert [task.seed for task in tasks] == [0, 0, 1, 1]
    notes = load_study(storage, "tiny").notes
    assert any("Seeds 0 and 1 are not the first that the space lists" in note for note in notes)
