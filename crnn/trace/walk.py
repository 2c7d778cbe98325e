"""From a subject to its walk: its network, two images of its validation part, their way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ablation.folders import study_folder
from crnn.data.fashion_mnist import load_data, prepare
from crnn.trace.forward import network, trace, two_images
from crnn.trace.page import Walk, notes_on
from crnn.trace.subject import Subject


def walk_through(
    subject: Subject, results: Path, data: Path | None, say: Callable[[str], None]
) -> Walk:
    """Send two images through a subject's network.

    Args:
        subject: what to trace.
        results: the folder of results, which has a finished trial's weights.
        data: the folder of Fashion-MNIST; None for the cache.
        say: told of the data being fetched or verified.

    Raises:
        DataError: the data cannot be had.
        WeightsError: there are no weights of the trial, or not its own.
    """
    setting, weights = subject.setting, None
    if subject.number is not None:
        weights = results / subject.study / "weights"
    model = network(setting, subject.seed, weights, subject.number)
    prepare(data, say)
    images = load_data(data)
    places = two_images(images, setting, subject.seed)
    return Walk(
        trace=trace(model, images.train_images[places], images.train_labels[places]),
        title=subject.title,
        notes=[subject.state, *notes_on(setting.model)],
        images=[f"validation image {place}" for place in places.tolist()],
        command=subject.command,
    )


def folder_of(subject: Subject, results: Path) -> Path:
    """Where a subject's walk is written to."""
    return study_folder(results, subject.study, "trace", subject.name)
