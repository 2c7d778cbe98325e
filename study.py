"""Which hyperparameters of a CRNN matter on Fashion-MNIST, by how much, and how sure are we?

Every command is a few lines here: it parses, calls and prints. What takes long to import is
imported by the command that needs it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import webbrowser
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ablation.cli.terminal import failure_of, make_printable
from ablation.errors import UserError, one_line, printable
from ablation.files import from_home
from ablation.quiet import isolate_libraries

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.dashboard.live_view import LiveView
    from ablation.design.arms import Plan
    from ablation.report.data.study_table import StudyTable
    from ablation.report.rendering.text_table import TextTable
    from ablation.report.write import Report
    from crnn.trace.page import Walk
    from crnn.trace.subject import Subject

app = typer.Typer(
    # Not out of the docstring: with -OO there is none.
    help="Which hyperparameters of a CRNN matter on Fashion-MNIST, by how much, and how sure are "
    "we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
if os.environ.get("COLUMNS") == "0":  # not known, as some editors' terminals say
    del os.environ["COLUMNS"]
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Precision(StrEnum):
    """What `--precision` takes."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Paste(StrEnum):
    """What `report --table` takes."""

    md = "md"
    tex = "tex"


def _path_from_home(given: Path | None) -> Path | None:
    """A path as given, ``~`` expanded where the shell has left it."""
    return None if given is None else Path(from_home(str(given)))


def _from_home(given: str | None) -> str | None:
    """A text as given, ``~`` expanded where the shell has left it."""
    return None if given is None else from_home(given)


def _storage(given: str | None) -> str | None:
    """A storage as given; a password in it is not for everybody who lists processes."""
    if given is None or "://" not in given:
        if given and not Path(given).exists() and LIKE_A_URL.match(given):
            raise UserError(NO_URL)  # and nothing of it, for it may hold a password
        return _from_home(given)
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        secret = make_url(given).password is not None or "password=" in given
    except (ArgumentError, ValueError):
        raise UserError(NO_URL) from None
    if secret and any(given in word for word in sys.argv):
        errors.print(PASSWORD_SEEN, soft_wrap=True)
    return _from_home(given)


LIKE_A_URL = re.compile(r".*:.*@|(postgres|mysql|mariadb|sqlite)\w*(\+\w+)?[:;/]", re.IGNORECASE)
NO_URL = (
    "--storage: not a URL; one is written postgresql://USER@HOST/DATABASE or sqlite:///FILE, "
    "in a password @ as %40, : as %3A and / as %2F"
)
PASSWORD_SEEN = (
    "note: whoever lists this machine's processes sees the password; give the URL in "
    "CRNN_STUDY_STORAGE instead, or leave the password to ~/.pgpass or PGPASSFILE"
)

Storage = Annotated[
    str | None,
    typer.Option(
        callback=_storage,
        help="Optuna storage: a URL or an SQLite file. Default: studies.db in the results folder. "
        "A URL's password is seen in the list of processes: keep it in the variable, or in "
        "~/.pgpass (PGPASSFILE).",
        envvar="CRNN_STUDY_STORAGE",
        show_envvar=True,
        show_default=False,
    ),
]
Results = Annotated[
    Path, typer.Option(callback=_path_from_home, help="Folder that results are written to.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        callback=_path_from_home,
        help="Folder of Fashion-MNIST. Default: a cache folder.",
        show_default=False,
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Space = Annotated[
    str,
    typer.Argument(callback=_from_home, help="A shipped space's name, or a path to a TOML file."),
]
StudyName = Annotated[
    str | None, typer.Argument(help="The study's name. Default: the latest.", show_default=False)
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Number of seeds: the first of those that the space lists, else from 0 on; "
        "of a search: of its confirmation.",
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Epochs, in a study of its own name.")]
TrainSize = Annotated[int | None, typer.Option(help="Images, in a study of its own name.")]
Trials = Annotated[int | None, typer.Option(min=1, help="Trials of a search.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings at a time. Default: one a core, or one a GPU."),
]
RESULTS = Path("results")
RESERVED = "reference"  # names the storage that comes with the project; no study is called so
REFERENCE = Path(__file__).parent / "results" / "reference" / "studies.db"


@app.command()
def spaces(storage: Storage = None, results: Results = RESULTS, as_json: Json = False) -> None:
    """List the shipped spaces: question, design, runs, rough time."""
    from ablation.planning import overview, pace

    rate = pace.rate(storage, results)
    rows = overview.spaces(rate)
    if as_json:
        _print_json(rows)
        return
    _print_table(rows, ["name", "design", "runs", "time", "question"])
    _print(f"[dim]Times for {rate.jobs} at a time, from {rate.source}.[/]")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(callback=_path_from_home, help="The file to write.")],
) -> None:
    """Write a commented space to edit."""
    from ablation.space.reader import new_space

    new_space(file)
    _print(f"Wrote {escape(str(file))}. Look at its arms with: {_again('plan', str(file))}")


@app.command()
def plan(
    space: Space,
    seeds: Seeds = None,
    epochs: Epochs = None,
    train_size: TrainSize = None,
    trials: Trials = None,
    jobs: Jobs = None,
    storage: Storage = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Show every arm, its shapes, cost and time; train nothing."""
    from ablation.design.loading import load
    from ablation.planning import overview, pace

    rate = pace.rate(storage, results, jobs, spreads=True)
    loaded = load(space, epochs, train_size)
    overview.check_plan(loaded, seeds, storage, results)
    found = overview.plan(loaded, rate, seeds, trials)
    if as_json:
        _print_json(found)
        return
    _print(f"[bold]{escape(found['question'])}[/]")
    _say_its_name(loaded)
    columns = ["arm", "against", "sequence_length", "parameters", "mmacs", "time"]
    _print_table(found["arms"], columns)
    for line in found["lines"]:
        _say(line)


@app.command()
def run(
    space: Space,
    study: Annotated[
        str | None, typer.Option(help="The study's name. Default: the space's.")
    ] = None,
    jobs: Jobs = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each worker.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seeds: Seeds = None,
    epochs: Epochs = None,
    train_size: TrainSize = None,
    precision: Annotated[Precision, typer.Option(help="Of the arithmetic.")] = Precision.auto,
    trials: Trials = None,
    fuse: Annotated[
        str,
        typer.Option(
            metavar="auto|off|N",
            help="Replicates that a worker trains side by side, at most; auto: 32 on CUDA, "
            "one on a CPU.",
        ),
    ] = "auto",
    timeout: Annotated[
        str | None, typer.Option(help="Start nothing new after this: 90s, 30m, 2h.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option(help="Train failed replicates again.")] = False,
    no_confirm: Annotated[
        bool, typer.Option("--no-confirm", help="Of a search: stop after it, confirm nothing.")
    ] = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the final weights of what is trained.")
    ] = False,
    open_report: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
    data: Data = None,
) -> None:
    """Train what the study lacks, then write its report. Stop it and go on whenever you like."""
    from ablation.cli.live_display import Display
    from ablation.design.loading import load
    from ablation.folders import artifact_folder
    from ablation.running.launch import launch
    from ablation.running.request import Request
    from ablation.signals import InterruptedRunError
    from ablation.storage import storage_url

    found = load(space, epochs, train_size)
    request = Request(
        plan=found,
        study=found.study_name if study is None else study,
        url=storage_url(storage, results),
        results=results,
        data=data,
        seeds=seeds,
        trials=trials,
        confirm=not no_confirm,
        device=device,
        precision=precision.value,
        threads=threads,
        jobs=jobs,
        fuse=fuse,
        retry_failed=retry_failed,
        timeout=_seconds(timeout),
        keep_weights=keep_weights,
    )

    def live_view(study: str) -> LiveView:
        from ablation.dashboard.live_view import LiveView

        return LiveView(request.url, study, artifact_folder(results), _say)

    if study is None:
        _say_its_name(found)
    _say_what_is_left_out(found)
    try:
        progress = launch(request, lambda name: Display(console, name), _say, live_view)
        _finish(request.study, progress, storage, results, open_report)
        if keep_weights:
            with _opened(storage, results) as opened:
                _say_whose_weights_lack(opened, request.study, results)
    except (InterruptedRunError, KeyboardInterrupt) as interrupted:
        again = _again(*sys.argv[1:])
        _print(f"{str(interrupted) or 'SIGINT'}: stopped; nothing is lost. Go on with: {again}")
        raise typer.Exit(128 + getattr(interrupted, "signum", signal.SIGINT)) from None
    raise typer.Exit(3 if progress.failed else 0)


@app.command()
def status(
    study: StudyName = None,
    storage: Storage = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Show what is done, running, waiting, diverged and failed, and why."""
    from ablation.storage import status as states

    with _opened(storage, results) as opened:
        found = states.status(opened, study) if study else {}
        rows = [] if study else states.studies(opened)
    if study is None:
        if as_json:
            _print_json(rows)
        else:
            _print_table(rows, ["study", "design", "wanted", *_states(rows)])
        return
    if as_json:
        _print_json(found)
        return
    if found["design"] == "search":  # each of its arms is one trial
        _print_table([found], ["study", "wanted", *_states([found])])
    else:
        _print_table(found["arms"], ["arm", *_states(found["arms"])])
    also = f", {found['stopped']} were stopped early" if found["stopped"] else ""
    also += f", {found['diverged']} diverged" if found["diverged"] else ""
    _print(f"{found['complete']} of {found['wanted']} trials are complete{also}.")
    if holder := found["holder"]:
        _say(f"Being run by {holder['name']}." if holder["certain"] else
             f"Locked by {holder['name']}: whether it still runs cannot be seen from here. If it "
             "does not, the command of the study goes on with it.")  # fmt: skip
    for epoch, count in Counter(each["epoch"] for each in found["divergences"]).items():
        arms = dict.fromkeys(e["arm"] for e in found["divergences"] if e["epoch"] == epoch)
        _say(f"{count} diverged in epoch {epoch}: {', '.join(arms)}")
    for failure in found["failures"]:
        _say(f"Trial {failure['number']}, {failure['arm']} seed {failure['seed']}, failed: "
             f"{failure['reason']}")  # fmt: skip


@app.command()
def report(
    study: StudyName = None,
    table: Annotated[
        Paste | None,
        typer.Option(help="Print the table of arms to paste, and write nothing."),
    ] = None,
    open_report: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Rebuild everything under results/STUDY/ from the storage."""
    with _opened(storage, results) as opened:
        name = _reported(opened, study) if study else _latest(opened)
        if table:
            sys.stdout.write(printable(_pasted(opened, name, table)))
            return
        written = _write(opened, name, results)
        _renew_pages(opened, name, unmarked=False)
    _print_report(written, open_report)


@app.command()
def trace(
    space: Annotated[
        str | None,
        typer.Argument(
            callback=_from_home, help="A shipped space, or a path to a TOML file. Default: source."
        ),
    ] = None,
    arm: Annotated[str, typer.Option(help="One of its arms, as `plan` names it.")] = "baseline",
    trial: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY:NUMBER", help="Instead: a finished trial, with the weights that it kept."
        ),
    ] = None,
    open_page: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
    data: Data = None,
) -> None:
    """Show two images on their way through the network, stage by stage."""
    from ablation.folders import study_folder
    from crnn.trace import page as walk
    from crnn.trace import subject as traced

    if trial and (space or arm != "baseline"):
        raise UserError("--trial: it says which arm itself; leave SPACE and --arm out")
    if trial:
        with _opened(storage, results) as opened:
            subject = traced.finished(opened, trial)
    else:
        if space is None:
            _say(f"No space given: {traced.WRITE_UP}, the write-up's own")
        subject = traced.untrained(space or traced.WRITE_UP, arm)
    walked = _walk(subject, results, data)
    folder = study_folder(results, subject.study) / "trace" / subject.name
    with _told_where():
        page = walk.write_walk(walked, folder)
    _say(walked.title)
    for line in walked.notes:
        _say(line)
    _print_text_table(walk.stages_table(walked.trace))
    for line in walk.verdicts(walked):
        _say(line)
    _print(f"Page:    {escape(str(page))}")
    _print(f"Figures: {escape(str(page.parent))}/*.png")
    if open_page:
        webbrowser.open(page.absolute().as_uri())


def _walk(subject: Subject, results: Path, data: Path | None) -> Walk:
    from crnn.data.fashion_mnist import load, prepare
    from crnn.trace.forward import network, trace, two_images
    from crnn.trace.page import Walk, notes_on

    setting, weights = subject.setting, None
    if subject.number is not None:
        weights = results / subject.study / "weights"
    model = network(setting, subject.seed, weights, subject.number)
    prepare(data, _say)
    images = load(data)
    places = two_images(images, setting, subject.seed)
    return Walk(
        trace=trace(model, images.train_images[places], images.train_labels[places]),
        title=subject.title,
        notes=[subject.state, *notes_on(setting.model)],
        images=[f"validation image {place}" for place in places.tolist()],
        command=subject.command,
    )


@app.command()
def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port, or the next free one.")] = 8080,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let its pages change and delete.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name that browsers may ask for it by, as behind a proxy; repeatable.",
            show_default=False,
        ),
    ] = None,
    open_page: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Serve optuna-dashboard, read-only unless --writable, also while a study runs."""
    from ablation.storage import sqlite_file, storage_url

    file = sqlite_file(storage_url(storage, results))
    own = (RESULTS / REFERENCE.name).absolute()
    if file == own and not own.exists() and REFERENCE.exists():
        _say("No study of your own yet, so these are the ones that come with the project (a copy).")
        with TemporaryDirectory() as folder:
            display_url = storage_url(shutil.copy(REFERENCE, folder), results)
            _serve(display_url, results, host, port, writable, allow_host or [], open_page)
    else:
        url = storage_url(storage, results)
        _serve(url, results, host, port, writable, allow_host or [], open_page)


def _serve(
    url: str,
    results: Path,
    host: str,
    port: int,
    writable: bool,
    names: list[str],
    open_page: bool,
) -> None:
    from ablation.dashboard.server import Shown, only_this_machine, serve
    from ablation.folders import artifact_folder
    from ablation.storage import opened_storage

    def ready(address: str) -> None:
        _print(f"optuna-dashboard: {address}  (Ctrl-C ends it)")
        if not only_this_machine(host):
            can = "see, change and delete" if writable else "see"
            _say(
                f"Whoever reaches {host} can {can} every study of this storage: "
                "optuna-dashboard asks for no password."
            )
        if open_page:
            webbrowser.open(address)

    _renew_all_pages(url)
    folder = artifact_folder(results)
    with opened_storage(url, kind=Shown) as opened:
        serve(opened, folder, host, port, ready, writable=writable, names=names)


@app.command()
def copy(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    url: Annotated[
        str | None,
        typer.Argument(
            callback=_storage,
            help="The storage to copy to: a URL or an SQLite file. With --from, default: your own.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            callback=_storage,
            metavar="reference|URL",
            help="The storage to copy from; reference: the one that comes with the project. "
            "Default: your own.",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of that name.")] = False,
    storage: Storage = None,
    results: Results = RESULTS,
) -> None:
    """Copy a study into another storage, also while it runs; a search with its confirmation."""
    from ablation.storage import copy_study, display_url, storage_url
    from ablation.storage.record import confirmation_of

    if url is None and source is None:
        raise UserError("copy: name the storage to copy to, or with --from the one to copy from")
    own = storage_url(storage, results)
    read = own if source is None else _source(source, results)
    target = own if url is None else storage_url(url, results)
    copy_study(study, read, target, replace=replace, confirmation=confirmation_of)
    _print(f"Copied {escape(study)} to {escape(display_url(target))}")


def _source(given: str, results: Path) -> str:
    """The URL of the storage that `--from` names."""
    from ablation.storage import storage_url

    if given != RESERVED:
        return storage_url(given, results)
    if not REFERENCE.exists():
        raise UserError(
            f"--from {RESERVED}: {REFERENCE} is missing; it comes with a clone of the project"
        )
    return storage_url(str(REFERENCE), results)


@app.command(name="data")
def data_command(data: Data = None) -> None:
    """Find or fetch Fashion-MNIST, verify it, say where it is."""
    from crnn.data.fashion_mnist import prepare

    prepare(data, _say)


def _finish(
    study: str, progress: Any, storage: str | None, results: Path, open_report: bool
) -> None:
    """What a run ends with: the answer, the paths, how to go on."""
    from ablation.folders import study_folder

    left = progress.wanted - progress.ended
    page = study_folder(results, study) / "report.html"
    with _opened(storage, results) as opened:
        if progress.idle:
            others = {"failed": progress.failed, "diverged": progress.diverged}
            also = "".join(f", {count} {word}" for word, count in others.items() if count)
            complete = f"{progress.complete} of {progress.wanted} trials are complete"
            _say(f"Nothing to do: {complete}{also}.")
            _renew_pages(opened, study)
        if progress.idle and page.exists() and _is_current(opened, study, results):
            _print(f"Report: {escape(str(page))}")
            if open_report:
                webbrowser.open(page.absolute().as_uri())
        else:
            _say("Writing the report …")
            _print_report(_write(opened, study, results), open_report)
    if progress.failed:
        _print(f"[red]{progress.failed} failed[/]; why: {_again('status', study)}")
    if progress.diverged:
        _print(f"[yellow]{progress.diverged} diverged[/]; when: {_again('status', study)}")
    if left:
        _print(f"{left} trials are left; the same command goes on with them.")
    _print(f"Watch it in optuna-dashboard: {_again('dashboard')}")
    if study == "quick":
        _print(f"The full study, hours of work: {_again('plan', 'source')}")
        _print(f"                               {_again('run', 'source')}")


def _say_whose_weights_lack(opened: RDBStorage, study: str, results: Path) -> None:
    from ablation.folders import study_folder
    from ablation.storage import read_trials
    from ablation.storage.record import confirmation_of

    lacking = 0
    for name in filter(None, (study, confirmation_of(opened, study))):
        folder = study_folder(results, name).absolute() / "weights"
        kept = {path.stem for path in folder.glob("trial-*.safetensors")}
        rows = read_trials(opened, name, ("arm", "duplicate_of", "diverged"))
        none = {"duplicate_of", "diverged"}  # which have no weights of their own
        own = [r for r in rows if r.state == "COMPLETE" and none.isdisjoint(r.attributes)]
        lacking += sum(f"trial-{row.number}" not in kept for row in own)
        if kept or name == study:
            _print(f"Weights: {escape(_short(str(folder)))}")
    if lacking:
        _say(
            f"Without weights, because trained before --keep-weights: {lacking} trials. They are "
            "not trained again; another --study NAME would."
        )


def _say_its_name(plan: Plan) -> None:
    """Tell of a study's name that is not the file's: not every file's name can be one."""
    from ablation.folders import study_name

    if study_name(plan.space.name) != plan.space.name:
        _say(f"The study's name: {plan.study_name}; run takes another with --study NAME")


def _say_what_is_left_out(plan: Plan) -> None:
    if plan.space.settle:
        _say("Note: [settle] is not acted on yet: every arm gets all its seeds.")


def _opened(storage: str | None, results: Path) -> AbstractContextManager[RDBStorage]:
    from ablation.storage import opened_storage, storage_url

    return opened_storage(storage_url(storage, results))


def _latest(storage: RDBStorage) -> str:
    from ablation.storage.record import latest_study

    name = latest_study(storage)
    _say(f"The latest study: {name}")
    return name


def _reported(storage: RDBStorage, study: str) -> str:
    """The study whose report tells of this one."""
    from ablation.storage.record import confirmed_by

    search = confirmed_by(storage, study)
    if search != study:
        _say(f"{study} confirms what {search} found; one report tells of both")
    return search


def _write(storage: RDBStorage, study: str, results: Path) -> Report:
    from ablation.folders import study_folder
    from ablation.report import mark
    from ablation.report.data.loading import load_study
    from ablation.report.write import write_report
    from ablation.storage.fingerprint import fingerprint

    state = fingerprint(storage, study)  # before the look: what comes after it is not in the report
    table = _looked_at(storage, load_study(storage, study))
    with _told_where():
        folder = study_folder(results, study)
        mark.remove(folder)
        written = write_report(table, folder)
        mark.write(folder, state)
    return written


def _renew_all_pages(url: str) -> None:
    """Bring up to date what runs left behind that were ended before they did."""
    from ablation.storage import opened_storage
    from ablation.storage.record import confirmed_by, own_studies

    with opened_storage(url) as storage:
        names = own_studies(storage)
        for study in [name for name in names if confirmed_by(storage, name) == name]:
            _renew_pages(storage, study, unmarked=False)


def _is_current(storage: RDBStorage, study: str, results: Path) -> bool:
    """Whether the report is a whole one of what this storage has now."""
    from ablation.folders import study_folder
    from ablation.report import mark
    from ablation.storage.fingerprint import fingerprint

    return mark.is_current(study_folder(results, study), fingerprint(storage, study))


def _renew_pages(storage: RDBStorage, study: str, *, unmarked: bool = True) -> None:
    """Bring the study's note and graphs up to date, where a run was ended before it did."""
    from ablation.dashboard.state import behind
    from ablation.storage.status import runs

    try:
        name = behind(storage, study, unmarked=unmarked)
        if name and not runs(storage, study):
            from ablation.dashboard.study_page import refresh

            refresh(storage, name)
    except Exception as error:  # whatever it is, the report does not depend on it
        why = str(error) or type(error).__name__
        _say(one_line(f"optuna-dashboard lacks the study's note and graphs ({why})"))


def _looked_at(storage: RDBStorage, table: StudyTable) -> StudyTable:
    """The table, and in the storage that verdicts were produced from it."""
    from ablation.report.looks import note_looks

    return note_looks(storage, table, say=_say)


@contextmanager
def _told_where() -> Iterator[None]:
    """What cannot be written is the user's to mend, and nothing of the study is lost with it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; mend that and try again, or name another "
            "--results"
        ) from None


def _pasted(storage: RDBStorage, study: str, kind: Paste) -> str:
    from ablation.report.data.loading import load_study
    from ablation.report.effects.effects import effects
    from ablation.report.text.latex import as_latex, as_markdown

    found = _looked_at(storage, load_study(storage, study))
    table = found.confirmation or found
    made = as_markdown if kind is Paste.md else as_latex
    return made(table, effects(table.trials, table.arms, table.margin))


def _print_report(written: Report, open_report: bool) -> None:
    _print()
    for sentence in written.headline:
        _tell(f"[bold]{escape(sentence)}[/]")
    _print()
    before = " ".join(written.headline)
    for sentence in written.answer:
        if sentence not in before:
            _tell(escape(sentence))
    _print()
    _print_text_table(written.arms)
    page = written.folder / "report.html"
    _print(f"Report: {escape(str(page))}")
    _print(f"Tables: {escape(str(written.folder))}/*.csv")
    _print(f"Plots:  {escape(str(written.folder))}/plots/")
    if open_report:
        webbrowser.open(page.absolute().as_uri())


def _print_text_table(found: TextTable) -> None:
    last = len(found.titles) - 1
    is_number = [
        place >= found.words
        and (place < last or any(re.match(r"\W*\d", row[-1]) for row in found.rows))
        for place in range(last + 1)
    ]
    # Of the columns of numbers the last may be a verdict, with a reason.
    wraps = [
        place < found.words or (place == last and not is_number[last]) for place in range(last + 1)
    ]
    _print_rows(found.titles, found.rows, wraps, is_number)
    if found.note:
        _say(found.note)
    _print()


NARROWEST = 20  # characters of a column of words, beside columns that do not wrap


def _print_rows(
    titles: list[str],
    rows: list[list[str]],
    wraps: list[bool],
    is_number: list[bool],
    header: str = "table.header",
) -> None:
    """Print a table; on a console too narrow for it, each row as lines ``title: value``.

    Args:
        titles: by column.
        rows: a text a column.
        wraps: by column, whether its texts may be broken, at blanks and between settings.
        is_number: by column, whether it is set to the right.
        header: the style of the titles.
    """
    columns = [list(map(printable, column)) for column in zip(titles, *rows, strict=True)]
    widths = [max(map(cell_len, column)) for column in columns]
    least = [
        max(min(width, NARROWEST), *map(_longest_piece, column)) if wrap else width
        for width, column, wrap in zip(widths, columns, wraps, strict=True)
    ]
    gaps = 2 * (len(titles) - 1)
    if sum(least) + gaps > console.width:
        for row in rows:
            for title, text in zip(titles, row, strict=True):
                if text:
                    _say(f"{title}: {text}")
            _print()
        return
    over = max(sum(widths) + gaps - console.width, 0)  # what columns of words have to give up
    rooms = [max(width - over, low) for width, low in zip(widths, least, strict=True)]
    table = Table(box=None, pad_edge=False, header_style=header)
    for title, wrap, number, room in zip(titles, wraps, is_number, rooms, strict=True):
        table.add_column(
            escape(title),
            justify="right" if number else "left",
            no_wrap=not wrap,
            overflow="fold",
            min_width=room if not wrap else None,
        )
    for row in rows:
        cells = [
            _between_settings(text, room) if wrap else text
            for text, room, wrap in zip(map(printable, row), rooms, wraps, strict=True)
        ]
        table.add_row(*map(escape, cells))
    console.print(table)


def _longest_piece(text: str) -> int:
    """The width of the longest part of a text that stays on one line."""
    pieces = re.sub(r"\+(?=[A-Za-z_])", "+ ", text).split()
    return max(map(cell_len, pieces), default=0)


def _between_settings(name: str, room: int) -> str:
    """A long name in lines, broken at blanks and after the ``+`` of its settings."""
    lines = textwrap.wrap(re.sub(r"\+(?=[A-Za-z_])", "+ ", name), room, break_long_words=False)
    return "\n".join(line.replace("+ ", "+") for line in lines)


def _say(line: str) -> None:
    _print(escape(line))


def _tell(markup: str) -> None:
    """Print a sentence: broken between words in a terminal, on one line elsewhere."""
    console.print(printable(markup), soft_wrap=not console.is_terminal)


def _print(markup: str = "") -> None:
    """Print without breaking lines: paths and commands are there to be copied."""
    console.print(printable(markup), soft_wrap=True)


def _print_json(found: Any) -> None:
    print(json.dumps(found, indent=2))


def _states(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of trials by state; ``stopped`` and ``diverged`` only where there are some."""
    from ablation.storage.status import STATES

    seldom = ("stopped", "diverged")
    return [state for state in STATES if state not in seldom or any(row[state] for row in rows)]


def _print_table(rows: list[dict[str, Any]], columns: list[str]) -> None:
    texts = [
        [f"{v:,}" if isinstance(v := row[c], int) else str(v) for c in columns] for row in rows
    ]
    is_number = [all(isinstance(row[column], int) for row in rows) for column in columns]
    wraps = [column in ("question", "arm", "against") for column in columns]
    named = {"sequence_length": "steps", "mmacs": "MMACs"}
    titles = [named.get(column, column) for column in columns]
    _print_rows(titles, texts, wraps, is_number, "bold")


def _again(*words: str) -> str:
    """A command to go on with, called as this one was, with the caller's own options."""
    own = [] if words == tuple(sys.argv[1:]) else _own_options(sys.argv[1:])
    return escape(shlex.join([*_program(), *map(_without_password, (*words, *own))]))


def _without_password(word: str) -> str:
    """A word of a command, a storage's URL without its password: logs keep what is printed."""
    if "://" not in word:
        return word
    from ablation.storage import display_url

    option, url = ("--storage=", word[10:]) if word.startswith("--storage=") else ("", word)
    return option + display_url(url)


def _own_options(words: list[str]) -> list[str]:
    options = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("--storage", "--results"):
            options += [word, following]
        elif word.startswith(("--storage=", "--results=")):
            options.append(word)
    return options


def _program() -> list[str]:
    """How this program was called, so that it works when pasted."""
    if not sys.argv[0].endswith(".py"):
        return [_short(sys.argv[0])]
    return [_short(sys.executable), sys.argv[0]]


def _short(program: str) -> str:
    """A program by its name where the shell finds it, else by its path from here."""
    path = Path(program).absolute()
    if (found := shutil.which(path.name)) and Path(found).absolute() == path:
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _seconds(text: str | None) -> float | None:
    """``90``, ``90s``, ``30m``, ``2h`` or ``1h30m`` in seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text)
    if not text or not match:
        raise UserError(f"--timeout {text}: takes a time such as 90s, 30m, 2h or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600.0 * hours + 60 * minutes + seconds


def main() -> None:
    """The console script: `app`, with a person's mistakes as lines rather than tracebacks."""
    isolate_libraries()
    # A notebook's kernel names a module of its own there, which this process need not have.
    os.environ.pop("MPLBACKEND", None)
    make_printable()
    try:
        try:
            app()
        finally:
            lost = failure_of(sys.stdout)  # what is printed last is written here
    except UserError as error:
        _refuse(str(error))
    except (OSError, ImportError) as error:
        if error.__class__ is OSError and error.filename is None:  # perhaps a print's
            lost = lost or failure_of(sys.stdout, probe="\n")
        if not lost:
            _refuse(_outside(error))
    except SystemExit:
        if not lost:
            raise
    if lost:
        _refuse(f"standard output: {lost}; what was to be printed is not complete")


LIMITS = {
    errno.EFBIG: "a file has reached the size that this shell allows; raise it with ulimit -f",
    errno.EMFILE: "this shell allows too few open files; raise them with ulimit -n",
    errno.ENFILE: "this machine has too many open files; end some programs",
    errno.EAGAIN: "this user has too many processes; end some, or raise them with ulimit -u",
    errno.ENOMEM: "out of memory; end some programs, or give --jobs 1",
}
"""What the system refuses without there being a file to blame."""


def _outside(error: OSError | ImportError) -> str:
    """A line for what must be changed outside of this program.

    Raises:
        OSError: there is nothing that a person could do about it.
        ImportError: likewise.
    """
    from ablation.storage import NO_SPACE, out_of_space

    number = getattr(error, "errno", None)
    where = getattr(error, "filename", None)
    if out_of_space(error):
        return f"{where or 'the results folder or the storage'}: {NO_SPACE}"
    if "Too many open files" in str(error):  # a library's file, for one
        number = errno.EMFILE
    if number in LIMITS:
        return f"{LIMITS[number]}, then the same command goes on"
    if where is None or isinstance(error, ImportError):
        raise error
    return f"{where}: {getattr(error, 'strerror', error)}; fix that and try again"


def _refuse(lines: str) -> NoReturn:
    try:
        for line in lines.splitlines():
            errors.print(f"[red]error:[/] {escape(one_line(line))}", soft_wrap=True)
    except OSError:  # nowhere to say it; the exit status does
        failure_of(sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
