"""Which hyperparameters of a CRNN matter on Fashion-MNIST, by how much, and how sure are we?

The harness's command line, and two commands that only this network has: `data` and `trace`.
"""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from ablation.cli.app import app, tools_of
from ablation.cli.main import main
from ablation.cli.options import (
    RESULTS,
    Data,
    Open,
    Results,
    Storage,
    text_from_home,
)
from ablation.cli.outcome import opened_results
from ablation.errors import UserError

__all__ = ["app", "main"]


@app.command()
def trace(
    context: typer.Context,
    space: Annotated[
        str | None,
        typer.Argument(
            metavar="SPACE",
            callback=text_from_home,
            help="A shipped space's name, or a path to a TOML file. Default: source.",
            show_default=False,
        ),
    ] = None,
    arm: Annotated[
        str, typer.Option(metavar="ARM", help="One of its arms, as `plan` names it.")
    ] = "baseline",
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
    from ablation.report.build import writing
    from crnn.trace import page, subject, walk

    output = tools_of(context).output
    if trial and (space or arm != "baseline"):
        raise UserError("--trial: it says which arm itself; leave SPACE and --arm out")
    if trial is None and space is None:
        output.say(f"No space given: {subject.WRITE_UP}, the write-up's own")
    if trial:
        with opened_results(storage, results) as opened:
            chosen = subject.finished(opened, trial)
    else:
        chosen = subject.untrained(space or subject.WRITE_UP, arm)
    way = walk.walk_through(chosen, results, data, output.say)
    with writing():
        path = page.write_walk(way, walk.folder_of(chosen, results))
    output.say(way.title)
    for line in way.notes:
        output.say(line)
    output.print_text_table(page.stages_table(way.trace))
    for line in page.verdicts(way):
        output.say(line)
    output.say(f"Page:    {path}")
    output.say(f"Figures: {path.parent}/*.png")
    if open_page:
        webbrowser.open(path.absolute().as_uri())


@app.command(name="data")
def data_command(context: typer.Context, data: Data = None) -> None:
    """Find or fetch Fashion-MNIST, verify it, say where it is."""
    from crnn.data.fashion_mnist import prepare

    prepare(data, tools_of(context).output.say)


if __name__ == "__main__":
    main()
