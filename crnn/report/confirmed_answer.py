"""What a confirmation and its path say, in words that the answer begins with."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from crnn.ablation.path import TAKEN_BACK
from crnn.report.answer import at_the_edge
from crnn.report.confirmed import found_against_confirmed, path_effects
from crnn.report.effects import replicates
from crnn.report.table import StudyTable
from crnn.report.wording import counted, listed, percent, points, records


def sentences(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """What the confirmation and the path say, for the answer."""
    if table.confirmation is None or not effects["n"].any():
        return []
    found = found_against_confirmed(table.trials, effects)
    chosen = _chosen(table.confirmation, effects, found)
    return [*chosen, *worth(table.confirmation), *at_the_edge(table)]


def _chosen(table: StudyTable, effects: pd.DataFrame, found: pd.DataFrame) -> Iterable[str]:
    first = found.iloc[0]
    if not table.chosen:
        yield f"Not chosen yet: the search's best of those confirmed is {first['arm']}."
        return
    row = effects[effects["arm"] == table.chosen].iloc[0]
    rank = found.loc[found["arm"] == table.chosen, "rank"].iloc[0]
    how = f"number {rank} of the search" if pd.notna(rank) else "not finished in the search"
    against = f" ({points(row['delta'])}, {row['verdict']})" if row["verdict"] else ""
    whole = effects[effects["n"] == effects["n"].max()]
    why = "as the highest mean of the confirmation"
    if len(whole) < len(effects):
        why += ", among the arms with all of their seeds"
    if row["val_mean"] < whole["val_mean"].max():
        why = "when the path began (another arm's mean is higher by now)"
    text = (
        f"Chosen, {why}: {table.chosen}, "
        f"{percent(row['val_mean'])} over {counted(int(row['n']), 'fresh seed')}{against}; {how}"
    )
    other = "" if first["arm"] == table.chosen else f", whose first of these was {first['arm']}"
    yield f"{text}{other}."
    drawn = table.arms.loc[table.arms["arm"] == table.arms["changes"], "arm"]
    shift = found.loc[found["arm"].isin(drawn), "optimism"].dropna()
    if len(shift):
        which = "effect of the arm" if len(shift) == 1 else f"effects of the {len(shift)} arms"
        yield (
            f"The search's short trainings put the {which} that it selected "
            f"{points(shift.mean())} from what the confirmation found, on average (above 0: they "
            "promised too much, as the best of many do; the trainings were also shorter)."
        )


def worth(table: StudyTable) -> Iterable[str]:
    """What the steps of a confirmation's path were worth, with their verdicts."""
    if table.path is None:
        return
    rows = path_effects(table.path.trials, table.path.arms, table.path.margin)
    made = rows[(rows["step"] != "0") & (rows["step"] != TAKEN_BACK)]
    if not made["delta"].notna().any():
        return
    items = [
        f"{row['change']} {points(row['delta'])} ({row['verdict'] or 'not tested'})"
        for row in records(made)
    ]
    yield f"On the path there, change by change: {listed(items, 10)}."
    if more := lacking(table.path):
        yield f"The path is preliminary: {more}."


def lacking(path: StudyTable) -> str:
    """How far a path is that has not finished; else empty."""
    done = len(replicates(path.trials))
    return f"{done} of {path.wanted} trainings have finished" if done < path.wanted else ""
