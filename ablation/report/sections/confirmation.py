"""What a report shows of a search's confirmation, beyond what it shows of any ablation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from ablation.objective.metric import MISSING
from ablation.report.analysis import Analysis
from ablation.report.effects.arms import also_changed
from ablation.report.effects.confirmation import search_length
from ablation.report.figures.path import draw_waterfall
from ablation.report.path.steps import NUISANCE, is_step, never_taken_back
from ablation.report.rendering.formatting import (
    CONFOUNDED,
    chance,
    listed,
    records,
)
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.figure import Plot
from ablation.report.sections.section import Part
from ablation.report.text.comparisons import interval_text
from ablation.report.text.confirmation import ORDER, briefly_judged, step_verdict
from ablation.report.text.settling import about_intervals, awaits, looks_text, settled_when
from ablation.report.text.tables.arms import interval
from ablation.scheduling.path import TAKEN_BACK

FILES = ("confirmed.csv", "path.csv")


def confirmed_parts(search: Analysis) -> list[Part]:
    """Found against confirmed, and the path; nothing of a study that is not confirmed."""
    main = search.confirmation
    return [] if main is None else [_found(search, main), _path(main)]


def _found(search: Analysis, main: Analysis) -> Part:
    rows, metric, names = search.found_against_confirmed, search.metric, main.short_names
    length = search_length(search.table, main.table)
    how = f", {length} than confirmed" if length else ""
    lines = [
        f"Found: the search's one training{how}. Confirmed: the mean over fresh seeds. Their "
        "effects, each against the baseline trained alike, can be compared; the best of many "
        "trainings is partly luck, so what was found promises too much on average."
    ]
    cells = [
        [
            names.get(row["arm"], str(row["arm"])),
            MISSING if pd.isna(row["trial"]) else f"#{row['trial']}",
            MISSING if pd.isna(row["rank"]) else str(row["rank"]),
            *(metric.value(row["found"]), metric.signed(row["found_effect"]), str(row["n"])),
            *(metric.value(row["confirmed"]), metric.signed(row["confirmed_effect"])),
            metric.signed(row["optimism"]),
        ]
        for row in records(rows)
    ]
    titles = ["arm", "trial", "rank", "found", "found effect", "n", "confirmed"]
    titles += ["confirmed effect", f"optimism{metric.heading}"]
    text = TextTable(titles, cells)
    return Part("found", "Found and confirmed", lines, text, {"confirmed.csv": rows})


def _path(study: Analysis) -> Part:
    title = "The path to the chosen setting"
    if (path := study.path) is None:
        return Part("path", title, [f"Not shown: {_why_no_path(study)}."])
    rows, more, metric = path.path_rows, path.progress, study.metric
    shown = path.with_shown_intervals(rows)
    made = shown[is_step(rows)]
    made = made.assign(said=[briefly_judged(row) for row in records(made)])

    def plots() -> Iterator[Plot]:
        caption = "The mean after each step, from the baseline at the top to the chosen setting."
        if path.settling:
            caption += " Each bar is the step's effect, up to the mean of all its seeds."
        caption += "" if more else " Verdicts are on each step where it stood."
        if made["depends_on_order"].any():
            caption += (
                f" {ORDER}: it depends on the order; the table has its figure in another one."
            )
        if made["val_mean"].notna().any():
            draw = partial(draw_waterfall, made, path.table.margin, metric, tested=not more)
            yield Plot("path", "path", title, caption, draw)

    files = {"path.csv": rows.drop(columns="slight")}
    text = _path_table(path, shown, tested=not more)
    return Part("path", title, _about_path(path), text, files, plots)


def _why_no_path(study: Analysis) -> str:
    if study.table.chosen == study.baseline:
        return "the baseline was the best, so there is nothing to change"
    if study.table.chosen:
        return "the space asks for none"
    if study.settling:
        return "it begins after the last look at the confirmation"
    return (
        "it begins when all of the confirmation's trainings are complete (--retry-failed trains "
        "those that failed once more)"
    )


def _about_path(path: Analysis) -> list[str]:
    """How to read it."""
    rows, arms = path.path_rows, path.table.arms
    lines = [
        "One change after the other, in the order in which a random forest fitted to the search "
        "expected most; each step over seeds that neither the search nor the confirmation used, "
        "compared with the step before. Then each change taken back alone from the chosen setting. "
        f"{_families(path)} The last step taken "
        "back is that step's own comparison, with the sign turned. Elsewhere the two ask different "
        "things: what a change gave where it stood, and what it gives once all others are made. "
        "Their difference, paired by seed, is tested as one more family; where it is significant, "
        "that step and every later one depend on the order, and are marked so."
    ]
    if (rows["role"] == NUISANCE).any():
        lines.append("Nuisances are tuned together, in one step that nothing is concluded on.")
    if lone := never_taken_back(arms):
        lines.append(f"Not taken back alone, as the space allows no such setting: {listed(lone)}.")
    if rows["confounded"].any():
        lines.append(f"{CONFOUNDED}: it also changes {also_changed(path.table)} by more than 10 %.")
    if path.settling:
        lines += [*settled_when(path), *filter(None, [about_intervals(path.table)])]
    if path.settling and path.progress:
        lines.append(awaits(path.table))
    elif path.progress:
        lines.append(
            f"Preliminary: {path.progress}. Until the last there are means over whole seeds, and "
            "neither intervals nor verdicts."
        )
    return lines


def _families(path: Analysis) -> str:
    """Which comparisons are adjusted for one another."""
    if path.settling is None:
        return "The steps are one family of comparisons, those taken back another."
    return (
        f"The path had {looks_text(path.settling)} of its own, declared before it began. All of "
        "its comparisons are one family, save those of nuisances alone."
    )


def _path_table(path: Analysis, rows: pd.DataFrame, *, tested: bool) -> TextTable:
    metric = path.metric
    cells = [
        [
            "taken back" if row["step"] == TAKEN_BACK else str(row["step"]),
            str(row["change"]) or str(row["arm"]),
            *(str(row["n"]), metric.value(row["val_mean"]), metric.signed(row["delta"])),
            interval(metric, row["ci_low"], row["ci_high"]),
            *(
                chance(row["p_holm"]),
                step_verdict(row, metric)
                if row["step"] != "0" and (tested or row["verdict"])
                else MISSING,
            ),
        ]
        for row in records(rows)
    ]
    titles = [
        "step",
        "change",
        "n",
        metric.text,
        f"effect{metric.heading}",
        interval_text(path.table),
    ]
    return TextTable([*titles, "p (Holm)", "verdict"], cells, words=2)
