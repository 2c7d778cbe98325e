"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

DAMAGED = ".damaged"  # is added to the name of a file that is set aside


def trial_file(number: int) -> str:
    """The name of a file with a trial's weights, kept or of a training under way."""
    return f"trial-{number}.safetensors"


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way; its new place."""
    return path.replace(path.with_name(path.name + DAMAGED))


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
