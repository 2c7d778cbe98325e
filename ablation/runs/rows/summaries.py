"""Tables of means: a row an arm, with its standard deviation and its number of runs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ablation.runs.columns import names as known
from ablation.runs.columns.names import COMPLETE, FAIL
from ablation.runs.columns.roles import Columns
from ablation.runs.options import Options
from ablation.runs.refusal import Reasons
from ablation.runs.tables.table import Table
from ablation.runs.wording import some


def check_summaries(table: Table, columns: Columns, options: Options, reasons: Reasons) -> Columns:
    """The columns of a table of means, which has neither seeds nor runs."""
    if not options.sd and not options.n:
        return columns
    if options.sd and not options.n:
        reasons.add(
            "--sd needs --n too: the column of how many runs each mean is of, or the number"
        )
    if options.n and not options.sd:
        reasons.add("--n needs --sd too: the column of standard deviations over runs")
    if known.words_of(options.sd) & known.ERRORS_OF_MEANS:
        reasons.add(
            f"--sd {options.sd}: a standard error is no standard deviation over runs (of items of "
            "one run it says nothing of other seeds): give the sd over runs"
        )
    is_of_folds = known.words_of(columns.n or "") & {"fold", "folds"} or columns.fold
    if is_of_folds or table.roles.fold:
        reasons.add(
            f"--n {options.n}: folds are not independent runs, and their sd is too small for a "
            "test of means: give the figures of the single folds"
        )
    if options.seed:
        reasons.add("--seed and --sd: a table of means has no runs to pair; leave --seed out")
    if options.keep:
        reasons.add("--keep and --sd: a table of means has no runs; leave --keep out")
    return replace(columns, seed="", seed_is_given=False, fold="", run="", epochs=(), state="")


def read_summaries(
    runs: pd.DataFrame, columns: Columns, options: Options, reasons: Reasons
) -> pd.DataFrame:
    """Rows with their numbers of runs; those without an sd have failed."""
    if not columns.sd:
        return runs
    if options.n.isdecimal():
        runs = runs.assign(n=float(options.n))
    counting = runs[runs["state"] == COMPLETE]
    bad = counting[~((counting["n"] >= 1) & (counting["n"] % 1 == 0))]
    if len(bad):
        name = f"--n {options.n}" if options.n.isdecimal() else columns.n
        lines = some(f"line {line}" for line in bad["line"])
        reasons.add(f"{name} is no number of runs, from 1 on, in {lines}: correct it")
    negative = counting[counting["sd"] < 0]
    if len(negative):
        lines = some(f"line {line}" for line in negative["line"])
        reasons.add(f"{columns.sd} is below 0 in {lines}: a standard deviation is not")
    without = (runs["state"] == COMPLETE) & runs["sd"].isna() & (runs["n"] != 1)
    runs.loc[without, "why"] = f"has no {columns.sd}"
    runs.loc[without, "failure"] = f"without {columns.sd}"
    runs.loc[without, "state"] = FAIL
    runs.loc[without, ["value", "test_value"]] = float("nan")
    return runs
