"""The command line on a space that lies beside a user's code, with its results there too."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.helpers.commands import cli


def call(command: str, space: Path, *words: str) -> cli.Answer:
    return cli.call(command, str(space), "--results", str(space.parent / "results"), *words)


def run(space: Path, *words: str) -> str:
    answer = call("run", space, "--jobs", "1", *words)
    assert answer.code == 0, answer.out + answer.err
    return answer.out


def trials(space: Path, study: str = "walk") -> pd.DataFrame:
    return pd.read_csv(space.parent / "results" / study / "trials.csv")
