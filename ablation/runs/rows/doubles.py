"""Runs that are there twice: counted once, decided by time, or refused with what differs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ablation.errors import counted
from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options
from ablation.runs.refusal import Fix, Reasons
from ablation.runs.rows.labels import Labels
from ablation.runs.tables.table import Table
from ablation.runs.tables.times import times_of
from ablation.runs.wording import in_order, preferred, shown_value, some, typed

KEY = ["arm", "seed", "fold", "block"]
MOST_LEVELS = 20  # of a setting
LEAST_SHARED = 5  # runs that a setting's value has, on average
MOST_VALUES = 50  # of a column that says which of several rows is which


@dataclass(frozen=True)
class Difference:
    """A column in which rows of one run differ, with its values where they are few.

    Attributes:
        name: of the column.
        values: in order; none where they are many.
        is_setting: whether rows that differ in it are runs of different settings, as it seems.
    """

    name: str
    values: tuple[str, ...] = ()
    is_setting: bool = False

    @property
    def text(self) -> str:
        """``checkpoint (best, last)``."""
        shown = some((shown_value(value) for value in self.values), 8)
        return f"{self.name} ({shown})" if self.values else self.name


def settle_doubles(
    table: Table,
    runs: pd.DataFrame,
    columns: Columns,
    options: Options,
    labels: Labels,
    reasons: Reasons,
) -> tuple[pd.DataFrame, list[str]]:
    """Runs that count, one of each arm and seed, and what was done for it.

    Args:
        table: what was read.
        runs: a row a run; those that failed are no doubles.
        columns: which column is what.
        options: what a person has said.
        labels: what runs are called.
        reasons: gets the doubles that nothing decides about.
    """
    if options.keep not in ("", "latest"):
        reasons.add(f"--keep {options.keep}: takes latest", keep="latest")
    key = _key(columns, runs)
    if not key:
        return runs, []
    complete = runs[runs["state"] == COMPLETE]
    same = complete.duplicated([*key, "value", "test_value", "sd", "n"], keep="first")
    lines = _same_lines(complete, same, key, columns, labels)
    runs = runs.drop(index=complete.index[same])
    complete = complete[~same]
    doubled = complete[complete.duplicated(key, keep=False)]
    if doubled.empty:
        return runs, lines
    differences = _differences(table, doubled, complete, key, columns)
    if options.keep and not _is_systematic(differences, doubled, complete, key):
        dropped = _older(doubled, key, columns, labels, reasons)
        lines += _older_lines(doubled, dropped, columns, labels)
        return runs.drop(index=dropped), lines
    is_again = bool(columns.created) and _is_rare(doubled, complete, key)
    _refuse(doubled, key, differences, columns, labels, reasons, is_again=is_again)
    return runs.drop(index=doubled.index[doubled.duplicated(key)]), lines


def _key(columns: Columns, runs: pd.DataFrame) -> list[str]:
    """What tells runs apart; nothing where each row is a run of its own."""
    if columns.sd:
        return ["arm", "block"]
    if columns.seed or columns.fold:
        return KEY
    return ["arm", "block", "run"] if columns.run else []


def _same_lines(
    complete: pd.DataFrame, same: pd.Series[bool], key: list[str], columns: Columns, labels: Labels
) -> list[str]:
    if not same.any():
        return []
    rows = complete[same]
    first = complete[~same].drop_duplicates(key).set_index(key)["line"]
    row = next(rows.head(1).itertuples())
    other = first.loc[tuple(rows[key].iloc[0])]
    what = "1 row is" if len(rows) == 1 else f"{len(rows):,} rows are"
    rest = " and others" if len(rows) > 1 else ""
    return [
        f"{what} there twice, digit by digit: counted once ({labels.run(row)}: line {row.line} as "
        f"line {other}{rest})"
    ]


def _differences(
    table: Table, doubled: pd.DataFrame, complete: pd.DataFrame, key: list[str], columns: Columns
) -> list[Difference]:
    """The columns in which rows of one run differ: first those that say which row is which."""
    taken = {
        *columns.arms,
        columns.seed,
        columns.fold,
        columns.block,
        columns.state,
        columns.metric,
    }
    taken |= {columns.created, columns.test, columns.sd, columns.n, *table.roles.figures}
    if "run" in key:
        taken.add(columns.run)
    taken |= {name for name in table.names if known.leaf(name) in known.MACHINES}
    names = [name for name in table.names if name and name not in taken]
    cells = table.read(names).iloc[complete["place"]].set_axis(complete.index)
    cells_of = cells.loc[doubled.index]
    own = doubled.groupby(key, sort=False).ngroup()
    varied = [name for name in names if (cells_of[name].groupby(own).nunique() > 1).any()]
    counters = [Difference(name) for name in varied if known.leaf(name) in known.EPOCHS]
    for counter in counters:  # rows of one epoch are told apart where epochs do not do that
        finer = pd.DataFrame({"own": own, "epoch": cells_of[counter.name]})
        if finer.duplicated(keep=False).mean() > 0.5:
            own = finer.groupby(["own", "epoch"], sort=False).ngroup()
            break
    kinds = list[Difference]()
    for name in varied:
        texts = cells_of[name]
        if known.leaf(name) not in known.EPOCHS and _says_which(name, texts, own, cells[name]):
            kinds.append(Difference(name, tuple(in_order(list(texts.unique())))))
    if kinds:
        kinds.sort(key=lambda kind: kind.name in table.roles.others)
        return kinds + counters
    settings = [name for name in varied if _is_setting(table, name, cells_of[name], cells[name])]
    if settings:
        return [Difference(name, tuple(in_order(list(cells_of[name].unique()))), is_setting=True)
                for name in settings]  # fmt: skip
    others = [columns.metric, columns.created or columns.run]
    return [Difference(name) for name in others if name] + counters


def _is_setting(table: Table, name: str, texts: pd.Series[str], whole: pd.Series[str]) -> bool:
    """Whether a column has a few values that many runs share, as settings do."""
    if name in table.roles.others or known.leaf(name) in (*known.EPOCHS, *known.TIMES):
        return False
    if known.direction_of(name) or known.words_of(name) & (known.UNCLEAR | known.SPREADS):
        return known.leaf(name) in known.SETTINGS
    return texts.nunique() <= MOST_LEVELS and whole.nunique() * LEAST_SHARED <= len(whole)


def _says_which(
    name: str, texts: pd.Series[str], own: pd.Series[int], whole: pd.Series[str]
) -> bool:
    """Whether a column has a few values, which most doubles have equally often."""
    if known.direction_of(name) or texts.nunique() > MOST_VALUES:
        return False
    size, kinds = own.groupby(own).size(), texts.groupby(own).nunique()
    counts = pd.DataFrame({"own": own, "text": texts}).value_counts()
    spread = counts.groupby("own").agg(["min", "max"])
    if ((kinds > 1) & (spread["min"] == spread["max"])).mean() < 0.5:
        return False
    # One double alone: its values must be those of many other rows.
    return bool(
        (texts.nunique() <= max(len(texts) / 2, size.max()) and len(size) > 1)
        or whole.nunique() * 3 <= len(whole)
    )


def _is_systematic(
    differences: list[Difference], doubled: pd.DataFrame, complete: pd.DataFrame, key: list[str]
) -> bool:
    """Whether most runs are there several times, as by data set: no run is a later one then."""
    kinds = differences[0].values and not differences[0].is_setting
    are_many = doubled.groupby(key).ngroups > 2
    return bool(kinds) and are_many and not _is_rare(doubled, complete, key)


def _is_rare(doubled: pd.DataFrame, complete: pd.DataFrame, key: list[str]) -> bool:
    """Whether at most half of the runs are there several times, as those that were begun again."""
    return 2 * doubled.groupby(key).ngroups <= complete.groupby(key).ngroups


def _older(
    doubled: pd.DataFrame, key: list[str], columns: Columns, labels: Labels, reasons: Reasons
) -> pd.Index:
    """The doubles that were not the last to be begun."""
    if not columns.created:
        reasons.add(
            "--keep latest: the table has no column of times, such as created or timestamp; leave "
            "rows out with --where"
        )
        return doubled.index[doubled.duplicated(key)]
    times = times_of(doubled["created"])
    latest = times.groupby([doubled[name] for name in key]).transform("max")
    unclear = doubled[times.isna()]
    if len(unclear):
        reasons.add(
            f"--keep latest: {columns.created} is no time for {labels.some(unclear, lines=True)}: "
            "leave all but one of such rows out with --where"
        )
    kept = doubled[times == latest]
    tied = kept[kept.duplicated(key, keep=False)]
    if len(tied):
        reasons.add(
            f"--keep latest: {columns.created} is the same for {labels.some(tied, lines=True)}: "
            "leave all but one of them out with --where"
        )
    return doubled.index.difference(kept.index[~kept.duplicated(key)])


def _older_lines(
    doubled: pd.DataFrame, dropped: pd.Index, columns: Columns, labels: Labels
) -> list[str]:
    rows = doubled.loc[dropped].sort_values("place")
    return [
        f"--keep latest: {counted(len(rows), 'earlier run')} left out by {columns.created}: "
        f"{labels.some(rows, lines=True)}"
    ]


def _refuse(
    doubled: pd.DataFrame,
    key: list[str],
    differences: list[Difference],
    columns: Columns,
    labels: Labels,
    reasons: Reasons,
    *,
    is_again: bool,
) -> None:
    groups = doubled.groupby(key, sort=False)
    first = doubled.sort_values("place").iloc[0]
    keyed = ", ".join(first[name] for name in key[1:] if first[name])
    sizes = sorted(groups.size().unique(), reverse=True)
    size = f"{sizes[0]} rows" + (f" (or {', '.join(map(str, sizes[1:]))})" if sizes[1:] else "")
    more = f" and {groups.ngroups - 1:,} more have" if groups.ngroups > 1 else " has"
    named = labels.arms[first["arm"]]
    who = f"({named}, {keyed})" if keyed else f"({named})"
    listed = some(difference.text for difference in differences)
    same = (doubled[key] == first[key]).all(axis=1)
    lines = doubled["line"][same].sort_values().head(5)
    choice = _choice(differences, [str(line) for line in lines], columns, reasons, is_again)
    reasons.add(f"{who}{more} {size} that differ in {listed}: {choice}")


def _choice(
    differences: list[Difference],
    lines: list[str],
    columns: Columns,
    reasons: Reasons,
    is_again: bool,
) -> str:
    """What to type; the options are noted as what takes the reason away."""
    kinds = [difference for difference in differences if difference.values]
    if kinds and kinds[0].is_setting:
        whole = next((kind for kind in kinds if all(kind.values)), kinds[0])
        example = f"{whole.name}={preferred(whole.values)}"
        reasons.fixes.append(Fix({"where": (example,)}))
        return (
            f"runs of different settings, it seems; keep one of each, as in "
            f"{typed('--where', example)}, or make arms of them, --setting COLUMN for each"
        )
    if not kinds:
        if columns.created:
            reasons.fixes.append(Fix({"keep": "latest"}))
            return "--keep latest takes the newer"
        run = f"--where '{columns.run}!=…'" if columns.run else "--where, or in the file"
        return f"leave all but one of them out (lines {', '.join(lines)}) with {run}"
    tasks = [one for one in kinds if known.words_of(one.name) & known.TASKS and not columns.block]
    if tasks:
        name, value = tasks[0].name, tasks[0].values[0]
        reasons.fixes.append(Fix({"by": name}))
        where = typed("--where", f"{name}={value}")
        return f"{typed('--by', name)} for an analysis of each and of their mean, or {where}"
    kind = kinds[0]
    condition = f"{kind.name}={preferred([value for value in kind.values if value])}"
    where = typed("--where", condition)
    if is_again:
        reasons.fixes.append(Fix({"keep": "latest"}))
        return f"--keep latest takes the newer; or choose, {where}"
    reasons.fixes.append(Fix({"where": (condition,)}))
    if known.leaf(kind.name) in known.RUNS:
        seed = typed("--seed", kind.name)
        return f"choose, {where}; or {seed} if these are what pairs runs"
    return f"choose, {where}"
