"""Tables with a column a seed, or a column an arm, as one row a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd

from ablation.errors import UserError, did_you_mean, one_line
from ablation.runs.options import Options
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.numbers import OF_SPREADS, mean_with_spread, numbers
from ablation.runs.tables.table import Roles, Table

AGGREGATES = frozenset(
    [
        *("mean", "avg", "average", "std", "sd", "stdev", "stddev", "var", "variance", "se", "sem"),
        *("stderr", "median", "min", "max", "ci", "ci95", "n", "count", "total", "sum", "delta"),
        *("diff", "rank", "p", "pvalue", "mean±std", "mean±sd"),
    ]
)
WORDS = "seed|s|fold|split|cv|run|rep|replicate|trial|iteration|iter|repeat|exp"
SEED = rf"(?P<word>{WORDS})?[ _.=#-]*(?P<number>[0-9]+)"
OF_SEEDS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<figure>){SEED}",  # seed 0, 0
        rf"{SEED}[ _./-]+(?P<figure>.+)",  # seed0_acc
        rf"(?P<figure>.+?)[ _./-]+{SEED}",  # acc_seed0
    )
]
SEEDS = ("", "s", "seed")
FOLDS = ("fold", "split", "cv")
NO_NAME = "(no name)"
OF_ROWS = ("seed", "random_state", "fold", "split", "run", "rep", "replicate", "trial", "iteration")


@dataclass(frozen=True)
class _Column:
    """A column that holds a run's figure in each row.

    Attributes:
        name: its own.
        label: the seed or the arm.
        figure: what it holds; empty where its name does not say.
        word: what the seeds are called: ``seed``, ``fold``; empty where the name does not say.
    """

    name: str
    label: str
    figure: str = ""
    word: str = ""


def long_form(table: Table, options: Options) -> Table:
    """A table whose columns are seeds or arms (``--wide``) as one row a run.

    Columns and rows of means, standard deviations and the like are left out.

    Args:
        table: as it stands in the file.
        options: ``wide``, and what else is said of it.

    Returns:
        One row a run: what stands beside the figures, the seed or the arm, and the figure, which
        is called as its column's name says, else as ``metric`` does, else ``value``.

    Raises:
        UserError: no columns of seeds, or of arms, can be found.
    """
    if options.wide not in ("seeds", "arms"):
        hint = did_you_mean(options.wide, ["seeds", "arms"])
        raise UserError(f"--wide {one_line(options.wide)}: {hint}")
    seeds = options.wide == "seeds"
    wide = _seed_columns(table, options) if seeds else _arm_columns(table, options)
    if len(wide) < 2:
        what = "seeds, such as 0, 1 and 2 or seed_0" if seeds else "arms"
        raise UserError(
            f"--wide {options.wide}: fewer than two columns of {what}; {_columns_said(table)}"
        )
    figure = options.metric if options.metric and options.metric not in table.names else "value"
    wide = [replace(column, figure=column.figure or figure) for column in wide]
    own = {column.name for column in wide}
    kept = [name for name in table.names if name not in own and not _is_aggregate(name)]
    return (_by_seed if seeds else _by_arm)(table, options, kept, wide)


def _by_seed(table: Table, options: Options, kept: list[str], wide: list[_Column]) -> Table:
    word = wide[0].word
    pairs = "seed" if word in SEEDS else "fold" if word in FOLDS else word
    if options.seed and options.seed not in table.names:
        pairs = options.seed
    frame = _melted(table, kept, wide, pairs)
    arms = [name for name in kept if name]
    arm = options.arm or (arms[0] if len(arms) == 1 else "")
    frame, lines = _without_aggregates(frame, arm)
    figures = tuple(dict.fromkeys(column.figure for column in wide))
    roles = Roles(
        exporter="a table of seeds in columns", figures=figures, arm=arm,
        metric=figures[0] if len(figures) == 1 else "",
        seed=pairs if pairs in ("seed", options.seed) else "",
        fold=pairs if pairs == "fold" else "", others=tuple(name for name in kept if not name),
    )  # fmt: skip
    return frame_table(frame, table, roles=roles, lines=[_said(table, kept, wide), *lines])


def _by_arm(table: Table, options: Options, kept: list[str], wide: list[_Column]) -> Table:
    arm = options.arm or "arm"
    if arm in kept:
        raise UserError(
            f"--wide arms: {one_line(arm)} is a column already; name the new one: --arm NAME"
        )
    frame = _melted(table, kept, wide, arm)
    rows = options.seed or next((name for name in kept if name.lower() in OF_ROWS), "")
    frame, lines = _without_aggregates(frame, rows)
    if rows not in kept:
        frame = frame.assign(run=(frame.index - frame.index.min() + 1).astype(str))
    figure = wide[0].figure
    is_seed = rows == options.seed or rows.lower() in ("seed", "random_state")
    roles = Roles(
        exporter="a table of arms in columns", arm=arm, metric=figure, figures=(figure,),
        seed=rows if is_seed else "", fold=rows if rows.lower() in FOLDS else "",
        others=tuple(name for name in kept if not name),
    )  # fmt: skip
    return frame_table(frame, table, roles=roles, lines=[_said(table, kept, wide), *lines])


def _melted(table: Table, kept: list[str], wide: list[_Column], name: str) -> pd.DataFrame:
    """One row a row and label: what is kept, the label in a column of this name, its figures."""
    read = table.read([*kept, *(column.name for column in wide)])
    figures = list(dict.fromkeys(column.figure for column in wide))
    order = [*kept, name, *figures]
    frames = []
    for label in dict.fromkeys(column.label for column in wide):
        own = {column.figure: read[column.name] for column in wide if column.label == label}
        frame = read[kept].assign(**{name: label}).join(pd.DataFrame(own))
        frames.append(frame.reindex(columns=order, fill_value=""))
    return pd.concat(frames).astype(str).sort_index(kind="stable")


def _without_aggregates(frame: pd.DataFrame, column: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows that sum others up, such as one called ``mean``."""
    if column not in frame:
        return frame, []
    is_aggregate = frame[column].str.lower().isin(AGGREGATES)
    names = frame.loc[is_aggregate, column].unique()
    lines = [f"rows called {', '.join(names)} are left out"] if len(names) else []
    return frame[~is_aggregate], [one_line(line) for line in lines]


def _seed_columns(table: Table, options: Options) -> list[_Column]:
    """The columns of seeds, and what each seed is called."""
    free = [name for name in table.names if name not in _named(options)]
    found = [column for name in free if (column := _numbered(name))]
    words = {column.word for column in found} - {""}
    if words:
        found = [column for column in found if column.word in words]
    found = [column for column in found if _count(found, column.figure) > 1]
    if found and len(words) <= 1:
        return found
    numeric = [name for name in free if _is_of_numbers(table, name) and not _is_aggregate(name)]
    return [_Column(name, name) for name in numeric if name]


def _numbered(name: str) -> _Column | None:
    """A column whose name has a seed's number; None for another one."""
    match = next(filter(None, (pattern.fullmatch(name) for pattern in OF_SEEDS)), None)
    if not match or _is_aggregate(name):
        return None
    word = (match["word"] or "").lower()
    return _Column(name, match["number"], match["figure"] or "", word)


def _count(columns: list[_Column], figure: str) -> int:
    return sum(column.figure == figure for column in columns)


def _arm_columns(table: Table, options: Options) -> list[_Column]:
    """The columns of arms: of numbers, but those that number rows or sum them up."""
    named = _named(replace(options, arm=""))
    rows = (*OF_ROWS, "epoch", "step", "")
    free = [name for name in table.names if name not in named and name.lower() not in rows]
    return [
        _Column(name, name)
        for name in free
        if not _is_aggregate(name) and _is_of_numbers(table, name)
    ]


def _named(options: Options) -> set[str]:
    """The columns that a person has named as something else."""
    return {options.arm, options.seed, options.by, options.n, options.sd, *options.settings}


def _is_aggregate(name: str) -> bool:
    words = re.split(r"[ _./-]+", name.lower())
    return bool(name) and (words[0] in AGGREGATES or words[-1] in AGGREGATES)


def _is_of_numbers(table: Table, name: str) -> bool:
    """Whether most of a column's cells are numbers, as far as its first rows say.

    The others may be refused later, row by row; a column is not left out for a single one.
    """
    values, kinds = numbers(table.head[name])
    return bool(values.notna().sum() > (kinds == "text").sum())


def _columns_said(table: Table) -> str:
    """What the columns are, or why they are not of numbers."""
    found = mean_with_spread(table.head)
    if found:
        return one_line(f"{found[0] or NO_NAME} has {found[1]!r}: {OF_SPREADS}")
    return one_line(f"the columns are {', '.join(name or NO_NAME for name in table.names)}")


def _said(table: Table, kept: list[str], wide: list[_Column]) -> str:
    own = [column.name for column in wide]
    unused = [name for name in table.names if name and name not in own and name not in kept]
    rest = f"; not used: {', '.join(unused)}" if unused else ""
    return one_line(f"the columns {own[0]} to {own[-1]} ({len(own)}) hold a run each{rest}")
