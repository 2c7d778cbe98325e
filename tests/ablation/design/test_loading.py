"""From a space to its arms and replicates, and what makes a space another study."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablation.design.arms import Plan, Stage, arm_name, differences, make_arm
from ablation.design.changes import changes
from ablation.design.loading import build, enumerate_arms, load
from ablation.settings import text_of
from ablation.space.errors import SpaceError
from ablation.space.reader import parse
from ablation.space.schema import Space
from crnn.network.config import Setting
from crnn.objective import objective, own_setting
from tests.helpers.made.studies import ONE_FACTOR, SEARCH, document

LEVELS: dict[str, list[Any]] = {
    "conv_layers": [2, 3],
    "filter_sizes": [[2, 2, 2], [3, 3, 2], [3, 3, 3]],
    "pooling_count": [1, 2, 3],
    "hidden_size": [64, 128, 256],
    "lstm_layers": [0, 1, 3],
    "dropout": [0.0, 0.1, 0.25],
    "dropout_count": [0, 1, 3],
    "batch_norm": [True, False],
    "optimizer": ["adam", "adamw"],
    "weight_decay": [0.0, 0.001],
    "learning_rate": [0.001, 0.003],
}
few = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def spaces(draw: st.DrawFn, design: str) -> Space:
    """A space whose arms can all exist; some may come to the same network."""
    names = draw(st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=4, unique=True))
    baseline = {name: draw(st.sampled_from(LEVELS[name])) for name in names}
    factors = {
        name: draw(st.lists(st.sampled_from(LEVELS[name]), min_size=1, unique_by=str))
        for name in names
    }
    values = {"format": 1, "question": "?", "design": design, "seeds": 3}
    text = document({**values, "baseline": baseline, "factors": factors})
    space, errors = parse("drawn", text)
    assert not errors
    return space


def plan(text: str = ONE_FACTOR, /, **changed: Any) -> Plan:
    """The plan of a space with some keys replaced."""
    return build("mine", document({**tomllib.loads(text), **changed}))


# What every design keeps to


@pytest.mark.slow
@few
@given(st.sampled_from(["one-factor", "factorial"]).flatmap(spaces))
def test_no_two_arms_are_the_same(space: Space) -> None:
    arms, _, _ = enumerate_arms(space)
    assert len({arm.setting.digest for arm in arms}) == len(arms)
    assert len({arm.name for arm in arms}) == len(arms)
    assert arms[0].name == "baseline"
    assert arms[0].setting == space.baseline


@pytest.mark.slow
@few
@given(spaces("one-factor"))
def test_a_one_factor_arm_differs_from_the_baseline_in_one_factor(space: Space) -> None:
    arms, collapsed, errors = enumerate_arms(space)
    for arm in arms[1:]:
        assert list(differences(space, arm.setting)) == [arm.factor]
        assert arm.level == text_of(arm.setting.values()[arm.factor])
        assert arm.name == f"{arm.factor}={arm.level}"
        assert arm.against == "baseline"
    levels = sum(len(factor.levels) - 1 for factor in space.factors)
    assert len(arms) - 1 + len(errors) == levels  # errors: levels without an effect
    assert all("the same network and training as" in error for error in errors)
    assert not collapsed


@few
@given(spaces("factorial"))
def test_a_factorial_has_every_combination_once(space: Space) -> None:
    arms, collapsed, errors = enumerate_arms(space)
    cells = math.prod(len(factor.levels) for factor in space.factors)
    assert len(arms) + len(collapsed) == cells
    assert not errors
    names = {arm.name for arm in arms}
    assert all(twin in names and cell not in names for cell, twin in collapsed)


@few
@given(st.sampled_from(["one-factor", "factorial"]).flatmap(spaces))
def test_an_arm_is_named_by_its_differences_in_the_spaces_order(space: Space) -> None:
    order = [factor.name for factor in space.factors]
    for arm in enumerate_arms(space)[0][1:]:
        changed = [part.partition("=")[0] for part in arm.name.split("+")]
        assert changed == sorted(changed, key=order.index)
        assert arm_name(space, arm.setting) == arm.name


@pytest.mark.slow
@few
@given(st.sampled_from(["one-factor", "factorial"]).flatmap(spaces), st.integers(1, 4))
def test_replicates_go_seed_by_seed(space: Space, count: int) -> None:
    arms = tuple(enumerate_arms(space)[0])
    seeds = tuple(range(10, 10 + count))
    replicates = Stage("ablation", arms, seeds).replicates()
    assert [(r.seed, r.arm.name) for r in replicates] == [
        (seed, arm.name) for seed in seeds for arm in arms
    ]
    assert len({replicate.identity for replicate in replicates}) == count * len(arms)


# Single spaces


def test_the_arms_of_the_write_up() -> None:
    found = load("source")
    assert [arm.name for arm in found.arms] == [
        "baseline", "conv_layers=2", "pooling_count=2", "filter_sizes=2,2,2",
        "filter_sizes=3,3,3", "filter_sizes=5,5,5", "hidden_size=256", "dropout=0.1",
        "dropout-once", "concluded",
    ]  # fmt: skip
    once = found.arm("dropout-once")
    assert once.against == "dropout=0.1"
    assert "which block is not said" in once.note
    assert (once.factor, once.level) == ("", "")
    assert once.setting == Setting.of({"dropout": 0.1, "dropout_count": 1, "averaging": 0.998})
    assert found.arm("concluded").against == "baseline"


def test_a_named_arm_of_one_change_tells_its_factor() -> None:
    arm = plan(arms={"deep": {"set": {"lstm_layers": 4}}}).arm("deep")
    assert (arm.name, arm.factor, arm.level) == ("deep", "lstm_layers", "4")


def test_several_differences_are_joined() -> None:
    names = [arm.name for arm in load("quick").arms]
    assert names == ["baseline", "dropout=0.1", "lstm_layers=0", "lstm_layers=0+dropout=0.1"]


def test_what_is_no_factor_comes_after_the_factors_in_a_name() -> None:
    space = plan().space
    setting = space.baseline.replace(conv_layers=2, dropout=0.1, hidden_size=64)
    assert arm_name(space, setting) == "hidden_size=64+dropout=0.1+conv_layers=2"
    assert make_arm(space, setting, "x", []).factor == ""


def test_a_search_plans_only_what_is_tried_first() -> None:
    assert [arm.name for arm in load("joint").arms] == ["baseline", "source-best"]


def test_cells_that_come_to_the_same_network_run_once() -> None:
    factors = {"dropout": [0.0, 0.1], "dropout_count": [1, 3]}
    found = plan(design="factorial", factors=factors, baseline={"dropout": 0.1})
    assert found.collapsed == (("dropout=0", "dropout=0+dropout_count=1"),)
    assert [arm.name for arm in found.arms] == [
        "baseline", "dropout=0+dropout_count=1", "dropout_count=1",
    ]  # fmt: skip


def test_a_cell_that_comes_to_the_baseline_is_said_to() -> None:
    factors = {"dropout_count": [3, 1], "hidden_size": [128, 64], "batch_norm": [False]}
    baseline = {"dropout": 0.0, "lstm_layers": 0}
    found = plan(design="factorial", factors=factors, baseline=baseline)
    assert ("dropout_count=1+hidden_size=64", "baseline") in found.collapsed
    assert [arm.name for arm in found.arms] == ["baseline", "batch_norm=false"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"factors": {"filter_sizes": [[15, 15, 15]]}},
            "arm filter_sizes=15,15,15: infeasible, block 2: a filter of 15 does not fit its map",
        ),
        (
            {"baseline": {"embedding_dim": 100}, "factors": {"sequence": ["columns"]}},
            "arm baseline: infeasible, block 3: its flattened map of 128 x 3 x 3 = 1152 features "
            "does not divide into steps of embedding_dim = 100",
        ),
        (
            {"arms": {"tiny": {"set": {"strides": [4, 4, 4]}}}},
            "arm tiny: infeasible, block 2: the map vanishes",
        ),
        (
            {"baseline": {"train_size": 10}, "factors": {"train_fraction": [0.99]}},
            "arm train_fraction=0.99: infeasible, train_size and train_fraction leave no image",
        ),
        (
            {"baseline": {"dropout": 0.0}, "factors": {"dropout_count": [1]}},
            "arm dropout_count=1: the same network and training as baseline; drop one",
        ),
        (
            {"arms": {"less": {"set": {"dropout": 0.1}}}},
            "arm less: the same network and training as dropout=0.1; drop one",
        ),
    ],
)
def test_an_arm_that_cannot_run_is_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(SpaceError) as caught:
        plan(**changed)
    assert len(caught.value.errors) == 1
    assert expected in caught.value.errors[0]


def test_a_search_refuses_an_arm_beyond_its_limits() -> None:
    with pytest.raises(SpaceError) as caught:
        plan(SEARCH, limits={"parameters": 800_000, "macs": 10_000_000})
    assert caught.value.errors == [
        "arm wide: infeasible, parameters: 2,033,418 is beyond the limit of 800,000"
    ]


def test_cost_grows_with_epochs_images_and_network() -> None:
    base = Setting()
    longer = base.replace(epochs=40)
    wider = base.replace(hidden_size=256)
    fewer = base.replace(train_size=6000)
    assert objective.cost(fewer) < objective.cost(base) < objective.cost(wider)
    assert objective.cost(longer) == pytest.approx(
        2 * objective.cost(base), rel=0.01
    )  # the test set is scored once


# Options that replace the space's own


def test_an_override_makes_a_study_of_its_own_name() -> None:
    found = load("source", {"epochs": 1, "train_size": 600})
    assert found.study_name == "source-epochs1-images600"
    assert found.overrides == {"epochs": 1, "train_size": 600}
    assert all(own_setting(arm.setting).train.epochs == 1 for arm in found.arms)
    assert all(own_setting(arm.setting).train.train_size == 600 for arm in found.arms)
    assert [arm.name for arm in found.arms] == [arm.name for arm in load("source").arms]
    assert load("source", {"epochs": 1}).study_name == "source-epochs1"


def test_in_a_search_an_override_holds_for_both_stages() -> None:
    found = load("joint", {"epochs": 1, "train_size": 600})
    assert own_setting(found.arms[0].setting).train.epochs == 1
    assert found.space.search is not None
    assert found.space.search.training == {"epochs": 1, "train_size": 600}


@pytest.mark.parametrize(
    ("changed", "overrides", "expected"),
    [
        ({"factors": {"epochs": [5]}}, {"epochs": 1}, "--epochs: the space varies epochs itself"),
        (
            {"arms": {"few": {"set": {"train_size": 50}}}},
            {"train_size": 60},
            "--train-size: the space varies train_size itself",
        ),
        ({}, {"epochs": 0}, "--epochs: 0 is not an integer from 1 to 10000"),
        ({}, {"train_size": 5}, "--train-size: 5 is not an integer from 10 to 60000"),
    ],
)
def test_an_override_that_does_not_fit(
    changed: dict[str, Any], overrides: dict[str, int], expected: str
) -> None:
    text = document({**tomllib.loads(ONE_FACTOR), **changed})
    with pytest.raises(SpaceError) as caught:
        build("mine", text, "", overrides)
    assert caught.value.errors == [expected]


# What makes a space another study


BASE = {
    **tomllib.loads(ONE_FACTOR),
    "seeds": [0, 1],
    "arms": {"both": {"set": {"hidden_size": 64, "dropout": 0.1}, "against": "dropout=0.1"}},
    "reported": {"baseline": {"test_accuracy": 0.9}},
}


def found_changes(**changed: Any) -> list[str]:
    new = {key: value for key, value in {**BASE, **changed}.items() if value is not None}
    return changes(build("mine", document(BASE)).space, build("mine", document(new)).space)


@pytest.mark.parametrize(
    "changed",
    [
        {"question": "What else?", "note": "Said later."},
        {"reported": {"both": {"test_loss": 0.3, "note": "by others"}}},
        {"reported_curves": {"both": {"val_loss": [0.5, 0.4]}}},
        {"seeds": [0, 1, 2]},
        {"seeds": [2, 1, 0]},
        {"factors": {"hidden_size": [64, 256], "dropout": [0.1], "batch_norm": [False]}},
        {"arms": {**BASE["arms"], "deep": {"set": {"lstm_layers": 4}}}},
        {"arms": {"both": {**BASE["arms"]["both"], "note": "a remark"}}},
        {"baseline": {**BASE["baseline"], "dropout_count": 3}},
    ],
)
def test_what_only_adds_or_words_anew_is_no_change(changed: dict[str, Any]) -> None:
    assert found_changes(**changed) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"margin": 0.01}, ["margin: was 0.005, is 0.01"]),
        (
            {"design": "factorial", "arms": None},
            ["design: was one-factor, is factorial", "arm both: gone"],
        ),
        ({"seeds": [0, 2]}, ["seeds: 1 gone"]),
        ({"factors": {"dropout": [0.1]}}, ["arm hidden_size=64: gone"]),
        ({"factors": {"hidden_size": [64], "dropout": [0.2, 0.1]}, "arms": None},
         ["arm both: gone"]),
        (
            {"factors": {"hidden_size": [32], "dropout": [0.1]}},
            ["arm hidden_size=64: gone"],
        ),
        (
            {"arms": {"both": {"set": {"hidden_size": 32, "dropout": 0.1},
                               "against": "dropout=0.1"}}},
            ["arm both: hidden_size was 64, is 32"],
        ),
        (
            {"arms": {"both": {"set": {"hidden_size": 64, "dropout": 0.1}}}},
            ["arm both: was compared with dropout=0.1"],
        ),
    ],
)  # fmt: skip
def test_what_makes_it_another_study_is_named(changed: dict[str, Any], expected: list[str]) -> None:
    assert found_changes(**changed) == expected


def test_another_baseline_changes_every_arm() -> None:
    found = found_changes(baseline={**BASE["baseline"], "lstm_layers": 2})
    assert found == [
        f"arm {name}: lstm_layers was 3, is 2"
        for name in ("baseline", "hidden_size=64", "dropout=0.1", "both")
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"search": {"trials": 60}}, []),
        ({"arms": {}}, ["arm wide: gone"]),
        ({"search": {"trials": 6, "seed": 1}}, ["search.seed: was 0, is 1"]),
        (
            {"search": {"trials": 6, "sampler": {"name": "random"}}},
            ["search.sampler: name was tpe, is random"],
        ),
        (
            {"search": {"trials": 6, "pruner": {"name": "median"}}},
            ["search.pruner: name was none, is median"],
        ),
        ({"limits": {"macs": 10**9}}, ["limits: was parameters=None macs=None, is"]),
        ({"confirm": {"top": 1, "seeds": 2}}, []),
    ],
)
def test_what_makes_a_search_another_study(changed: dict[str, Any], expected: list[str]) -> None:
    old = tomllib.loads(SEARCH)
    if "search" in changed:
        changed = {"search": {**changed["search"], "training": old["search"]["training"]}}
    found = changes(plan(SEARCH).space, plan(SEARCH, **changed).space)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


def test_other_factors_and_training_make_a_search_another_study() -> None:
    old = tomllib.loads(SEARCH)
    factors = {**old["factors"], "hidden_size": {"low": 64, "high": 512, "step": 64}}
    found = changes(plan(SEARCH).space, plan(SEARCH, factors=factors).space)
    assert found == ["factors.hidden_size: high was 384, is 512"]
    less = {name: given for name, given in old["factors"].items() if name != "hidden_size"}
    found = changes(plan(SEARCH).space, plan(SEARCH, factors=less, arms={}).space)
    assert "factors.hidden_size: gone" in found
    found = changes(plan(SEARCH, factors=less, arms={}).space, plan(SEARCH, arms={}).space)
    assert found == ["factors.hidden_size: added"]
    turned = {"dropout": less["dropout"], **less}
    found = changes(plan(SEARCH, factors=less, arms={}).space,
                    plan(SEARCH, factors=turned, arms={}).space)  # fmt: skip
    assert found[0].startswith("factors: were in the order ")
    trained = {"trials": 6, "training": {"epochs": 1}}
    found = changes(plan(SEARCH).space, plan(SEARCH, search=trained).space)
    assert found == ["search.training: epochs was 2, is 1, train_size was 100, is none"]


@pytest.mark.parametrize("name", ["bom.toml", "größe.toml"])
def test_a_byte_order_mark_is_no_part_of_a_space(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(SEARCH, encoding="utf-8-sig")
    assert load(str(path)).space.text == SEARCH


AVERAGED = {**BASE, "baseline": {"averaging": 0.9}}


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize(
    ("space", "outcome", "said"),
    [
        (BASE, {"over_last": 3}, "outcome.over_last: was 1, is 3"),
        (
            AVERAGED,
            {"of": "ema_val_accuracy"},
            "the figure that decides: was val_accuracy (maximize), is ema_val_accuracy (maximize)",
        ),
    ],
)
def test_an_outcome_may_change_until_verdicts_were_seen(
    space: dict[str, Any], outcome: dict[str, Any], said: str, looked: bool
) -> None:
    old, new = (
        build("mine", document(each)).space for each in (space, {**space, "outcome": outcome})
    )
    assert changes(old, new, looked=looked) == ([said] if looked else [])


def test_what_was_not_reported_cannot_decide_later() -> None:
    old = build("mine", document(BASE)).space
    new = build("mine", document({**AVERAGED, "outcome": {"of": "ema_val_accuracy"}})).space
    assert any(text.startswith("the figure that") for text in changes(old, new, looked=False))


def test_the_outcome_of_a_search_never_changes() -> None:
    old, new = plan(SEARCH).space, plan(SEARCH, outcome={"over_last": 2}).space
    assert changes(old, new, looked=False) == ["outcome.over_last: was 1, is 2"]
    assert changes(old, plan(SEARCH, outcome={"also": ["val_loss"]}).space) == []
