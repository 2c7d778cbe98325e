"""A small real study, run as a person runs it, and what to look at while it runs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pandas as pd

OF_TIME_AND_MACHINE = ["seconds", "started", "finished"]
SPACE = """
format   = 1
question = "What does a run look like?"
design   = "one-factor"
seeds    = 2
[baseline]
hidden_size = 16
lstm_layers = 1
epochs      = 4
train_size  = 2000
[factors]
hidden_size = [32]
dropout     = [0.1]
"""


def options(data: Path) -> list[str]:
    return ["--data", str(data), "--results", "results"]


TABLES = ("trials.csv", "epochs.csv", "effects.csv", "confusion.csv")


def tables(results: Path, study: str = "tiny", names: tuple[str, ...] = TABLES) -> dict[str, str]:
    """The study's tables as text, without the columns of time."""
    found = {}
    for name in names:
        frame = pd.read_csv(results / study / name, dtype=str, keep_default_na=False)
        found[name] = frame.drop(columns=OF_TIME_AND_MACHINE, errors="ignore").to_csv()
    return found


def wait_for_epoch(process: subprocess.Popen[str], count: int) -> None:
    """Read the run's plain lines until `count` epochs have been reported."""
    assert process.stdout
    for line in process.stdout:
        count -= " epoch " in line
        if count <= 0:
            return
    raise AssertionError("the run ended before its epochs")


def assert_gone(group: int, seconds: float = 10) -> None:
    """Nothing of a started command's group is left, soon after it has ended."""
    deadline = time.monotonic() + seconds
    words = ["ps", "-ww", "-o", "pid=,stat=,args=", "-g", str(group)]
    while True:
        listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        left = [line for line in listed.splitlines() if line.split()[1][0] != "Z"]
        if not left:
            return
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
