"""Learning curves: few arms in one pair of panels, many as small multiples against the baseline.

The spread over seeds (from the lowest to the highest) is seaborn's own estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, ORANGE, PLUM, styled

FEW = 4  # arms that one panel holds without a tangle
MEASURES = {"accuracy": "accuracy", "loss": "cross-entropy loss"}
RANGE = ("pi", 100)  # the band of seaborn from the lowest to the highest seed
NOTE = "Lines: mean over the seeds. Bands: lowest to highest seed (validation)."


def learning_curves(
    epochs: pd.DataFrame, arms: Sequence[str], labels: Mapping[str, str]
) -> Iterator[tuple[str, Figure]]:
    """Training and validation accuracy and loss over the epochs, as (name, figure).

    Args:
        epochs: the columns of ``epochs.csv``.
        arms: the arms to show, the baseline first.
        labels: by arm, what it is called where that is not its name.

    Yields:
        One figure for few arms or for one epoch, else one for each measure.
    """
    rows = epochs[epochs["arm"].isin(arms)]
    names = {arm: labels.get(arm, arm) for arm in arms if arm in set(rows["arm"])}
    if rows.empty:
        return
    if rows["epoch"].nunique() == 1:
        yield "learning_curves", draw_one_epoch(rows, names)
    elif len(names) <= FEW:
        yield "learning_curves", draw_together(rows, names, arms[0])
    else:
        for measure in MEASURES:
            yield f"learning_curves_{measure}", draw_small_multiples(rows, names, arms[0], measure)


@styled
def draw_together(epochs: pd.DataFrame, names: Mapping[str, str], baseline: str) -> Figure:
    """Up to four arms: a panel for accuracy and one for loss, a colour an arm."""
    figure, panels = style.new_figure(style.PAGE, 3.6, 1, 2)
    others = [arm for arm in names if arm != baseline]
    colors = {baseline: GREY, **dict(zip(others, (BLUE, ORANGE, PLUM, BLACK), strict=False))}
    marks = dict(zip(names, style.MARKERS, strict=False))
    looks: dict[str, Any] = {arm: {"color": colors[arm], "marker": marks[arm]} for arm in names}
    for axes, measure in zip(panels, MEASURES, strict=True):
        for arm, look in looks.items():
            _curves(axes, epochs[epochs["arm"] == arm], measure, look)
        _finish(axes, measure)
    lines = [Line2D([], [], markersize=5, **look) for look in looks.values()]
    dashes = [Line2D([], [], color=GREY, linestyle=kind) for kind in ("-", "--")]
    labels = style.labels(list(names.values()))
    style.key(figure, [*lines, *dashes], [*labels, "validation", "training"])
    style.footnote(figure, _note(epochs))
    return figure


@styled
def draw_small_multiples(
    epochs: pd.DataFrame, names: Mapping[str, str], baseline: str, measure: str
) -> Figure:
    """A panel for each arm but the baseline, whose validation mean is in every one, in grey."""
    arms = [arm for arm in names if arm != baseline]
    columns = 4 if len(arms) > 8 else 3
    rows = -(-len(arms) // columns)
    size = style.PAGE, 1.0 + 1.65 * rows
    figure, panels = style.new_figure(*size, rows, columns, sharex=True, sharey=True)
    base = epochs[epochs["arm"] == baseline]
    titles = style.labels([names[arm] for arm in arms], 24 if columns == 4 else 32, 3)
    for axes, arm, title in zip(panels, arms, titles, strict=False):
        _line(axes, base, f"val_{measure}", {"color": GREY, "errorbar": None, "linewidth": 2.2})
        _curves(axes, epochs[epochs["arm"] == arm], measure, {"color": BLUE})
        _finish(axes, measure)
        axes.set_title(title, fontsize=7, weight="normal")
        axes.set(xlabel="")
        axes.tick_params(labelbottom=True)  # in every row, as the last one may have gaps
    for axes in panels[len(arms) :]:
        axes.set_axis_off()
    figure.supylabel(f"{MEASURES[measure]} by epoch", fontsize=9)
    marks = [Line2D([], [], color=BLUE), Line2D([], [], color=BLUE, linestyle="--")]
    marks.append(Line2D([], [], color=GREY, linewidth=2.2))
    style.key(figure, marks, ["validation", "training", f"validation of {baseline}"])
    style.footnote(figure, _note(epochs))
    return figure


@styled
def draw_beside_reported(
    epochs: pd.DataFrame, reported: pd.DataFrame, arms: Sequence[str]
) -> Figure:
    """What somebody else logged of an arm, under our own curves: a row an arm.

    Args:
        epochs: the columns of ``epochs.csv``.
        reported: as in ``StudyTable.reported_curves``.
        arms: the arms to show, which both have.
    """
    size = style.PAGE, 0.9 + 2.7 * len(arms)
    figure, panels = style.new_figure(*size, len(arms), 2, sharex=True)
    for place, arm in enumerate(arms):
        for axes, measure in zip(panels[2 * place :], MEASURES, strict=False):
            theirs = reported[reported["arm"] == arm]
            for part, kind in (("val", "-"), ("train", "--")):
                look: Any = {"color": ORANGE, "linestyle": kind, "linewidth": 3, "alpha": 0.7}
                axes.plot(theirs["epoch"], theirs[f"{part}_{measure}"], zorder=1, **look)
            _curves(axes, epochs[epochs["arm"] == arm], measure, {"color": BLUE})
            _finish(axes, measure)
            axes.set_title(f"{style.label(arm)}: {MEASURES[measure]}")
    marks = [Line2D([], [], color=BLUE), Line2D([], [], color=ORANGE, linewidth=3, alpha=0.7)]
    marks += [Line2D([], [], color=GREY, linestyle=kind) for kind in ("-", "--")]
    style.key(figure, marks, ["ours", "reported, one run", "validation", "training"])
    style.footnote(figure, _note(epochs))
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, measure: str, look: dict[str, Any]) -> None:
    """An arm's validation (solid, with its band) and training (dashed)."""
    few = rows["epoch"].nunique() <= 8
    marks = {"marker": look.get("marker", "o") if few else "", "markersize": 4}
    plain = {"color": look["color"], "markeredgewidth": 0}
    _line(axes, rows, f"val_{measure}", {"errorbar": RANGE, **plain, **marks})
    dashed = {"errorbar": None, "linestyle": "--", "linewidth": 1, **plain}
    _line(axes, rows, f"train_{measure}", dashed)


def _line(axes: Axes, rows: pd.DataFrame, column: str, options: dict[str, Any]) -> None:
    """A line over the epochs; seaborn leaves out what is not finite."""
    sns.lineplot(rows, x="epoch", y=column, ax=axes, legend=False, **options)


def _finish(axes: Axes, measure: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set(xlabel="epoch", ylabel="", title=MEASURES[measure])
    if measure == "accuracy":
        style.percent_axis(axes)


@styled
def draw_one_epoch(epochs: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Where there is no curve to draw: a row an arm, a point a seed, training and validation."""
    figure, panels = style.new_figure(style.PAGE, 1.4 + 0.34 * len(names), 1, 2, sharey=True)
    for axes, measure in zip(panels, MEASURES, strict=True):
        long = epochs.melt(["arm"], [f"val_{measure}", f"train_{measure}"], "part", "value")
        sns.stripplot(
            long, x="value", y="arm", hue="part", order=list(names), dodge=True, jitter=False,
            palette=[BLUE, ORANGE], alpha=0.8, size=4.5, legend=False, ax=axes,
        )  # fmt: skip
        axes.set(xlabel="", ylabel="", title=MEASURES[measure])
        axes.grid(visible=True, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        if measure == "accuracy":
            style.percent_axis(axes, "x")
    panels[0].set_yticks(range(len(names)), style.labels(list(names.values())))
    marks = [Line2D([], [], color=c, marker="o", linestyle="") for c in (BLUE, ORANGE)]
    style.key(figure, marks, ["validation", "training"])
    style.footnote(figure, "One epoch was trained, so there are points instead of curves.")
    return figure


def _note(epochs: pd.DataFrame) -> str:
    measured = epochs[["train_loss", "train_accuracy", "val_loss", "val_accuracy"]]
    bad = int((~(measured.abs() < float("inf"))).any(axis=1).sum())
    parts = [NOTE] * bool(epochs["seed"].nunique() > 1)
    return " ".join([*parts, *([f"Not finite, so left out: {bad} epochs."] if bad else [])])
