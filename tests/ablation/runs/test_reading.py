"""Which files are read, several of them, and frames."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.errors import UserError
from ablation.runs.options import Options
from ablation.runs.reading import read_frame, read_table
from tests.ablation.runs.helpers import rows_of, table_of


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    for arm in ("base", "no-skip"):
        for seed in (1, 2):
            (folder / f"{arm}-s{seed}.csv").write_text(f"epoch,acc\n0,0.{seed}\n")
    return folder


def test_several_files_are_one_table(tmp_path: Path) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("arm,acc\na,1\n")
    other.write_text("acc;seed;arm\n2;7;b\n")
    table = read_table([str(one), str(other)], Options())
    assert table.names == ["file", "arm", "acc", "seed"]
    assert rows_of(table, "arm", "acc", "seed") == [("a", "1", ""), ("b", "2", "7")]
    assert list(table.read(["file"])["file"]) == [str(one), str(other)]


def test_files_have_their_hashes_by_name(tmp_path: Path) -> None:
    paths = [tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"arm\n{path.parent.name}\n")
    table = read_table([str(path) for path in paths], Options())
    assert table.files == {
        f"{path.parent.name}/a.csv": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }
    alone = read_table([str(paths[0])], Options())
    assert list(alone.files) == ["a.csv"]


@pytest.mark.parametrize("pattern", ["runs/{arm}-s{seed}.csv", "{arm}-s{seed}.*"])
def test_names_of_files_say_arm_and_seed(runs: Path, pattern: str) -> None:
    files = sorted(map(str, runs.iterdir()))
    table = read_table(files, Options(name=pattern))
    assert (table.roles.arm, table.roles.seed) == ("arm", "seed")
    assert rows_of(table, "arm", "seed", "acc") == [
        ("base", "1", "0.1"), ("base", "2", "0.2"),
        ("no-skip", "1", "0.1"), ("no-skip", "2", "0.2"),
    ]  # fmt: skip


def test_a_folder_is_read_by_a_pattern(runs: Path) -> None:
    (runs / "notes.txt").write_text("not a table")
    table = read_table([str(runs)], Options(name="{arm}-s{seed}.csv"))
    assert len(rows_of(table)) == 4


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{arm}_s{seed}.csv", "base-s1.csv.* and 1 more: no match for --name"),
        ("base", "it names no column"),
        ("{arm}-s{epoch}.csv", "it has a column epoch already"),
        ("{arm}-{kind}.csv", "can mean arm=no, kind=skip-s1 or arm=no-skip, kind=s1"),
    ],
)
def test_names_that_say_nothing_clear_are_refused(runs: Path, pattern: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_table(sorted(map(str, runs.iterdir())), Options(name=pattern))


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"PK\x03\x04", "save the table as CSV"),
        (b"\x80\x04\x95", "a pickle"),
        (b"\x1f\x8b", "gunzip"),
        (b"a,\0b", "not text"),
        (b"", "empty"),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, start: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(start)
    with pytest.raises(UserError, match=said):
        read_table([str(tmp_path / "a.csv")], Options())


def test_only_regular_files_of_this_machine_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name, said in {
        "https://example.org/a.csv": "only files of this machine",
        "file:///a.csv": "only files of this machine",
        "postgresql://host/a": "only files of this machine",
        str(tmp_path / "pipe.csv"): "not a regular file",
        "/dev/zero": "not a regular file",
        str(tmp_path): "a folder, but not one of",
        str(tmp_path / "none.csv"): "no such file",
        "sqlite:////dev/zero": "not a regular file",
        "a\0b": "embedded null",
    }.items():
        with pytest.raises(UserError, match=said):
            read_table([name], Options())


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(UserError, match=r"5\.0 GB, and 4 GB are the most"):
        read_table([str(tmp_path / "a.csv")], Options())


def test_a_frame_is_read_as_its_csv_would_be(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "arm": ["007", "NA", None], "acc": [0.1, np.nan, 0.30000000000000004],
            "n": pd.array([1, None, 3], dtype="Int64"), "flag": [True, False, True],
        }
    )  # fmt: skip
    from_file = table_of(tmp_path / "a.csv", frame.to_csv(index=False))
    from_frame = read_frame(frame)
    assert from_frame.names == from_file.names
    assert rows_of(from_frame) == rows_of(from_file)
    assert from_frame.files == {}


def test_named_indices_of_a_frame_are_columns() -> None:
    index = pd.MultiIndex.from_product([["a", "b"], [0, 1]], names=["arm", "seed"])
    table = read_frame(pd.DataFrame({"acc": [1.0, 2.0, 3.0, 4.0]}, index=index))
    assert table.names == ["arm", "seed", "acc"]
    assert rows_of(table)[-1] == ("b", "1", "4.0")


def test_frames_without_rows_or_with_names_twice_are_refused() -> None:
    with pytest.raises(UserError, match="no rows"):
        read_frame(pd.DataFrame({"a": []}))
    with pytest.raises(UserError, match="the same name"):
        read_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds(tmp_path: Path) -> None:
    row = "no_mixup,17,1200,0.5,0.912,,33.1\n"
    path = tmp_path / "a.csv"
    path.write_text("arm,run,epoch,loss,acc,ema,seconds\n" + row * 1_000_000)
    table = read_table([str(path)], Options())
    assert len(table.read(["arm", "run", "epoch", "acc"])) == 1_000_000
