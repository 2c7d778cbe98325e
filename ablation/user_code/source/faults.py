"""Errors in a user's code, each in one line: where, and what."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablation.errors import UserError, one_line
from ablation.user_code.source.own_files import is_own

MAX_FRAMES = 3
MAX_TRACE = 4  # frames of a traceback that is shown
TITLE = "Traceback (most recent call last):\n"
FRAME = re.compile(r'^  File "(?P<file>.+)", line \d+.*\n(?:    .*\n)?', re.MULTILINE)
MAX_SOURCE = 80  # characters of a line of code that are shown
DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""What to install for a module whose name is another."""


class ExitError(UserError):
    """A user's code ended the process, as argparse does, where it should not."""


def place(thing: Callable[..., Any] | type, folder: Path) -> str:
    """Where a function or a class of the user's is: ``digits.py:20``.

    Args:
        thing: what was imported.
        folder: that of the code.
    """
    try:
        file, line = inspect.getsourcefile(thing), inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):  # made at run time
        return getattr(thing, "__module__", "?")
    return f"{short_name(file or '?', folder)}:{line}"


def short_name(file: str | Path, folder: Path) -> str:
    """A file's path from the folder of the code."""
    path = Path(file)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def error_text(error: BaseException, folder: Path) -> str:
    """An error in the user's files: the lines there that led to it, the code, what it was.

    ``digits.py:5, model.py:3: import foo: ModuleNotFoundError: No module named 'foo'``

    Args:
        error: with its traceback.
        folder: that of the code.
    """
    summary = traceback.TracebackException.from_exception(error)
    frames = [
        (frame.filename, frame.lineno, frame.line or "")
        for frame in summary.stack
        if is_own(frame.filename, folder)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno, error.text or ""))
    where = ", ".join(
        f"{short_name(file, folder)}:{line}" for file, line, _ in frames[-MAX_FRAMES:]
    )
    source = shortened(frames[-1][2]) if frames else ""
    what = [line.strip() for line in summary.format_exception_only()][-1]
    if isinstance(error, ValidationError):
        what = f"{type(error).__name__}: {refusal_text(error)}"
    return one_line(": ".join(part for part in (where, source, what) if part))


def own_traceback(text: str, folder: Path) -> str:
    """A traceback with the user's own frames alone, the last ones, and the error at its end.

    Args:
        text: the traceback, as Python prints it.
        folder: that of the code.
    """
    last = text.rpartition(TITLE)[2]
    own = [frame[0] for frame in FRAME.finditer(last) if is_own(frame["file"], folder)]
    error = next((line for line in last.splitlines() if not line.startswith(" ")), "")
    return "".join([*([TITLE] if own else []), *own[-MAX_TRACE:], error])


def shortened(source: str) -> str:
    """A line of code as a message shows it."""
    source = source.strip()
    return source if len(source) <= MAX_SOURCE else f"{source[:MAX_SOURCE]} …"


def refusal_text(error: ValueError) -> str:
    """Why a class refuses a combination of settings, in one line."""
    if not isinstance(error, ValidationError):
        return one_line(str(error))
    texts = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        text = one["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        text = text.replace("Input should be", "must be")
        texts.append(f"{'.'.join(map(str, one['loc']))}: {text}" if one["loc"] else text)
    return one_line("; ".join(texts))


def import_advice(error: BaseException, folder: Path) -> str:
    """What to do about an error that came while the user's code was imported; often nothing."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_advice(error.name, own_frames(error, folder))
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        return '; relative imports take trains = "package.module:function"'
    return ""


def _missing_advice(name: str, frames: list[Path]) -> str:
    first = name.partition(".")[0]
    for importer in frames[-1:]:
        for candidate in (importer.with_name(f"{first}.py"), importer.with_name(first)):
            if candidate.exists():
                return f"; {candidate.name} lies beside {importer.name}: from . import {first}"
    if first in sys.modules or first in sys.stdlib_module_names:
        return ""
    return f"; pip install {DISTRIBUTIONS.get(first, first)}"


def own_frames(error: BaseException, folder: Path) -> list[Path]:
    """The user's own files that an error came through, the last one at the end."""
    frames = traceback.extract_tb(error.__traceback__)
    return [Path(frame.filename) for frame in frames if is_own(frame.filename, folder)]
