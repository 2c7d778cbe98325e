"""What a confirmation and its path say, in words that the answer begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from crnn.ablation.path import TAKEN_BACK
from crnn.report.answer import all_ended, at_the_edge
from crnn.report.confirmed import (
    NUISANCE,
    found_against_confirmed,
    path_effects,
    search_length,
)
from crnn.report.effects import COLUMNS, identities, paired, replicates
from crnn.report.gains import gains, slight
from crnn.report.inference import paired_test
from crnn.report.selection import tags
from crnn.report.table import StudyTable
from crnn.report.wording import (
    counted,
    interval,
    listed,
    marked,
    percent,
    points,
    records,
    signed,
)

LENGTHS = {"shorter": "shorter", "longer": "longer", "of another length": "other"}
"""Of the search's trainings, by `search_length`."""


def sentences(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """What the confirmation and the path say, for the answer."""
    if table.confirmation is None or not effects["n"].any():
        return []
    found = found_against_confirmed(table.trials, effects)
    chosen = _chosen(table.confirmation, effects, found)
    luck = _optimism(table, table.confirmation, found) if table.confirmation.chosen else []
    edge = at_the_edge(table, table.confirmation.chosen)
    return [*chosen, *luck, *worth(table.confirmation), *edge]


def _chosen(table: StudyTable, effects: pd.DataFrame, found: pd.DataFrame) -> Iterable[str]:
    first, names = str(found["arm"].iloc[0]), tags(table)
    if not table.chosen:
        yield f"Not chosen yet: the search's best of those confirmed is {_spelled(first, names)}."
        return
    row = effects[effects["arm"] == table.chosen].iloc[0]
    rank = found.loc[found["arm"] == table.chosen, "rank"].iloc[0]
    how = f"number {rank} of the search" if pd.notna(rank) else "not finished in the search"
    against = f" ({points(row['delta'])}, {row['verdict']})" if row["verdict"] else ""
    whole = effects[effects["n"] == effects["n"].max()]
    why = "as the best of the confirmation"
    if len(whole) < len(effects):
        why += ", among the arms with all of their seeds"
    gain = gains(table.trials, table.arms)
    if gain[table.chosen] < gain[whole["arm"]].max():
        why = "when the path began (another arm's effect is larger by now)"
    text = (
        f"Chosen, {why}: {_spelled(table.chosen, names)}, "
        f"{percent(row['val_mean'])} over {counted(int(row['n']), 'fresh seed')}{against}; {how}"
    )
    other = "" if first == table.chosen else f", whose first of these was {names.get(first, first)}"
    yield f"{text}{other}."
    if row["against"] and row["verdict"] != "better":
        name = names.get(table.chosen, table.chosen)
        yield f"{name} has not been shown to be better than {row['against']}."


def _optimism(table: StudyTable, main: StudyTable, found: pd.DataFrame) -> Iterable[str]:
    """How much better than confirmed the arms looked that the search had selected."""
    drawn = main.arms.loc[main.arms["kind"] == "drawn", "arm"]
    shift = found.loc[found["arm"].isin(drawn), "optimism"].dropna()
    if shift.empty:
        return
    one, mean = len(shift) == 1, float(shift.mean())
    which = "training the arm" if one else f"trainings the {len(shift)} arms"
    looked = f"{points(abs(mean)).lstrip('+')} {'better' if mean > 0 else 'worse'}", "than"
    if signed(mean) == "0.00":
        looked = "as good", "as"
    average = "" if one else ", on average,"
    length = search_length(table.trials, main.trials)
    full = " at full length" if length == "shorter" else ""
    causes = ["selection"] if mean > 0 and looked[1] == "than" else []
    causes += [f"the {LENGTHS[length]} length"] if length and looked[1] == "than" else []
    both = "both " if len(causes) > 1 else ""
    why = f" {' and '.join(causes).capitalize()} may {both}contribute." if causes else ""
    yield (
        f"In the search's single {which} that it selected looked {looked[0]}{average} {looked[1]} "
        f"on fresh seeds{full}.{why}"
    )


def _spelled(arm: str, names: Mapping[str, str]) -> str:
    """An arm by its number in the search, if it has one, and its settings."""
    return f"{names[arm]} ({arm})" if arm in names else arm


def worth(table: StudyTable) -> Iterable[str]:
    """What the steps of a confirmation's path were worth; with verdicts once all have ended."""
    if table.path is None:
        return
    rows, more = path_rows(table.path), lacking(table.path)
    made = rows[(rows["step"] != "0") & (rows["step"] != TAKEN_BACK)]
    if made["delta"].notna().any():
        items = [
            f"{row['change']} {points(row['delta'])}" + ("" if more else f" ({judged(row)})")
            for row in records(made)
        ]
        yield f"On the path there, change by change: {listed(items, 10)}."
    if not more:
        yield from _whole_way(table.path)
    if more:
        yield f"The path is preliminary: {more}."
    if failed := _failed(table.path):
        yield (
            f"{failed} of the path's {counted(table.path.wanted, 'training')} failed; "
            "--retry-failed trains failures once more."
        )


def judged(row: Mapping[str, Any]) -> str:
    """The verdict on a step with its mark, or why there is none."""
    if row["role"] == NUISANCE:
        return "tuned, not tested"
    if not row["verdict"]:
        return "not tested"
    return marked(row["verdict"], row["confounded"], bool(row.get("slight")))


def _whole_way(path: StudyTable) -> Iterable[str]:
    """The chosen setting against the baseline, over seeds that chose neither."""
    rows = path_rows(path)
    first, last = rows["arm"].iloc[0], rows.loc[rows["step"] != TAKEN_BACK, "arm"].iloc[-1]
    test = paired_test(paired(path.trials, last, first))
    if test.n:
        sure = "" if test.why_not else f" (95 % interval {interval(test.low, test.high)})"
        yield (
            f"All of them together, over the path's own {counted(test.n, 'seed')}, which chose "
            f"nothing: {points(test.mean)}{sure}."
        )


def path_rows(path: StudyTable) -> pd.DataFrame:
    """A path's effects; before its last training has ended those of whole seeds, untested.

    Verdicts on a path that grows would be looks that nobody counts, and means over different seeds
    are no steps.
    """
    if not lacking(path):
        rows = path_effects(path.trials, path.arms, path.margin, _nuisances(path))
        return rows.assign(slight=slight(rows, path.margin))
    done = replicates(path.trials)
    arms = done.groupby("seed")["arm"].nunique()
    whole = path.trials["seed"].isin(arms.index[arms == len(path.arms)])
    rows = path_effects(path.trials[whole], path.arms, path.margin, _nuisances(path))
    hidden = COLUMNS[COLUMNS.index("ci_low") : COLUMNS.index("verdict")]
    untested = dict.fromkeys(hidden, float("nan"))
    return rows.assign(**untested, verdict="", slight=False)


def _nuisances(path: StudyTable) -> list[str]:
    return [name for name, factor in path.factors.items() if factor["role"] == NUISANCE]


def lacking(path: StudyTable) -> str:
    """How far a path is whose trainings have not all ended; else empty."""
    done = len(replicates(path.trials))
    return "" if all_ended(path) else f"{done} of {path.wanted} trainings have finished"


def _failed(path: StudyTable) -> int:
    """How many of a path's trainings have failed, and not been made good since."""
    return len(identities(path.trials, "FAIL") - identities(path.trials, "COMPLETE"))
