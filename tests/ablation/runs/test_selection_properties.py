"""What the order of rows, names of columns and unused columns may not change."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ablation.runs.runs import Runs
from tests.ablation.runs.selecting import grid, selected, with_figure

LONG = with_figure(grid(arm=["a", "b", "c"], seed=[3, 1, 20])).drop(index=[4])
HISTORY = with_figure(grid(arm=["a", "b", "c"], seed=[0, 1], epoch=[0, 1, 2, 10]))
BLOCKS = with_figure(grid(arm=["a", "b", "c"], seed=[0, 1], dataset=["p", "q"]))
FOLDS = with_figure(grid(arm=["a", "b", "c"], seed=[0, 1], fold=[0, 1, 2]))
TABLES: list[tuple[pd.DataFrame, dict[str, Any]]] = [
    (LONG, {}),
    (HISTORY, {}),
    (HISTORY, {"reduce": "mean:2"}),
    (BLOCKS, {"by": "dataset"}),
    (FOLDS, {}),
]


def sorted_runs(runs: Runs) -> pd.DataFrame:
    keys = ["arm", "block", "seed"]
    return runs.runs.sort_values(keys, ignore_index=True)


def same(one: Runs, other: Runs) -> None:
    assert_frame_equal(sorted_runs(one), sorted_runs(other))
    assert one.comparison == other.comparison
    assert set(one.arms["arm"]) == set(other.arms["arm"])
    keys = ["arm", "block", "seed", "epoch"]
    assert_frame_equal(
        one.history.sort_values(keys, ignore_index=True),
        other.history.sort_values(keys, ignore_index=True),
    )


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(TABLES), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(
    table: tuple[pd.DataFrame, dict[str, Any]], random: Any
) -> None:
    frame, options = table
    order = list(range(len(frame)))
    random.shuffle(order)
    given_options = {"arm": "arm", "against": ("b",), **options}
    same(selected(frame, **given_options), selected(frame.iloc[order], **given_options))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(TABLES),
    st.dictionaries(
        st.sampled_from(["note", "gpu", "x1", "user"]),
        st.sampled_from(["", "0", "some text", "1e-3"]),
        max_size=3,
    ),
    st.text("abcxyz_.", min_size=1, max_size=6),
)
def test_other_columns_and_names_are_nothing(
    table: tuple[pd.DataFrame, dict[str, Any]], more: dict[str, str], name: str
) -> None:
    frame, options = table
    plain = selected(frame, arm="arm", against=("b",), **options)
    renamed = frame.assign(**more).rename(columns={"arm": f"arm {name}"})
    same(plain, selected(renamed, arm=f"arm {name}", against=("b",), **options))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8).map(str.strip).filter(bool), min_size=2, max_size=5,
                unique=True))  # fmt: skip
def test_any_names_of_arms_will_do(names: list[str]) -> None:
    runs = selected(with_figure(grid(arm=names, seed=[0, 1])), arm="arm", against=(names[-1],))
    assert runs.arms["arm"].to_list() == [names[-1], *names[:-1]]
