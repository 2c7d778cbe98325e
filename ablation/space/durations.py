"""Durations as people write them: ``90s``, ``30m``, ``1h30m``."""

from __future__ import annotations

import re

FORM = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", re.ASCII)


def seconds_in(text: str) -> float:
    """A duration in seconds: ``90``, ``90s``, ``30m``, ``2h`` or ``1h30m``.

    Raises:
        ValueError: it is written otherwise.
    """
    match = FORM.fullmatch(text)
    if not text or not match:
        raise ValueError("takes a time such as 90s, 30m, 2h or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600.0 * hours + 60 * minutes + seconds
