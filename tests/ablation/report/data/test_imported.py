"""Runs that were trained elsewhere as the table of a report: what they lack is absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.imported import table_of
from ablation.report.data.trial_frames import as_in_files
from ablation.report.page import commands
from ablation.report.text.answer import answer
from ablation.report.text.headline import headline
from ablation.runs.runs import Runs
from ablation.statistics.comparison import Comparison
from tests.helpers.made.runs import DIGEST, VALUES, made_runs

NAMES = ["baseline", "lr=0.1", "lr=0.1+seed=x"]


def of_settings() -> Runs:
    """Arms that differ in two settings, one of them called as a column of the tables."""
    runs = made_runs()
    arms = pd.DataFrame(
        {
            "arm": NAMES,
            "against": ["", "baseline", "baseline"],
            "changes": [{}, {"lr": "0.1"}, {"lr": "0.1", "seed": "x"}],
            "setting": [
                {"lr": "1", "seed": "y"},
                {"lr": "0.1", "seed": "y"},
                {"lr": "0.1", "seed": "x"},
            ],
        }
    )
    renamed = runs.runs["arm"].map(dict(zip(VALUES, NAMES, strict=True)))
    return replace(runs, arms=arms, runs=runs.runs.assign(arm=renamed))


def files(runs: Runs) -> list[str]:
    table = table_of(runs)
    return [str(name) for name in as_in_files(table.trials, table.metric, table.absent)]


def test_files_have_what_a_table_has() -> None:
    own = ["number", "state", "arm", "is_baseline", "seed", "val_auc", "failure"]
    assert files(made_runs()) == own
    tested = made_runs(metric=Metric("val_auc", test="test_auc"))
    assert files(tested) == [*own[:-1], "test_auc", "failure"]
    blocks = made_runs(comparison=Comparison(blocks="dataset"))
    blocks.runs["block"] = "amber"
    own_blocks = as_in_files(table_of(blocks).blocks, blocks.metric, table_of(blocks).absent)
    assert "block" in own_blocks


def test_a_table_of_means_has_its_spreads_and_no_seeds() -> None:
    means = made_runs({"plain": (0.85,), "wide": (0.87,)}, comparison=Comparison("summaries"))
    means.runs["sd"], means.runs["n"] = 0.01, 5.0
    columns = ["number", "state", "arm", "is_baseline", "val_auc", "sd", "n"]
    assert files(means) == columns
    assert table_of(means).seeds == []


def test_settings_are_factors_whatever_they_are_called() -> None:
    table = table_of(of_settings())
    assert {name: form["levels"] for name, form in table.factors.items()} == {
        "lr": ["1", "0.1"],
        "setting.seed": ["y", "x"],
    }
    assert list(table.arms["setting.seed"]) == ["y", "y", "x"]
    assert list(table.arms["changes"]) == ["", "lr=0.1", "lr=0.1+seed=x"]
    assert list(table.arms["factor"]) == ["", "lr", ""]
    assert list(table.trials["seed"])[:4] == [11, 11, 11, 12]
    assert "setting.seed" in files(of_settings())


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "analyse table.csv --arm arm --metric val_auc --against plain"),
        ({"study": "q", "options": []}, "analyse table.csv --study q"),
        (
            {"files": {"a b.csv": DIGEST}, "study": "a-b", "options": ["--arm", "x y"]},
            "analyse 'a b.csv' --arm 'x y'",
        ),
    ],
)
def test_the_page_has_the_command_again(changes: dict[str, Any], command: str) -> None:
    table = table_of(made_runs(**changes))
    assert table.command == command
    typed = [each for each, _ in commands(table)]
    assert typed[0].endswith(command)
    assert typed[1].endswith(f"report {table.name}")


def test_a_frame_has_no_command_of_its_own() -> None:
    typed = [each for each, _ in commands(table_of(made_runs(files={})))]
    assert len(typed) == 2


def test_a_history_is_the_epochs_of_the_runs_that_count() -> None:
    rows = [
        (arm, str(seed), "", epoch, 0.1 * epoch)
        for arm in VALUES
        for seed in (11, 14)
        for epoch in range(3)
    ]
    history = pd.DataFrame(rows, columns=["arm", "seed", "block", "epoch", "value"])
    epochs = table_of(made_runs(history=history)).epochs
    assert len(epochs) == 15  # focal's seed 14 has no result
    assert epochs["seed"].isin([11, 14]).all()
    assert table_of(made_runs()).epochs.empty


@pytest.mark.parametrize(
    ("options", "blocks", "moment"),
    [
        ([], "", "of each run"),
        (["--reduce", "best"], "", "at each run's best epoch"),
        (["--reduce", "mean:3"], "", "as the mean of each run's last 3 epochs"),
        ([], "dataset", "as a mean over data sets"),
        (["--reduce", "best"], "dataset", "at each run's best epoch, as a mean over data sets"),
    ],
)
def test_how_a_history_became_a_figure_is_told(
    options: list[str], blocks: str, moment: str
) -> None:
    table = table_of(made_runs(options=options, comparison=Comparison(blocks=blocks)))
    assert table.moment == moment


def test_no_arm_is_recommended_by_its_best_epochs() -> None:
    plain, best = (
        Analysis(table_of(made_runs(options=options, margin=0.005)))
        for options in ([], ["--reduce", "best"])
    )
    assert "Recommended: wide." in headline(plain)
    said = [*headline(best), *answer(best)]
    assert said[0] == "Better than plain: wide (+1.22 points at each run's best epoch)."
    assert not any("Recommended" in line for line in said)
    assert sum("No recommendation: each run's figure is the best" in line for line in said) == 2
