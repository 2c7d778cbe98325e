"""Files of a user's code, and the processes that import them."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[3]


def write(folder: Path, name: str, code: str) -> Path:
    """Write a file, in a folder that is made if need be."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(code), encoding="utf-8")
    return path


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def all_gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether none of these processes runs any more, before long."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)
