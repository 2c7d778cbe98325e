"""Fixtures of the tests of a report's parts."""

from __future__ import annotations

import pytest

from ablation.report.figures import style


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and have their files, but nothing is drawn, which takes the time."""
    monkeypatch.setattr(style, "render", lambda figure: {"svg": b"<svg/>", "png": b""})
