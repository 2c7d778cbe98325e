"""What a report shows of a search, beyond what it shows of any study.

The page lays the parts out in the order of `parts`, so a new one is a function here and its figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import pandas as pd

from ablation.metric import MISSING
from ablation.report.analysis import Analysis
from ablation.report.effects.progress import counts
from ablation.report.effects.replicates import DIVERGED, ends, trained
from ablation.report.effects.selection import LEAST_SPAN, worst_end
from ablation.report.figures.search import (
    draw_contour,
    draw_expected_best,
    draw_front,
    draw_importance,
    draw_interactions,
    draw_isolation,
)
from ablation.report.rendering.formatting import (
    capitalized,
    counted,
    listed,
    tenths,
    whole,
)
from ablation.report.rendering.text_table import TextTable
from ablation.report.search.expected_best import expected_performance, random_draws
from ablation.report.search.importance import (
    ORDERED,
    RESAMPLES,
    STEADY,
    importance,
    ordered_alike,
    shown_order,
)
from ablation.report.search.interactions import isolation, spans_a_plane, surface, together
from ablation.report.search.pareto import pareto
from ablation.report.search.trials import Factors, levels, numeric, scientific, unfinished_levels
from ablation.report.sections.figure import Plot
from ablation.report.sections.section import Part

PAIRED = 3  # factors whose pairs are shown
FRONT_COSTS = ("macs", "seconds", "parameters")
CONTOURED = 30  # settings that a contour takes at least
FILES = (
    *("importance.csv", "isolation.csv", "interactions.csv"),
    *("pareto.csv", "expected_performance.csv"),
)
"""Every file that a part may have, for the removal of those that went."""


def parts(search: Analysis) -> list[Part]:
    """What a search's finished trials show; nothing of another design, or before the first."""
    if search.table.design != "search" or search.finished.empty:
        return []
    found, notes = importance(search.finished, search.table.factors, search.metric)
    return [
        _importance(search, found, notes),
        _isolation(search),
        _together(search, found),
        *_pareto(search),
        _expected(search),
    ]


def _importance(search: Analysis, found: pd.DataFrame, notes: list[str]) -> Part:
    table, rows, noun = search.table, search.finished, search.metric.noun
    lines = [_counted(search)]
    if found.empty:
        return Part("importance", "Which hyperparameters mattered", [*lines, *notes])
    lines.append(
        f"Exploratory, over {len(rows)} settings, one training each. PED-ANOVA: how far the values "
        f"of the best tenth differ from those of all. fANOVA: the share of the variance in {noun} "
        "that a random forest lays on each alone. Neither says which value is better. In brackets "
        f"the spread of PED-ANOVA's estimate: between what 95 % of {RESAMPLES} resamples of the "
        "trials give. It is not an interval that covers the truth."
    )
    lines += _about_forests(found)
    order, is_ranked = shown_order(found), ordered_alike(found)
    lines.append(_about_order(found, order, is_ranked))
    if len(rows) < STEADY:
        best = -(-len(rows) // 10)
        lines.append(
            f"PED-ANOVA's best tenth is {counted(best, 'setting')} here; Optuna advises five at "
            f"least, which takes {STEADY} settings."
        )
    where = "the highest mean of both is at the top" if is_ranked else "in the space's order"
    caption = f"Each method's figures add up to 100 %; {where}."

    def plots() -> Iterator[Plot]:
        draw = partial(draw_importance, found, order)
        yield Plot("importance", "importance", "Importance", caption, draw)

    cells = _importance_table(table.factors, found, order)
    files = {"importance.csv": found}
    title = "Which hyperparameters mattered"
    return Part("importance", title, [*lines, *notes], cells, files, plots)


def _about_forests(found: pd.DataFrame) -> list[str]:
    """What fANOVA's figures are means of, where there are any."""
    rows = found[found["forests"].notna()]
    if rows.empty:
        return []
    error = 100 * float(rows["standard_error"].max())
    return [
        f"fANOVA's figures are means over {counted(int(rows['forests'].iloc[0]), 'forest')}, ± the "
        f"standard error, of {error:.1f} points at most."
    ]


def _about_order(found: pd.DataFrame, order: list[str], is_ranked: bool) -> str:
    if is_ranked:
        return f"Both methods put these first: {listed(order[:ORDERED], separator=', ')}."
    if found["method"].nunique() == 1:
        return "Only one method judges these, so they are not ranked."
    which = "first three" if len(order) > ORDERED else "hyperparameters"
    return (
        f"The two methods do not order the {which} alike, so the hyperparameters are not ranked: "
        "they stand in the space's order."
    )


def _counted(search: Analysis) -> str:
    """What all parts rest on, and what they leave out."""
    table, rows, noun = search.table, search.finished, search.metric.noun
    trials = table.trials[table.trials["stage"] == "search"]
    own = trials[trials["duplicate_of"].isna() & trained(trials, table.epochs)]
    stopped = int((own["state"] == "PRUNED").sum())
    ended = ends(trials)
    diverged = int((ended == DIVERGED).sum())
    again = int((ended == "COMPLETE").sum()) - len(rows)
    text = f"What follows rests on {counted(len(rows), 'complete setting')}."
    if again:
        text += f" A setting drawn before, or without a finite {noun}, does not count: {again}."
    if stopped:
        text += (
            f" Excludes {counted(stopped, 'pruned trial')}; since pruning removes poor settings, "
            "they are under-represented."
        )
    if diverged:
        text += f" Draws that diverged do not count: {diverged}; they have no {noun}."
    if absent := unfinished_levels(table.trials, table.arms, table.factors):
        lost = unfinished_levels(table.trials, table.arms, table.factors, DIVERGED)
        levels_of = [f"{name} ({_ends(stopped, lost[name])})" for name, stopped in absent.items()]
        text += f" No completed trial covers: {listed(levels_of)}."
    return text


def _ends(stopped: int, diverged: int) -> str:
    """``2 stopped, 1 diverged``."""
    return f"{stopped} stopped" + (f", {diverged} diverged" if diverged else "")


def _importance_table(factors: Factors, found: pd.DataFrame, order: list[str]) -> TextTable:
    methods = list(dict.fromkeys(found["method"]))
    every = pd.MultiIndex.from_product([order, methods])
    rows = found.set_index(["parameter", "method"]).reindex(every)
    trials = found.groupby("parameter")["trials"].max()
    cells = [
        [
            *(name, str(factors[name]["role"])),
            *(_share(rows.loc[(name, method)]) for method in methods),
            str(trials[name]),
        ]
        for name in order
    ]
    return TextTable(["hyperparameter", "role", *methods, "settings"], cells, words=2)


def _share(row: pd.Series[float]) -> str:
    """``12 % (5 to 30)`` or ``12 ± 1 %``; a dash where nothing is known."""
    if pd.isna(row["importance"]):
        return MISSING
    if pd.isna(row["low"]):
        return f"{100 * row['importance']:.0f} ± {100 * row['standard_error']:.1f} %"
    low, high = (f"{100 * row[end]:.0f}" for end in ("low", "high"))
    return f"{100 * row['importance']:.0f} % ({low} to {high})"


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


def _together(search: Analysis, found: pd.DataFrame) -> Part:
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
    order, is_ranked = shown_order(found), not found.empty and ordered_alike(found)
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
        caption = f"{capitalized(metric.noun)} against multiply-accumulates (MACs) an {example} "
        caption += "and against time."
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
