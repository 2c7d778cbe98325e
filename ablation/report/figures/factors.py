"""One factor at a time: trainings and means by its levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, PALE, legend_mark, styled


@styled
def draw_factor(
    name: str,
    replicates: pd.DataFrame,
    chosen: pd.DataFrame,
    baseline: str,
    metric: Metric,
    note: str = "",
    by_seed: bool = True,
) -> Figure:
    """One factor of a designed study: replicates and means by level, the baseline's level marked.

    Args:
        name: the factor.
        replicates: of ``ablation.report.effects.replicates.replicates``.
        chosen: of ``ablation.report.effects.selection.of_factor``: a line a ``group``.
        baseline: the baseline's level.
        metric: what decides.
        note: what is said below the figure.
        by_seed: whether replicates of the same seed belong together.
    """
    levels = sorted_levels(chosen["level"])
    groups = list(dict.fromkeys(chosen["group"]))
    names, keys = _level_names(levels, baseline), style.labels(groups) if len(groups) > 1 else []
    wide = len(levels) * len(groups) > 12 or not _fits(names, 4.8)
    width = style.PAGE if wide else 4.8
    height = 3.4 + max(0.0, style.key_height(width, keys) - 0.32)
    figure, (axes,) = style.new_figure(width, height)
    places, step = _level_axis(axes, levels, names, baseline, width)
    looks = _looks(len(groups))
    for place, (group, look) in enumerate(zip(groups, looks, strict=True)):
        rows = chosen[chosen["group"] == group]
        shift = 0.5 * step * ((place + 0.5) / len(groups) - 0.5)
        x = rows["level"].map({level: x + shift for level, x in places.items()})
        _line(
            axes, rows.assign(x=x).sort_values("x"), replicates, look, by_seed and len(groups) == 1
        )
    axes.set(xlabel=name, ylabel=metric.label)
    style.metric_axis(axes, metric)
    if len(groups) > 1:
        style.key(figure, [Line2D([], [], **look) for look in looks], keys)
    style.footnote(figure, note)
    return figure


def _looks(count: int) -> list[dict[str, Any]]:
    """A colour and a mark for each line."""
    colors = style.shades(count) if count > 1 else [BLUE]
    marks = style.MARKERS * (count // len(style.MARKERS) + 1)
    return [{"color": c, "marker": m} for c, m in zip(colors, marks, strict=False)]


def _line(
    axes: Axes, rows: pd.DataFrame, replicates: pd.DataFrame, look: dict[str, Any], seeds: bool
) -> None:
    """A line of means with its replicates; with ``seeds``, a faint line for each seed too."""
    points = rows[["arm", "x"]].merge(replicates[["arm", "seed", "value"]], on="arm")
    count = points["seed"].nunique()
    if seeds and len(points):
        thin = 0.7 * min(1.0, 40 / count)
        faint: Any = {"color": PALE, "linewidth": max(thin, 0.1), "zorder": 1}
        sns.lineplot(points, x="x", y="value", units="seed", estimator=None, ax=axes, **faint)
    area = style.dot(16, count, 40)
    small: Any = {"s": area, "alpha": 0.55, "linewidth": 0, "zorder": 2, **look}
    axes.scatter(points["x"], points["value"], **small)
    axes.plot(rows["x"], rows["val_mean"], markersize=7, markeredgecolor="white", zorder=3, **look)


DECADES = 10**1.5  # a wider span of numbers has a logarithmic axis


LETTER = 0.068  # inches, of a level below an axis


LINE = 0.15  # inches, of a level that runs upwards


def _level_axis(
    axes: Axes, levels: Sequence[str], names: Sequence[str], baseline: str, width: float
) -> tuple[dict[str, float], float]:
    """Where each level stands, and how far apart lines of groups may be.

    Levels stand side by side, the baseline's on grey and named. Where there is no room for their
    names, numbers get an axis of numbers; other levels are named upwards, and some of them only
    where there are too many.
    """
    fits = _fits(names, width)
    values = pd.to_numeric(pd.Series(levels), errors="coerce").to_numpy(float)
    if not fits and np.isfinite(values).all():
        places = dict(zip(levels, values.tolist(), strict=True))
        if values.min() > 0 and values.max() / values.min() > DECADES:
            style.log_axis(axes)
        if baseline in places:
            place = places[baseline]
            axes.axvline(place, color=PALE, linewidth=6, alpha=0.4, zorder=0)
            spot: Any = axes.get_xaxis_transform()
            axes.text(place, 1.01, "baseline", transform=spot, ha="center", fontsize=7.5)
        return places, 0.0
    places = {level: float(place) for place, level in enumerate(levels)}
    if baseline in places:
        left, right = places[baseline] - 0.4, places[baseline] + 0.4
        axes.axvspan(left, right, color=PALE, alpha=0.3, linewidth=0, zorder=0)
    every = 1 if fits else -(-len(levels) // int((width - 0.9) / LINE))
    named = [at for at, level in enumerate(levels) if at % every == 0 or level == baseline]
    texts = [names[at] if fits else names[at].replace("\n", " ") for at in named]
    axes.set_xticks(named, texts, rotation=0 if fits else 90)
    axes.set(xlim=(-0.6, len(levels) - 0.4))
    axes.grid(visible=False, axis="x")
    return places, 1.0


def _level_names(levels: Sequence[str], baseline: str) -> list[str]:
    names = style.labels(levels, 14)
    return [
        name + ("\nbaseline" if level == baseline else "")
        for name, level in zip(names, levels, strict=True)
    ]


def _fits(names: Sequence[str], width: float) -> bool:
    """Whether all names have room side by side below an axis, in a figure that wide (inches)."""
    longest = max(len(line) for name in names for line in name.splitlines())
    return len(names) == 1 or len(names) * (longest * LETTER + 0.08) <= width - 0.9


def sorted_levels(levels: pd.Series[str]) -> list[str]:
    """Levels by their numbers (``3,3,2`` by all of them), else in the order given."""
    texts = list(dict.fromkeys(levels))
    try:
        return sorted(texts, key=lambda level: [float(part) for part in level.split(",")])
    except ValueError:
        return texts


@styled
def draw_scatter(
    name: str,
    drawn: pd.DataFrame,
    baseline: str,
    metric: Metric,
    note: str = "",
    log: bool = False,
) -> Figure:
    """One factor of a search: every finished trial by its level, the baseline's circled.

    The axis is numeric where all levels are numbers, and logarithmic where they were drawn so or
    span more than one and a half decades; else levels stand side by side.

    Args:
        name: the factor.
        drawn: of ``ablation.report.effects.selection.drawn``.
        baseline: the name of the baseline's arm.
        metric: what decides.
        note: what is said below the figure.
        log: whether it is drawn from a range by its logarithm.
    """
    figure, (axes,) = style.new_figure(4.8, 3.2)
    x = _positions(axes, drawn["level"], drawn["number"], log)
    area = style.dot(18, len(drawn))
    axes.scatter(x, drawn["value"], s=area, color=BLUE, alpha=0.6, linewidth=0)
    base = (drawn["arm"] == baseline).to_numpy(bool)
    axes.scatter(x[base], drawn["value"][base], s=70, facecolor="none", edgecolor=BLACK)
    axes.set(xlabel=name, ylabel=metric.label)
    style.metric_axis(axes, metric)
    ring = Line2D([], [], marker="o", linestyle="", color=BLACK, markersize=8, fillstyle="none")
    style.key(figure, [legend_mark("o", BLUE), ring], ["one training", "baseline"])
    style.footnote(figure, note)
    return figure


def _positions(axes: Axes, levels: pd.Series[str], numbers: pd.Series[int], log: bool) -> Any:
    """Where each trial stands on the x axis, which is set up for its kind of level."""
    values = pd.to_numeric(levels, errors="coerce").to_numpy(float)
    numeric = bool(np.isfinite(values).all()) and len(values) > 0
    positive = values[values > 0]
    ratio = positive.max() / positive.min() if numeric and len(positive) else 0.0
    wide = ratio > DECADES or (log and ratio > 1)
    if numeric and not wide and len(set(values)) > 3:
        return values
    if wide and len(positive) == len(values):
        style.log_axis(axes)
        return values
    order = sorted_levels(levels)
    axes.set_xticks(range(len(order)), [style.label(level, 12) for level in order])
    axes.set_xlim(-0.6, len(order) - 0.4)
    # Spread points of a level by the golden ratio: even, and the same each time.
    spread = (numbers.to_numpy(float) * 0.618034 % 1 - 0.5) * 0.4
    return levels.map({level: place for place, level in enumerate(order)}).to_numpy(float) + spread
