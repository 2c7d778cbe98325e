"""What `status` shows, as plain data: how far studies are, and what failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from optuna.storages import RDBStorage

from ablation.folders import is_name
from ablation.storage import Holder, TrialRow, holder, study_attributes
from ablation.storage.attributes import (
    IMPORTED,
    checked_trials,
    diverged_epoch,
    is_imported,
    is_ours,
)
from ablation.storage.imported import checked_imported, checked_runs
from ablation.storage.record import Record, load_record
from ablation.storage.studies import can_be, own_studies

ENQUEUED = "(enqueued)"  # in place of an arm, of values that no arm can have
KEYS = ("arm", "stage", "seed", "digest", "failure", "duplicate_of", "diverged")
STATES = ("complete", "stopped", "running", "waiting", "diverged", "failed")
"""What a trial may be; ``stopped`` by a pruner, ``diverged`` where its loss was not finite."""


def studies(storage: RDBStorage) -> list[dict[str, Any]]:
    """Every study of this program: its name, design, trials wanted, and their states."""
    rows = []
    for name in own_studies(storage):
        if is_imported(study_attributes(storage, name)):
            content = _imported(storage, name)
            rows.append({key: content[key] for key in ("study", "design", "wanted", *STATES)})
            continue
        record = load_record(storage, name)
        trials = _trials(storage, name, record, runs(storage, name))
        counts = Counter(state for _, state, _ in trials)
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
    """One study: counts, counts by arm, each divergence with its epoch, each failure's reason.

    Raises:
        StorageError: there is no such study.
    """
    if is_imported(study_attributes(storage, study) if can_be(study) else {}):
        return _imported(storage, study)
    record = load_record(storage, study)
    by = runs(storage, study)
    trials = _trials(storage, study, record, by)
    failures = [
        {"number": row.number, "arm": arm, "seed": row.attributes.get("seed"),
         "reason": row.attributes.get("failure", "")}
        for arm, state, row in trials
        if state == "failed"
    ]  # fmt: skip
    diverged = [
        {"number": row.number, "arm": arm, "seed": row.attributes.get("seed"),
         "epoch": diverged_epoch(row.attributes)}
        for arm, state, row in trials
        if state == "diverged"
    ]  # fmt: skip
    return {
        "study": study,
        "design": record.plan.space.design,
        "wanted": record.wanted,
        **_counted(Counter(state for _, state, _ in trials), record.wanted),
        "settling": _settling(record, trials),
        "holder": by and {"name": by.name, "certain": by.certain},
        "arms": _by_arm(record, trials),
        "divergences": diverged,
        "failures": failures,
    }


def _settling(record: Record, trials: list[tuple[str, str, TrialRow]]) -> dict[str, Any] | None:
    """How far the looks are that the study declares; of a confirmation with a path the path's."""
    stages = [stage for stage in record.stages if stage.settling]
    if not stages:
        return None
    stage = next((each for each in stages if each.settling and not each.settling.is_over), None)
    settling = (stage or stages[-1]).settling
    assert settling is not None
    ended = {
        (row.attributes["digest"], row.attributes["seed"])
        for _, state, row in trials
        if state in ("complete", "diverged", "failed") and "digest" in row.attributes
    }
    due = stage.due() if stage else []
    return {
        "looks": list(settling.all_looks),
        "taken": len(settling.taken),
        "open": len(settling.active),
        "comparisons": len(settling.family),
        "most": settling.most,
        "waits_for": sum(replicate.identity not in ended for replicate in due),
        "text": settling.text,
    }


def _imported(storage: RDBStorage, study: str) -> dict[str, Any]:
    """The same of runs that were trained elsewhere, which have all ended."""
    stored = checked_imported(study, study_attributes(storage, study))
    trials = checked_runs(storage, study, stored)
    states = [(run.arm, "complete" if row.state == "COMPLETE" else "failed") for row, run in trials]
    by_arm = {
        arm.arm: Counter(state for name, state in states if name == arm.arm) for arm in stored.arms
    }
    failures = [
        {
            "number": row.number,
            "arm": run.arm,
            "block": run.block,
            "of": stored.comparison.of,
            "seed": run.seed,
            "reason": run.failure,
        }
        for row, run in trials
        if row.state != "COMPLETE"
    ]
    return {
        "study": study,
        "design": IMPORTED,
        "wanted": len(trials),
        **_counted(Counter(state for _, state in states), len(trials)),
        "settling": None,
        "holder": None,
        "arms": [{"arm": arm, **_counted(own, own.total())} for arm, own in by_arm.items()],
        "divergences": [],
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


def _trials(
    storage: RDBStorage, study: str, record: Record, by: Holder | None
) -> list[tuple[str, str, TrialRow]]:
    """Arm, state and row of each trial that counts: the latest of each replicate."""
    rows = [row for row in _rows(storage, study) if _is_counted(row, record)]
    search = record.plan.space.search
    if search and search.duplicates == "redraw":  # another is drawn in the place of each
        rows = [row for row in rows if "duplicate_of" not in row.attributes]
    if not record.trials:
        rows = list({(r.attributes["digest"], r.attributes["seed"]): r for r in rows}.values())
    arms = _arm_names(record, [row for row in rows if "arm" in row.attributes])
    names = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}
    names |= {"RUNNING": "running" if by else "waiting", "WAITING": "waiting"}
    return [(_arm_of(row, arms), _state(row, names), row) for row in rows]


def _arm_of(row: TrialRow, arms: dict[str, str]) -> str:
    return arms[row.attributes["digest"]] if "arm" in row.attributes else ENQUEUED


def _state(row: TrialRow, names: dict[str, str]) -> str:
    return "diverged" if diverged_epoch(row.attributes) else names[row.state]


def _is_counted(row: TrialRow, record: Record) -> bool:
    """Whether a trial is the study's and no infeasible draw; what was enqueued wrongly failed."""
    ours = is_ours(row.attributes, is_search=bool(record.trials))
    return ours and ("arm" in row.attributes or row.state == "FAIL")


def _rows(storage: RDBStorage, study: str) -> list[TrialRow]:
    """The study's trials. Where an earlier version noted no epoch, the history has it."""
    rows = checked_trials(storage, study, KEYS)
    old = [r for r in rows if "diverged" not in r.attributes and diverged_epoch(r.attributes)]
    return checked_trials(storage, study, (*KEYS, "history")) if old else rows


def _arm_names(record: Record, rows: list[TrialRow]) -> dict[str, str]:
    """By digest, the name of the arm; of two settings of one name the later has its number, too."""
    names = {arm.setting.digest: arm.name for stage in record.stages for arm in stage.arms}
    taken = set(names.values())
    for row in rows:
        arm, digest = row.attributes["arm"], row.attributes["digest"]
        if digest not in names:
            names[digest] = f"{arm} (#{row.number})" if arm in taken else arm
            taken.add(names[digest])
    return names


def runs(storage: RDBStorage, study: str) -> Holder | None:
    """Who may be running the study; nobody runs one of a name that `run` refuses."""
    return holder(storage, study) if is_name(study) else None
