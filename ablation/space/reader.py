"""A space file (TOML) read into a `Space`: every error found, all reported together."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ablation.files import write_new
from ablation.objective import Objective, load_objective
from ablation.program import command
from ablation.space.errors import SpaceError
from ablation.space.schema import Space
from ablation.space.sections import NoObjectiveError, SectionReader

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
    write_new(file, text.replace("PROGRAM", command()).replace("THIS_FILE", str(file)))


def parse(
    name: str,
    text: str,
    source: str = "",
    *,
    folder: Path | None = None,
    objective: Objective | None = None,
) -> tuple[Space, list[str]]:
    """What could be read of a space file, and every error found in it.

    Args:
        name: the space's.
        text: the file's.
        source: what errors call the file; the name unless given.
        folder: that of the file, where code stands that it names; the working directory unless
            given.
        objective: what the space is of, where that is known: then no code of it is needed.

    Raises:
        SpaceError: the text is not TOML at all, or longer than a space can be; or it names code
            that cannot be had.
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
    try:
        reader = SectionReader(document, folder or Path(), objective)
    except NoObjectiveError as error:
        raise SpaceError(source or name, error.errors) from None
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
