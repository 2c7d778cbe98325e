"""Class by class: which examples are recognised, which are confused, and what an arm changes there.

Draws what it is given; computes no statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, PALE, styled

SHARE = Metric("share", unit="fraction")


@styled
def draw_class_accuracy(rows: pd.DataFrame, arm: str, against: str, examples: str) -> Figure:
    """Accuracy by class of two arms: two marks a class, their difference beside them.

    Args:
        rows: of ``ablation.report.effects.confusion.class_differences``.
        arm: the one.
        against: the other.
        examples: what they are of.
    """
    figure, (axes,) = style.new_figure(style.PAGE, 1.2 + 0.3 * len(rows))
    places = range(len(rows))
    axes.set_yticks(places, list(rows["true"]))
    axes.set(ylim=(len(rows) - 0.4, -0.6))
    looks: list[dict[str, Any]] = [{"color": GREY, "marker": "o"}, {"color": BLUE, "marker": "D"}]
    axes.hlines(places, 100 * rows["against"], 100 * rows["arm"], color=PALE, linewidth=3)
    for column, look in zip(("against", "arm"), looks, strict=True):
        axes.scatter(100 * rows[column], places, s=30, zorder=3, **look)
    spot: Any = axes.get_yaxis_transform()
    for place, row in enumerate(rows.to_dict("records")):
        sure = (
            f"  ({SHARE.interval(row['ci_low'], row['ci_high'])})"
            if np.isfinite(row["ci_low"])
            else ""
        )
        text = f"{SHARE.signed(row['delta'])}{sure}"
        axes.text(1.01, place, text, transform=spot, va="center", fontsize=7.5, color=BLACK)
    axes.set(xlabel=f"test {examples} of the class that were recognised, percent")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    marks = [Line2D([], [], linestyle="", markersize=5, **look) for look in looks]
    style.key(figure, marks, [style.label(against), style.label(arm)])
    ends = ", with its 95 % interval" if np.isfinite(rows["ci_low"]).any() else ""
    style.footnote(figure, f"Over the seeds of both. Right: the difference in points{ends}.")
    return figure


@styled
def draw_confusion(shares: pd.DataFrame, arms: Sequence[str], examples: str) -> Figure:
    """Which class was taken for which: a panel an arm, rows are true classes in percent.

    Args:
        shares: of ``ablation.report.effects.confusion.confusion_shares``.
        arms: the arms to show, two at most.
        examples: what they are of.
    """
    figure, panels = style.new_figure(style.PAGE, 4.2, 1, len(arms))
    for axes, arm in zip(panels, arms, strict=True):
        grid = _grid(shares, arm)
        text = grid.map(lambda x: f"{x:.0f}" if x >= 0.5 else "")
        _heatmap(axes, grid, text, {"cmap": "Blues", "vmin": 0, "vmax": 100})
        axes.set(title=style.label(arm, 30))
    for axes in panels[1:]:
        axes.set(ylabel="", yticklabels=[])
    style.footnote(figure, f"Percent of the test {examples} of each true class, over all seeds.")
    return figure


@styled
def draw_confusion_change(shares: pd.DataFrame, arm: str, against: str, examples: str) -> Figure:
    """How the confusions of one arm differ from another's, in points of each true class.

    Args:
        shares: of ``ablation.report.effects.confusion.confusion_shares``.
        arm: the one.
        against: the other, which is taken off.
        examples: what they are of.
    """
    grid = _grid(shares, arm) - _grid(shares, against)
    most = max(float(np.abs(grid.to_numpy(float)).max()), 0.1)
    text = grid.map(lambda x: f"{x:+.1f}".replace("-", "−") if abs(x) >= 0.05 else "")
    figure, (axes,) = style.new_figure(5.4, 4.4)
    _heatmap(axes, grid, text, {"cmap": "RdBu", "vmin": -most, "vmax": most})
    axes.set_title(f"{style.label(arm, 26)}\nless {style.label(against, 26)}")
    style.footnote(figure, f"Points of the test {examples} of each true class. Blue: more often.")
    return figure


def _grid(shares: pd.DataFrame, arm: str) -> pd.DataFrame:
    """An arm's shares in percent, true classes by predicted ones, in their own order."""
    rows = shares[shares["arm"] == arm]
    classes = list(dict.fromkeys(rows["true"]))
    grid = rows.pivot(index="true", columns="predicted", values="share")
    return 100 * grid.reindex(index=classes, columns=classes)


def _heatmap(axes: Axes, grid: pd.DataFrame, text: pd.DataFrame, colors: dict[str, Any]) -> None:
    small: Any = {"annot_kws": {"fontsize": 6.5}, "linewidths": 0.5, "cbar": False}
    sns.heatmap(grid, annot=text, fmt="", ax=axes, **small, **colors)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", rotation=0)
