"""What a report shows of a search: figures, words, files; and too little for them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ablation.report.analysis import Analysis
from ablation.report.data.csv_file import read_csv
from ablation.report.data.study_table import StudyTable
from ablation.report.data.trial_frames import as_in_files
from ablation.report.figures import search as search_plots
from ablation.report.search.importance import COLUMNS, Judge, importance, ordered_alike
from ablation.report.search.interactions import isolation
from ablation.report.search.trials import scientific, unfinished_levels
from ablation.report.sections.figure import Plot
from ablation.report.sections.search import FILES, parts
from ablation.report.sections.section import Part
from ablation.report.text.tables.study import failures_table
from ablation.report.write import write_report
from tests.helpers.figures import faults, in_outline
from tests.helpers.made.report_studies import METRIC, study

STUDY = study("search", arms=60, epochs=1)
SMALL = study("search", arms=10, epochs=1)


# What they come to is not what is tested here.
cheap = partial(importance, forests=2, trees=8, resamples=4)


def unjudged(*_: Any) -> tuple[pd.DataFrame, list[str]]:
    """No importance is computed, as of too few settings."""
    return pd.DataFrame(columns=COLUMNS), []


@cache
def importance_of_study() -> tuple[pd.DataFrame, list[str]]:
    return cheap(Analysis(STUDY).finished, STUDY.factors, METRIC)


@cache
def whole() -> tuple[dict[str, Part], dict[str, Plot]]:
    found = parts(Analysis(STUDY), cheap)
    return {part.name: part for part in found}, {p.name: p for part in found for p in part.plots()}


@cache
def figures() -> dict[str, Figure]:
    return {name: plot.draw() for name, plot in whole()[1].items()}


def few(count: int) -> StudyTable:
    return replace(STUDY, trials=STUDY.trials.head(count), epochs=STUDY.epochs.head(count))


def lines(table: StudyTable, name: str, judge: Judge = unjudged) -> str:
    found = parts(Analysis(table), judge)
    return " ".join(next(part for part in found if part.name == name).lines)


# The whole of it


def test_every_part_has_its_figures_and_files() -> None:
    by_name, plots = whole()
    assert list(by_name) == ["importance", "isolation", "together", "pareto", "expected"]
    assert {name for part in by_name.values() for name in part.files} == set(FILES)
    assert {plot.section for plot in plots.values()} == set(by_name)
    pairs = [name for name in plots if name.startswith("interaction_")]
    assert len(pairs) == 3
    assert "contour" in plots


@pytest.mark.slow
def test_no_text_lies_on_another_or_beyond_the_edge() -> None:
    assert {name: found for name, figure in figures().items() if (found := faults(figure))} == {}


def test_a_method_that_cannot_judge_a_hyperparameter_has_a_dash() -> None:
    drawn = STUDY.trials["dropout"].where(STUDY.trials["number"] % 2 == 0)  # not in every trial
    sometimes = replace(STUDY, trials=STUDY.trials.assign(dropout=drawn))
    table = next(
        part.table for part in parts(Analysis(sometimes), cheap) if part.name == "importance"
    )
    assert table is not None
    row = next(row for row in table.rows if row[0] == "dropout")
    assert row[table.titles.index("fANOVA")] == "–"
    assert "nan" not in str(table.rows)


def test_the_pairs_are_those_of_the_most_important_scientific_factors() -> None:
    by_name, _ = whole()
    table = by_name["importance"].table
    assert table is not None
    first = [row[0] for row in table.rows if row[1] == "scientific"][:3]
    assert f"({', '.join(first)})" in by_name["together"].lines[0]
    ranked = ordered_alike(by_name["importance"].files["importance.csv"])
    assert ("most important" in by_name["together"].lines[0]) is ranked
    shown = {name.removeprefix("interaction_") for name in whole()[1]}
    assert f"{first[0]}_{first[1]}" in shown or f"{first[1]}_{first[0]}" in shown
    every = by_name["together"].files["interactions.csv"]
    count = len(scientific(STUDY.factors))
    assert every.groupby(["parameter_1", "parameter_2"]).ngroups == count * (count - 1) // 2


@pytest.mark.parametrize("alike", [True, False])
def test_nothing_is_ranked_where_the_methods_disagree(
    alike: bool,
) -> None:
    found, notes = importance_of_study()
    found = found[found["parameter"] != "dropout_count"]  # which one of them cannot judge
    names = list(dict.fromkeys(found["parameter"]))
    places = {name: place for place, name in enumerate(names)}
    up = found["parameter"].map(places) + 1.0
    merit = up.where((found["method"] == "PED-ANOVA") | alike, 10 - up)
    shares = found.assign(importance=merit / merit.groupby(found["method"]).transform("sum"))
    made = {part.name: part for part in parts(Analysis(STUDY), lambda *_: (shares, notes))}
    table, words = made["importance"].table, " ".join(made["importance"].lines)
    assert table is not None
    plots = [plot for part in made.values() for plot in part.plots()]
    (figure,) = (plot for plot in plots if plot.name == "importance")
    labels = [tick.get_text() for tick in figure.draw().axes[0].get_yticklabels()]
    both = [row[0] for row in table.rows]
    captions = " ".join(plot.caption for plot in plots)
    pairs = made["together"].lines[0]
    assert labels == both
    if alike:
        assert both == names[::-1]
        assert "Both methods put these first" in words
        assert "most important" in pairs
        assert "most important" in captions
    else:
        assert both == names
        assert "do not order the first three alike" in words
        for said in (words, captions, pairs):
            assert "most important" not in said
            assert "highest mean of both" not in said
        science = [name for name in names if STUDY.factors[name]["role"] == "scientific"][:3]
        assert f"({', '.join(science)})" in pairs
    assert "an interval that covers the truth" in words
    assert "their order is not known" not in words


def test_a_figure_shows_every_trial_and_the_best_of_each_level() -> None:
    rows = Analysis(STUDY).finished
    figure = figures()["isolation"]
    best = isolation(rows, STUDY.factors, "maximize")
    for axes, (name, group) in zip(
        figure.axes, best.groupby("parameter", sort=False), strict=False
    ):
        assert axes.get_title(loc="left") == name
        assert np.asarray(axes.lines[0].get_ydata()).tolist() == group["best_value"].tolist()
        points = np.asarray(axes.collections[0].get_offsets())
        assert len(points) == rows[str(name)].count()


def test_only_levels_that_are_numbers_are_joined() -> None:
    for axes in figures()["isolation"].axes:
        if name := axes.get_title(loc="left"):
            joined = axes.lines[0].get_linestyle() != "None"
            assert joined == (name not in ("filter_sizes", "sequence")), name


def test_levels_of_which_nothing_finished_are_told() -> None:
    assert "No completed trial covers" not in lines(STUDY, "importance")
    arms = STUDY.arms
    big = arms.loc[arms["filter_sizes"] == "5,5,5", "arm"]
    chosen = STUDY.trials["arm"].isin(big)
    table = replace(STUDY, trials=STUDY.trials.assign(
        state=STUDY.trials["state"].mask(chosen, "PRUNED"),
        value=STUDY.trials["value"].mask(chosen),
    ))  # fmt: skip
    told = f"No completed trial covers: filter_sizes=5,5,5 ({int(chosen.sum())} stopped)."
    assert told in lines(table, "importance")
    unseen = table.factors["filter_sizes"] | {"levels": ["2,2,2", "3,3,2", "3,3,3", "7,7,7"]}
    factors = {"filter_sizes": unseen, "dropout": table.factors["dropout"]}
    assert unfinished_levels(table.trials, arms, factors) == {"filter_sizes=7,7,7": 0}


def test_the_front_is_marked_by_trial_numbers() -> None:
    front = whole()[0]["pareto"].files["pareto.csv"]
    for axes, cost in zip(figures()["pareto"].axes, ("macs", "seconds"), strict=True):
        numbers = front.loc[front["cost"] == cost, "number"]
        assert [text.get_text() for text in axes.texts] == [f"#{number}" for number in numbers]


def test_a_cell_without_a_trial_is_empty() -> None:
    levels = pd.CategoricalDtype(["1", "2"], ordered=True)
    cells = pd.DataFrame(
        {
            "parameter_1": "a", "level_1": pd.Series(["1", "2"], dtype=levels),
            "parameter_2": "b", "level_2": pd.Series(["1", "2"], dtype=levels),
            "trials": [1, 3], "mean_value": [0.8, 0.9], "best_value": [0.8, 0.95],
        }
    )  # fmt: skip
    axes = search_plots.draw_interactions(cells, METRIC).axes[0]
    shown = np.ma.getmaskarray(np.ma.asarray(axes.collections[0].get_array()))
    assert shown.tolist() == [[False, True], [True, False]]
    assert [text.get_text() for text in axes.texts] == ["80.0\nn=1", "90.0\nn=3"]


# Where there is too little


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, pytest.param(30, marks=pytest.mark.slow)])
def test_so_few_trials_are_no_trouble(count: int) -> None:
    found = parts(Analysis(few(count)), cheap)
    assert bool(found) == bool(count)
    for part in found:
        assert part.lines
        for plot in part.plots():
            assert faults(plot.draw()) == []
        for rows in part.files.values():
            assert len(rows)
    shown = {name for part in found for name in part.files}
    assert ("importance.csv" in shown) == (count >= 10)


@pytest.mark.slow
def test_one_accuracy_for_all_is_no_trouble() -> None:
    alike = replace(STUDY, trials=STUDY.trials.assign(value=0.9))
    names = [plot.name for part in parts(Analysis(alike), cheap) for plot in part.plots()]
    assert names == ["isolation", "pareto", "expected_performance"]
    assert "all complete settings have the same accuracy" in lines(alike, "importance", cheap)
    assert "No pair is drawn without an importance" in lines(alike, "together")


def test_one_level_of_everything_is_no_trouble() -> None:
    same = STUDY.arms.copy()
    for name in STUDY.factors:
        same[name] = same[name].iloc[0]
    trials = STUDY.trials.drop(columns=list(STUDY.factors)).merge(same[["arm", *STUDY.factors]])
    alike = replace(STUDY, arms=same, trials=trials)
    assert "of no scientific factor have two levels" in lines(alike, "isolation")
    assert "no two scientific factors were both varied" in lines(alike, "together")
    assert "fewer than two values" in lines(alike, "importance", cheap)


def test_stopped_trials_are_left_out_and_counted() -> None:
    stopped = SMALL.trials["number"].isin([5, 6])
    trials = SMALL.trials.assign(state=SMALL.trials["state"].mask(stopped, "PRUNED"))
    pruned = replace(SMALL, trials=trials)
    assert "Excludes 2 pruned trials; since pruning" in lines(pruned, "importance")
    assert "of 2 trials that were stopped early" in lines(pruned, "expected")


def test_draws_that_came_to_nothing_are_told_by_kind() -> None:
    number, beyond = SMALL.trials["number"], "is beyond the limit of 4,066,836"
    trials = SMALL.trials.assign(
        state=SMALL.trials["state"].mask(number.isin([5, 6, 7, 8]), "PRUNED"),
        failure=number.map({7: f"infeasible: parameters: 31,527,690 {beyond}",
                            8: f"infeasible: parameters: 5,000,000 {beyond}"}),
    )  # fmt: skip
    epochs = SMALL.epochs[~SMALL.epochs["number"].isin([7, 8])]
    found = failures_table(replace(SMALL, trials=trials, epochs=epochs))
    assert found.note == "2 stopped by the pruner, 2 beyond the limits."
    rows = found.rows
    assert {(row[1], row[2]) for row in rows if row[0] == "PRUNED"} == {
        ("stopped early by the pruner", "2"),
        ("infeasible: parameters: beyond the limit of 4,066,836", "2"),
    }


def test_another_sampler_has_no_expected_best() -> None:
    assert lines(replace(SMALL, sampler="tpe"), "expected") == (
        "Not shown: it holds for trials drawn at random, and the sampler is tpe."
    )


def test_other_designs_have_no_such_parts() -> None:
    assert parts(Analysis(study(arms=3, seeds=1, epochs=1)), cheap) == []


# In the folder


@pytest.mark.slow
def test_the_report_has_the_parts(tmp_path: Path) -> None:
    folder = write_report(SMALL, tmp_path / "made", judge=cheap, draw=in_outline).folder
    page, text = ((folder / f"report.{kind}").read_text() for kind in ("html", "md"))
    for part in parts(Analysis(SMALL), cheap):
        assert f"<h3>{part.title}</h3>" in page
        assert f"### {part.title}\n" in text
        for name, rows in part.files.items():
            found = read_csv(folder / name)
            assert found.columns.tolist() == as_in_files(rows, METRIC).columns.tolist()
            assert len(found) == len(rows)
        for plot in part.plots():
            assert (folder / "plots" / f"{plot.name}.svg").exists()
            assert f"plots/{plot.name}.png" in text
    assert "No contour: it takes 30 complete settings" in page


@pytest.mark.slow
def test_built_twice_it_is_the_same(tmp_path: Path) -> None:
    folder, again = (
        write_report(SMALL, tmp_path / name, judge=cheap).folder for name in ("made", "again")
    )
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert (again / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_what_no_longer_belongs_goes(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("")
    one = SMALL.trials.head(1)
    write_report(replace(SMALL, trials=one, arms=SMALL.arms.head(1)), tmp_path, figures=False)
    assert {name for name in FILES if (tmp_path / name).exists()} == set()
