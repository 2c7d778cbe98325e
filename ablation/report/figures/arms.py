"""Figures of arms, factors and a search's history: they draw, and compute no statistics.

Means, spreads and differences come from ``effects``. Accuracies are fractions in the tables and
percent on the axes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ablation.report.effects.ends import DIVERGED, ends
from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, ORANGE, PALE, styled
from ablation.report.rendering.formatting import marked, percent, signed


@styled
def arms(
    replicates: pd.DataFrame,
    effects: pd.DataFrame,
    labels: Mapping[str, str],
    note: str = "",
    floor: float = 0.0,
) -> Figure:
    """Arms compared: every replicate a point, the mean a bar, the baseline's mean a line.

    Args:
        replicates: of ``ablation.report.effects.effects.replicates``.
        effects: the rows to show of ``ablation.report.effects.effects.effects``, the baseline
            first.
        labels: by arm, what it is called where that is not its name.
        note: what is said below the figure.
        floor: the axis starts no lower; trainings below it are arrows at its edge.
    """
    figure, axes = _rows([labels.get(arm, arm) for arm in effects["arm"]], 1.2, 0.27)
    _points(axes, replicates, list(effects["arm"]), floor)
    _means(axes, effects)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set(xlabel="validation accuracy after the last epoch")
    style.percent_axis(axes, "x")
    dashed = Line2D([], [], color=BLACK, linestyle="--")
    marks = [_mark("o", BLUE), _mark("|", BLACK, size=10), dashed]
    style.key(figure, marks, ["one training", "mean", "mean of the baseline"])
    style.footnote(figure, note)
    return figure


VERDICTS: dict[str, dict[str, Any]] = {
    kind: {"color": color, "marker": marker}
    for (kind, color), marker in zip(style.VERDICT_COLORS.items(), "^vsox", strict=True)
}
"""By verdict, a colour and a mark: apart in grey as well."""


@styled
def forest(
    effects: pd.DataFrame,
    pairs: pd.DataFrame,
    margin: float,
    names: Sequence[str],
    confounded: Collection[str] = (),
    note: str = "",
    span: tuple[float, float] = (-np.inf, np.inf),
) -> Figure:
    """Effects with their intervals, every pair a point, no difference at 0.

    Args:
        effects: the rows to show of ``ablation.report.effects.effects.effects``, without the
            baseline.
        pairs: of ``ablation.report.effects.effects.pair_differences``.
        margin: within which differences are too small to matter, a fraction.
        names: what each row is called.
        confounded: arms whose effect is not the changed setting's alone; they get a mark.
        note: what is said below the figure.
        span: fractions between which the axis runs; what lies beyond is an arrow at its edge.
    """
    figure, axes = _rows(names, 1.35, 0.34)
    axes.axvspan(-100 * margin, 100 * margin, color=PALE, alpha=0.35, linewidth=0, zorder=0)
    axes.axvline(0, color=BLACK, linewidth=1, zorder=1)
    places = {arm: place for place, arm in enumerate(effects["arm"])}
    shown = pairs[pairs["arm"].isin(places)]
    rank = shown["seed"].rank(method="dense")
    y = shown["arm"].map(places) + 0.16 + 0.22 * (rank - 1) / max(rank.max() - 1, 1)
    left, right = (100 * end for end in span)
    x = 100 * shown["difference"]
    small: Any = {"s": style.dot(9, shown["seed"].nunique(), 40), "alpha": 0.7, "linewidth": 0}
    axes.scatter(x.where(x.between(left, right)), y, color=GREY, zorder=2, **small)
    for place, row in enumerate(effects.to_dict("records")):
        look = VERDICTS[row["verdict"]]
        if np.isfinite(row["ci_low"]):
            ends = np.clip([100 * row["ci_low"], 100 * row["ci_high"]], left, right)
            axes.plot(ends, [place, place], color=look["color"], linewidth=2, zorder=3)
        untested = "not tested" if np.isfinite(row["delta"]) else "no pair"
        kind = row["verdict"] or row["reason"] or untested
        if np.isfinite(row["delta"]):
            why = row["reason"] if row["verdict"] else ""
            if left <= 100 * row["delta"] <= right:
                axes.plot(100 * row["delta"], place, markersize=7, zorder=4, **look)
            kind = marked(kind, row["arm"] in confounded, reason=why)
            kind = f"{signed(row['delta'])}  {kind}"
        _beside(axes, place, kind, BLACK)
    _arrows(axes, effects, (left, right))
    axes.set(xlabel="effect on validation accuracy, points")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    kinds = [kind for kind in VERDICTS if (effects["verdict"] == kind).any()]
    marks: list[Any] = [Line2D([], [], linewidth=2, **VERDICTS[kind]) for kind in kinds]
    kinds = [f"{kind}, 95 % interval" if kind else "not tested" for kind in kinds]
    marks += [_mark("o", GREY, 3), Patch(color=PALE, alpha=0.35)]
    style.key(figure, marks, [*kinds, "one pair", "within the margin"])
    style.footnote(figure, note)
    return figure


def _arrows(axes: Axes, effects: pd.DataFrame, span: tuple[float, float]) -> None:
    """An arrow at the edge of each row whose effect or interval goes on beyond the axis."""
    ends = 100 * effects[["delta", "ci_low", "ci_high"]].to_numpy(float)
    colors = [VERDICTS[kind]["color"] for kind in effects["verdict"]]
    beyond = (ends < span[0]).any(axis=1), (ends > span[1]).any(axis=1)
    spot: Any = axes.get_yaxis_transform()
    for rows, edge, marker in zip(beyond, (0.008, 0.992), "<>", strict=True):
        for place in np.flatnonzero(rows):
            look: Any = {"marker": marker, "color": colors[place], "transform": spot}
            axes.plot(edge, place, markersize=6, zorder=5, **look)


def _rows(names: Sequence[str], top: float, each: float) -> tuple[Figure, Axes]:
    """A figure with a row for each name, the first at the top; heights in inches."""
    labels = style.labels(names, 40, 3)
    lines = sum(1 + text.count("\n") * 0.5 for text in labels)
    figure, (axes,) = style.new_figure(style.PAGE, top + each * lines)
    axes.set_yticks(range(len(labels)), labels, fontsize=8 if lines == len(labels) else 7)
    axes.set(ylim=(len(labels) - 0.4, -0.6))
    return figure, axes


def _beside(axes: Axes, place: int, text: str, color: str) -> None:
    """Words to the right of a row."""
    spot: Any = axes.get_yaxis_transform()
    axes.text(1.01, place, text, transform=spot, va="center", fontsize=7.5, color=color)


def _means(axes: Axes, effects: pd.DataFrame) -> None:
    """A bar at each mean, its number and n in the margin, and the baseline's line."""
    baseline = effects["val_mean"].iloc[0]
    if np.isfinite(baseline):
        axes.axvline(baseline, color=BLACK, linewidth=1, linestyle="--", zorder=1)
    bar: Any = {"marker": "|", "s": 170, "linewidth": 2.2, "color": BLACK, "zorder": 2}
    several = effects["val_mean"].where(effects["n"] > 1)  # the mean of one is that one
    axes.scatter(several, range(len(effects)), **bar)
    for place, (mean, count) in enumerate(zip(effects["val_mean"], effects["n"], strict=True)):
        _beside(axes, place, f"{percent(mean)}  n={count}" if count else "no result", GREY)


def _points(axes: Axes, replicates: pd.DataFrame, order: Sequence[str], floor: float) -> None:
    """A point a replicate; seeds have a height of their own in the row, so none hides another."""
    done = replicates[replicates["arm"].isin(order)]
    rank = done["seed"].rank(method="dense")
    offset = 0.5 * ((rank - 0.5) / rank.max() - 0.5)
    y = done["arm"].map({arm: place for place, arm in enumerate(order)}) + offset
    seen = done["val_accuracy"] >= floor
    area = style.dot(20, done["seed"].nunique(), 40)
    look: Any = {"color": BLUE, "s": area, "alpha": 0.75, "zorder": 3, "ax": axes}
    if area < 20:  # a white edge would hide them
        look["linewidth"] = 0
    sns.scatterplot(x=done["val_accuracy"][seen], y=y[seen], **look)
    if not seen.all():
        left = done["val_accuracy"][seen].min() - 0.002
        axes.scatter([left] * int((~seen).sum()), y[~seen], marker="<", s=22, color=ORANGE)
        axes.set_xlim(left=left - 0.001)
    axes.set(ylabel="")


def _mark(marker: str, color: str, size: float = 5) -> Line2D:
    return Line2D([], [], color=color, marker=marker, linestyle="", markersize=size)


@styled
def factor(
    name: str, replicates: pd.DataFrame, chosen: pd.DataFrame, baseline: str, note: str = ""
) -> Figure:
    """One factor of a designed study: replicates and means by level, the baseline's level marked.

    Args:
        name: the factor.
        replicates: of ``ablation.report.effects.effects.replicates``.
        chosen: of ``ablation.report.effects.selection.of_factor``: a line a ``group``.
        baseline: the baseline's level.
        note: what is said below the figure.
    """
    levels = sorted_levels(chosen["level"])
    groups = list(dict.fromkeys(chosen["group"]))
    names, keys = _level_names(levels, baseline), style.labels(groups) if len(groups) > 1 else []
    wide = len(levels) * len(groups) > 12 or not _fits(names, 4.8)
    width = style.PAGE if wide else 4.8
    height = 3.4 + max(0.0, style.key_height(width, keys) - 0.32)
    figure, (axes,) = style.new_figure(width, height)
    places, step = _level_axis(axes, levels, names, baseline, width)
    looks = _looks(len(groups))
    for place, (group, look) in enumerate(zip(groups, looks, strict=True)):
        rows = chosen[chosen["group"] == group]
        shift = 0.5 * step * ((place + 0.5) / len(groups) - 0.5)
        x = rows["level"].map({level: x + shift for level, x in places.items()})
        _line(axes, rows.assign(x=x).sort_values("x"), replicates, look, len(groups) == 1)
    axes.set(xlabel=name, ylabel="validation accuracy")
    style.percent_axis(axes)
    if len(groups) > 1:
        style.key(figure, [Line2D([], [], **look) for look in looks], keys)
    style.footnote(figure, note)
    return figure


def _looks(count: int) -> list[dict[str, Any]]:
    """A colour and a mark for each line."""
    colors = style.shades(count) if count > 1 else [BLUE]
    marks = style.MARKERS * (count // len(style.MARKERS) + 1)
    return [{"color": c, "marker": m} for c, m in zip(colors, marks, strict=False)]


def _line(
    axes: Axes, rows: pd.DataFrame, replicates: pd.DataFrame, look: dict[str, Any], seeds: bool
) -> None:
    """A line of means with its replicates; with ``seeds``, a faint line for each seed too."""
    points = rows[["arm", "x"]].merge(replicates[["arm", "seed", "val_accuracy"]], on="arm")
    count = points["seed"].nunique()
    if seeds and len(points):
        thin = 0.7 * min(1.0, 40 / count)
        faint: Any = {"color": PALE, "linewidth": max(thin, 0.1), "zorder": 1}
        sns.lineplot(
            points, x="x", y="val_accuracy", units="seed", estimator=None, ax=axes, **faint
        )
    area = style.dot(16, count, 40)
    small: Any = {"s": area, "alpha": 0.55, "linewidth": 0, "zorder": 2, **look}
    axes.scatter(points["x"], points["val_accuracy"], **small)
    axes.plot(rows["x"], rows["val_mean"], markersize=7, markeredgecolor="white", zorder=3, **look)


DECADES = 10**1.5  # a wider span of numbers has a logarithmic axis
LETTER = 0.068  # inches, of a level below an axis
LINE = 0.15  # inches, of a level that runs upwards


def _level_axis(
    axes: Axes, levels: Sequence[str], names: Sequence[str], baseline: str, width: float
) -> tuple[dict[str, float], float]:
    """Where each level stands, and how far apart lines of groups may be.

    Levels stand side by side, the baseline's on grey and named. Where there is no room for their
    names, numbers get an axis of numbers; other levels are named upwards, and some of them only
    where there are too many.
    """
    fits = _fits(names, width)
    values = pd.to_numeric(pd.Series(levels), errors="coerce").to_numpy(float)
    if not fits and np.isfinite(values).all():
        places = dict(zip(levels, values.tolist(), strict=True))
        if values.min() > 0 and values.max() / values.min() > DECADES:
            style.log_axis(axes)
        if baseline in places:
            place = places[baseline]
            axes.axvline(place, color=PALE, linewidth=6, alpha=0.4, zorder=0)
            spot: Any = axes.get_xaxis_transform()
            axes.text(place, 1.01, "baseline", transform=spot, ha="center", fontsize=7.5)
        return places, 0.0
    places = {level: float(place) for place, level in enumerate(levels)}
    if baseline in places:
        left, right = places[baseline] - 0.4, places[baseline] + 0.4
        axes.axvspan(left, right, color=PALE, alpha=0.3, linewidth=0, zorder=0)
    every = 1 if fits else -(-len(levels) // int((width - 0.9) / LINE))
    named = [at for at, level in enumerate(levels) if at % every == 0 or level == baseline]
    texts = [names[at] if fits else names[at].replace("\n", " ") for at in named]
    axes.set_xticks(named, texts, rotation=0 if fits else 90)
    axes.set(xlim=(-0.6, len(levels) - 0.4))
    axes.grid(visible=False, axis="x")
    return places, 1.0


def _level_names(levels: Sequence[str], baseline: str) -> list[str]:
    names = style.labels(levels, 14)
    return [
        name + "\nbaseline" * (level == baseline) for name, level in zip(names, levels, strict=True)
    ]


def _fits(names: Sequence[str], width: float) -> bool:
    """Whether all names have room side by side below an axis, in a figure that wide (inches)."""
    longest = max(len(line) for name in names for line in name.splitlines())
    return len(names) == 1 or len(names) * (longest * LETTER + 0.08) <= width - 0.9


def sorted_levels(levels: pd.Series[str]) -> list[str]:
    """Levels by their numbers (``3,3,2`` by all of them), else in the order given."""
    found = list(dict.fromkeys(levels))
    try:
        return sorted(found, key=lambda level: [float(part) for part in level.split(",")])
    except ValueError:
        return found


WITHOUT_RESULT = (
    ("FAIL", "x", "failed"),
    (DIVERGED, "1", "diverged"),
    ("PRUNED", "|", "stopped or infeasible"),
)
"""How a trial ended that has no accuracy, its mark, and what it is called."""


@styled
def history(best: pd.DataFrame, trials: pd.DataFrame, baseline: float) -> Figure:
    """A search by trial number: accuracies, the best so far, what failed or was stopped.

    Args:
        best: of ``ablation.report.effects.effects.best_so_far``.
        trials: the columns of ``trials.csv``.
        baseline: the baseline's accuracy, a fraction; NaN where it has none.
    """
    figure, (axes,) = style.new_figure(style.PAGE, 3.4)
    area = style.dot(16, len(best))
    axes.scatter(best["number"], best["val_accuracy"], s=area, color=BLUE, alpha=0.7, linewidth=0)
    axes.step(best["number"], best["best"], where="post", color=ORANGE, linewidth=1.8)
    marks = [_mark("o", BLUE), Line2D([], [], color=ORANGE)]
    names = ["a finished trial", "best so far"]
    if np.isfinite(baseline):
        marks.append(axes.axhline(baseline, color=BLACK, linestyle="--", linewidth=1))
        names.append("baseline")
    spot: Any = axes.get_xaxis_transform()
    states = ends(trials)
    for state, marker, text in WITHOUT_RESULT:
        numbers = trials.loc[states == state, "number"]
        if len(numbers):
            place = np.full(len(numbers), 0.02)
            axes.scatter(numbers, place, marker=marker, s=24, color=GREY, transform=spot)
            marks.append(Line2D([], [], color=GREY, marker=marker, linestyle=""))
            names.append(text)
    axes.set(xlabel="trial", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.percent_axis(axes)
    style.key(figure, marks, names)
    return figure


@styled
def scatter(
    name: str, drawn: pd.DataFrame, baseline: str, note: str = "", log: bool = False
) -> Figure:
    """One factor of a search: every finished trial by its level, the baseline's circled.

    The axis is numeric where all levels are numbers, and logarithmic where they were drawn so or
    span more than one and a half decades; else levels stand side by side.

    Args:
        name: the factor.
        drawn: of ``ablation.report.effects.selection.drawn``.
        baseline: the name of the baseline's arm.
        note: what is said below the figure.
        log: whether it is drawn from a range by its logarithm.
    """
    figure, (axes,) = style.new_figure(4.8, 3.2)
    x = _positions(axes, drawn["level"], drawn["number"], log)
    area = style.dot(18, len(drawn))
    axes.scatter(x, drawn["val_accuracy"], s=area, color=BLUE, alpha=0.6, linewidth=0)
    base = (drawn["arm"] == baseline).to_numpy(bool)
    axes.scatter(x[base], drawn["val_accuracy"][base], s=70, facecolor="none", edgecolor=BLACK)
    axes.set(xlabel=name, ylabel="validation accuracy")
    style.percent_axis(axes)
    ring = Line2D([], [], marker="o", linestyle="", color=BLACK, markersize=8, fillstyle="none")
    style.key(figure, [_mark("o", BLUE), ring], ["one training", "baseline"])
    style.footnote(figure, note)
    return figure


def _positions(axes: Axes, levels: pd.Series[str], numbers: pd.Series[int], log: bool) -> Any:
    """Where each trial stands on the x axis, which is set up for its kind of level."""
    values = pd.to_numeric(levels, errors="coerce").to_numpy(float)
    numeric = bool(np.isfinite(values).all()) and len(values) > 0
    positive = values[values > 0]
    ratio = positive.max() / positive.min() if numeric and len(positive) else 0.0
    wide = ratio > DECADES or (log and ratio > 1)
    if numeric and not wide and len(set(values)) > 3:
        return values
    if wide and len(positive) == len(values):
        style.log_axis(axes)
        return values
    order = sorted_levels(levels)
    axes.set_xticks(range(len(order)), [style.label(level, 12) for level in order])
    axes.set_xlim(-0.6, len(order) - 0.4)
    # Spread points of a level by the golden ratio: even, and the same each time.
    spread = (numbers.to_numpy(float) * 0.618034 % 1 - 0.5) * 0.4
    return levels.map({level: place for place, level in enumerate(order)}).to_numpy(float) + spread
