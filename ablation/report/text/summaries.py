"""What verdicts from summaries hang on: which standard deviation was written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ablation.report.analysis import Analysis
from ablation.report.rendering.formatting import listed, records


def otherwise_spread(study: Analysis) -> Iterable[str]:
    """The verdicts that would change if standard deviations were numpy's, which divide by n.

    They are then too small by √((n-1)/n) for the tests, which take those that divide by n - 1.
    """
    table = study.table
    if table.comparison.method != "summaries":
        return
    changed = _changed(study, _with_larger_spread(study))
    if changed:
        yield (
            "Sensitivity, not a verdict: if the standard deviations are numpy's (ddof=0, divided "
            f"by n, not n − 1), {listed(changed)}."
        )


def _with_larger_spread(study: Analysis) -> Analysis:
    table = study.table
    frames = {}
    for name in ("trials", "blocks"):
        rows = getattr(table, name)
        if len(rows):
            n = rows["n"].astype(float)
            factor = np.sqrt(n / (n - 1).where(n > 1))
            frames[name] = rows.assign(sd=rows["sd"] * factor)
    return Analysis(replace(table, **frames))


def _changed(now: Analysis, then: Analysis) -> list[str]:
    keys = ["block", "arm"] if len(now.table.blocks) else ["arm"]
    before, after = (
        study.block_effects if len(study.table.blocks) else study.effects for study in (now, then)
    )
    both = before.merge(after, on=keys, suffixes=("", "_then"))
    other = both[both["verdict"] != both["verdict_then"]]
    return [
        f"{' on '.join(str(row[key]) for key in reversed(keys))} would be {row['verdict_then']} "
        f"instead of {row['verdict']}"
        for row in records(other)
    ]
