"""The metric against what it costs; arms have numbers, and none hides another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.point_labels import Marked, mark
from ablation.report.figures.style import BLACK, BLUE, styled


def cost_names(example: str) -> dict[str, str]:
    """What an axis of costs is called, by column."""
    return {
        "parameters": "parameters",
        "macs": f"MACs an {example}",
        "seconds": "seconds a training",
    }


OTHERS: dict[str, Any] = {"s": 22, "color": BLUE}
BASELINE: dict[str, Any] = {"s": 40, "color": BLACK, "marker": "D"}


@styled
def draw_cost(
    costs: pd.DataFrame,
    tags: Mapping[str, str],
    metric: Metric,
    example: str,
    drawn: Collection[str] = (),
) -> Figure:
    """Means of the metric against parameters, MACs and seconds of training, where known.

    Args:
        costs: of ``ablation.report.effects.arms.costs``, the baseline first; rows without a
            mean are left out, and the figure says so.
        tags: by arm, what is written at its points; else it is the arm's place.
        metric: what decides.
        example: what MACs are counted for.
        drawn: the arms of a search that are known by their numbers alone, their names being too
            long for the figure.
    """
    rows = costs[np.isfinite(costs["val_mean"])].reset_index(drop=True)
    marks = [tags.get(arm, str(place + 1)) for place, arm in enumerate(rows["arm"])]
    named = [(m, arm) for m, arm in zip(marks, rows["arm"], strict=True) if arm not in drawn]
    texts = style.labels([arm for _, arm in named], 36, 1)
    names = [f"{m}  {text}" for (m, _), text in zip(named, texts, strict=True)]
    height = 2.9 + style.key_height(style.PAGE, names) + 0.05 * len(rows)
    known = {
        column: text for column, text in cost_names(example).items() if rows[column].notna().any()
    }
    figure, panels = style.new_figure(style.PAGE, height, 1, len(known), sharey=True)
    for axes, (column, text) in zip(panels, known.items(), strict=True):
        _panel(axes, rows, column, str(costs["arm"].iloc[0]))
        axes.set(xlabel=text)
    panels[0].set(ylabel=f"mean {metric.label}")
    style.metric_axis(panels[0], metric)
    if names:
        style.key(figure, [Line2D([], [], linestyle="") for _ in names], names)
    absent = len(costs) - len(rows)
    notes = [f"Without a finished training, so not shown: {absent}."] if absent else []
    if len(named) < len(rows):
        notes.append("The table of arms says what the other numbers are.")
    style.footnote(figure, " ".join(notes))
    data = [rows[[column, "val_mean"]].to_numpy(float) for column in known]
    mark(figure, [Marked(axes, p, marks) for axes, p in zip(panels, data, strict=True)])
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, column: str, baseline: str) -> None:
    first = rows["arm"] == baseline
    for part, look in ((~first, OTHERS), (first, BASELINE)):
        axes.scatter(rows[column][part], rows["val_mean"][part], zorder=3, **look)
    scale(axes, rows[column])
    axes.margins(0.12)


def scale(axes: Axes, costs: pd.Series[float]) -> None:
    """Set up the x axis for costs: logarithmic where they differ more than fivefold."""
    values = costs[costs > 0]
    ratio = values.max() / values.min() if len(values) else 1.0
    if ratio > 5:
        style.log_axis(axes, "x", (1, 3) if ratio > 30 else (1, 2, 5))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _short(x)))


def _short(number: float) -> str:
    """``0.5``, ``20``, ``300 k``, ``2 M``."""
    return f"{number:g}" if abs(number) < 1000 else EngFormatter(sep=" ")(number)
