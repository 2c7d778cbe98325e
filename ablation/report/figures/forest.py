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
from ablation.report.rendering.formatting import look_mark, marked

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
    test: str = "",
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
        test: what is said of the test beside each verdict.
    """
    figure, axes = new_rows(names, 1.35, 0.34)
    has_pairs = bool(pairs["arm"].isin(effects["arm"]).any())
    _rows(axes, effects, pairs if has_pairs else None, margin, metric, span)
    for place, row in enumerate(effects.to_dict("records")):
        write_beside(axes, place, _said(row, metric, confounded, test), BLACK)
    axes.set(xlabel=effect_label(metric))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    style.key(figure, *_key(effects, margin, has_pairs))
    style.footnote(figure, note)
    return figure


@styled
def draw_blocks(
    effects: pd.DataFrame,
    margin: float,
    metric: Metric,
    names: Sequence[str],
    note: str = "",
    test: str = "",
) -> Figure:
    """The same block by block, a panel each above one axis.

    Args:
        effects: the rows to show of ``ablation.report.effects.blocks.block_effects``, without the
            baseline, those of a block together.
        margin: within which differences are too small to matter.
        metric: what the effects are on.
        names: what each row is called.
        note: what is said below the figure.
        test: what is said of the test beside each verdict.
    """
    blocks = list(dict.fromkeys(effects["block"]))
    sizes = [int((effects["block"] == block).sum()) for block in blocks]
    texts, height = style.labels(names, 30, 2), 1.3 + sum(0.45 + 0.3 * size for size in sizes)
    ratios = {"height_ratios": [size + 0.4 for size in sizes]}
    figure, panels = style.new_figure(
        style.PAGE, height, len(blocks), sharex=True, gridspec_kw=ratios
    )
    called = dict(zip(effects.index, texts, strict=True))
    for axes, block in zip(panels, blocks, strict=True):
        rows = effects[effects["block"] == block]
        axes.set_yticks(range(len(rows)), [called[place] for place in rows.index], fontsize=8)
        axes.set(ylim=(len(rows) - 0.5, -0.5), title=style.label(block, 60, 1))
        _rows(axes, rows, None, margin, metric, (-np.inf, np.inf))
        for place, row in enumerate(rows.to_dict("records")):
            write_beside(axes, place, _said(row, metric, (), test), BLACK)
    panels[-1].set(xlabel=effect_label(metric))
    panels[-1].xaxis.set_major_locator(MaxNLocator(nbins=7))
    style.key(figure, *_key(effects, margin, has_pairs=False))
    style.footnote(figure, note)
    return figure


def _rows(
    axes: Axes,
    effects: pd.DataFrame,
    pairs: pd.DataFrame | None,
    margin: float,
    metric: Metric,
    span: tuple[float, float],
) -> None:
    """The margin's band, no difference at 0, and a row an effect."""
    scale = metric.scale
    if margin:
        axes.axvspan(-scale * margin, scale * margin, color=PALE, alpha=0.35, linewidth=0, zorder=0)
    axes.axvline(0, color=BLACK, linewidth=1, zorder=1)
    left, right = (scale * end for end in span)
    if pairs is not None:
        _pairs(axes, effects, pairs, scale, (left, right))
    ends = scale * effects[["delta", "ci_low", "ci_high"]]
    _effects(axes, ends, effects["verdict"], (left, right))


def _said(row: dict[Any, Any], metric: Metric, confounded: Collection[str], test: str) -> str:
    """What stands beside an effect: how large it is, and its verdict."""
    untested = "not tested" if np.isfinite(row["delta"]) else "no pair"
    kind: str = row["verdict"] or row["reason"] or untested
    if not np.isfinite(row["delta"]):
        return kind
    why, how = (row["reason"], test or look_mark(row)) if row["verdict"] else ("", "")
    kind = marked(kind, row["arm"] in confounded, reason=why, test=how)
    return f"{metric.signed(row['delta'])}  {kind}"


def _key(effects: pd.DataFrame, margin: float, has_pairs: bool) -> tuple[list[Any], list[str]]:
    """The marks of a legend, and what each of them is."""
    kinds = [kind for kind in VERDICTS if (effects["verdict"] == kind).any()]
    marks: list[Any] = [Line2D([], [], linewidth=2, **VERDICTS[kind]) for kind in kinds]
    repeated = "repeated " if "repeated_low" in effects else ""
    texts = [f"{kind}, {repeated}95 % interval" if kind else "not tested" for kind in kinds]
    if has_pairs:
        marks, texts = [*marks, legend_mark("o", GREY, 3)], [*texts, "one pair"]
    if margin:
        marks, texts = [*marks, Patch(color=PALE, alpha=0.35)], [*texts, "within the margin"]
    return marks, texts


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
