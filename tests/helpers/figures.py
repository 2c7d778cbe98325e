"""What is wrong with a figure as it is drawn: text on text, text beyond the edge."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import combinations
from multiprocessing import current_process
from typing import Any
from unittest import mock

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from ablation.report.figures import style


def faults(figure: Figure) -> list[str]:
    """Every text that is cut off or lies on another, by more than two pixels both ways."""
    seen: dict[Text, Bbox] = {}
    draw = Text.draw

    def watched(self: Text, renderer: Any, *args: Any, **options: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            seen[self] = Text.get_window_extent(self, renderer)  # without an arrow
        draw(self, renderer, *args, **options)

    with mock.patch.object(Text, "draw", watched), mpl.rc_context(style.RC):
        figure.draw_without_rendering()
    edge, found = figure.bbox, []
    for text, box in seen.items():
        if min(box.x0, box.y0) < -1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1:
            found.append(f"{text.get_text()!r} is cut off")
    for (one, a), (other, b) in combinations(seen.items(), 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        if width > 2 and height > 2:
            found.append(f"{one.get_text()!r} on {other.get_text()!r}")
    return found


def in_outline(draw: Callable[[], Figure]) -> tuple[float, bytes, bytes]:
    """In place of a report's figure, which takes most of its time: width, SVG and PNG."""
    return 6.4, b"<svg/>", b"a picture"


def killed_elsewhere(draw: Callable[[], Figure]) -> tuple[float, bytes, bytes]:
    """As `in_outline` in the tests' own process; another one is killed, as for want of memory."""
    if current_process().name != "MainProcess":
        os.kill(os.getpid(), signal.SIGKILL)
    return in_outline(draw)
