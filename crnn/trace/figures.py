"""What goes through the network, stage by stage, as pictures: draws arrays, computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, styled

Array = npt.NDArray[Any]
COLORS = "viridis"


@styled
def draw_images(images: Array, names: Sequence[str]) -> Figure:
    """The images themselves, shape (n, 28, 28), with their true classes."""
    figure, panels = style.new_figure(style.PAGE, 3.2, 1, len(images))
    for axes, image, name in zip(panels, images, names, strict=True):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        _bare(axes, name)
    return figure


@styled
def draw_maps(output: Array, names: Sequence[str]) -> Figure:
    """Feature maps, shape (n, channels, height, width): each image's as a grid of small pictures.

    One scale of colours for all, from 0 up: a map that is dark everywhere says nothing here.
    """
    across = 8 if output.shape[1] <= 64 else 16
    grids = [_mosaic(grid, across) for grid in output]
    rows, columns = grids[0].shape
    height = 0.45 + 0.88 * style.PAGE / len(grids) * rows / columns  # 0.88: the scale has the rest
    figure, panels = style.new_figure(style.PAGE, height, 1, len(grids))
    top = max(float(output.max()), 1e-9)
    style.space_between(figure)
    for axes, grid, name in zip(panels, grids, names, strict=True):
        shown = axes.imshow(grid, cmap=COLORS, vmin=0, vmax=top)
        _bare(axes, name)
    _scale(figure, shown, panels)
    return figure


def _mosaic(grid: Array, across: int) -> Array:
    """Maps (channels, height, width) side by side, row by row, a pixel of nothing between them."""
    channels, height, width = grid.shape
    rows = -(-channels // across)
    whole = np.full((rows * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for place, one in enumerate(grid):
        top, left = place // across * (height + 1), place % across * (width + 1)
        whole[top : top + height, left : left + width] = one
    return whole


@styled
def draw_steps(output: Array, names: Sequence[str], across: str) -> Figure:
    """A sequence, shape (n, steps, features): a row a step.

    Args:
        output: what is drawn.
        names: of the images.
        across: what the columns are.
    """
    height = 1.3 + 0.11 * min(max(output.shape[1], 8), 40)
    figure, panels = style.new_figure(style.PAGE, height, 1, len(output), sharey=True)
    most = max(float(np.abs(output).max()), 1e-9)
    for axes, values, name in zip(panels, output, names, strict=True):
        shown = _heat(axes, values, most, float(output.min()))
        axes.set(title=name, xlabel=across)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    panels[0].set_ylabel("step")
    _scale(figure, shown, panels)
    return figure


@styled
def draw_vectors(output: Array, names: Sequence[str]) -> Figure:
    """A vector an image, shape (n, features), as a strip each."""
    figure, panels = style.new_figure(style.PAGE, 1.0 + 0.6 * len(output), len(output), sharex=True)
    most = max(float(np.abs(output).max()), 1e-9)
    for axes, values, name in zip(panels, output, names, strict=True):
        shown = _heat(axes, values[np.newaxis], most, float(output.min()))
        axes.set(title=name, yticks=[])
    panels[-1].set_xlabel("feature")
    _scale(figure, shown, panels)
    return figure


@styled
def draw_scores(output: Array, classes: Sequence[str], truth: Sequence[int]) -> Figure:
    """The ten final values of each image, shape (n, 10), as bars; the highest is the prediction."""
    figure, panels = style.new_figure(style.PAGE, 3.4, 1, len(output), sharey=True)
    for axes, values, true in zip(panels, output, truth, strict=True):
        predicted = int(values.argmax())
        colors = [BLUE if place == predicted else GREY for place in range(len(classes))]
        bars = axes.barh(range(len(classes)), values, color=colors)
        texts = [f"{value:.2f}".replace("-", "−") for value in values]
        axes.bar_label(bars, texts, padding=2, fontsize=7)
        axes.axvline(0, color=BLACK, linewidth=0.8)
        axes.margins(x=0.25)
        axes.set_title(f"{classes[predicted]}\n(true: {classes[true]})")
        axes.set_xlabel("score")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(classes)), list(classes))
    panels[0].invert_yaxis()
    return figure


def _heat(axes: Axes, values: Array, most: float, lowest: float) -> Any:
    """Numbers as colours: from 0 where none is negative, else around 0."""
    look: Any = {"cmap": COLORS, "vmin": 0} if lowest >= 0 else {"cmap": "RdBu_r", "vmin": -most}
    axes.grid(visible=False)
    rows, columns = values.shape  # numbered from 1
    extent = (0.5, columns + 0.5, rows + 0.5, 0.5)
    look |= {"vmax": most, "extent": extent, "aspect": "auto", "interpolation": "nearest"}
    return axes.imshow(values, **look)


def _bare(axes: Axes, title: str) -> None:
    axes.set_axis_off()
    axes.set_title(title)


def _scale(figure: Figure, shown: Any, panels: Sequence[Axes]) -> None:
    bar = figure.colorbar(shown, ax=list(panels), fraction=0.03, pad=0.02, shrink=0.8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)
