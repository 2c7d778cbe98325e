"""The commands for studies that there are: `status`, `report`, `dashboard` and `copy`.

What takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

import shutil
import sys
import webbrowser
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablation.cli.app import app, tools_of
from ablation.cli.options import (
    RESULTS,
    Json,
    Open,
    Paste,
    Results,
    Storage,
    StudyName,
    storage_as_given,
)
from ablation.cli.outcome import opened_results, print_report
from ablation.cli.study_argument import find_study, say_what_differs
from ablation.errors import UserError, printable
from ablation.folders import RESERVED

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.cli.console import Output

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "studies.db"


@app.command()
def status(
    context: typer.Context,
    study: StudyName = None,
    storage: Storage = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Show what is done, running, waiting, diverged and failed, and why."""
    from ablation.storage import status as states

    output = tools_of(context).output
    with opened_results(storage, results) as opened:
        name = find_study(opened, study) if study else ""
        content = states.status(opened, name) if study else {}
        rows = [] if study else states.studies(opened)
        if study and not as_json:
            say_what_differs(opened, study, name, output.say)
    if as_json:
        output.print_json(content if study else rows)
    elif study:
        _print_status(output, content)
    else:
        output.print_rows(rows, ["study", "design", "wanted", *_states(rows)])


def _print_status(output: Output, content: dict[str, Any]) -> None:
    from ablation.storage.attributes import IMPORTED

    if content["design"] == IMPORTED:
        _print_imported(output, content)
        return
    if content["design"] == "search":  # each of its arms is one trial
        output.print_rows([content], ["study", "wanted", *_states([content])])
    else:
        output.print_rows(content["arms"], ["arm", *_states(content["arms"])])
    also = f", {content['stopped']} were stopped early" if content["stopped"] else ""
    also += f", {content['diverged']} diverged" if content["diverged"] else ""
    most = "at most " if content["settling"] and content["settling"]["waits_for"] else ""
    output.say(f"{content['complete']} of {most}{content['wanted']} trials are complete{also}.")
    if settling := content["settling"]:
        output.say(settling["text"])
        if waits := settling["waits_for"]:
            of = f"look {settling['taken'] + 1} of {len(settling['looks'])}"
            output.say(f"The next is {of}, which waits for {waits} trainings.")
    if holder := content["holder"]:
        runs = f"Being run by {holder['name']}."
        perhaps = (
            f"Locked by {holder['name']}: whether it still runs cannot be seen from here. If it "
            "does not, the command of the study goes on with it."
        )
        output.say(runs if holder["certain"] else perhaps)
    for epoch, count in Counter(each["epoch"] for each in content["divergences"]).items():
        arms = dict.fromkeys(e["arm"] for e in content["divergences"] if e["epoch"] == epoch)
        output.say(f"{count} diverged in epoch {epoch}: {', '.join(arms)}")
    for failure in content["failures"]:
        output.say(
            f"Trial {failure['number']}, {failure['arm']} seed {failure['seed']}, failed: "
            f"{failure['reason']}"
        )


def _print_imported(output: Output, content: dict[str, Any]) -> None:
    output.print_rows(content["arms"], ["arm", "complete", "failed"])
    output.say(f"{content['complete']} of {content['wanted']} runs have a result.")
    for failure in content["failures"]:
        label = f", {failure['of']} {failure['seed']}" if failure["seed"] else ""
        block = f", {failure['block']}" if failure["block"] else ""
        output.say(
            f"Run {failure['number']}, {failure['arm']}{block}{label}, has no result: "
            f"{failure['reason']}"
        )


def _states(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of trials by state; ``stopped`` and ``diverged`` only where there are some."""
    from ablation.storage.status import STATES

    seldom = ("stopped", "diverged")
    return [state for state in STATES if state not in seldom or any(row[state] for row in rows)]


@app.command()
def report(
    context: typer.Context,
    study: StudyName = None,
    table: Annotated[
        Paste | None,
        typer.Option(metavar="md|tex", help="Print the table of arms to paste, and write nothing."),
    ] = None,
    open_report: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Rebuild everything under results/STUDY/ from the storage."""
    from ablation.dashboard.renewal import renew_pages
    from ablation.report.build import table_to_paste
    from ablation.storage.studies import confirmed_by, latest_study

    tools = tools_of(context)
    say = tools.output.say
    with opened_results(storage, results) as opened:
        if study is None:
            name = latest_study(opened)
            say(f"The latest study: {name}")
        else:
            found = find_study(opened, study)
            name = confirmed_by(opened, found)
            if found != name:
                say(f"{found} confirms what {name} found; one report tells of both")
            say_what_differs(opened, study, name, say)
        if table:
            sys.stdout.write(printable(table_to_paste(opened, name, table.value, say)))
            return
        written = tools.build_report(opened, name, results)
        renew_pages(opened, name, say, unmarked=False)
    print_report(tools.output, written, open_report)


@app.command()
def dashboard(
    context: typer.Context,
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="The study to begin with, or the file of its space. Default: the list of all.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port; where it is taken, the next free one.")
    ] = 8080,
    writable: Annotated[
        bool,
        typer.Option("--writable", metavar="", help="Let visitors change and delete studies."),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another host name that browsers may use, as behind a proxy; repeatable.",
            show_default=False,
        ),
    ] = None,
    open_page: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Serve optuna-dashboard, read-only unless --writable, also while a study runs."""
    from ablation.storage import sqlite_file, storage_url

    output = tools_of(context).output

    def serve(url: str) -> None:
        _serve(output, url, results, host, port, writable, allow_host or [], open_page, study)

    url = storage_url(storage, results)
    own = (RESULTS / REFERENCE.name).absolute()
    if study is None and sqlite_file(url) == own and not own.exists() and REFERENCE.exists():
        output.say(
            "No study of your own yet, so these are the ones that come with the project (a copy)."
        )
        with TemporaryDirectory() as folder:
            serve(storage_url(shutil.copy(REFERENCE, folder), results))
    else:
        serve(url)


def _serve(
    output: Output,
    url: str,
    results: Path,
    host: str,
    port: int,
    writable: bool,
    names: list[str],
    open_page: bool,
    study: str | None,
) -> None:
    from ablation.dashboard.renewal import renew_all_pages
    from ablation.dashboard.server import Shown, only_this_machine, serve
    from ablation.folders import artifact_folder
    from ablation.storage import opened_storage

    def ready(root: str) -> None:
        address = f"{root}{page}"
        output.say(f"optuna-dashboard: {address}  (Ctrl-C ends it)")
        if not only_this_machine(host):
            can = "see, change and delete" if writable else "see"
            output.say(
                f"Whoever reaches {host} can {can} every study of this storage: "
                "optuna-dashboard asks for no password."
            )
        if open_page:
            webbrowser.open(address)

    renew_all_pages(url, output.say)
    folder = artifact_folder(results)
    with opened_storage(url, kind=Shown) as opened:
        page = _page_of(opened, study) if study else ""
        serve(opened, folder, host, port, ready, writable=writable, names=names)


def _page_of(opened: RDBStorage, study: str) -> str:
    """The path of a study's page in optuna-dashboard."""
    from ablation.storage import study_names
    from ablation.storage.record import no_study

    if (name := find_study(opened, study)) not in study_names(opened):
        raise no_study(opened, study)
    return f"dashboard/studies/{opened.get_study_id_from_name(name)}"


@app.command()
def copy(
    context: typer.Context,
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="The study's name, or the file of its space."),
    ],
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="STORAGE",
            callback=storage_as_given,
            help="The storage to copy to: an SQLite file or a URL. With --from, default: your own.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            callback=storage_as_given,
            metavar="reference|URL",
            help="The storage to copy from; reference: the one that comes with the project. "
            "Default: your own.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", metavar="", help="Replace a study of that name."),
    ] = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Copy a study into another storage, also while it runs; a search with its confirmation."""
    from ablation.storage import copy_study, display_url, opened_storage, storage_url
    from ablation.storage.studies import confirmation_of

    if url is None and source is None:
        raise UserError("copy: name the storage to copy to, or with --from the one to copy from")
    own = storage_url(storage, results)
    read = own if source is None else _url_to_copy_from(source, results)
    target = own if url is None else storage_url(url, results)
    with opened_storage(read) as opened:
        name = find_study(opened, study)
    copy_study(name, read, target, replace=replace, confirmation=confirmation_of)
    tools_of(context).output.say(f"Copied {name} to {display_url(target)}")


def _url_to_copy_from(given: str, results: Path) -> str:
    """The URL of the storage that `--from` names."""
    from ablation.storage import storage_url

    if given != RESERVED:
        return storage_url(given, results)
    if not REFERENCE.exists():
        raise UserError(
            f"--from {RESERVED}: {REFERENCE} is missing; it comes with a clone of the project"
        )
    return storage_url(str(REFERENCE), results)
