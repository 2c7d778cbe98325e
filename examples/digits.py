"""A multilayer perceptron on scikit-learn's digits."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from ablation import Run


class Settings(BaseModel):
    hidden: Annotated[int, Field(ge=1, le=1024)] = 32
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    activation: Literal["relu", "tanh"] = "relu"
    alpha: Annotated[float, Field(ge=0)] = 1e-4
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    epochs: Annotated[int, Field(ge=1)] = 20


def train(settings: Settings, run: Run) -> dict[str, float]:
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, test_size=0.2, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=run.seed, stratify=y)
    net = MLPClassifier(
        (settings.hidden,) * settings.layers,
        activation=settings.activation,
        alpha=settings.alpha,
        learning_rate_init=settings.learning_rate,
        random_state=run.seed,
    )
    for epoch in range(1, settings.epochs + 1):
        net.partial_fit(x, y, classes=range(10))
        run.report(epoch, val_accuracy=net.score(x_val, y_val), train_loss=net.loss_)
    return {"test_accuracy": net.score(x_test, y_test)}
