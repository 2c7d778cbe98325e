"""JSON as rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.errors import UserError
from tests.ablation.runs.helpers import rows_of, table_of

ROWS = [("a", "0.10", ""), ("b", "NaN", "adam")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.jsonl",
            '{"arm": "a", "acc": 0.10, "opt": null}\n\n{"arm": "b", "acc": NaN, "opt": "adam"}\n',
        ),
        ("a.txt", '{"arm": "a", "acc": 0.10}\n{"arm": "b", "acc": NaN, "opt": "adam"}\n'),
        ("a.json", '[{"arm": "a", "acc": 0.10},\n {"arm": "b", "acc": NaN, "opt": "adam"}]'),
        ("a.json", '{"arm": ["a", "b"], "acc": [0.10, NaN], "opt": [null, "adam"]}'),
        (
            "a.json",
            '{"arm": {"0": "a", "1": "b"}, "acc": {"0": 0.10, "1": NaN}, "opt": {"1": "adam"}}',
        ),
    ],
)
def test_rows_are_read_in_each_form(tmp_path: Path, name: str, text: str) -> None:
    table = table_of(tmp_path / name, text)
    assert rows_of(table, "arm", "acc", "opt") == ROWS


def test_nested_objects_are_flattened_with_dots(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "a.json",
        '{"config": {"optim": {"lr": 1e-3}, "sizes": [3, 2]}, "acc": 0.5, "flag": true}',
    )
    assert table.names == ["config.optim.lr", "config.sizes", "acc", "flag"]
    assert rows_of(table) == [("1e-3", "[3, 2]", "0.5", "True")]
    assert table.roles.settings == ("config.optim.lr", "config.sizes")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 1,\n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2: not an object"),
        ("a.json", '{"a": 1,\n "b": }', "a.json, line 2: not JSON"),
        ("a.json", "[1, 2]", "not a table"),
        ("a.json", "[]", "no rows"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a": ' * 9_000 + "1" + "}" * 9_000, "nested too deeply"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(UserError) as refused:
        table_of(tmp_path / name, text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
