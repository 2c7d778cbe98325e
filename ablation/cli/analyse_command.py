"""`analyse`: from a table of runs that were trained elsewhere to a study's report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ablation.cli.app import Tools, app, tools_of
from ablation.cli.options import RESULTS, Open, Results, Storage, flag, option, text_from_home
from ablation.cli.outcome import print_report

if TYPE_CHECKING:
    from pathlib import Path

    from ablation.objective.metric import Direction
    from ablation.runs.runs import Runs

COMPARED, FIGURE, ROWS, SHAPE = "What is compared", "The metric", "Which runs", "The table's shape"


class Wide(StrEnum):
    """What `--wide` takes."""

    seeds = "seeds"
    arms = "arms"


class Keep(StrEnum):
    """What `--keep` takes."""

    latest = "latest"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="CSV, Parquet, JSON lines, a folder, a storage.",
        show_default=False,
    ),
]
Arm = Annotated[str, option("Column of arms.", "COL", panel=COMPARED)]
Settings = Annotated[
    list[str] | None,
    option("Column of a setting; repeatable.", "COL", "--setting", panel=COMPARED),
]
Seed = Annotated[str, option("Column that pairs runs of different arms.", "COL", panel=COMPARED)]
Against = Annotated[
    list[str] | None,
    option("The baseline; NAME=VALUE for settings.", "ARM", panel=COMPARED),
]
Compare = Annotated[
    list[str] | None,
    option("Compare ARM with OTHER instead; repeatable.", "ARM=OTHER", panel=COMPARED),
]
By = Annotated[str, option("Column of data sets or other blocks.", "COL", panel=COMPARED)]
Folds = Annotated[
    int | None, option("K of a cross-validation that was repeated.", "K", panel=COMPARED)
]
MetricName = Annotated[str, option("Column of the figure that decides.", "COL", panel=FIGURE)]
Test = Annotated[str, option("The same on test data; decides nothing.", "COL", panel=FIGURE)]
Lower = Annotated[bool, flag("Less of it is better.", "--lower-is-better", FIGURE)]
Higher = Annotated[bool, flag("More of it is better.", "--higher-is-better", FIGURE)]
Unit = Annotated[str | None, option("fraction, percent, or any text.", "UNIT", panel=FIGURE)]
Margin = Annotated[
    float | None,
    option("The smallest difference that matters.", "X", panel=FIGURE, min=0),
]
Where = Annotated[
    list[str] | None,
    option("Rows to keep, or COL!=V; repeatable.", "COL=V", panel=ROWS),
]
Reduce = Annotated[str, option("A history's figure: last, mean:K or best.", "HOW", panel=ROWS)]
EarlyStopping = Annotated[
    bool,
    flag("Runs that end early count, too.", "--early-stopping", ROWS),
]
KeepLatest = Annotated[
    Keep | None, option("Of a run there is twice, the newer one.", "latest", panel=ROWS)
]
Sd = Annotated[str, option("Rows are means: column of standard deviations.", "COL", panel=SHAPE)]
Count = Annotated[
    str, option("With --sd: column, or number, of runs.", "COL|N", "--n", panel=SHAPE)
]
WideColumns = Annotated[Wide | None, option("What the columns are.", "seeds|arms", panel=SHAPE)]
NamePattern = Annotated[
    str,
    option("Of files, such as '{arm}-s{seed}.csv'.", "PATTERN", "--name", panel=SHAPE),
]
StudyOfRuns = Annotated[
    str,
    option("The study's name. Default: the first file's.", "NAME"),
]


@app.command(
    help="Analyse runs that were trained elsewhere: the same effects, verdicts and report from a "
    "table of them. Without options it says what the columns seem to be, and a command to copy."
)
def analyse(
    context: typer.Context,
    files: Files,
    arm: Arm = "",
    settings: Settings = None,
    seed: Seed = "",
    against: Against = None,
    compare: Compare = None,
    by: By = "",
    folds: Folds = None,
    metric: MetricName = "",
    test: Test = "",
    lower: Lower = False,
    higher: Higher = False,
    unit: Unit = None,
    margin: Margin = None,
    where: Where = None,
    reduce: Reduce = "last",
    early_stopping: EarlyStopping = False,
    keep: KeepLatest = None,
    sd: Sd = "",
    n: Count = "",
    wide: WideColumns = None,
    name: NamePattern = "",
    study: StudyOfRuns = "",
    open_report: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Analyse what the options say; what --help prints is above.

    Longer than other functions, since every option stands here twice and nothing else does.
    """
    from ablation.errors import UserError
    from ablation.folders import check_name
    from ablation.runs.options import Options
    from ablation.runs.reading import read_table
    from ablation.runs.selection import select_runs
    from ablation.storage import storage_url

    if lower and higher:
        raise UserError("--lower-is-better and --higher-is-better: keep one")
    if study:
        check_name(study)
    direction: Direction | None = "minimize" if lower else "maximize" if higher else None
    options = Options(
        arm=arm,
        settings=tuple(settings or ()),
        seed=seed,
        metric=metric,
        against=tuple(against or ()),
        compare=tuple(compare or ()),
        test=test,
        by=by,
        folds=folds,
        where=tuple(where or ()),
        reduce=reduce,
        early_stopping=early_stopping,
        keep=keep.value if keep else "",
        direction=direction,
        unit=unit,
        margin=margin,
        sd=sd,
        n=n,
        wide=wide.value if wide else "",
        name=name,
        study=study,
    )
    paths = [text_from_home(file) or file for file in files]
    runs = select_runs(read_table(paths, options), options, paths)
    _report(tools_of(context), runs, storage_url(storage, results), results, open_report)


def _report(tools: Tools, runs: Runs, url: str, results: Path, open_report: bool) -> None:
    """Store the runs, write their report, and print the answer."""
    from ablation.dashboard.renewal import renew_pages
    from ablation.runs.storing import store_runs
    from ablation.storage import opened_storage, settle

    output = tools.output
    for line in runs.lines:
        output.tell(escape(line))
    with opened_storage(url, create=True) as opened:
        if store_runs(opened, runs) == "none":
            output.say(f"Nothing new: study {runs.study} has these runs already.")
        written = tools.build_report(opened, runs.study, results)
        renew_pages(opened, runs.study, output.say)
        settle(opened, output.say)
    print_report(output, written, open_report, said=runs.lines)
