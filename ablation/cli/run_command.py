"""`run`: from the words of a person to trainings and their report."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import typer

from ablation.cli.app import Tools, app, tools_of
from ablation.cli.commands_to_paste import next_command
from ablation.cli.options import (
    RESULTS,
    Data,
    Device,
    Epochs,
    Executor,
    ExecutorName,
    Force,
    Jobs,
    KeepWeights,
    Looks,
    NewStudy,
    NoConfirm,
    NoLooks,
    Open,
    Pack,
    Precision,
    PrecisionName,
    Results,
    RetryFailed,
    SameCode,
    Seeds,
    Set,
    Space,
    Storage,
    Threads,
    Timeout,
    TrainSize,
    Trials,
    looks_of,
    overrides,
    seconds_of,
)
from ablation.cli.outcome import print_outcome, print_weights, say_its_name

if TYPE_CHECKING:
    from ablation.dashboard.live_view import LiveView
    from ablation.running.request import Request
    from ablation.scheduling.source import Progress


@app.command(
    help="Run the study's missing trials, then write its report. Safe to interrupt: run it again "
    "to continue."
)
def run(
    context: typer.Context,
    space: Space,
    study: NewStudy = None,
    jobs: Jobs = None,
    threads: Threads = None,
    executor: Executor = ExecutorName.local,
    device: Device = "auto",
    seeds: Seeds = None,
    settle: Looks = None,
    no_settle: NoLooks = False,
    epochs: Epochs = None,
    train_size: TrainSize = None,
    settings: Set = None,
    precision: PrecisionName = Precision.auto,
    trials: Trials = None,
    pack: Pack = "auto",
    timeout: Timeout = None,
    retry_failed: RetryFailed = False,
    no_confirm: NoConfirm = False,
    keep_weights: KeepWeights = False,
    same_code: SameCode = False,
    force: Force = False,
    open_report: Open = False,
    storage: Storage = None,
    results: Results = RESULTS,
    data: Data = None,
) -> None:
    """Make the request of the options; what --help prints is above.

    Longer than other functions, since every option stands here twice and nothing else does.
    """
    from ablation.design.loading import load
    from ablation.running.request import Request
    from ablation.storage import storage_url

    replaced = overrides(settings, epochs=epochs, train_size=train_size)
    plan, tools = load(space, replaced), tools_of(context)
    request = Request(
        plan=plan,
        study=plan.study_name if study is None else study,
        url=storage_url(storage, results),
        results=results,
        data=data,
        seeds=seeds,
        looks=looks_of(settle, none=no_settle),
        trials=trials,
        confirm=not no_confirm,
        device=device,
        precision=precision.value,
        threads=threads,
        jobs=jobs,
        pack=pack,
        retry_failed=retry_failed,
        timeout=seconds_of(timeout),
        keep_weights=keep_weights,
        same_code=same_code,
        force=force,
        executor=executor.value,
        check=next_command("check", space),
    )
    if study is None:
        say_its_name(tools.output, plan)
    progress = _train(tools, request, open_report)
    raise typer.Exit(3 if progress.failed else 0)


def _train(tools: Tools, request: Request, open_report: bool) -> Progress:
    """Train, report, and say how it ended.

    Raises:
        typer.Exit: Ctrl-C or SIGTERM, with its status.
    """
    from ablation.cli.live_display import Display
    from ablation.folders import artifact_folder, study_folder
    from ablation.process.signals import InterruptedRunError
    from ablation.running.launch import launch
    from ablation.storage import opened_storage

    output, objective = tools.output, request.plan.space.objective

    def display(study: str) -> Display:  # pdb has the terminal for itself
        return Display(output.console, study, objective, live=request.executor != "debug")

    def live_view(study: str) -> LiveView:
        from ablation.dashboard.live_view import LiveView

        folders = study_folder(request.results, study) / "trials"
        return LiveView(
            request.url, study, artifact_folder(request.results), output.say,
            folders=folders if objective.beside_space else None,
        )  # fmt: skip

    try:
        progress = launch(request, display, output.say, live_view, patience=tools.patience)
        print_outcome(tools, request, progress, open_report)
        if request.keep_weights:
            with opened_storage(request.url) as opened:
                print_weights(output, opened, request.study, request.results)
    except (InterruptedRunError, KeyboardInterrupt) as interrupted:
        again = next_command(*sys.argv[1:])
        output.say(f"{str(interrupted) or 'SIGINT'}: stopped; nothing is lost. Go on with: {again}")
        raise typer.Exit(128 + getattr(interrupted, "signum", signal.SIGINT)) from None
    return progress
