"""A PostgreSQL server of a test's own: its files in a folder, its socket beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "s3cret"  # nobody asks for it; no message may show it


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh database; skips where there is no PostgreSQL, but fails with CI set."""
    programs = _programs()
    # Not pytest's folder: a socket's path must be short, and another user cannot enter it.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        identity = _identity(folder)

        def run(program: str, *words: str) -> None:
            subprocess.run(
                [programs / program, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                **identity,
            )  # fmt: skip

        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "crnn", "--auth=trust", "--no-locale", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://crnn:{PASSWORD}@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _programs() -> Path:
    """The folder of the server's programs; Debian keeps them out of the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if there := shutil.which("initdb"):
        found.append(Path(there).parent)
    if found:
        return found[0]
    if os.environ.get("CI"):
        pytest.fail("postgresql is missing: apt-get install postgresql")
    pytest.skip("needs the package postgresql")


def _identity(folder: Path) -> dict[str, Any]:
    """Who runs the server: PostgreSQL refuses root, which becomes nobody."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "extra_groups": []}
