"""A table and what a person says of it -> the runs that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ablation.folders import study_name
from ablation.objective.metric import Direction, Metric
from ablation.runs.columns import names as known
from ablation.runs.columns.direction import (
    direction_line,
    direction_source,
    find_direction,
    find_margin,
    find_unit,
    meaning,
)
from ablation.runs.columns.names import COMPLETE
from ablation.runs.columns.roles import Columns, find_columns
from ablation.runs.columns.suggestion import suggest
from ablation.runs.comparisons.arms import Arms, find_arms, find_comparisons
from ablation.runs.comparisons.blocks import (
    check_measures,
    check_pooling,
    why_no_mean,
    without_empty_blocks,
)
from ablation.runs.comparisons.pairing import (
    Pairing,
    check_folds,
    missing_lines,
    pair,
    replication_lines,
)
from ablation.runs.comparisons.variation import variation_lines
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons, RefusedTableError
from ablation.runs.rows.doubles import settle_doubles
from ablation.runs.rows.histories import Finished, finish
from ablation.runs.rows.labels import Labels
from ablation.runs.rows.repeats import with_repeats
from ablation.runs.rows.results import failure_lines, mark_failures
from ablation.runs.rows.rows import read_conditions, read_rows
from ablation.runs.rows.summaries import check_summaries, read_summaries
from ablation.runs.runs import COLUMNS, Runs
from ablation.runs.tables.table import Table
from ablation.runs.wording import order_of
from ablation.space.schema import BASELINE


def select_runs(table: Table, options: Options, files: Sequence[str] = ()) -> Runs:
    """The runs that are compared, and how.

    Args:
        table: what was read.
        options: what a person has said.
        files: the files as they were typed, for a command that is suggested; their names unless
            given.

    Raises:
        RefusedTableError: with every reason, and what to type instead; where too little was said,
            also with what the columns seem to be, and a whole command.
    """
    name = options.study or (study_name(Path(files[0]).stem) if files else "")
    try:
        return replace(_select(table, options), study=name, paths=_names(files))
    except RefusedTableError as refusal:
        if not refusal.is_too_little:
            raise
        said = suggest(table, options, files or list(table.files), lambda o: _select(table, o))
        raise RefusedTableError(refusal.reasons, advice=said, is_too_little=True) from None


def _select(table: Table, options: Options) -> Runs:
    reasons = Reasons()
    columns = find_columns(table, options, reasons)
    columns = check_summaries(table, columns, options, reasons)
    conditions = read_conditions(table, options, reasons)
    direction = find_direction(table, columns, options, reasons)
    if not (columns.arms and columns.metric):
        reasons.stop()
    rows = read_rows(table, columns, conditions, reasons)
    rows, columns = with_repeats(rows, columns, reasons)
    finished = finish(table, rows, columns, options, direction, reasons)
    runs = mark_failures(finished.runs.assign(row=finished.runs.index), columns.metric)
    runs = read_summaries(runs, columns, options, reasons)
    runs, unmeasured = without_empty_blocks(runs, columns)
    columns, constant = _without_constant_seed(runs, columns)
    arms = find_arms(table, rows, runs, columns, options, reasons)
    labels = Labels(arms.names, columns)
    failures = failure_lines(runs, columns, labels)
    runs, doubles = settle_doubles(table, runs, columns, options, labels, reasons)
    differing = check_measures(rows, columns, reasons)
    check_pooling(table, runs, columns, "\n".join(reasons.texts), reasons)
    against = find_comparisons(arms, options, reasons)
    done, means = runs[runs["state"] == COMPLETE], meaning(table, columns)
    unit = find_unit(done, means, options, reasons)
    metric = _metric(table, columns, unit, direction)
    margin = find_margin(unit, options, reasons)
    _check_results(runs, arms, columns, failures, reasons)
    check_folds(runs, columns, options, reasons)
    reasons.stop()
    pairing = pair(runs, columns, against, labels, options.folds)
    no_mean = why_no_mean(pairing, arms.baseline, columns, differing)
    lines = [
        *(*table.lines, *rows.lines, *finished.lines),
        direction_line(metric, margin, direction_source(table, columns, options), options),
        *(*unmeasured, *arms.lines, *failures, *doubles, *constant, *pairing.lines),
        *missing_lines(pairing, labels, against, columns.block),
        *replication_lines(pairing, columns, table.names),
        *(*variation_lines(rows, columns, arms.names), *_about_blocks(finished, columns, no_mean)),
    ]
    selected = _runs_frame(pairing.runs, arms)
    return Runs(
        study=options.study,
        metric=metric,
        margin=margin,
        comparison=replace(pairing.comparison, blocks=columns.block, no_mean=no_mean),
        arms=_arms_frame(arms, against),
        runs=selected[COLUMNS],
        history=_history(finished.history, pairing, selected),
        lines=list(dict.fromkeys(lines)),
        files=dict(table.files),
        options=options.words(),
    )


def _names(files: Sequence[str]) -> list[str]:
    """Files and folders as they were typed, without the folders that they are in."""
    return [Path(file).name or file for file in files]


def _about_blocks(finished: Finished, columns: Columns, no_mean: str) -> list[str]:
    """Why blocks have no mean, and that their runs, which share no scale, have no curves."""
    means = [f"no mean over {columns.block}: {no_mean}"] if no_mean else []
    if finished.history.empty or not columns.block:
        return means
    return [
        *means,
        f"no learning curves with --by {columns.block}: --where {columns.block}=VALUE draws those "
        "of one",
    ]


def _metric(table: Table, columns: Columns, unit: str, direction: Direction | None) -> Metric:
    """What decides, called as its column is without an exporter's prefix."""
    return Metric(
        columns.metric,
        known.bare(columns.metric, table.roles.prefixes),
        unit=unit,
        direction=direction or "maximize",
        test=columns.test,
    )


def _without_constant_seed(runs: pd.DataFrame, columns: Columns) -> tuple[Columns, list[str]]:
    """Columns without a seed that is the same everywhere, where runs have numbers beside it."""
    key = ["arm", "seed", "fold", "block"]
    complete = runs[runs["state"] == COMPLETE]
    if (
        columns.seed_is_given
        or not columns.seed
        or not columns.run
        or complete["seed"].nunique() > 1
        or not complete.duplicated(key).any()
        or complete.duplicated([*key, "run"]).any()
    ):
        return columns, []
    value = complete["seed"].iloc[0]
    runs["seed"] = ""
    return replace(columns, seed=""), [
        f"{columns.seed} is {value} in every run: one seed is no replication, and the spread is "
        f"that of running it again; {columns.run} tells runs apart"
    ]


def _check_results(
    runs: pd.DataFrame, arms: Arms, columns: Columns, failures: list[str], reasons: Reasons
) -> None:
    """Refuse a comparison in which one side has no result at all."""
    with_result = set(runs["arm"][runs["state"] == COMPLETE])
    why = f" ({'; '.join(failures[:2])})" if failures else ""
    if not with_result:
        reasons.add(f"no run has a {columns.metric}{why}: another column (--metric)")
    elif arms.baseline is not None and arms.baseline not in with_result:
        name = arms.names[arms.baseline]
        who = "the baseline" if name == BASELINE else f"the baseline {name}"
        reasons.add(f"{who} has no run with a {columns.metric}{why}: --against another")
    elif len(with_result) == 1 and len(arms.names) > 1:
        name = arms.names[next(iter(with_result))]
        reasons.add(
            f"only {name} has runs with a {columns.metric}{why}: nothing to compare it with"
        )


def _order(arms: Arms) -> list[int]:
    """Arms by first appearance, the baseline first."""
    first = [] if arms.baseline is None else [arms.baseline]
    return [*first, *(arm for arm in range(len(arms.names)) if arm not in first)]


def _arms_frame(arms: Arms, against: Sequence[int | None]) -> pd.DataFrame:
    rows = []
    for arm in _order(arms):
        other = against[arm]
        rows.append(
            {
                "arm": arms.names[arm],
                "against": "" if other is None else arms.names[other],
                "changes": arms.changes[arm],
                "setting": arms.settings[arm],
            }
        )
    return pd.DataFrame(rows, columns=["arm", "against", "changes", "setting"])


def _runs_frame(runs: pd.DataFrame, arms: Arms) -> pd.DataFrame:
    """`Runs.runs`, arm by arm, in the order of blocks and of what pairs."""
    rank = {arm: place for place, arm in enumerate(_order(arms))}
    blocks = {
        text: place for place, text in enumerate(sorted(runs["block"].unique(), key=order_of))
    }
    keys = {text: place for place, text in enumerate(sorted(runs["key"].unique(), key=order_of))}
    placed = runs.assign(
        by_arm=runs["arm"].map(rank),
        by_block=runs["block"].map(blocks),
        by_key=runs["key"].map(keys),
    )
    placed = placed.sort_values(
        ["by_arm", "by_block", "by_key", "created", "place"], kind="stable", ignore_index=True
    )
    names = pd.Series(arms.names, dtype=str)
    return placed.assign(arm=names.iloc[placed["arm"]].to_numpy(), seed=placed["key"])


def _history(history: pd.DataFrame, pairing: Pairing, selected: pd.DataFrame) -> pd.DataFrame:
    """`Runs.history`: epochs of the runs that are there; of averaged runs, their means."""
    columns = ["arm", "seed", "block", "epoch", "value"]
    if history.empty:
        return pd.DataFrame(columns=columns)
    runs = selected[["row", "arm", "seed", "block"]]
    joined = history.merge(runs, on="row")
    return joined.sort_values(["arm", "block", "seed", "epoch"], kind="stable", ignore_index=True)[
        columns
    ]
