"""Which column of a table is what: as a person says, as its exporter says, or by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.errors import did_you_mean
from ablation.runs.columns import names as known
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.tables.numbers import numbers
from ablation.runs.tables.table import Table
from ablation.runs.wording import some

MOST_VALID = 40
MOST_WORDS = 20  # of a column that may be a setting


@dataclass(frozen=True)
class Columns:
    """The columns that an analysis reads, empty where there is none.

    Attributes:
        arm: of names of arms; or `settings`.
        settings: of what makes an arm.
        seed: of what may pair runs.
        seed_is_given: whether a person has said so.
        fold: of folds.
        repeat: of the repetitions of a cross-validation.
        run: of what tells runs apart.
        metric: of the figure that decides.
        test: of the figure on test data.
        block: of data sets and such.
        state: of how runs ended.
        created: of when they were begun.
        sd: of standard deviations.
        n: of numbers of runs.
        epochs: what may number the rows of a history, the likeliest first.
        measures: of what the figure is, where that is a column of its own.
        baseline: of ``True`` for runs of the baseline.
        others: settings that are not asked for.
    """

    arm: str = ""
    settings: tuple[str, ...] = ()
    seed: str = ""
    seed_is_given: bool = False
    fold: str = ""
    repeat: str = ""
    run: str = ""
    metric: str = ""
    test: str = ""
    block: str = ""
    state: str = ""
    created: str = ""
    sd: str = ""
    n: str = ""
    epochs: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    baseline: str = ""
    others: tuple[str, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """The columns that arms are made of."""
        return (self.arm,) if self.arm else self.settings

    @property
    def all(self) -> list[str]:
        """Every one of them, once."""
        listed = (
            *self.arms,
            *(self.seed, self.fold, self.repeat, self.run, self.metric, self.test, self.block),
            *(
                self.state,
                self.created,
                self.sd,
                self.n,
                *self.epochs,
                *self.measures,
                self.baseline,
            ),
            *self.others,
        )
        return [name for name in dict.fromkeys(listed) if name]


def find_column(table: Table, name: str, option: str, reasons: Reasons) -> str:
    """The column that a person has named, with its exporter's prefix or without; else empty."""
    if not name or name in table.names:
        return name
    prefixes = table.roles.prefixes
    alike = [other for other in table.names if name == known.bare(other, prefixes)]
    alike = alike or [
        other
        for other in table.names
        if name.lower() in (other.lower(), known.bare(other, prefixes).lower())
    ]
    if len(alike) == 1:
        return alike[0]
    if alike:
        reasons.add(f"{option} {name}: several columns are called so: {some(alike)}")
        return ""
    inside = [other for other in table.names if known.leaf(other) == name.lower()]
    valid = table.names[:MOST_VALID]
    hint = f"did you mean {' or '.join(inside)}?" if inside else did_you_mean(name, valid)
    more = len(table.names) - len(valid)
    rest = f" and {more} more" if more and not inside else ""
    reasons.add(f"{option} {name}: the table has no such column; {hint}{rest}")
    return ""


def find_columns(table: Table, options: Options, reasons: Reasons) -> Columns:
    """The columns of an analysis.

    Args:
        table: what was read.
        options: what a person has said.
        reasons: gets what they named and is not there, and what is missing.
    """
    roles = table.roles

    def named(name: str, option: str) -> str:
        return find_column(table, name, option, reasons)

    if options.arm and options.settings:
        reasons.add("--arm and --setting both say what the arms are: give one of them")
    wanted = dict.fromkeys(named(name, "--setting") for name in options.settings)
    settings = tuple(name for name in wanted if name)
    arm = named(options.arm, "--arm") or ("" if options.settings else roles.arm)
    if not (options.arm or options.settings or arm):
        settings = tuple(name for name in roles.settings if _is_setting(table, name))
    metric = named(options.metric, "--metric") if options.metric else _metric(table)
    if not options.metric and not metric:
        reasons.add("no figure was chosen: --metric COLUMN")
        reasons.is_too_little = True
    if not (options.arm or options.settings or arm or settings):
        reasons.add("no arms were chosen: --arm COLUMN, or --setting COLUMN for each setting")
        reasons.is_too_little = True
    block = named(options.by, "--by")
    seed, fold, run = _keys(table, options, (arm, *settings, block, metric), reasons)
    taken = {arm, *settings, seed, fold, run, metric, block}
    free = [name for name in table.names if name not in taken]
    return Columns(
        arm=arm,
        settings=settings,
        seed=seed,
        seed_is_given=bool(options.seed and seed),
        fold=fold,
        run=run,
        metric=metric,
        test=named(options.test, "--test") or (roles.test if metric == roles.metric else ""),
        block=block,
        state=roles.state or _state(table, free),
        created=roles.created or known.first_of(free, known.TIMES),
        sd=named(options.sd, "--sd"),
        n="" if options.n.isdecimal() else named(options.n, "--n"),
        epochs=_epochs(free, roles.epoch),
        measures=tuple(name for name in free if known.leaf(name) in known.MEASURES),
        baseline=roles.baseline if arm == roles.arm else "",
        others=_others(table, free, has_key=bool(seed or fold)),
    )


def _others(table: Table, free: Sequence[str], *, has_key: bool) -> tuple[str, ...]:
    """What may be settings although nobody asks for them."""
    return tuple(
        name
        for name in free
        if _may_be_setting(table, name) or (not has_key and _is_of_words(table, name))
    )


def _may_be_setting(table: Table, name: str) -> bool:
    last = known.leaf(name)
    if last in known.MACHINES or not _is_setting(table, name):
        return False
    return name in table.roles.settings or last in known.SETTINGS


def _is_of_words(table: Table, name: str) -> bool:
    """Whether a column has a few words that rows share, which may be what a run was given.

    Where no seed says which rows repeat the same run, such rows may be of different settings.
    """
    last, cells = known.leaf(name), table.head[name]
    if name in table.roles.others or known.words_of(name) & known.BOOKKEEPING:
        return False
    if last in (*known.RUNS, *known.EPOCHS, *known.TIMES, *known.ENDS, *known.MEASURES):
        return False
    if last in known.SPLITS or known.is_task(name, cells):
        return False
    is_few = 1 < cells.nunique() <= min(MOST_WORDS, len(cells) / 2)
    return is_few and bool((numbers(cells)[1] == "text").any())


def _is_setting(table: Table, name: str) -> bool:
    return not (known.is_seed(name) or known.is_fold(name, table.head[name]))


def _metric(table: Table) -> str:
    """The figure that decides where nobody says: the only one on validation data, if clear."""
    if table.roles.metric:
        return table.roles.metric
    figures = [name for name in table.names if known.direction_of(name)]
    clear = [name for name in figures if known.words_of(name) & known.VALIDATION]
    if table.roles.baseline:
        return clear[0] if clear else ""
    return clear[0] if len(clear) == 1 else ""


def _keys(
    table: Table, options: Options, taken: Sequence[str], reasons: Reasons
) -> tuple[str, str, str]:
    """The columns of seeds, of folds and of runs."""
    roles = table.roles
    free = [name for name in table.names if name not in taken]
    seed = find_column(table, options.seed, "--seed", reasons)
    if not options.seed:
        seeds = [name for name in free if known.is_seed(name)]
        exact = [name for name in seeds if known.leaf(name) == "seed"]
        if not roles.seed and len(exact or seeds) > 1:
            reasons.add(
                f"which column has the seeds: --seed {' or --seed '.join(exact or seeds)}",
                seed=(exact or seeds)[0],
            )
        seed = roles.seed or (exact or seeds or [""])[0]
    folds = [name for name in free if known.is_fold(name, table.head[name])]
    fold = roles.fold or (folds[0] if folds else "")
    if fold == seed:
        seed = ""
    free = [name for name in free if name not in (seed, fold)]
    run = roles.run
    if not run or run not in free:
        numbered = [name for name in free if not (seed and known.leaf(name) in known.EPOCHS)]
        run = known.first_of(numbered, known.RUNS)
    return seed, fold, run


def _state(table: Table, free: Sequence[str]) -> str:
    """The column of how runs ended, which says so in words that are known."""
    name = known.first_of(free, known.ENDS)
    words = table.head[name].str.lower().str.removeprefix("trialstate.") if name else pd.Series()
    return name if words.isin(list(known.STATES)).any() else ""


def _epochs(free: Sequence[str], exported: str) -> tuple[str, ...]:
    """What may number the rows of a history: the exporter's own column, else by their names."""
    found = [name for name in free if known.leaf(name) in known.EPOCHS and name != exported]
    by_name = sorted(found, key=lambda name: known.EPOCHS.index(known.leaf(name)))
    return (exported, *by_name) if exported in free else tuple(by_name)
