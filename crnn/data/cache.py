"""The one decoded file that every worker maps: where it lies, what it holds, and that it is whole.

A ``.npy``, uint8 of shape (70000, 785): a row is an image's 784 pixels and its label; the first
60,000 rows are the training set. All its bytes are pinned, so ``sha256sum`` can check it too.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from crnn.data.idx import DataError

FILE_NAME = "fashion-mnist.npy"
SHA256 = "cffc58e13eef9b3d76e1619c54c22c50be87c5e5d0c6937e71160f90d7f1f1fa"
# Written here and not by numpy, whose padding of a header may change from version to version.
HEADER = b"\x93NUMPY\x01\x00v\x00" + (
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (70000, 785), }".ljust(117) + b"\n"
)
OTHER_FOLDER = "name another folder with --data or CRNN_STUDY_DATA"


def data_folder(folder: Path | None = None) -> Path:
    """The folder of the decoded data: the given one, else the environment's.

    Without ``folder``: ``$CRNN_STUDY_DATA``, ``$XDG_CACHE_HOME/crnn-ablation`` or
    ``~/.cache/crnn-ablation``, the first that is set.

    Raises:
        DataError: It is in a home folder, and none is known.
    """
    if folder is None and (named := os.environ.get("CRNN_STUDY_DATA")):
        folder = Path(named)
    if folder is None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "crnn-ablation"
    try:
        return folder.expanduser().absolute()
    except RuntimeError:  # neither HOME nor an entry of this user in the system's list
        raise DataError(f"{folder}: no home folder is known here; {OTHER_FOLDER}") from None


def exists(path: Path) -> bool:
    """Whether the decoded file is there.

    Raises:
        DataError: Its folder cannot be looked into.
    """
    try:
        return path.exists()
    except OSError as error:
        raise DataError(
            f"{path.parent} cannot be read ({error.strerror}); {OTHER_FOLDER}"
        ) from error


def verify(path: Path, remake: str) -> None:
    """Reads the whole file (55 MB; 0.05 to 0.2 s) and compares its digest with the pinned one.

    Args:
        path: The decoded file.
        remake: The command that makes it anew, for the error's text.

    Raises:
        DataError: It cannot be read, or is damaged.
    """
    fix = f"delete it and run: {remake}"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    if digest != SHA256:
        raise DataError(
            f"{path} is damaged or another file: expected SHA-256 {SHA256}, found {digest}; {fix}"
        )


def identity(path: Path) -> tuple[int, ...]:
    """What tells a file from the same file written again: device, inode, size, time of change.

    Raises:
        DataError: It cannot be looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {OTHER_FOLDER}") from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class Written:
    """When an open file was last written to.

    Attributes:
        content: its size, and the time of the last write.
        status: the time of the last change of its content, owner, permissions or names.
        names: how many it has.
    """

    content: tuple[int, int]
    status: int
    names: int

    @staticmethod
    def of(file: BinaryIO) -> Written:
        """The state of it now."""
        status = os.fstat(file.fileno())
        return Written((status.st_size, status.st_mtime_ns), status.st_ctime_ns, status.st_nlink)


def check_writable(folder: Path) -> None:
    """Refuses a folder that cannot be written, before minutes are spent on fetching.

    Raises:
        DataError: It is not a folder, or not one that this user can write to.
    """
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        raise _not_writable(folder, f"{parent} is not a folder that you can write to")


def write(path: Path, rows: NDArray[np.uint8]) -> None:
    """Writes the decoded file whole or not at all, whoever else is doing the same.

    Args:
        path: The decoded file; its folder is made.
        rows: Shape (70000, 785).

    Raises:
        DataError: It cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_through(temporary, HEADER + rows.tobytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(path.parent, str(error.strerror)) from error


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _not_writable(folder: Path, reason: str) -> DataError:
    return DataError(f"{folder} cannot be written ({reason}); {OTHER_FOLDER} (60 MB are needed)")
