"""Trainings with a process each: what it finds, what it may start, and that nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ablation.design.loading import build
from ablation.errors import UserError
from ablation.running.executors.base import Wish
from ablation.running.launch import launch
from ablation.running.messages import EpochFinished, JobFinished, JobStarted, WorkerLost
from ablation.running.patience import Patience
from ablation.running.request import Request
from ablation.running.resources import Resources
from ablation.storage import storage_url
from tests.helpers.commands import cli
from tests.helpers.local_bench import Bench
from tests.helpers.made.studies import document
from tests.helpers.made.tiny import wait_for_epoch
from tests.helpers.witness import Deed, objective

SECONDS = 30.0  # that anything here may take


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.executor.close()


def members(group: int) -> set[int]:
    """The numbers of a process group's processes, the dead left out."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of, *_ = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of) == group and state not in "ZX":
            found.add(int(path.parent.name))
    return found


def wait_until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# What a training finds


def test_each_training_has_a_process_of_its_own(bench: Bench) -> None:
    bench.open()
    first, second, third = bench.train("nothing", "nothing", "nothing")
    assert len({first["pid"], second["pid"], third["pid"], os.getpid()}) == 4
    assert [each["trained"] for each in (first, second, third)] == [1, 1, 1]
    for said in bench.said.values():
        assert [type(message) for message in said] == [JobStarted, EpochFinished, JobFinished]


def test_a_training_leads_a_group_and_may_start_processes(bench: Bench) -> None:
    bench.open()
    (found,) = bench.train("nothing")
    assert found["group"] == found["pid"] != found["parent"]
    assert not found["daemon"]
    assert found["threads"] == 1  # Python warns of forks where there are several
    assert found["interrupt"]  # as what it starts inherits it


def test_hashes_are_the_same_in_each(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    bench.open()
    first, second = bench.train("nothing", "nothing")
    assert first["hash"] == second["hash"]
    assert first["environment"]["PYTHONHASHSEED"] == "0"  # which what it starts has as well


def test_nothing_of_the_storage_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:s3cret@host/studies"
    given = {"CRNN_STUDY_STORAGE": url, "PGPASSWORD": "s3cret", "PGHOST": "host", "PGANY": "1"}
    for name, value in {**given, "MINE": "yes", "OMP_NUM_THREADS": "9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["study.py", "run", "quick", "--storage", url])
    bench.open()
    (found,) = bench.train("nothing")
    server = Path(f"/proc/{found['parent']}")
    seen = [found["environment"], *map(read, (server / "environ", server / "cmdline"))]
    assert not any(word in str(each) for each in (*seen, found["words"]) for word in SECRETS)
    environment = found["environment"]
    assert (environment["MINE"], environment["OMP_NUM_THREADS"]) == ("yes", "1")
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert given.items() <= os.environ.items()


SECRETS = ("s3cret", "PGHOST", "PGANY", "CRNN_STUDY_STORAGE")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_each_worker_sees_its_own_gpu(bench: Bench) -> None:
    bench.open(resources=Resources("cuda", ("5", "6"), jobs=2))
    for token in ("first", "second"):
        bench.submit(token, steps=20)
    bench.poll_until(lambda: bench.last("first") and bench.last("second"))
    seen = {found["environment"]["CUDA_VISIBLE_DEVICES"] for found in bench.written()}
    assert seen == {"5", "6"}


# What is loaded


def made_library(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A module that notes each time that it is loaded, then runs `code`."""
    (folder / "made_library.py").write_text(
        f"with open({str(folder / 'loads')!r}, 'a') as file: file.write('x')\n{code}\n"
    )
    monkeypatch.syspath_prepend(folder)


def test_libraries_are_loaded_once_for_all_trainings(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_library(tmp_path, monkeypatch, "")
    assert bench.open("made_library") == ()
    for found in bench.train("nothing", "nothing"):
        assert "made_library" in found["modules"]
    assert read(tmp_path / "loads") == "x"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        pytest.param("raise SystemExit(2)", "SystemExit: 2", marks=pytest.mark.slow),
        pytest.param(
            "import os; os._exit(1)", "the process that loaded it ended", marks=pytest.mark.slow
        ),
        (
            "import threading; threading.Thread(target=threading.Event().wait).start()",
            "it starts threads, which a forked process lacks",
        ),
    ],
)
def test_a_library_that_cannot_be_loaded_for_all_is_left_out_and_told(
    code: str, why: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_library(tmp_path, monkeypatch, code)
    (note,) = bench.open("made_library")
    assert note.startswith(f"made_library could not be loaded beforehand ({why}")
    (found,) = bench.train("nothing")
    assert isinstance(bench.last("job 0"), JobFinished)
    assert "made_library" not in found["modules"]
    assert read(tmp_path / "loads") == "x"


def test_what_is_wrong_with_the_device_is_told(bench: Bench) -> None:
    wish = Wish(objective.spec, "cuda", fresh_processes=True)
    assert bench.executor.offer(wish).no_device == "--device cuda: this objective trains on cpu"
    with pytest.raises(UserError, match="3 worker processes ended before they had found a device"):
        bench.executor.offer(Wish(objective.spec, "nowhere", fresh_processes=True))


# What is left


@pytest.mark.parametrize("deed", ["popen", "child", pytest.param("wait", marks=pytest.mark.slow)])
def test_a_training_that_has_ended_leaves_nothing(deed: Deed, bench: Bench) -> None:
    bench.open()
    first, second = bench.train(deed, "nothing")
    assert isinstance(bench.last("job 0"), JobFinished)
    assert members(first["group"]) == set()
    bench.executor.close()
    assert members(second["group"]) | members(second["server"]) == set()


def test_it_exits_as_a_program_does_before_the_next_begins(bench: Bench) -> None:
    bench.open()
    first, second = bench.train("linger", "linger")
    assert (second["before"], second["alive"]) == ([first["pid"]], [])
    bench.executor.close()
    for found in (first, second):
        assert (bench.folder / f"{found['pid']}.exit").exists()
        assert read(bench.folder / f"{found['pid']}.txt") == "held back"


def test_what_leaves_the_group_is_gone_when_the_run_is(bench: Bench) -> None:
    bench.open()
    bench.submit("lost", "orphan", steps=1000)
    bench.poll_until(bench.written)
    (found,) = bench.written()
    (orphan,) = found["started"]
    wait_until(lambda: os.getpgid(orphan) == orphan)
    os.kill(found["pid"], signal.SIGKILL)
    bench.poll_until(lambda: bench.last("lost"))  # though the orphan has all that it had open
    bench.executor.close()
    assert not Path(f"/proc/{orphan}").exists()


@pytest.mark.parametrize("deed", ["kill", "exit"])
def test_a_killed_training_leaves_nothing_and_costs_its_job_alone(deed: Deed, bench: Bench) -> None:
    bench.open(resources=Resources(jobs=2))
    bench.submit("other", steps=20)
    bench.submit("killed", deed)
    bench.poll_until(lambda: bench.last("killed") and bench.last("other"))
    assert isinstance(bench.last("killed"), WorkerLost)
    assert isinstance(bench.last("other"), JobFinished)
    (killed,) = [found for found in bench.written() if found["started"]]
    assert members(killed["group"]) == set()
    bench.submit("again", deed)
    bench.poll_until(lambda: bench.last("again"))
    assert isinstance(bench.last("again"), JobFinished)


def test_what_a_killed_training_has_started_is_gone_before_anybody_asks(bench: Bench) -> None:
    bench.open()
    bench.submit("lost", "popen", steps=1000)
    wait_until(bench.written)
    (found,) = bench.written()
    os.kill(found["pid"], signal.SIGKILL)
    wait_until(lambda: not members(found["group"]))


def test_a_job_that_is_given_up_leaves_nothing(bench: Bench) -> None:
    bench.open()
    bench.submit("silent", "silence")
    bench.poll_until(bench.written)
    (found,) = bench.written()
    wait_until(lambda: len(members(found["group"])) == 2)
    bench.executor.cancel("silent")
    assert members(found["group"]) == set()
    (_, again) = bench.train("nothing")
    assert isinstance(bench.last("job 1"), JobFinished)
    assert again["pid"] != found["pid"]


@pytest.mark.slow
def test_where_the_fork_server_is_killed_another_one_takes_its_place(bench: Bench) -> None:
    bench.open()
    bench.submit("lost", "silence")
    bench.poll_until(bench.written)
    (found,) = bench.written()
    wait_until(lambda: len(members(found["group"])) == 2)
    os.kill(found["parent"], signal.SIGKILL)
    bench.poll_until(lambda: bench.last("lost"))
    assert isinstance(bench.last("lost"), WorkerLost)
    wait_until(lambda: not members(found["group"]))
    (_, again) = bench.train("nothing")
    assert again["parent"] != found["parent"]


COORDINATOR = """
import signal, sys, time
from pathlib import Path
from ablation.running.resources import Resources
from tests.helpers.local_bench import Bench

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started with
bench = Bench(Path(sys.argv[1]))
bench.open(resources=Resources(jobs=2))
for token in ("first", "second"):
    bench.submit(token, "sleep")
bench.poll_until(lambda: len(bench.written()) == 2)
print("ready", flush=True)
if sys.argv[2] == "raise":
    raise ValueError("made up")
time.sleep(60)
"""


@pytest.mark.parametrize(
    "how",
    [
        "killed",
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("killed with a training", "killed with its server", "hung up", "raise")
        ),
    ],
)
def test_where_the_coordinator_ends_nothing_is_left(how: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(tmp_path), how],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(cli.ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        found = Bench(tmp_path).written()
        groups = {number for each in found for number in (each["group"], each["server"])}
        assert len(groups) == 3
        wait_until(lambda: sum(len(members(group)) for group in groups) == 6 or how == "raise")
        if how == "killed with a training":
            os.kill(found[0]["pid"], signal.SIGKILL)
        if how == "killed with its server":
            os.kill(found[0]["parent"], signal.SIGKILL)
        if how != "raise":
            process.send_signal(signal.SIGHUP if how == "hung up" else signal.SIGKILL)
        process.communicate(timeout=SECONDS)  # whoever is left would hold its output open
        wait_until(lambda: not any(map(members, groups)))


@pytest.mark.slow
def test_a_loader_of_pytorch_may_have_processes(bench: Bench) -> None:
    bench.open()
    bench.submit("killed", "loader", steps=1000)
    bench.poll_until(lambda: len(bench.said["killed"]) > 2)
    (found,) = bench.written()
    assert len(members(found["group"])) == 3
    os.kill(found["pid"], signal.SIGKILL)
    bench.poll_until(lambda: bench.last("killed"))
    wait_until(lambda: not members(found["group"]))
    bench.train("loader")
    assert isinstance(bench.last("job 1"), JobFinished)


# Whole runs

SPACE: dict[str, Any] = {
    "format": 1,
    "question": "What may a training do?",
    "objective": objective.spec,
    "design": "one-factor",
    "seeds": 1,
    "margin": 0.01,
    "factors": {"deed": ["popen"]},
}


def run(folder: Path, say: Callable[[str], None] = print, **changes: Any) -> list[Any]:
    """Run a study in this process; what its trainings have written down."""
    (folder / "data").mkdir()
    plan = build("witness", document({**SPACE, **changes}))
    request = Request(plan, "witness", storage_url(None, folder), folder, data=folder / "data")
    shown = nullcontext(lambda event: None)
    patience = Patience(stall=1.0, epochs=0)
    progress = launch(request, lambda study: shown, say, patience=patience)
    assert (progress.complete, progress.wanted) == (2, 2)
    return Bench(folder / "data").written()


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "count"), [("kill", 3), ("silence", 3), ("popen", 2)])
def test_a_run_goes_on_in_another_process_and_leaves_nothing(
    deed: Deed, count: int, tmp_path: Path
) -> None:
    found = run(tmp_path, factors={"deed": [deed]})
    assert len({each["pid"] for each in found}) == count
    assert not any(members(each["group"]) | members(each["server"]) for each in found)


@pytest.mark.slow
def test_a_library_that_cannot_be_loaded_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_library(tmp_path, monkeypatch, "import nowhere")
    said: list[str] = []
    run(tmp_path, said.append, objective="tests.helpers.witness:with_a_library")
    (note,) = [text for text in said if "made_library" in text]
    assert note.startswith("Note: made_library could not be loaded beforehand (ModuleNotFound")


def started(folder: Path, deed: Deed) -> Any:
    """A run from the command line, each of whose trainings takes 10 seconds."""
    space = {**SPACE, "baseline": {"deed": deed, "steps": 1000}, "factors": {"steps": [999]}}
    (folder / "data").mkdir()
    (folder / "witness.toml").write_text(document(space), encoding="utf-8")
    words = ["--results", "results", "--data", "data", "--jobs", "1"]
    return cli.start("run", "witness.toml", *words, cwd=folder)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_and_the_program_is_not_imported(tmp_path: Path) -> None:
    process = started(tmp_path, "popen")
    wait_for_epoch(process, 1)
    (found,) = Bench(tmp_path / "data").written()
    assert members(found["group"])
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    answer = cli.finish(process, timeout=SECONDS)
    assert answer.code == 130, answer.err
    assert answer.err.count("Traceback") == 0
    assert members(found["group"]) | members(found["server"]) == set()
    loaded = {name.partition(".")[0] for name in found["modules"]}
    assert "ablation" in loaded
    assert not loaded & {"study", "crnn", "torch", "optuna", "typer"}


@pytest.mark.slow
def test_a_run_of_it_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "witness.toml").write_text(document(SPACE), encoding="utf-8")
    words = ["study.py", "run", "witness.toml", "--data", "."]
    loaded = cli.modules_loaded_by(words, tmp_path)
    assert "optuna" in loaded
    assert "torch" not in loaded
    assert len(Bench(tmp_path).written()) == 2
