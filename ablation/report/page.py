"""The report as a page and as Markdown: the same content through two templates."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ablation.report.data.study_table import StudyTable, all_epochs, all_trials, provenance
from ablation.report.effects.effects import also_changed, confounds
from ablation.report.effects.progress import counts
from ablation.report.text import tables
from ablation.report.text.answer import findings, first_said, incomplete
from ablation.report.text.headline import headline

if TYPE_CHECKING:  # figures take seconds to import, and a table to paste has none
    from ablation.report.sections.section import Part

DESIGNS = {
    "one-factor": "one factor at a time: the baseline, every level of every factor alone, "
    "and named arms",
    "factorial": "factorial: every level of each factor with every level of the others",
    "search": "search: the baseline and named arms, then what a sampler draws, one training each",
    "confirmation": "confirmation: what a search found best, over fresh seeds",
}
GEOMETRY = {
    "filter_sizes": "filter sizes",
    "strides": "strides",
    "pooling_count": "pooling",
    "conv_layers": "numbers of convolutions",
}


@dataclass(frozen=True)
class Picture:
    """A rendered figure with its words; see ``ablation.report.sections.arms.Plot``.

    Attributes:
        name: of its files, without the suffix.
        section: the part of the report that it belongs to.
        title: what it is, in a few words.
        caption: how to read it.
        width: in inches.
        svg: the drawing.
        png: the drawing.
    """

    name: str
    section: str
    title: str
    caption: str
    width: float
    svg: bytes
    png: bytes

    @property
    def data_uri(self) -> str:
        """The smaller of the two, as an address that needs no file."""
        kind, data = ("svg+xml", self.svg) if len(self.svg) <= len(self.png) else ("png", self.png)
        return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def content(
    table: StudyTable,
    effects: pd.DataFrame,
    contrasts: pd.DataFrame,
    pictures: Sequence[Picture],
    parts: Sequence[Part] = (),
    confirmed: Sequence[Part] = (),
    chosen: Sequence[str] = (),
    search: StudyTable | None = None,
) -> dict[str, Any]:
    """Everything that the templates show: plain text, unescaped, and tables of it.

    Args:
        table: the study; of a search that is confirmed, its confirmation.
        effects: its effects.
        contrasts: its contrasts.
        pictures: all figures.
        parts: what it shows of a search.
        confirmed: what it shows of its confirmation.
        chosen: sentences of that, which the findings begin with.
        search: the search that `table` confirms, where it does.
    """
    whole = replace(search, confirmation=table) if search else table
    stages = _stages(table, search)
    every = replace(table, trials=all_trials(whole), epochs=all_epochs(whole))
    arms = tables.arms_table(table, effects)
    is_cut = len(arms.rows) < len(effects) and table.design != "search"
    return {
        "table": table,
        "design": DESIGNS[table.design],
        "incomplete": incomplete(table),
        "headline": headline(table, effects, contrasts),
        "findings": [*first_said(whole), *chosen, *findings(table, effects, contrasts)],
        "summary": tables.summary_line(
            table, {stage: (part.wanted, counts(part)) for stage, part in stages.items()}
        ),
        "seeds": "; ".join(
            f"{stage} {_numbers(part.seeds)}".strip() for stage, part in stages.items()
        ),
        "pictures": {
            section: [picture for picture in pictures if picture.section == section]
            for section in ("effects", "arms", "history", "factors", "curves", "cost", "confusion")
        },
        "parts": _drawn(parts, pictures),
        "confirmed": _drawn(confirmed, pictures),
        "arms": arms,
        "all_arms": len(effects),
        "every_arm": tables.arms_table(table, effects, effects) if is_cut else None,
        "named": tables.what_arms_are(table, effects),
        "details": tables.details_table(table, effects),
        "reported": tables.reported_table(table, effects),
        "contrasts": tables.contrasts_table(contrasts),
        "every_contrast": tables.contrasts_table(contrasts, len(contrasts)),
        "about_contrasts": tables.about_contrasts(contrasts),
        "failures": tables.failures_table(every),
        "factors": tables.factors_table(table),
        "caveats": caveats(table),
        "confounds": tables.confounds_table(table, effects),
        "also_changed": also_changed(table.arms),
        "about_reported": tables.about_reported(table, effects),
        "provenance": tables.provenance_table(provenance(search or table)),
        "commands": commands(table, search),
    }


def _numbers(seeds: Sequence[int]) -> str:
    """``0, 1, 2``; of many in a row the first and the last: ``0 to 999``."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
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


def caveats(table: StudyTable) -> list[str]:
    """What a reader must not conclude from the study."""
    lines = [
        "Everything here is conditional on what was held fixed (listed below): with other fixed "
        "settings the differences can be others.",
        "Validation accuracy after the last epoch decides.",
    ]
    if len(table.arms) > 1:
        lines[-1] += (
            " The highest of several means is partly luck, so the best arm's own figure is "
            "optimistic."
        )
    lines += _geometry(table)
    is_scored = bool(table.trials["test_accuracy"].notna().any())
    if table.design == "search":
        lines.append(
            "Every setting was trained once, with one seed: differences between trials include "
            "chance."
        )
        if not is_scored:
            lines[-1] += " The test set was not scored, so nothing was chosen by it."
    elif len(table.arms) > 1:
        lines.append(
            "Pairs share a seed, and so the split, the initial values and the batch order. They "
            "cover re-runs on these images; they say nothing about new images."
        )
    if table.design == "confirmation" and not table.chosen:
        lines.append("Test figures are not shown before a setting has been chosen.")
    elif is_scored:
        lines.append("Test figures are shown for the record and chose nothing.")
    if table.arms["reported_test_accuracy"].notna().any():
        lines.append("Reported figures are one run each, published elsewhere; their spread is "
                     "unknown.")  # fmt: skip
    return lines


def _geometry(table: StudyTable) -> list[str]:
    """That settings of the convolutions change more than themselves, where they do."""
    arms, base = table.arms, table.arms.iloc[0]
    found = confounds(arms)
    names, changed = [], set()
    for name, title in GEOMETRY.items():
        if name in table.factors:
            moved = arms.loc[(arms[name] != base[name]) & (arms[name] != ""), "arm"]
            what = set(found.loc[found["arm"].isin(moved), "what"])
            names += [title] if what else []
            changed |= what
    if not names:
        return []
    also = {
        "sequence_length": "how many steps the LSTM sees",
        "parameters": "how large the network is",
    }
    *others, last = names
    subject = f"{', '.join(others)} and {last}" if others else last
    return [
        f"{subject[0].upper()}{subject[1:]} also change "
        f"{' and '.join(text for what, text in also.items() if what in changed)}: such an arm "
        "changes several things at once."
    ]


def commands(table: StudyTable, search: StudyTable | None) -> list[tuple[str, str]]:
    """What to type to go on with the study, with what it does."""
    elsewhere = "trains what is missing, and nothing twice; elsewhere all of it"
    runs = [(f"python study.py {table.command}", f"{elsewhere}, under the same conditions")]
    if search and search.command != table.command:  # each under conditions of its own
        runs = [
            (f"python study.py {search.command} --no-confirm", f"the search: {elsewhere}"),
            (f"python study.py {table.command}", "then what confirms it, likewise"),
        ]
    return [
        *runs,
        (f"python study.py report {table.name}", "builds these files anew from the storage"),
        ("python study.py dashboard", "every trial in the browser"),
    ]


def html(content: dict[str, Any]) -> str:
    """One file that needs no other: figures inside, and a script that only sorts tables."""
    return _page("report.html.j2", content)


def trace_html(content: dict[str, Any]) -> str:
    """The walk through a network, stage by stage: one file as well, whose tables have an order."""
    return _environment("html").get_template("trace.html.j2").render(content)


def _page(template: str, content: dict[str, Any]) -> str:
    """A page that lets the one script run, by its hash, and none that a user might have typed."""
    script = resources.files("ablation.report").joinpath("templates/sort.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    more = {"script": Markup(script), "script_hash": f"sha256-{digest}"}
    return _environment("html").get_template(template).render(content | more)


def markdown(content: dict[str, Any]) -> str:
    """The same story in Markdown, its figures beside it in ``plots/``."""
    return _environment("md").get_template("report.md.j2").render(content)


def markdown_table(text: tables.TextTable) -> str:
    """A table in Markdown, as the report has it."""
    module: Any = _environment("md").get_template("table.md.j2").module
    return str(module.rows(text))


@cache
def _environment(kind: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("ablation.report"),
        autoescape=kind == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = breakable
    environment.filters["md"] = escape_markdown
    environment.filters["code"] = code_span
    return environment


def breakable(text: str) -> Markup:
    """Escaped for HTML; breaks between an arm's settings, not within ``5 %``, ``< 1`` or a mark."""
    whole = re.sub(r"(?<=\d) (?=%)|(?<=^&lt;) (?=\d)| (?=\*$)", "&nbsp;", str(escape(text)))
    return Markup(re.sub(r"\+(?=[A-Za-z_])", "+<wbr>", whole))


def escape_markdown(text: str) -> str:
    """One line of plain text that Markdown shows as it is, in a paragraph or in a table's cell."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]|~$])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^(#+|[+\-]|=+)(?= |$)", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", line)


def code_span(text: str) -> str:
    """The text as code: a fence longer than any run of backticks in it."""
    line = " ".join(str(text).split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"
