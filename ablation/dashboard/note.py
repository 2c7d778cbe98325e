"""A study's note in optuna-dashboard: the question, the answer so far, the space. Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from ablation.program import command
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable, all_epochs, all_trials
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import is_first
from ablation.report.effects.gains import by_gain
from ablation.report.effects.progress import all_ended, counts
from ablation.report.rendering.templating import code_span, escape_markdown, markdown_table
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.answer import answer
from ablation.report.text.caveats import design_text
from ablation.report.text.confirmation import lead, path_sentences, sentences
from ablation.report.text.headline import headline
from ablation.report.text.settling import awaits
from ablation.report.text.tables.arms import brief_table, brief_title
from ablation.report.text.tables.study import failures_table, progress_line

ROOM = 10  # arms of a search beside the baseline
OURS = "*Kept up to date while the study runs. Take this line out to keep a note of your own.*"
"""A line of each note: one without it is somebody else's."""


def note(study: Analysis) -> str:
    """The note.

    As long as trials of a design lack it has means and effects, and neither verdicts nor
    intervals: it is rewritten as trials end, and whoever could look at a test after each of them
    would find differences by chance. A search has no tests, so its best is always told.

    Args:
        study: the study, as people are `told` of it.
    """
    table = study.table
    search, done = table.design == "search", all_ended(table)
    own = replace(table, confirmation=None)
    trials = all_trials(own)
    trials = trials[trials["state"].isin(["COMPLETE", "FAIL"])]
    failures = failures_table(replace(own, trials=trials, epochs=all_epochs(own)))
    tested = done and not search
    looked = table.settling is not None and bool(table.settling.taken)
    tested = tested or looked
    shown = brief_table(study) if tested else _means(study)
    parts = [
        f"**{escape_markdown(table.question)}**",
        escape_markdown(f"{_state(table)} Design: {design_text(table)}."),
        OURS,
        "## The answer" + ("" if done else " so far"),
        *(_answer(study) if done or search or looked else [_preliminary(table)]),
        markdown_table(shown).strip(),
        _listed(shown.note.splitlines()),
        *_path(study),
        *(["## What failed", markdown_table(failures).strip()] if failures.rows else []),
    ]
    space = ["## The space", fenced(table.space_text)] if table.space_text else _files(table)
    return "\n\n".join([*map(_with_gaps, filter(None, parts)), *space]) + "\n"


def _files(table: StudyTable) -> list[str]:
    """What runs that were trained elsewhere were read from."""
    lines = [f"{name}, SHA-256 {digest}" for name, digest in table.environment["files"].items()]
    again = [code_span(command(table.command))] if lines else []
    return ["## The files", _listed(lines), *again] if lines else []


def _answer(study: Analysis) -> list[str]:
    """What to believe, then all that was found."""
    confirmed = _confirmed(study)
    first = headline(study.main if confirmed else study)
    bold = [f"**{escape_markdown(sentence)}**" for sentence in first]
    return [*bold, _listed(answer(study, confirmed))]


def _with_gaps(text: str) -> str:
    """Between the settings of a drawn arm's name, blanks to break the line at: there are none."""
    return re.sub(r"(?<=\S)\\?\+(?=[a-z\\_]+\d*=)", " + ", text)


def best_arms(study: Analysis, room: int) -> pd.DataFrame:
    """The effects of the baseline and of the other arms with the `room` largest gains over it."""
    effects = study.effects
    others = by_gain(effects[~is_first(effects)], study.gains)
    return pd.concat([effects[is_first(effects)], others.head(room)])


def _means(study: Analysis) -> TextTable:
    """What may be shown of a design before its last trial, and of a search at any time."""
    search, known, metric = study.table.design == "search", study.labels, study.metric
    rows = best_arms(study, ROOM) if search else study.leading(settled=False)
    names = comparison_labels(study.effects, rows)
    columns = {
        "arm": [known.get(arm, name) for arm, name in names.items()],
        **({} if search else {"n": [str(n) for n in rows["n"]]}),
        brief_title(metric): [metric.value(x) for x in rows["val_mean"]],
        "effect": [metric.signed(x) for x in rows["delta"]],
    }
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    note = "" if search else study.shown_of(rows, settled=False)
    return TextTable(list(columns), cells, note=note)


def fenced(text: str) -> str:
    """A text as a block of code, between fences that it does not have itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}toml\n{text.rstrip()}\n{fence}"


def _state(table: StudyTable) -> str:
    where = f" Confirmed in {table.confirmation.name}." if table.confirmation else ""
    done = progress_line(table.wanted, counts(table), is_most=table.awaits_look)
    return f"{done}.{where}"


def _confirmed(study: Analysis) -> list[str]:
    """Of a search, what confirms it has found; before its last trial nothing."""
    main = study.confirmation
    return sentences(study) if main and all_ended(main.table) else []


def _path(study: Analysis) -> list[str]:
    """What a confirmation has chosen, and its path, whose verdicts come after its last trial."""
    best = study.table.chosen
    if not best:
        return []
    is_best = study.gains[best] == study.gains.max()
    when = ", as the best of those above" if is_best else " when the path began"
    chosen = f"Chosen{when}: {best}."
    return ["## The path", _listed([chosen, *lead(study), *path_sentences(study)])]


def _preliminary(table: StudyTable) -> str:
    if waits := awaits(table):
        return waits
    again = code_span(command("report", table.name))
    return (
        "Preliminary: no verdict before the last trial, for looking again and again finds "
        f"differences by chance. {again} gives one now, and the report counts that look."
    )


def _listed(sentences: list[str]) -> str:
    return "\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences)
