"""Labels beside points, where they cover neither points nor each other.

No library is used. Of 456 labels of ten figures, real and made up, adjustText 1.4.0 put two on one
another and had 16 overlaps with points. textalloc 1.2.4 had no overlap, as this module, and let
fewer leaders cross (1 pair, not 9), but took more CPU time, and gave 9 of 12 labels a leader in a
figure with room for all, where this module gave none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.report.figures.style import GREY

Array = npt.NDArray[np.float64]


Offset = tuple[float, float]


SIZE = 7.0  # points, of a number


LED = 10.0  # points: a number further off than this has a line to its point


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
            np.asarray(axes.transData.transform(array)) * 72 / figure.dpi if len(array) else array
            for array in (data, panel.around)
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
