"""A PostgreSQL server of the tests' own: its files in a folder, its socket beside them."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from ablation.storage import open_storage

PASSWORD = "s3cret"  # nobody asks for it; no message may show it


@dataclass
class Server:
    """A server that runs, and what can be done to it.

    Attributes:
        folder: of its data, its log and its socket.
        programs: the folder of the server's programs.
    """

    folder: Path
    programs: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases, for SQLAlchemy."""
        return f"postgresql+psycopg://crnn:{PASSWORD}@/{database}?host={self.folder}"

    def fresh(self) -> str:
        """The URL of a new database that holds an empty storage: making those tables is slow."""
        number = next(self.numbers)
        if number == 0:
            self.execute("CREATE DATABASE empty")
            open_storage(self.url("empty"), create=True).engine.dispose()
        self.execute(f"CREATE DATABASE test_{number} TEMPLATE empty")
        return self.url(f"test_{number}")

    def execute(self, statement: str) -> list[Any]:
        """Execute a statement outside any transaction; its rows, if it has any."""
        return execute(sqlalchemy.make_url(self.url()), statement)

    def cut(self, url: str) -> int:
        """End all connections to a database, as an administrator does; how many there were."""
        name = sqlalchemy.make_url(url).database
        rows = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )
        return len(rows)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c autovacuum=off"
        self._control("-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """End it at once, with all its connections."""
        self._control("-m", "immediate", "stop")

    def freeze(self, signum: signal.Signals = signal.SIGSTOP) -> None:
        """Stop its processes from answering; with SIGCONT they go on."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        words = ["ps", "-o", "pid=", "--ppid", str(first)]
        listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        for number in [first, *map(int, listed.split())]:
            os.kill(number, signum)

    def _control(self, *words: str) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), *words)

    def run(self, program: str, *words: str) -> None:
        """Run one of the server's programs."""
        subprocess.run(
            [self.programs / program, *words], cwd=self.folder, check=True,
            stdout=subprocess.DEVNULL, **_identity(),
        )  # fmt: skip


def execute(url: sqlalchemy.URL, statement: str) -> list[Any]:
    """Execute a statement outside any transaction and any of the tests' databases; its rows."""
    engine = sqlalchemy.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(statement))
        rows = list(found) if found.returns_rows else []
    engine.dispose()
    return rows


@contextmanager
def server() -> Iterator[Server]:
    """A server of the caller's own; skips where there is no PostgreSQL, but fails with CI set."""
    programs = _programs()
    # Not pytest's folder: a socket's path must be short, and another user cannot enter it.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if _identity():
            shutil.chown(folder, "nobody")
        made = Server(folder, programs)
        words = ("--auth=trust", "--no-locale", "--no-sync", "-E", "UTF8")
        made.run("initdb", "-D", str(folder / "data"), "-U", "crnn", *words)
        made.start()
        try:
            yield made
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                made.stop()


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


def _identity() -> dict[str, Any]:
    """Who runs the server: PostgreSQL refuses root, which becomes nobody."""
    return {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
