"""The network: its stages, its initial values, its dropout and its sequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

from crnn.config import ModelConfig
from crnn.model import CRNN, Dropout, Sequence
from tests.networks import plain

CPU = torch.device("cpu")
CHANGES: list[dict[str, Any]] = [
    {},
    {"sequence": "columns"},
    {"padding": "matched", "filter_sizes": (2, 4, 5)},
    {"conv_layers": 1, "embedding_dim": 32, "batch_norm": False},
    {"lstm_layers": 0, "dropout": 0.0},
    {"conv_layers": 2, "pooling_count": 1, "dropout_count": 1},
]


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def dropout(probability: float, seed: int = 0, name: str = "a", epoch: int = 1) -> Dropout:
    layer = Dropout(probability)
    layer.reseed(seed, name, epoch, CPU)
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


def test_no_lstm_leaves_the_lstm_out() -> None:
    network: Any = CRNN(ModelConfig(lstm_layers=0))
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
    network = CRNN(config)
    for kind, blocks in ((nn.MaxPool2d, pools), (Dropout, drops)):
        found = [name for name, module in network.named_modules() if isinstance(module, kind)]
        assert [name.partition(".")[0] for name in found] == [f"block{n}" for n in blocks]


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


# Dropout


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.25, 0.5, 0.95])
def test_dropout_keeps_the_right_share_in_every_lane_of_a_word(probability: float) -> None:
    count = 1 << 20
    kept = dropout(probability)(torch.ones(count)) != 0
    lanes = kept.view(-1, 4)  # four activations share one 64-bit draw
    right = 1 - round(probability * 65536) / 65536
    for part in (kept, *lanes.unbind(1)):
        spread = (right * (1 - right) / part.numel()) ** 0.5
        assert abs(part.double().mean().item() - right) < 5 * spread
    # Lanes are independent: each pair of them agrees as often as chance has it.
    agree = right**2 + (1 - right) ** 2
    spread = (agree * (1 - agree) / len(lanes)) ** 0.5
    for one in range(4):
        for other in range(one):
            share = (lanes[:, one] == lanes[:, other]).double().mean().item()
            assert abs(share - agree) < 5 * spread


@pytest.mark.parametrize("probability", [0.1, 0.25, 1 / 3, 0.95])
def test_dropout_scales_what_it_keeps_to_the_same_mean(probability: float) -> None:
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    out = dropout(probability)(x)
    kept = out != 0
    share = (65536 - round(probability * 65536)) / 65536  # exactly, of 65,536 bit patterns
    assert torch.equal(out[kept], x[kept] * torch.tensor(1 / share))


def test_dropout_of_every_bit_pattern_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    every = torch.arange(-32768, 32768).to(torch.int16).view(torch.int64)
    monkeypatch.setattr(Tensor, "random_", lambda words, *args, generator: words.copy_(every))
    for probability in (0.1, 0.25, 0.5, 0.95):
        out = dropout(probability)(torch.ones(65536))
        assert int((out == 0).sum()) == round(probability * 65536)
        assert out.double().mean().item() == pytest.approx(1.0, abs=1e-7)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(5, 3)
    layer = dropout(0.9).eval()
    assert layer(x) is x


@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (2, 3, 5, 7), (3, 1, 1, 1), (1, 5, 1, 3)])
@pytest.mark.parametrize("probability", [0.25, 0.5])
def test_dropout_takes_any_shape(shape: tuple[int, ...], probability: float) -> None:
    layer = dropout(probability)
    seen = torch.stack([layer(torch.ones(shape)) for _ in range(400)])
    assert seen.shape == (400, *shape)
    assert seen.unique().tolist() == pytest.approx([0.0, 1 / (1 - probability)])
    share = (seen != 0).double().mean(dim=0)  # of each position
    assert (share - (1 - probability)).abs().max() < 5 * 0.5 / 400**0.5


def test_dropout_keeps_the_memory_format() -> None:
    x = torch.rand(3, 5, 7, 9) + 1
    x = x.contiguous(memory_format=torch.channels_last)
    out = dropout(0.5)(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(out, torch.where(out != 0, 2 * x, 0.0))
    assert 0.4 < (out != 0).double().mean().item() < 0.6


def test_dropout_lets_gradients_pass_where_it_keeps() -> None:
    x = torch.ones(1000, requires_grad=True)
    out = dropout(0.25)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


def test_dropout_in_bf16_stays_in_bf16() -> None:
    out = dropout(0.25)(torch.ones(1000, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16
    assert set(out.unique().tolist()) == {0.0, torch.tensor(4 / 3).bfloat16().item()}


def test_dropout_masks_depend_on_seed_name_and_epoch_alone() -> None:
    x = torch.ones(1000)
    first = dropout(0.5)(x)
    torch.rand(7)
    assert torch.equal(dropout(0.5)(x), first)
    others = [dropout(0.5, seed=1), dropout(0.5, name="b"), dropout(0.5, epoch=2)]
    assert not any(torch.equal(layer(x), first) for layer in others)


def test_dropout_goes_on_in_its_stream_until_it_is_reseeded() -> None:
    layer, x = dropout(0.5), torch.ones(1000)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    layer.reseed(0, "a", 1, CPU)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer(x), second)


def test_every_layer_of_a_network_drops_out_by_itself() -> None:
    layers = [m for m in CRNN(ModelConfig()).modules() if isinstance(m, Dropout)]
    assert len(layers) == 3
    network, x = CRNN(ModelConfig(dropout=0.5)), torch.ones(1000)
    masks = []
    for seed, epoch in ((0, 1), (0, 2), (1, 1)):
        network.reseed(seed, epoch)
        masks += [m(x) for m in network.modules() if isinstance(m, Dropout)]
    assert len({tuple(mask.tolist()) for mask in masks}) == 9


def test_arms_share_the_masks_of_a_layer() -> None:
    masks = []
    for changes in ({"hidden_size": 256}, {"batch_norm": False, "conv_layers": 2}):
        network = CRNN(ModelConfig(**changes))  # type: ignore[arg-type]
        network.reseed(4, 2)
        block: Any = network.block2
        masks.append(block.dropout(torch.ones(1000)))
    assert torch.equal(*masks)
