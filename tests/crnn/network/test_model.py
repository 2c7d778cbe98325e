"""The network: its stages, its initial values, its dropout and its sequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.stats import ks_2samp
from torch import Tensor, nn

from crnn.network.config import ModelConfig
from crnn.network.dropout import Masks
from crnn.network.model import CRNN, Activation, Sequence, reseed
from tests.helpers.made.networks import plain

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
FILTERS: list[dict[str, Any]] = [
    {"filter_sizes": (size, size, size), "padding": padding, "channels": (4, 6, 8)}
    for size in (2, 3, 5)
    for padding in ("source", "matched")
]
CHANGES: list[dict[str, Any]] = [
    {},
    {"sequence": "columns"},
    {"padding": "matched", "filter_sizes": (2, 4, 5)},
    {"conv_layers": 1, "embedding_dim": 32, "batch_norm": False},
    {"lstm_layers": 0, "dropout": 0.0},
    {"conv_layers": 2, "pooling_count": 1, "dropout_count": 1},
    *({**filters, "lstm_layers": 0} for filters in FILTERS),
]


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def activation(network: CRNN, block: int) -> Activation:
    layer = network.get_submodule(f"block{block}.activation")
    assert isinstance(layer, Activation)
    return layer


# Stages


@pytest.mark.parametrize("changes", CHANGES)
def test_stages_one_by_one_are_the_whole(changes: dict[str, Any]) -> None:
    network = CRNN(ModelConfig(**changes), seed=1).eval()
    x = images()
    for _, stage in network.named_children():
        x = stage(x)
    assert torch.equal(x, network(images()))
    assert x.shape == (4, 10)


@pytest.mark.parametrize("changes", CHANGES)
def test_it_computes_what_plain_pytorch_does(changes: dict[str, Any]) -> None:
    config = ModelConfig(**changes)
    network, reference = CRNN(config).eval(), plain(config).eval()
    with torch.no_grad():
        for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
            theirs.copy_(ours)
    torch.testing.assert_close(network(images()), reference(images()))


@pytest.mark.parametrize(
    ("changes", "padded"),
    [
        ({}, [3]),  # 2 pixels for a filter of 2
        ({"filter_sizes": (5, 5, 5)}, []),
        ({"filter_sizes": (2, 2, 2)}, [3]),
        ({"filter_sizes": (1, 1, 4)}, [1, 2]),
        ({"padding": "matched", "filter_sizes": (3, 3, 5)}, [3]),  # 3 and 4 pixels
        ({"padding": "matched", "filter_sizes": (2, 4, 15)}, [1, 2, 3]),
    ],
)
def test_padding_that_is_slow_in_a_convolution_is_a_layer_of_its_own(
    changes: dict[str, Any], padded: list[int]
) -> None:
    network = CRNN(ModelConfig(**changes, lstm_layers=0))
    layers = {n: dict(network.get_submodule(f"block{n}").named_children()) for n in (1, 2, 3)}
    assert [n for n, block in layers.items() if "pad" in block] == padded
    assert all([*block][-3:] == ["conv", "batch_norm", "activation"] for block in layers.values())


def test_no_lstm_leaves_the_lstm_out() -> None:
    network: Any = CRNN(ModelConfig(lstm_layers=0)).eval()
    assert not any(isinstance(module, nn.LSTM | Sequence) for module in network.modules())
    assert (
        network.flatten(network.block3(network.block2(network.block1(images())))).shape[1] == 1152
    )


@pytest.mark.parametrize(("batch_norm", "count"), [(True, 3), (False, 0)])
def test_batch_norm_is_in_every_block_or_in_none(batch_norm: bool, count: int) -> None:
    modules = CRNN(ModelConfig(batch_norm=batch_norm)).modules()
    assert sum(isinstance(module, nn.BatchNorm2d) for module in modules) == count


@pytest.mark.parametrize(
    ("conv_layers", "pooling_count", "dropout_count", "pools", "drops"),
    [
        (3, 3, 3, [1, 2, 3], [1, 2, 3]),
        (3, 1, 1, [1], [3]),
        (3, 2, 2, [1, 2], [2, 3]),
        (2, 3, 3, [1, 2], [1, 2]),
        (2, 1, 1, [1], [2]),
        (3, 0, 0, [], []),
    ],
)
def test_the_first_blocks_pool_and_the_last_drop_out(
    conv_layers: int, pooling_count: int, dropout_count: int, pools: list[int], drops: list[int]
) -> None:
    config = ModelConfig(
        conv_layers=conv_layers,
        pooling_count=pooling_count,
        dropout_count=dropout_count,
        lstm_layers=0,
    )
    network = CRNN(config).eval()
    found = {n: activation(network, n) for n in range(1, conv_layers + 1)}
    assert [n for n, layer in found.items() if layer.pools] == pools
    assert [n for n, layer in found.items() if layer.dropout] == drops
    x = torch.ones(1, 1, 8, 8)
    assert [n for n, layer in found.items() if layer(x).shape == (1, 1, 4, 4)] == pools


def test_the_odd_pixel_of_matched_padding_is_right_and_below() -> None:
    config = ModelConfig(
        conv_layers=1,
        filter_sizes=(2, 2, 2),
        strides=(1, 1, 1),
        channels=(1, 1, 1),
        padding="matched",
        pooling_count=0,
        batch_norm=False,
        lstm_layers=0,
    )
    block: Any = CRNN(config).block1
    with torch.no_grad():
        block.conv.weight.fill_(1.0)
        block.conv.bias.fill_(0.0)
    pixels_seen = block.eval()(torch.ones(1, 1, 28, 28))[0, 0]
    expected = torch.full((28, 28), 4.0)
    expected[-1, :] = expected[:, -1] = 2.0
    expected[-1, -1] = 1.0
    assert torch.equal(pixels_seen, expected)


# The sequence


def test_a_step_of_columns_is_a_column_with_its_channels_times_its_height() -> None:
    x = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    steps = Sequence(ModelConfig(sequence="columns"))(x)
    assert steps.shape == (2, 5, 12)
    for number in range(5):
        for channel in range(3):
            assert torch.equal(
                steps[:, number, channel * 4 : channel * 4 + 4], x[:, channel, :, number]
            )


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_flatten_cuts_the_map_channel_by_channel(memory_format: torch.memory_format) -> None:
    x = torch.arange(2 * 4 * 3 * 3).reshape(2, 4, 3, 3)
    steps = Sequence(ModelConfig(embedding_dim=12))(x.contiguous(memory_format=memory_format))
    assert torch.equal(steps, torch.arange(72).reshape(2, 3, 12))


# Initial values


def alike(name: str, one: dict[str, nn.Parameter], other: dict[str, nn.Parameter]) -> bool:
    return name in other and one[name].shape == other[name].shape


def test_initial_values_depend_on_seed_and_name_alone() -> None:
    reference = dict(CRNN(ModelConfig(), seed=3).named_parameters())
    arms: list[dict[str, Any]] = [
        {"hidden_size": 256},
        {"pooling_count": 2},
        {"dropout": 0.1, "dropout_count": 1},
        {"batch_norm": False},
        {"conv_layers": 2},
        {"lstm_layers": 1},
        {"padding": "matched", "filter_sizes": (3, 3, 5)},
    ]
    for changes in arms:
        network = dict(CRNN(ModelConfig(**changes), seed=3).named_parameters())
        shared = [
            torch.equal(parameter, reference[name])
            for name, parameter in network.items()
            if alike(name, network, reference)
            # A bias's bound depends on its layer's fan-in, which the weight's shape shows.
            and alike(name.replace("bias", "weight"), network, reference)
        ]
        assert len(shared) >= 10
        assert all(shared), changes


def test_initial_values_differ_by_seed_and_from_parameter_to_parameter() -> None:
    drawn = [
        parameter.flatten()[:8].tolist()
        for seed in (0, 1)
        for name, parameter in CRNN(ModelConfig(), seed).named_parameters()
        if "batch_norm" not in name
    ]
    assert len({tuple(values) for values in drawn}) == len(drawn) == 2 * (6 + 12 + 6)


@pytest.mark.parametrize(
    "changes", [{}, {"hidden_size": 48, "filter_sizes": (5, 4, 3), "sequence": "columns"}]
)
def test_initial_values_are_spread_as_pytorchs_own(changes: dict[str, Any]) -> None:
    config = ModelConfig(**changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # one p-value in a thousand is below the limit
        reference = plain(config).parameters()
    for (name, ours), theirs in zip(CRNN(config).named_parameters(), reference, strict=True):
        if "batch_norm" in name:
            assert torch.equal(ours, theirs), name
            continue
        one, other = ours.detach().flatten(), theirs.detach().flatten()
        assert ks_2samp(one.numpy(), other.numpy()).pvalue > 1e-3, name
        if len(one) > 1000:  # then both come close to their bounds
            bounds = [one.max(), -one.min(), other.max(), -other.min()]
            torch.testing.assert_close(torch.stack(bounds), bounds[0].expand(4), rtol=0.02, atol=0)


def test_building_a_network_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    one = CRNN(ModelConfig(), seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    other = CRNN(ModelConfig(), seed=0)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


# Activation: ReLU, dropout and pooling at once


def ready(dropout: float, pools: bool = False) -> Activation:
    """A layer at the start of an epoch."""
    layer = Activation(dropout, pools)
    if layer.masks:
        layer.masks.reseed(0, "a", 1, 2, CPU)
    return layer


def normal(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return drawn.contiguous(memory_format=torch.channels_last)


def masks_of(dropout: float, like: Tensor) -> Tensor:
    """What the layer's masks multiply activations by, scale and all, drawn once more."""
    masks = ready(dropout).masks
    assert masks
    return (masks.draw(like.shape) * masks.scale).to(like.dtype)


# Exactly: masks are 0 or 1, and a maximum is the same before and after multiplying by a scale.
# In bf16 other scales than 2 are rounded, and two activations may become equal.
@pytest.mark.parametrize("pools", [True, False])
@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize(
    ("dropout", "dtype"),
    [
        (0.25, torch.float32),
        (0.1, torch.float32),
        (0.9, torch.float32),
        (0.5, torch.bfloat16),
    ],
)
def test_activation_is_relu_dropout_and_pooling(
    dropout: float, dtype: torch.dtype, channels: int, pools: bool
) -> None:
    x = normal(16, channels, 14, 15).to(dtype).requires_grad_()
    expected = F.relu(x) * masks_of(dropout, like=x)
    expected = F.max_pool2d(expected, 2) if pools else expected
    grad = normal(*expected.shape, seed=1).to(dtype)
    (slope,) = torch.autograd.grad(expected, x, grad)

    y = ready(dropout, pools)(x)
    y.backward(grad)
    assert y.dtype == dtype
    assert torch.equal(y, expected)
    assert x.grad is not None
    assert torch.equal(x.grad, slope)
    for tensor in (y, x.grad):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_activation_leaves_its_input_as_it_was() -> None:
    x = normal(2, 4, 6, 6)
    for pools in (True, False):
        ready(0.5, pools=pools)(x)
    assert torch.equal(x, normal(2, 4, 6, 6))


@pytest.mark.parametrize("pools", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.9])
def test_evaluation_drops_nothing_out(dropout: float, pools: bool) -> None:
    x = normal(2, 4, 6, 6)
    layer = Activation(dropout, pools).eval()  # which was never given a seed
    assert torch.equal(layer(x), F.relu(F.max_pool2d(x, 2) if pools else x))


@pytest.mark.parametrize("pools", [True, False])
def test_nan_gets_through_where_it_is_kept(pools: bool) -> None:
    x = torch.full((4, 8, 6, 6), torch.nan).requires_grad_()
    kept = masks_of(0.5, like=x) != 0
    y = ready(0.5, pools=pools)(x)
    assert torch.equal(y.isnan(), F.max_pool2d(kept.float(), 2) > 0 if pools else kept)
    y.sum().backward()
    assert x.grad is not None
    assert int(x.grad.count_nonzero()) == int(y.isnan().sum())


def masks_drawn(network: CRNN, shape: torch.Size) -> list[Tensor]:
    layers = [activation(network, block) for block in range(1, network.config.conv_layers + 1)]
    return [layer.masks.draw(shape) for layer in layers if layer.masks]


def test_every_layer_of_a_network_drops_out_by_itself() -> None:
    network, shape = CRNN(ModelConfig(dropout=0.5)), torch.Size((10, 4, 5, 5))
    masks = []
    for seed, epoch in ((0, 1), (0, 2), (1, 1)):
        reseed(network, seed, epoch, 1)
        masks += masks_drawn(network, shape)
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == 9


def test_arms_share_the_masks_of_a_layer() -> None:
    arms: list[dict[str, Any]] = [{"hidden_size": 256}, {"batch_norm": False, "conv_layers": 2}]
    masks = []
    for changes in arms:
        network = CRNN(ModelConfig(**changes))
        reseed(network, 4, 2, 5)
        masks.append(masks_drawn(network, torch.Size((10, 64, 7, 7)))[1])
    assert torch.equal(*masks)


@pytest.mark.parametrize("changes", [{}, {"pooling_count": 1, "dropout": 0.5}])
def test_without_a_seed_of_its_own_it_drops_out_as_pytorch_does(changes: dict[str, Any]) -> None:
    network, reference = CRNN(ModelConfig(**changes)).train(), plain(ModelConfig(**changes))
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    outputs = []
    for model in (network, reference):
        torch.manual_seed(3)
        outputs.append(model(images()))
    torch.testing.assert_close(*outputs)
    torch.manual_seed(4)
    assert not torch.allclose(network(images()), outputs[0])
    outputs[0].sum().backward()  # it can be trained
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_mask_without_a_seed_is_refused() -> None:
    with pytest.raises(RuntimeError, match="reseed"):
        Masks(0.5).draw(torch.Size((1, 1, 2, 2)))
