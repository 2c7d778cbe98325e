"""What Fashion-MNIST's images are of, and how large they are."""

from __future__ import annotations

IMAGE_SIDE = 28


CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
