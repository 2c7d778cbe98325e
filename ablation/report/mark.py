"""A mark in a study's folder: which state of the storage its report was built from.

It is removed before the first file of a report is written and set after the last, so a folder
with half a report has none.
"""

from __future__ import annotations

import json
from pathlib import Path

from ablation.files import write_atomic

NAME = ".report.json"


def is_current(folder: Path, fingerprint: str) -> bool:
    """Whether the folder has a whole report of this state (see `ablation.storage.fingerprint`)."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("fingerprint") == fingerprint


def remove(folder: Path) -> None:
    """Remove the mark, where there is one.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / NAME).unlink(missing_ok=True)


def write(folder: Path, fingerprint: str) -> None:
    """Mark the folder's report as whole, and as one of this state.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomic(folder / NAME, json.dumps({"fingerprint": fingerprint}) + "\n")
