"""A CRNN for Fashion-MNIST: the network, its data, its training and its trace.

    from crnn import CRNN, ModelConfig, Setting, train

needs no study; what a name needs is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crnn.data.fashion_mnist import FashionMNIST, load_data
    from crnn.network.config import ModelConfig, Setting, TrainConfig
    from crnn.network.model import CRNN
    from crnn.training.train import train

__all__ = ["CRNN", "FashionMNIST", "ModelConfig", "Setting", "TrainConfig", "load_data", "train"]

_MODULES = {
    "CRNN": "crnn.network.model",
    "FashionMNIST": "crnn.data.fashion_mnist",
    "ModelConfig": "crnn.network.config",
    "Setting": "crnn.network.config",
    "TrainConfig": "crnn.network.config",
    "load_data": "crnn.data.fashion_mnist",
    "train": "crnn.training.train",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
