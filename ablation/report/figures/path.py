"""The path from the baseline to the chosen setting, drawn as a waterfall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.forest import VERDICTS
from ablation.report.figures.style import BLACK, PALE, styled


@styled
def draw_waterfall(
    steps: pd.DataFrame, margin: float, metric: Metric, *, tested: bool = True
) -> Figure:
    """Each step a bar from the mean before it to the mean after it, with the step's interval.

    Args:
        steps: the rows of `ablation.report.path.effects.path_effects` to show: the
            baseline, then the steps in their order; and ``said``, the verdict in words.
        margin: within which differences are too small to matter.
        metric: what decides.
        tested: show intervals and verdicts.
    """
    names = ["baseline", *(f"+ {change}" for change in steps["change"].iloc[1:])]
    figure, (axes,) = style.new_figure(style.PAGE, 1.35 + 0.42 * len(names))
    labels = style.labels(names, 40, 2)
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.set(
        ylim=(len(names) - 0.4, -0.6), xlabel=metric.text + (", %" if metric.in_percent else "")
    )
    rows = steps.to_dict("records")
    for place, row in enumerate(rows):
        before = row["val_mean"] - row["delta"] if place else np.nan  # over the same seeds
        said = f"  {row['said']}" if tested else ""
        _bar(axes, place, {str(key): value for key, value in row.items()}, before, metric, said)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    kinds = [kind for kind in VERDICTS if (steps["verdict"].iloc[1:] == kind).any()]
    marks: list[Any] = [Patch(color=VERDICTS[kind]["color"]) for kind in kinds]
    words = [kind or "not tested" for kind in kinds]
    if tested:
        marks += [Line2D([], [], color=BLACK, linewidth=1.2)]
        words += ["95 % interval of the step"]
    style.key(figure, marks, words)
    stood = " Verdicts are on each step where it stood." if tested else ""
    style.footnote(figure, f"Margin: ±{metric.margin(margin)}.{stood}")
    return figure


def _bar(
    axes: Axes, place: int, row: dict[str, Any], before: float, metric: Metric, said: str
) -> None:
    """One row: the mean, and what the step has added to it or taken from it."""
    scale = metric.scale
    after, spot = scale * row["val_mean"], axes.get_yaxis_transform()
    text = "no result"
    if np.isfinite(after):
        axes.plot([after, after], [place - 0.32, place + 0.32], color=BLACK, linewidth=2, zorder=4)
        text = metric.value(row["val_mean"])
    if np.isfinite(after) and np.isfinite(before):
        color = VERDICTS[row["verdict"]]["color"]
        low, start = min(scale * before, after), scale * before
        axes.barh(place, abs(after - start), left=low, height=0.5, color=color, zorder=2)
        axes.plot([start, start], [place - 1, place + 0.25], color=PALE, linewidth=1, zorder=1)
        text += f"  {metric.signed(row['delta'])}{said}"
    if np.isfinite(row["ci_low"]) and np.isfinite(before):
        ends = [scale * (before + row["ci_low"]), scale * (before + row["ci_high"])]
        axes.plot(ends, [place, place], color=BLACK, linewidth=1.2, zorder=3)
    axes.text(1.01, place, text, transform=spot, va="center", fontsize=7.5, color=BLACK)
