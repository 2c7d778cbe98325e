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


def write_walk(folder: Path, code: str, space: str) -> Path:
    """Write `walk.py` and beside it `walk.toml`, which names it; the path of the latter."""
    (folder / "walk.py").write_text(code, encoding="utf-8")
    path = folder / "walk.toml"
    path.write_text(space, encoding="utf-8")
    return path
