"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import re
from pathlib import Path

from crnn.errors import UserError

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
