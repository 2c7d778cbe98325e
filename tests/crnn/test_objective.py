"""The CRNN by the contract: the figures and scores that a study gets of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ablation.objective import Epoch, Pack, Result
from crnn.data.fashion_mnist import FashionMNIST
from crnn.objective import CRNNObjective, objective
from tests.helpers.listening import StrictListener
from tests.helpers.made.networks import small

pytestmark = pytest.mark.usefixtures("one_thread")

FIGURES = {"train_loss": 1.25, "train_accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.625}


@dataclass
class Ear(StrictListener):
    """Listens to a training."""

    epochs: list[Epoch] = field(default_factory=list)

    def on_epoch(self, place: int, epoch: Epoch, *, again: bool = False) -> None:
        self.epochs.append(epoch)

    def on_batch(self, epoch: int, done: int, of: int) -> None:
        pass


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_averages_are_told_where_there_are_any(averaging: float, sample: FashionMNIST) -> None:
    pack = Pack([(small(averaging=averaging), 0)], Path(), "cpu")
    ear = Ear()
    (result,) = CRNNObjective(lambda folder: sample).train(pack, ear)
    assert isinstance(result, Result)
    absent = set() if averaging else {*objective.optional}
    assert [set(epoch.figures) for epoch in ear.epochs] == [set(objective.figures) - absent] * 2
    assert set(result.scores) == {*objective.scores, "confusion"} - absent
    stored = ear.epochs[0].stored()
    assert list(stored)[-2] == ("ema_val_accuracy" if averaging else "val_accuracy")


def test_averages_stand_in_the_lines_of_a_training() -> None:
    plain = "train 1.250 50.00%  val 1.500 62.50%"
    assert objective.epoch_text(FIGURES) == plain
    line = objective.epoch_text({**FIGURES, "ema_val_accuracy": 1.0})
    assert line == "train 1.250  val 1.500 62.50%  ema 100.00%"
    assert len(f"  hidden_size=256 seed 0  epoch 20/20  {line}") <= 81
    tested = {"test_accuracy": 0.5, "test_loss": 1.0}
    assert objective.result_text(0.625, tested) == "val 62.50%  test 50.00%"
    assert objective.result_text(0.625, tested, " (mean)") == "val 62.50% (mean)  test 50.00%"
    averaged = {**tested, "ema_test_accuracy": 0.75, "ema_test_loss": 1.0}
    assert objective.result_text(0.625, averaged) == "val 62.50%  test 50.00%  ema test 75.00%"


def test_averages_cost_a_validation_more() -> None:
    setting = small()
    train, validate = setting.train.images()
    passes = setting.train.epochs * (3 * train + validate) + 10_000
    more = objective.cost(setting.replace(averaging=0.9)) / objective.cost(setting)
    assert more == pytest.approx(1 + setting.train.epochs * validate / passes)
