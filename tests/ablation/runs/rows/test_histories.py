"""Tables with a row an epoch: what is a history, and the figure of each run."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.ablation.runs.selecting import counts, grid, line, refused, selected

AB: dict[str, Any] = {"arm": "arm", "against": ("a",)}


def history(ends: dict[tuple[str, str], int], every: int = 1) -> pd.DataFrame:
    """Runs by arm and seed, whose figure rises to 0.9 and a little more by seed."""
    rows = [
        (arm, seed, str(epoch), f"{0.9 - 0.5 / (epoch + 2) + 0.001 * int(seed):.5f}")
        for (arm, seed), end in ends.items()
        for epoch in range(0, end + 1, every)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "val_acc"], dtype=str)


EVEN = {(arm, seed): 10 for arm in "ab" for seed in "012"}


def last(frame: pd.DataFrame, arm: str, seed: str) -> float:
    own = frame[(frame["arm"] == arm) & (frame["seed"] == seed) & (frame["val_acc"] != "")]
    return float(own["val_acc"].iloc[-1])


@pytest.mark.parametrize("name", ["epoch", "step", "global_step", "_step", "iteration", "Epoch"])
def test_a_run_has_its_last_figure(name: str) -> None:
    frame = history(EVEN).rename(columns={"epoch": name})
    runs = selected(frame.sample(frac=1, random_state=0), **AB)
    assert runs.runs["value"][0] == last(frame, "a", "0")
    assert line(runs, "66 rows are 6 runs by", "val_acc at its last")
    assert len(runs.history) == 66
    assert runs.history["epoch"].dtype == int


def test_a_figure_need_not_be_in_every_epoch() -> None:
    frame = history(EVEN)
    frame.loc[frame["epoch"].astype(int) % 5 != 0, "val_acc"] = ""
    runs = selected(frame, **AB)
    assert counts(runs) == {"a": 3, "b": 3}
    assert len(runs.history) == 18


def test_rows_of_training_lie_between_those_of_validation() -> None:
    frame = history(EVEN)
    both = pd.concat([frame.assign(val_acc=""), frame]).sort_index(kind="stable")
    runs = selected(both, **AB)
    assert runs.runs["value"].to_list() == selected(frame, **AB).runs["value"].to_list()
    assert len(runs.history) == 66


def test_parts_of_epochs_are_counted() -> None:
    frame = history(EVEN)
    frame["epoch"] = (frame["epoch"].astype(float) / 4).astype(str)
    assert selected(frame, **AB).history["epoch"].max() == 11


@pytest.mark.parametrize(
    ("reduce", "value"),
    [
        ("last", 0.9 - 0.5 / 12),
        ("mean:1", 0.9 - 0.5 / 12),
        ("mean:2", 0.9 - (0.5 / 12 + 0.5 / 11) / 2),
        ("best", 0.9 - 0.5 / 12),
    ],
)
def test_a_history_is_reduced(reduce: str, value: float) -> None:
    runs = selected(history(EVEN), **AB, reduce=reduce)
    assert runs.runs["value"][0] == pytest.approx(value, abs=1e-5)


def test_the_best_is_the_lowest_of_a_loss() -> None:
    frame = history(EVEN).rename(columns={"val_acc": "val_loss"})
    runs = selected(frame, **AB, reduce="best")
    assert runs.runs["value"][0] == pytest.approx(0.65, abs=1e-5)
    assert line(runs, "Warning", "best of 11 epochs")


SHORT = history({**EVEN, ("b", "1"): 7})


def test_unfinished_runs_are_left_out_by_name() -> None:
    runs = selected(SHORT, **AB)
    assert counts(runs) == {"a": 3, "b": 2}
    assert line(runs, "b, seed 1 ends at epoch 7, the others at 10", "--early-stopping")
    row = runs.runs[(runs.runs["arm"] == "b") & (runs.runs["seed"] == "1")].iloc[0]
    assert row["state"] == "FAIL"
    assert "ends at epoch 7" in row["failure"]


@pytest.mark.parametrize(
    ("end", "counted"), [(200, 3), (199, 3), (197, 3), (196, 2), (190, 2), (100, 2)]
)
def test_runs_that_end_a_little_earlier_are_finished(end: int, counted: int) -> None:
    runs = selected(history({**dict.fromkeys(EVEN, 200), ("b", "1"): end}), **AB)
    assert counts(runs) == {"a": 3, "b": counted}
    said = [text for text in runs.lines if "less than 2 % before epoch 200" in text]
    assert len(said) == (counted == 3 and end < 200)
    assert all(f"the earliest at {end}" in text for text in said)


def test_one_epoch_of_fifty_is_missed() -> None:
    runs = selected(history({**dict.fromkeys(EVEN, 50), ("b", "1"): 49}), **AB)
    assert counts(runs) == {"a": 3, "b": 2}


def test_ends_that_differ_a_little_show_which_run_is_unfinished() -> None:
    ends = {key: 1000 - 3 * place for place, key in enumerate(EVEN)}
    runs = selected(history({**ends, ("b", "1"): 400}, every=1), **AB)
    assert counts(runs) == {"a": 3, "b": 2}
    assert line(runs, "b, seed 1 ends at epoch 400, the others at")


def test_runs_that_stop_early_count_when_that_is_said() -> None:
    runs = selected(SHORT, **AB, early_stopping=True)
    assert counts(runs) == {"a": 3, "b": 3}
    assert runs.options[-1] == "--early-stopping"


def test_where_few_runs_end_together_each_counts() -> None:
    ends = {(arm, seed): 3 + 2 * int(seed) + (arm == "b") for arm in "ab" for seed in "0123"}
    runs = selected(history(ends), **AB)
    assert counts(runs) == {"a": 4, "b": 4}
    assert line(runs, "runs end between epoch 3 and 10")


def test_a_run_that_went_on_without_figures_is_unfinished() -> None:
    frame = history(EVEN)
    frame.loc[(frame["arm"] == "b") & (frame["epoch"].astype(int) > 6)
              & (frame["seed"] == "2"), "val_acc"] = "nan"  # fmt: skip
    runs = selected(frame, **AB)
    assert counts(runs)["b"] == 2
    assert line(runs, "b, seed 2 ends with its last val_acc at epoch 6 of 10")


def test_a_run_that_diverged_has_no_figure() -> None:
    frame = history(EVEN)
    frame.loc[frame.index[-1], "val_acc"] = "inf"
    runs = selected(frame, **AB)
    assert counts(runs)["b"] == 2
    assert line(runs, "val_acc is infinite for b, seed 2")


def test_epochs_written_twice_alike_count_once() -> None:
    frame = history(EVEN)
    assert line(selected(pd.concat([frame, frame.tail(2)]), **AB), "2 rows repeat others")


def test_epochs_written_twice_otherwise_are_refused() -> None:
    frame = history(EVEN)
    again = pd.concat([frame, frame.tail(1).assign(val_acc="0.5")])
    (reason,) = refused(again, **AB)
    assert "epoch 10 of b, seed 2 is there twice" in reason
    timed = again.assign(timestamp=[str(1000 + i) for i in range(len(again))])
    assert "--keep latest" in refused(timed, **AB)[0]
    runs = selected(timed.sample(frac=1, random_state=1), **AB, keep="latest")
    assert runs.runs["value"].iloc[-1] == 0.5


def test_runs_that_were_begun_again_are_told_apart_by_time() -> None:
    frame = history(EVEN).assign(created="2026-01-01")
    again = frame[(frame["arm"] == "b") & (frame["seed"] == "0")]
    again = again.assign(created="2026-01-02", val_acc="0.7")
    both = pd.concat([again, frame])
    (reason,) = refused(both, **AB)
    assert "(b, 0) has 2 rows" in reason
    runs = selected(both, **AB, keep="latest")
    assert runs.runs.query("arm == 'b' and seed == '0'")["value"].to_list() == [0.7]
    assert len(runs.history) == 66


def test_checkpoints_are_no_history() -> None:
    frame = history(dict.fromkeys(EVEN, 1)).assign(kind=["best", "last"] * 6)
    (reason,) = refused(frame, **AB)
    assert "kind (best, last), epoch: choose, --where kind=last" in reason


def test_phases_of_a_history_are_not_pooled() -> None:
    frame = history(EVEN)
    train = frame.assign(phase="train", val_acc="0." + frame["epoch"])
    both = pd.concat([frame.assign(phase="val"), train])
    (reason,) = refused(both, **AB)
    assert "phase (train, val)" in reason
    assert "--where phase=val" in reason
    assert selected(both, **AB, where=("phase=val",)).runs["value"][0] < 0.9


def test_runs_without_a_number_are_one_an_arm_or_refused() -> None:
    frame = history({("a", "0"): 10, ("b", "0"): 10}).drop(columns="seed")
    assert counts(selected(frame, **AB)) == {"a": 1, "b": 1}
    (reason,) = refused(history(EVEN).drop(columns="seed"), **AB)
    assert "epoch repeats within an arm, and no column tells runs apart" in reason


def test_the_epoch_of_a_run_is_no_history() -> None:
    frame = grid(arm=["a", "b"], seed=[0, 1]).assign(
        epoch=["12", "40", "7", "9"], val_acc=["0.1", "0.2", "0.3", "0.4"]
    )
    runs = selected(frame, **AB)
    assert runs.history.empty
    assert counts(runs) == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reduce": "mean:0"}, ["mean:K"]),
        ({"reduce": "median"}, ["mean:K"]),
        ({"reduce": "mean:12"}, ["mean:12", "the most is 11"]),
    ],
)
def test_what_cannot_be_reduced_is_refused(options: dict[str, Any], words: list[str]) -> None:
    reasons = "\n".join(refused(history(EVEN), **AB, **options))
    assert all(word in reasons for word in words)


def test_the_best_epoch_is_not_chosen_on_test_data() -> None:
    frame = history(EVEN).rename(columns={"val_acc": "test_acc"})
    (reason,) = refused(frame, **AB, metric="test_acc", reduce="best")
    assert "figure on test data" in reason


def test_a_row_a_run_has_nothing_to_reduce() -> None:
    frame = history(dict.fromkeys(EVEN, 0))
    assert "no history" in refused(frame, **AB, reduce="best")[0]


def test_a_run_with_fewer_figures_than_a_mean_takes_is_left_out() -> None:
    frame = history({**EVEN, ("b", "1"): 1})
    runs = selected(frame, **AB, reduce="mean:5", early_stopping=True)
    assert line(runs, "b, seed 1 has 2 figures of 5: left out")
