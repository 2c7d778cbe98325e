"""How to read figures of effects."""

from __future__ import annotations

from ablation.report.analysis import Analysis
from ablation.report.text.settling import about_intervals


def about_effects(study: Analysis) -> str:
    """How to read a forest plot."""
    if study.settling:
        return _about_settled_effects(study)
    comparison = study.table.comparison
    texts = {
        "paired": (
            f"Each arm less what it is compared with, paired by {comparison.of}: the mean with its "
            "95 % interval, and every pair."
        ),
        "folds": (
            f"Each arm less what it is compared with, paired by {comparison.of}: the mean with its "
            "95 % interval, corrected for folds, and every pair."
        ),
        "welch": (
            "Each arm's mean less that of what it is compared with, unpaired: the difference with "
            "its 95 % interval (Welch)."
        ),
        "summaries": (
            "Each arm's mean less that of what it is compared with, unpaired: the difference with "
            "its 95 % interval (Welch, from means, standard deviations and numbers of runs)."
        ),
    }
    return (
        f"{texts[comparison.method]} Better and worse are adjusted for the number of comparisons; "
        "intervals and equivalent are not."
    )


def _about_settled_effects(study: Analysis) -> str:
    lines = [
        "Each arm less what it is compared with, paired by seed, over the seeds of its last look: "
        "the mean with its repeated 95 % interval, and every pair.",
        about_intervals(study.table),
        "Better and worse are adjusted for the number of comparisons, equivalent is not.",
        "What awaits a look has a mean alone." if study.awaiting else "",
    ]
    return " ".join(filter(None, lines))
