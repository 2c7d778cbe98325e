"""Text in HTML and Markdown, escaped; the templates."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ablation.report.rendering.text_table import TextTable


@cache
def environment(kind: str, package: str = "") -> Environment:
    """The templates of the report.

    Args:
        kind: ``html``, which escapes by itself, or ``md``.
        package: whose own templates are there, too.
    """
    loaders = [PackageLoader("ablation.report")]
    loaders += [PackageLoader(package, "")] if package else []
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=kind == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["breakable"] = breakable
    made.filters["md"] = escape_markdown
    made.filters["code"] = code_span
    return made


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


def markdown_table(text: TextTable) -> str:
    """A table in Markdown, as the report has it."""
    module: Any = environment("md").get_template("table.md.j2").module
    return str(module.rows(text))
