"""Which attributes of a study's trials its pages show, and which first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ablation.errors import UserError
from ablation.storage.attributes import is_imported, objective_named

FIRST, THEN = ("arm", "seed", "failure"), ("factor", "level")  # there is room for six
BULKY = ("history", "logged", "confusion", "setting", "traceback", "code")  # fill a page each


def order_of(study: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that come first, and those that are hidden.

    What fills a page is hidden, and before a confirmation has chosen what its trainings scored on
    test data. The score that is the metric's is among the first.

    Args:
        study: its own attributes; of another tool, or of an objective that is not there, nothing is
            known of scores.
    """
    if is_imported(study):
        return ("arm", "seed", "block", "failure", "test_value"), BULKY
    tested, scores = tuple[str, ...](), tuple[str, ...]()
    bulky: tuple[str, ...] = BULKY
    with suppress(UserError):
        objective = objective_named("", study)
        tested = tuple(filter(None, [objective.metric.test]))
        scores = tuple(objective.scores)
        if objective.free_figures:
            scores, bulky = (*scores, "returned"), (*BULKY, "sequence_length", "fused")
    is_choosing = study.get("design") == "confirmation" and "path" not in study
    return (*FIRST, *tested, *THEN), (*bulky, *scores) if is_choosing else bulky
