"""Fashion-MNIST: found or fetched, verified, decoded once, held as tensors over a memory map.

`prepare` makes the one decoded file, `load_data` maps it (so that every worker shares its pages),
and `split` says which of the training images train and which validate.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablation.program import command
from ablation.seeding import generator
from crnn.data import cache, download, idx
from crnn.data.cache import data_folder
from crnn.data.classes import CLASSES
from crnn.data.idx import DataError

__all__ = [
    "CLASSES",
    "DataError",
    "FashionMNIST",
    "data_folder",
    "load_data",
    "load_once",
    "prepare",
    "split",
]

TRAIN_IMAGES, TEST_IMAGES = 60_000, 10_000


@dataclass(frozen=True, eq=False)
class FashionMNIST:
    """The images and labels as uint8 tensors; pixels 0 to 255, labels index `CLASSES`.

    Attributes:
        train_images: Shape (n, 28, 28); training and validation images.
        train_labels: Shape (n,).
        test_images: Shape (m, 28, 28).
        test_labels: Shape (m,).
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def __post_init__(self) -> None:
        """Refuses what does not fit together, with a ValueError."""
        _check_part("train", self.train_images, self.train_labels)
        _check_part("test", self.test_images, self.test_labels)

    @classmethod
    def from_arrays(
        cls,
        train_images: NDArray[np.uint8],
        train_labels: NDArray[np.uint8],
        test_images: NDArray[np.uint8],
        test_labels: NDArray[np.uint8],
    ) -> FashionMNIST:
        """The same from arrays (not copied), for tests and notebooks.

        Raises:
            ValueError: A shape or dtype does not fit.
        """
        arrays = (train_images, train_labels, test_images, test_labels)
        return cls(*(torch.from_numpy(array) for array in arrays))


def _check_part(part: str, images: Tensor, labels: Tensor) -> None:
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        shapes = f"{tuple(images.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"{part}: images (n, 28, 28) and labels (n,) are needed, not {shapes}")
    if images.dtype != torch.uint8 or labels.dtype != torch.uint8:
        dtypes = f"{images.dtype} and {labels.dtype}"
        raise ValueError(f"{part}: images and labels of dtype uint8 are needed, not {dtypes}")


def prepare(
    folder: Path | None = None,
    say: Callable[[str], None] = print,
    *,
    sources: download.Sources | None = None,
) -> Path:
    """Makes sure that the decoded data is there and undamaged.

    The four published files are looked for in the folder (also in ``raw/`` and
    ``FashionMNIST/raw/``, where torchvision leaves them) and where Debian's package puts them,
    else fetched. Safe with several processes at once; after an error nothing is left on disk.

    Args:
        folder: See `data_folder`.
        say: Called with a line for each step.
        sources: Where the published files come from, if they are not in the folder: Debian's
            package and torchvision's mirrors unless given.

    Returns:
        The path of the verified ``.npy``: uint8 of shape (70000, 785), a row being 784 pixels and
        the label; the first 60,000 rows are the training set.

    Raises:
        DataError: A file is damaged, no source can be reached, or the folder cannot be written.
    """
    target = data_folder(folder) / cache.FILE_NAME
    if not cache.exists(target):
        cache.check_writable(target.parent)
        cache.write(target, idx.decode(_raw_files(target.parent, say, sources)))
    cache.verify(target, _data_command(folder))
    say(f"Fashion-MNIST is verified and ready: {target}")
    return target


def load_data(folder: Path | None = None) -> FashionMNIST:
    """Verifies the decoded data and maps it into memory; nothing is copied or fetched.

    Args:
        folder: See `data_folder`.

    Raises:
        DataError: The data is missing or damaged; says what mends it.
    """
    target = data_folder(folder) / cache.FILE_NAME
    if not cache.exists(target):
        raise DataError(f"{target} is missing; make it with: {_data_command(folder)}")
    cache.verify(target, _data_command(folder))
    # Copy-on-write: torch warns of read-only arrays, and a stray write stays in this process.
    rows = torch.from_numpy(np.load(target, mmap_mode="c"))
    images, labels = rows[:, : idx.PIXELS].view(-1, 28, 28), rows[:, idx.PIXELS]
    return FashionMNIST(
        images[:TRAIN_IMAGES], labels[:TRAIN_IMAGES], images[TRAIN_IMAGES:], labels[TRAIN_IMAGES:]
    )


@dataclass
class _Loaded:
    """What this process has mapped: the file as it was when it was verified, kept open."""

    identity: tuple[int, ...]
    data: FashionMNIST
    file: BinaryIO
    written: cache.Written


_loaded: dict[Path, _Loaded] = {}


def load_once(folder: Path | None = None) -> FashionMNIST:
    """`load_data`, once for a process, and again when the file is no longer the one that was
    loaded.

    Meant to be called before each training: pixels are mapped, not copied, so what is written into
    the file meanwhile would be trained on.

    Args:
        folder: See `data_folder`.

    Raises:
        DataError: The data is missing, or is damaged by now; says what mends it.
    """
    target = data_folder(folder) / cache.FILE_NAME
    known = _loaded.get(target)
    try:
        identity = cache.identity(target)  # before it is verified: a later write makes another
    except DataError:
        _forget(target)
        raise
    if known is None or known.identity != identity:
        _forget(target)
        file = target.open("rb")
        try:
            written = cache.Written.of(file)
            known = _loaded[target] = _Loaded(identity, load_data(folder), file, written)
        except BaseException:
            file.close()
            raise
    return known.data


def _forget(target: Path) -> None:
    """Close the file that is kept open, if it is."""
    if target in _loaded:
        _loaded.pop(target).file.close()


def check_unchanged(folder: Path | None = None) -> None:
    """Refuses what was trained while something was written into the data that `load_once` mapped.

    A file that has taken its place is none of that: what is mapped is the one before.

    Args:
        folder: See `data_folder`.

    Raises:
        DataError: It was written to, even if it is as before by now.
    """
    target = data_folder(folder) / cache.FILE_NAME
    known = _loaded.get(target)
    if known is None:
        return
    now = cache.Written.of(known.file)
    if now == known.written:
        return
    if now.content == known.written.content:  # its owner or permissions, or a second name
        if now.names == known.written.names:
            cache.verify(target, _data_command(folder))
        known.written = now
        return
    _forget(target)
    cache.verify(target, _data_command(folder))
    raise DataError(
        f"{target} was written to while it was trained on, so that epoch is dropped; keep other "
        "programs from it"
    )


def split(
    images: int, seed: int, fraction: float = 0.7, size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Which images train and which validate: a permutation drawn from the seed, cut in two.

    Args:
        images: How many training images there are.
        seed: The replicate's seed.
        fraction: The part that trains, above 0 and below 1.
        size: How many of the images are used in all; None for all of them.

    Returns:
        The indices (int64) of the training and of the validation images.

    Raises:
        ValueError: More images are asked for than there are, or either part would be empty.
    """
    size = images if size is None else size
    if size > images:
        raise ValueError(f"{size} images were asked for, there are {images}")
    train = round(size * fraction)
    if not 0 < train < size:
        raise ValueError(f"{size} images at {fraction:g} leave training or validation empty")
    chosen = torch.randperm(images, generator=generator(seed, "split"))[:size]
    return chosen[:train], chosen[train:]


def _raw_files(
    folder: Path, say: Callable[[str], None], sources: download.Sources | None
) -> dict[str, bytes]:
    sources = sources or download.Sources()
    delete = "delete it to have it fetched, or put the published file there"
    own = [folder, folder / "raw", folder / "FashionMNIST" / "raw"]
    package = (sources.package_folder, download.REINSTALL)
    for place, fix in [*((f, delete) for f in own), package]:
        files = idx.find(place)
        if len(files) == len(idx.SHA256):
            say(f"Reading Fashion-MNIST from {place}")
            return idx.read(files, fix)
        if files:
            missing = ", ".join(name for name in idx.SHA256 if name not in files)
            say(f"Passing over {place}: no {missing}")
    return download.fetch(folder, say, sources)


def _data_command(folder: Path | None) -> str:
    option = "" if folder is None else f" --data {shlex.quote(str(folder))}"
    return command("data", otherwise="python study.py") + option
