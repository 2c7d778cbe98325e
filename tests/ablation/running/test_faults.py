"""Faults survived: what is killed, stopped or filled up costs an epoch at most, and no figure."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ablation.process.signals import ctrl_c_ignored
from ablation.storage import StorageError, opened_storage, read_trials, storage_url
from tests.helpers.commands import cli, forked
from tests.helpers.commands.forked import Process
from tests.helpers.made.tiny import (
    SPACE,
    assert_gone,
    edited,
    options,
    processes,
    tables,
    wait_for_epoch,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("lean")]
in_both = pytest.mark.usefixtures("default_storage")

SHORT = edited(
    SPACE,
    ("seeds    = 2", "seeds    = 1"),
    ("epochs      = 4", "epochs      = 1"),
)
# A run that stops itself and its workers, as a laptop that falls asleep does, in the middle of
# telling of its first epoch; and that waits for 5 seconds only when a worker says nothing.
FALLING_ASLEEP = """
import io, os, signal, sys
import study
from ablation.cli.app import Tools
from ablation.running.patience import Patience

class Falling(io.TextIOWrapper):
    awake = True
    def write(self, text):
        written = super().write(text)
        if self.awake and " epoch " in text:
            self.awake = False
            self.flush()
            os.killpg(0, signal.SIGSTOP)
        return written

sys.stdout = Falling(sys.stdout.detach(), line_buffering=True)
sys.argv = ["study.py", *sys.argv[1:]]
study.main(Tools(patience=Patience(stall=5.0, epochs=0)))
"""


def workers(process: Process) -> list[int]:
    """The process numbers of a run's workers."""
    return [pid for pid, words in processes(process.pid).items() if "spawn_main" in words]


def wait_within_a_training(process: Process) -> None:
    """Read until an epoch has ended this moment, and it was not the last of its training.

    Between two trainings a worker may be silent for as long as it takes to start one.
    """
    assert process.stdout
    began = time.monotonic()
    for line in process.stdout:
        waited, began = time.monotonic() - began, time.monotonic()
        if waited > 0.01 and re.search(r" epoch [123]/4", line):
            return
    raise AssertionError("the run ended before that")


def epochs_of(text: str) -> list[tuple[str, int]]:
    """Arm with seed and number of every epoch that a run has printed."""
    found = re.findall(r"^\s*(\S+ seed \d+)\s+epoch (\d+)/", text, re.MULTILINE)
    return [(name, int(epoch)) for name, epoch in found]


def states_so_far(folder: Path, study: str) -> list[str]:
    """The states of the trials, where there is a storage yet, and the study in it."""
    with suppress(StorageError, KeyError):
        return states(folder, study)
    return []


def states(folder: Path, study: str = "tiny") -> list[str]:
    with opened_storage(storage_url(None, folder / "results")) as storage:
        return [row.state for row in read_trials(storage, study)]


@in_both
def test_a_killed_coordinator_costs_an_epoch_at_most(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    words = [*command, "--jobs", "1"]
    process = cli.start(*words, cwd=tmp_path)
    told = wait_for_epoch(process, 2)
    process.kill()
    told += cli.finish(process, timeout=10).out
    assert_gone(process.pid, seconds=5)
    assert "RUNNING" in states(tmp_path)
    status = cli.run("status", "tiny", cwd=tmp_path)
    assert status.code == 0, status.err
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    before, after = epochs_of(told), epochs_of(again.out)
    assert not set(before) & set(after)  # what was told is not trained again
    assert len(before) + len(after) >= 15  # of 16; one may have ended as the kill came
    assert tables(tmp_path / "results") == tables(undisturbed)
    assert states(tmp_path) == ["COMPLETE"] * 4
    assert not (tmp_path / "results" / "tiny" / "checkpoints").exists()


@in_both
def test_killed_at_random_moments_it_ends_the_same(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    draw = random.Random(5)
    words = [*command, "--jobs", "2"]
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
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_a_killed_worker_goes_on_from_its_last_epoch(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    process = cli.start(*command, "--jobs", "1", cwd=tmp_path)
    wait_for_epoch(process, 2)
    os.kill(workers(process)[0], signal.SIGKILL)
    answer = cli.finish(process)
    assert answer.code == 0, answer.err
    # Read on from the third line: nothing that was told before the kill is trained again.
    assert not {("baseline seed 0", 1), ("baseline seed 0", 2)} & set(epochs_of(answer.out))
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_a_worker_that_says_nothing_is_replaced(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    words = [*command, "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", FALLING_ASLEEP, *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(cli.ROOT)},
    )  # fmt: skip
    wait_for_epoch(process, 1)
    (stopped,) = workers(process)
    time.sleep(6.0)
    os.killpg(process.pid, signal.SIGCONT)
    time.sleep(1.0)
    left = workers(process)
    wait_within_a_training(process)
    with suppress(ProcessLookupError):
        os.kill(stopped, signal.SIGSTOP)
    answer = cli.finish(process)
    assert left == [stopped]  # all were stopped: nobody is to blame
    assert answer.code == 0, answer.err
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_a_worker_lost_three_times_in_an_epoch_fails_its_trial_alone(
    full_data: Path, tmp_path: Path
) -> None:
    space = tmp_path / "long.toml"
    text = edited(SHORT, ("train_size  = 1000", "train_size  = 30000"))
    space.write_text(text, encoding="utf-8")
    process = cli.start("run", str(space), *options(full_data), "--jobs", "1", cwd=tmp_path)
    killed: set[int] = set()
    deadline = time.monotonic() + 120
    # A worker that ends before its first job is no training's.
    while not states_so_far(tmp_path, "long"):
        assert process.poll() is None, cli.finish(process).err
        assert time.monotonic() < deadline
        time.sleep(0.1)
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
    text = edited(SPACE, ("epochs      = 4", "epochs      = 1"), ("seeds    = 2", "seeds    = 5"))
    space.write_text(text, encoding="utf-8")
    in_the_way = tmp_path / "results" / "bad" / "weights"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    words = ["run", str(space), *options(full_data), "--jobs", "1", "--keep-weights"]
    answer = cli.run(*words, cwd=tmp_path)
    assert answer.code == 3, answer.err
    assert "Stopped, because 5 trainings in a row failed alike: FileExistsError" in answer.out
    assert "5 trials are left" in answer.out


Mount = Callable[[Path, int], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mount]:
    """Puts a file system of so many kB on a folder; on the same one again, resizes it."""
    mounted: list[Path] = []

    def mount(folder: Path, kilobytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        size = f"remount,size={kilobytes}k" if folder in mounted else f"size={kilobytes}k"
        words = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("needs to mount a small file system")
        mounted.append(folder)

    yield mount
    for folder in dict.fromkeys(mounted):
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("full", "kilobytes"),
    [("results/tiny", 100), ("results", 500), ("storage", 200)],
)
def test_a_full_disk_loses_nothing(
    full: str,
    kilobytes: int,
    undisturbed: Path,
    command: list[str],
    tmp_path: Path,
    small_disk: Mount,
) -> None:
    small_disk(tmp_path / full, kilobytes)
    (tmp_path / "storage").mkdir(exist_ok=True)
    own = [] if full == "results" else ["--storage", "storage/a.db"]
    words = [*command, "--jobs", "2", *own]
    stopped = cli.run(*words, cwd=tmp_path)
    assert stopped.code == 2, stopped.out + stopped.err
    assert "no space left on" in stopped.err.lower()
    assert full in stopped.err
    assert "Traceback" not in stopped.err
    small_disk(tmp_path / full, 40_000)
    again = cli.run(*words, cwd=tmp_path)
    assert again.code == 0, again.err
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_a_report_for_which_there_is_no_room_damages_none(
    undisturbed: Path, tmp_path: Path, small_disk: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.WAY, "forked")  # with figures
    shutil.copytree(undisturbed, tmp_path / "results")
    before = cli.files(tmp_path / "results" / "tiny")
    shutil.rmtree(tmp_path / "results" / "tiny")
    folder = tmp_path / "results" / "tiny"
    small_disk(folder, 100)
    words = ["report", "tiny", "--results", "results"]
    stopped = cli.run(*words, cwd=tmp_path)
    assert stopped.code == 2, stopped.out + stopped.err
    assert "results/tiny/" in stopped.err
    assert "No space left on device; mend that and try again" in stopped.err
    assert cli.files(folder).items() <= before.items()  # what there is, is whole
    small_disk(folder, 40_000)
    assert cli.run(*words, cwd=tmp_path).code == 0
    assert cli.files(folder) == before


FULL_SHARED_MEMORY = """
mount -t tmpfs -o size=4k tmpfs /dev/shm && head -c 4096 /dev/zero > /dev/shm/full || exit 77
exec "$@"
"""


def test_full_shared_memory_and_a_folder_of_any_name_make_no_difference(
    undisturbed: Path, command: list[str], tmp_path: Path, small_disk: Mount
) -> None:
    results = tmp_path / "Ergebnisse für Zoë" / "結果"
    small_disk(results, 40_000)  # another file system than the data's and the temporary files'
    run = [sys.executable, str(forked.LEAN), *command, "--jobs", "2"]
    run += ["--results", str(results)]  # the last one counts
    words = ["unshare", "--mount", "bash", "-c", FULL_SHARED_MEMORY, "bash", *run]
    answer = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    if answer.returncode in (1, 77) and not answer.stdout:
        pytest.skip(f"needs to mount a small /dev/shm: {answer.stderr}")
    assert answer.returncode == 0, answer.stderr
    assert tables(results) == tables(undisturbed)


SEARCH = """
format   = 1
question = "What does a search look like?"
design   = "search"
[baseline]
hidden_size = 16
lstm_layers = 1
[factors]
hidden_size = { low = 8, high = 32, step = 8 }
dropout     = { low = 0.0, high = 0.4 }
[search]
trials   = 5
seed     = 3
sampler  = { name = "tpe", n_startup_trials = 2 }
pruner   = { name = "median", n_warmup_steps = 1 }
training = { epochs = 3, train_size = 2000 }
"""


@in_both
def test_a_killed_search_goes_on_with_the_same_trials(full_data: Path, tmp_path: Path) -> None:
    space = tmp_path / "look.toml"
    space.write_text(SEARCH, encoding="utf-8")
    words = ["run", str(space), "--data", str(full_data), "--jobs", "1", "--results"]
    assert cli.run(*words, "whole", "--storage", "whole.db", cwd=tmp_path).code == 0
    for epochs in (2, 5):
        process = cli.start(*words, "results", cwd=tmp_path)
        wait_for_epoch(process, epochs)
        os.killpg(process.pid, signal.SIGKILL)
        cli.finish(process, timeout=20)
    assert cli.run(*words, "results", cwd=tmp_path).code == 0
    names = ("trials.csv", "epochs.csv")
    whole = tables(tmp_path / "whole", "look", names)
    assert tables(tmp_path / "results", "look", names) == whole
    assert whole["trials.csv"].count("COMPLETE") + whole["trials.csv"].count("PRUNED") == 5


def test_memory_that_does_not_suffice_fails_its_trial_alone(
    full_data: Path, tmp_path: Path
) -> None:
    space = tmp_path / "large.toml"
    huge = "channels = [1024, 1024, 1024], batch_size = 42000, train_size = 60000"
    arm = f"[arms]\nhuge = {{ set = {{ {huge}, padding = 'matched' }} }}\n"
    space.write_text(SHORT + arm, encoding="utf-8")
    process = cli.start("run", str(space), *options(full_data), "--jobs", "1", cwd=tmp_path)
    # Its first map alone takes 17 GB or more. Refused by a limit, on any machine: a kernel that
    # has to take it back kills what it likes.
    resource.prlimit(process.pid, resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    answer = cli.finish(process)
    assert answer.code == 3, answer.err
    found = json.loads(cli.run("status", "large", "--json", cwd=tmp_path).out)
    assert (found["complete"], found["failed"]) == (2, 1)
    assert found["failures"][0]["arm"] == "huge"
    assert "out of memory 3 times" in found["failures"][0]["reason"]
    assert "can't allocate memory" in found["failures"][0]["reason"]


@in_both
def test_a_second_ctrl_c_stops_at_once_and_a_second_run_is_refused(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    words = [*command, "--jobs", "1"]
    with ctrl_c_ignored():  # as a script hands it on to what it starts with &
        process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 5)  # one training has ended
    os.killpg(process.pid, signal.SIGSTOP)  # else it may be over before the others have begun
    second = cli.run(*words, cwd=tmp_path)
    assert second.code == 2
    assert f"study tiny is being run by process {process.pid} on " in second.err
    early = cli.run("report", "tiny", cwd=tmp_path)
    assert early.code == 0, early.err
    assert "Preliminary: " in early.out
    os.killpg(process.pid, signal.SIGCONT)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    stopped = cli.finish(process, timeout=10)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert_gone(process.pid, seconds=5)
    assert cli.run(*words, cwd=tmp_path).code == 0
    assert tables(tmp_path / "results") == tables(undisturbed)
