"""Which code a training ran: digests of the user's own files, comments and formatting aside."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ablation.errors import UserError

WITH_DOCSTRING = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_digest(path: Path) -> str:
    """16 hexadecimal digits of what a Python file does: without comments, docstrings, layout.

    Raises:
        UserError: it cannot be read, or is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: no Python: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """16 hexadecimal digits of a file: of Python what it does, of anything else its bytes.

    Raises:
        UserError: it cannot be read, or is called ``.py`` and is no Python.
    """
    if path.suffix == ".py":
        return code_digest(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def digests(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """By file, from the folder: its digest."""
    home = folder.resolve()
    return {os.path.relpath(path.resolve(), home): file_digest(path) for path in files}


def changed_files(folder: Path, known: Mapping[str, str]) -> list[str]:
    """The files among those known that are no longer as they were, or gone; from the folder."""
    return [name for name, digest in known.items() if _digest_now(folder / name) != digest]


def _digest_now(path: Path) -> str:
    return file_digest(path) if path.exists() else ""
