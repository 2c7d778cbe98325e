"""Shape arithmetic against the source's figures and against what PyTorch really does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from ablation.design.loading import load
from ablation.space.reader import shipped
from crnn.network.config import ModelConfig
from crnn.network.model import CRNN
from crnn.network.shapes import InfeasibleError, infeasible_because, shapes
from crnn.objective import objective, own_setting
from tests.helpers.made.networks import Outputs, Steps, count_macs, count_parameters, plain

pytestmark = pytest.mark.usefixtures("one_thread")

MOST_STEPS = 200  # of an LSTM in a random network: counting its operations takes 1 ms a step


def triples(one: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, int, int]]:
    return st.tuples(one, one, one)


small_models = st.builds(
    ModelConfig,
    conv_layers=st.integers(1, 3),
    filter_sizes=triples(st.integers(1, 9) | st.integers(1, 15)),
    channels=triples(st.sampled_from([1, 3, 4, 8])),
    strides=triples(st.integers(1, 4)),
    pooling_count=st.integers(0, 3),
    padding=st.sampled_from(["source", "matched"]),
    sequence=st.sampled_from(["flatten", "columns"]),
    embedding_dim=st.sampled_from([1, 2, 3, 4, 8, 16, 36, 64]),
    hidden_size=st.integers(1, 6),
    lstm_layers=st.integers(0, 2),
    dropout=st.sampled_from([0.0, 0.25]),
    dropout_count=st.integers(0, 3),
    batch_norm=st.booleans(),
)


def compare(config: ModelConfig) -> None:
    """Hold every figure of `config` against the network in plain PyTorch and against `CRNN`."""
    expected = shapes(config)
    for network in (plain(config), CRNN(config)):
        assert count_parameters(network) == expected.parameters
        assert count_macs(network) == expected.macs
    compare_steps(config)
    compare_stages(config)


@torch.no_grad()
def compare_steps(config: ModelConfig) -> None:
    steps, x = 0, torch.zeros(1, 1, 28, 28)
    for layer in plain(config).eval():
        x = layer(x)
        steps = x.shape[1] if isinstance(layer, Steps | Outputs) else steps
    assert steps == shapes(config).sequence_length


@torch.no_grad()
def compare_stages(config: ModelConfig) -> None:
    network, x = CRNN(config).eval(), torch.zeros(1, 1, 28, 28)
    children, stages = dict(network.named_children()), shapes(config).stages
    assert list(children) == [stage.name for stage in stages]
    for stage in stages:
        x = children[stage.name](x)
        assert tuple(x.shape[1:]) == stage.shape, stage.name
        assert count_parameters(children[stage.name]) == stage.parameters, stage.name


# The source's figures


@pytest.mark.parametrize(
    ("changes", "steps", "parameters"),
    [
        ({}, 18, 719_626),
        ({"pooling_count": 2}, 72, 1_604_362),
        ({"filter_sizes": (2, 2, 2)}, 18, None),
        ({"filter_sizes": (3, 3, 3)}, 8, None),
        ({"filter_sizes": (5, 5, 5)}, 2, None),
        ({"hidden_size": 256}, 18, 2_033_418),
        ({"hidden_size": 256, "dropout": 0.1}, 18, 2_033_418),
        ({"dropout": 0.1}, 18, 719_626),
        ({"dropout": 0.1, "dropout_count": 1}, 18, 719_626),
        ({"conv_layers": 2}, 9, None),
    ],
)
def test_the_sources_arms_have_its_steps_and_parameters(
    changes: dict[str, Any], steps: int, parameters: int | None
) -> None:
    found = shapes(ModelConfig(**changes))
    assert found.sequence_length == steps
    assert found.parameters == (parameters or found.parameters)


def test_the_baseline_has_the_sources_stages() -> None:
    assert {stage.name: stage.shape for stage in shapes(ModelConfig()).stages} == {
        "block1": (32, 7, 7),
        "block2": (64, 3, 3),
        "block3": (128, 3, 3),
        "sequence": (18, 64),
        "lstm": (18, 128),
        "flatten": (2304,),
        "linear1": (128,),
        "linear2": (64,),
        "linear3": (10,),
    }


@pytest.mark.parametrize("filter_sizes", list(itertools.product(range(2, 6), repeat=3)))
def test_matched_padding_keeps_the_sources_maps(filter_sizes: tuple[int, int, int]) -> None:
    for blocks, side in ((1, 14), (2, 7), (3, 6)):  # before the last block's pooling
        model = ModelConfig(
            padding="matched",
            filter_sizes=filter_sizes,
            conv_layers=blocks,
            pooling_count=blocks - 1,
        )
        block = {stage.name: stage for stage in shapes(model).stages}[f"block{blocks}"]
        assert block.shape[1:] == (side, side)
    whole = ModelConfig(padding="matched", filter_sizes=filter_sizes)
    assert shapes(whole).sequence_length == 18


# Agreement with PyTorch


@pytest.mark.slow
@pytest.mark.parametrize(
    "space",
    [  # the largest among the slow
        pytest.param(name, marks=pytest.mark.slow if name == "source" else ()) for name in shipped()
    ],
)
def test_every_arm_of_a_shipped_space_is_as_computed(space: str) -> None:
    arms = {own_setting(arm.setting).model: arm for arm in load(space).arms}
    for model, arm in arms.items():
        compare(model)
        counted = shapes(model)
        size = objective.size(arm.setting)
        assert (size.parameters, size.macs) == (counted.parameters, counted.macs)
        assert size.steps == counted.sequence_length


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(small_models)
def test_random_settings_are_as_computed_or_as_refused(model: ModelConfig) -> None:
    if infeasible_because(model) is None:
        assume(shapes(model).sequence_length <= MOST_STEPS)
        event("feasible")
        compare(model)
        return
    event("infeasible")
    with pytest.raises(RuntimeError):
        plain(model)
    with pytest.raises(InfeasibleError):
        CRNN(model)


# What cannot be


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"filter_sizes": (15, 15, 15)},
            "block 2: a filter of 15 does not fit its map of 4 x 4 (6 with padding)",
        ),
        (
            {"filter_sizes": (3, 3, 8)},
            "block 3: a filter of 8 does not fit its map of 3 x 3 (7 with padding)",
        ),
        (
            {"filter_sizes": (3, 3, 7)},
            "block 3: the map vanishes, 1 x 1 is too small for 2 x 2 pooling",
        ),
        (
            {"strides": (4, 4, 1), "conv_layers": 2, "filter_sizes": (3, 5, 2)},
            "block 2: the map vanishes, 1 x 1 is too small for 2 x 2 pooling",
        ),
        (
            {"embedding_dim": 100},
            "block 3: its flattened map of 128 x 3 x 3 = 1152 features does not divide into steps "
            "of embedding_dim = 100",
        ),
        (
            {"conv_layers": 1, "embedding_dim": 65},
            "block 1: its flattened map of 32 x 7 x 7 = 1568 features does not divide into steps "
            "of embedding_dim = 65",
        ),
    ],
)
def test_a_refusal_names_the_block_and_the_reason(changes: dict[str, Any], message: str) -> None:
    model = ModelConfig(**changes)
    assert infeasible_because(model) == message
    with pytest.raises(InfeasibleError) as refusal:
        shapes(model)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"filter_sizes": (3, 3, 7), "pooling_count": 2},  # nothing pools the 1 x 1 map
        {"filter_sizes": (3, 3, 15), "conv_layers": 2},
        {"embedding_dim": 100, "lstm_layers": 0},
        {"embedding_dim": 100, "sequence": "columns"},
        {"embedding_dim": 1152},  # one step
    ],
)
def test_what_can_be_is_not_refused(changes: dict[str, Any]) -> None:
    model = ModelConfig(**changes)
    assert infeasible_because(model) is None
    plain(model)


def test_no_lstm_has_no_steps() -> None:
    found = shapes(ModelConfig(lstm_layers=0))
    assert found.sequence_length == 0
    names = [stage.name for stage in found.stages]
    assert names == ["block1", "block2", "block3", "flatten", "linear1", "linear2", "linear3"]
