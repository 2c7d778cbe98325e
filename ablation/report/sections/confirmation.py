"""What a report shows of a search's confirmation, beyond what it shows of any ablation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.arms import also_changed
from ablation.report.effects.confirmation import (
    NUISANCE,
    found_against_confirmed,
    is_step,
    never_taken_back,
    path_rows,
    search_length,
)
from ablation.report.effects.progress import progress_text
from ablation.report.figures.path import draw_waterfall
from ablation.report.rendering.formatting import (
    CONFOUNDED,
    MISSING,
    chance,
    interval,
    listed,
    percent,
    records,
    signed,
)
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.figure import Plot
from ablation.report.sections.section import Part
from ablation.report.text.confirmation import ORDER, briefly_judged, step_verdict
from ablation.scheduling.path import TAKEN_BACK

FILES = ("confirmed.csv", "path.csv")


def confirmed_parts(table: StudyTable, effects: pd.DataFrame) -> list[Part]:
    """Found against confirmed, and the path; nothing of a study that confirms none.

    Args:
        table: the search, with its confirmation.
        effects: of `ablation.report.effects.effects.effects` over the confirmation.
    """
    if table.confirmation is None:
        return []
    names = short_names(table.confirmation)
    return [_found(table, effects, names), *_path(table.confirmation)]


def _found(table: StudyTable, effects: pd.DataFrame, names: Mapping[str, str]) -> Part:
    rows = found_against_confirmed(table.trials, effects)
    main = table.confirmation
    length = search_length(table.trials, main.trials) if main else ""
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
            *(percent(row["found"]), signed(row["found_effect"]), str(row["n"])),
            *(percent(row["confirmed"]), signed(row["confirmed_effect"]), signed(row["optimism"])),
        ]
        for row in records(rows)
    ]
    titles = ["arm", "trial", "rank", "found", "found effect", "n", "confirmed"]
    titles += ["confirmed effect", "optimism (points)"]
    text = TextTable(titles, cells)
    return Part("found", "Found and confirmed", lines, text, {"confirmed.csv": rows})


def _path(table: StudyTable) -> list[Part]:
    title = "The path to the chosen setting"
    if table.path is None:
        why = (
            "it begins when all of the confirmation's trainings are complete (--retry-failed "
            "trains those that failed once more)"
        )
        if table.chosen == table.arms["arm"].iloc[0]:
            why = "the baseline was the best, so there is nothing to change"
        elif table.chosen:
            why = "the space asks for none"
        return [Part("path", title, [f"Not shown: {why}."])]
    path = table.path
    rows, more = path_rows(path), progress_text(path)
    lines = [
        "One change after the other, in the order in which a random forest fitted to the search "
        "expected most; each step over seeds that neither the search nor the confirmation used, "
        "compared with the step before. Then each change taken back alone from the chosen setting. "
        "The steps are one family of comparisons, those taken back another. The last step taken "
        "back is that step's own comparison, with the sign turned. Elsewhere the two ask different "
        "things: what a change gave where it stood, and what it gives once all others are made. "
        "Their difference, paired by seed, is tested as one more family; where it is significant, "
        "that step and every later one depend on the order, and are marked so."
    ]
    if (rows["role"] == NUISANCE).any():
        lines.append("Nuisances are tuned together, in one step that nothing is concluded on.")
    if lone := never_taken_back(path.arms):
        lines.append(f"Not taken back alone, as the space allows no such setting: {listed(lone)}.")
    if rows["confounded"].any():
        lines.append(f"{CONFOUNDED}: it also changes {also_changed(path.arms)} by more than 10 %.")
    if more:
        lines.append(
            f"Preliminary: {more}. Until the last there are means over whole seeds, and neither "
            "intervals nor verdicts."
        )
    made = rows[is_step(rows)]
    made = made.assign(said=[briefly_judged(row) for row in records(made)])

    def plots() -> Iterator[Plot]:
        caption = "The mean after each step, from the baseline at the top to the chosen setting."
        caption += "" if more else " Verdicts are on each step where it stood."
        if made["depends_on_order"].any():
            caption += (
                f" {ORDER}: it depends on the order; the table has its figure in another one."
            )
        if made["val_mean"].notna().any():
            yield Plot(
                "path", "path", title, caption, draw_waterfall(made, path.margin, tested=not more)
            )

    return [
        Part(
            "path",
            title,
            lines,
            _path_table(rows, not more),
            {"path.csv": rows.drop(columns="slight")},
            plots,
        )
    ]


def _path_table(rows: pd.DataFrame, tested: bool) -> TextTable:
    cells = [
        [
            "taken back" if row["step"] == TAKEN_BACK else str(row["step"]),
            str(row["change"]) or str(row["arm"]),
            *(str(row["n"]), percent(row["val_mean"]), signed(row["delta"])),
            interval(row["ci_low"], row["ci_high"]) if pd.notna(row["ci_low"]) else MISSING,
            *(
                chance(row["p_holm"]),
                step_verdict(row) if row["step"] != "0" and tested else MISSING,
            ),
        ]
        for row in records(rows)
    ]
    titles = ["step", "change", "n", "validation accuracy", "effect (points)", "95 % interval"]
    return TextTable([*titles, "p (Holm)", "verdict"], cells, words=2)
