"""What the columns of a table seem to be, by their names and their values."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ablation.runs.columns import names as known
from ablation.runs.tables.numbers import numbers
from ablation.runs.tables.table import Table
from ablation.runs.wording import in_order, shown_value, some

MOST_LEVELS = 20
MOST_ARMS = 60
DURATIONS = frozenset(
    ["time", "seconds", "sec", "secs", "runtime", "duration", "elapsed", "ms", "minutes", "hours"]
)


@dataclass
class Kinds:
    """The columns of a table by what they seem to be.

    Attributes:
        rows: how many rows it has.
        arms: texts that some rows share, the likeliest first.
        labels: texts that no two rows share.
        settings: with few values that vary.
        seeds: of seeds.
        folds: of folds.
        runs: of numbers of runs.
        epochs: of epochs.
        tasks: of data sets and such.
        splits: of checkpoints and such.
        figures: of results.
        levels: by column, its values in order.
        filled: by figure, in how many rows it is.
    """

    rows: int = 0
    arms: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    folds: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    epochs: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    levels: dict[str, list[str]] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)

    def described(self, names: list[str]) -> str:
        """Columns with their values: ``lr (0.1, 0.01), depth (2, 4)``."""
        return ", ".join(f"{name} ({some(self.shown(name), 5)})" for name in names)

    def shown(self, name: str) -> list[str]:
        """The values of a column, as a sentence has them."""
        return [shown_value(value) for value in self.levels[name]]


def find_kinds(table: Table) -> Kinds:
    """What the columns seem to be; all of their rows are read."""
    names = [name for name in table.names if name and name not in table.roles.others]
    cells = table.read(names)
    kinds = Kinds(rows=len(cells))
    unfinished = _unfinished(table)
    for name in names:
        empty = cells[name] == ""
        column = cells[name][~unfinished] if (unfinished | ~empty).all() else cells[name]
        _sort_in(kinds, table, name, column)
    kinds.seeds.sort(key=lambda name: (len(kinds.levels[name]) < 2, known.leaf(name) != "seed"))
    kinds.arms = [name for name in kinds.arms if not _renames_a_task(cells, name, kinds.tasks)]
    kinds.arms.sort(key=lambda name: _arm_rank(name))
    if any(known.leaf(name) not in known.MACHINES for name in (*kinds.settings, *kinds.arms)):
        kinds.settings, kinds.arms = _elsewhere(kinds.settings), _elsewhere(kinds.arms)
    return kinds


def _elsewhere(names: list[str]) -> list[str]:
    """Columns without those that say on which machine a run was trained."""
    return [name for name in names if known.leaf(name) not in known.MACHINES]


def _unfinished(table: Table) -> pd.Series[bool]:
    """Which rows are of runs that have not finished, as far as their exporter says it."""
    if not (state := table.roles.state):
        return pd.Series(False, index=table.read([]).index)
    words = table.read([state])[state].str.lower().str.removeprefix("trialstate.")
    return words.map(lambda word: known.STATES.get(word, known.COMPLETE)) != known.COMPLETE


def _renames_a_task(cells: pd.DataFrame, name: str, tasks: list[str]) -> bool:
    """Whether a column has one value for each data set, as its number in a catalogue does."""
    pairs = [cells[[name, task]].drop_duplicates() for task in tasks]
    return any(
        not pair[name].duplicated().any() and not pair[task].duplicated().any()
        for pair, task in zip(pairs, tasks, strict=True)
    )


def _arm_rank(name: str) -> int:
    last = known.leaf(name)
    return known.ARMS.index(last) if last in known.ARMS else len(known.ARMS)


def _sort_in(kinds: Kinds, table: Table, name: str, column: pd.Series[str]) -> None:
    """Put a column where it belongs."""
    roles, last = table.roles, known.leaf(name)
    values = pd.Series(column.unique(), dtype=str)
    kinds.levels[name] = in_order(values.head(10 * MOST_ARMS).to_list())
    figures, cell_kinds = numbers(values)
    is_text = bool((cell_kinds == "text").any())
    has_number = bool(figures.notna().any())
    if name in (roles.state, roles.created, roles.baseline) or last in (*known.TIMES, *known.ENDS):
        return
    if name in roles.settings:
        is_path = is_text and 2 < len(values) == len(column)  # a run's own, as of its output
        if len(values) > 1 and not is_path:
            (kinds.seeds if known.is_seed(name) else kinds.settings).append(name)
    elif name == roles.run or (last in known.RUNS and last not in known.EPOCHS):
        kinds.runs.append(name)
    elif name == roles.seed or known.is_seed(name):
        kinds.seeds.append(name)
    elif name == roles.fold or known.is_fold(name, values):
        kinds.folds.append(name)
    elif name == roles.epoch or last in known.EPOCHS:
        kinds.epochs.append(name)
    elif last in known.SPLITS and len(values) > 1:
        kinds.splits.append(name)
    elif known.is_task(name, values):
        kinds.tasks.extend([name] if len(values) > 1 else [])
    elif has_number and not is_text and _is_figure(table, name, len(values), kinds.rows):
        kinds.figures.append(name)
        kinds.filled[name] = int(numbers(column)[0].notna().sum())
    elif name == roles.arm or (is_text and 1 < len(values) <= min(MOST_ARMS, kinds.rows / 2)):
        kinds.arms.append(name)
    elif is_text and len(values) == kinds.rows:
        kinds.labels.append(name)
    elif 1 < len(values) <= min(MOST_LEVELS, kinds.rows / 2) and not (
        known.words_of(name) & DURATIONS
    ):
        kinds.settings.append(name)


def _is_figure(table: Table, name: str, values: int, rows: int) -> bool:
    if name in table.roles.figures or known.direction_of(name):
        return True
    if known.leaf(name) in known.SETTINGS:
        return False
    return known.leaf(name) in known.FIGURES or values > min(MOST_LEVELS, rows / 2)
