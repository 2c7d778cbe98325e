"""The only writer of a study's folder: tables, figures, reports, provenance.

What it writes is a function of the study alone: no clock, no path and no random number goes in,
so a folder built twice is the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ablation.files import write_atomic
from ablation.report import page
from ablation.report.data.csv_file import csv_text
from ablation.report.data.study_table import StudyTable, all_epochs, all_trials, provenance
from ablation.report.effects.arm_names import with_short_names
from ablation.report.effects.confusion import confusion_by_arm
from ablation.report.effects.contrasts import contrasts as contrasts_of
from ablation.report.effects.effects import effects as effects_of
from ablation.report.figures import style
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.arms import gallery, searched
from ablation.report.sections.confirmation import FILES as CONFIRMED
from ablation.report.sections.confirmation import confirmed_parts
from ablation.report.sections.figure import Picture, Plot
from ablation.report.sections.search import FILES, parts
from ablation.report.sections.section import Part
from ablation.report.text.answer import answer
from ablation.report.text.confirmation import sentences
from ablation.report.text.latex import as_latex
from ablation.report.text.tables import brief_table

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        folder: where.
        headline: what to believe, in at most three sentences.
        answer: the whole answer in plain sentences, for the console.
        arms: its table of arms, for the console.
        files: every file, in the order of writing.
    """

    folder: Path
    headline: list[str]
    answer: list[str]
    arms: TextTable
    files: list[Path]


def write_report(
    table: StudyTable, folder: Path, say: Say | None = None, *, figures: bool = True
) -> Report:
    """Write everything under ``results/<study>/`` that can be told from the study.

    Files of an earlier build that no longer belong (a plot of a factor that went) are removed.

    Args:
        table: the study.
        folder: where to; made if need be.
        say: told what is being done, for a display.
        figures: draw them; else the report has none.

    Raises:
        OSError: the folder cannot be written.
    """
    tell = say or (lambda text: None)
    tell("computing")
    main = table
    if table.confirmation:  # what the verdicts rest on
        notes = list(dict.fromkeys([*table.confirmation.notes, *table.notes]))
        main = replace(table.confirmation, notes=notes)
    effects = effects_of(main.trials, main.arms, main.margin)
    contrasts = contrasts_of(main.trials, main.arms, main.design, list(main.factors))
    told, rows = with_short_names(main, effects)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    confirmed, found = confirmed_parts(table, effects), parts(table)
    every = [*confirmed, *found]
    texts = [*_texts(table, main, effects, contrasts), *_part_texts(every)]
    files = [write_atomic(folder / name, text) for name, text in texts]
    pictures = []
    plots = _plots(table, told, rows, every) if figures else iter(())
    for picture in _pictures(plots, tell):
        pictures.append(picture)
        for suffix, data in (("png", picture.png), ("svg", picture.svg)):
            files.append(write_atomic(folder / "plots" / f"{picture.name}.{suffix}", data))
    tell("writing the report")
    said = sentences(table, effects)
    shown = replace(told, name=table.name)
    search = table if table.confirmation else None
    content = page.content(shown, rows, contrasts, pictures, found, confirmed, said, search)
    files.append(write_atomic(folder / "report.html", page.html(content)))
    files.append(write_atomic(folder / "report.md", page.markdown(content)))
    _remove_stale(folder, set(files))
    words = answer(told, rows, contrasts, said)
    return Report(folder, content["headline"], words, brief_table(told, rows), files)


def _texts(
    table: StudyTable, main: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    yield "trials.csv", csv_text(all_trials(table))
    yield "epochs.csv", csv_text(all_epochs(table))
    yield "effects.csv", csv_text(effects)
    if len(contrasts):
        yield "contrasts.csv", csv_text(contrasts)
    yield "effects.tex", as_latex(main, effects)
    if len(main.confusion):
        yield "confusion.csv", csv_text(confusion_by_arm(main.confusion))
    yield "space.toml", table.space_text
    environment = json.dumps(provenance(table), indent=2, ensure_ascii=False, default=str)
    yield "environment.json", environment + "\n"


def _part_texts(found: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for part in found:
        for name, rows in part.files.items():
            yield name, csv_text(rows)


def _plots(
    table: StudyTable, main: StudyTable, effects: pd.DataFrame, every: Sequence[Part]
) -> Iterator[Plot]:
    yield from gallery(main, effects)
    if table.confirmation:
        yield from searched(table, effects_of(table.trials, table.arms, table.margin))
    for part in every:
        yield from part.plots()


def _pictures(plots: Iterator[Plot], tell: Say) -> Iterator[Picture]:
    """Each figure drawn, and let go of before the next: a page of them takes much memory."""
    tell("drawing")
    for plot in plots:
        tell(f"drawing {plot.name}")
        drawn = style.render(plot.figure)
        width = plot.figure.get_figwidth()
        words = (plot.name, plot.section, plot.title, plot.caption)
        yield Picture(*words, width=width, svg=drawn["svg"], png=drawn["png"])


def _remove_stale(folder: Path, kept: set[Path]) -> None:
    """Remove what only an earlier build could have written."""
    earlier = [folder / name for name in ("confusion.csv", "contrasts.csv", *FILES, *CONFIRMED)]
    earlier += [*(folder / "plots").glob("*.png"), *(folder / "plots").glob("*.svg")]
    for path in earlier:
        if path not in kept:
            path.unlink(missing_ok=True)
