"""What pairs runs: seeds, folds, or nothing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.ablation.runs.selecting import (
    counts,
    grid,
    line,
    refused,
    seeds,
    selected,
    with_figure,
)

AB: dict[str, Any] = {"arm": "arm", "against": ("a",)}


@pytest.mark.parametrize(
    ("frame", "method", "of"),
    [
        (grid(arm=["a", "b"], seed=[0, 1, 2]), "paired", "seed"),
        (grid(arm=["a", "b"], random_state=[0, 1, 2]), "paired", "random_state"),
        (grid(arm=["a", "b"], **{"config.seed": [0, 1, 2]}), "paired", "seed"),
        (grid(arm=["a", "b"], run=[0, 1, 2]), "welch", "run"),
        (grid(arm=["a", "b"], iteration=[0, 1, 2]), "welch", "iteration"),
        (grid(arm=["a", "b"], rep=[0, 1, 2]), "welch", "rep"),
        (grid(arm=["a", "b"], trial=[0, 1, 2]), "welch", "trial"),
        (grid(arm=["a", "b"], x=[0, 1, 2]).drop(columns="x"), "welch", "run"),
        (grid(arm=["a", "b"], fold=[0, 1, 2]), "folds", "fold"),
        (grid(arm=["a", "b"], cv_fold=[0, 1, 2]), "folds", "cv_fold"),
        (grid(arm=["a", "b"], split=[0, 1, 2]), "folds", "split"),
        (grid(arm=["a", "b"], fold=[0, 1, 2], seed=[7]), "folds", "fold"),
        (grid(arm=["a", "b"], fold=[0, 1, 2], seed=[7, 8]), "paired", "seed"),
    ],
)
def test_the_columns_say_what_pairs(frame: pd.DataFrame, method: str, of: str) -> None:
    runs = selected(with_figure(frame), **AB)
    assert (runs.comparison.method, runs.comparison.of) == (method, of)
    assert runs.comparison.folds == (3 if method == "folds" else 0)


def test_a_number_pairs_only_if_it_is_called_a_seed() -> None:
    frame = with_figure(grid(arm=["a", "b"], run=[1, 2, 3]))
    assert line(selected(frame, **AB), "run is a number, not a seed", "--seed run")
    assert selected(frame, **AB, seed="run").comparison.method == "paired"


def test_a_fold_is_no_seed_whatever_is_said() -> None:
    frame = with_figure(grid(arm=["a", "b"], fold=[1, 2, 3]))
    assert selected(frame, **AB, seed="fold").comparison.method == "folds"


def test_seeds_that_no_arms_share_pair_nothing() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1])).assign(seed=["0", "1", "2", "3"])
    runs = selected(frame, **AB)
    assert runs.comparison.method == "welch"
    assert line(runs, "no arm shares a value of seed")


def test_seeds_that_no_arms_share_leave_the_folds() -> None:
    frame = with_figure(grid(arm=["a", "b"], fold=[0, 1])).assign(seed=["0", "1", "2", "3"])
    runs = selected(frame, **AB)
    assert runs.comparison.method == "folds"
    assert seeds(runs, "b") == ["0", "1"]


def of_folds(count: int, **more: list[int]) -> pd.DataFrame:
    return with_figure(grid(arm=["a", "b"], fold=list(range(count)), **more))


@pytest.mark.parametrize(
    ("count", "folds", "size", "said"),
    [
        (5, None, 5, "5 folds of one cross-validation share training data"),
        (10, None, 10, "(--folds 5 if 5 folds were repeated)"),
        (10, 5, 5, "2 repetitions of 5 folds share training data"),
        (50, 5, 5, "s·√(1/50 + 1/4)"),
        (50, 50, 50, "s·√(1/50 + 1/49)"),
        (13, None, 13, "s·√(1/13 + 1/12)"),
    ],
)
def test_the_correction_is_for_the_folds_of_one_repetition(
    count: int, folds: int | None, size: int, said: str
) -> None:
    runs = selected(of_folds(count), **AB, folds=folds)
    assert runs.comparison.folds == size
    assert said in line(runs, "share training data")


@pytest.mark.parametrize(
    ("frame", "folds", "said"),
    [
        (of_folds(50), None, "--folds 5 if they are 5 folds repeated 10 times, --folds 50 if"),
        (of_folds(12), None, "--folds 3 if they are 3 folds repeated 4 times"),
        (of_folds(10), 4, "no whole number of cross-validations of 4 folds"),
        (of_folds(10), 1, "no whole number"),
        (with_figure(grid(arm=["a", "b"], seed=[0, 1])), 5, "--folds 5: no column is a fold"),
    ],
)
def test_splits_that_may_be_repeated_folds_are_refused(
    frame: pd.DataFrame, folds: int | None, said: str
) -> None:
    (reason,) = refused(frame, **AB, folds=folds)
    assert said in reason


def repeated(column: str = "repeat", **more: list[int]) -> pd.DataFrame:
    return with_figure(grid(arm=["a", "b"], **more, **{column: [0, 1, 2]}, fold=list(range(4))))


@pytest.mark.parametrize("column", ["repeat", "rep", "repetition", "cv_repeat"])
def test_folds_of_each_repetition_are_folds_of_their_own(column: str) -> None:
    frame = repeated(column)
    runs = selected(frame, **AB)
    assert (runs.comparison.method, runs.comparison.folds) == ("folds", 4)
    assert line(runs, f"3 repetitions of 4 folds ({column})", "s·√(1/12 + 1/3)")
    assert len(set(seeds(runs, "b"))) == 12
    figures = sorted(frame["val_acc"][frame["arm"] == "b"].astype(float))
    assert sorted(runs.runs["value"][runs.runs["arm"] == "b"]) == figures


def test_folds_that_are_numbered_through_are_of_their_repetition() -> None:
    frame = repeated()
    numbered = (frame["fold"].astype(int) + 4 * frame["repeat"].astype(int)).astype(str)
    runs = selected(frame.assign(fold=numbered), **AB)
    assert runs.comparison.folds == 4
    assert line(runs, "3 repetitions of 4 folds")


def test_a_single_seed_leaves_the_repetitions() -> None:
    assert selected(repeated(seed=[7]), **AB).comparison.method == "folds"


def test_a_single_repetition_leaves_its_folds_alone() -> None:
    runs = selected(repeated().query("repeat == '0'"), **AB)
    assert seeds(runs, "a") == ["0", "1", "2", "3"]


def test_a_fold_that_one_repetition_lacks_is_named() -> None:
    frame = repeated()
    gone = (frame["arm"] == "b") & (frame["repeat"] == "1") & (frame["fold"] == "2")
    runs = selected(frame[~gone], **AB)
    assert runs.comparison.folds == 4
    assert line(runs, "b lacks fold 2 of repeat 1: 11 pairs instead of 12")


def test_a_fold_without_its_repetition_is_refused() -> None:
    frame = repeated()
    frame.loc[3, "repeat"] = ""
    (reason,) = refused(frame, **AB)
    assert reason.startswith("repeat is empty in 1 row (line ")


def test_folds_that_the_repetitions_deny_are_refused() -> None:
    assert selected(repeated(), **AB, folds=4).comparison.folds == 4
    (reason,) = refused(repeated(), **AB, folds=6)
    assert "--folds 6: repeat and fold say that it is 4" in reason


def test_many_folds_of_several_seeds_are_averaged_without_asking() -> None:
    runs = selected(of_folds(20, seed=[7, 8]), **AB)
    assert runs.comparison.method == "paired"


def test_folds_are_averaged_for_each_seed() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1, 2], fold=[0, 1]))
    frame = frame[~((frame["arm"] == "b") & (frame["seed"] == "1") & (frame["fold"] == "1"))]
    runs = selected(frame, **AB)
    assert counts(runs) == {"a": 3, "b": 2}
    assert line(runs, "b, seed 1: without all 2 folds")
    own = frame[(frame["arm"] == "a") & (frame["seed"] == "0")]["val_acc"].astype(float)
    assert runs.runs["value"][0] == pytest.approx(own.mean(), rel=1e-12)


def test_whole_numbers_pair_however_they_are_written() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1])).assign(seed=["0.0", "1.0", "0", "1"])
    assert seeds(selected(frame, **AB), "a") == ["0", "1"]


def test_seeds_are_in_their_order() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[10, 9, 100, 2]))
    assert seeds(selected(frame, **AB), "b") == ["2", "9", "10", "100"]


def test_missing_seeds_are_said() -> None:
    frame = with_figure(grid(arm=["a", "b", "c"], seed=[0, 1, 2]))
    frame = frame.drop(index=[1, 5])  # (a, 1) and (b, 2)
    runs = selected(frame, **AB)
    assert line(runs, "a lacks seed 1")
    assert line(runs, "b lacks seed 2: 1 pair instead of 3")
    assert not any("c lacks" in text for text in runs.lines)


def test_one_seed_is_no_replication() -> None:
    once = selected(with_figure(grid(arm=["a", "b"], seed=[42])), **AB)
    assert line(once, "seed is 42 in every run", "no replication")
    assert line(once, "one run an arm: means only")
    again = selected(with_figure(grid(arm=["a", "b"], seed=[42], run=[1, 2, 3])), **AB)
    assert again.comparison.method == "welch"
    assert line(again, "seed is 42 in every run", "running it again")


@pytest.mark.parametrize("column", ["seed", "fold", "dataset"])
def test_rows_of_means_are_no_runs(column: str) -> None:
    frame = with_figure(grid(arm=["a", "b"], **{column: ["0", "1", "Mean"]}))
    by = {"by": "dataset"} if column == "dataset" else {}
    reasons = "\n".join(refused(frame, **AB, **by))
    assert f"{column} is 'Mean' in line" in reasons
    assert f"--where '{column}!=Mean'" in reasons


def test_a_finished_run_without_a_seed_is_refused() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1])).assign(seed=["0", "", "0", "1"])
    (reason,) = refused(frame, **AB)
    assert "seed is empty in 1 row" in reason


def test_two_columns_of_seeds_are_not_guessed_between() -> None:
    frame = with_figure(grid(arm=["a", "b"], data_seed=[0, 1], train_seed=[0, 1]))
    assert "--seed data_seed or --seed train_seed" in "\n".join(refused(frame, **AB))
