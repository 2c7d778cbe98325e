"""How a history becomes a figure: what ``--reduce`` says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ablation.runs.columns import names as known
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons


@dataclass(frozen=True)
class Reduction:
    """How a history becomes a figure: ``last``, ``mean`` of the last so many, or ``best``."""

    kind: str = "last"
    count: int = 1


def read_reduction(options: Options, metric: str, reasons: Reasons) -> Reduction:
    """What ``--reduce`` says."""
    text = options.reduce
    if text in ("last", "best"):
        if text == "best" and known.words_of(metric) & known.TESTING:
            reasons.add(
                f"--reduce best: {metric} is a figure on test data, and its best epoch would be "
                "chosen on these: --reduce last, or a figure on validation data",
                reduce="last",
            )
        return Reduction(text)
    if match := re.fullmatch(r"mean:([1-9]\d{0,5})", text):
        return Reduction("mean", int(match[1]))
    reasons.add(f"--reduce {text}: takes last, mean:K (K epochs, from 1 on) or best")
    return Reduction()
