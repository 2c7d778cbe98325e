"""What a command that takes a study is given: its name, or the file of its space."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.cli.commands_to_paste import next_command
from ablation.errors import UserError, did_you_mean, one_line
from ablation.files import from_home
from ablation.folders import study_name
from ablation.space.reader import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.storages import RDBStorage

TOML = ".toml"


def find_study(opened: RDBStorage, given: str) -> str:
    """The name of the study that a command is to work with.

    The study of a space file is the one that `run` makes of it: its name is the file's. Where there
    is none, but one that the same space has made under another name (as `--epochs` does), it is
    that one. What is no file is taken to be a name, whether there is such a study or not.

    Args:
        opened: where the studies are.
        given: a study's name, or the path of a file.

    Raises:
        UserError: nothing has been made of this file yet, or several studies under other names.
    """
    from ablation.storage import display_url, study_names, url_of
    from ablation.storage.studies import own_studies

    file = Path(from_home(given))
    if given in study_names(opened) or not _is_file(file):
        return given
    if (name := study_name(file.stem)) in own_studies(opened):
        return name
    others = _of_space(opened, file.stem)
    if len(others) == 1:
        return others[0]
    where = display_url(url_of(opened))
    if others:
        raise UserError(
            f"{given}: several studies in {where} are of it: {', '.join(others)}; name one"
        )
    if not _is_there(file):
        valid = did_you_mean(name, own_studies(opened))
        raise UserError(f"{one_line(given)}: no such file, and no study {name} in {where}; {valid}")
    start = next_command("run" if file.suffix == TOML else "analyse", given)
    raise UserError(f"{one_line(given)}: no study of it in {where} yet; start with: {start}")


def _is_file(path: Path) -> bool:
    return path.suffix == TOML or _is_there(path)


def _is_there(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113, where `Path.is_file` raises at some names


def _of_space(opened: RDBStorage, space: str) -> list[str]:
    """The studies of a space of this name; what confirms a search is part of the search."""
    from ablation.storage import study_attributes
    from ablation.storage.studies import own_studies

    kept = {name: study_attributes(opened, name) for name in own_studies(opened)}
    return [
        name
        for name, own in kept.items()
        if own.get("space_name") == space and own.get("design") != "confirmation"
    ]


def say_what_differs(
    opened: RDBStorage, given: str, study: str, say: Callable[[str], None]
) -> None:
    """Tell which study a file stands for, and whether the file has changed since it was run.

    Args:
        opened: where the study is.
        given: what the command was given.
        study: the study's name.
        say: told of it.
    """
    from ablation.storage import study_attributes

    if given == study:
        return
    file = Path(from_home(given))
    if study != file.stem:
        say(f"The study of {given}: {study}")
    others = [name for name in _of_space(opened, file.stem) if name != study]
    if others:
        say(f"Also of {given}: {', '.join(others)}")
    digest = study_attributes(opened, study).get("space_digest")
    if _is_there(file) and digest and digest != _digest(file):
        say(f"{given} has changed since; what follows is of the space as it was run last.")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        text = opened.read(MAX_BYTES + 1).decode("utf-8-sig", "replace")
    return hashlib.sha256(text.encode()).hexdigest()
