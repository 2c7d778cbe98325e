"""What `status` shows, as plain data: how far studies are, and what failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from optuna.storages import RDBStorage

from crnn.ablation.attributes import checked_trials
from crnn.ablation.folders import is_name
from crnn.ablation.record import Record, load_record, own_studies
from crnn.ablation.storage import TrialRow, may_be_running

KEYS = ("arm", "seed", "digest", "failure", "duplicate_of")
STATES = ("complete", "stopped", "running", "waiting", "failed")  # stopped: by a pruner


def studies(storage: RDBStorage) -> list[dict[str, Any]]:
    """Every study of this program: its name, design, trials wanted, and their states."""
    rows = []
    for name in own_studies(storage):
        record = load_record(storage, name)
        counts = Counter(state for _, state, _ in _trials(storage, name, record))
        rows.append(
            {
                "study": name,
                "design": record.plan.space.design,
                "wanted": record.wanted,
                **_counted(counts, record.wanted),
            }
        )
    return rows


def status(storage: RDBStorage, study: str) -> dict[str, Any]:
    """One study: counts, counts by arm, and each failure with its reason.

    Raises:
        StorageError: there is no such study.
    """
    record = load_record(storage, study)
    trials = _trials(storage, study, record)
    failures = [
        {"number": row.number, "arm": arm, "seed": row.attributes.get("seed"),
         "reason": row.attributes.get("failure", "")}
        for arm, state, row in trials
        if state == "failed"
    ]  # fmt: skip
    return {
        "study": study,
        "design": record.plan.space.design,
        "wanted": record.wanted,
        **_counted(Counter(state for _, state, _ in trials), record.wanted),
        "arms": _by_arm(record, trials),
        "failures": failures,
    }


def _by_arm(record: Record, trials: list[tuple[str, str, TrialRow]]) -> list[dict[str, Any]]:
    names = dict.fromkeys([*(a.name for a in record.plan.arms), *(arm for arm, _, _ in trials)])
    replicates = [replicate for stage in record.stages for replicate in stage.replicates()]
    each = Counter(replicate.arm.name for replicate in replicates)
    names |= dict.fromkeys(each)
    rows = []
    for name in names:
        counts = Counter(state for arm, state, _ in trials if arm == name)
        wanted = sum(counts.values()) if record.trials else each[name]
        rows.append({"arm": name, **_counted(counts, wanted)})
    return rows


def _counted(counts: Counter[str], wanted: int) -> dict[str, int]:
    waiting = max(0, wanted - sum(counts[state] for state in STATES if state != "waiting"))
    return {state: waiting if state == "waiting" else counts[state] for state in STATES}


def _trials(storage: RDBStorage, study: str, record: Record) -> list[tuple[str, str, TrialRow]]:
    """Arm, state and row of each trial that counts: the latest of each replicate."""
    rows = [row for row in checked_trials(storage, study, KEYS) if "arm" in row.attributes]
    search = record.plan.space.search
    if search and search.duplicates == "redraw":  # another is drawn in the place of each
        rows = [row for row in rows if "duplicate_of" not in row.attributes]
    if not record.trials:
        rows = list({(r.attributes["digest"], r.attributes["seed"]): r for r in rows}.values())
    names = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}
    alive = runs(storage, study)
    names |= {"RUNNING": "running" if alive else "waiting", "WAITING": "waiting"}
    return [(row.attributes["arm"], names[row.state], row) for row in rows]


def runs(storage: RDBStorage, study: str) -> bool:
    """Whether a coordinator may hold the study; none has one of a name that `run` refuses."""
    return is_name(study) and may_be_running(storage, study)
