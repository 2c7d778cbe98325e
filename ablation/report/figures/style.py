"""How every figure looks, and how one becomes bytes: the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from textwrap import wrap
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from ablation.objective.metric import Metric

DPI = 150
PAGE = 7.2  # inches: the text width of a printed page
# After Okabe and Ito's palette: apart for every kind of colour vision, and in grey.
BLUE, ORANGE, PLUM, BLACK = "#0072b2", "#e69f00", "#8f3a72", "#1a1a1a"
GREY, PALE = "#767676", "#c4c4c4"
VERDICT_COLORS = {
    "better": BLUE,
    "worse": PLUM,
    "equivalent": GREY,
    "inconclusive": ORANGE,
    "": BLACK,  # not tested
}
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")

RC: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    "axes.edgecolor": PALE,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "figure.dpi": DPI,
    "figure.titlesize": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.dpi": DPI,
    "svg.hashsalt": "crnn",  # else the ids inside an SVG are random
    "text.parse_math": False,  # names come from users; a $ is a $
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in this style, whatever matplotlib's settings are, and leave those as they were."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            return draw(*args, **kwargs)

    return inside


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure (inches) without pyplot's registry, so nothing is left open, and its axes."""
    layout = ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.05)
    figure = Figure(figsize=(width, height), layout=layout)
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(np.ravel(grid))


def space_between(figure: Figure) -> None:
    """Set panels side by side apart, where no axis does it."""
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        layout.set(wspace=0.05)


@styled
def render(figure: Figure) -> dict[str, bytes]:
    """The figure as ``png`` and ``svg``, without dates or versions inside."""
    files = {}
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        files[suffix] = buffer.getvalue()
        figure.set_layout_engine("none")  # laid out once, which takes as long as drawing
    return files


def shades(count: int) -> list[Any]:
    """Colours from dark to light for ordered levels (viridis, without its palest end)."""
    colours: list[Any] = sns.color_palette(
        list(mpl.colormaps["viridis"](np.linspace(0.05, 0.82, count)))
    )
    return colours


def metric_axis(axes: Axes, metric: Metric, which: str = "y") -> None:
    """Label an axis of a metric's values; one that is shown in percent, in percent."""
    if metric.in_percent:
        percent_axis(axes, which, 100 / metric.scale)


def percent_axis(axes: Axes, which: str = "y", whole: float = 1.0) -> None:
    """Label an axis in percent of ``whole``, as of fractions."""
    formatter = PercentFormatter(xmax=whole, symbol=" %")
    (axes.yaxis if which == "y" else axes.xaxis).set_major_formatter(formatter)


def log_axis(axes: Axes, which: str = "x", subs: tuple[int, ...] = (1, 3)) -> None:
    """Make an axis logarithmic, with plain numbers at ``subs`` of each decade."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def footnote(figure: Figure, text: str) -> None:
    """Small lines below everything, such as what is left out and why."""
    if text:
        width = int(figure.get_figwidth() * 16)  # letters an inch, at this size
        lines = [row for line in text.splitlines() for row in wrap(line, width)]
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color=GREY)


def dot(area: float, count: int, few: int = 200) -> float:
    """The area of each of so many dots, in square points: smaller where they would hide others."""
    return max(1.0, area * min(1.0, few / max(count, 1)))


def key(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend above the panels; the space below them is the footnote's."""
    columns = key_columns(figure.get_figwidth(), labels)
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, borderaxespad=0.2)


def key_columns(width: float, labels: Sequence[str]) -> int:
    """In how many columns of its longest label a legend fits ``width`` inches."""
    longest = max(len(line) for text in labels for line in text.splitlines())
    return max(1, min(len(labels), int(width * 72 / (longest * 5 + 34))))


def key_height(width: float, labels: Sequence[str]) -> float:
    """How high a legend of that width is, in inches."""
    rows = -(-len(labels) // key_columns(width, labels)) if labels else 0
    columns = [labels[at : at + rows] for at in range(0, len(labels), rows or 1)]
    return 0.16 * max((sum(1 + text.count("\n") for text in part) for part in columns), default=0)


def _four_digits(number: re.Match[str]) -> str:
    return f"{float(number[0]):.4g}"


def label(name: str, width: int = 34, lines: int = 2) -> str:
    """A name for a figure: broken at its joints, shortened, without glyphs that the font lacks.

    Joints are the ``+`` between settings and the comma with a blank between levels.
    """
    known = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
    text = "".join(char if ord(char) in known else "□" for char in " ".join(name.split()))
    text = re.sub(r"\d*\.\d{5,}", _four_digits, text)  # of a drawn number, they are enough
    rows = [""]
    for part in re.sub(r"\+|, ", r"\g<0>\0", text).split("\0"):
        if rows[-1] and len(rows[-1]) + len(part.rstrip()) > width:
            rows.append("")
        rows[-1] += part
    if len(rows) > lines:
        rows = [*rows[: lines - 1], rows[lines - 1].rstrip() + "…"]
    rows = [row.rstrip() for row in rows]
    return "\n".join(row if len(row) <= width + 2 else row[:width] + "…" for row in rows)


def labels(names: Sequence[str], width: int = 34, lines: int = 2) -> list[str]:
    """Names for one figure, each as ``label`` has it, with lines enough to tell all of them apart.

    Where names differ in a part that is too long for a line, they have their place before them.
    """
    apart = len(set(names))
    for more in range(lines, lines + 12):
        texts = [label(name, width, more) for name in names]
        if len(set(texts)) == apart:
            return texts
    return [f"{place}: {label(name, width, lines)}" for place, name in enumerate(names, 1)]


def new_rows(names: Sequence[str], top: float, each: float) -> tuple[Figure, Axes]:
    """A figure with a row for each name, the first at the top; heights in inches."""
    texts = labels(names, 40, 3)
    lines = sum(1 + text.count("\n") * 0.5 for text in texts)
    figure, (axes,) = new_figure(PAGE, top + each * lines)
    axes.set_yticks(range(len(texts)), texts, fontsize=8 if lines == len(texts) else 7)
    axes.set(ylim=(len(texts) - 0.4, -0.6))
    return figure, axes


def write_beside(axes: Axes, place: int, text: str, color: str) -> None:
    """Words to the right of a row."""
    spot: Any = axes.get_yaxis_transform()
    axes.text(1.01, place, text, transform=spot, va="center", fontsize=7.5, color=color)


def legend_mark(marker: str, color: str, size: float = 5) -> Line2D:
    """A mark without a line, for a legend."""
    return Line2D([], [], color=color, marker=marker, linestyle="", markersize=size)
