"""How far a study is: what has ended, and how."""

from __future__ import annotations

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.health import is_diverged
from ablation.report.effects.replicates import ends, replicate_keys, replicates, trained


def all_ended(table: StudyTable) -> bool:
    """Whether each trial that the study wants has finished or failed.

    Where looks are declared, the last one that was needed has been taken, too.
    """
    if table.settling:
        return table.settling.is_over
    if table.design == "search":
        tally = counts(table)
        ended = tally["finished"] + tally.get("diverged", 0) + tally.get("failed", 0)
        return ended >= table.wanted
    return len(replicate_keys(table.trials, "COMPLETE", "FAIL")) >= table.wanted


def counts(table: StudyTable) -> dict[str, int]:
    """Trials by what became of them, the empty kinds left out but for ``finished``.

    ``finished`` are complete trials and, in a search, those that its pruner stopped after an
    epoch at least; a trial that was pruned before any was a draw that cannot exist. What was drawn
    again and not trained is among them only where the search lets it count. What diverged has
    ended too, under its own name.
    """
    trials = table.blocks if len(table.blocks) else table.trials
    state, begun = ends(trials), trained(trials, table.epochs)
    stopped = int(((state == "PRUNED") & begun).sum())
    kinds = {
        "stopped early": stopped,
        "diverged": int(is_diverged(trials).sum()),
        "failed": int((state == "FAIL").sum()),
        "under way or cut off": int((state == "RUNNING").sum()),
        "infeasible": int(((state == "PRUNED") & ~begun).sum()),
    }
    finished = int((state == "COMPLETE").sum()) + stopped
    if again := int((trials["duplicate_of"].notna() & begun).sum()):
        kinds["drawn again"] = again
        finished -= 0 if table.reuses else again
    return {"finished": finished} | {kind: number for kind, number in kinds.items() if number}


def progress_text(path: StudyTable) -> str:
    """How far a path is whose trainings have not all ended; else empty."""
    done = len(replicates(path.trials))
    return "" if all_ended(path) else f"{done} of {path.wanted} trainings have finished"


def failed(path: StudyTable) -> int:
    """How many of a path's trainings have failed, and not been made good since.

    One that diverged has ended: it would diverge again.
    """
    trials = path.trials[~is_diverged(path.trials)]
    return len(replicate_keys(trials, "FAIL") - replicate_keys(trials, "COMPLETE"))
