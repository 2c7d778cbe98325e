"""What is said where too little was chosen: what the columns seem to be, and a whole command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from ablation.errors import counted
from ablation.program import command
from ablation.runs.columns import names as known
from ablation.runs.columns.kinds import Kinds, find_kinds
from ablation.runs.options import Options
from ablation.runs.refusal import RefusedTableError
from ablation.runs.tables.naming import arm_pattern
from ablation.runs.tables.numbers import OF_SPREADS, mean_with_spread
from ablation.runs.tables.table import Table
from ablation.runs.wording import some, typed

MOST_ATTEMPTS = 8
ASSUMED = ("direction", "against", "keep", "by", "where")
"""Options that decide what comes out, and that only a person can know."""


def suggest(
    table: Table,
    options: Options,
    files: Sequence[str],
    attempt: Callable[[Options], Any],
) -> list[str]:
    """What the columns seem to be, a sentence each kind, and a command that works.

    Args:
        table: what was read.
        options: what a person has said; it is kept.
        files: as they were typed.
        attempt: analyses the table with options, or refuses.
    """
    kinds = find_kinds(table)
    lines = _description(table, kinds)
    refusals = list[RefusedTableError]()
    for first in _candidates(table, kinds, options):
        found = _mended(first, attempt, refusals)
        if found:
            words = ["analyse", *files, *found.words()]
            return [*lines, *_assumptions(first, found, options), f"type: {_shown(words)}"]
    if refusals:
        why = refusals[0].reasons
        return [*lines, *(f"no command is known that would do: {reason}" for reason in why)]
    return [*lines, f"no whole command can be given; {_hint(table, kinds, options, files)}"]


def _hint(table: Table, kinds: Kinds, options: Options, files: Sequence[str]) -> str:
    """What to try where the columns are not enough to try anything."""
    pattern = "" if options.name else arm_pattern(files)
    found = mean_with_spread(table.head)
    if pattern:
        return f"the names of the files may say the arms: {typed('--name', pattern)} --arm arm"
    if _may_be_wide(table, kinds, options):
        return (
            "if the columns are arms, with a row for each seed or task: --wide arms --metric NAME "
            "--seed COLUMN"
        )
    if found:
        return f"{found[0]} has {found[1]!r}: {OF_SPREADS}"
    return "no column looks like arms, or none like a figure"


def _may_be_wide(table: Table, kinds: Kinds, options: Options) -> bool:
    """Whether several columns hold figures and none is called as a figure is."""
    if table.roles.exporter or options.metric or len(kinds.figures) < 2:
        return False
    return not any(
        known.direction_of(name) or known.words_of(name) & (known.FIGURES | known.MEANS)
        for name in kinds.figures
    )


def _shown(words: Sequence[str]) -> str:
    return command(shlex.join(words))


def _description(table: Table, kinds: Kinds) -> list[str]:
    what = table.roles.exporter or "a table"
    first = f"this is {what} of {counted(kinds.rows, 'row')}"
    if table.roles.exporter and not table.roles.settings and not table.roles.arm:
        first += ", which does not say which columns are settings and which are figures"
    parts = {
        "arms": kinds.described(kinds.arms),
        "settings that vary": kinds.described(kinds.settings),
        "seeds": kinds.described(kinds.seeds),
        "folds": kinds.described(kinds.folds),
        "runs": kinds.described(kinds.runs),
        "data sets or tasks": kinds.described(kinds.tasks),
        "checkpoints or splits": kinds.described(kinds.splits),
        "figures": some([*kinds.figures, *([] if table.roles.figures else kinds.epochs)], 12),
    }
    return [first, *table.lines, *(f"{name}: {text}" for name, text in parts.items() if text)]


def _candidates(table: Table, kinds: Kinds, options: Options) -> Iterator[Options]:
    """What might be meant, the likeliest first."""
    if means := _of_means(table, kinds, options):
        yield means
    if _may_be_wide(table, kinds, options):
        return
    metrics = [options.metric] if options.metric else _metrics(table, kinds)
    for metric in metrics[:2]:
        base = replace(options, metric=metric, test=options.test or _test_of(metric, kinds))
        if not options.seed and kinds.seeds:
            base = replace(base, seed=kinds.seeds[0])
        if options.arm or options.settings:
            yield base
            continue
        for chosen in _arm_choices(table, kinds):
            yield replace(base, **chosen)


def _of_means(table: Table, kinds: Kinds, options: Options) -> Options | None:
    """Means with their deviations, one row an arm; None where the columns are not of these."""
    free = [name for name in table.names if name]
    sd = [name for name in free if known.words_of(name) & known.DEVIATIONS]
    n = [name for name in free if known.leaf(name) in known.COUNTS]
    means = [name for name in kinds.figures if known.words_of(name) & known.MEANS]
    texts = [name for name in (*kinds.labels, *kinds.arms) if known.leaf(name) in known.ARMS]
    if not (len(sd) == len(n) == 1 and means and texts) or options.arm or options.settings:
        return None
    return replace(options, arm=texts[0], metric=options.metric or means[0], sd=sd[0], n=n[0])


def _arm_choices(table: Table, kinds: Kinds) -> Iterator[dict[str, Any]]:
    """Options that say what the arms are."""
    named = [name for name in kinds.arms if known.leaf(name) in known.ARMS]
    settings = [*kinds.settings, *kinds.arms]
    if table.roles.exporter and settings and not table.roles.arm:
        yield {"settings": tuple(name for name in table.names if name in settings)}
    for name in named or kinds.arms[:1]:
        yield {"arm": name}
    if kinds.settings:
        yield {"settings": tuple(kinds.settings)}
        for name in kinds.settings:
            yield {"settings": (name,)}
    for name in kinds.arms:
        yield {"arm": name}
    for name in kinds.runs:
        yield {"arm": name}


def _metrics(table: Table, kinds: Kinds) -> list[str]:
    """Figures that may decide: on validation data, with a clear name, and filled, first."""

    def rank(name: str) -> tuple[bool, ...]:
        words = known.words_of(name)
        return (
            name != table.roles.metric,
            bool(words & (known.SPREADS | known.TRAINING)),
            not known.direction_of(name),
            "best" in words,
            not words & known.VALIDATION,
            bool(words & known.TESTING),
            not words & known.HIGHER,
        )

    clear = [name for name in kinds.figures if not known.words_of(name) & known.UNCLEAR]
    ordered = sorted(clear or kinds.figures, key=lambda name: -kinds.filled[name])
    return sorted(ordered, key=rank)


def _test_of(metric: str, kinds: Kinds) -> str:
    """The same figure on test data; empty where there is none."""
    words = known.words_of(metric)
    if not words & known.VALIDATION:
        return ""
    for name in kinds.figures:
        others = known.words_of(name)
        if others & known.TESTING and others - known.TESTING == words - known.VALIDATION:
            return name
    return ""


def _mended(
    options: Options, attempt: Callable[[Options], Any], refusals: list[RefusedTableError]
) -> Options | None:
    """Options that work: refused ones with what takes the reasons away."""
    for _ in range(MOST_ATTEMPTS):
        try:
            attempt(options)
        except RefusedTableError as refusal:
            refusals.append(refusal)
            changed = options
            for fix in refusal.fixes:
                changed = fix.apply(changed)
            if changed == options:
                return None
            options = changed
        else:
            return options
    return None


def _assumptions(first: Options, found: Options, given: Options) -> list[str]:
    """What the command takes for granted that only a person can know."""
    names = [each.name for each in fields(Options) if each.name in ASSUMED]
    added = [name for name in names if getattr(found, name) != getattr(given, name)]
    if not added:
        return []
    only = Options(**{name: getattr(found, name) for name in added})
    other = " (or --lower-is-better: its name does not say)" if "direction" in added else ""
    return [f"the command takes for granted, for you to check: {shlex.join(only.words())}{other}"]
