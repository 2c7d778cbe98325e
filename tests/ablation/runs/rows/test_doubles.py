"""Runs that are there twice, runs without a result, data sets and means."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.ablation.runs.selecting import counts, grid, line, refused, seeds, selected, with_figure

AB: dict[str, Any] = {"arm": "arm", "against": ("a",)}
FRAME = with_figure(grid(arm=["a", "b", "c"], seed=[0, 1, 2]))
AGAIN = pd.concat([FRAME, FRAME.iloc[[4]].assign(val_acc="0.5")], ignore_index=True)


def test_equal_to_the_digit_is_counted_once() -> None:
    runs = selected(pd.concat([FRAME, FRAME.iloc[[4]]], ignore_index=True), **AB)
    assert counts(runs) == {"a": 3, "b": 3, "c": 3}
    assert line(runs, "1 row is there twice, digit by digit: counted once (b, seed 1: line 10 as")


def test_what_nothing_decides_is_refused_with_its_lines() -> None:
    (reason,) = refused(AGAIN, **AB)
    assert "(b, 1) has 2 rows that differ in val_acc" in reason
    assert "lines 5, 10" in reason
    assert (
        "--keep latest: the table has no column of times" in refused(AGAIN, **AB, keep="latest")[0]
    )
    assert "--keep first: takes latest" in "\n".join(refused(AGAIN, **AB, keep="first"))


TIMES = {
    "created": ["2026-03-01T10:00:00Z", "2026-03-01T09:59:59.5Z"],
    "_timestamp": ["1700000001.5", "1700000000"],
    "start_time": ["1700000000001", "900000000000"],
    "started": ["2026-03-01 10:00:00+02:00", "2026-03-01 09:00:00+02:00"],
}


@pytest.mark.parametrize(("name", "times"), TIMES.items())
def test_the_latest_is_by_time_and_not_by_order(name: str, times: list[str]) -> None:
    column = [times[1]] * 4 + times[:1] + [times[1]] * 5  # the one that stands first is the newer
    for frame in (AGAIN.assign(**{name: column}), AGAIN.assign(**{name: column})[::-1]):
        runs = selected(frame, **AB, keep="latest")
        kept = runs.runs.query("arm == 'b' and seed == '1'")["value"]
        assert kept.to_list() == [float(FRAME["val_acc"][4])]
    assert line(runs, "--keep latest: 1 earlier run left out", name, "b, seed 1")


@pytest.mark.parametrize("times", [["2026-03-01"] * 2, ["2026-03-01", "yesterday"]])
def test_times_that_do_not_decide_are_refused(times: list[str]) -> None:
    frame = AGAIN.assign(created="2026-03-01")
    frame.loc[[4, 9], "created"] = times
    assert "--keep latest: created is" in refused(frame, **AB, keep="latest")[0]


@pytest.mark.parametrize(
    ("column", "values", "advice"),
    [
        ("checkpoint", ["best", "last"], "--where checkpoint=last"),
        ("split", ["test", "val"], "--where split=val"),
        ("dataset", ["x", "y"], "--by dataset"),
        ("task_id", ["1", "2"], "--by task_id"),
        ("lr", ["0.1", "0.01"], "--where lr=0.01"),
        ("trial", ["1", "2"], "--where trial=1; or --seed trial"),
    ],
)
def test_the_column_that_decides_is_named(column: str, values: list[str], advice: str) -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1, 2], **{column: values}))
    (reason,) = refused(frame, **AB)
    assert "(a, 0) and 5 more have 2 rows that differ in" in reason
    assert advice in reason
    assert all(value in reason for value in values)


def test_a_run_that_was_begun_again_is_told_by_its_time() -> None:
    note = 'said "yes",\n' + "and more " * 20
    frame = AGAIN.assign(note=["", note] * 5, gpu=["0", "1"] * 5).assign(
        created=[f"2026-01-{i + 1:02}" for i in range(len(AGAIN))]
    )
    (reason,) = refused(frame, **AB)
    assert 'differ in note ((empty), said "yes", and more and more and more…)' in reason
    assert "gpu" not in reason
    assert "--keep latest takes the newer; or choose, --where 'note=said " in reason


def test_data_sets_are_not_later_runs() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1, 2], dataset=["x", "y"]))
    frame["created"] = [f"2026-01-{i + 1:02}" for i in range(len(frame))]
    assert "--by dataset" in refused(frame, **AB, keep="latest")[0]


@pytest.mark.parametrize("column", ["dataset", "split", "env_name"])
def test_runs_without_seeds_are_not_pooled_over(column: str) -> None:
    frame = with_figure(grid(arm=["a", "b"], **{column: ["x", "y", "z"]}))
    (reason,) = refused(frame, **AB)
    assert f"several values of {column} (x, y, z)" in reason
    named = frame.assign(run=[f"r{i}" for i in range(len(frame))])
    assert refused(named, **AB) == [reason]


def test_a_data_set_of_each_arm_is_no_block() -> None:
    frame = FRAME.assign(dataset=FRAME["arm"])
    assert counts(selected(frame, **AB)) == {"a": 3, "b": 3, "c": 3}


def test_failures_are_counted_by_arm() -> None:
    frame = FRAME.assign(
        state=["finished", "crashed", "running", "finished", "finished", "finished", "pruned",
               "FINISHED", "TrialState.COMPLETE"],
    )  # fmt: skip
    frame.loc[5, "val_acc"] = ""
    runs = selected(frame, **AB)
    assert counts(runs) == {"a": 1, "b": 2, "c": 2}
    left = "left out: 1 crashed, 1 pruned, 1 running, 1 finished without val_acc (b, seed 2)"
    assert line(runs, left)
    assert line(runs, "a 2 of 3, b 1 of 3, c 1 of 3", "what is left is a selection")
    failed = runs.runs[runs.runs["state"] != "COMPLETE"]
    assert failed["state"].to_list() == ["FAIL", "RUNNING", "FAIL", "PRUNED"]
    assert (failed["failure"] != "").all()
    assert failed["value"].isna().all()


def test_even_failures_are_no_selection() -> None:
    frame = FRAME.assign(val_acc=["", "0.1", "0.2", "?", "0.3", "0.4", "oom", "0.5", "0.6"])
    runs = selected(frame, **AB)
    assert not any("selection" in text for text in runs.lines)
    assert line(runs, "val_acc is empty for a, seed 0 (line 1); b, seed 0 (line 4); c, seed 0")


def test_a_failed_run_that_was_run_again_is_no_double() -> None:
    frame = pd.concat([FRAME, FRAME.iloc[[4]].assign(val_acc="")], ignore_index=True)
    runs = selected(frame, **AB)
    assert counts(runs) == {"a": 3, "b": 3, "c": 3}
    assert not any("selection" in text for text in runs.lines)


@pytest.mark.parametrize(
    ("arms", "words"),
    [("abc", ["no run has a val_acc"]), ("a", ["baseline a has no run"]), ("bc", ["only a has"])],
)
def test_a_side_without_results_is_refused(arms: str, words: list[str]) -> None:
    frame = FRAME.assign(val_acc=FRAME["val_acc"].where(~FRAME["arm"].isin(list(arms)), "-"))
    (reason,) = refused(frame, **AB)
    assert all(word in reason for word in words)


def test_rows_are_chosen_by_conditions() -> None:
    runs = selected(FRAME, **AB, where=("seed=0", "seed=2", "arm!=c"))
    assert counts(runs) == {"a": 2, "b": 2}
    assert seeds(runs, "b") == ["0", "2"]
    assert line(runs, "--where arm!=c", "4 of 9 rows")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("sed=1", ["--where sed", "did you mean seed?"]),
        ("seed=9", ["no row has it", "0, 1, 2"]),
        ("seed", ["COLUMN=VALUE or COLUMN!=VALUE"]),
    ],
)
def test_a_condition_that_says_nothing_is_refused(where: str, words: list[str]) -> None:
    reasons = "\n".join(refused(FRAME, **AB, where=(where,)))
    assert all(word in reasons for word in words)


BLOCKS = with_figure(grid(arm=["a", "b"], dataset=["x", "y"], seed=[0, 1, 2]))
BY: dict[str, Any] = {**AB, "by": "dataset"}


def test_blocks_keep_every_run() -> None:
    runs = selected(BLOCKS.drop(index=[7]), **BY)
    assert runs.comparison.has_mean
    assert runs.runs["block"].to_list() == ["x"] * 3 + ["y"] * 3 + ["x"] * 2 + ["y"] * 3
    assert line(runs, "b lacks x, seed 1: 2 pairs instead of 3")


def test_blocks_of_different_measures_have_no_mean() -> None:
    frame = BLOCKS.assign(metric=BLOCKS["dataset"].map({"x": "accuracy", "y": "f1"}))
    runs = selected(frame, **BY)
    assert not runs.comparison.has_mean
    assert line(runs, "no mean over dataset", "metric")
    (reason,) = refused(frame.assign(metric=BLOCKS["seed"]), **BY)
    assert "different measures, by metric" in reason
    mixed = BLOCKS.assign(metric=BLOCKS["dataset"].map({"x": "accuracy", "y": "rmse"}))
    assert "different measures" in refused(mixed, **BY)[0]


def test_measures_are_not_pooled() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1], metric=["acc", "f1"]), "value")
    reasons = refused(frame, **AB, metric="value", direction="maximize")
    assert any("value holds different measures, by metric (acc, f1)" in each for each in reasons)
    assert selected(frame, **AB, metric="value", direction="maximize", where=("metric=f1",))


def test_blocks_of_other_sizes_have_no_mean() -> None:
    frame = BLOCKS.rename(columns={"val_acc": "val_mse"})
    frame.loc[frame["dataset"] == "y", "val_mse"] = "12"
    assert line(selected(frame, **BY), "no mean over dataset", "tenfold", "y 12")


def test_runs_that_are_of_one_block_each_have_no_mean() -> None:
    frame = BLOCKS.drop(columns="seed").assign(run=[f"r{i}" for i in range(len(BLOCKS))])
    runs = selected(frame, **BY)
    assert not runs.comparison.has_mean
    assert line(runs, "no run is in several of them")


MEANS = pd.DataFrame(
    {"arm": ["a", "b", "c"], "acc": ["71.2", "72.0", "70"], "sd": ["0.5", "0.7", "0.1"],
     "runs": ["5", "4", "1"]}, dtype=str,
)  # fmt: skip


def test_means_have_their_sd_and_n() -> None:
    runs = selected(MEANS, **AB, metric="acc", sd="sd", n="runs")
    assert runs.comparison.method == "summaries"
    assert runs.runs[["value", "sd", "n"]].to_numpy().tolist() == [
        [71.2, 0.5, 5], [72.0, 0.7, 4], [70.0, 0.1, 1]
    ]  # fmt: skip
    assert selected(MEANS, **AB, metric="acc", sd="sd", n="3").runs["n"].to_list() == [3, 3, 3]


def test_means_without_their_sd_are_told_of_it() -> None:
    assert line(selected(MEANS, **AB, metric="acc"), "sd may be standard deviations", "--sd sd --n")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"n": ""}, ["--sd needs --n"]),
        ({}, {"sd": "", "n": "runs"}, ["--n needs --sd"]),
        ({"runs": ["5", "4.5", "3"]}, {}, ["runs is no number of runs", "line 2"]),
        ({"runs": ["5", "", "0"]}, {}, ["line 2, line 3"]),
        ({"sd": ["0.5", "-0.1", "0.1"]}, {}, ["sd is below 0", "line 2"]),
        ({"n_folds": "5"}, {"n": "n_folds"}, ["folds are not independent"]),
        ({"acc_stderr": "0.5"}, {"sd": "acc_stderr"}, ["standard error"]),
        ({}, {"seed": "runs"}, ["leave --seed out"]),
    ],
)
def test_means_that_say_too_little_are_refused(
    change: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    given = {"metric": "acc", "sd": "sd", "n": "runs", **options}
    reasons = "\n".join(refused(MEANS.assign(**change), **AB, **given))
    assert all(word in reasons for word in words), reasons


def test_two_means_of_one_arm_are_refused() -> None:
    frame = pd.concat([MEANS, MEANS.iloc[[1]].assign(acc="75")])
    assert "(b) has 2 rows" in refused(frame, **AB, metric="acc", sd="sd", n="runs")[0]


def test_doubles_that_differ_in_settings_are_no_newer_runs() -> None:
    once = grid(arm=["a", "b"], seed=range(6)).assign(alpha="0.1", gate="no", width="8")
    again = [
        once[once["seed"].isin(seeds)].assign(**{name: value})
        for name, value, *seeds in (("alpha", "0.3", "0"), ("gate", "yes", "1"),
                                    ("width", "4", "2"))
    ]  # fmt: skip
    frame = with_figure(pd.concat([once, *again]))
    frame = frame.assign(created=[f"2024-01-{day + 1:02}" for day in range(len(frame))])
    (reason,) = refused(frame, arm="arm", seed="seed", metric="val_acc", against=("a",))
    assert "differ in alpha (0.1, 0.3), gate (no, yes), width (4, 8): runs of" in reason
    assert "--where alpha=0.1" in reason
    assert "--keep" not in reason


def test_blocks_that_nobody_has_a_figure_of_are_left_out() -> None:
    frame = BLOCKS.copy()
    empty = frame[frame["dataset"] == "y"].assign(dataset="z", val_acc="")
    runs = selected(pd.concat([frame, empty]), **BY)
    assert set(runs.runs["block"]) == set(BLOCKS["dataset"])
    assert line(runs, "val_acc is empty in every run on z (dataset): left out")


def test_without_a_seed_that_both_have_of_every_block_there_is_no_mean() -> None:
    frame = BLOCKS[~((BLOCKS["dataset"] == "y") & (BLOCKS["arm"] != "a"))]
    assert line(selected(frame, **BY), "no seed of the baseline and of another arm has a result")
