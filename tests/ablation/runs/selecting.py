"""Tables and selections, as tests of them write them."""

from __future__ import annotations

import argparse
import io
import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.runs.options import Options
from ablation.runs.reading import read_frame
from ablation.runs.refusal import RefusedTableError
from ablation.runs.runs import Runs
from ablation.runs.selection import select_runs


def frame_of(text: str) -> pd.DataFrame:
    """A frame of text, from lines of cells with blanks between them; ``.`` is an empty cell."""
    lines = [line.split() for line in text.strip().splitlines()]
    return pd.DataFrame(lines[1:], columns=lines[0], dtype=str).replace(".", "")


def grid(**levels: Sequence[Any]) -> pd.DataFrame:
    """Every combination of levels, as text, the last one the fastest."""
    rows = list(itertools.product(*levels.values()))
    return pd.DataFrame(rows, columns=list(levels)).astype(str)


def with_figure(frame: pd.DataFrame, name: str = "val_acc", start: float = 0.8) -> pd.DataFrame:
    """A frame with a figure that differs from row to row."""
    values = [f"{start + 0.001 * ((7 * i) % 31):.4f}" for i in range(len(frame))]
    return frame.assign(**{name: values})


def selected(frame: pd.DataFrame | str, **options: Any) -> Runs:
    """The runs of a frame."""
    table = read_frame(frame_of(frame) if isinstance(frame, str) else frame)
    return select_runs(table, Options(**options))


def refused(frame: pd.DataFrame | str, **options: Any) -> list[str]:
    """Why a frame is refused."""
    try:
        selected(frame, **options)
    except RefusedTableError as refusal:
        return refusal.reasons
    raise AssertionError("it was not refused")


def counts(runs: Runs) -> dict[str, int]:
    """How many runs of each arm count."""
    complete = runs.runs[runs.runs["state"] == "COMPLETE"]
    sizes = complete.groupby("arm").size()
    return {arm: int(sizes.get(arm, 0)) for arm in runs.arms["arm"]}


def seeds(runs: Runs, arm: str) -> list[str]:
    """What pairs the runs of an arm that count."""
    rows = runs.runs[(runs.runs["state"] == "COMPLETE") & (runs.runs["arm"] == arm)]
    return rows["seed"].to_list()


def line(runs: Runs, *words: str) -> str:
    """The only line that has all of these words."""
    found = [text for text in runs.lines if all(word in text for word in words)]
    assert len(found) == 1, runs.lines
    return found[0]


def options_of(words: Sequence[str]) -> tuple[list[str], Options]:
    """The files and the options of a command's words."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("files", nargs="*")
    for name in ("arm", "seed", "metric", "test", "by", "reduce", "keep", "unit", "sd", "n"):
        parser.add_argument(f"--{name}")
    for name in ("against", "compare", "where"):
        parser.add_argument(f"--{name}", action="append")
    parser.add_argument("--setting", dest="settings", action="append")
    parser.add_argument("--margin", type=float)
    parser.add_argument("--early-stopping", action="store_true")
    for option, value in (("lower", "minimize"), ("higher", "maximize")):
        parser.add_argument(
            f"--{option}-is-better", dest="direction", action="store_const", const=value
        )
    given = vars(parser.parse_intermixed_args(list(words)))
    files = given.pop("files")
    said: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None
    }
    return files, Options(**said)


def csv(frame: pd.DataFrame) -> str:
    """A frame as a CSV file."""
    text = io.StringIO()
    frame.to_csv(text, index=False)
    return text.getvalue()
