"""Figures: what they show, that nothing overlaps, and that nothing makes them warn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.arms import confounded
from ablation.report.effects.confusion import confusion_by_arm, confusion_shares
from ablation.report.effects.effects import effects
from ablation.report.effects.gains import gains
from ablation.report.effects.replicates import replicates
from ablation.report.effects.selection import of_factor, worst_end
from ablation.report.figures import arms as arm_figures
from ablation.report.figures import factors, style
from ablation.report.figures.learning_curves import measures
from ablation.report.figures.point_labels import place_labels
from ablation.report.sections.arms import gallery
from ablation.report.sections.figure import Plot
from tests.helpers.figures import faults
from tests.helpers.made.report_studies import CLASSES, METRIC, study

STUDIES = {
    "3 arms": study(arms=3, seeds=3),
    "10 arms": study(arms=10, seeds=4, failed=(("dropout=0.1", 1),)),
    "30 arms": study(arms=30, seeds=2, epochs=3),
    "factorial": study("factorial", arms=4, seeds=3, epochs=3),
    "one epoch": study("factorial", arms=12, seeds=2, epochs=1),
    "one short epoch": study(arms=4, seeds=2, epochs=1),
    "search": study("search", arms=60, epochs=2),
    "one seed": study(arms=4, seeds=1, epochs=2),
    "no baseline": study(arms=8, seeds=1, epochs=3, failed=(("baseline", 0),)),
}


@cache
def made(name: str) -> dict[str, Plot]:
    return drawn(STUDIES[name])


def drawn(table: StudyTable) -> dict[str, Plot]:
    return {plot.name: plot for plot in gallery(Analysis(table))}


@cache
def figure_of(study_name: str, name: str) -> Figure:
    return made(study_name)[name].draw()


SOON = {"factorial", "one seed"}  # drawn; the others take some seconds each


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in SOON else pytest.mark.slow) for name in STUDIES],
)
def figures(request: pytest.FixtureRequest) -> dict[str, Figure]:
    return {name: figure_of(request.param, name) for name in made(request.param)}


def texts(figure: Figure) -> list[Text]:
    """Every visible text: ticks, labels, titles, legends, notes."""
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.slow
def test_no_text_lies_on_another_or_beyond_the_edge(figures: dict[str, Figure]) -> None:
    assert {name: found for name, figure in figures.items() if (found := faults(figure))} == {}


def test_figures_leave_nothing_behind(figures: dict[str, Figure]) -> None:
    assert figures
    assert plt.get_fignums() == []
    assert plt.rcParams["svg.hashsalt"] is None


@pytest.mark.slow
def test_one_plot_a_factor() -> None:
    for study_name in STUDIES:
        names = [name for name in made(study_name) if name.startswith("factor_")]
        assert names == [f"factor_{name}" for name in STUDIES[study_name].factors]


def test_every_replicate_is_a_point() -> None:
    table = STUDIES["10 arms"]
    rows = effects(table.trials, table.arms, table.margin)
    axes = arm_figures.draw_arms(replicates(table.trials), rows, {}, METRIC).axes[0]
    points = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])
    shown = set(np.round(points[:, 0].astype(float), 9))
    assert set(replicates(table.trials)["value"].round(9)) <= shown
    assert len(replicates(table.trials)) == 39


@pytest.mark.slow
def test_the_best_other_arm_is_compared_with_the_baseline_class_by_class() -> None:
    table = STUDIES["10 arms"]
    best = str(gains(table.trials, table.arms).iloc[1:].idxmax())  # by pairs, never by means
    found = made("10 arms")
    assert f"Which classes {best}, the best other arm" in found["class_accuracy"].caption
    assert [
        t.get_text() for t in figure_of("10 arms", "class_accuracy").axes[0].get_yticklabels()
    ] == CLASSES
    grid = figure_of("10 arms", "confusion_change").axes[0]
    by_arm = confusion_shares(confusion_by_arm(table.confusion))
    shares = by_arm.set_index(["arm", "true", "predicted"])["share"]
    change = 100 * (shares[best] - shares["baseline"])
    shown = np.asarray(grid.collections[0].get_array()).ravel()
    assert sorted(shown) == pytest.approx(sorted(change))
    assert "the 4 seeds that both" in found["confusion_change"].caption
    fewer = table.confusion[(table.confusion["arm"] != "baseline") | (table.confusion["seed"] > 1)]
    common = drawn(replace(table, confusion=fewer))["confusion_change"]
    late = confusion_shares(confusion_by_arm(fewer[fewer["seed"] > 1]))
    shares = late.set_index(["arm", "true", "predicted"])["share"]
    change = 100 * (shares[best] - shares["baseline"])
    shown = np.asarray(common.draw().axes[0].collections[0].get_array()).ravel()
    assert sorted(shown) == pytest.approx(sorted(change))
    assert "the 2 seeds that both" in common.caption
    alone = drawn(replace(table, confusion=table.confusion.query("arm == 'baseline'")))
    assert {"class_accuracy", "confusion_change"}.isdisjoint(alone)
    assert len(alone["confusion"].draw().axes) == 1
    seeds = table.confusion["seed"] + 100 * (table.confusion["arm"] == "baseline")
    apart = drawn(replace(table, confusion=table.confusion.assign(seed=seeds)))
    assert {"class_accuracy", "confusion_change"}.isdisjoint(apart)  # no seed of both


def test_reported_curves_are_drawn_under_ours() -> None:
    axes = figure_of("10 arms", "learning_curves_reported").axes[0]
    theirs: list[Line2D] = []
    ours: list[Line2D] = []
    for line in axes.lines:
        (theirs if line.get_linewidth() == 3 else ours).append(line)
    reported = STUDIES["10 arms"].reported_curves
    assert [np.asarray(line.get_ydata()).tolist() for line in theirs] == [
        list(reported["val_accuracy"]), list(reported["train_accuracy"]),
    ]  # fmt: skip
    assert max(line.get_zorder() for line in theirs) < min(line.get_zorder() for line in ours)
    assert "learning_curves_reported" not in made("factorial")


@pytest.mark.parametrize(
    ("arms", "epochs", "name"),
    [
        (3, 4, "learning_curves"),
        pytest.param(8, 4, "learning_curves_accuracy", marks=pytest.mark.slow),
    ],
)
def test_averages_are_dotted_lines_of_their_own(arms: int, epochs: int, name: str) -> None:
    table = with_averages(study(arms=arms, seeds=2, epochs=epochs))
    plots = drawn(table)
    assert plots[name].caption.endswith(
        "it lags behind validation at first. Dotted: averaged weights."
    )
    figure = plots[name].draw()
    assert "averaged weights" in [text.get_text() for text in texts(figure)]
    rows = table.epochs[table.epochs["arm"] == table.arms["arm"].iloc[1]]
    means = rows.groupby("epoch")["ema_val_accuracy"].mean().tolist()
    dotted = [line for axes in figure.axes for line in axes.lines if line.get_linestyle() == ":"]
    assert means in [list(np.asarray(line.get_ydata())) for line in dotted]
    assert len(dotted) == (arms if name == "learning_curves" else arms - 1)
    assert faults(figure) == []


def test_after_one_epoch_averages_are_points() -> None:
    table = with_averages(study(arms=3, seeds=2, epochs=1))
    figure = drawn(table)["learning_curves"].draw()
    points = np.concatenate([np.asarray(c.get_offsets()) for c in figure.axes[0].collections])
    shown = set(points[:, 0].astype(float).round(9))
    assert set(table.epochs["ema_val_accuracy"].round(9)) <= shown
    assert "averaged weights" in [text.get_text() for text in texts(figure)]


def test_an_average_of_what_is_not_there_is_a_figure_like_others() -> None:
    figures = ["loss", "ema_accuracy"]
    found = measures(figures, Metric("loss", direction="minimize"), {})
    assert [(each.validation, each.averaged) for each in found] == [
        ("loss", ""), ("ema_accuracy", ""),
    ]  # fmt: skip
    (found_beside,) = measures(["loss", "ema_loss"], Metric("loss", direction="minimize"), {})
    assert (found_beside.validation, found_beside.averaged) == ("loss", "ema_loss")


def with_averages(table: StudyTable) -> StudyTable:
    """The study with figures of averaged weights, which no other figure is."""
    figure = "ema_val_accuracy"
    epochs = table.epochs.assign(**{figure: table.epochs["value"] + 0.001})
    return replace(table, epochs=epochs, figures=(*table.figures, figure))


def test_what_changes_more_than_it_says_is_marked() -> None:
    figure = figure_of("10 arms", "effects")
    words = [text.get_text() for text in texts(figure)]
    assert any("* also changes the number of LSTM steps" in text for text in words)
    marked = [text for text in words if text.endswith(" *")]
    assert len(marked) == len(confounded(STUDIES["10 arms"].arms))


def test_a_missing_result_is_said_in_the_figure() -> None:
    figure = figure_of("10 arms", "arms")
    assert "Trials without a result: 1 failed." in [text.get_text() for text in texts(figure)]


def test_a_collapsed_training_does_not_press_the_others_together() -> None:
    table = study(arms=6, seeds=5)
    trials = table.trials.copy()
    trials.loc[3, "value"] = 0.10
    figure = drawn(replace(table, trials=trials))["arms"].draw()
    low, high = figure.axes[0].get_xlim()
    assert low > 0.8
    assert high < 1
    assert any("1, down to 10.00 %" in text.get_text() for text in texts(figure))


@pytest.mark.slow
def test_values_that_are_not_finite_draw_without_a_warning() -> None:
    table = study(arms=6, seeds=2, epochs=4)
    epochs, trials = table.epochs.copy(), table.trials.copy()
    epochs.loc[[0, 1, 9], ["train_loss", "val_loss"]] = [np.nan, np.inf]
    trials.loc[2, ["value", "seconds"]] = np.nan
    plots = drawn(replace(table, epochs=epochs, trials=trials))
    drawn_ones = {name: plot.draw() for name, plot in plots.items()}
    notes = [text.get_text() for text in texts(drawn_ones["learning_curves_loss"])]
    assert any("Not finite, so left out: 3 epochs." in note for note in notes)


@pytest.mark.slow
def test_names_of_users_are_drawn_as_they_are() -> None:
    table = study(arms=3, seeds=2, epochs=2)
    odd = {"conv_layers=2": "cost $\\frac{$", "pooling_count=2": "画像 " + "x" * 80}
    arms = table.arms.replace({"arm": odd})
    trials, epochs = table.trials.replace({"arm": odd}), table.epochs.replace({"arm": odd})
    for plot in drawn(replace(table, arms=arms, trials=trials, epochs=epochs)).values():
        assert style.render(plot.draw())["svg"]


@pytest.mark.slow
def test_a_search_shows_the_baseline_named_arms_and_the_best() -> None:
    table = STUDIES["search"]
    rows, shown = Analysis(table).effects, Analysis(table).leading()
    assert shown["arm"].tolist()[:2] == ["baseline", "source-best"]
    assert len(shown) == 14
    assert rows["val_mean"].drop([0, 1]).max() == shown["val_mean"].iloc[2]
    assert short_names(table)["baseline"] == "#0"


def test_of_a_search_the_best_come_first_and_what_has_not_finished_is_left_out() -> None:
    fifth = study("search", arms=12).arms["arm"].iloc[5]
    table = study("search", arms=12, failed=(("source-best", 0), (fifth, 0)))
    shown = Analysis(table).leading()
    assert shown["arm"].tolist()[:2] == ["baseline", "source-best"]  # a name of its own is told
    others = shown["val_mean"].iloc[2:]
    assert len(others) == 9
    assert others.is_monotonic_decreasing
    assert others.notna().all()


def test_the_baseline_is_in_sight_beside_the_best_of_a_search() -> None:
    table = STUDIES["search"]
    rows = Analysis(table).leading()
    best = rows["arm"].iloc[2:]
    is_best = table.trials["arm"].isin(best)
    close = 0.9 + 0.001 * table.trials["value"]
    trials = table.trials.assign(value=table.trials["value"].mask(is_best, close))
    figure = drawn(replace(table, trials=trials))["arms"].draw()
    assert not any("Left of the axis" in text.get_text() for text in texts(figure))


def test_the_key_of_a_searchs_costs_names_what_has_a_name() -> None:
    figure = figure_of("search", "cost")
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["#0  baseline", "#1  source-best"]
    assert any("The table of arms says" in text.get_text() for text in texts(figure))


@pytest.mark.slow
def test_bands_are_spoken_of_only_where_there_are_seeds() -> None:
    for name, banded in (("3 arms", True), ("one seed", False), ("search", False)):
        figure = figure_of(
            name, "learning_curves_accuracy" if name == "search" else "learning_curves"
        )
        assert any("Bands: lowest" in text.get_text() for text in texts(figure)) is banded


def test_what_a_search_drew_keeps_its_number_where_it_is_confirmed() -> None:
    table = STUDIES["10 arms"]
    note = ["", "trial 7 of the search, rank 2", *[""] * 7, "trial 3 of the search, rank 1"]
    trial = pd.Series([pd.NA, 104, *[pd.NA] * 8], dtype="Int64", index=table.arms.index)
    arms = table.arms.assign(note=note, trial=trial)
    confirmed = replace(table, design="confirmation", arms=arms)
    assert short_names(confirmed) == {table.arms["arm"].iloc[1]: "#104"}
    assert short_names(table) == {}


def test_a_number_is_no_name_of_its_own() -> None:
    table = STUDIES["30 arms"]
    drawn_ones = table.arms["arm"].str.contains("=")
    place = pd.Series(range(len(drawn_ones)), index=drawn_ones.index, dtype="Int64")
    kind = table.arms["kind"].mask(drawn_ones, "drawn")
    arms = table.arms.assign(kind=kind, trial=place.where(drawn_ones))
    confirmed = replace(table, design="confirmation", arms=arms)
    whole = Analysis(confirmed)
    names = short_names(confirmed)
    assert len(names) > 20
    best = whole.leading(5)["arm"]
    assert len(best) == 5
    assert whole.told.leading(5)["arm"].tolist() == [names.get(arm, arm) for arm in best]


def test_a_drawn_number_is_rounded_to_four_digits() -> None:
    assert style.label("learning_rate=0.00123456789") == "learning_rate=0.001235"
    assert style.label("learning_rate=0.00099996") == "learning_rate=0.001"
    assert style.label("dropout=0.15+hidden_size=256") == "dropout=0.15+hidden_size=256"
    assert style.label("x=12.34567") == "x=12.35"


@pytest.mark.parametrize(
    ("levels", "order"),
    [
        (["256", "64", "128"], ["64", "128", "256"]),
        (["5,5,5", "3,3,2", "10,1,1"], ["3,3,2", "5,5,5", "10,1,1"]),
        (["source", "matched"], ["source", "matched"]),
    ],
)
def test_levels_are_in_the_order_of_their_numbers(levels: list[str], order: list[str]) -> None:
    assert factors.sorted_levels(pd.Series(levels)) == order


@pytest.mark.parametrize(
    ("rates", "scale"), [([1e-4, 1e-3, 1e-2, 2e-3], "log"), ([0.1, 0.2, 0.3, 0.4], "linear")]
)
def test_a_wide_range_has_a_logarithmic_axis(rates: list[float], scale: str) -> None:
    rows = pd.DataFrame(
        {"arm": "a", "number": range(4), "level": [str(x) for x in rates], "value": 0.9}
    )
    assert factors.draw_scatter("x", rows, "baseline", METRIC).axes[0].get_xscale() == scale


def test_a_factor_of_a_one_factor_study_leaves_named_arms_out() -> None:
    table = STUDIES["10 arms"]
    chosen = of_factor("dropout", table, effects(table.trials, table.arms, table.margin))
    assert chosen["arm"].tolist() == ["baseline", "dropout=0.1"]
    assert chosen["level"].tolist() == ["0.25", "0.1"]


def test_labels_keep_apart_even_where_points_coincide() -> None:
    points = np.array([[50.0, 50.0]] * 12 + [[np.nan, 1.0]])
    frame = np.array([0.0, 0.0, 100.0, 100.0])
    placed = place_labels(points, [str(n) for n in range(13)], frame)
    assert set(placed) == set(range(12))
    spots = np.array(list(placed.values()))
    distances = [np.abs(a - b).max() for a, b in combinations(spots, 2)]
    assert min(distances) >= 5


def test_the_end_of_an_axis_is_worse_than_all_ordinary_results() -> None:
    table = STUDIES["30 arms"]
    values = table.trials["value"]
    assert worst_end(values, METRIC) < values.min()
    less = replace(METRIC, direction="minimize")
    assert worst_end(-values, less) == pytest.approx(-worst_end(values, METRIC))


def test_nothing_finished_draws_nothing() -> None:
    failed = tuple((arm, 0) for arm in study(arms=3, seeds=1).arms["arm"])
    assert drawn(study(arms=3, seeds=1, failed=failed)) == {}
