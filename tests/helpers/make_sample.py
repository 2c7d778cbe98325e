"""Makes tests/data/fashion-mnist-sample.npz: the first real images of each class.

From the checkout: ``python tests/helpers/make_sample.py``, after ``python study.py data``.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crnn.data.fashion_mnist import CLASSES, load_data

SAMPLE = Path(__file__).parents[1] / "data" / "fashion-mnist-sample.npz"
TRAIN_PER_CLASS, TEST_PER_CLASS = 100, 30


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """The indices of each class's first ``count`` images, in the order of the file."""
    per_class = [torch.nonzero(labels == label)[:count, 0] for label in range(len(CLASSES))]
    return torch.cat(per_class).sort().values


def main() -> None:
    data = load_data()
    train = first_of_each_class(data.train_labels, TRAIN_PER_CLASS)
    test = first_of_each_class(data.test_labels, TEST_PER_CLASS)
    np.savez_compressed(
        SAMPLE,
        train_images=data.train_images[train].numpy(),
        train_labels=data.train_labels[train].numpy(),
        test_images=data.test_images[test].numpy(),
        test_labels=data.test_labels[test].numpy(),
    )


if __name__ == "__main__":
    main()
