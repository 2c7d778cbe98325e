"""Where a study's files are: one folder below the results folder, and nothing outside it."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from ablation.errors import UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # of an arm, of a study, of a file
ENVIRONMENT_VARIABLE = "CRNN_STUDY_STORAGE"  # of a storage, where no option names one
FILE_NAME = "studies.db"  # of the storage in a results folder, where neither names one
RESERVED = "reference"
ARTIFACTS = "_artifacts"  # no study can be called so
CONFIRM = ".confirm"
PARTS = (" (being copied)", " (being begun)")  # ends of names, until a study is whole
LONGEST = 100


def is_name(study: str) -> bool:
    """Whether a study, or the confirmation of one, can have this name."""
    return bool(NAME.fullmatch(search_of(study)))


def confirm_name(study: str) -> str:
    """The name of a search's confirmation, a study of its own in the storage."""
    return study + CONFIRM


def search_of(study: str) -> str:
    """The search that a study confirms; any other is its own."""
    return study.removesuffix(CONFIRM)


def is_part(study: str) -> bool:
    """Whether a name is that of half a study: of one being begun, or copied, when that ended."""
    return study.endswith(PARTS)


def study_name(text: str) -> str:
    """A name that a study may have, made of any text: itself where it is one.

    Where characters are lost a digest is added, so that texts that differ in these alone do not
    share a name.
    """
    if _is_free(text):
        return text
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    kept = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-._").removesuffix(CONFIRM)
    if kept == "-".join(text.split()) and _is_free(kept):
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: LONGEST - 20].rstrip('-._') or 'study'}-{digest}"


def _is_free(study: str) -> bool:
    return bool(NAME.fullmatch(study)) and study != RESERVED and not study.endswith(CONFIRM)


def check_name(study: str) -> None:
    """Refuse a name that no study may have: it becomes a folder's and a file's.

    Raises:
        UserError: what a name takes.
    """
    if not _is_free(study):
        raise UserError(
            f"study name {study!r}: takes letters, digits, '.', '_' and '-', a letter or digit "
            "first, at most 100; 'reference' and names ending in '.confirm' are taken. A study "
            "that was renamed to it goes on once it is renamed to such a name"
        )


def artifact_folder(results: Path) -> Path:
    """The folder of the artifact store that all studies' trials have in common.

    Raises:
        UserError: it is a link that leads out of the results folder.
    """
    folder = results / ARTIFACTS
    _check_link(folder, results)
    return folder


def study_folder(results: Path, study: str, *below: str) -> Path:
    """The folder of a study, or one below it; the results folder itself may be a link.

    A search and its confirmation have one report; what else the confirmation keeps (checkpoints,
    weights) is in ``confirm`` inside. Another program may have given a study a name that is no
    folder's; its folder is called as `study_name` makes of it.

    Args:
        results: the folder of results.
        study: its name.
        *below: names of folders, one inside the other.

    Raises:
        UserError: a folder on the way, or one directly inside, is a link that leads out of the
            results folder. What is further inside is checked by who uses it.
    """
    search = search_of(study)
    names = [study_name(search), *([CONFIRM.removeprefix(".")] if study != search else []), *below]
    folder = results
    for name in names:
        folder /= name
        _check_link(folder, results)
    for path in folder.iterdir() if folder.is_dir() else ():
        _check_link(path, results)
    return folder


def trial_folder(trials: Path, number: int) -> Path:
    """The folder of a trial's own.

    Args:
        trials: the folder that has those of all trials of a study.
        number: the trial's.

    Raises:
        UserError: it is a link that leads out of `trials`.
    """
    folder = trials / f"trial-{number}"
    if _leads_out(folder, trials):
        raise UserError(f"{folder}: a link that leads out of {trials}; remove it")
    return folder


def _check_link(path: Path, results: Path) -> None:
    if _leads_out(path, results):
        raise UserError(
            f"{path}: a link that leads out of {results}; remove it, or name the folder that "
            "it leads to with --results"
        )


def _leads_out(path: Path, home: Path) -> bool:
    """Whether a path is a link to elsewhere; one to a file is let be, as writing replaces it."""
    if not path.is_symlink() or path.is_file():
        return False
    leads_to = Path(os.path.realpath(path))  # a loop of links, which has no end, is let be
    return not leads_to.is_relative_to(home.resolve())
