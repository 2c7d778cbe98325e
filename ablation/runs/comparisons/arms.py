"""Arms of a table: what they are called, which is the baseline, what each is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from ablation.errors import counted, did_you_mean
from ablation.runs.columns import names as known
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.rows.rows import Rows
from ablation.runs.tables.table import Table
from ablation.runs.wording import EMPTY, some, typed
from ablation.space.schema import BASELINE

MOST_ARMS = 20
MOST_CANDIDATES = 3


@dataclass(frozen=True, eq=False)
class Arms:
    """The arms of a table.

    Attributes:
        names: by the number of an arm, as rows have it.
        baseline: the number of the baseline; None where it is not known.
        changes: by number, what differs from the baseline, text by setting.
        settings: by number, all of it.
        lines: what was taken for what, a sentence each.
    """

    names: list[str]
    baseline: int | None = None
    changes: list[dict[str, str]] = field(default_factory=list)
    settings: list[dict[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def find_arms(
    table: Table,
    rows: Rows,
    runs: pd.DataFrame,
    columns: Columns,
    options: Options,
    reasons: Reasons,
) -> Arms:
    """The arms, and the baseline among them.

    Args:
        table: what was read.
        rows: its rows that are asked for.
        runs: a row a run, whether it counts or not.
        columns: which column is what.
        options: what a person has said.
        reasons: gets why there is no baseline.
    """
    if columns.arm:
        return _named(rows, columns, options, reasons)
    return _of_settings(table, rows, runs, columns, options, reasons)


def _named(rows: Rows, columns: Columns, options: Options, reasons: Reasons) -> Arms:
    names = rows.cells[columns.arm].to_list()
    nothing: list[dict[str, str]] = [{} for _ in names]
    if len(names) == 1:
        reasons.add(
            f"{columns.arm} has a single arm, {names[0]}: two at least are needed to compare; "
            "another column (--arm), or fewer conditions (--where)"
        )
        return Arms(names, 0, nothing, nothing)
    baseline, lines = _named_baseline(rows, names, columns, options, reasons)
    return Arms(names, baseline, nothing, nothing, lines)


def _named_baseline(
    rows: Rows, names: list[str], columns: Columns, options: Options, reasons: Reasons
) -> tuple[int | None, list[str]]:
    listed = some(names, MOST_ARMS)
    if len(options.against) > 1:
        reasons.add(
            f"--against is given {len(options.against)} times: arms by name have one baseline"
        )
        return None, []
    if options.against:
        if (given := options.against[0]) in names:
            return names.index(given), []
        reasons.add(
            f"--against {given}: {columns.arm} has no such arm; {did_you_mean(given, names)}"
        )
        return None, []
    flagged = rows.frame.loc[rows.frame["is_baseline"], "arm"].unique()
    if len(flagged) == 1:
        return int(flagged[0]), []
    called = [name for name in names if name.lower() == BASELINE]
    if len(called) == 1:
        return names.index(called[0]), [f"baseline: {called[0]}, by its name (--against ARM)"]
    reasons.add(f"which arm is the baseline: --against ARM, one of {listed}", against=(names[0],))
    return None, []


def _of_settings(
    table: Table,
    rows: Rows,
    runs: pd.DataFrame,
    columns: Columns,
    options: Options,
    reasons: Reasons,
) -> Arms:
    cells = rows.cells.rename(columns=_short_names(table, columns.settings))
    varied = [str(name) for name in cells if cells[name].nunique() > 1]
    settings = [
        {str(name): str(text) for name, text in row.items()} for row in cells.to_dict("records")
    ]
    plain = [_name({name: setting[name] for name in varied}) for setting in settings]
    if not varied:
        reasons.add(
            f"{some(cells.columns)} {'has' if len(cells.columns) == 1 else 'have'} one value in "
            "every row: a single arm; --setting COLUMN for what differs between runs"
        )
        return Arms(plain, 0, settings, settings)
    counts = _counts(runs)
    chosen = _baseline_values(cells[varied], counts, rows, options, reasons)
    if chosen is None:
        return Arms(plain, None, settings, settings)
    fits = (cells[varied] == pd.Series(chosen)).all(axis=1)
    if not fits.any():
        _no_such_run(cells[varied], chosen, counts, reasons)
        return Arms(plain, None, settings, settings)
    changes = [
        {name: setting[name] for name in varied if setting[name] != chosen[name]}
        for setting in settings
    ]
    if _is_search(counts, changes):
        reasons.add(_search(len(cells)))
    names = [_name(change) or BASELINE for change in changes]
    return Arms(
        names,
        int(fits.to_numpy().argmax()),
        changes,
        settings,
        _baseline_lines(chosen, cells, options),
    )


def _short_names(table: Table, columns: Sequence[str]) -> dict[str, str]:
    """Settings without their exporter's prefix, as long as these tell them apart."""
    short = {name: known.bare(name, table.roles.prefixes) for name in columns}
    alike = pd.Series(list(short.values()), dtype=str).duplicated(keep=False).to_list()
    return {
        name: name if is_shared else bare
        for (name, bare), is_shared in zip(short.items(), alike, strict=True)
    }


def _name(changes: dict[str, str]) -> str:
    return "+".join(f"{name}={text or EMPTY}" for name, text in changes.items())


def _counts(runs: pd.DataFrame) -> pd.Series[int]:
    """How many runs each arm was to have: a seed that was run again counts once."""
    keys = ["arm", "seed", "fold", "block"]
    has_keys = (runs[["seed", "fold"]] != "").any(axis=None)
    distinct = runs.drop_duplicates(keys) if has_keys else runs
    return distinct.groupby("arm").size()


def _baseline_values(
    cells: pd.DataFrame, counts: pd.Series[int], rows: Rows, options: Options, reasons: Reasons
) -> dict[str, str] | None:
    """The baseline's value of each setting; None where that is not known."""
    given = _given_values(cells, options, reasons)
    flagged = rows.frame.loc[rows.frame["is_baseline"], "arm"].unique()
    if not options.against and len(flagged) == 1:
        return {str(name): str(text) for name, text in cells.loc[flagged[0]].items()}
    if given is None:
        return None
    chosen, ties = dict[str, str](), list[tuple[str, str]]()
    for name in map(str, cells):
        if name in given:
            chosen[name] = given[name]
            continue
        frequent = counts.groupby(cells[name]).sum().sort_values(ascending=False, kind="stable")
        top = frequent.index[frequent == frequent.iloc[0]]
        chosen[name] = str(top[0])
        if len(top) > 1:
            ordered = [text for text in cells[name].unique() if text in top]
            ties.append(
                (name, some((f"{text or EMPTY} ({frequent[text]})" for text in ordered), 8))
            )
            chosen[name] = ordered[0]
    if ties and (counts == 1).all() and not given:
        reasons.add(_search(len(cells)))
        return None
    for name, values in ties:
        reasons.add(
            f"which value of {name} is the baseline's: as many runs have each of {values}: "
            f"{typed('--against', f'{name}={chosen[name]}')}",
            against=(f"{name}={chosen[name]}",),
        )
    return None if ties else chosen


def _given_values(cells: pd.DataFrame, options: Options, reasons: Reasons) -> dict[str, str] | None:
    """What ``--against NAME=VALUE`` says; None where it cannot be read."""
    given, is_read = dict[str, str](), True
    for text in options.against:
        splits = [(text[:i].strip(), text[i + 1 :].strip()) for i, c in enumerate(text) if c == "="]
        found = [
            (str(name), value)
            for left, value in splits
            for name in cells
            if name in (left, known.bare(left))
        ]
        if not found:
            is_read = False
            hint = did_you_mean(text.split("=")[0], map(str, cells))
            reasons.add(f"--against {text}: takes NAME=VALUE; {hint}")
            continue
        name, value = found[0]
        if value == EMPTY:
            value = ""
        if value not in set(cells[name]):
            is_read = False
            values = [shown or EMPTY for shown in cells[name].unique()]
            reasons.add(f"--against {text}: no run has it; {did_you_mean(value, values)}")
        given[name] = value
    return given if is_read else None


def _no_such_run(
    cells: pd.DataFrame, chosen: dict[str, str], counts: pd.Series[int], reasons: Reasons
) -> None:
    """Refuse a baseline that was never run; the nearest that was is named."""
    if (counts == 1).all() and len(cells.columns) > 1:
        reasons.add(_search(len(cells)))
        return
    differing = (cells != pd.Series(chosen)).sum(axis=1)
    order = sorted(cells.index, key=lambda arm: (differing[arm], -counts[arm], arm))
    candidates = [
        " ".join(
            typed("--against", f"{name}={text or EMPTY}") for name, text in cells.loc[arm].items()
        )
        for arm in order[:MOST_CANDIDATES]
    ]
    reasons.add(
        f"no run has the most frequent value of every setting, {_name(chosen)}, to be the "
        f"baseline; the nearest are: {'; or '.join(candidates)}",
        against=tuple(f"{name}={text or EMPTY}" for name, text in cells.loc[order[0]].items()),
    )


def _is_search(counts: pd.Series[int], changes: list[dict[str, str]]) -> bool:
    """Whether every setting was run once, and most differ from the baseline in several values."""
    several = sum(len(change) > 1 for change in changes)
    return bool((counts == 1).all()) and 2 * several > len(changes) - 1


def _search(settings: int) -> str:
    return (
        f"each of {counted(settings, 'setting')} was run once: a search, not an ablation; run the "
        "settings to be compared with several seeds each, or name fewer columns (--setting)"
    )


def _baseline_lines(chosen: dict[str, str], cells: pd.DataFrame, options: Options) -> list[str]:
    """Which setting is the baseline, and levels that are the same number in two spellings."""
    how = "as given" if len(options.against) == len(chosen) else (
        "the most frequent value of each (--against NAME=VALUE for another)"
        if not options.against
        else "what was not given is the most frequent value"
    )  # fmt: skip
    lines = [f"baseline: {', '.join(f'{n}={t or EMPTY}' for n, t in chosen.items())}; {how}"]
    for name in chosen:
        values = pd.Series(cells[name].unique(), dtype=str)
        same = values[pd.to_numeric(values, errors="coerce").duplicated(keep=False)]
        same = same[pd.to_numeric(same, errors="coerce").notna()]
        if len(same):
            lines.append(f"{name} is {some(same)}: levels are text, so these are different arms")
    return lines


def find_comparisons(arms: Arms, options: Options, reasons: Reasons) -> list[int | None]:
    """By the number of an arm, that of the arm it is compared with; None for the baseline."""
    against: list[int | None] = [arms.baseline] * len(arms.names)
    if arms.baseline is not None:
        against[arms.baseline] = None
    seen = set[int]()
    for text in options.compare:
        pairs = [
            (arms.names.index(text[:i].strip()), arms.names.index(text[i + 1 :].strip()))
            for i, char in enumerate(text)
            if char == "="
            and text[:i].strip() in arms.names
            and text[i + 1 :].strip() in arms.names
        ]
        pair = pairs[0] if len(pairs) == 1 else None
        if pair is None:
            several = f"it can be read in {len(pairs)} ways" if pairs else "takes ARM=OTHER"
            reasons.add(f"--compare {text}: {several}; arms: {some(arms.names, MOST_ARMS)}")
        elif pair[0] == pair[1] or pair[0] == arms.baseline:
            what = "the baseline" if pair[0] == arms.baseline else "an arm with itself"
            reasons.add(f"--compare {text}: compares {what}; name another arm before the =")
        elif pair[0] in seen:
            reasons.add(f"--compare {text}: {arms.names[pair[0]]} is compared with another already")
        else:
            seen.add(pair[0])
            against[pair[0]] = pair[1]
    return against
