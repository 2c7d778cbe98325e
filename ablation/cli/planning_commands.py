"""The commands that train nothing yet: `spaces`, `new` and `plan`.

What takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ablation.cli.app import app, tools_of
from ablation.cli.commands_to_paste import next_command
from ablation.cli.options import (
    RESULTS,
    Epochs,
    Jobs,
    Json,
    Looks,
    NoLooks,
    Results,
    Seeds,
    Set,
    Space,
    Storage,
    TrainSize,
    Trials,
    looks_of,
    overrides,
    path_from_home,
)
from ablation.cli.outcome import say_its_name

if TYPE_CHECKING:
    pass


@app.command()
def spaces(
    context: typer.Context,
    storage: Storage = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """List the shipped spaces: question, design, runs, rough time."""
    from ablation.planning import overview, pace

    output = tools_of(context).output
    rate = pace.rate(storage, results)
    rows = overview.spaces(rate)
    if as_json:
        output.print_json(rows)
        return
    output.print_rows(rows, ["name", "design", "runs", "time", "question"])
    output.print(f"[dim]Times for {rate.jobs} at a time, from {rate.source}.[/]")


@app.command()
def new(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.toml", callback=path_from_home, help="The file to write."),
    ],
    trains: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py[:FUNCTION]",
            help="Your own training function, which the space is to train; an example is written "
            "where there is no such file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a commented space to edit."""
    from ablation.space.new_training import new_training
    from ablation.space.reader import new_space

    written = [file]
    if trains is None:
        new_space(file)
    else:
        written = new_training(file, trains)
    look = next_command("plan", str(file))
    names = " and ".join(map(str, written))
    tools_of(context).output.say(f"Wrote {names}. Look at its arms with: {look}")


@app.command()
def plan(
    context: typer.Context,
    space: Space,
    seeds: Seeds = None,
    settle: Looks = None,
    no_settle: NoLooks = False,
    epochs: Epochs = None,
    train_size: TrainSize = None,
    settings: Set = None,
    trials: Trials = None,
    jobs: Jobs = None,
    storage: Storage = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Show every arm, its shapes, cost and time; train nothing."""
    from ablation.design.loading import load
    from ablation.planning import overview, pace
    from ablation.planning.spreads import with_spreads
    from ablation.running.kept_checks import checked_rate, kept_lines

    output = tools_of(context).output
    loaded = load(space, overrides(settings, epochs=epochs, train_size=train_size))
    objective = loaded.space.objective
    checked = checked_rate(results, loaded.space)
    over_last = loaded.space.outcome.over_last
    rate = pace.rate(storage, results, jobs, objective=objective, checked=checked)
    rate = with_spreads(rate, storage, results, objective, over_last)
    looks = looks_of(settle, none=no_settle)
    overview.check_plan(loaded, seeds, storage, results, looks)
    content = overview.plan(loaded, rate, seeds, trials, looks)
    if as_json:
        output.print_json(content)
        return
    output.print(f"[bold]{escape(content['question'])}[/]")
    say_its_name(output, loaded)
    sizes = ["sequence_length", "parameters", "mmacs"]
    known = [name for name in sizes if any(row[name] not in (None, "") for row in content["arms"])]
    output.print_rows(content["arms"], ["arm", "against", *known, "time"])
    for line in [*content["lines"], *kept_lines(results, loaded.space)]:
        output.say(line)
