"""Nested values as columns."""

from __future__ import annotations

from typing import Any

import pytest

from ablation.runs.tables.flattening import entries_of, flat


def test_what_is_nested_too_deeply_is_said() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep, "b": 1}
    with pytest.raises(ValueError, match="nested too deeply"):
        flat(deep)


@pytest.mark.parametrize(
    ("cell", "entries"),
    [
        ('{"lr": 0.10, "on": true}', {"c.lr": "0.10", "c.on": "True"}),
        (
            "{'lr': 1e-05, 'loss': nan, 'best': inf}",
            {"c.lr": "1e-05", "c.loss": "nan", "c.best": "inf"},
        ),
        ("{'sizes': (3, 2), 'opt': {'name': None}}", {"c.sizes": "[3, 2]", "c.opt.name": ""}),
        ("{}", {}),
        ("{1: 2}", None),
        ("{'a': print('x')}", None),
        ("[1]", None),
        ("plain", None),
    ],
)
def test_dicts_of_cells_are_read_as_constants_alone(
    cell: str, entries: dict[str, str] | None
) -> None:
    assert entries_of(cell, "c.") == entries
