"""How long properties are tested: briefly and always alike, or for minutes and at random."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

LONGER = int(os.environ.get("CRNN_STUDY_FUZZ", "0"))  # times as many examples, and at random


def examples(count: int, **options: Any) -> settings:
    """Settings for so many examples, or, in the long form, so many times more."""
    return settings(
        derandomize=not LONGER,
        max_examples=count * (LONGER or 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
