"""Runs whose storage is killed, cut off or taken away in the middle: one line, then they go on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import cli, postgres
from tests.tiny import assert_gone, tables, wait_for_epoch

pytestmark = pytest.mark.slow


def assert_stopped(process: subprocess.Popen[str], said: str) -> cli.Answer:
    """The run ends by itself, with one line that says why."""
    stopped = cli.finish(process, timeout=120)
    assert stopped.code == 2, stopped.out + stopped.err
    assert len(stopped.err.splitlines()) == 1, stopped.err
    assert stopped.err.startswith("error: ")
    assert said in stopped.err
    assert "Traceback" not in stopped.out + stopped.err
    assert postgres.PASSWORD not in stopped.out + stopped.err
    assert_gone(process.pid)
    return stopped


def test_a_killed_run_goes_on_in_any_storage(
    any_url: str, undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    words = [*command, "--jobs", "2", "--storage", any_url]
    process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 3)
    process.kill()
    cli.finish(process, timeout=20)
    assert_gone(process.pid, seconds=5)
    status = cli.run("status", "tiny", "--storage", any_url, cwd=tmp_path)
    assert status.code == 0, status.err
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    assert tables(tmp_path / "results") == tables(undisturbed)


def _cut(server: postgres.Server, url: str) -> None:
    assert server.cut(url)


@pytest.mark.parametrize("disturb", [_cut])
def test_a_run_whose_connections_end_stops_and_goes_on(
    disturb: Callable[[postgres.Server, str], None],
    undisturbed: Path,
    command: list[str],
    tmp_path: Path,
) -> None:
    with postgres.server() as server:
        url = server.fresh()
        words = [*command, "--jobs", "1", "--storage", url]
        process = cli.start(*words, cwd=tmp_path)
        wait_for_epoch(process, 2)
        disturb(server, url)
        assert_stopped(process, "the same command goes on")
        again = cli.run(*words, cwd=tmp_path)
        assert again.code == 0, again.err
    assert tables(tmp_path / "results") == tables(undisturbed)
