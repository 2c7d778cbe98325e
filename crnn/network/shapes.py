"""Shape arithmetic without torch: stages, sequence length, parameters, multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from crnn.data.classes import IMAGE_SIDE
from crnn.network.config import HEAD, ModelConfig


class InfeasibleError(ValueError):
    """A setting that cannot exist as a network; the message names the block and the reason."""


@dataclass(frozen=True)
class Stage:
    """One stage of the forward pass.

    Attributes:
        name: ``block1`` to ``block3``, ``sequence``, ``lstm``, ``flatten``, ``linear1`` to
            ``linear3``: the names of the network's own stages.
        shape: the output for one image, without the batch.
        parameters: trainable parameters.
        macs: multiply-accumulates of convolutions and matrix products, one image, forward.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Shapes:
    """What a setting comes to. `sequence_length` is the LSTM's steps, 0 without an LSTM."""

    stages: tuple[Stage, ...]
    sequence_length: int

    @property
    def parameters(self) -> int:
        """Trainable parameters of the whole network."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image's forward pass."""
        return sum(stage.macs for stage in self.stages)


def shapes(model: ModelConfig) -> Shapes:
    """Walk one image through the network.

    Raises:
        InfeasibleError: the map vanishes in a block, or the flattened map does not divide into
            steps of ``embedding_dim``.
    """
    stages = _blocks(model)
    if model.lstm_layers:
        stages.append(_sequence(model, stages[-1].shape))
        stages.append(_lstm(model, stages[-1].shape))
    steps = stages[-1].shape[0] if model.lstm_layers else 0
    stages.append(Stage("flatten", (prod(stages[-1].shape),), 0, 0))
    width = stages[-1].shape[0]
    for number, out in enumerate(HEAD, start=1):
        stages.append(Stage(f"linear{number}", (out,), (width + 1) * out, width * out))
        width = out
    return Shapes(tuple(stages), steps)


def infeasible_because(model: ModelConfig) -> str | None:
    """Why `model` cannot exist, or None where it can."""
    try:
        shapes(model)
    except InfeasibleError as error:
        return str(error)
    return None


def _blocks(model: ModelConfig) -> list[Stage]:
    stages, side, inputs = [], IMAGE_SIDE, 1
    for block, padding in enumerate(model.paddings()):
        size, stride, outputs = (
            model.filter_sizes[block],
            model.strides[block],
            model.channels[block],
        )
        room = side + sum(padding)
        if room < size:
            raise InfeasibleError(
                f"block {block + 1}: a filter of {size} does not fit its map of {side} x {side} "
                f"({room} with padding)"
            )
        convolved = (room - size) // stride + 1
        side = convolved // 2 if model.pools(block) else convolved
        if side == 0:
            raise InfeasibleError(
                f"block {block + 1}: the map vanishes, {convolved} x {convolved} is too small "
                "for 2 x 2 pooling"
            )
        weights = size * size * inputs * outputs
        parameters = weights + outputs + (2 * outputs if model.batch_norm else 0)
        shape = (outputs, side, side)
        stages.append(Stage(f"block{block + 1}", shape, parameters, weights * convolved**2))
        inputs = outputs
    return stages


def _sequence(model: ModelConfig, shape: tuple[int, ...]) -> Stage:
    channels, height, width = shape
    if model.sequence == "columns":
        return Stage("sequence", (width, channels * height), 0, 0)
    features = prod(shape)
    if features % model.embedding_dim:
        raise InfeasibleError(
            f"block {model.conv_layers}: its flattened map of {channels} x {height} x {width} = "
            f"{features} features does not divide into steps of embedding_dim = "
            f"{model.embedding_dim}"
        )
    return Stage("sequence", (features // model.embedding_dim, model.embedding_dim), 0, 0)


def _lstm(model: ModelConfig, shape: tuple[int, ...]) -> Stage:
    steps, inputs = shape
    hidden, gates = model.hidden_size, 4 * model.hidden_size
    widths = [inputs] + [hidden] * (model.lstm_layers - 1)
    weights = sum(gates * (width + hidden) for width in widths)
    biases = 2 * gates * model.lstm_layers
    return Stage("lstm", (steps, hidden), weights + biases, weights * steps)
