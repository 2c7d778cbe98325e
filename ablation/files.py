"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ablation.errors import UserError

DAMAGED = ".damaged"  # is added to the name of a file that is set aside


def from_home(text: str) -> str:
    """A path, or an SQLite URL, with its ``~`` expanded.

    The shell expands one at the start of a word, but not in ``--results=~/x`` or in a variable's
    quoted value.

    Raises:
        UserError: it names the home folder of nobody.
    """
    url, path = re.fullmatch(r"(sqlite(?:\+\w+)?:///)?(.*)", text, re.DOTALL).groups(default="")  # type: ignore[union-attr]
    if not path.startswith("~"):
        return text
    try:
        return url + str(Path(path).expanduser())
    except RuntimeError:
        raise UserError(f"{text}: no home folder is known for that; give the full path") from None


def trial_file(number: int) -> str:
    """The name of a file with a trial's weights, kept or of a training under way."""
    return f"trial-{number}.safetensors"


def checkpoint_file(number: int, token: str) -> str:
    """The name of the checkpoint that the worker writes which was handed `token`."""
    return f"trial-{number}.{token}.safetensors"


def wanted_file(checkpoint: Path) -> Path:
    """The file that is there while a checkpoint is wanted at the next occasion."""
    return checkpoint.with_name(f"{checkpoint.name}.wanted")


def checkpoint_files(folder: Path, number: int) -> list[Path]:
    """The checkpoints of a trial, of whichever worker; the latest last."""
    paths = [folder / trial_file(number), *folder.glob(checkpoint_file(number, "*"))]
    return sorted((path for path in paths if os.path.lexists(path)), key=_written)


def checkpoint_number(name: str) -> int | None:
    """The number of the trial that a file is a checkpoint of; None where it is none's."""
    match = re.fullmatch(r"trial-(\d+)(\.\w+)?\.safetensors", name)
    return int(match[1]) if match else None


def _written(path: Path) -> float:
    return path.lstat().st_mtime


def remove(path: Path) -> None:
    """Remove a file; what cannot be removed, such as a folder in its place, is set aside."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        set_aside(path)


def set_aside(path: Path) -> Path:
    """Move a damaged file, or what stands in its place, out of the way; its new place."""
    places = (path.with_name(f"{path.name}{suffix}{DAMAGED}") for suffix in _suffixes())
    return path.rename(next(place for place in places if not os.path.lexists(place)))


def _suffixes() -> Iterator[str]:
    """What tells files of one name apart: nothing, ``.2``, ``.3`` and so on."""
    yield ""
    yield from map(".{}".format, count(2))


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in those below it, in order, links left out; it need not exist."""
    found = (Path(home) / name for home, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def causes(error: BaseException) -> list[BaseException]:
    """An error, what it was raised from or while handling, and so on."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain


def disk_full(error: BaseException) -> bool:
    """Whether an error says that a file's disk is full, or its quota."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return any(isinstance(each, OSError) and each.errno in full for each in causes(error))


def too_large(error: BaseException) -> bool:
    """Whether an error says that a file has reached the size that its process may write."""
    return any(isinstance(each, OSError) and each.errno == errno.EFBIG for each in causes(error))


def write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet.

    Raises:
        UserError: it exists, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise UserError(f"{path}: exists already; choose another name or delete it") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; choose another place") from None


def write_atomic(path: Path, content: bytes | str) -> Path:
    """Write a file so that a reader, or a kill, never meets half of it.

    Args:
        path: where to; its folder exists.
        content: bytes, or text for UTF-8.

    Raises:
        OSError: it cannot be written, with the path; what was there before is unharmed.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # a write names no path
    finally:
        temporary.unlink(missing_ok=True)
    return path
