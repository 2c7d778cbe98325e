"""The report as a page and as Markdown: the same content through two templates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ablation.program import command
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable, all_epochs, all_trials, provenance
from ablation.report.effects.arms import also_changed
from ablation.report.effects.progress import counts
from ablation.report.rendering.templating import environment
from ablation.report.sections.figure import Picture
from ablation.report.text.answer import findings, incomplete
from ablation.report.text.cautions import cautions
from ablation.report.text.caveats import caveats, design_text
from ablation.report.text.confirmation import sentences
from ablation.report.text.headline import headline
from ablation.report.text.tables import arms as arm_tables
from ablation.report.text.tables import contrasts as contrast_tables
from ablation.report.text.tables import details
from ablation.report.text.tables import study as study_tables

if TYPE_CHECKING:  # figures take seconds to import, and a table to paste has none
    from ablation.report.sections.section import Part


def content(
    whole: Analysis,
    pictures: Sequence[Picture],
    parts: Sequence[Part] = (),
    confirmed: Sequence[Part] = (),
) -> dict[str, Any]:
    """Everything that the templates show: plain text, unescaped, and tables of it.

    Args:
        whole: the study; of a search with what confirms it.
        pictures: all figures.
        parts: what it shows of a search.
        confirmed: what it shows of its confirmation.
    """
    study, search = whole.main.told, whole.table if whole.confirmation else None
    table = study.table
    stages = _stages(table, search)
    runs = table.blocks if len(table.blocks) else all_trials(whole.table)
    every = replace(table, trials=runs, epochs=all_epochs(whole.table))
    every_stage = [*([whole] if search else []), *study.stages]
    first = list(dict.fromkeys(line for stage in every_stage for line in cautions(stage)))
    return {
        "table": replace(table, name=whole.table.name),
        "design": design_text(table),
        "incomplete": incomplete(table),
        "headline": headline(study),
        "findings": [*first, *sentences(whole), *findings(study)],
        "summary": study_tables.summary_line(
            table, {stage: (part.wanted, counts(part)) for stage, part in stages.items()}
        ),
        "seeds": _seeds(stages),
        "pictures": {
            section: [picture for picture in pictures if picture.section == section]
            for section in ("effects", "arms", "history", "factors", "curves", "cost", "confusion")
        },
        "parts": _drawn(parts, pictures),
        "confirmed": _drawn(confirmed, pictures),
        **_about_arms(study),
        "repeated": "repeated " if study.settling else "",
        "all_finished": (
            "Every trial that was started has finished."
            if table.can_continue
            else "Every run counts."
        ),
        "failures": study_tables.failures_table(every),
        "factors": study_tables.factors_table(table),
        "caveats": caveats(table),
        "provenance": study_tables.provenance_table(provenance(whole.table)),
        "commands": commands(whole.table),
    }


def _about_arms(study: Analysis) -> dict[str, Any]:
    """What the templates show of the arms and of what combines them."""
    effects, arms = study.effects, arm_tables.arms_table(study)
    is_cut = len(arms.rows) < len(effects) and study.table.design != "search"
    return {
        "arms": arms,
        "all_arms": len(effects),
        "every_arm": arm_tables.arms_table(study, effects) if is_cut else None,
        "named": arm_tables.what_arms_are(study),
        "details": details.details_table(study),
        "about_details": details.about_details(study),
        "reported": arm_tables.reported_table(study),
        "contrasts": contrast_tables.contrasts_table(study),
        "every_contrast": contrast_tables.contrasts_table(study, len(study.contrasts)),
        "about_contrasts": contrast_tables.about_contrasts(study),
        "confounds": study_tables.confounds_table(study),
        "also_changed": also_changed(study.table),
        "about_reported": arm_tables.about_reported(effects),
    }


def _seeds(stages: dict[str, StudyTable]) -> str:
    """The seeds of each stage, a sentence; of runs that were trained elsewhere what pairs them."""
    table = next(iter(stages.values()))
    if not table.knows_trainings:
        of = table.comparison.of
        return f"Paired by {of}: {_numbers(table.seeds)}." if table.seeds else ""
    by_stage = [f"{stage} {_numbers(part.seeds)}".strip() for stage, part in stages.items()]
    return f"Seeds: {'; '.join(by_stage)}."


def _numbers(seeds: Sequence[int | str]) -> str:
    """``0, 1, 2``; of many in a row the first and the last: ``0 to 999``."""
    runs: list[list[int | str]] = []
    for seed in seeds:
        if runs and isinstance(seed, int) and runs[-1][-1] == seed - 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    shown = [
        [f"{run[0]} to {run[-1]} ({len(run):,})"] if len(run) > 20 else map(str, run)
        for run in runs
    ]
    return ", ".join(chain.from_iterable(shown))


def _stages(table: StudyTable, search: StudyTable | None) -> dict[str, StudyTable]:
    """The parts of a study by their stage, which has no name where it is the only one."""
    stages = {"": table} if search is None else {"search": search, "confirmation": table}
    return stages if table.path is None else {**stages, "path": table.path}


def _drawn(parts: Sequence[Part], pictures: Sequence[Picture]) -> list[tuple[Part, list[Picture]]]:
    """Each part with its figures."""
    return [(part, [p for p in pictures if p.section == part.name]) for part in parts]


def commands(table: StudyTable) -> list[tuple[str, str]]:
    """What to type to go on with the study, with what it does."""
    if not table.can_continue:
        again = "analyses the same files again; with more rows that is another look"
        runs = [(command(table.command), again)] if table.environment["files"] else []
        return [*runs, *_of_any_study(table)]
    elsewhere = "trains what is missing, and nothing twice; elsewhere all of it"
    last = table.confirmation or table
    runs = [(command(last.command), f"{elsewhere}, under the same conditions")]
    if last.command != table.command:  # each under conditions of its own
        runs = [
            (command(table.command, "--no-confirm"), f"the search: {elsewhere}"),
            (command(last.command), "then what confirms it, likewise"),
        ]
    return [*runs, *_of_any_study(table)]


def _of_any_study(table: StudyTable) -> list[tuple[str, str]]:
    return [
        (command("report", table.name), "builds these files anew from the storage"),
        (command("dashboard"), "every trial in the browser"),
    ]


def html(content: dict[str, Any]) -> str:
    """One file that needs no other: figures inside, and a script that only sorts tables."""
    return _page("report.html.j2", content)


def _page(template: str, content: dict[str, Any]) -> str:
    """A page that lets the one script run, by its hash, and none that a user might have typed."""
    script = resources.files("ablation.report").joinpath("templates/sort.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    more = {"script": Markup(script), "script_hash": f"sha256-{digest}"}
    return environment("html").get_template(template).render(content | more)


def markdown(content: dict[str, Any]) -> str:
    """The same story in Markdown, its figures beside it in ``plots/``."""
    return environment("md").get_template("report.md.j2").render(content)
