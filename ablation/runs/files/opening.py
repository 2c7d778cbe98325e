"""Which files are read: regular ones of this machine, of a bounded size."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from ablation.errors import UserError, one_line
from ablation.files import from_home

LARGEST = 4 * 2**30  # bytes
FOREIGN = {
    b"PK\x03\x04": "a workbook or another archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the table as CSV",
    b"\x1f\x8b": "compressed; unpack it with gunzip",
    b"\xfd7zXZ": "compressed; unpack it with unxz",
    b"BZh": "compressed; unpack it with bunzip2",
    b"\x28\xb5\x2f\xfd": "compressed; unpack it with unzstd",
    b"\x80\x04": "a pickle, which could run any code; save the table as CSV",
    b"\x80\x05": "a pickle, which could run any code; save the table as CSV",
    b"%PDF": "a PDF; save the table as CSV",
}
KINDS = {b"PAR1": "parquet", b"SQLite format 3\x00": "sqlite"}


def shown(path: Path | str) -> str:
    """A path as messages have it."""
    return one_line(str(path))


def regular_file(name: str) -> Path:
    """The path of a file that may be read.

    Raises:
        UserError: there is none, it is no regular file of this machine, or too large.
    """
    if "://" in name:
        raise UserError(f"{shown(name)}: only files of this machine are read; download it first")
    path = Path(from_home(name))
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(name)}: {_reason(error)}; give the file of a table") from None
    if stat.S_ISDIR(found.st_mode):
        raise UserError(
            f"{shown(name)}: a folder, but not one of Hydra's multirun or MLflow; give its files, "
            f"such as {shown(path / '*.csv')}"
        )
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{shown(name)}: not a regular file; write it to one and give that")
    if found.st_size > LARGEST:
        raise UserError(
            f"{shown(name)}: {found.st_size / 2**30:.1f} GB, and {LARGEST / 2**30:.0f} GB are "
            "the most that is read; leave out the columns or steps that are not needed"
        )
    return path


def kind_of(path: Path) -> str:
    """What a file is, by how it begins and its ending: csv, json, parquet or sqlite.

    Raises:
        UserError: it holds no table, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise UserError(f"{shown(path)}: {_reason(error)}; ask its owner") from None
    for begin, what in FOREIGN.items():
        if start.startswith(begin):
            raise UserError(f"{shown(path)}: {what}")
    for begin, kind in KINDS.items():
        if start.startswith(begin):
            return kind
    if not start.strip():
        raise UserError(f"{shown(path)}: it is empty; a table has a header and a row a run")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    named = path.suffix.lower() in (".json", ".jsonl", ".ndjson")
    return "json" if named or text.startswith((b"{", b"[{")) else "csv"


def content_hash(path: Path) -> str:
    """The SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: OSError | ValueError) -> str:
    """What the system says of a file."""
    return (getattr(error, "strerror", None) or str(error)).lower()
