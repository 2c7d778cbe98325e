"""Parquet files, where pyarrow is installed, and where it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import UserError
from ablation.runs.options import Options
from ablation.runs.reading import read_table
from tests.ablation.runs.helpers import rows_of

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    arrow: Any = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    table = arrow.table(
        {
            "arm": ["007", "NA", "a"],
            "config": [{"lr": 0.1, "opt": {"name": "adam"}}, {"lr": 0.2, "opt": None}, None],
            "acc": [0.5, None, 0.25],
        }
    )
    files.write_table(table, tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_cells_are_text_and_nested_columns_flat(parquet: Path) -> None:
    table = read_table([str(parquet)], Options())
    assert table.names == ["arm", "config.lr", "config.opt.name", "acc"]
    assert rows_of(table) == [
        ("007", "0.1", "adam", "0.5"), ("NA", "0.2", "", ""), ("a", "", "", "0.25"),
    ]  # fmt: skip


def test_only_columns_that_are_asked_for_are_read(parquet: Path) -> None:
    assert rows_of(read_table([str(parquet)], Options()), "config.lr") == [
        ("0.1",),
        ("0.2",),
        ("",),
    ]


@pytest.mark.skipif(HAS_PYARROW, reason="pyarrow is installed")
def test_without_pyarrow_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"pip install 'crnn-ablation\[parquet\]'"):
        read_table([str(tmp_path / "a.parquet")], Options())


@pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed")
def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1xxxx")
    with pytest.raises(UserError, match="not read as Parquet"):
        read_table([str(tmp_path / "a.parquet")], Options())
