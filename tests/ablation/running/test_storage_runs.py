"""Runs whose storage is killed, cut off or taken away in the middle: one line, then they go on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.storage import opened_storage, read_trials, storage_url
from tests.helpers import postgres
from tests.helpers.commands import cli
from tests.helpers.commands.forked import Process
from tests.helpers.made.tiny import assert_gone, tables, wait_for_epoch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("lean")]


def assert_stopped(process: Process, said: str) -> cli.Answer:
    """The run ends by itself, with one line that says why."""
    stopped = cli.finish(process, timeout=120)
    assert stopped.code == 2, stopped.out + stopped.err
    # A password in the command is noted first.
    lines = [line for line in stopped.err.splitlines() if not line.startswith("note: whoever")]
    assert len(lines) == 1, stopped.err
    assert lines[0].startswith("error: ")
    assert said in stopped.err
    assert "Traceback" not in stopped.out + stopped.err
    assert postgres.PASSWORD not in stopped.out + stopped.err
    assert_gone(process.pid)
    return stopped


def _cut(server: postgres.Server, url: str) -> None:
    assert server.cut(url)


def _restarted(server: postgres.Server, url: str) -> None:
    server.stop()
    server.start()


@pytest.mark.parametrize("disturb", [_cut, _restarted])
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


def test_ctrl_c_ends_a_run_whose_server_does_not_answer(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    with postgres.server() as server:
        words = [*command, "--jobs", "1", "--storage", server.fresh()]
        process = cli.start(*words, cwd=tmp_path)
        wait_for_epoch(process, 1)
        server.freeze()
        try:
            assert process.stdout
            while "Waiting for the storage" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            stopped = cli.finish(process, timeout=30)
        finally:
            server.freeze(signal.SIGCONT)
        assert stopped.code == 130, stopped.err
        assert "Traceback" not in stopped.out + stopped.err
        assert cli.run(*words, cwd=tmp_path).code == 0
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_a_renamed_storage_stops_the_run_and_goes_on_once_it_is_back(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    words = [*command, "--jobs", "1"]
    path = tmp_path / "results" / "studies.db"
    process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 5)  # one training has ended
    path.rename(tmp_path / "kept.db")
    assert_stopped(process, f"{path}: the storage was deleted or renamed while study tiny ran")
    assert not path.exists()
    with opened_storage(storage_url(str(tmp_path / "kept.db"), tmp_path)) as kept:
        assert read_trials(kept, "tiny")[0].state == "COMPLETE"
    (tmp_path / "kept.db").rename(path)
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    assert tables(tmp_path / "results") == tables(undisturbed)
