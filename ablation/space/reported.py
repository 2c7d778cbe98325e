"""What somebody else reported of an arm."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ablation.space.part import Number, Part, Text


class Reported(Part):
    """Figures that somebody else reported for an arm: test accuracy a fraction, loss in nats."""

    test_accuracy: float | None = Field(None, ge=0, le=1)
    test_loss: float | None = Field(None, ge=0)
    note: Text = ""


Figures = Annotated[tuple[Annotated[Number, Field(ge=0)], ...], Field(strict=False)]


Shares = Annotated[tuple[Annotated[Number, Field(ge=0, le=1)], ...], Field(strict=False)]


class ReportedCurves(Part):
    """What somebody else logged of an arm's one training: an entry an epoch, from the first on.

    Accuracies are fractions, losses in nats; a curve that was not reported is empty.
    """

    train_loss: Figures = ()
    train_accuracy: Shares = ()
    val_loss: Figures = ()
    val_accuracy: Shares = ()

    @model_validator(mode="after")
    def _as_long_as_each_other(self) -> ReportedCurves:
        lengths = {name: len(curve) for name, curve in self if curve}
        if not lengths:
            raise ValueError(f"no curve; give one of {', '.join(type(self).model_fields)}")
        if len(set(lengths.values())) > 1:
            counted = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"curves must have an entry an epoch each: {counted}")
        return self
