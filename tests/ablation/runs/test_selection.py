"""The six inputs: what is selected of each, and why it is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.runs.options import Options
from ablation.runs.reading import read_table
from ablation.runs.refusal import RefusedTableError
from ablation.runs.runs import Runs
from ablation.runs.selection import select_runs
from tests.ablation.runs.selecting import counts, grid, line, options_of, selected, with_figure

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
LONG = "01_long.csv --arm strategy --seed seed --metric val_auc --against plain --margin 0.005"
HISTORY = "02_history.csv --arm ablation --metric val_acc --against baseline --margin 0.005"
CHECKPOINTS = "03_checkpoints.csv --arm method --seed seed --metric clean_top1 --against none"
ERRORS = f"{CHECKPOINTS} --lower-is-better --unit percent --margin 0.5"
TASKS = "05_tasks.csv --arm model --seed seed --metric val_auc --against gcn --margin 0.005"
WANDB = (
    "06_wandb.csv --setting model.dropout --setting optim.lr --seed seed --metric val/acc "
    "--test test/acc --margin 0.5"
)
CASES = {
    f"{LONG} --test test_auc": "01 paired",
    HISTORY: "02 default: last, unfinished left out, Welch",
    f"{HISTORY} --early-stopping": "02 --early-stopping: each run's own last, Welch",
    f"{HISTORY} --reduce mean:3": "02 --reduce mean:3, unfinished left out, Welch",
    f"{HISTORY} --reduce best": "02 --reduce best, unfinished left out, Welch",
    f"{HISTORY} --seed run": "02 --seed run, last, unfinished left out",
    f"{ERRORS} --where checkpoint=last": "03 checkpoint=last, lower",
    f"{ERRORS} --where checkpoint=best": "03 checkpoint=best, lower",
    "04_cv_results.csv --margin 0.5": "04 folds, Nadeau-Bengio K=5",
    f"{TASKS} --where dataset=amber": "05 --where dataset=amber",
    f"{WANDB} --keep latest": "06 --keep latest",
}


def select(text: str) -> Runs:
    files, options = options_of(shlex.split(text))
    paths = [str(DATA / name) for name in files]
    return select_runs(read_table(paths, options), options, paths)


def reasons(text: str) -> list[str]:
    with pytest.raises(RefusedTableError) as caught:
        select(text)
    return caught.value.reasons


def values(runs: Runs, arm: str) -> pd.Series[float]:
    rows = runs.runs[(runs.runs["arm"] == arm) & (runs.runs["state"] == "COMPLETE")]
    return rows.set_index("seed")["value"]


def compared(runs: Runs, arm: str, baseline: str) -> dict[str, Any]:
    """The difference and its p, by scipy and the formula of the method."""
    ours, theirs = values(runs, arm), values(runs, baseline)
    method = runs.comparison.method
    if method == "welch":
        test = stats.ttest_ind(ours, theirs, equal_var=False)
        return {"delta": ours.mean() - theirs.mean(), "p": test.pvalue}
    differences = (ours - theirs).dropna()
    n = len(differences)
    share = 1 / n + (1 / (runs.comparison.folds - 1) if method == "folds" else 0)
    t = differences.mean() / (differences.std() * np.sqrt(share))
    p = 2 * stats.t.sf(abs(t), n - 1)
    return {"pairs": n, "delta": differences.mean(), "p": p}


@pytest.mark.parametrize(("text", "case"), CASES.items(), ids=CASES.values())
def test_runs_give_the_expected_figures(text: str, case: str) -> None:
    runs, baseline = select(text), EXPECTED[f"{case} baseline"]
    assert runs.arms["arm"][0] == baseline["arm"]
    assert runs.arms["arm"][1:].to_list() == [row["arm"] for row in EXPECTED[case]] or "06" in case
    ours = values(runs, baseline["arm"])
    assert (len(ours), ours.mean(), ours.std()) == pytest.approx(
        (baseline["n"], baseline["mean"], baseline["sd"]), rel=1e-9
    )
    for row in EXPECTED[case]:
        got = compared(runs, row["arm"], baseline["arm"])
        got |= {"n": counts(runs)[row["arm"]], "mean": values(runs, row["arm"]).mean()}
        assert got == pytest.approx({name: row[name] for name in got}, rel=1e-9), row["arm"]


def test_blocks_are_all_there() -> None:
    runs = select(f"{TASKS} --by dataset")
    assert runs.comparison.blocks == "dataset"
    assert not runs.comparison.no_mean
    complete = runs.runs[runs.runs["state"] == "COMPLETE"]
    got = complete.groupby(["block", "arm"])["value"].agg(["size", "mean"])
    for row in EXPECTED["05 by data set: one family of 6"]:
        block, arm = row["arm"].split("/")
        assert got.loc[(block, arm)].to_list() == pytest.approx([row["n"], row["mean"]], rel=1e-9)
    assert line(runs, "gat", "birch", "seed 3", "4 pairs")


def test_each_says_what_was_done() -> None:
    long = select(LONG)
    assert line(long, "val_auc", "higher", "by its name")
    assert line(long, "val_auc is empty for focal, seed 14 (line 23): a run without a result")
    assert line(long, "focal lacks seed 16: 4 pairs instead of 6")
    assert line(long, "focal 1 of 5", "selection")
    history = select(HISTORY)
    assert line(history, "58 rows are 12 runs by epoch", "val_acc at its last epoch")
    assert line(
        history,
        "no_mixup, run 4 ends at epoch 2, the others at 4",
        "unfinished",
        "--early-stopping",
    )
    assert line(history, "run is a number, not a seed: unpaired, Welch's test (--seed run if")
    assert line(select(f"{HISTORY} --reduce best"), "Warning", "best of 5 epochs")
    last = select(f"{ERRORS} --where checkpoint=last")
    assert line(last, "1 row is there twice, digit by digit: counted once", "line 32 as line 5")
    folds = select("04_cv_results.csv --margin 0.5")
    assert line(folds, "5 folds of one cross-validation", "s·√(1/5 + 1/4)")
    assert line(folds, "baseline: max_depth=8, min_samples_leaf=5", "most frequent")


def test_what_was_left_out_of_the_runs_table() -> None:
    runs = select(f"{WANDB} --keep latest")
    left = "left out: 1 crashed, 1 running, 1 finished without val/acc (optim.lr=0.003, seed 4)"
    assert line(runs, left)
    assert line(runs, "--keep latest", "Created", "model.dropout=0.5, seed 2")
    assert (runs.metric.unit, runs.metric.test) == ("percent", "test/acc")
    kept = values(runs, "model.dropout=0.5")
    assert kept["2"] == 87.4628
    failed = runs.runs[runs.runs["state"] != "COMPLETE"].set_index(["arm", "seed"])["failure"]
    assert failed.to_dict() == {
        ("baseline", "4"): "running",
        ("optim.lr=0.003", "4"): "without val/acc",
        ("model.dropout=0.1", "3"): "crashed",
    }


REFUSALS = {
    "01_long.csv --arm strategy --seed seed --metric val_auc": [
        ["--against", "plain", "reweighted", "oversampled", "focal"]
    ],
    CHECKPOINTS: [
        ["(none, 0) and 14 more have 2 rows", "checkpoint (best, last), epoch", "checkpoint=last"],
        ["clean_top1", "--lower-is-better or --higher-is-better"],
    ],
    TASKS: [
        ["(gcn, 0) and 14 more have 3 rows (or 2)", "dataset (amber, birch, cedar)", "--by dataset",
         "--where dataset=amber"],
    ],
    WANDB: [["(model.dropout=0.5, 2) has 2 rows that differ in val/acc, Created", "--keep latest"]],
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), REFUSALS.items(), ids=lambda each: str(each)[:14])
def test_refusals_say_everything_at_once(text: str, wanted: list[list[str]]) -> None:
    got = reasons(text)
    assert len(got) == len(wanted)
    for words in wanted:
        assert any(all(word in reason for word in words) for reason in got), got


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.csv")))
def test_the_suggested_command_works(name: str) -> None:
    path = str(DATA / name)
    try:
        select_runs(read_table([path], Options()), Options(), [path])
    except RefusedTableError as refusal:
        words = shlex.split(refusal.advice[-1])
        assert "analyse" in words
        files, options = options_of(words[words.index("analyse") + 1 :])
        assert files == [path]
        assert not select_runs(read_table(files, options), options).runs.empty
    else:
        assert name == "04_cv_results.csv"


def test_the_runs_table_is_described() -> None:
    with pytest.raises(RefusedTableError) as caught:
        select("06_wandb.csv")
    got = "\n".join(caught.value.advice)
    assert "W&B's runs table" in got
    assert "settings that vary: model.dropout (0.1, 0.25, 0.5), optim.lr (0.001, 0.003)" in got
    assert "seeds: seed" in got
    assert all(figure in got for figure in ("val/acc", "test/acc", "epoch"))
    assert "--keep latest" in got


def test_an_own_study_needs_no_option() -> None:
    reference = Path(__file__).parents[3] / "results" / "reference" / "pilot"
    path = str(reference / "trials.csv")
    options = Options(compare=("dropout-once=dropout=0.1",))
    runs = select_runs(read_table([path], options), options)
    wanted = pd.read_csv(reference / "effects.csv", keep_default_na=False)
    assert runs.arms["arm"].to_list() == wanted["arm"].to_list()
    assert runs.arms["against"].to_list() == wanted["against"].to_list()
    assert (runs.metric.name, runs.metric.test) == ("val_accuracy", "test_accuracy")
    assert (runs.metric.direction, runs.metric.unit, runs.margin) == ("maximize", "fraction", 0.005)
    assert list(counts(runs).values()) == wanted["n"].to_list()


def test_words_that_vary_within_an_arm_without_seeds_make_it_a_mixture() -> None:
    frame = with_figure(grid(model=["gcn", "sage"], aggr=["add", "max"], bn=["false", "true"]))
    frame = frame.assign(host=["a", "b"] * 4)
    runs = selected(frame, arm="model", metric="val_acc", against=("gcn",))
    assert line(runs, "aggr varies within gcn and 1 more (add, max): the arm is a mixture")
    assert line(runs, "bn varies within")
    assert not any("host" in text for text in runs.lines)


def test_that_blocks_have_no_learning_curves_is_said() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1], dataset=["x", "y"], epoch=[1, 2, 3]))
    runs = selected(frame, arm="arm", against=("a",), by="dataset")
    assert line(runs, "no learning curves with --by dataset", "--where dataset=VALUE")
