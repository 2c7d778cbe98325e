"""Studies of many arms: what is shown of them, what is said of the rest, and where all are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from ablation.dashboard.note import note
from ablation.dashboard.study_page import drawn_graphs
from ablation.report import page as report_page
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import replicates
from ablation.report.effects.selection import leading, of_factor, over_others
from ablation.report.figures import search as search_plots
from ablation.report.figures import style
from ablation.report.figures.factors import draw_factor
from ablation.report.sections.arms import gallery
from ablation.report.sections.figure import Plot
from ablation.report.text.latex import as_markdown
from ablation.report.text.tables.arms import arms_table, brief_table
from ablation.report.text.tables.contrasts import contrasts_table
from ablation.report.write import write_report
from tests.helpers.made.report_studies import METRIC, alone, grid, study

WORSE = [41, 44, 47]


@cache
def many(count: int = 60, seeds: int = 4) -> StudyTable:
    """An arm a level of one factor; the last ones are worse, and their means the lowest."""
    table = study(arms=2, seeds=seeds, epochs=1)
    levels = [f"x={k}" for k in range(1, count)]
    names = ["baseline", *levels]
    base = table.arms.iloc[[0] * count].reset_index(drop=True)
    arms = base.assign(arm=names, changes=["", *levels], factor=["", *["x"] * (count - 1)],
                       kind=["baseline", *["level"] * (count - 1)],
                       against=["", *["baseline"] * (count - 1)],
                       reported_test_accuracy=float("nan"),
                       x=[str(k) for k in range(count)])  # fmt: skip
    one = table.trials[table.trials["arm"] == "baseline"].sort_values("seed")
    trials, history = [], []
    for place, name in enumerate(names):
        wiggle = np.random.default_rng(place).normal(0, 3e-4, seeds)
        shift = -0.03 - 0.001 * place if place in WORSE else 0.00001 * place
        values = [0.9 + 0.001 * k + w + shift for k, w in enumerate(wiggle)]
        rows = one.assign(arm=name, number=range(place * seeds, (place + 1) * seeds),
                          value=values)  # fmt: skip
        trials.append(rows)
        history.append(
            pd.DataFrame(
                {
                    "stage": rows["stage"],
                    "number": rows["number"],
                    "arm": name,
                    "seed": rows["seed"],
                    "epoch": 1,
                    "train_loss": 0.4,
                    "train_accuracy": 0.8,
                    "val_loss": 0.4,
                    "value": values,
                    "seconds": 1.0,
                }
            )
        )
    return replace(
        table,
        arms=arms,
        trials=pd.concat(trials, ignore_index=True),
        epochs=pd.concat(history, ignore_index=True),
        confusion=table.confusion.iloc[:0],
        reported_curves=table.reported_curves.iloc[:0],
        factors={"x": {"role": "scientific", "levels": list(arms["x"])}},
        wanted=count * seeds,
    )


@cache
def whole() -> Analysis:
    return Analysis(many())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large")
    write_report(many(), path, figures=False)
    return path


def test_every_significant_arm_is_shown_and_the_largest_effects_beside_them() -> None:
    rows = whole().effects
    worse = set(rows.loc[rows["verdict"] == "worse", "arm"])
    assert worse == {f"x={k}" for k in WORSE}
    shown = whole().leading()
    assert len(shown) == 40
    assert shown["arm"].iloc[0] == "baseline"
    assert worse <= set(shown["arm"])
    others = shown["delta"].iloc[1:]
    assert others.is_monotonic_decreasing
    left = rows[~rows["arm"].isin(shown["arm"])]
    assert left["delta"].abs().max() < rows["delta"].abs().max()


def test_up_to_40_arms_are_all_shown_in_the_order_of_the_design() -> None:
    table = many(40)
    shown = Analysis(table)
    assert shown.leading()["arm"].tolist() == table.arms["arm"].tolist()
    assert brief_table(shown).note == ""


@pytest.mark.slow
def test_what_is_not_shown_is_counted_by_verdict_in_every_figure_and_table(folder: Path) -> None:
    rows = whole().effects
    left = rows[~rows["arm"].isin(whole().leading()["arm"])]
    kinds = left["verdict"].value_counts()
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    assert "40 of 60 arms" in brief_table(whole()).note
    assert f"Not shown: {said}." in brief_table(whole()).note
    for plot in gallery(whole()):
        if plot.name in ("effects", "arms"):
            assert "40 of 60 arms" in plot.draw()._supxlabel.get_text()  # type: ignore[attr-defined]
        elif plot.name == "cost":
            assert "40 of 60 arms" in plot.caption
        elif plot.name == "learning_curves":
            assert "25 of 60 arms" in plot.caption
    for name in ("report.html", "report.md"):
        assert "40 of 60 arms" in (folder / name).read_text()
    assert "40 of 60 arms" in drawn_graphs(whole())["effects"].layout.title.text


def test_all_arms_are_in_a_folded_table_and_in_what_is_pasted(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    names = [*whole().effects["arm"]]
    folded = re.findall(r"<details.*?</details>", page, re.DOTALL)
    (every,) = [part for part in folded if "All 60 arms" in part]
    assert [name for name in names if f">{name}</th>" not in every] == []
    (behind,) = [part for part in folded if "p of sign flips" in part]
    assert behind.count("<tr") == 40  # its titles, and what is shown
    assert "39 of 59 comparisons" in page
    plain = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert "p of sign flips" not in plain
    assert plain.count('<th scope="row">x=') == 39
    pasted = as_markdown(whole())
    assert all(f"| {name} |" in pasted for name in names)


def test_the_arms_that_a_sentence_calls_worse_are_in_the_table(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    answer = text.split("## Answer")[1].split("## Effects")[0]
    worse = {f"x={k}" for k in WORSE}
    assert worse <= set(re.findall(r"x=\d+", answer))
    assert worse <= set(whole().leading()["arm"])


def test_before_the_last_trial_no_verdict_chooses_what_is_shown() -> None:
    unfinished = replace(many(), wanted=many().wanted + 1)
    study, gain = Analysis(unfinished), whole().gains
    rows = study.effects.assign(delta=lambda x: x["delta"].where(x["verdict"] == "", 0.0001))
    told = rows.assign(verdict=["", *["better"] * 3, *["inconclusive"] * 56])
    shown, other = (leading(unfinished, some, gain, settled=False) for some in (rows, told))
    assert "".join(shown["arm"]) == "".join(other["arm"])
    title = drawn_graphs(study)["effects"].layout.title.text
    assert "40 of 60 arms" in title
    text = note(study)
    assert "40 of 60 arms: the largest effects." in text


def test_the_largest_effect_is_bold_only_if_it_is_the_largest_of_all() -> None:
    rows = whole().effects
    best = str(rows["arm"].iloc[int(rows["delta"].argmax())])
    for shown in (arms_table(whole()), arms_table(whole(), rows)):
        assert [shown.rows[place][0] for place in shown.strong] == [best]
    assert not arms_table(whole(), rows[rows["arm"] != best]).strong


FOUR = {
    "conv_layers": ["3", "2"],
    "hidden_size": ["128", "256"],
    "dropout": ["0.25", "0.1"],
    "learning_rate": ["0.001", "0.003"],
}


def figures_of(table: StudyTable) -> dict[str, Plot]:
    return {plot.name: plot for plot in gallery(Analysis(table))}


def overlaps(texts: Sequence[Text], figure: Figure) -> bool:
    """Whether any of the texts covers another, once drawn."""
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    return any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.slow
@pytest.mark.parametrize("of", ["factor", pytest.param("other", marks=pytest.mark.slow)])
def test_legend_entries_of_a_factorial_differ(of: str) -> None:
    plots = figures_of(study("factorial", settings=grid(FOUR), seeds=2, epochs=4))
    own = {
        name: plot for name, plot in plots.items() if name.startswith("factor_") == (of == "factor")
    }
    assert own
    for name, plot in own.items():
        figure = plot.draw()
        for legend in figure.legends:
            words = [text.get_text() for text in legend.get_texts()]
            assert len(set(words)) == len(words), name
            assert not overlaps(legend.get_texts(), figure), name


def test_above_eight_settings_a_factor_shows_means_over_the_others() -> None:
    levels = FOUR | {"dropout": ["0.25", "0.1", "0"]}
    table = study("factorial", settings=grid(levels), seeds=3, missing=(("dropout=0.1", 2),))
    plot = figures_of(table)["factor_hidden_size"]
    assert not plot.draw().legends
    assert "Means over all 12 settings of the other factors" in plot.caption
    chosen = of_factor("hidden_size", table, Analysis(table).effects)
    means, points = over_others(chosen, replicates(table.trials))
    done = table.trials[table.trials["state"] == "COMPLETE"]
    for level, seeds in (("128", [0, 1]), ("256", [0, 1, 2])):  # one arm of 128 lacks seed 2
        own = points[points["arm"] == level]
        assert own["seed"].tolist() == seeds
        at = done[(done["hidden_size"] == level) & done["seed"].isin(seeds)]
        (mean,) = means.loc[means["level"] == level, "val_mean"]
        assert mean == pytest.approx(at["value"].mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("hidden_size", [str(16 * k) for k in range(1, 23)]),
        ("learning_rate", [f"{10 ** (-5 + 3 * k / 10):.3g}" for k in range(11)]),
        ("learning_rate", [f"{10 ** (-5 + 3 * k / 60):.3g}" for k in range(61)]),
        ("filter_sizes", [f"{a},{b},{c}" for a in (2, 5, 11) for b in (2, 5, 7) for c in (2, 3)]),
        ("filter_sizes", [f"{a},{b},2" for a in range(1, 10) for b in range(1, 10)]),
    ],
)
def test_levels_below_an_axis_do_not_cover_each_other(name: str, levels: list[str]) -> None:
    table = study(settings=alone({name: levels}), seeds=2, epochs=1)
    chosen = of_factor(name, table, Analysis(table).effects)
    baseline = str(table.arms[name].iloc[0])
    figure = draw_factor(name, replicates(table.trials), chosen, baseline, METRIC)
    (axes,) = figure.axes
    ticks = [text for text in axes.get_xticklabels() if text.get_text()]
    assert len(ticks) >= 3
    assert not overlaps(ticks, figure)
    named = [text.get_text() for text in [*ticks, *axes.texts]]
    assert any("baseline" in text for text in named)


def test_one_collapsed_arm_does_not_press_the_others_together() -> None:
    table = many(12)
    lost = table.trials["arm"] == "x=5"
    trials = table.trials.assign(value=table.trials["value"].mask(lost, 0.1))
    figure = figures_of(replace(table, trials=trials))["effects"].draw()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert high - low < 10
    assert low < -0.5
    assert high > 0.5
    assert "Beyond the axis (arrows): 1 effect." in figure._supxlabel.get_text()  # type: ignore[attr-defined]
    words = [text.get_text() for text in axes.texts]
    assert any(re.match(r"−80\.\d\d  ", word) for word in words)


def test_marks_shrink_with_their_number_and_have_a_cap() -> None:
    few, many_points = style.dot(16, 20), style.dot(16, 5000)
    assert few == 16
    assert 1 <= many_points < 2
    draw = np.random.default_rng(0)
    points = pd.DataFrame(
        {
            "x": draw.uniform(1, 9, 800),
            "y": draw.uniform(1, 9, 800),
            "mean_value": draw.uniform(0.8, 0.9, 800),
            "trials": [5000, *[1] * 799],
        }
    )
    figure = search_plots.draw_contour(points, ("a", "b"), (False, False), METRIC)
    circles = figure.axes[0].collections[-1]
    assert isinstance(circles, PathCollection)
    assert circles.get_sizes().max() < 70
    assert np.median(circles.get_sizes()) < 3


def test_a_footnote_is_no_wider_than_its_figure() -> None:
    figure, _ = style.new_figure(4.8, 3)
    style.footnote(figure, "Differences that are too small to matter here. " * 6)
    figure.draw_without_rendering()
    text = figure._supxlabel  # type: ignore[attr-defined]
    assert text.get_window_extent().x1 <= figure.bbox.x1


def test_names_that_differ_at_their_end_stay_apart() -> None:
    names = [f"a_setting={'9' * 60}{end}" for end in "ab"]
    assert len(set(style.labels(names))) == 2
    assert style.labels(["dropout=0", "dropout=0.1"]) == ["dropout=0", "dropout=0.1"]


@pytest.mark.slow
def test_many_combinations_are_cut_with_all_of_them_folded(tmp_path: Path) -> None:
    levels = {
        "pooling_count": ["3", "2", "1"],
        "hidden_size": ["128", "64", "256", "512"],
        "dropout": ["0.25", "0", "0.1", "0.4"],
        "learning_rate": ["0.001", "0.0003", "0.003"],
    }
    table = study("factorial", settings=grid(levels), seeds=2, epochs=1)
    shown = Analysis(table)
    found = shown.contrasts
    page = report_page.html(report_page.content(shown, []))
    assert len(found) > 40
    assert f"40 of {len(found)} combinations" in page
    (every,) = [x for x in re.findall(r"<details.*?</details>", page, re.DOTALL) if "All comb" in x]
    assert every.count("<tr") == len(found) + 1
    significant = set(found.loc[found["p_holm"] < 0.05, "term"])
    assert significant <= {row[1] for row in contrasts_table(shown).rows}  # type: ignore[union-attr]


@pytest.mark.slow
def test_seeds_in_a_row_are_told_by_their_ends() -> None:
    table = study(arms=2, seeds=2, epochs=1)
    for seeds, told in (
        ([0, 1, 2], "Seeds: 0, 1, 2."),
        (list(range(1000)), "Seeds: 0 to 999 (1,000)."),
        ([7, *range(20, 50)], "Seeds: 7, 20 to 49 (30)."),
    ):
        shown = replace(table, seeds=seeds)
        assert told in report_page.html(report_page.content(Analysis(shown), []))
