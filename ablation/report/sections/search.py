"""What a report shows of a search, beyond what it shows of any study.

The page lays the parts out in the order of `parts`, so a new one is a function here and its figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import pandas as pd

from ablation.report.analysis import Analysis
from ablation.report.effects.progress import counts
from ablation.report.effects.selection import LEAST_SPAN, worst_end
from ablation.report.figures.search import (
    draw_contour,
    draw_expected_best,
    draw_front,
    draw_interactions,
    draw_isolation,
)
from ablation.report.rendering.formatting import (
    capitalized,
    listed,
    tenths,
    whole,
)
from ablation.report.rendering.text_table import TextTable
from ablation.report.search.expected_best import expected_performance, random_draws
from ablation.report.search.importance import (
    Judge,
    importance,
    ordered_alike,
    shown_order,
)
from ablation.report.search.interactions import isolation, spans_a_plane, surface, together
from ablation.report.search.pareto import pareto
from ablation.report.search.trials import levels, numeric, scientific
from ablation.report.sections.figure import Plot
from ablation.report.sections.importance import importance_part
from ablation.report.sections.section import Part

PAIRED = 3  # factors whose pairs are shown
FRONT_COSTS = ("macs", "seconds", "parameters")
CONTOURED = 30  # settings that a contour takes at least
FILES = (
    *("importance.csv", "isolation.csv", "interactions.csv"),
    *("pareto.csv", "expected_performance.csv"),
)
"""Every file that a part may have, for the removal of those that went."""


def parts(search: Analysis, judge: Judge = importance) -> list[Part]:
    """What a search's finished trials show; nothing of another design, or before the first.

    Args:
        search: the search.
        judge: says how much each hyperparameter mattered.
    """
    if search.table.design != "search" or search.finished.empty:
        return []
    importances, notes = judge(search.finished, search.table.factors, search.metric)
    return [
        importance_part(search, importances, notes),
        _isolation(search),
        _together(search, importances),
        *_pareto(search),
        _expected(search),
    ]


def _isolation(search: Analysis) -> Part:
    table, rows, metric = search.table, search.finished, search.metric
    title, best = "The best of each level", isolation(rows, table.factors, search.direction)
    names = [name for name in scientific(table.factors) if (best["parameter"] == name).sum() > 1]
    if not names:
        line = "Not shown: of no scientific factor have two levels been drawn."
        return Part("isolation", title, [line])
    line = (
        f"For each level of a scientific factor the best {metric.noun} over everything else that "
        "was drawn with it. A level drawn more often (n) has had more chances of a "
        f"{'high' if metric.sign > 0 else 'low'} one."
    )
    seen = {name: levels(rows[name], table.factors[name]) for name in names}
    points = {
        name: rows[["number", "value"]].assign(level=level).dropna() for name, level in seen.items()
    }
    caption = "Every complete setting by its level, and the best of each level; of numbers joined."

    def plots() -> Iterator[Plot]:
        end, bests = worst_end(rows["value"], metric), best["best_value"]
        gap = LEAST_SPAN if metric.is_fraction else LEAST_SPAN * bests.abs().max()
        end = min(end, bests.min() - gap) if metric.sign > 0 else max(end, bests.max() + gap)
        ordered = {name for name in names if numeric(table.factors[name])}
        draw = partial(draw_isolation, points, best, ordered, _baseline(search), metric, end)
        yield Plot("isolation", "isolation", title, caption, draw)

    return Part("isolation", title, [line], None, {"isolation.csv": best}, plots)


def _baseline(search: Analysis) -> float:
    """The baseline's value in the search; NaN where it has none."""
    own = search.finished.loc[search.finished["arm"] == search.baseline, "value"]
    return float(own.iloc[0]) if len(own) else float("nan")


def _together(search: Analysis, importances: pd.DataFrame) -> Part:
    table, rows, metric = search.table, search.finished, search.metric
    names = [name for name in scientific(table.factors) if rows[name].nunique() > 1]
    cells = {
        pair: together(rows, table.factors, *pair, search.direction)
        for pair in combinations(names, 2)
    }
    cells = {pair: frame for pair, frame in cells.items() if len(frame)}
    title = "Two factors together"
    if not cells:
        return Part("together", title, ["Not shown: no two scientific factors were both varied."])
    everything = pd.concat(
        [frame.astype({"level_1": str, "level_2": str}) for frame in cells.values()],
        ignore_index=True,
    )
    order = shown_order(importances)
    is_ranked = not importances.empty and ordered_alike(importances)
    leading = [name for name in order if name in names][:PAIRED]
    shown = {p: f for p, f in cells.items() if set(p) <= set(leading)}
    count = "" if len(leading) == len(names) else f"{len(leading)} "
    which = f"{count}most important " if is_ranked else f"first {count}"
    lines = [
        f"The pairs of the {which if count else ''}scientific factors"
        f"{'' if is_ranked or not count else ' of the space'} "
        f"({listed(leading, separator=', ')}); all pairs are in interactions.csv. Other settings "
        "differ between cells as well, so a cell of few trials says little."
        if shown
        else "No pair is drawn without an importance to choose it by; all are in interactions.csv."
    ]
    contoured, why = _surface(search, order)

    def plots() -> Iterator[Plot]:
        for (one, other), frame in shown.items():
            name, heading = f"interaction_{one}_{other}", f"{one} and {other}"
            caption = f"{heading}: the mean {metric.noun} of each combination, and of how many "
            caption += "trials."
            draw = partial(draw_interactions, frame, metric)
            yield Plot(name, "together", heading, caption, draw)
        if contoured:
            yield _contour(search, *contoured, is_ranked=is_ranked)

    return Part("together", title, [*lines, *why], None, {"interactions.csv": everything}, plots)


def _surface(
    search: Analysis, order: list[str]
) -> tuple[tuple[str, str, pd.DataFrame] | None, list[str]]:
    """The first two hyperparameters that are numbers, and their points; or why not."""
    table, rows = search.table, search.finished
    able = [name for name in order if numeric(table.factors[name]) and rows[name].nunique() > 3]
    points = surface(rows, *able[:2]) if len(rows) >= CONTOURED and len(able) > 1 else None
    if points is None or not spans_a_plane(points):
        return None, [
            f"No contour: it takes {CONTOURED} complete settings, and two hyperparameters of which "
            "four numbers each at least were drawn."
        ]
    return (able[0], able[1], points), []


def _contour(
    search: Analysis, one: str, other: str, points: pd.DataFrame, *, is_ranked: bool
) -> Plot:
    table = search.table
    across, up = table.factors[one]["range"], table.factors[other]["range"]
    logs = bool(across and across["log"]), bool(up and up["log"])
    draw = partial(draw_contour, points, (one, other), logs, search.metric)
    caption = (
        f"{one} and {other}, the {'two most important' if is_ranked else 'first two'} "
        "hyperparameters of which four numbers or more were drawn. Colours are "
        "joined between the points, which are what was drawn (larger where several were); where "
        "there are few they are a guess."
    )
    return Plot("contour", "together", f"Contour of {one} and {other}", caption, draw)


def _pareto(search: Analysis) -> Iterator[Part]:
    rows, metric, front = search.finished, search.metric, pareto(search.finished, search.direction)
    title, example = (
        f"{capitalized(metric.noun)} against cost: the front",
        search.table.words.example,
    )
    if len(rows) < 2:
        yield Part("pareto", title, ["Not shown: it takes two complete settings."])
        return
    costs = {name: pd.to_numeric(front[name]).astype(float) for name in FRONT_COSTS}
    columns = {
        "front": ["MACs" if cost == "macs" else "seconds" for cost in front["cost"]],
        "trial": [f"#{number}" for number in front["number"]],
        "arm": list(front["arm"]),
        metric.text: [metric.value(value) for value in front["value"]],
        "MACs (millions)": [tenths(x / 1e6) for x in costs["macs"]],
        "seconds": [tenths(x) for x in costs["seconds"]],
        "parameters": [whole(x) for x in costs["parameters"]],
    }
    unknown = {"MACs (millions)": "macs", "parameters": "parameters"}
    for column, name in unknown.items():
        if costs[name].isna().all():
            del columns[column]
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    line = (
        f"On the front are the settings that no other beats in {metric.noun} at the same cost or "
        "less. "
        "One training each: a step of less than the margin may be chance. Seconds also depend on "
        "what else the machine did."
    )

    def plots() -> Iterator[Plot]:
        draw = partial(draw_front, rows, front, metric, example)
        macs = f"multiply-accumulates (MACs) an {example} and against "
        macs = "" if costs["macs"].isna().all() else macs
        caption = f"{capitalized(metric.noun)} against {macs}time."
        title = f"The front of {metric.noun} against cost"
        yield Plot("pareto", "pareto", title, caption, draw)

    text = TextTable(list(columns), cells, words=3)
    yield Part("pareto", title, [line], text, {"pareto.csv": front}, plots)


def _expected(search: Analysis) -> Part:
    table, metric = search.table, search.metric
    title = "What so many trials may be expected to find"
    trials = table.trials[table.trials["stage"] == "search"]
    fixed = table.arms.loc[table.arms["kind"] != "drawn", "arm"]
    stopped = counts(table).get("stopped early", 0)
    draws, why = random_draws(trials, table.sampler, stopped, set(fixed), metric.noun)
    if why:
        return Part("expected", title, [f"Not shown: {why}"])
    curve = expected_performance(draws, search.direction)
    line = (
        f"The mean of the best of k trials over all ways to take k of the {len(draws)} drawn, "
        "without replacement (Tang et al. 2020), which is unbiased. The baseline and named arms, "
        "which were not drawn, are left out. The right end is the one best trial."
    )
    if metric.chance is not None:
        guessing = metric.value(metric.chance)
        line += f" A draw that failed or diverged counts as one that guesses ({guessing})."

    def plots() -> Iterator[Plot]:
        draw = partial(draw_expected_best, curve, _baseline(search), metric)
        caption = f"The expected best {metric.text} by the number of trials."
        yield Plot("expected_performance", "expected", "Expected best", caption, draw)

    return Part("expected", title, [line], None, {"expected_performance.csv": curve}, plots)
