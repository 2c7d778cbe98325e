"""Settings: their defaults, what they take, and what makes two of them the same arm."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ablation.settings import check, takes, text_of
from crnn.network.config import (
    FIELDS,
    MODEL_KEYS,
    SETTING_KEYS,
    TRAIN_KEYS,
    ModelConfig,
    Setting,
    TrainConfig,
)
from tests.helpers.made.networks import SAME

BASELINE = {
    "conv_layers": 3,
    "filter_sizes": (3, 3, 2),
    "channels": (32, 64, 128),
    "strides": (2, 1, 1),
    "pooling_count": 3,
    "padding": "source",
    "sequence": "flatten",
    "embedding_dim": 64,
    "hidden_size": 128,
    "lstm_layers": 3,
    "dropout": 0.25,
    "dropout_count": 3,
    "batch_norm": True,
    "epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.001,
    "schedule": "constant",
    "optimizer": "adam",
    "weight_decay": 0.0,
    "train_fraction": 0.7,
    "train_size": 60_000,
    "averaging": 0.0,
    "precision": "auto",
}
NOT_INTEGERS: list[object] = [True, 3.0, "3", None, [3], 10**30]
NOT_NUMBERS: list[object] = [True, "0.1", None, [0.1], math.nan, math.inf, -math.inf]
NOT_TUPLES: list[object] = [3, "3,3,2", [], [3, 3], [3, 3, 2, 2], [3, 3, 2.0], [3, 3, True]]
# name: what it takes in words, its extremes, values that it refuses
TAKES: dict[str, tuple[str, list[Any], list[Any]]] = {
    "conv_layers": ("an integer from 1 to 3", [1, 3], [0, 4, *NOT_INTEGERS]),
    "filter_sizes": (
        "a list of 3 integers from 1 to 15, one a block",
        [(1, 1, 1), (15, 15, 15)],
        [(0, 3, 2), (3, 3, 16), *NOT_TUPLES],
    ),
    "channels": (
        "a list of 3 integers from 1 to 1024, one a block",
        [(1, 1, 1), (1024, 1024, 1024)],
        [(0, 1, 1), (1, 1, 1025), *NOT_TUPLES],
    ),
    "strides": (
        "a list of 3 integers from 1 to 4, one a block",
        [(1, 1, 1), (4, 4, 4)],
        [(0, 1, 1), (1, 1, 5), *NOT_TUPLES],
    ),
    "pooling_count": ("an integer from 0 to 3", [0, 3], [-1, 4, *NOT_INTEGERS]),
    "padding": ("one of source, matched", ["source", "matched"], ["same", "Source", 1, None, []]),
    "sequence": ("one of flatten, columns", ["flatten", "columns"], ["rows", "", 1, None, []]),
    "embedding_dim": ("an integer from 1 to 8192", [1, 8192], [0, 8193, *NOT_INTEGERS]),
    "hidden_size": ("an integer from 1 to 4096", [1, 4096], [0, 4097, *NOT_INTEGERS]),
    "lstm_layers": ("an integer from 0 to 8", [0, 8], [-1, 9, *NOT_INTEGERS]),
    "dropout": ("a number from 0 to 0.95", [0.0, 0.95], [-0.1, 0.9500001, 1, *NOT_NUMBERS]),
    "dropout_count": ("an integer from 0 to 3", [0, 3], [-1, 4, *NOT_INTEGERS]),
    "batch_norm": ("true or false", [True, False], [0, 1, "true", None, []]),
    "epochs": ("an integer from 1 to 10000", [1, 10_000], [0, 10_001, *NOT_INTEGERS]),
    "batch_size": ("an integer from 1 to 60000", [1, 60_000], [0, 60_001, *NOT_INTEGERS]),
    "learning_rate": ("a number above 0, to 10", [1e-12, 10.0], [0.0, -1.0, 10.1, *NOT_NUMBERS]),
    "schedule": ("one of constant, cosine", ["constant", "cosine"], ["linear", 1, None, []]),
    "optimizer": ("one of adam, adamw, sgd", ["adam", "adamw", "sgd"], ["Adam", 1, None, []]),
    "weight_decay": ("a number from 0 to 10", [0.0, 10.0], [-1e-9, 10.1, *NOT_NUMBERS]),
    "train_fraction": ("a number above 0, below 1", [1e-9, 0.999], [0.0, 1.0, *NOT_NUMBERS]),
    "train_size": ("an integer from 10 to 60000", [10, 60_000], [9, 60_001, *NOT_INTEGERS]),
    "averaging": ("a number from 0, below 1", [0.0, 0.9999], [-1e-9, 1.0, *NOT_NUMBERS]),
    "precision": ("one of auto, fp32, bf16", ["auto", "fp32", "bf16"], ["fp16", 32, None, []]),
}
# A change of each setting that makes another network or another training of the baseline.
DIFFERENT: dict[str, Any] = {
    "conv_layers": 2,
    "filter_sizes": (3, 3, 3),
    "channels": (32, 64, 64),
    "strides": (1, 1, 1),
    "pooling_count": 2,
    "sequence": "columns",
    "embedding_dim": 128,
    "hidden_size": 256,
    "lstm_layers": 2,
    "dropout": 0.1,
    "dropout_count": 2,
    "batch_norm": False,
    "epochs": 19,
    "batch_size": 63,
    "learning_rate": 0.002,
    "schedule": "cosine",
    "optimizer": "sgd",
    "weight_decay": 1e-9,
    "train_fraction": 0.8,
    "train_size": 59_999,
    "averaging": 0.998,
}


def triples(low: int, high: int) -> st.SearchStrategy[tuple[int, int, int]]:
    one = st.integers(low, high)
    return st.tuples(one, one, one)


models = st.builds(
    ModelConfig,
    conv_layers=st.integers(1, 3),
    filter_sizes=triples(1, 15),
    channels=triples(1, 1024),
    strides=triples(1, 4),
    pooling_count=st.integers(0, 3),
    padding=st.sampled_from(["source", "matched"]),
    sequence=st.sampled_from(["flatten", "columns"]),
    embedding_dim=st.integers(1, 8192),
    hidden_size=st.integers(1, 4096),
    lstm_layers=st.integers(0, 8),
    dropout=st.floats(0, 0.95),
    dropout_count=st.integers(0, 3),
    batch_norm=st.booleans(),
)
trainings = st.builds(
    TrainConfig,
    epochs=st.integers(1, 10_000),
    batch_size=st.integers(1, 60_000),
    learning_rate=st.floats(0, 10, exclude_min=True),
    schedule=st.sampled_from(["constant", "cosine"]),
    optimizer=st.sampled_from(["adam", "adamw", "sgd"]),
    weight_decay=st.floats(0, 10),
    train_fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
    train_size=st.integers(10, 60_000),
    averaging=st.floats(0, 1, exclude_max=True),
    precision=st.sampled_from(["auto", "fp32", "bf16"]),
)
settings = st.builds(Setting, model=models, train=trainings)


# Defaults and checks


def test_the_defaults_are_the_sources_baseline() -> None:
    assert Setting().values() == BASELINE
    assert Setting().train.images() == (42_000, 18_000)


def test_every_setting_is_in_the_tables_of_this_file() -> None:
    assert list(BASELINE) == list(SETTING_KEYS) == [*MODEL_KEYS, *TRAIN_KEYS]
    assert list(TAKES) == list(SETTING_KEYS)
    assert {*DIFFERENT, "padding", "precision"} == set(SETTING_KEYS)


@pytest.mark.parametrize("name", TAKES)
def test_a_setting_takes_what_it_says_and_nothing_else(name: str) -> None:
    words, extremes, refused = TAKES[name]
    assert takes(FIELDS[name]) == words
    for value in extremes:
        assert check(FIELDS[name], value) == value
        assert type(check(FIELDS[name], value)) is type(value)
        assert Setting.of({name: value}).values()[name] == value
    for value in refused:
        with pytest.raises(ValueError, match=words):
            check(FIELDS[name], value)
        with pytest.raises(ValidationError):
            Setting.of({name: value})


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("hidden_size", "256", '"256"'),
        ("hidden_size", True, "true"),
        ("epochs", 3.0, "3.0"),
        ("dropout", 0.9500001, "0.9500001"),
        ("filter_sizes", (3, 3), "[3, 3]"),
        ("filter_sizes", [], "[]"),
        ("learning_rate", math.nan, "NaN"),
    ],
)
def test_a_refusal_shows_the_value_as_it_was_written(name: str, value: object, shown: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared
        check(FIELDS[name], value)
    assert str(refusal.value) == f"{shown} is not {takes(FIELDS[name])}"


def test_lists_and_whole_numbers_become_what_the_setting_holds() -> None:
    assert check(FIELDS["filter_sizes"], [5, 5, 5]) == (5, 5, 5)
    assert Setting.of({"filter_sizes": [5, 5, 5]}) == Setting.of({"filter_sizes": (5, 5, 5)})
    whole = check(FIELDS["learning_rate"], 1)
    assert (whole, type(whole)) == (1.0, float)
    assert Setting.of({"dropout": 0}).digest == Setting.of({"dropout": 0.0}).digest


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(KeyError, match="no such setting: hiden_size, sead"):
        Setting.of({"hiden_size": 1, "epochs": 2, "sead": 3})
    with pytest.raises(KeyError, match="no such setting: hiden_size"):
        Setting().replace(hiden_size=1)
    with pytest.raises(ValidationError):
        ModelConfig(hiden_size=1)  # type: ignore[call-arg]


def test_settings_are_frozen() -> None:
    setting = Setting()
    for part, name, value in (
        (setting, "model", ModelConfig()),
        (setting.model, "hidden_size", 256),
        (setting.train, "epochs", 1),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), ((3, 3, 2), "3,3,2"), ([1, 2], "1,2"), (0.1, "0.1"),
     (1e-3, "0.001"), (1.0, "1"), (256, "256"), ("columns", "columns")],
)  # fmt: skip
def test_values_as_text(value: object, text: str) -> None:
    assert text_of(value) == text


# Round trips


@given(settings)
def test_a_setting_is_its_flat_values(setting: Setting) -> None:
    values = setting.values()
    assert list(values) == list(SETTING_KEYS)
    assert Setting.of(values) == setting
    assert all(check(FIELDS[name], value) == value for name, value in values.items())


@given(settings)
def test_a_setting_survives_json(setting: Setting) -> None:
    again = Setting.of(json.loads(json.dumps(setting.values())))
    assert again == setting
    assert again.digest == setting.digest


@given(settings, settings, st.sampled_from(SETTING_KEYS))
def test_replace_changes_what_it_names_and_nothing_else(
    one: Setting, other: Setting, name: str
) -> None:
    before = one.values()
    value = other.values()[name]
    assert one.replace(**{name: value}).values() == {**before, name: value}
    assert one.values() == before


def test_replace_validates() -> None:
    with pytest.raises(ValidationError):
        Setting().replace(hidden_size=0)


# The network's settings


def test_the_first_blocks_pool_and_the_last_drop_out() -> None:
    model = ModelConfig(pooling_count=1, dropout=0.3, dropout_count=2)
    assert [model.pools(block) for block in range(3)] == [True, False, False]
    assert [model.dropout_of(block) for block in range(3)] == [0.0, 0.3, 0.3]


def test_pooling_and_dropout_are_capped_at_the_blocks_there_are() -> None:
    model = ModelConfig(conv_layers=2, pooling_count=3, dropout=0.3, dropout_count=3)
    assert [model.pools(block) for block in range(2)] == [True, True]
    assert [model.dropout_of(block) for block in range(2)] == [0.3, 0.3]
    model = ModelConfig(conv_layers=2, dropout=0.3, dropout_count=1)
    assert [model.dropout_of(block) for block in range(2)] == [0.0, 0.3]


@pytest.mark.parametrize(
    ("filter_sizes", "paddings"),
    [
        ((3, 3, 2), ((1, 1), (1, 1), (2, 2))),
        ((2, 2, 2), ((0, 1), (0, 1), (2, 2))),
        ((3, 3, 3), ((1, 1), (1, 1), (2, 3))),
        ((5, 4, 5), ((2, 2), (1, 2), (3, 4))),
    ],
)
def test_matched_padding_puts_the_odd_pixel_behind(
    filter_sizes: tuple[int, int, int], paddings: object
) -> None:
    assert ModelConfig(padding="matched", filter_sizes=filter_sizes).paddings() == paddings


def test_source_padding_is_the_same_for_every_filter() -> None:
    model = ModelConfig(conv_layers=2, filter_sizes=(5, 2, 7))
    assert model.paddings() == ((1, 1), (1, 1))


@given(trainings)
def test_the_images_are_cut_in_two(config: TrainConfig) -> None:
    train, validate = config.images()
    assert train + validate == config.train_size
    assert abs(train - config.train_size * config.train_fraction) <= 0.5


# The digest: what makes two settings the same arm


@pytest.mark.parametrize(
    ("values", "digest"),
    [
        ({}, "5e5ce22245da6c3e"),
        ({"averaging": 0.0}, "5e5ce22245da6c3e"),
        ({"filter_sizes": (5, 5, 5), "dropout": 0.1, "epochs": 3, "conv_layers": 2},
         "2d863e6d8e85e3b4"),
        ({"hidden_size": 256}, "a50388bdebb5f8d8"),
        ({"optimizer": "sgd", "learning_rate": 0.01, "schedule": "cosine"}, "6f6d348e852b7330"),
        ({"lstm_layers": 0, "batch_norm": False}, "70461ac607f6eb7d"),
        ({"dropout": 0.1, "epochs": 3, "train_size": 12_000}, "1dc63e73ca56839f"),
        ({"conv_layers": 2, "weight_decay": 0.01, "optimizer": "adamw"}, "98cda2b54a939fa8"),
    ],
)  # fmt: skip
def test_a_digest_is_the_same_in_every_process_and_version(
    values: dict[str, Any], digest: str
) -> None:
    # Finished trials are found again by it: where it must change, old studies cannot go on.
    assert Setting.of(values).digest == digest


@pytest.mark.parametrize("what", SAME)
def test_what_has_no_effect_makes_no_other_digest(what: str) -> None:
    values, change = SAME[what]
    setting = Setting.of(values)
    changed = setting.replace(**change)
    assert changed != setting
    assert changed.digest == setting.digest


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_has_an_effect_makes_another_digest(name: str) -> None:
    assert Setting().replace(**{name: DIFFERENT[name]}).digest != Setting().digest


def test_no_two_of_these_settings_share_a_digest() -> None:
    changed = [Setting().replace(**{name: value}) for name, value in DIFFERENT.items()]
    assert len({setting.digest for setting in changed}) == len(changed)


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ({"filter_sizes": (2, 2, 2)}, {"padding": "matched"}),
        ({"dropout_count": 1}, {"dropout_count": 2}),
        ({"conv_layers": 2}, {"filter_sizes": (3, 5, 2)}),
        ({"sequence": "columns"}, {"hidden_size": 256}),
        ({"weight_decay": 0.01}, {"optimizer": "adamw"}),
        ({"lstm_layers": 0}, {"pooling_count": 2}),
    ],
)
def test_what_has_an_effect_only_beside_another_setting(
    values: dict[str, Any], change: dict[str, Any]
) -> None:
    setting = Setting.of(values)
    assert setting.replace(**change).digest != setting.digest


def test_taking_the_digest_leaves_a_setting_as_it_was() -> None:
    asked, fresh = Setting(), Setting()
    assert len(asked.digest) == 16
    assert asked == fresh
    assert hash(asked) == hash(fresh)
