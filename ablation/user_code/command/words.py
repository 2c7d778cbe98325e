"""The words that start a user's program, and the environment that it runs in."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ablation.errors import did_you_mean
from ablation.process.surroundings import THREADS, without_storage
from ablation.settings import NONE, Value

OWN = ("seed", "folder", "data")
"""What a word may hold besides settings: the training's seed, its folder, that of the data."""

PYTHON = ("python", "python3")
TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")


def placeholders(word: str) -> list[str]:
    """The names in braces in a word: ``["lr"]`` of ``--lr={lr}``; of ``{{lr}}`` none."""
    return [token["name"] for token in TOKEN.finditer(word) if token["name"] is not None]


def fill(word: str, texts: Mapping[str, str]) -> str:
    """A word with each ``{name}`` replaced, as it is, and with ``{{`` and ``}}`` as braces.

    Raises:
        KeyError: a name without a text.
    """

    def text(token: re.Match[str]) -> str:
        return token[0][0] if token["name"] is None else texts[token["name"]]

    return TOKEN.sub(text, word)


def literal(value: Value) -> str:
    """A value as a program gets it: exact, so that ``float`` gives the same number back."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def word_errors(words: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    """What is wrong with the braces in a command, a line each.

    Args:
        words: of the command.
        settings: the names of the settings that there are.
    """
    valid = [*settings, *OWN]
    for word in words:
        if any(token[0] in ("{", "}") for token in TOKEN.finditer(word)):
            yield f"command: {word!r} has a brace alone; a brace itself is written {{{{ or }}}}"
        for name in placeholders(word):
            if name not in valid:
                yield (
                    f"command: there is no {{{name}}}; {did_you_mean(name, valid)}; "
                    "a brace itself is written {{ or }}"
                )


def is_file(path: Path) -> bool:
    """Whether there is a file; not where the path could be none, being too long, say."""
    return os.path.isfile(path)  # noqa: PTH113


def file_words(words: Sequence[str], folder: Path) -> list[str]:
    """The words that name files of a folder, such as ``train.py``."""
    plain = [word for word in words if not placeholders(word)]
    return [word for word in plain if is_file(folder / fill(word, {}))]


def command_line(words: Sequence[str], folder: Path, texts: Mapping[str, str]) -> list[str]:
    """The words with which a training's program is started.

    Args:
        words: of the command.
        folder: that of the space's file: words that name files there become absolute.
        texts: what stands for each name in braces.
    """
    files = file_words(words, folder)
    line = [str(folder / fill(w, {})) if w in files else fill(w, texts) for w in words]
    if words[0] in PYTHON:
        line[0] = sys.executable
    return line


def program_error(words: Sequence[str], folder: Path) -> str:
    """Why the first word cannot be started; empty where it can, or where a setting decides it."""
    first = words[0]
    if first in PYTHON or placeholders(first):
        return ""
    if first in file_words([first], folder):
        if os.access(folder / fill(first, {}), os.X_OK):
            return ""
        return f"command: {first} is not executable; make it so (chmod +x), or name what runs it"
    if shutil.which(fill(first, {}), path=search_path()):
        return ""
    return f"command: there is no program {first}; install it, or give its path"


def search_path() -> str:
    """Where programs are looked for: beside this Python first, as in its environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def program_environment(words: Sequence[str], folder: Path, threads: int) -> dict[str, str]:
    """The environment of a user's program: this one, without what leads to a storage.

    Args:
        words: of the command; ``-m`` among them takes modules of the folder, too.
        folder: that of the space's file.
        threads: that its libraries are to start.
    """
    fixed = {"PATH": search_path(), "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"}
    own = without_storage(os.environ) | dict.fromkeys(THREADS, str(threads)) | fixed
    if "-m" in words:
        own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), own.get("PYTHONPATH")]))
    return own
