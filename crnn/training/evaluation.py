"""A network's figures on a set of images."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
import torch.utils.deterministic
from torch import Tensor

from crnn.data.classes import CLASSES
from crnn.network.model import CRNN
from crnn.training.results import Score

EVALUATION_BATCH = 500


@torch.no_grad()
def score(model: CRNN, images: Tensor, labels: Tensor, precision: str = "fp32") -> Score:
    """Loss, accuracy and confusion of `model` on uint8 `images` (n, 28, 28) and `labels` (n,)."""
    was_training = model.training
    model.eval()
    classes = len(CLASSES)
    loss = torch.zeros((), dtype=torch.float64, device=images.device)
    counts = torch.zeros(classes**2, dtype=torch.int64, device=images.device)
    for part, truth in zip(
        images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True
    ):
        truth = truth.long()
        scores = forward(model, part, precision)
        loss += cross_entropies(scores, truth).sum()
        counts.scatter_add_(0, truth * classes + scores.argmax(1), torch.ones_like(truth))
    model.train(was_training)
    table = counts.cpu().view(classes, classes)
    size = len(labels)
    return Score(float(loss) / size, int(table.trace()) / size, table.tolist())


def forward(model: CRNN, images: Tensor, precision: str = "fp32") -> Tensor:
    """The scores (n, 10) in fp32 for uint8 `images` (n, 28, 28)."""
    # Autocast keeps its copies of the weights until its end: a context must not outlive a step.
    with torch.autocast(
        images.device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
    ):
        scores: Tensor = model(as_input(images))
    return scores.float()


def as_input(images: Tensor) -> Tensor:
    """Pixels (n, 28, 28), uint8, as (n, 1, 28, 28), floats from 0 to 1."""
    pixels = images.unsqueeze(1)
    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(255)


def cross_entropies(scores: Tensor, truth: Tensor) -> Tensor:
    """Each image's cross-entropy, (n,), of `scores` (n, classes)."""
    return F.cross_entropy(scores, truth, reduction="none")
