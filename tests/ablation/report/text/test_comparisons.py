"""How arms are compared, in words."""

from __future__ import annotations

import pytest

from ablation.report.text.comparisons import more_runs, pair
from ablation.statistics.comparison import Comparison


@pytest.mark.parametrize(
    ("column", "noun"),
    [
        ("seed", "seed"), ("Dataset", "dataset"), ("seeds", "seed"), ("name", "pair"),
        ("ID", "pair"), ("task_id", "pair"),
    ],
)  # fmt: skip
def test_pairs_are_called_by_their_column_where_it_is_a_noun(column: str, noun: str) -> None:
    comparison = Comparison("paired", of=column)
    assert (pair(comparison), more_runs(comparison)) == (noun, f"{noun}s")


def test_runs_that_nothing_pairs_are_runs() -> None:
    assert pair(Comparison("welch", of="seed")) == "run"
