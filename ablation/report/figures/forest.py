"""Effects with their intervals: the forest plot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from ablation.report.figures.style import (
    BLACK,
    GREY,
    PALE,
    legend_mark,
    new_rows,
    styled,
    write_beside,
)
from ablation.report.rendering.formatting import marked

VERDICTS: dict[str, dict[str, Any]] = {
    kind: {"color": color, "marker": marker}
    for (kind, color), marker in zip(style.VERDICT_COLORS.items(), "^vsox", strict=True)
}
"""By verdict, a colour and a mark: apart in grey as well."""


@styled
def draw_forest(
    effects: pd.DataFrame,
    pairs: pd.DataFrame,
    margin: float,
    metric: Metric,
    names: Sequence[str],
    confounded: Collection[str] = (),
    note: str = "",
    span: tuple[float, float] = (-np.inf, np.inf),
) -> Figure:
    """Effects with their intervals, every pair a point, no difference at 0.

    Args:
        effects: the rows to show of ``ablation.report.effects.effects.effects``, without the
            baseline.
        pairs: of ``ablation.report.effects.replicates.pair_differences``.
        margin: within which differences are too small to matter.
        metric: what the effects are on.
        names: what each row is called.
        confounded: arms whose effect is not the changed setting's alone; they get a mark.
        note: what is said below the figure.
        span: the differences between which the axis runs; what lies beyond is an arrow at its edge.
    """
    figure, axes = new_rows(names, 1.35, 0.34)
    scale = metric.scale
    axes.axvspan(-scale * margin, scale * margin, color=PALE, alpha=0.35, linewidth=0, zorder=0)
    axes.axvline(0, color=BLACK, linewidth=1, zorder=1)
    left, right = (scale * end for end in span)
    _pairs(axes, effects, pairs, scale, (left, right))
    ends = scale * effects[["delta", "ci_low", "ci_high"]]
    _effects(axes, ends, effects["verdict"], (left, right))
    for place, row in enumerate(effects.to_dict("records")):
        untested = "not tested" if np.isfinite(row["delta"]) else "no pair"
        kind = row["verdict"] or row["reason"] or untested
        if np.isfinite(row["delta"]):
            why = row["reason"] if row["verdict"] else ""
            kind = marked(kind, row["arm"] in confounded, reason=why)
            kind = f"{metric.signed(row['delta'])}  {kind}"
        write_beside(axes, place, kind, BLACK)
    axes.set(xlabel=effect_label(metric))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    kinds = [kind for kind in VERDICTS if (effects["verdict"] == kind).any()]
    marks: list[Any] = [Line2D([], [], linewidth=2, **VERDICTS[kind]) for kind in kinds]
    kinds = [f"{kind}, 95 % interval" if kind else "not tested" for kind in kinds]
    marks += [legend_mark("o", GREY, 3), Patch(color=PALE, alpha=0.35)]
    style.key(figure, marks, [*kinds, "one pair", "within the margin"])
    style.footnote(figure, note)
    return figure


def _pairs(
    axes: Axes,
    effects: pd.DataFrame,
    pairs: pd.DataFrame,
    scale: float,
    span: tuple[float, float],
) -> None:
    """A point a pair below each row's effect; seeds have a height of their own."""
    places = {arm: place for place, arm in enumerate(effects["arm"])}
    shown = pairs[pairs["arm"].isin(places)]
    rank = shown["seed"].rank(method="dense")
    y = shown["arm"].map(places) + 0.16 + 0.22 * (rank - 1) / max(rank.max() - 1, 1)
    x = scale * shown["difference"]
    small: Any = {"s": style.dot(9, shown["seed"].nunique(), 40), "alpha": 0.7, "linewidth": 0}
    axes.scatter(x.where(x.between(*span)), y, color=GREY, zorder=2, **small)


def _effects(
    axes: Axes, rows: pd.DataFrame, verdicts: pd.Series[str], span: tuple[float, float]
) -> None:
    """A mark at each effect, a line along its interval; an arrow at the edge where it goes on."""
    ends, looks = rows.to_numpy(float), [VERDICTS[kind] for kind in verdicts]
    for place, ((delta, low, high), look) in enumerate(zip(ends, looks, strict=True)):
        if np.isfinite(low):
            line = np.clip([low, high], *span)
            axes.plot(line, [place, place], color=look["color"], linewidth=2, zorder=3)
        if span[0] <= delta <= span[1]:
            axes.plot(delta, place, markersize=7, zorder=4, **look)
    beyond = (ends < span[0]).any(axis=1), (ends > span[1]).any(axis=1)
    spot: Any = axes.get_yaxis_transform()
    for is_beyond, edge, marker in zip(beyond, (0.008, 0.992), "<>", strict=True):
        for row in np.flatnonzero(is_beyond):
            arrow = {"marker": marker, "color": looks[row]["color"], "transform": spot}
            axes.plot(edge, row, markersize=6, zorder=5, **arrow)


def effect_label(metric: Metric) -> str:
    """What an axis of effects is called, with its unit and, where less is better, with that."""
    unit = metric.difference_unit
    less = "" if metric.sign > 0 else " (less is better)"
    return f"effect on {metric.text}{f', {unit}' if unit else ''}{less}"
