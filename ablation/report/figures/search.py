"""Figures of what a search found: they draw, and compute no statistics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.tri import Triangulation

from ablation.objective.metric import Metric
from ablation.report.effects.replicates import DIVERGED, ends
from ablation.report.figures import style
from ablation.report.figures.cost import cost_names, scale
from ablation.report.figures.point_labels import Array, Marked, mark
from ablation.report.figures.style import BLACK, BLUE, GREY, ORANGE, legend_mark, styled

WITHOUT_RESULT = (
    ("FAIL", "x", "failed"),
    (DIVERGED, "1", "diverged"),
    ("PRUNED", "|", "stopped or infeasible"),
)
"""How a trial ended that has no value, its mark, and what it is called."""

FEW_COLOURS: dict[str, Any] = {"cmap": "viridis", "alpha": 0.9}
PARETO = ("macs", "seconds")
SMALL = 6.5  # points, of the words within a figure


@styled
def draw_importance(importances: pd.DataFrame, order: Sequence[str]) -> Figure:
    """How much each hyperparameter mattered, a bar a method.

    Args:
        importances: of ``ablation.report.search.importance.importance``.
        order: the parameters from the top down.
    """
    methods = list(dict.fromkeys(importances["method"]))
    figure, (axes,) = style.new_figure(style.PAGE, 1.1 + 0.42 * len(order))
    height = 0.76 / len(methods)
    colors = [BLUE, ORANGE][: len(methods)]
    for place, (method, color) in enumerate(zip(methods, colors, strict=True)):
        of_method = (
            importances[importances["method"] == method].set_index("parameter").reindex(list(order))
        )
        y = np.arange(len(order)) - 0.38 + height * (place + 0.5)
        lengths = of_method["importance"].to_numpy(float)
        axes.barh(y, np.nan_to_num(lengths), height=0.9 * height, color=color)
        axes.hlines(y, of_method["low"], of_method["high"], color=BLACK, linewidth=1)
        for spot, length in zip(y, lengths, strict=True):
            text = f"{100 * length:.0f} %" if np.isfinite(length) else "not judged"
            axes.annotate(text, (1, spot), (4, 0), axes.get_yaxis_transform(), "offset points",
                          va="center", fontsize=SMALL, color=GREY)  # fmt: skip
    axes.set_yticks(range(len(order)), [style.label(name) for name in order])
    most = float(np.nanmax(importances[["importance", "high"]].to_numpy(float)))
    axes.set(ylim=(len(order) - 0.45, -0.55), xlim=(0, 1.02 * most))
    axes.set(xlabel="share of each method's importance")
    axes.grid(visible=False, axis="y")
    style.percent_axis(axes, "x")
    marks = [*(Patch(color=color) for color in colors), Line2D([], [], color=BLACK, linewidth=1)]
    style.key(figure, marks, [*methods, "95 % of resamples"])
    return figure


@styled
def draw_isolation(
    points: Mapping[str, pd.DataFrame],
    best: pd.DataFrame,
    numbers: Collection[str],
    baseline: float,
    metric: Metric,
    end: float,
) -> Figure:
    """The best of each level of each factor over everything else drawn, above all its trials.

    Args:
        points: by factor, ``level`` (ordered categories), ``number`` and ``value``.
        best: of ``ablation.report.search.interactions.isolation``.
        numbers: the factors whose levels are numbers, and so have an order.
        baseline: the baseline's value; NaN where it has none.
        metric: what decides.
        end: of the axis on its worse side.
    """
    rows = -(-len(points) // 2)
    figure, panels = style.new_figure(style.PAGE, 0.5 + 2.5 * rows, rows, 2, sharey=True)
    for axes, (name, drawn) in zip(panels, points.items(), strict=False):
        of_factor = best[best["parameter"] == name]
        _levels(axes, list(of_factor["level"]), list(of_factor["trials"]))
        place = drawn["level"].astype(str).map({x: i for i, x in enumerate(of_factor["level"])})
        # Spread the points of a level by the golden ratio: even, and the same each time.
        spread = (drawn["number"].to_numpy(float) * 0.618034 % 1 - 0.5) * 0.5
        x = place.to_numpy(float) + spread
        area = style.dot(9, len(drawn))
        axes.scatter(x, drawn["value"], s=area, color=GREY, alpha=0.5, linewidth=0)
        heights = of_factor["best_value"].to_numpy(float)
        line = "-" if name in numbers else ""
        look: dict[str, Any] = {"color": BLUE, "marker": "D", "markersize": 5, "linestyle": line}
        axes.plot(range(len(heights)), heights, **look)
        if np.isfinite(baseline):
            axes.axhline(baseline, color=BLACK, linestyle="--", linewidth=1)
        axes.set(title=style.label(name, 30, 1))
        axes.grid(visible=False, axis="x")
        style.metric_axis(axes, metric)
    for axes in panels[len(points) :]:
        axes.set_axis_off()
    low, high = panels[0].get_ylim()
    panels[0].set_ylim((max(low, end), high) if metric.sign > 0 else (low, min(high, end)))
    for axes in panels[::2]:
        axes.set(ylabel=metric.label)
    dashed = Line2D([], [], color=BLACK, linestyle="--")
    marks = [Line2D([], [], color=BLUE, marker="D", markersize=5), _dot(GREY), dashed]
    texts = ["the best of a level", "one training", "baseline"]
    shown = len(marks) if np.isfinite(baseline) else 2
    style.key(figure, marks[:shown], texts[:shown])
    return figure


def _levels(axes: Axes, levels: Sequence[str], counts: Sequence[int]) -> None:
    """Levels side by side, with how many trials have each."""
    rows = [f"{_tick(level)}\nn={count}" for level, count in zip(levels, counts, strict=True)]
    axes.set_xticks(range(len(rows)), rows, fontsize=SMALL)
    axes.set_xlim(-0.6, len(rows) - 0.4)


def _tick(level: str) -> str:
    """A level below an axis; a part of a range in two lines."""
    return level.replace(" to ", " to\n") if " to " in level else style.label(level, 10, 1)


def _dot(color: str) -> Line2D:
    return Line2D([], [], color=color, marker="o", linestyle="", markersize=4)


@styled
def draw_interactions(cells: pd.DataFrame, metric: Metric) -> Figure:
    """Two factors crossed: the mean value of each combination, and of how many trials.

    Args:
        cells: of ``ablation.report.search.interactions.together``, a row at least.
    """
    rows, columns = (list(cells[level].cat.categories) for level in ("level_1", "level_2"))
    figure, (axes,) = style.new_figure(4.8, 1.5 + 0.36 * len(rows))
    grid = np.full((len(rows), len(columns)), np.nan)
    places = (cells["level_1"].cat.codes, cells["level_2"].cat.codes)
    grid[places] = cells["mean_value"]
    mesh = axes.pcolormesh(grid, edgecolors="white", linewidth=0.5, **FEW_COLOURS)
    middle = np.nanmean([np.nanmin(grid), np.nanmax(grid)])
    for y, x, mean, count in zip(*places, cells["mean_value"], cells["trials"], strict=True):
        color = "white" if mean < middle else BLACK
        axes.text(x + 0.5, y + 0.5, f"{_short(metric, mean)}\nn={count}", ha="center", va="center",
                  fontsize=SMALL - 1, color=color)  # fmt: skip
    axes.set_yticks(np.arange(len(rows)) + 0.5, [style.label(x, 18, 1) for x in rows])
    axes.set_xticks(np.arange(len(columns)) + 0.5, map(_tick, columns), fontsize=SMALL)
    axes.set(xlabel=cells["parameter_2"].iloc[0], ylabel=cells["parameter_1"].iloc[0])
    axes.set_facecolor("#f2f2f2")
    axes.grid(visible=False)
    _colour_bar(figure, axes, mesh, metric)
    return figure


def _short(metric: Metric, value: float) -> str:
    """A value with a digit less than elsewhere."""
    return f"{metric.scale * value:.1f}" if metric.in_percent else f"{value:.3g}"


def _colour_bar(figure: Figure, axes: Axes, shown: Any, metric: Metric) -> None:
    percent = " %" if metric.in_percent else ""
    written = FuncFormatter(lambda x, _: f"{_short(metric, x)}{percent}")
    bar = figure.colorbar(shown, ax=axes, format=written)
    bar.set_label(f"mean {metric.label}", fontsize=8)
    bar.locator = MaxNLocator(nbins=5)
    bar.update_ticks()


@styled
def draw_contour(
    points: pd.DataFrame, names: tuple[str, str], logs: tuple[bool, bool], metric: Metric
) -> Figure:
    """The metric over two numeric factors, joined between the points that were drawn, and those.

    Args:
        points: of ``ablation.report.search.interactions.surface``: not all on one line.
        names: the factors, across and up.
        logs: whether each was drawn on a logarithmic scale.
        metric: what decides.
    """
    figure, (axes,) = style.new_figure(4.8, 3.6)
    columns = (points["x"].to_numpy(float), points["y"].to_numpy(float))
    spread = [_unit(np.log(c) if log else c) for c, log in zip(columns, logs, strict=True)]
    triangles = Triangulation(*spread).triangles  # as the eye sees them, whatever the units
    mesh = Triangulation(*columns, triangles)
    heights = points["mean_value"].to_numpy(float)
    shown = axes.tricontourf(mesh, heights, levels=10, **FEW_COLOURS)
    axes.use_sticky_edges = False  # a point at the edge is seen whole
    axes.margins(0.04)
    areas = 9 + 5 * (points["trials"] - 1).clip(upper=11)
    sizes = (areas * min(1.0, 100 / len(points))).clip(lower=1.0)
    axes.scatter(*columns, s=sizes, color="white", edgecolor=BLACK, zorder=3,
                 linewidth=0.6 if len(points) <= 100 else 0.2)  # fmt: skip
    for which, log in zip("xy", logs, strict=True):
        if log:
            style.log_axis(axes, which, (1, 2, 5))
    axes.set(xlabel=names[0], ylabel=names[1])
    _colour_bar(figure, axes, shown, metric)
    return figure


def _unit(values: Array) -> Array:
    return np.asarray((values - values.min()) / (values.max() - values.min()))


@styled
def draw_front(rows: pd.DataFrame, front: pd.DataFrame, metric: Metric, example: str) -> Figure:
    """Every trial by its cost, and the front of those that nothing beats in both.

    Args:
        rows: of ``ablation.report.search.trials.finished``.
        front: of ``ablation.report.search.pareto.pareto``.
        metric: what decides.
        example: what MACs are counted for.
    """
    known = [column for column in PARETO if rows[column].notna().any()]
    figure, panels = style.new_figure(style.PAGE, 3.2, 1, len(known), sharey=True)
    for axes, column in zip(panels, known, strict=True):
        members = front[front["cost"] == column]
        area = style.dot(14, len(rows))
        axes.scatter(rows[column], rows["value"], s=area, color=BLUE, alpha=0.45, linewidth=0)
        look: Any = {"color": ORANGE, "linewidth": 1.4, "markersize": 5, "marker": "o"}
        axes.step(members[column], members["value"], where="post", **look)
        scale(axes, rows[column])
        axes.set(xlabel=cost_names(example)[column])
    panels[0].set(ylabel=metric.label)
    style.metric_axis(panels[0], metric)
    front_mark = Line2D([], [], color=ORANGE, marker="o", markersize=5)
    style.key(figure, [_dot(BLUE), front_mark], ["one training", "the front, with trial numbers"])
    mark(figure, [_front(*each, rows, front) for each in zip(panels, known, strict=True)])
    return figure


def _front(axes: Axes, column: str, rows: pd.DataFrame, front: pd.DataFrame) -> Marked:
    """The front's members with their numbers, which keep off its line and the other trials."""
    members = front[front["cost"] == column][[column, "value", "number"]]
    points = members[[column, "value"]].to_numpy(float)
    corners = np.column_stack([np.repeat(points[:, 0], 2)[1:], np.repeat(points[:, 1], 2)[:-1]])
    line = [np.linspace(one, other, 20) for one, other in pairwise(corners)]
    others = rows[[column, "value"]].dropna().to_numpy(float)
    marks = [f"#{number}" for number in members["number"]]
    return Marked(axes, points, marks, np.vstack([others, *line]))


@styled
def draw_expected_best(curve: pd.DataFrame, baseline: float, metric: Metric) -> Figure:
    """The expected best value by how many trials are drawn.

    Args:
        curve: of ``ablation.report.search.expected_best.expected_performance``.
        baseline: the baseline's value; NaN where it has none.
        metric: what decides.
    """
    figure, (axes,) = style.new_figure(4.8, 3.2)
    axes.plot(curve["trials"], curve["expected_value"], color=BLUE)
    marks, names = [Line2D([], [], color=BLUE)], ["expected best"]
    if np.isfinite(baseline):
        marks.append(axes.axhline(baseline, color=BLACK, linestyle="--", linewidth=1))
        names.append("baseline")
    axes.set(xlabel="trials drawn at random", ylabel=metric.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.metric_axis(axes, metric)
    style.key(figure, marks, names)
    return figure


@styled
def draw_history(
    best: pd.DataFrame, trials: pd.DataFrame, baseline: float, metric: Metric
) -> Figure:
    """A search by trial number: values, the best so far, what failed or was stopped.

    Args:
        best: of ``ablation.report.effects.replicates.best_so_far``.
        trials: as in ``StudyTable.trials``.
        baseline: the baseline's value; NaN where it has none.
        metric: what decides.
    """
    figure, (axes,) = style.new_figure(style.PAGE, 3.4)
    area = style.dot(16, len(best))
    axes.scatter(best["number"], best["value"], s=area, color=BLUE, alpha=0.7, linewidth=0)
    axes.step(best["number"], best["best"], where="post", color=ORANGE, linewidth=1.8)
    marks = [legend_mark("o", BLUE), Line2D([], [], color=ORANGE)]
    names = ["a finished trial", "best so far"]
    if np.isfinite(baseline):
        marks.append(axes.axhline(baseline, color=BLACK, linestyle="--", linewidth=1))
        names.append("baseline")
    spot: Any = axes.get_xaxis_transform()
    states = ends(trials)
    for state, marker, text in WITHOUT_RESULT:
        numbers = trials.loc[states == state, "number"]
        if len(numbers):
            place = np.full(len(numbers), 0.02)
            axes.scatter(numbers, place, marker=marker, s=24, color=GREY, transform=spot)
            marks.append(Line2D([], [], color=GREY, marker=marker, linestyle=""))
            names.append(text)
    axes.set(xlabel="trial", ylabel=metric.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.metric_axis(axes, metric)
    style.key(figure, marks, names)
    return figure
