"""The only writer of a study's folder: tables, figures, reports, provenance.

What it writes is a function of the study alone: no clock, no path and no random number goes in,
so a folder built twice is the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool
from matplotlib.figure import Figure

from ablation.files import write_atomic
from ablation.process.signals import ctrl_c_ignored
from ablation.report import page
from ablation.report.analysis import Analysis
from ablation.report.data.csv_file import csv_text
from ablation.report.data.study_table import (
    StudyTable,
    all_absent,
    all_reports,
    all_trials,
    provenance,
)
from ablation.report.data.trial_frames import as_in_files
from ablation.report.effects.confusion import confusion_by_arm
from ablation.report.figures import style
from ablation.report.rendering.text_table import TextTable
from ablation.report.search.importance import Judge, importance
from ablation.report.sections.arms import gallery, searched
from ablation.report.sections.blocks import FILES as BLOCKS
from ablation.report.sections.blocks import block_parts
from ablation.report.sections.confirmation import FILES as CONFIRMED
from ablation.report.sections.confirmation import confirmed_parts
from ablation.report.sections.figure import Picture, Plot
from ablation.report.sections.search import FILES, parts
from ablation.report.sections.secondary import FILES as SECONDARY
from ablation.report.sections.secondary import secondary_parts
from ablation.report.sections.section import Part
from ablation.report.sections.settling import FILES as LOOKS
from ablation.report.sections.settling import look_parts
from ablation.report.text.answer import answer
from ablation.report.text.blocks import brief_block_table
from ablation.report.text.confirmation import sentences
from ablation.report.text.latex import as_latex
from ablation.report.text.tables.arms import brief_table
from ablation.report.text.tables.secondary import brief_secondary_tables

Say = Callable[[str], None]
Drawing = tuple[float, bytes, bytes]
Draw = Callable[[Callable[[], Figure]], Drawing]
FIGURES_A_PROCESS = 8  # to begin one takes as long as some figures
IDLE_SECONDS = 5  # after which one ends that nobody gives work, as when this process was killed


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        folder: where.
        headline: what to believe, in at most three sentences.
        answer: the whole answer in plain sentences, for the console.
        arms: its table of arms, for the console.
        blocks: that of arms in each block, where there are several.
        secondary: those of figures beside the metric.
        files: every file, in the order of writing.
    """

    folder: Path
    headline: list[str]
    answer: list[str]
    arms: TextTable
    blocks: TextTable | None
    secondary: list[TextTable]
    files: list[Path]


def write_report(
    table: StudyTable,
    folder: Path,
    say: Say | None = None,
    *,
    figures: bool = True,
    jobs: int | None = None,
    judge: Judge = importance,
    draw: Draw | None = None,
) -> Report:
    """Write everything under ``results/<study>/`` that can be told from the study.

    Files of an earlier build that no longer belong (a plot of a factor that went) are removed.

    Args:
        table: the study.
        folder: where to; made if need be.
        say: told what is being done, for a display.
        figures: draw them; else the report has none.
        jobs: in how many processes they are drawn; where there are many, in as many as there are
            CPUs unless given. The files do not depend on it.
        judge: says how much each hyperparameter of a search mattered.
        draw: makes a figure's width in inches, its SVG and its PNG of what draws it.

    Raises:
        OSError: the folder cannot be written.
    """
    tell = say or (lambda text: None)
    tell("computing")
    study = Analysis(table)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    confirmed = [
        *look_parts(study.main.told),
        *block_parts(study.main),
        *secondary_parts(study.main.told),
        *confirmed_parts(study),
    ]
    search_parts = parts(study, judge)
    every = [*confirmed, *search_parts]
    texts = [*_texts(study), *_part_texts(every, table)]
    files = [write_atomic(folder / name, text) for name, text in texts]
    pictures = []
    plots = _plots(study, every) if figures else iter(())
    for picture in _pictures(plots, tell, jobs, draw or drawn):
        pictures.append(picture)
        for suffix, data in (("png", picture.png), ("svg", picture.svg)):
            files.append(write_atomic(folder / "plots" / f"{picture.name}.{suffix}", data))
    tell("writing the report")
    content = page.content(study, pictures, search_parts, confirmed)
    files.append(write_atomic(folder / "report.html", page.html(content)))
    files.append(write_atomic(folder / "report.md", page.markdown(content)))
    _remove_stale(folder, set(files))
    view = study.main.told
    words = answer(view, sentences(study))
    beside = brief_block_table(view), brief_secondary_tables(view)
    return Report(folder, content["headline"], words, brief_table(view), *beside, files)


def _texts(study: Analysis) -> Iterator[tuple[str, str]]:
    table, main, metric = study.table, study.main, study.metric
    absent = all_absent(table)
    trials = table.blocks if len(table.blocks) else all_trials(table)
    yield "trials.csv", csv_text(as_in_files(trials, metric, absent))
    if table.can_continue or len(table.epochs):
        yield "epochs.csv", csv_text(as_in_files(all_reports(table), metric, absent))
    yield "effects.csv", csv_text(as_in_files(main.effects, metric, absent))
    if len(main.contrasts):
        yield "contrasts.csv", csv_text(main.contrasts)
    yield "effects.tex", as_latex(main)
    if len(main.table.confusion):
        yield "confusion.csv", csv_text(confusion_by_arm(main.table.confusion))
    if table.space_text:
        yield "space.toml", table.space_text
    environment = json.dumps(provenance(table), indent=2, ensure_ascii=False, default=str)
    yield "environment.json", environment + "\n"


def _part_texts(every: Sequence[Part], table: StudyTable) -> Iterator[tuple[str, str]]:
    for part in every:
        for name, rows in part.files.items():
            yield name, csv_text(as_in_files(rows, table.metric, all_absent(table)))


def _plots(study: Analysis, every: Sequence[Part]) -> Iterator[Plot]:
    yield from gallery(study.main.told)
    if study.confirmation:
        yield from searched(study)
    for part in every:
        yield from part.plots()


def _pictures(plots: Iterator[Plot], tell: Say, jobs: int | None, draw: Draw) -> Iterator[Picture]:
    """The figures as they are drawn, several at a time where there are many and CPUs for them."""
    tell("drawing")
    every = list(plots)
    jobs = jobs or max(1, min(cpu_count(), len(every) // FIGURES_A_PROCESS))
    made = _side_by_side(every, jobs, draw) if jobs > 1 else (draw(plot.draw) for plot in every)
    for plot, (width, svg, png) in zip(every, made, strict=True):
        tell(f"drawing {plot.name}")
        words = (plot.name, plot.section, plot.title, plot.caption)
        yield Picture(*words, width=width, svg=svg, png=png)


def _side_by_side(plots: Sequence[Plot], jobs: int, draw: Draw) -> Iterator[Drawing]:
    """The figures, drawn in several processes; where one of these is killed, the rest in this."""
    done = 0
    try:
        with ctrl_c_ignored():  # by the processes, for good: Ctrl-C ends them through this one
            parallel = Parallel(jobs, return_as="generator", idle_worker_timeout=IDLE_SECONDS)
            made = parallel(delayed(draw)(plot.draw) for plot in plots)
        for drawing in made:
            done += 1
            yield drawing
    except BrokenProcessPool:
        yield from (draw(plot.draw) for plot in plots[done:])


def drawn(draw: Callable[[], Figure]) -> Drawing:
    """A figure's width in inches and its bytes; it is let go of: many of them take much memory."""
    figure = draw()
    files = style.render(figure)
    return figure.get_figwidth(), files["svg"], files["png"]


def _remove_stale(folder: Path, kept: set[Path]) -> None:
    """Remove what only an earlier build could have written."""
    names = (
        "confusion.csv",
        "contrasts.csv",
        "epochs.csv",
        "space.toml",
        *BLOCKS,
        *FILES,
        *CONFIRMED,
        *SECONDARY,
        *LOOKS,
    )
    earlier = [folder / name for name in names]
    earlier += [*(folder / "plots").glob("*.png"), *(folder / "plots").glob("*.svg")]
    for path in earlier:
        if path not in kept:
            path.unlink(missing_ok=True)
