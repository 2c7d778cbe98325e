"""Figures of arms, factors and a search's history: they draw, and compute no statistics.

Means, spreads and differences come from ``effects``. Fractions are percent on the axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    legend_mark,
    new_rows,
    styled,
    write_beside,
)

LEAST_GAP = 0.001  # between trainings and the arrows beside them: a fraction, or a part of them


@styled
def draw_arms(
    replicates: pd.DataFrame,
    effects: pd.DataFrame,
    labels: Mapping[str, str],
    metric: Metric,
    note: str = "",
    end: float | None = None,
    what: str = "",
    noun: str = "training",
) -> Figure:
    """Arms compared: every replicate a point, the mean a bar, the baseline's mean a line.

    Args:
        replicates: of ``ablation.report.effects.replicates.replicates``.
        effects: the rows to show of ``ablation.report.effects.effects.effects``, the baseline
            first.
        labels: by arm, what it is called where that is not its name.
        metric: what decides.
        note: what is said below the figure.
        end: of the axis on its worse side; trainings beyond it are arrows at its edge.
        what: which of a training's values of the metric are shown, in words.
        noun: what a replicate is called.
    """
    figure, axes = new_rows([labels.get(arm, arm) for arm in effects["arm"]], 1.2, 0.27)
    _points(axes, replicates, list(effects["arm"]), metric, end)
    _means(axes, effects, metric)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set(xlabel=what or metric.text)
    style.metric_axis(axes, metric, "x")
    dashed = Line2D([], [], color=BLACK, linestyle="--")
    marks = [legend_mark("o", BLUE), legend_mark("|", BLACK, size=10), dashed]
    style.key(figure, marks, [f"one {noun}", "mean", "mean of the baseline"])
    style.footnote(figure, note)
    return figure


@styled
def draw_means(
    effects: pd.DataFrame,
    intervals: pd.DataFrame,
    labels: Mapping[str, str],
    metric: Metric,
    note: str = "",
) -> Figure:
    """Arms of which no replicate is known: the mean a bar, its interval a line.

    Args:
        effects: the rows to show of ``ablation.report.effects.effects.effects``, the baseline
            first.
        intervals: of the same rows, ``low`` and ``high``; NaN where there is none.
        labels: by arm, what it is called where that is not its name.
        metric: what decides.
        note: what is said below the figure.
    """
    figure, axes = new_rows([labels.get(arm, arm) for arm in effects["arm"]], 1.2, 0.27)
    places = range(len(effects))
    axes.hlines(places, intervals["low"], intervals["high"], color=BLUE, linewidth=2, zorder=2)
    axes.scatter(
        effects["val_mean"], places, marker="|", s=170, linewidth=2.2, color=BLACK, zorder=3
    )
    _means(axes, effects, metric)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set(xlabel=f"{metric.text} of each arm", ylabel="")
    style.metric_axis(axes, metric, "x")
    dashed = Line2D([], [], color=BLACK, linestyle="--")
    marks = [Line2D([], [], color=BLUE, linewidth=2), legend_mark("|", BLACK, size=10), dashed]
    style.key(figure, marks, ["95 % interval of the mean", "mean", "mean of the baseline"])
    style.footnote(figure, note)
    return figure


def _means(axes: Axes, effects: pd.DataFrame, metric: Metric) -> None:
    """A bar at each mean, its number and n in the margin, and the baseline's line."""
    baseline = effects["val_mean"].iloc[0]
    if np.isfinite(baseline):
        axes.axvline(baseline, color=BLACK, linewidth=1, linestyle="--", zorder=1)
    bar: Any = {"marker": "|", "s": 170, "linewidth": 2.2, "color": BLACK, "zorder": 2}
    several = effects["val_mean"].where(effects["n"] > 1)  # the mean of one is that one
    axes.scatter(several, range(len(effects)), **bar)
    for place, (mean, count) in enumerate(zip(effects["val_mean"], effects["n"], strict=True)):
        write_beside(
            axes, place, f"{metric.value(mean)}  n={count}" if count else "no result", GREY
        )


def _points(
    axes: Axes, replicates: pd.DataFrame, order: Sequence[str], metric: Metric, end: float | None
) -> None:
    """A point a replicate; seeds have a height of their own in the row, so none hides another."""
    done = replicates[replicates["arm"].isin(order)]
    rank = done["seed"].rank(method="dense")
    offset = 0.5 * ((rank - 0.5) / rank.max() - 0.5)
    y = done["arm"].map({arm: place for place, arm in enumerate(order)}) + offset
    values, sign = done["value"], metric.sign
    seen = pd.Series(True, values.index) if end is None else sign * values >= sign * end
    area = style.dot(20, done["seed"].nunique(), 40)
    look: Any = {"color": BLUE, "s": area, "alpha": 0.75, "zorder": 3, "ax": axes}
    if area < 20:  # a white edge would hide them
        look["linewidth"] = 0
    sns.scatterplot(x=values[seen], y=y[seen], **look)
    if not seen.all():
        worst = values[seen].min() if sign > 0 else values[seen].max()
        gap = LEAST_GAP if metric.is_fraction else LEAST_GAP * abs(worst)
        spot, marker = worst - 2 * sign * gap, "<" if sign > 0 else ">"
        axes.scatter([spot] * int((~seen).sum()), y[~seen], marker=marker, s=22, color=ORANGE)
        axes.set_xlim(**{"left" if sign > 0 else "right": spot - sign * gap})
    axes.set(ylabel="")
