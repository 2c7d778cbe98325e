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
DASHED, DOTTED = "5 4", "1 4"
FEW = 8  # epochs up to which each is a point
MOST = 12  # figures that are shown
CELL, LEFT, TOP = 30, 90, 30  # of the confusion matrix
Range = tuple[float, float]
Line = tuple[list[float], str]  # values by epoch, and the dashes that they are drawn in


def curve(history: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy and loss by epoch, or whatever else there is.

    Validation is solid, training dashed, what averaged weights come to dotted.

    Args:
        history: of the trial, an epoch each, as its attribute ``history`` has it.
    """
    body, averages = "", _averages(history[0])
    kinds = [("training", DASHED)] if any(n.startswith("train_") for n in history[0]) else []
    kinds += [("averaged weights", DOTTED)] if averages else []
    for place, (text, dash) in enumerate([("validation", ""), *kinds] if kinds else []):
        x = 60 + 130 * place
        body += _line([(x, 14), (x + 30, 14)], dash) + _text(x + 36, 18, text, "start")
    measures = _measures(history[0])
    for place, measure in enumerate(measures):
        scale, unit = (100, " %") if measure == "accuracy" else (1, "")
        own = f"val_{measure}" if f"val_{measure}" in history[0] else measure
        dashes = {f"train_{measure}": DASHED, own: ""}  # the solid one on top
        if f"ema_{own}" in averages:
            dashes = {f"ema_{own}": DOTTED, **dashes}
        lines = [
            ([scale * epoch.get(name, math.nan) for epoch in history], dash)
            for name, dash in dashes.items()
        ]
        panel = "".join(_panel(measure, lines, unit))
        body += f'<g transform="translate({60 + place * (WIDTH + 70)} 54)">{panel}</g>'
    return _svg(max(2, len(measures)) * (WIDTH + 70) + 20, HEIGHT + 104, body)


def _measures(epoch: Mapping[str, Any]) -> list[str]:
    """What an epoch has figures of, accuracy first, each once for validation and training."""
    known = {"epoch", "seconds", *_averages(epoch)}
    figures = [name for name in epoch if name not in known][:MOST]
    names = [name.removeprefix("val_").removeprefix("train_") for name in figures]
    return sorted(dict.fromkeys(names), key=lambda name: name != "accuracy")


def _averages(epoch: Mapping[str, Any]) -> set[str]:
    """The figures that are those of averaged weights beside the weights' own."""
    return {f"ema_{name}" for name in epoch if not name.startswith("train_")} & epoch.keys()


def _panel(title: str, lines: Sequence[Line], unit: str) -> Iterator[str]:
    """Lines over epochs 1, 2, … in a frame of its own; only the solid one has full points."""
    steps = ticks(value for values, _ in lines for value in values if math.isfinite(value))
    low, high = steps[0], steps[-1]
    count = len(lines[0][0])
    across = (0.5, count + 0.5)
    yield _text(0, -10, escape(title), "start")
    for step in steps:
        y = _on(step, (low, high), (HEIGHT, 0))
        yield _line([(0, y), (WIDTH, y)], color=PALE) + _text(-6, y + 4, f"{step:g}{unit}", "end")
    for epoch in range(1, count + 1, max(1, count // 6)):
        yield _text(_on(epoch, across, (0, WIDTH)), HEIGHT + 18, str(epoch))
    yield _text(WIDTH / 2, HEIGHT + 38, "epoch")
    for values, dash in lines:
        points = [
            (_on(epoch, across, (0, WIDTH)), _on(value, (low, high), (HEIGHT, 0)))
            for epoch, value in enumerate(values, 1)
            if math.isfinite(value)
        ]
        yield _line(points, dash)
        fill = "white" if dash else BLUE
        yield from (_dot(x, y, fill) for x, y in points if count <= FEW)


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
