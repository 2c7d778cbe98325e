"""An objective whose trainings have a process each, and write down what they find there.

It keeps a global and leaves processes behind, as a user's code may.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ablation.errors import DivergedError
from ablation.objective import Epoch, Listener, Objective, Pack, Result
from ablation.objective.metric import Metric
from ablation.settings import Value
from tests.helpers.valley import hash_of

Deed = Literal[
    "nothing", "popen", "child", "wait", "orphan", "linger", "loader",
    "sleep", "kill", "silence", "exit",
]  # fmt: skip
trained = 0  # in this process


class Settings(BaseModel):
    """What a training does."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    steps: int = Field(1, ge=1, le=1000)
    deed: Deed = "nothing"

    @property
    def digest(self) -> str:
        """All of it has an effect."""
        return f"{hash_of(self.model_dump()):016x}"

    def values(self) -> dict[str, Value]:
        """By name."""
        return dict(self)

    def replace(self, **changes: Any) -> Settings:
        """Validated."""
        return Settings(**{**dict(self), **changes})


class Witness(Objective):
    """Writes a file ``PID.json`` into the folder of its data, then does its deed."""

    name = "witness"
    fields = Settings.model_fields
    metric = Metric("score")
    length = "steps"
    figures: Mapping[str, tuple[float, float]] = {"score": (-1e9, 1e9)}
    fresh_processes = True
    packs = False

    def __init__(self, name: str, libraries: tuple[str, ...] = ()) -> None:
        self.spec, self.libraries = f"tests.helpers.witness:{name}", libraries

    def setting(self, values: Mapping[str, Any]) -> Settings:
        """See the contract."""
        return Settings(**values)

    def pick_device(self, name: str) -> str:
        """See the contract; `nowhere` ends the process, as a fault in a driver may."""
        if name == "nowhere":
            os._exit(1)
        return super().pick_device(name)

    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """See the contract."""
        global trained
        trained += 1
        ((setting, seed),) = pack.members
        assert isinstance(setting, Settings)
        started = do_before(setting.deed, pack.data)
        write_down(pack.data, started)
        misbehave(setting.deed, pack.data)
        for number in range(1, setting.steps + 1):
            listener.on_epoch(0, Epoch(number, {"score": seed + number / 10}, 0.0))
            if setting.steps > 1:
                time.sleep(0.01)
        return [Result(0.0)]


def write_down(folder: Path, started: list[int]) -> None:
    """Write what this process finds, and the numbers of the processes that it has started."""
    before = [int(path.stem) for path in folder.glob("*.json")]
    found = {
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "parent": os.getppid(),
        "server": os.getpgid(os.getppid()),
        "before": before,
        "alive": [pid for pid in before if Path(f"/proc/{pid}").exists()],
        "started": started,
        "trained": trained,
        "modules": sorted(sys.modules),
        "environment": dict(os.environ),
        "words": sys.orig_argv,
        "hash": hash("a text"),
        "daemon": multiprocessing.current_process().daemon,
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    }
    path = folder / f"{os.getpid()}.json"
    path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
    path.with_suffix(".part").rename(path)


def do_before(deed: Deed, folder: Path) -> list[int]:
    """What a user's code may do; the processes that it has started."""
    if deed in ("popen", "sleep", "kill", "silence", "exit"):
        return [subprocess.Popen(["sleep", "1000"]).pid]
    if deed == "orphan":
        if (pid := os.fork()) == 0:
            os.setsid()
            time.sleep(1000)
        return [pid]
    if deed in ("child", "wait"):
        start_child(0.01, daemon=False).join()
        if (pid := os.fork()) == 0:
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        return [start_child(1000, daemon=deed == "child").pid or 0]
    if deed == "loader":
        load_in_workers()
    elif deed == "linger":
        global open_file
        open_file = (folder / f"{os.getpid()}.txt").open("w")
        open_file.write("held back")
        atexit.register(exit_slowly, folder)
    return []


def start_child(seconds: float, *, daemon: bool) -> BaseProcess:
    """A child that sleeps; at exit, Python waits for one that is no daemon."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=time.sleep, args=(seconds,), daemon=daemon)
    process.start()
    return process


def exit_slowly(folder: Path) -> None:
    """Leave a file ``PID.exit``, late."""
    time.sleep(0.15)
    (folder / f"{os.getpid()}.exit").touch()


def misbehave(deed: Deed, folder: Path) -> None:
    """Do not come to an end; for most such deeds, the first training in a folder alone."""
    if deed == "sleep":
        time.sleep(1000)
    if deed in ("kill", "silence", "exit") and not (folder / "done").exists():
        (folder / "done").touch()
        if deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif deed == "silence":
            time.sleep(1000)
        else:
            os._exit(3)


def load_in_workers() -> None:
    """Read through a loader of PyTorch that has two processes, and stays in the middle of it."""
    from torch.utils.data import DataLoader

    batches: Iterator[Any] = iter(DataLoader(range(1000), num_workers=2))  # type: ignore[arg-type]
    assert int(next(batches)) == 0
    global left
    left = batches


left: Any = None
open_file: Any = None
objective = Witness("objective")
with_a_library = Witness("with_a_library", ("made_library",))
