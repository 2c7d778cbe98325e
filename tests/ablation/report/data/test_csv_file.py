"""CSV that no spreadsheet computes, and that reads back as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ablation.report.data.csv_file import csv_text, read_csv

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "'=1+1", "''@cmd", "=cmd|' /C'!A0",
            "\n=1+1", "\r\n=1", " =1+1", "\n\t=1", "＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1",
            "'＝1", "\u00a0=1"]  # fmt: skip


def written(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_text(csv_text(frame), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_starts_as_a_formula(text: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"arm": [text, "plain"], text: ["'plain", "it's"]})
    cells = list(csv.reader(io.StringIO(csv_text(frame), newline="")))
    assert cells[0] == ["arm", f"'{text}"]
    assert cells[1] == [f"'{text}", "'plain"]
    assert cells[2] == ["plain", "it's"]
    assert_frame_equal(read_csv(written(frame, tmp_path)), frame)


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"delta": [-0.1, 1e-17, float("nan")], "n": [-1, 0, 10**15]})
    assert csv_text(frame).splitlines()[1:] == ["-0.1,-1", "1e-17,0", f",{10**15}"]
    assert_frame_equal(read_csv(written(frame, tmp_path)), frame, check_exact=True)


def test_text_that_looks_like_something_else_stays_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"arm": ["NA", "nan", "1", "true"], "level": ["1", "2", "3", "04"]})
    assert_frame_equal(read_csv(written(frame, tmp_path), ["arm", "level"]), frame)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_reads_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    frame = pd.DataFrame({"arm": texts, "delta": [-1.5] * len(texts)})
    path = written(frame, tmp_path_factory.mktemp("csv"))
    assert_frame_equal(read_csv(path, ["arm"]), frame)
