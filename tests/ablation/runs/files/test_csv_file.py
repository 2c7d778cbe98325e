"""CSV files as people save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.errors import UserError
from ablation.runs.options import Options
from ablation.runs.reading import read_table
from tests.ablation.runs.helpers import rows_of, table_of


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    text = separator.join(["arm", "seed", "acc"]) + "\n" + separator.join(["a", "1", "0.5"]) + "\n"
    table = table_of(tmp_path / "a.csv", text)
    assert table.names == ["arm", "seed", "acc"]
    assert rows_of(table) == [("a", "1", "0.5")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("arm;acc\na;0,5\nb;0,25\n", [("a", "0,5"), ("b", "0,25")]),
        ("arm;acc, mean\na;0,5\n", [("a", "0,5")]),
        ("arm,acc\na,0.5;x\n", [("a", "0.5;x")]),
        ("arm,acc\n\"a;b;c\",1\n'x',2\n", [("a;b;c", "1"), ("'x'", "2")]),
        ("sep=;\narm;acc\na;1\n", [("a", "1")]),
        ("\ufeffarm,acc\na,1\n", [("a", "1")]),
        ("arm,acc\r\na,1\r\n\r\n,\r\n", [("a", "1")]),
        ("| arm | acc |\n|:--|--:|\n| a | 1 |\n", [("a", "1")]),
        (' arm , acc\n "a, b", 1 \n', [("a, b", "1")]),
    ],
)
def test_cells_are_read_as_they_stand(
    tmp_path: Path, text: str, rows: list[tuple[str, ...]]
) -> None:
    table = table_of(tmp_path / "a.csv", text)
    columns = [name for name in table.names if name]
    assert columns[0] == "arm"
    assert rows_of(table, *columns) == rows


def test_text_stays_text(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "arm,lr\n007,0.10\nNA,0.1\n,1e-3\n")
    assert rows_of(table) == [("007", "0.10"), ("NA", "0.1"), ("", "1e-3")]


def test_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("arm\tacc\nü\t1\n".encode("utf-16"))
    assert rows_of(read_table([str(path)], Options())) == [("ü", "1")]


def test_an_index_column_has_no_name(tmp_path: Path) -> None:
    assert table_of(tmp_path / "a.csv", ",arm\n0,a\n").names == ["", "arm"]
    assert table_of(tmp_path / "b.csv", "Unnamed: 0,arm\n0,a\n").names == ["", "arm"]


def test_rows_know_their_lines(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", 'arm,acc\n"two\nlines",1\n\nb,2\n')
    assert list(table.read(["acc"]).index) == [2, 5]


def test_only_the_first_rows_are_the_head(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "arm\n" + "a\n" * 1_500)
    assert (len(table.head), len(table.read(["arm"]))) == (1_000, 1_500)


def test_cells_may_be_longer_than_pythons_limit(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", f"arm,notes\na,{'x' * 200_000}\n")
    assert len(rows_of(table, "notes")[0][0]) == 200_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n1,2,3\n", "a.csv, line 3: 3 cells where the header has 2"),
        ("a,b\n1,2\n1\n", "a.csv, line 3: 1 cell where the header has 2"),
        ("a,b,a\n1,2,3\n", "two columns are called a"),
        ('a,b\n"1,2\n3,4\n', "line 2: unexpected end of data"),
        (",\n1,2\n", "names no column"),
        ("a,b\n", "a header without rows"),
        (" \n", "it is empty"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        table_of(tmp_path / "a.csv", text).read(["a"])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("arm;acc\na;1\nü;2\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"a.csv, line 3: it is not UTF-8.*iconv -f windows-1252"):
        read_table([str(path)], Options())
