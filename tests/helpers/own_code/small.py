"""Training functions as users write them, each of another kind, and quick."""

import random
from enum import Enum
from typing import Literal

from pydantic import BaseModel, Field

from ablation import Run


class Optimizer(BaseModel):
    lr: float = 0.1
    kind: Literal["sgd", "adam"] = "sgd"


class Shape(Enum):
    ROUND = "round"
    FLAT = "flat"


class Perplexity(BaseModel):
    optimizer: Optimizer = Optimizer()
    widths: tuple[int, ...] = (8, 8)
    shape: Shape = Shape.ROUND
    warmup: int | None = None
    tag: str = "a"
    seed: int = 0
    state: str = "x"
    epochs: int = Field(4, ge=1)

    def effective(self) -> dict[str, object]:
        used = self.model_dump()
        if self.shape is Shape.ROUND:
            del used["warmup"]
        return used

    def size(self) -> dict[str, int]:
        return {"parameters": sum(self.widths) * 10}


def perplexity(settings: Perplexity, run: Run) -> dict[str, float]:
    """A language model: less is better; some figures come without the metric."""
    value = 900.0 + 40 * random.random()
    for epoch in range(1, settings.epochs + 1):
        value *= 0.5 + 0.1 * random.random() - settings.optimizer.lr / 2
        value *= 1.3 if settings.shape is Shape.FLAT else 1.0
        run.report(epoch, lr=settings.optimizer.lr / epoch)
        run.report(epoch, perplexity=value, train_loss=value / 100, accuracy=1 / value)
    return {"test_perplexity": value * 1.1, "tokens": 1e6, "epochs": 3.0}


class Sort(BaseModel):
    size: int = Field(100, ge=1)
    method: Literal["quick", "merge"] = "quick"


def seconds(settings: Sort, run: Run) -> dict[str, float]:
    """How long something takes: returned, never reported; no budget."""
    slow = 1.2 if settings.method == "merge" else 1.0
    return {"seconds_taken": slow * settings.size / 1000 * (1 + 0.1 * random.random())}


class Folds(BaseModel):
    depth: int = Field(3, ge=1, le=20)
    folds: int = 5


def folds(settings: Folds, run: Run) -> dict[str, float]:
    """Cross-validation: a fold a step; the mean is returned, and recall is beside it."""
    scores = []
    for fold in range(settings.folds):
        scores.append(min(1.0, 0.7 + 0.02 * settings.depth + 0.05 * random.random()))
        run.report(fold, f1=scores[-1], recall=scores[-1] - 0.1)
    return {"f1": sum(scores) / len(scores)}


class Early(BaseModel):
    rate: float = Field(0.3, gt=0, le=1)
    rounds: int = Field(12, ge=1)


def early(settings: Early, run: Run) -> dict[str, float]:
    """Stops early, and keeps the best."""
    losses = []
    for number in range(10, 10 * settings.rounds + 1, 10):
        losses.append((number / 10 - 5) ** 2 * settings.rate / 10 + 1 + random.random() / 10)
        run.report(number, val_loss=losses[-1])
        if losses[-1] > min(losses) + 0.3:
            break
    return {"val_loss": min(losses), "final_loss": losses[-1]}


class Blind(BaseModel):
    width: int = 4
    epochs: int = 3


def blind(settings: Blind, run: Run) -> None:
    """Takes no notice of its seed."""
    for epoch in range(1, settings.epochs + 1):
        run.report(epoch, score=settings.width * epoch / 10)
