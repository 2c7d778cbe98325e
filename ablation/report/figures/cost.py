"""Accuracy against what it costs; arms have numbers, and none hides another."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, styled

COSTS = {"parameters": "parameters", "macs": "MACs an image", "seconds": "seconds a training"}
Array = npt.NDArray[np.float64]
Offset = tuple[float, float]
SIZE = 7.0  # points, of a number
LED = 10.0  # points: a number further off than this has a line to its point
OTHERS: dict[str, Any] = {"s": 22, "color": BLUE}
BASELINE: dict[str, Any] = {"s": 40, "color": BLACK, "marker": "D"}
LEADER: dict[str, Any] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkB": 3}
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
MARK: dict[str, Any] = {"textcoords": "offset points", "fontsize": SIZE, **CENTRED}
NOWHERE: Array = np.empty((0, 2))
# Around a point, nearest first: sixteen directions on circles ever further out.
SPOTS: Array = np.array(
    [
        (radius * math.cos(turn * math.pi / 8), radius * math.sin(turn * math.pi / 8))
        for radius in range(8, 80, 4)
        for turn in range(16)
    ]
)


@styled
def cost(costs: pd.DataFrame, tags: Mapping[str, str], drawn: Collection[str] = ()) -> Figure:
    """Mean validation accuracy against parameters, MACs and seconds of training.

    Args:
        costs: of ``ablation.report.effects.effects.costs``, the baseline first; rows without an
            accuracy are left out, and the figure says so.
        tags: by arm, what is written at its points; else it is the arm's place.
        drawn: the arms of a search that are known by their numbers alone, their names being too
            long for the figure.
    """
    rows = costs[np.isfinite(costs["val_mean"])].reset_index(drop=True)
    marks = [tags.get(arm, str(place + 1)) for place, arm in enumerate(rows["arm"])]
    named = [(m, arm) for m, arm in zip(marks, rows["arm"], strict=True) if arm not in drawn]
    texts = style.labels([arm for _, arm in named], 36, 1)
    names = [f"{m}  {text}" for (m, _), text in zip(named, texts, strict=True)]
    height = 2.9 + style.key_height(style.PAGE, names) + 0.05 * len(rows)
    figure, panels = style.new_figure(style.PAGE, height, 1, 3, sharey=True)
    for axes, (column, text) in zip(panels, COSTS.items(), strict=True):
        _panel(axes, rows, column, str(costs["arm"].iloc[0]))
        axes.set(xlabel=text)
    panels[0].set(ylabel="mean validation accuracy")
    style.percent_axis(panels[0])
    if names:
        style.key(figure, [Line2D([], [], linestyle="") for _ in names], names)
    absent = len(costs) - len(rows)
    notes = [f"Without a finished training, so not shown: {absent}."] if absent else []
    if len(named) < len(rows):
        notes.append("The table of arms says what the other numbers are.")
    style.footnote(figure, " ".join(notes))
    data = [rows[[column, "val_mean"]].to_numpy(float) for column in COSTS]
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


@dataclass(frozen=True)
class Marked:
    """Points of a panel that get marks.

    Attributes:
        axes: the panel.
        points: (n, 2), in its units.
        marks: what is to stand beside each.
        around: (m, 2), in its units: what else the marks are to keep off.
    """

    axes: Axes
    points: Array
    marks: Sequence[str]
    around: Array = field(default_factory=lambda: NOWHERE)


def mark(figure: Figure, panels: Iterable[Marked]) -> None:
    """Write marks beside points, once the layout is known, which then stays as it is."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in panels:
        axes, data, marks = panel.axes, panel.points, panel.marks
        points, around = (
            np.asarray(axes.transData.transform(found)) * 72 / figure.dpi if len(found) else found
            for found in (data, panel.around)
        )
        frame = np.asarray(axes.bbox.extents) * 72 / figure.dpi
        for place, offset in place_labels(points, marks, frame, around).items():
            line = LEADER if math.hypot(*offset) > LED else None
            axes.annotate(marks[place], data[place], offset, arrowprops=line, **MARK)


def place_labels(
    points: Array, texts: Sequence[str], frame: Array, around: Array = NOWHERE
) -> dict[int, Offset]:
    """For each finite point, the nearest spot for its text that is free and inside the frame.

    Args:
        points: (n, 2), in typographic points.
        texts: what is to stand beside each.
        frame: left, bottom, right, top of the panel, likewise.
        around: (m, 2), likewise: what else a text is to keep off.

    Returns:
        Offsets from the point by its place; where all is taken, the spot that covers the least.
    """
    finite = [place for place in range(len(points)) if np.isfinite(points[place]).all()]
    taken = [_boxes(points[place], np.zeros((1, 2)), 5, 5) for place in finite]
    taken.append(_boxes(np.zeros(2), around, 4, 4))
    chosen = {}
    for place in finite:
        size = 0.74 * SIZE * len(texts[place]) + 1, SIZE + 1
        boxes = _boxes(points[place], SPOTS, *size)
        # Rather a leader across another text than a text on one.
        costs = 20 * _covered(boxes, np.vstack(taken)) + _outside(boxes, frame)
        for part in (0.4, 0.6, 0.8):  # a leader crosses nothing either
            leader = _covered(_boxes(points[place], SPOTS * part, 2, 2), np.vstack(taken))
            costs += np.where(np.hypot(*SPOTS.T) > LED, leader, 0)
        best = int(np.argmin(costs))
        chosen[place] = float(SPOTS[best, 0]), float(SPOTS[best, 1])
        taken.append(boxes[best : best + 1])
    return chosen


def _boxes(point: Array, offsets: Array, width: float, height: float) -> Array:
    """Boxes around a point's offsets: (n, 4), each left, bottom, right, top."""
    centres, half = point + offsets, np.array([width, height]) / 2
    return np.hstack([centres - half, centres + half])


def _covered(boxes: Array, taken: Array) -> Array:
    """The area of each box that is taken: (n,)."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2).sum(axis=1))


def _outside(boxes: Array, frame: Array) -> Array:
    """A high cost for what leaves the panel: (n,)."""
    inside = (boxes[:, :2] >= frame[:2]).all(axis=1) & (boxes[:, 2:] <= frame[2:]).all(axis=1)
    return np.where(inside, 0.0, 20_000.0)
