"""`check`: whether code repeats, resumes, and depends on its seed and settings."""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablation.cli.app import app, tools_of
from ablation.cli.options import (
    RESULTS,
    Data,
    Device,
    Json,
    Precision,
    PrecisionName,
    Results,
    Set,
    Threads,
    overrides,
    text_from_home,
)

if TYPE_CHECKING:
    from ablation.checking.checking import Check, Conditions
    from ablation.checking.subject import Subject
    from ablation.cli.app import Tools

WIDTH = 80


@app.command(
    help="Check that your code repeats with a seed, resumes after a kill, and differs between "
    "seeds and settings: train its baseline a few times, up to six reports. The exit status is 3 "
    "where one of these does not hold."
)
def check(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SPACE|FILE.py",
            callback=text_from_home,
            help="A shipped space's name, a path to a TOML file, or a training function, "
            "FILE.py[:FUNCTION].",
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of a FILE.py: the figure that decides. Default: the first that it reports.",
            show_default=False,
        ),
    ] = "",
    settings: Set = None,
    threads: Threads = None,
    device: Device = "auto",
    precision: PrecisionName = Precision.auto,
    as_json: Json = False,
    results: Results = RESULTS,
    data: Data = None,
) -> None:
    """Check a space's baseline, or a function's defaults; what --help prints is above."""
    from ablation.checking.checking import Conditions
    from ablation.checking.prose import as_data, sentences
    from ablation.checking.subject import find_subject
    from ablation.running.kept_checks import keep_check

    tools = tools_of(context)
    output = tools.output
    say: Callable[[str], None] = (lambda line: None) if as_json else output.say
    found = find_subject(subject, overrides(settings), metric)
    conditions = Conditions(device, precision.value, threads, data)
    checked = _run(found, say, tools, conditions)
    keep_check(results, found.plan.space, checked.kept())
    if as_json:
        output.print_json(as_data(checked))
    else:
        output.say()
        for paragraph in sentences(checked):
            output.say(textwrap.fill(paragraph, WIDTH, break_on_hyphens=False))
    raise typer.Exit(0 if checked.holds else 3)


def _run(
    found: Subject,
    say: Callable[[str], None],
    tools: Tools,
    conditions: Conditions,
) -> Check:
    """Train; before the error of a training stand the lines of its code that led to it.

    Raises:
        UserError: it cannot be trained, or a training failed.
        typer.Exit: Ctrl-C or SIGTERM, with its status.
    """
    from ablation.checking.checking import run_check
    from ablation.checking.trainer import TrainingFailedError
    from ablation.process.signals import InterruptedRunError

    try:
        return run_check(found, say, conditions, patience=tools.patience)
    except TrainingFailedError as error:
        if error.traceback:
            tools.output.say(_shown(error.traceback, found))
        raise
    except (InterruptedRunError, KeyboardInterrupt) as interrupted:
        tools.output.say(f"{str(interrupted) or 'SIGINT'}: stopped; nothing was kept.")
        raise typer.Exit(128 + getattr(interrupted, "signum", signal.SIGINT)) from None


def _shown(trace: str, found: Subject) -> str:
    """A traceback; of a user's code only the user's own lines of it."""
    from ablation.user_code.code_objective import CodeObjective
    from ablation.user_code.source.faults import own_traceback

    if isinstance(found.objective, CodeObjective):
        return own_traceback(trace, Path(found.objective.definition.code_folder))
    return trace.rstrip()
