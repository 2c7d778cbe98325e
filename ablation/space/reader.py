"""A space file (TOML) read into a `Space`: every error found, all reported together."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ablation.errors import UserError
from ablation.objective import load_objective
from ablation.program import command
from ablation.space.errors import SpaceError
from ablation.space.schema import Space
from ablation.space.sections import SectionReader

MAX_BYTES = 100_000  # of a file; the shipped ones have some thousands
MAX_COLUMNS = 10_000  # of a file: a key of thousands of parts takes a parser minutes
MAX_DEPTH = 20


def shipped() -> list[str]:
    """The names of the spaces that come with the default objective."""
    folder = load_objective().spaces
    return sorted(path.stem for path in folder.glob("*.toml")) if folder else []


def shipped_file(name: str) -> Path | None:
    """The file of a space that comes with the default objective; None where there is none."""
    folder = load_objective().spaces
    return folder / f"{name}.toml" if folder and name in shipped() else None


def new_space(file: Path) -> None:
    """Write a commented space to edit.

    Raises:
        UserError: the file exists, or cannot be written.
    """
    text = (Path(__file__).parent / "new_space.toml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text.replace("PROGRAM", command()).replace("THIS_FILE", str(file)))
    except FileExistsError:
        raise UserError(f"{file}: exists already; choose another name or delete it") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; choose another place") from None


def parse(name: str, text: str, source: str = "") -> tuple[Space, list[str]]:
    """What could be read of a space file, and every error found in it.

    `source` is what errors call the file, its name unless given.

    Raises:
        SpaceError: the text is not TOML at all, or longer than a space can be.
    """
    if len(text.encode()) > MAX_BYTES:
        raise SpaceError(source or name, [f"a space has at most {MAX_BYTES:,} bytes; shorten it"])
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_COLUMNS:
            why = f"line {number} has more than {MAX_COLUMNS:,} characters; break it"
            raise SpaceError(source or name, [why])
    try:
        document = tomllib.loads(text)
        _check_size(document)
    except (ValueError, RecursionError) as error:  # also of numbers and nesting beyond Python's
        raise SpaceError(source or name, [f"not valid TOML: {error}"]) from None
    reader = SectionReader(document)
    return Space(name=name, text=text, **reader.fields), reader.errors


def _check_size(document: dict[str, Any]) -> None:
    """Refuse integers beyond TOML's, and nesting that no key has."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("an integer has more than 64 bits")
        inside = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(each, depth + 1) for each in inside]
