"""A trial's pictures for its page: its learning curve and what its test images were taken for.

They are SVG, written here: the coordinator makes them between two trainings, and a figure of
matplotlib takes it a quarter of a second, this a millisecond. No text in them is a user's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

BLUE, PALE, INK = "#0072b2", "#e6e6e6", "#1a1a1a"
WIDTH, HEIGHT = 300, 200  # of a panel, its axes' words outside
DASHED = "5 4"
FEW = 8  # epochs up to which each is a point
MOST = 12  # figures that are shown
CELL, LEFT, TOP = 30, 90, 30  # of the confusion matrix
Range = tuple[float, float]
_PARTS = ("val_", "train_")


def curve(history: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy and loss by epoch, or whatever else there is: validation solid, training dashed.

    Args:
        history: of the trial, an epoch each, as its attribute ``history`` has it.
    """
    body = ""
    if any(name.startswith("train_") for name in history[0]):
        body = _line([(60, 14), (90, 14)]) + _text(96, 18, "validation", "start")
        body += _line([(190, 14), (220, 14)], DASHED) + _text(226, 18, "training", "start")
    measures = _measures(history[0])
    for place, measure in enumerate(measures):
        scale, unit = (100, " %") if measure == "accuracy" else (1, "")
        solid, dashed = (
            [scale * epoch.get(f"{part}{measure}", math.nan) for epoch in history]
            for part in (_PARTS if f"val_{measure}" in history[0] else ("", "train_"))
        )
        panel = "".join(_panel(measure, solid, dashed, unit))
        body += f'<g transform="translate({60 + place * (WIDTH + 70)} 54)">{panel}</g>'
    return _svg(max(2, len(measures)) * (WIDTH + 70) + 20, HEIGHT + 104, body)


def _measures(epoch: Mapping[str, Any]) -> list[str]:
    """What an epoch has figures of, accuracy first, each once for validation and training."""
    figures = [name for name in epoch if name not in ("epoch", "seconds")][:MOST]
    names = [name.removeprefix("val_").removeprefix("train_") for name in figures]
    return sorted(dict.fromkeys(names), key=lambda name: name != "accuracy")


def _panel(title: str, solid: list[float], dashed: list[float], unit: str) -> Iterator[str]:
    """A pair of lines over epochs 1, 2, … in a frame of its own."""
    steps = ticks(value for value in (*solid, *dashed) if math.isfinite(value))
    low, high = steps[0], steps[-1]
    across = (0.5, len(solid) + 0.5)
    yield _text(0, -10, escape(title), "start")
    for step in steps:
        y = _on(step, (low, high), (HEIGHT, 0))
        yield _line([(0, y), (WIDTH, y)], color=PALE) + _text(-6, y + 4, f"{step:g}{unit}", "end")
    for epoch in range(1, len(solid) + 1, max(1, len(solid) // 6)):
        yield _text(_on(epoch, across, (0, WIDTH)), HEIGHT + 18, str(epoch))
    yield _text(WIDTH / 2, HEIGHT + 38, "epoch")
    for values, dash, fill in ((dashed, DASHED, "white"), (solid, "", BLUE)):
        points = [
            (_on(epoch, across, (0, WIDTH)), _on(value, (low, high), (HEIGHT, 0)))
            for epoch, value in enumerate(values, 1)
            if math.isfinite(value)
        ]
        yield _line(points, dash)
        yield from (_dot(x, y, fill) for x, y in points if len(solid) <= FEW)


def ticks(values: Iterable[float]) -> list[float]:
    """Three to seven even numbers, 1, 2 or 5 times a power of ten apart, around all values."""
    numbers = list(values) or [0.0]
    low, high = min(numbers), max(numbers)
    spread = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(spread / 3))
    step = next(k * power for k in (1, 2, 5, 10) if spread / (k * power) <= 5)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """A row a true class, a column what its images were taken for, in percent of the row.

    Args:
        counts: by true and predicted class, as the trial's attribute ``confusion`` has it.
        classes: their names.
    """
    side = CELL * len(classes)
    body = [_text(LEFT + side / 2, 18, "taken for (percent of each true class)")]
    for place, name in enumerate(classes):
        middle = (place + 0.5) * CELL
        body.append(_text(LEFT - 6, TOP + middle + 4, name, "end"))
        spot = (LEFT + middle + 4, TOP + side + 8)
        body.append(_text(*spot, name, "end", f"rotate(-60 {spot[0]} {spot[1]})"))
    for row, line in enumerate(counts):
        shares = [count / max(1, sum(line)) for count in line]
        body += [_cell(row, column, share) for column, share in enumerate(shares)]
    return _svg(LEFT + side + 20, TOP + side + 90, "".join(body))


def _cell(row: int, column: int, share: float) -> str:
    x, y = LEFT + column * CELL, TOP + row * CELL
    fill = f'fill="{BLUE}" fill-opacity="{share**0.5:.3f}"'  # the root: rare confusions show
    shown = f"{100 * share:.0f}" if share >= 0.005 else ""
    ink = "white" if share > 0.4 else INK
    box = f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" stroke="{PALE}" {fill}/>'
    return box + _text(x + CELL / 2, y + CELL / 2 + 4, shown, color=ink)


def _on(value: float, of: Range, to: Range) -> float:
    """`value` between the ends `of`, at the same place between the ends `to`."""
    return round(to[0] + (value - of[0]) / (of[1] - of[0]) * (to[1] - to[0]), 1)


def _line(points: Sequence[tuple[float, float]], dash: str = "", color: str = BLUE) -> str:
    along = " ".join(f"{x},{y}" for x, y in points)
    look = f'stroke-dasharray="{dash}" stroke-width="1.2"' if dash else 'stroke-width="2"'
    return f'<polyline points="{along}" fill="none" stroke="{color}" {look}/>'


def _dot(x: float, y: float, fill: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="3" fill="{fill}" stroke="{BLUE}"/>'


def _text(
    x: float, y: float, text: str, anchor: str = "middle", turn: str = "", color: str = INK
) -> str:
    more = f' transform="{turn}"' if turn else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}"{more}>{text}</text>'


def _svg(width: int, height: int, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{body}</svg>'
    )
