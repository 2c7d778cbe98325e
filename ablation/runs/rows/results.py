"""Runs without a result: why each is left out, and how evenly they fall on the arms."""

from __future__ import annotations

import pandas as pd

from ablation.runs.columns.names import COMPLETE, FAIL
from ablation.runs.columns.roles import Columns
from ablation.runs.rows.labels import Labels
from ablation.runs.wording import MOST_NAMES

KEY = ["arm", "seed", "fold", "block"]


def mark_failures(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Runs with ``failure``, and states that follow from it: what has no figure has failed.

    Args:
        runs: a row a run, with what its history says of it in ``why``.
        metric: the column of the figure.
    """
    runs = runs.assign(failure=runs["why"])
    finished = runs["state"] == COMPLETE
    empty, infinite = (
        finished & (runs["kind"] == "missing"),
        finished & (runs["kind"] == "infinite"),
    )
    ended = ~finished & (runs["failure"] == "")
    runs.loc[ended, "failure"] = runs.loc[ended, "ending"]
    runs.loc[empty, "failure"] = f"without {metric}"
    runs.loc[infinite, "failure"] = f"{metric} is infinite"
    runs.loc[empty | infinite, "state"] = FAIL
    runs.loc[runs["state"] != COMPLETE, ["value", "test_value"]] = float("nan")
    return runs.assign(is_empty=empty, is_infinite=infinite)


def failure_lines(runs: pd.DataFrame, columns: Columns, labels: Labels) -> list[str]:
    """What was left out, a sentence each kind, and whether that falls evenly on the arms."""
    lines = []
    left = runs[runs["state"] != COMPLETE]
    empty, infinite = left[left["is_empty"]], left[left["is_infinite"]]
    stopped = left[~left["is_empty"] & ~left["is_infinite"] & (left["why"] == "")]
    if columns.state and len(stopped) + len(empty):
        words = [f"{n:,} {word}" for word, n in sorted(stopped["ending"].value_counts().items())]
        if len(empty):
            words.append(f"{len(empty):,} finished without {columns.metric} ({labels.some(empty)})")
        lines.append(f"left out: {', '.join(words)}")
    elif len(empty):
        what = "a run without a result" if len(empty) == 1 else "runs without a result"
        lines.append(f"{columns.metric} is empty for {labels.some(empty, lines=True)}: {what}")
    if len(infinite):
        what = "a run" if len(infinite) == 1 else "runs"
        lines.append(
            f"{columns.metric} is infinite for {labels.some(infinite, lines=True)}: {what} that "
            "diverged, left out"
        )
    lines += _unfinished_lines(left[left["why"] != ""], labels)
    return lines if columns.sd else lines + _selection_lines(runs, labels)


def _unfinished_lines(unfinished: pd.DataFrame, labels: Labels) -> list[str]:
    hint = "left out as unfinished (--early-stopping counts each run's own end)"
    lines = [
        f"{labels.run(row)} {row.why}: {hint if str(row.why).startswith('ends') else 'left out'}"
        for row in unfinished.head(MOST_NAMES).itertuples()
    ]
    more = unfinished.iloc[MOST_NAMES:]
    if len(more):
        names = "; ".join(f"{labels.run(row)} {row.why}" for row in more.head(20).itertuples())
        rest = f" and {len(more) - 20:,} more" if len(more) > 20 else ""
        lines.append(f"also {names}{rest}: {hint}")
    return lines


def _selection_lines(runs: pd.DataFrame, labels: Labels) -> list[str]:
    """That what is left is a selection, where arms lack unlike shares of their runs."""
    is_complete = runs["state"] == COMPLETE
    done = runs.loc[is_complete, KEY].drop_duplicates().assign(is_done=True)
    failed = runs[~is_complete].merge(done, how="left", on=KEY) if len(done) else runs[~is_complete]
    if len(done) and (runs[["seed", "fold"]] != "").any(axis=None):
        failed = failed[failed["is_done"].isna()].drop_duplicates(KEY)  # not run again with success
    if failed.empty:
        return []
    lost = failed.groupby("arm").size().reindex(range(len(labels.arms)), fill_value=0)
    whole = lost.add(runs[is_complete].groupby("arm").size(), fill_value=0).astype(int)
    shares = (lost / whole.clip(lower=1)).round(9)
    if shares.nunique() == 1:
        return []
    worst = shares[shares > 0].sort_values(ascending=False, kind="stable").index
    named = [f"{labels.arms[arm]} {lost[arm]} of {whole[arm]}" for arm in worst[:MOST_NAMES]]
    others = len(labels.arms) - len(worst)
    rest = [f"{others} other arms none" if others > 1 else "the other arm none"] if others else []
    return [
        f"runs without a result are uneven between arms ({', '.join(named + rest)}): what is left "
        "is a selection"
    ]
