"""Learning curves: few arms in one pair of panels, many as small multiples against the baseline.

The spread over seeds (from the lowest to the highest) is seaborn's own estimator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.objective.metric import Metric
from ablation.report.figures import style
from ablation.report.figures.style import BLACK, BLUE, GREY, ORANGE, PLUM, styled

FEW = 4  # arms that one panel holds without a tangle
PANELS = 2  # measures that are shown: the metric's and the next
RANGE = ("pi", 100)  # the band of seaborn from the lowest to the highest seed
AVERAGED = "averaged weights"
NOTE = "Lines: mean over the seeds. Bands: lowest to highest seed"


@dataclass(frozen=True)
class Measure:
    """What is measured in each epoch, in validation and in training.

    Attributes:
        name: what figures of it have in common, as in ``loss``.
        text: in words.
        validation: the column that is drawn solid.
        training: the column that is drawn dashed; empty where there is none.
        is_fraction: whether it is shown in percent.
        averaged: the validation of averaged weights, drawn dotted; empty where there is none.
    """

    name: str
    text: str
    validation: str
    training: str
    is_fraction: bool
    averaged: str = ""

    @property
    def is_of_validation(self) -> bool:
        """Whether it is known what is drawn solid."""
        return bool(self.training) or self.validation.startswith("val_")


def measures(figures: Sequence[str], metric: Metric, texts: Mapping[str, str]) -> list[Measure]:
    """What is shown of an epoch's figures, the metric's measure first.

    Args:
        figures: their names, as in ``val_loss``, ``train_loss``; ``ema_val_loss`` is the same of
            averaged weights.
        metric: what decides.
        texts: what measures are called where that is not their name.
    """
    own = re.sub("^(ema_)?val_", "", metric.name)
    validated = [name for name in figures if not name.startswith("train_")]
    averages = {f"ema_{name}" for name in validated}.intersection(figures)
    others = [name for name in figures if name not in averages]
    names = dict.fromkeys([own, *(re.sub("^(val|train)_", "", name) for name in others)])
    panels = []
    for name in list(names)[:PANELS]:
        columns = [each for each in (f"val_{name}", name, f"train_{name}") if each in figures]
        training = columns[-1] if len(columns) > 1 else ""
        text = metric.noun if name == own else texts.get(name, name)
        if name == own and metric.in_percent and not metric.is_fraction:
            text += ", %"
        is_fraction = metric.is_fraction and name == own
        averaged = f"ema_{columns[0]}" if f"ema_{columns[0]}" in averages else ""
        panels.append(Measure(name, text, columns[0], training, is_fraction, averaged))
    return panels


def learning_curves(
    epochs: pd.DataFrame,
    shown: Sequence[Measure],
    arms: Sequence[str],
    labels: Mapping[str, str],
    word: str = "epoch",
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """What was measured over the epochs, in training and validation, as (name, what draws it).

    Args:
        epochs: the columns of ``epochs.csv``.
        shown: of `measures`.
        arms: the arms to show, the baseline first.
        labels: by arm, what it is called where that is not its name.
        word: what an epoch is called.

    Yields:
        One figure for few arms or for one epoch, else one for each measure.
    """
    rows = epochs[epochs["arm"].isin(arms)]
    names = {arm: labels.get(arm, arm) for arm in arms if arm in set(rows["arm"])}
    if rows.empty:
        return
    if rows["epoch"].nunique() == 1:
        yield "learning_curves", partial(draw_one_epoch, rows, shown, names, word)
    elif len(names) <= FEW:
        yield "learning_curves", partial(draw_together, rows, shown, names, arms[0], word)
    else:
        for measure in shown:
            draw = partial(draw_small_multiples, rows, measure, names, arms[0], word)
            yield f"learning_curves_{measure.name}", draw


@styled
def draw_together(
    epochs: pd.DataFrame,
    shown: Sequence[Measure],
    names: Mapping[str, str],
    baseline: str,
    word: str = "epoch",
) -> Figure:
    """Up to four arms: a panel for each measure, a colour an arm."""
    figure, panels = style.new_figure(style.PAGE, 3.6, 1, len(shown))
    others = [arm for arm in names if arm != baseline]
    colors = {baseline: GREY, **dict(zip(others, (BLUE, ORANGE, PLUM, BLACK), strict=False))}
    marks = dict(zip(names, style.MARKERS, strict=False))
    looks: dict[str, Any] = {arm: {"color": colors[arm], "marker": marks[arm]} for arm in names}
    for axes, measure in zip(panels, shown, strict=True):
        for arm, look in looks.items():
            _curves(axes, epochs[epochs["arm"] == arm], measure, look)
        _finish(axes, measure, word)
    lines = [Line2D([], [], markersize=5, **look) for look in looks.values()]
    kinds = _line_kinds(shown)
    lines += [Line2D([], [], color=GREY, linestyle=kind) for kind in kinds.values()]
    style.key(figure, lines, [*style.labels(list(names.values())), *kinds])
    style.footnote(figure, _note(epochs, shown))
    return figure


@styled
def draw_small_multiples(
    epochs: pd.DataFrame,
    measure: Measure,
    names: Mapping[str, str],
    baseline: str,
    word: str = "epoch",
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
        _line(axes, base, measure.validation, {"color": GREY, "errorbar": None, "linewidth": 2.2})
        _curves(axes, epochs[epochs["arm"] == arm], measure, {"color": BLUE})
        _finish(axes, measure)
        axes.set_title(title, fontsize=7, weight="normal")
        axes.set(xlabel="")
        axes.tick_params(labelbottom=True)  # in every row, as the last one may have gaps
    for axes in panels[len(arms) :]:
        axes.set_axis_off()
    figure.supylabel(f"{measure.text} by {word}", fontsize=9)
    what = "validation" if measure.is_of_validation else measure.text
    kinds = _line_kinds([measure]) or {what: "-"}
    marks = {text: Line2D([], [], color=BLUE, linestyle=kind) for text, kind in kinds.items()}
    marks[f"{what} of {baseline}"] = Line2D([], [], color=GREY, linewidth=2.2)
    style.key(figure, list(marks.values()), list(marks))
    style.footnote(figure, _note(epochs, [measure]))
    return figure


@styled
def draw_beside_reported(
    epochs: pd.DataFrame,
    reported: pd.DataFrame,
    shown: Sequence[Measure],
    arms: Sequence[str],
) -> Figure:
    """What somebody else logged of an arm, under our own curves: a row an arm.

    Args:
        epochs: the columns of ``epochs.csv``.
        reported: as in ``StudyTable.reported_curves``.
        shown: of `measures`.
        arms: the arms to show, which both have.
    """
    size = style.PAGE, 0.9 + 2.7 * len(arms)
    figure, panels = style.new_figure(*size, len(arms), len(shown), sharex=True)
    for place, arm in enumerate(arms):
        for axes, measure in zip(panels[len(shown) * place :], shown, strict=False):
            theirs = reported[reported["arm"] == arm]
            for column, kind in ((measure.validation, "-"), (measure.training, "--")):
                look: Any = {"color": ORANGE, "linestyle": kind, "linewidth": 3, "alpha": 0.7}
                if column in theirs:
                    axes.plot(theirs["epoch"], theirs[column], zorder=1, **look)
            _curves(axes, epochs[epochs["arm"] == arm], measure, {"color": BLUE})
            _finish(axes, measure)
            axes.set_title(f"{style.label(arm)}: {measure.text}")
    marks = [Line2D([], [], color=BLUE), Line2D([], [], color=ORANGE, linewidth=3, alpha=0.7)]
    kinds = {"validation": "-", "training": "--", **_line_kinds(shown)}
    marks += [Line2D([], [], color=GREY, linestyle=kind) for kind in kinds.values()]
    style.key(figure, marks, ["ours", "reported, one run", *kinds])
    style.footnote(figure, _note(epochs, shown))
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, measure: Measure, look: dict[str, Any]) -> None:
    """An arm's validation (solid, with its band), training (dashed), averaged weights (dotted)."""
    few = rows["epoch"].nunique() <= 8
    marks = {"marker": look.get("marker", "o") if few else "", "markersize": 4}
    plain = {"color": look["color"], "markeredgewidth": 0}
    _line(axes, rows, measure.validation, {"errorbar": RANGE, **plain, **marks})
    for column, kind in ((measure.training, "--"), (measure.averaged, ":")):
        if column:
            look = {"errorbar": None, "linestyle": kind, "linewidth": 1, **plain}
            _line(axes, rows, column, look)


def _line_kinds(shown: Sequence[Measure]) -> dict[str, Any]:
    """The kinds of lines by what they show; none where all show the same."""
    is_known = any(measure.is_of_validation for measure in shown)
    kinds: dict[str, Any] = {"validation" if is_known else "last weights": "-"}
    if any(measure.training for measure in shown):
        kinds["training"] = "--"
    if any(measure.averaged for measure in shown):
        kinds[AVERAGED] = ":"
    return kinds if len(kinds) > 1 else {}


def _line(axes: Axes, rows: pd.DataFrame, column: str, options: dict[str, Any]) -> None:
    """A line over the epochs; seaborn leaves out what is not finite."""
    sns.lineplot(rows, x="epoch", y=column, ax=axes, legend=False, **options)


def _finish(axes: Axes, measure: Measure, word: str = "epoch") -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set(xlabel=word, ylabel="", title=measure.text)
    if measure.is_fraction:
        style.percent_axis(axes)


@styled
def draw_one_epoch(
    epochs: pd.DataFrame, shown: Sequence[Measure], names: Mapping[str, str], word: str = "epoch"
) -> Figure:
    """Where there is no curve to draw: a row an arm, a point a seed of each kind of figure."""
    height = 1.4 + 0.34 * len(names)
    figure, panels = style.new_figure(style.PAGE, height, 1, len(shown), sharey=True)
    colors = {"-": BLUE, "--": ORANGE, ":": PLUM}
    for axes, measure in zip(panels, shown, strict=True):
        columns = (measure.validation, measure.training, measure.averaged)
        palette = {c: color for c, color in zip(columns, colors.values(), strict=True) if c}
        long = epochs.melt(["arm"], list(palette), "part", "figure")
        sns.stripplot(
            long, x="figure", y="arm", hue="part", order=list(names), dodge=True, jitter=False,
            palette=palette, alpha=0.8, size=4.5, legend=False, ax=axes,
        )  # fmt: skip
        axes.set(xlabel="", ylabel="", title=measure.text)
        axes.grid(visible=True, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        if measure.is_fraction:
            style.percent_axis(axes, "x")
    panels[0].set_yticks(range(len(names)), style.labels(list(names.values())))
    if kinds := _line_kinds(shown):
        looks: Any = {"marker": "o", "linestyle": ""}
        marks = [Line2D([], [], color=colors[kind], **looks) for kind in kinds.values()]
        style.key(figure, marks, list(kinds))
    style.footnote(figure, f"One {word} was trained, so there are points instead of curves.")
    return figure


def _note(epochs: pd.DataFrame, shown: Sequence[Measure]) -> str:
    columns = [name for each in shown for name in (each.validation, each.training) if name]
    bad = int((~(epochs[columns].abs() < float("inf"))).any(axis=1).sum())
    of = " (validation)" if any(each.is_of_validation for each in shown) else ""
    parts = [f"{NOTE}{of}."] if epochs["seed"].nunique() > 1 else []
    return " ".join([*parts, *([f"Not finite, so left out: {bad} epochs."] if bad else [])])
