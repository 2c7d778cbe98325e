"""Faults survived: what is killed, stopped or filled up costs an epoch at most, and no figure."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crnn.ablation.storage import open_storage, read_trials, storage_url
from tests import cli
from tests.tiny import SPACE, assert_gone, options, tables, wait_for_epoch

pytestmark = pytest.mark.slow

IMPATIENT = """
import sys
import crnn.ablation.runner as runner
runner.SILENCE, runner.PATIENCE = 5.0, 0
import study
sys.argv = ["study.py", *sys.argv[1:]]
study.main()
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "tiny.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(
    space: Path, full_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The tables of a study that ran through."""
    folder = tmp_path_factory.mktemp("undisturbed")
    answer = cli.run("run", str(space), *options(full_data), "--jobs", "2", cwd=folder)
    assert answer.code == 0, answer.err
    assert not (folder / "results" / "tiny" / "checkpoints").exists()
    return tables(folder / "results")


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The process numbers of a run's workers."""
    words = ["pgrep", "-f", "loky.backend.popen", "-g", str(process.pid)]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return [int(word) for word in listed.split()]


def epochs_of(text: str) -> list[tuple[str, int]]:
    """Arm with seed and number of every epoch that a run has printed."""
    found = re.findall(r"^\s*(\S+ seed \d+)\s+epoch (\d+)/", text, re.MULTILINE)
    return [(name, int(epoch)) for name, epoch in found]


def states(folder: Path) -> list[str]:
    storage = open_storage(storage_url(None, folder / "results"))
    return [row.state for row in read_trials(storage, "tiny")]


def test_a_killed_coordinator_costs_an_epoch_at_most(
    undisturbed: dict[str, str], space: Path, full_data: Path, tmp_path: Path
) -> None:
    words = ["run", str(space), *options(full_data), "--jobs", "1"]
    process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 2)
    process.kill()
    cli.finish(process, timeout=10)
    assert_gone(process.pid, seconds=5)
    assert "RUNNING" in states(tmp_path)
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    trained = epochs_of(again.out)
    assert ("baseline seed 0", 1) not in trained
    assert ("baseline seed 0", 4) in trained
    assert tables(tmp_path / "results") == undisturbed
    assert states(tmp_path) == ["COMPLETE"] * 6
    assert not (tmp_path / "results" / "tiny" / "checkpoints").exists()


def test_killed_at_random_moments_it_ends_the_same(
    undisturbed: dict[str, str], space: Path, full_data: Path, tmp_path: Path
) -> None:
    draw = random.Random(5)
    words = ["run", str(space), *options(full_data), "--jobs", "2"]
    for _ in range(4):
        process = cli.start(*words, cwd=tmp_path)
        wait_for_epoch(process, draw.randint(1, 2))
        time.sleep(draw.random() / 2)
        victim = draw.choice([process.pid, *workers(process)])
        os.kill(victim, draw.choice([signal.SIGKILL, signal.SIGTERM]))
        time.sleep(draw.random())
        if process.poll() is None:
            process.kill()
        cli.finish(process, timeout=20)
        assert_gone(process.pid, seconds=5)
    answer = cli.run(*words, cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert tables(tmp_path / "results") == undisturbed


def test_a_killed_worker_goes_on_from_its_last_epoch(
    undisturbed: dict[str, str], space: Path, full_data: Path, tmp_path: Path
) -> None:
    process = cli.start("run", str(space), *options(full_data), "--jobs", "1", cwd=tmp_path)
    wait_for_epoch(process, 2)
    os.kill(workers(process)[0], signal.SIGKILL)
    answer = cli.finish(process)
    assert answer.code == 0, answer.err
    # Read on from the third line: nothing that was told before the kill is trained again.
    assert not {("baseline seed 0", 1), ("baseline seed 0", 2)} & set(epochs_of(answer.out))
    assert tables(tmp_path / "results") == undisturbed


def test_a_worker_that_says_nothing_is_replaced(
    undisturbed: dict[str, str], space: Path, full_data: Path, tmp_path: Path
) -> None:
    words = ["run", str(space), *options(full_data), "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(cli.ROOT)},
    )  # fmt: skip
    wait_for_epoch(process, 1)
    (stopped,) = workers(process)
    for signum, pause in ((signal.SIGSTOP, 6.0), (signal.SIGCONT, 1.0)):
        os.killpg(process.pid, signum)
        time.sleep(pause)
    assert workers(process) == [stopped]  # all were stopped: nobody is to blame
    os.kill(stopped, signal.SIGSTOP)
    answer = cli.finish(process)
    assert answer.code == 0, answer.err
    assert tables(tmp_path / "results") == undisturbed


def test_a_worker_lost_three_times_in_an_epoch_fails_its_trial_alone(
    full_data: Path, tmp_path: Path
) -> None:
    space = tmp_path / "long.toml"
    text = SPACE.replace("dropout     = [0.1]", "").replace("seeds    = 2", "seeds    = 1")
    text = text.replace("train_size  = 2000", "train_size  = 30000")
    space.write_text(text.replace("epochs      = 4", "epochs      = 1"), encoding="utf-8")
    process = cli.start("run", str(space), *options(full_data), "--jobs", "1", cwd=tmp_path)
    killed: set[int] = set()
    deadline = time.monotonic() + 120
    while len(killed) < 3:
        assert time.monotonic() < deadline
        for worker in workers(process):
            if worker not in killed:
                time.sleep(1.0)
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
        time.sleep(0.1)
    answer = cli.finish(process)
    assert answer.code == 3, answer.err
    found = json.loads(cli.run("status", "long", "--json", cwd=tmp_path).out)
    assert (found["complete"], found["failed"]) == (1, 1)
    assert "lost its worker process 3 times" in found["failures"][0]["reason"]


def test_when_all_fail_alike_nothing_more_is_begun(full_data: Path, tmp_path: Path) -> None:
    space = tmp_path / "bad.toml"
    wild = "learning_rate = 10.0\nweight_decay = 10.0\noptimizer = 'sgd'\n[factors]"
    text = SPACE.replace("epochs      = 4", "epochs      = 1").replace("[factors]", wild)
    space.write_text(text.replace("seeds    = 2", "seeds    = 5"), encoding="utf-8")
    answer = cli.run("run", str(space), *options(full_data), "--jobs", "1", cwd=tmp_path)
    assert answer.code == 3, answer.err
    assert "Stopped, because 5 trainings in a row failed alike: DivergedError" in answer.out
    assert "10 trials are left" in answer.out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(
    undisturbed: dict[str, str], space: Path, full_data: Path, tmp_path: Path, small_disk: Path
) -> None:
    (tmp_path / "results").mkdir()
    study = small_disk / "tiny"
    study.mkdir()
    (tmp_path / "results" / "tiny").symlink_to(study)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_900_000))
    words = ["run", str(space), *options(full_data), "--jobs", "2"]
    full = cli.run(*words, cwd=tmp_path)
    assert full.code == 2, full.out + full.err
    assert "no space left on the disk" in full.err
    assert "Traceback" not in full.err
    assert "FAIL" not in states(tmp_path)
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    assert tables(tmp_path / "results") == undisturbed
