"""One setting of the network and its training: plain data, validated, no torch.

A `Setting` is what a person chooses: a `ModelConfig` and a `TrainConfig`. Its *effective*
configuration is what that choice comes to once settings without effect are left out (the filter of
a block that does not exist, the number of dropout blocks where there is no dropout); two settings
with the same one are the same network trained the same way, and share a digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from ablation.settings import Value
from crnn.data.classes import CLASSES

MAX_CONV_LAYERS = 3
PER_BLOCK = "one a block"
HEAD = (128, 64, len(CLASSES))  # widths of the fully connected layers

FilterSize = Annotated[int, Field(ge=1, le=15)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Stride = Annotated[int, Field(ge=1, le=4)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelConfig(_Config):
    """The network. The defaults are the write-up's baseline.

    Attributes:
        conv_layers: convolutional blocks, 1 to 3.
        filter_sizes: side of the square filter of each possible block, pixels.
        channels: output channels of each possible block.
        strides: stride of each possible block's convolution.
        pooling_count: the first n blocks end in 2 x 2 max pooling.
        padding: ``source`` pads 1, 1 and 2 pixels on each side whatever the filter; ``matched``
            pads k-1, k-1 and k+2 pixels in all (the odd one right and below), so that every
            filter size gives maps of the same size.
        sequence: ``flatten`` cuts the flattened map into steps of ``embedding_dim``; ``columns``
            makes one step of each column of the map (channels x height features).
        embedding_dim: features of a step under ``flatten``.
        hidden_size: LSTM hidden size.
        lstm_layers: stacked LSTM layers; 0 takes the LSTM out.
        dropout: probability of dropping an activation.
        dropout_count: the last n blocks drop out.
        batch_norm: batch normalisation after each convolution.
    """

    conv_layers: int = Field(3, ge=1, le=MAX_CONV_LAYERS)
    filter_sizes: tuple[FilterSize, FilterSize, FilterSize] = Field(
        (3, 3, 2), description=PER_BLOCK
    )
    channels: tuple[Channels, Channels, Channels] = Field((32, 64, 128), description=PER_BLOCK)
    strides: tuple[Stride, Stride, Stride] = Field((2, 1, 1), description=PER_BLOCK)
    pooling_count: int = Field(3, ge=0, le=MAX_CONV_LAYERS)
    padding: Literal["source", "matched"] = "source"
    sequence: Literal["flatten", "columns"] = "flatten"
    embedding_dim: int = Field(64, ge=1, le=8192)
    hidden_size: int = Field(128, ge=1, le=4096)
    lstm_layers: int = Field(3, ge=0, le=8)
    dropout: float = Field(0.25, ge=0.0, le=0.95)
    dropout_count: int = Field(3, ge=0, le=MAX_CONV_LAYERS)
    batch_norm: bool = True

    def paddings(self) -> tuple[tuple[int, int], ...]:
        """Per block: pixels of padding (left and above, right and below)."""
        if self.padding == "source":
            return ((1, 1), (1, 1), (2, 2))[: self.conv_layers]
        extra = (-1, -1, 2)
        totals = [k + e for k, e in zip(self.filter_sizes, extra, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals[: self.conv_layers])

    def pools(self, block: int) -> bool:
        """Whether block number `block` (from 0) ends in pooling."""
        return block < self.pooling_count

    def dropout_of(self, block: int) -> float:
        """The dropout probability of block number `block` (from 0)."""
        return self.dropout if block >= self.conv_layers - self.dropout_count else 0.0

    def without_effect(self) -> set[str]:
        """The settings that could have any value here: it would be the same network."""
        names = set()
        if not self.lstm_layers:
            names |= {"hidden_size", "sequence", "embedding_dim"}
        if self.sequence == "columns":
            names.add("embedding_dim")
        if not self.dropout:
            names.add("dropout_count")
        if not self.dropout_count:
            names.add("dropout")
        return names

    def effective(self) -> dict[str, Any]:
        """What has an effect, in a form that does not depend on how it was written."""
        n = self.conv_layers
        dropout = self.dropout if self.dropout_count else 0.0
        steps = self.lstm_layers > 0  # without an LSTM nothing depends on the cut into steps
        return {
            "filter_sizes": self.filter_sizes[:n],
            "channels": self.channels[:n],
            "strides": self.strides[:n],
            "paddings": self.paddings(),
            "pooling_count": min(self.pooling_count, n),
            "dropout": dropout,
            "dropout_count": min(self.dropout_count, n) if dropout else 0,
            "batch_norm": self.batch_norm,
            "lstm_layers": self.lstm_layers,
            "hidden_size": self.hidden_size if steps else None,
            "sequence": self.sequence if steps else None,
            "embedding_dim": self.embedding_dim if steps and self.sequence == "flatten" else None,
        }


class TrainConfig(_Config):
    """The training. The defaults are the write-up's baseline.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step; the last batch of an epoch may be smaller.
        learning_rate: the optimizer's step size at the start.
        schedule: ``constant``, or ``cosine`` from the learning rate to 0 over all steps.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (momentum 0.9).
        weight_decay: L2 penalty (decoupled under ``adamw``).
        train_fraction: the part of the images that trains; the rest validates.
        train_size: use only so many images (before the split into training and validation).
        averaging: decay of an exponential moving average of the weights, scored beside them; 0
            keeps none. The training itself stays the same.
        precision: ``auto``, ``fp32``, or ``bf16`` autocast.
    """

    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(64, ge=1, le=60_000)
    learning_rate: float = Field(1e-3, gt=0.0, le=10.0)
    schedule: Literal["constant", "cosine"] = "constant"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(0.0, ge=0.0, le=10.0)
    train_fraction: float = Field(0.7, gt=0.0, lt=1.0)
    train_size: int = Field(60_000, ge=10, le=60_000)
    averaging: float = Field(0.0, ge=0.0, lt=1.0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def images(self) -> tuple[int, int]:
        """Images to train and to validate."""
        train = round(self.train_size * self.train_fraction)
        return train, self.train_size - train

    def effective(self) -> dict[str, Any]:
        """What has an effect. Precision is a study's, not an arm's: it is not part of it."""
        values = self.model_dump(exclude={"precision"})
        if values["optimizer"] == "adamw" and not self.weight_decay:
            values["optimizer"] = "adam"  # without weight decay they are the same
        if not self.averaging:
            del values["averaging"]  # settings had their digests before there was any
        return values


GOVERNED_BY: dict[str, tuple[str, ...]] = {
    "filter_sizes": ("conv_layers",),
    "channels": ("conv_layers",),
    "strides": ("conv_layers",),
    "pooling_count": ("conv_layers",),
    "padding": ("conv_layers", "filter_sizes"),
    "hidden_size": ("lstm_layers",),
    "sequence": ("lstm_layers",),
    "embedding_dim": ("lstm_layers", "sequence"),
    "dropout": ("dropout_count",),
    "dropout_count": ("dropout", "conv_layers"),
    "optimizer": ("weight_decay",),
}
"""By setting: those that decide whether, or between which values, it makes a difference."""

CHANCE = 1 / len(CLASSES)
"""The accuracy of guessing."""


def chance_limit(train: TrainConfig) -> float:
    """Below which a training has learned nothing: three standard errors above guessing.

    ``c + 3·√(c(1 - c)/n)``, c the chance level and n the number of its validation images.
    """
    _, validate = train.images()
    return CHANCE + 3 * math.sqrt(CHANCE * (1 - CHANCE) / max(validate, 1))


MODEL_KEYS: tuple[str, ...] = tuple(ModelConfig.model_fields)
TRAIN_KEYS: tuple[str, ...] = tuple(TrainConfig.model_fields)
SETTING_KEYS = MODEL_KEYS + TRAIN_KEYS


class Setting(_Config):
    """A complete setting: the network and its training."""

    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Setting:
        """Build from flat names (``{"hidden_size": 256, "epochs": 5}``); the rest is default.

        Raises:
            pydantic.ValidationError: a value has the wrong type or is out of range.
            KeyError: a name that is no setting.
        """
        unknown = [name for name in values if name not in SETTING_KEYS]
        if unknown:
            raise KeyError(f"no such setting: {', '.join(unknown)}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(
            model=ModelConfig(**{k: v for k, v in values.items() if k in MODEL_KEYS}),
            train=TrainConfig(**{k: v for k, v in values.items() if k in TRAIN_KEYS}),
        )

    def values(self) -> dict[str, Value]:
        """Every setting by its flat name."""
        return {**dict(self.model), **dict(self.train)}

    def replace(self, **changes: Any) -> Setting:
        """A copy with some settings changed (validated)."""
        return Setting.of({**self.values(), **changes})

    def effective(self) -> dict[str, Any]:
        """What has an effect (see the module's text)."""
        return {**self.model.effective(), **self.train.effective()}

    def pack_key(self) -> tuple[Value, ...]:
        """What trainings must share to go side by side: their steps, and the images of each."""
        own = self.train
        return own.epochs, own.batch_size, own.train_fraction, own.train_size

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the effective configuration: an arm's identity."""
        text = json.dumps(self.effective(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


FIELDS: dict[str, FieldInfo] = {**ModelConfig.model_fields, **TrainConfig.model_fields}
