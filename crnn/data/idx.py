"""Fashion-MNIST's four published files: finding them, and being sure that they are the real ones.

What is pinned is the SHA-256 of the *unpacked* files. A distribution may have packed them anew
(Debian's package has), so digests of the ``.gz`` files would differ from source to source.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation.errors import UserError

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
PIXELS = 28 * 28
IMAGES_HEADER_BYTES, LABELS_HEADER_BYTES = 16, 8
GZIP_MAGIC = b"\x1f\x8b"


class DataError(UserError):
    """Fashion-MNIST is missing, damaged or out of reach: one line with what, where and the fix."""


def find(folder: Path) -> dict[str, Path]:
    """Those of the four files that ``folder`` holds, by name; unpacked ones before ``.gz``.

    Raises:
        DataError: The folder cannot be looked into.
    """
    candidates = ((name, folder / f"{name}{end}") for end in (".gz", "") for name in SHA256)
    try:
        return {name: path for name, path in candidates if path.is_file()}
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); mend its rights") from error


def read(paths: Mapping[str, Path], fix: str) -> dict[str, bytes]:
    """The verified content of the four files.

    Args:
        paths: Each file's place by its name, as `find` gives it.
        fix: What mends a file that is refused, for the error's text.

    Raises:
        DataError: A file cannot be read, or is not the published one.
    """
    contents = {}
    for name in SHA256:
        try:
            packed = paths[name].read_bytes()
        except OSError as error:
            raise DataError(f"{paths[name]} cannot be read ({error.strerror}); {fix}") from error
        contents[name] = unpack(name, packed, str(paths[name]), fix)
    return contents


def unpack(name: str, data: bytes, where: str, fix: str) -> bytes:
    """The content of the file ``name``, unpacked if it is packed, and verified.

    Args:
        name: Which of the four files this should be.
        data: Its bytes, gzipped or not.
        where: The path or address that it came from, for the error's text.
        fix: What mends it, for the error's text.

    Raises:
        DataError: It does not unpack, or is not the published file.
    """
    try:
        content = gzip.decompress(data) if data.startswith(GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{where} is damaged, it does not unpack ({error}): expected content of SHA-256 "
            f"{SHA256[name]}, found a packed file of SHA-256 {_digest(data)}; {fix}"
        ) from error
    if (digest := _digest(content)) != SHA256[name]:
        raise DataError(
            f"{where} is damaged, or another file than the published {name}: "
            f"expected SHA-256 {SHA256[name]}, found {digest}; {fix}"
        )
    return content


def decode(contents: Mapping[str, bytes]) -> NDArray[np.uint8]:
    """The verified files as one table, (70000, 785): 784 pixels and the label, training first."""
    parts = [_rows(contents, part) for part in ("train", "t10k")]
    return np.concatenate(parts)


def _rows(contents: Mapping[str, bytes], part: str) -> NDArray[np.uint8]:
    images = contents[f"{part}-images-idx3-ubyte"]
    labels = contents[f"{part}-labels-idx1-ubyte"]
    pixels = np.frombuffer(images, np.uint8, offset=IMAGES_HEADER_BYTES).reshape(-1, PIXELS)
    return np.column_stack([pixels, np.frombuffer(labels, np.uint8, offset=LABELS_HEADER_BYTES)])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
