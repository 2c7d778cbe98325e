"""Settings as Optuna parameters, and back, held against Optuna itself."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from ablation.scheduling.distributions import as_drawn, designed, drawn, searched, suggest
from ablation.settings import Value, bounds, check
from ablation.space.reader import parse
from ablation.space.schema import Factor
from ablation.storage import create_trial, save_study
from crnn.network.config import FIELDS, SETTING_KEYS, Setting
from crnn.objective import objective
from tests.helpers.made.studies import HEAD, document

few = settings(derandomize=True, deadline=None, max_examples=60)


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Every value that a setting takes."""
    kind = FIELDS[name].annotation
    if kind is bool:
        return st.booleans()
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        low, high = bounds(get_args(get_args(kind)[0])[1].metadata)
        return st.tuples(*[st.integers(int(low), int(high))] * 3)
    low, high = bounds(FIELDS[name].metadata)
    if kind is int:
        return st.integers(int(low), int(high))
    return st.floats(low, high).filter(lambda value: _taken(name, value))


def _taken(name: str, value: float) -> bool:
    try:
        check(FIELDS[name], value)
    except ValueError:
        return False
    return True


SETTINGS = st.fixed_dictionaries({name: values_of(name) for name in SETTING_KEYS}).map(Setting.of)


@few
@given(SETTINGS)
def test_optuna_takes_every_setting(setting: Setting) -> None:
    params, distributions = designed(objective, setting, SETTING_KEYS)
    trial = optuna.trial.create_trial(params=params, distributions=distributions, value=0.5)
    study = optuna.create_study()
    study.add_trial(trial)
    assert study.trials[0].params == params


def test_blocks_are_parameters_of_their_own() -> None:
    params, distributions = designed(
        objective, Setting(), ["filter_sizes", "strides", "hidden_size"]
    )
    assert params == {
        "filter_1": 3, "filter_2": 3, "filter_3": 2,
        "stride_1": 2, "stride_2": 1, "stride_3": 1,
        "hidden_size": 128,
    }  # fmt: skip
    assert params.keys() == distributions.keys()


def test_a_later_trial_may_have_what_none_had_before(storage: RDBStorage) -> None:
    save_study(storage, "tiny", {})
    changes: list[dict[str, Any]] = [
        {},
        {"optimizer": "sgd", "batch_norm": False, "padding": "matched", "sequence": "columns"},
        {"filter_sizes": (15, 1, 7), "hidden_size": 4096, "learning_rate": 9.5, "lstm_layers": 0},
    ]
    for changed in changes:
        params, distributions = designed(objective, Setting().replace(**changed), SETTING_KEYS)
        create_trial(storage, "tiny", params, distributions, {})
    trials = optuna.load_study(study_name="tiny", storage=storage).trials
    assert [trial.params["optimizer"] for trial in trials] == ["adam", "sgd", "adam"]
    assert [trial.params["filter_1"] for trial in trials] == [3, 3, 15]


# A search's own parameters


def factor_of(name: str, given: Any) -> Factor:
    """A factor as a search's space file gives it."""
    values = {"design": "search", "search": {"trials": 1}, "factors": {name: given}}
    space, errors = parse("mine", HEAD + document(values))
    assert not errors
    return space.factor(name)


LISTED: dict[str, list[Value]] = {
    "filter_sizes": [(3, 3, 2), (2, 2, 2), (5, 5, 5)],
    "padding": ["source", "matched"],
    "batch_norm": [True, False],
    "hidden_size": [128, 64],
    "dropout": [0.25, 0.1, 0.0],
    "weight_decay": [0.0, 1e-5, 1e-4],
}
RANGES: dict[str, tuple[str, dict[str, Any], list[Value]]] = {
    "integers": ("pooling_count", {"low": 1, "high": 3}, [1, 2, 3]),
    "integers in steps": ("hidden_size", {"low": 64, "high": 256, "step": 64}, [64, 128, 256]),
    "integers on a log": ("batch_size", {"low": 8, "high": 512, "log": True}, [8, 100, 512]),
    "numbers": ("dropout", {"low": 0, "high": 0.5}, [0.0, 0.123, 0.5]),
    "numbers in steps": (
        "dropout",
        {"low": 0.0, "high": 0.4, "step": 0.05},
        [0.0, 0.05, 0.15, 0.3, 0.35, 0.4],
    ),
    "numbers on a log": (
        "learning_rate",
        {"low": 3e-4, "high": 3e-3, "log": True},
        [3e-4, 1.234e-3, 3e-3],
    ),
}


def assert_round_trip(factor: Factor, value: Value) -> None:
    held = as_drawn(value)
    trial = optuna.trial.FixedTrial({factor.name: held})
    back = drawn(factor, suggest(objective, trial, factor))  # type: ignore[arg-type]
    assert back == value
    assert type(back) is type(value)
    trials = optuna.create_study()
    trials.add_trial(
        optuna.trial.create_trial(
            params={factor.name: held},
            distributions={factor.name: searched(objective, factor)},
            value=0.5,
        )
    )


@pytest.mark.parametrize("name", LISTED)
def test_levels_go_to_optuna_and_back(name: str) -> None:
    factor = factor_of(name, [list(v) if isinstance(v, tuple) else v for v in LISTED[name]])
    for value in LISTED[name]:
        assert_round_trip(factor, value)


@pytest.mark.parametrize("kind", RANGES)
def test_ranges_go_to_optuna_and_back(kind: str) -> None:
    name, given_range, values = RANGES[kind]
    factor = factor_of(name, given_range)
    for value in values:
        assert factor.has(value)
        assert_round_trip(factor, value)


@few
@given(st.sampled_from(sorted(RANGES)), st.integers(0, 2**32 - 1))
def test_what_is_drawn_lies_in_the_range_and_on_its_steps(kind: str, seed: int) -> None:
    name, given_range, _ = RANGES[kind]
    factor = factor_of(name, given_range)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    value = drawn(factor, suggest(objective, study.ask(), factor))
    assert factor.has(value)
    assert check(FIELDS[name], value) == value


def test_steps_come_out_as_they_are_written() -> None:
    factor = factor_of("dropout", {"low": 0.0, "high": 0.4, "step": 0.05})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = {repr(drawn(factor, suggest(objective, study.ask(), factor))) for _ in range(200)}
    assert found == {"0.0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4"}
    assert repr(drawn(factor, 0.15000000000000002)) == "0.15"
