"""Tables of a study as a whole: factors, failures, confounds, provenance; its progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import MISSING
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounds
from ablation.report.effects.replicates import DIVERGED, ends, trained
from ablation.report.rendering.formatting import listed, whole
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import (
    margin_text,
    mark,
    pair,
)
from ablation.report.text.settling import looks_text

REASON = 300  # characters of a failure's first line that are shown


BEYOND = r"(\w+): [\d,]+ is (beyond the limit of [\d,]+)"  # draws that go beyond are one kind


SAME_SETTING = "the same setting as trial"


STOPPED = "stopped early by the pruner"


UNDER_WAY = "under way, or cut off with its run: the next one goes on with it"


def failures_table(table: StudyTable) -> TextTable:
    """What did not finish, by reason: how many, which, and whether it was made good since.

    Args:
        table: a study, or the trials and epochs of all its stages.
    """
    complete = ends(table.trials) == "COMPLETE"
    trials = table.trials[~complete]
    reasons = trials["failure"].fillna("").astype(str).str.strip().str.split("\n").str[0]
    reasons = reasons.str.replace(BEYOND, r"\1: \2", regex=True)
    unsaid = trials["state"].map({"RUNNING": UNDER_WAY}).fillna("no reason was recorded")
    stopped = (trials["state"] == "PRUNED") & trained(trials, table.epochs)
    unsaid = unsaid.mask(stopped, STOPPED)
    reasons = reasons.str.slice(0, REASON).where(reasons != "", unsaid)
    which = _which(table, trials)
    done, keys = table.trials[complete], ["stage", "arm", "seed"]
    done_keys = set(done[keys].itertuples(index=False, name=None))
    good = [key in done_keys for key in trials[keys].itertuples(index=False, name=None)]
    rows = pd.DataFrame({"state": ends(trials), "reason": reasons, "which": which, "good": good})
    cells = [
        [
            *(str(state), str(reason), str(len(group)), str(int(group["good"].sum()))),
            listed(list(group["which"]), limit=5),
        ]
        for (state, reason), group in rows.groupby(["state", "reason"], sort=False)
    ]
    titles = ["state", "reason", f"{table.words.trial}s", "finished since", "which"]
    if not table.can_continue:
        titles, cells = titles[1:3] + titles[4:], [row[1:3] + row[4:] for row in cells]
    note = _by_kind(ends(trials), trials["failure"].fillna("").astype(str), stopped)
    return TextTable(titles, cells, words=len(titles), note=note)


def _which(table: StudyTable, trials: pd.DataFrame) -> pd.Series[str]:
    """What each trial is called: its arm and its seed, or what else pairs it."""
    where = pair(table.comparison) + " " + trials["seed"].astype(str)
    if "block" in trials:
        where = trials["block"].astype(str) + ", " + where
    return trials["arm"].astype(str) + " (" + where + ")"


def _by_kind(state: pd.Series[str], reasons: pd.Series[str], stopped: pd.Series[bool]) -> str:
    """``46 stopped by the pruner, 22 beyond the limits.``; empty where all have finished."""
    never = (state == "PRUNED") & ~stopped
    beyond = never & reasons.str.extract(BEYOND)[0].notna()
    again = never & reasons.str.startswith(SAME_SETTING)
    kinds = {
        "diverged": state == DIVERGED,
        "failed": state == "FAIL",
        "stopped by the pruner": stopped,
        "beyond the limits": beyond,
        "drawn before": again,
        "infeasible or without a recorded reason": never & ~beyond & ~again,
        "under way or cut off": state == "RUNNING",
    }
    said = [f"{int(which.sum()):,} {kind}" for kind, which in kinds.items() if which.any()]
    return f"{', '.join(said)}." if said else ""


def factors_table(table: StudyTable) -> TextTable:
    """The factors with their roles, the baseline's value and all levels; what was held fixed."""
    baseline = table.arms.iloc[0]
    rows = [
        [name, str(factor["role"]), str(baseline[name]) or MISSING, _levels(factor)]
        for name, factor in table.factors.items()
    ]
    rows += [[name, "fixed", str(value), ""] for name, value in table.fixed.items()]
    return TextTable(["setting", "role", "baseline", "levels"], rows, words=4)


def _levels(factor: Mapping[str, Any]) -> str:
    return listed([str(level) for level in factor["levels"]], 12, " · ")


def provenance_table(environment: Mapping[str, Any]) -> TextTable:
    """Versions, hardware and the like; what is nested gets a dotted name."""
    return TextTable(["what", "value"], list(_flat(environment)), words=2)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append([f"{prefix}{name}", str(value)])
    return rows


def confounds_table(study: Analysis) -> TextTable:
    """The shown arms that also change sequence length or size by more than 10 %."""
    differences = confounds(study.table.arms)
    differences = differences[differences["arm"].isin(study.leading()["arm"])]
    titles = {"sequence_length": study.table.words.steps, "parameters": "parameters"}
    if not study.table.arms["sequence_length"].fillna(0).any():
        del titles["sequence_length"]
    rows = [
        [str(arm), str(against), *(_change(changes, what) for what in titles)]
        for (arm, against), changes in differences.groupby(["arm", "against"], sort=False)
    ]
    return TextTable(["arm", "against", *titles.values()], rows, words=2)


def _change(changes: pd.DataFrame, what: str) -> str:
    row = changes[changes["what"] == what]
    if row.empty:
        return "alike"
    value, reference = whole(row["value"].iloc[0]), whole(row["reference"].iloc[0])
    change = f"{100 * row['change'].iloc[0]:+,.0f} %".replace("-", "−")
    return f"{value} instead of {reference} ({change})"


def summary_line(table: StudyTable, progress: Mapping[str, tuple[int, Mapping[str, int]]]) -> str:
    """What the study is, in a line: trials, arms, seeds, margin.

    Args:
        table: the study that the verdicts rest on.
        progress: by stage, with no name where it is the only one: the number of trials wanted, and
            of those there are by what became of them (`ablation.report.text.answer.counts`).
    """
    if not table.can_continue:
        return _summary_of_runs(table, progress[""][1])
    parts = [
        *(_stage(*stage, is_most=table.awaits_look) for stage in progress.items()),
        counted(len(table.arms), "arm"),
        looks_text(table.settling) if table.settling else counted(len(table.seeds), "seed"),
        margin_text(table),
    ]
    return " · ".join(parts)


def _summary_of_runs(table: StudyTable, kinds: Mapping[str, int]) -> str:
    comparison, failed = table.comparison, kinds.get("failed", 0)
    count = kinds["finished"]
    if comparison.method == "summaries":
        done = table.blocks if len(table.blocks) else table.trials
        count = int(done["n"].sum())
    runs = counted(count, "run")
    blocks = table.blocks["block"].nunique() if len(table.blocks) else 0
    parts = [
        f"{runs} trained elsewhere" + (f", {failed:,} without a result" if failed else ""),
        counted(len(table.arms), "arm"),
        comparison.counted_blocks(blocks) if blocks else "",
        f"pairs by {comparison.of}" if comparison.is_paired else "",
        mark(comparison),
        margin_text(table),
    ]
    return " · ".join(filter(None, parts))


def _stage(name: str, progress: tuple[int, Mapping[str, int]], is_most: bool) -> str:
    wanted, kinds = progress
    return (f"{name}: " if name else "") + progress_line(wanted, kinds, is_most=is_most)


def progress_line(wanted: int, kinds: Mapping[str, int], *, is_most: bool = False) -> str:
    """``80 of 80 trials finished (31 of them stopped early), 2 failed``.

    Args:
        wanted: how many trials there are to be.
        kinds: of those that there are, by what became of them
            (`ablation.report.text.answer.counts`).
        is_most: whether there may be fewer, as looks may settle arms before.
    """
    stopped = kinds.get("stopped early", 0)
    apart = f" ({stopped:,} of them stopped early)" if stopped else ""
    of = "of at most" if is_most else "of"
    done = f"{kinds['finished']:,} {of} {counted(wanted, 'trial')} finished{apart}"
    others = [kind for kind in kinds if kind not in ("finished", "stopped early")]
    return ", ".join([done, *(f"{kinds[kind]:,} {kind}" for kind in others)])
