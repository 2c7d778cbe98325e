"""A study's note in optuna-dashboard: the question, the answer so far, the space. Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from ablation.program import command
from ablation.report.data.study_table import StudyTable, all_epochs, all_trials
from ablation.report.effects.arm_names import comparison_labels, labels
from ablation.report.effects.arms import is_first
from ablation.report.effects.effects import effects as effects_of
from ablation.report.effects.gains import by_gain, gains
from ablation.report.effects.progress import all_ended, counts
from ablation.report.effects.selection import leading, shown_of
from ablation.report.rendering.formatting import percent, signed
from ablation.report.rendering.templating import code_span, escape_markdown, markdown_table
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.answer import answer
from ablation.report.text.caveats import DESIGNS
from ablation.report.text.confirmation import lead, path_sentences, sentences
from ablation.report.text.headline import headline
from ablation.report.text.study_tables import failures_table, progress_line
from ablation.report.text.tables import brief_table

ROOM = 10  # arms of a search beside the baseline
OURS = "*Kept up to date while the study runs. Take this line out to keep a note of your own.*"
"""A line of each note: one without it is somebody else's."""


def note(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    """The note.

    As long as trials of a design lack it has means and effects, and neither verdicts nor
    intervals: it is rewritten as trials end, and whoever could look at a test after each of them
    would find differences by chance. A search has no tests, so its best is always told.

    Args:
        table: the study, as `ablation.report.effects.arm_names.with_short_names` tells of it.
        effects: its effects, from there too.
        contrasts: its contrasts, of ``ablation.report.effects.contrasts.contrasts``.
    """
    search, done = table.design == "search", all_ended(table)
    own = replace(table, confirmation=None)
    trials = all_trials(own)
    trials = trials[trials["state"].isin(["COMPLETE", "FAIL"])]
    failures = failures_table(replace(own, trials=trials, epochs=all_epochs(own)))
    tested = done and not search
    shown = brief_table(table, effects) if tested else _means(table, effects)
    parts = [
        f"**{escape_markdown(table.question)}**",
        escape_markdown(f"{_state(table)} Design: {DESIGNS[table.design]}."),
        OURS,
        "## The answer" + ("" if done else " so far"),
        *(_answer(table, effects, contrasts) if done or search else [_preliminary(table)]),
        markdown_table(shown).strip(),
        _listed(shown.note.splitlines()),
        *_path(table, effects),
        *(["## What failed", markdown_table(failures).strip()] if failures.rows else []),
    ]
    space = ["## The space", fenced(table.space_text)]
    return "\n\n".join([*map(_with_gaps, filter(None, parts)), *space]) + "\n"


def _answer(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> list[str]:
    """What to believe, then all that was found."""
    confirmed = _confirmed(table)
    first = [] if confirmed else headline(table, effects, contrasts)
    if confirmed and table.confirmation:
        of = table.confirmation
        first = headline(of, effects_of(of.trials, of.arms, of.margin), contrasts)
    bold = [f"**{escape_markdown(sentence)}**" for sentence in first]
    return [*bold, _listed(answer(table, effects, contrasts, confirmed))]


def _with_gaps(text: str) -> str:
    """Between the settings of a drawn arm's name, blanks to break the line at: there are none."""
    return re.sub(r"(?<=\S)\\?\+(?=[a-z\\_]+\d*=)", " + ", text)


def best_arms(table: StudyTable, effects: pd.DataFrame, room: int) -> pd.DataFrame:
    """The effects of the baseline and of the other arms with the `room` largest gains over it."""
    others = by_gain(effects[~is_first(effects)], gains(table.trials, table.arms))
    return pd.concat([effects[is_first(effects)], others.head(room)])


def _means(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    """What may be shown of a design before its last trial, and of a search at any time."""
    search, known = table.design == "search", labels(table)
    rows = best_arms(table, effects, ROOM) if search else leading(table, effects, settled=False)
    columns = {
        "arm": [known.get(arm, name) for arm, name in comparison_labels(effects, rows).items()],
        **({} if search else {"n": [str(n) for n in rows["n"]]}),
        "validation": [percent(x) for x in rows["val_mean"]],
        "effect": [signed(x) for x in rows["delta"]],
    }
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    note = "" if search else shown_of(table, effects, rows, settled=False)
    return TextTable(list(columns), cells, note=note)


def fenced(text: str) -> str:
    """A text as a block of code, between fences that it does not have itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}toml\n{text.rstrip()}\n{fence}"


def _state(table: StudyTable) -> str:
    where = f" Confirmed in {table.confirmation.name}." if table.confirmation else ""
    return f"{progress_line(table.wanted, counts(table))}.{where}"


def _confirmed(table: StudyTable) -> list[str]:
    """Of a search, what confirms it has found; before its last trial nothing."""
    found = table.confirmation
    if found is None or not all_ended(found):
        return []
    return sentences(table, effects_of(found.trials, found.arms, found.margin))


def _path(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """What a confirmation has chosen, and its path, whose verdicts come after its last trial."""
    if not table.chosen:
        return []
    gain = gains(table.trials, table.arms)
    is_best = gain[table.chosen] == gain.max()
    when = ", as the best of those above" if is_best else " when the path began"
    chosen = f"Chosen{when}: {table.chosen}."
    return ["## The path", _listed([chosen, *lead(table), *path_sentences(table)])]


def _preliminary(table: StudyTable) -> str:
    again = code_span(command("report", table.name))
    return (
        "Preliminary: no verdict before the last trial, for looking again and again finds "
        f"differences by chance. {again} gives one now, and the report counts that look."
    )


def _listed(sentences: list[str]) -> str:
    return "\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences)
