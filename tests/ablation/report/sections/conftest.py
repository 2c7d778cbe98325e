"""Fixtures of the tests of a report's parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ablation.report import write
from ablation.report.sections.figure import Picture, Plot


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have their words and their files, but nothing is drawn, which takes the time."""

    def pictures(plots: Iterator[Plot], tell: write.Say) -> Iterator[Picture]:
        for plot in plots:
            words = (plot.name, plot.section, plot.title, plot.caption)
            yield Picture(*words, width=6.4, svg=b"<svg/>", png=b"")

    monkeypatch.setattr(write, "_pictures", pictures)
