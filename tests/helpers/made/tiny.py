"""A small real study, run as a person runs it, and what to look at while it runs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pandas as pd

from tests.helpers.commands.forked import Process

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
train_size  = 1000
[factors]
hidden_size = [32]
"""


def edited(text: str, *changes: tuple[str, str]) -> str:
    """A text with some parts replaced, each of which it has."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def options(data: Path) -> list[str]:
    return ["--data", str(data), "--results", "results"]


TABLES = ("trials.csv", "epochs.csv", "effects.csv", "confusion.csv")


def tables(
    results: Path,
    study: str = "tiny",
    names: tuple[str, ...] = TABLES,
    but: tuple[str, ...] = (),
) -> dict[str, str]:
    """The study's tables as text, without the columns of time and those named in `but`."""
    found = {}
    for name in names:
        frame = pd.read_csv(results / study / name, dtype=str, keep_default_na=False)
        found[name] = frame.drop(columns=[*OF_TIME_AND_MACHINE, *but], errors="ignore").to_csv()
    return found


def wait_for_epoch(process: Process, count: int) -> str:
    """Read the run's plain lines until `count` epochs have been reported; what was read."""
    assert process.stdout
    read = ""
    for line in process.stdout:
        read += line
        count -= " epoch " in line
        if count <= 0:
            return read
    raise AssertionError("the run ended before its epochs")


def processes(group: int) -> dict[int, str]:
    """The command lines of a started command's processes by their number, the dead left out."""
    words = ["ps", "-ww", "-o", "pid=,stat=,args=", "-g", str(group)]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return {int(number): words for number, state, words in rows if state[0] != "Z"}


def assert_gone(group: int, seconds: float = 10) -> None:
    """Nothing of a started command's group is left, soon after it has ended."""
    deadline = time.monotonic() + seconds
    while left := processes(group):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
