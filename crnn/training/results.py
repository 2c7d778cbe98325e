"""What a training gives: its epochs, its score, its state between two epochs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor

from ablation.errors import DivergedError
from crnn.network.model import CRNN

__all__ = ["DivergedError", "Epoch", "Result", "Score", "StateError", "TrainingState"]


class StateError(ValueError):
    """A state that these trainings cannot go on from: it is not theirs."""


@dataclass(frozen=True)
class Epoch:
    """One epoch. Losses are mean cross-entropies (nats), accuracies fractions.

    The training figures are running means during the epoch, dropout on; the validation figures
    are taken after it, dropout off. `ema_val_accuracy` is that of the averaged weights, None where
    there are none.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    ema_val_accuracy: float | None = None

    def known(self) -> dict[str, float]:
        """What it has, by name: a figure that it lacks is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Score:
    """A network's figures on a set of images; `confusion[true][predicted]` counts images."""

    loss: float
    accuracy: float
    confusion: list[list[int]]


@dataclass(frozen=True)
class TrainingState:
    """A training between two epochs: all that the next one depends on, and what is behind it.

    Every random draw derives from seed and epoch, so nothing about generators is in it.

    Attributes:
        epochs: by member, those behind it.
        failures: why members have ended, by member's number.
        tensors: weights, their average and the optimizer's memory, by name; views of what
            training goes on to change.
    """

    epochs: tuple[tuple[Epoch, ...], ...]
    failures: dict[int, str]
    tensors: dict[str, Tensor]

    @property
    def epoch(self) -> int:
        """How many epochs are behind it."""
        return max(len(seen) for seen in self.epochs)


@dataclass(frozen=True)
class Result:
    """A finished training: its epochs, the test score (None unless asked for), the network.

    The network is in evaluation mode. `ema_test` is the test score of the averaged weights and
    `average` the network that has them, None where there are none.
    """

    epochs: tuple[Epoch, ...]
    test: Score | None
    seconds: float
    model: CRNN
    ema_test: Score | None = None
    average: CRNN | None = None

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy after the last epoch."""
        return self.epochs[-1].val_accuracy
