"""How this program was started, so that the commands it prints work when they are pasted."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

MODULE = "ablation"  # what `python -m` is given


def command(*words: str, otherwise: str = f"python -m {MODULE}") -> str:
    """A command of this program as documents have it: with no path of this machine.

    Args:
        words: the command and what it is given.
        otherwise: how the program is started where none of its own was: from Python, say.

    Returns:
        ``python study.py …`` where that script was run, ``python -m ablation …`` where the package
        was, ``ablation …`` where the installed program was.
    """
    return " ".join([_NAMES.get(Path(sys.argv[0]).name, otherwise), *words])


_NAMES = {name: name for name in ("ablation", "crnn-study")} | {"study.py": "python study.py"}


def command_here(*words: str) -> str:
    """A command of this program as it works in this shell, quoted: with its paths, if need be."""
    return shlex.join([*_started(), *words])


def _started() -> list[str]:
    started = sys.argv[0]
    if Path(started).name == "__main__.py":
        return [short_path(sys.executable), "-m", MODULE]
    if not started.endswith(".py"):
        return [short_path(started)]
    return [short_path(sys.executable), started]


def short_path(program: str) -> str:
    """A program by its name where the shell finds it, else by its path from here."""
    path = Path(program).absolute()
    if (found := shutil.which(path.name)) and Path(found).absolute() == path:
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
