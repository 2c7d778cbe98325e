"""`analyse`: from a table of runs that were trained elsewhere to a study's report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ablation.cli.app import Tools, app, tools_of
from ablation.cli.options import RESULTS, Open, Results, Storage, text_from_home
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


def _option(panel: str, text: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(
        *names, help=text, rich_help_panel=panel, metavar=metavar, show_default=False
    )


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="CSV, Parquet, JSON lines, a folder, a storage.",
        show_default=False,
    ),
]
Arm = Annotated[str, _option(COMPARED, "Column of arms.", metavar="COL")]
Settings = Annotated[
    list[str] | None,
    _option(COMPARED, "Column of a setting; repeatable.", "--setting", metavar="COL"),
]
Seed = Annotated[str, _option(COMPARED, "Column that pairs runs of different arms.", metavar="COL")]
Against = Annotated[
    list[str] | None,
    _option(COMPARED, "The baseline; NAME=VALUE for settings.", metavar="ARM"),
]
Compare = Annotated[
    list[str] | None,
    _option(COMPARED, "Compare ARM with OTHER instead; repeatable.", metavar="ARM=OTHER"),
]
By = Annotated[str, _option(COMPARED, "Column of data sets or other blocks.", metavar="COL")]
Folds = Annotated[
    int | None, _option(COMPARED, "K of a cross-validation that was repeated.", metavar="K")
]
MetricName = Annotated[str, _option(FIGURE, "Column of the figure that decides.", metavar="COL")]
Test = Annotated[str, _option(FIGURE, "The same on test data; decides nothing.", metavar="COL")]
Lower = Annotated[bool, _option(FIGURE, "Less of it is better.", "--lower-is-better", metavar="")]
Higher = Annotated[bool, _option(FIGURE, "More of it is better.", "--higher-is-better", metavar="")]
Unit = Annotated[str | None, _option(FIGURE, "fraction, percent, or any text.", metavar="UNIT")]
Margin = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="X",
        help="The smallest difference that matters.",
        rich_help_panel=FIGURE,
        show_default=False,
    ),
]
Where = Annotated[
    list[str] | None,
    _option(ROWS, "Rows to keep, or COL!=V; repeatable.", metavar="COL=V"),
]
Reduce = Annotated[str, _option(ROWS, "A history's figure: last, mean:K or best.", metavar="HOW")]
EarlyStopping = Annotated[
    bool,
    _option(ROWS, "Runs that end early count, too.", "--early-stopping", metavar=""),
]
KeepLatest = Annotated[
    Keep | None, _option(ROWS, "Of a run there is twice, the newer one.", metavar="latest")
]
Sd = Annotated[str, _option(SHAPE, "Rows are means: column of standard deviations.", metavar="COL")]
Count = Annotated[
    str, _option(SHAPE, "With --sd: column, or number, of runs.", "--n", metavar="COL|N")
]
WideColumns = Annotated[Wide | None, _option(SHAPE, "What the columns are.", metavar="seeds|arms")]
NamePattern = Annotated[
    str,
    _option(
        SHAPE, "Of files, such as '{arm}-s{seed}.csv'.", "--name",
        metavar="PATTERN",
    ),
]  # fmt: skip
StudyOfRuns = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="The study's name. Default: the first file's.", show_default=False
    ),
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
