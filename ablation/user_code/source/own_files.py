"""Which files are the user's own, and what they import."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

INSTALLED = ("site-packages", "dist-packages")
HARNESS = Path(__file__).parents[2]


def is_own(file: str | Path, folder: Path) -> bool:
    """Whether a file is the user's own: under the folder of the code, and not installed there.

    Args:
        file: a module's.
        folder: that of the code, absolute.
    """
    path = Path(file)
    if not path.is_relative_to(folder) or path.is_relative_to(HARNESS):
        return False
    if folder.name in INSTALLED:
        return False
    if any(part in INSTALLED for part in path.relative_to(folder).parts):
        return False
    prefixes = (Path(sys.prefix), Path(sys.base_prefix))
    return not any(p.is_relative_to(folder) and path.is_relative_to(p) for p in prefixes)


def own_files(folder: Path, *more: Path) -> tuple[Path, ...]:
    """The user's own files that are imported now, in order.

    Args:
        folder: that of the code.
        more: files that are the user's own wherever they lie.
    """
    files = {path for _, path in _imported() if is_own(path, folder)}
    return tuple(sorted(files | set(more)))


def _imported() -> Iterator[tuple[str, Path]]:
    """The modules that are imported now, by name, with their files."""
    for name, module in list(sys.modules.items()):
        if isinstance(file := getattr(module, "__file__", None), str):
            yield name, Path(file)


def libraries(files: Iterable[Path]) -> tuple[str, ...]:
    """The modules that these files import and that are imported now, as the files write them.

    Those of the files themselves, of the standard library and of the harness are left out.
    """
    files = set(files)
    own = {name.partition(".")[0] for name, file in _imported() if file in files}
    skipped = own | set(sys.stdlib_module_names) | {HARNESS.name, "__main__"}
    names = {name for file in files for name in imports(file) if name in sys.modules}
    return tuple(sorted(name for name in names if name.partition(".")[0] not in skipped))


@cache
def imports(file: Path) -> tuple[str, ...]:
    """The modules that a file of Python imports, at its start or later, but for relative ones.

    Empty where it cannot be read. ``from a import b`` counts as ``a.b`` where that is a module.
    """
    if file.suffix != ".py":
        return ()
    try:
        with warnings.catch_warnings(action="ignore"):  # of Python's, about the code's style
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if name in sys.modules else node.module for name in full]
    return tuple(dict.fromkeys(names))
