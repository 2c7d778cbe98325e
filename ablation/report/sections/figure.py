"""A figure with its words, before and after it is drawn."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure


def file_name(text: str) -> str:
    """A name for a figure's files: ``learning_curves_val-acc`` of ``learning_curves_val/acc``."""
    return re.sub(r"[^\w.=+-]+", "-", text)


@dataclass(frozen=True)
class Picture:
    """A rendered figure with its words; see ``ablation.report.sections.figure.Plot``.

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


@dataclass(frozen=True)
class Plot:
    """A figure, which is drawn when it is wanted, and its words.

    Attributes:
        name: of its files, without the suffix.
        section: the part of the report that it belongs to.
        title: what it is, in a few words.
        caption: how to read it.
        draw: draws it, in any process.
    """

    name: str
    section: str
    title: str
    caption: str
    draw: Callable[[], Figure]
