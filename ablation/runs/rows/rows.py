"""Rows of a table: those that are asked for, with their numbers and where they belong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ablation.errors import counted
from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE, FAIL
from ablation.runs.columns.roles import Columns, find_column
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.tables.numbers import numbers
from ablation.runs.tables.table import Table
from ablation.runs.wording import EMPTY, some, typed


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that are asked for.

    Attributes:
        frame: one row a row of the table, with a new index: ``place`` (its number in the table,
            from 0), ``line`` (in its file), ``arm`` (a number, see `cells`), ``seed``, ``fold``,
            ``run``, ``block``, ``state``, ``created`` (texts), ``ending`` (how the run ended, in
            the table's own word), ``value``, ``kind`` (see `ablation.runs.tables.numbers`),
            ``test_value``, ``sd``, ``n``, and ``is_baseline``.
        cells: by the number of an arm, its text in each of the columns that arms are made of.
        epochs: by column that may number the rows of a history, the numbers.
        measures: by column that says what the figure is, the texts.
        others: by setting that was not asked for, the texts.
        lines: what was done, a sentence each.
    """

    frame: pd.DataFrame
    cells: pd.DataFrame
    epochs: pd.DataFrame
    measures: pd.DataFrame
    others: pd.DataFrame
    lines: list[str]


@dataclass(frozen=True)
class Condition:
    """A condition on rows: that a column has a value, or has it not."""

    column: str
    value: str
    is_equal: bool

    @property
    def text(self) -> str:
        """As a person types it."""
        return f"{self.column}{'=' if self.is_equal else '!='}{self.value}"


def read_conditions(table: Table, options: Options, reasons: Reasons) -> list[Condition]:
    """What ``--where`` says."""
    conditions = [_condition(table, text, reasons) for text in options.where]
    return [condition for condition in conditions if condition]


def read_rows(
    table: Table, columns: Columns, conditions: list[Condition], reasons: Reasons
) -> Rows:
    """The rows that are asked for.

    Args:
        table: what was read.
        columns: what is read of it.
        conditions: which rows are asked for.
        reasons: gets every cell that cannot be taken.

    Raises:
        RefusedTableError: no row is left.
    """
    cells = table.read([*dict.fromkeys([*columns.all, *(each.column for each in conditions)])])
    lines = cells.index.to_numpy()
    cells = cells.reset_index(drop=True)
    chosen = _meets(cells, conditions, reasons)
    if not chosen.any():
        reasons.stop()
    said = []
    if conditions:
        listed = " ".join(f"--where {condition.text}" for condition in conditions)
        said.append(f"{listed}: {chosen.sum():,} of {counted(len(cells), 'row')}")
    cells = cells[chosen]
    frame = pd.DataFrame({"place": cells.index, "line": lines[chosen.to_numpy()]})
    cells = cells.reset_index(drop=True)
    rows = _rows(frame, cells, columns, reasons)
    return replace(rows, lines=said)


def _rows(frame: pd.DataFrame, cells: pd.DataFrame, columns: Columns, reasons: Reasons) -> Rows:
    keys = [_codes(cells[name]) for name in columns.arms]
    codes = pd.MultiIndex.from_arrays(keys) if len(keys) > 1 else pd.Index(keys[0])
    frame["arm"], _ = pd.factorize(codes)
    first = frame.drop_duplicates("arm").index
    arms = cells.loc[first, list(columns.arms)].reset_index(drop=True)
    for role in ("seed", "fold", "run", "block", "created"):
        name = getattr(columns, role)
        frame[role] = cells[name] if name else ""
    frame["seed"] = _whole(frame["seed"])
    frame["fold"] = _whole(frame["fold"])
    frame["run"] = _whole(frame["run"])
    frame["ending"], frame["state"] = _states(cells, columns)
    frame["value"], frame["kind"] = numbers(cells[columns.metric])
    frame["test_value"] = numbers(cells[columns.test])[0] if columns.test else np.nan
    for role in ("sd", "n"):
        name = getattr(columns, role)
        frame[role] = numbers(cells[name])[0] if name else np.nan
    flags = cells[columns.baseline].str.lower() if columns.baseline else None
    frame["is_baseline"] = flags.isin(["true", "1"]) if flags is not None else False
    _check_figures(frame, cells, columns, reasons)
    _check_keys(frame, cells, columns, reasons)
    epochs = pd.DataFrame({name: numbers(cells[name])[0] for name in columns.epochs})
    measures = cells[list(columns.measures)]
    return Rows(frame, arms, epochs, measures, cells[list(columns.others)], [])


def _codes(column: pd.Series[str]) -> np.ndarray:
    codes: np.ndarray = pd.factorize(column)[0]
    return codes


def _whole(column: pd.Series[str]) -> pd.Series[str]:
    """Whole numbers as such, where a program has written them as ``3.0``."""
    codes, texts = pd.factorize(column)
    plain = pd.Series(texts, dtype=str).str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    return pd.Series(plain.to_numpy()[codes], index=column.index, dtype=str)


def _states(cells: pd.DataFrame, columns: Columns) -> tuple[pd.Series[str], pd.Series[str]]:
    """How runs ended, in the table's words and in ours; all finished where it does not say."""
    blank = pd.Series("", index=cells.index, dtype=str)
    if not columns.state:
        return blank, blank.replace("", COMPLETE)
    words = cells[columns.state].str.lower().str.removeprefix("trialstate.")
    codes, texts = pd.factorize(words)
    known_texts = [known.STATES.get(text, FAIL if text else COMPLETE) for text in texts]
    return words, pd.Series(np.array(known_texts, dtype=object)[codes], cells.index, dtype=str)


def _check_figures(
    frame: pd.DataFrame, cells: pd.DataFrame, columns: Columns, reasons: Reasons
) -> None:
    """Refuse what is no number in the figure, and numbers of two kinds."""
    name = columns.metric
    if columns.test and (other := numbers(cells[columns.test])[1] == "text").any():
        reasons.add(
            f"{columns.test} has text: {cells[columns.test][other].iloc[0]!r} "
            f"(line {frame['line'][other].iloc[0]}): leave --test out, or such rows with --where"
        )
    texts = frame[frame["kind"] == "text"]
    if len(texts):
        example = cells[name][texts.index[0]]
        where = f"line {frame['line'][texts.index[0]]}"
        rest = f" and {len(texts) - 1:,} more" if len(texts) > 1 else ""
        reasons.add(
            f"{name} has text: {example!r} ({where}){rest}: a mean with its spread belongs into "
            "two columns (--metric MEAN --sd SD --n RUNS); other text is left out with "
            + typed("--where", f"{name}!={example}")
        )
    percent = frame["kind"] == "percent"
    if percent.any() and (plain := frame["kind"] == "").any():
        one, other = frame["line"][percent].iloc[0], frame["line"][plain].iloc[0]
        reasons.add(
            f"{name} has percent signs in {counted(int(percent.sum()), 'row')} (line {one}) and "
            f"none in others (line {other}): write all of them alike, or keep one kind with --where"
        )


def _check_keys(
    frame: pd.DataFrame, cells: pd.DataFrame, columns: Columns, reasons: Reasons
) -> None:
    """Refuse rows of finished runs that do not say where they belong, or hold means of others."""
    counts = (frame["state"] == COMPLETE) & (frame["kind"] != "missing")
    for name in (columns.arm, columns.seed, columns.fold, columns.block):
        empty = counts & (cells[name] == "") if name else counts & False
        if empty.any():
            reasons.add(
                f"{name} is empty in {counted(int(empty.sum()), 'row')} "
                f"({some(f'line {line}' for line in frame['line'][empty])}): fill it in, or leave "
                f"such rows out with {typed('--where', f'{name}!=')}",
                where=(f"{name}!=",),
            )
    for name in (columns.seed, columns.fold, columns.block):
        texts = cells[name][counts].str.lower() if name else pd.Series(dtype=str)
        for text in texts[texts.isin(known.AVERAGES)].unique():
            value = cells[name][texts.index[texts == text][0]]
            reasons.add(
                f"{name} is {value!r} in line {frame['line'][texts.index[texts == text][0]]}: "
                "not a run, but made of others; leave it out with "
                + typed("--where", f"{name}!={value}"),
                where=(f"{name}!={value}",),
            )


def _condition(table: Table, text: str, reasons: Reasons) -> Condition | None:
    """What ``COLUMN=VALUE`` or ``COLUMN!=VALUE`` says; names of columns may contain both signs."""
    splits = list(_splits(text))
    for column, value, is_equal in splits:
        if column in table.names:
            return Condition(column, value, is_equal)
    if not splits:
        reasons.add(f"--where {text}: takes COLUMN=VALUE or COLUMN!=VALUE")
        return None
    column, value, is_equal = splits[0]
    found = find_column(table, column, "--where", reasons)
    return Condition(found, value, is_equal) if found else None


def _splits(text: str) -> Iterator[tuple[str, str, bool]]:
    for place in (i for i, char in enumerate(text) if char == "="):
        if place and text[place - 1] == "!":
            yield text[: place - 1].strip(), text[place + 1 :].strip(), False
        elif place:
            yield text[:place].strip(), text[place + 1 :].strip(), True


def _meets(cells: pd.DataFrame, conditions: list[Condition], reasons: Reasons) -> pd.Series[bool]:
    """Which rows meet them all; of several values of one column any will do."""
    chosen = pd.Series(True, index=cells.index)
    for column, group in itertools.groupby(
        sorted(conditions, key=lambda one: (one.column, one.is_equal)), key=lambda one: one.column
    ):
        listed = list(group)
        wanted = [one.value for one in listed if one.is_equal]
        present = cells[column].unique()
        for value in (one.value for one in listed):
            if value not in present and (value or wanted):
                reasons.add(
                    f"--where {column}={value}: no row has it; {column} is "
                    f"{some((text or EMPTY for text in present), 12)}"
                )
        if wanted:
            chosen &= cells[column].isin(wanted)
        chosen &= ~cells[column].isin([one.value for one in listed if not one.is_equal])
    if not chosen.any() and not reasons.texts:
        reasons.add("no row is left: the conditions of --where exclude each other")
    return chosen
