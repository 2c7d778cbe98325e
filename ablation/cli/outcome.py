"""What commands end with: the answer, where things are, and how to go on."""

from __future__ import annotations

import webbrowser
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from ablation.cli.commands_to_paste import next_command, same_command
from ablation.program import short_path

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.cli.app import Tools
    from ablation.cli.console import Output
    from ablation.design.arms import Plan
    from ablation.report.write import Report
    from ablation.running.request import Request
    from ablation.scheduling.source import Progress


def opened_results(storage: str | None, results: Path) -> AbstractContextManager[RDBStorage]:
    """The storage that a command's options name, which must exist."""
    from ablation.storage import opened_storage, storage_url

    return opened_storage(storage_url(storage, results))


def say_its_name(output: Output, plan: Plan) -> None:
    """Tell of a study's name that is not the file's: not every file's name can be one."""
    from ablation.folders import study_name

    if study_name(plan.space.name) != plan.space.name:
        output.say(f"The study's name: {plan.study_name}; run takes another with --study NAME")


def print_report(
    output: Output, report: Report, open_report: bool, said: Collection[str] = ()
) -> None:
    """Print the answer, the table of arms and where the files are.

    Args:
        output: where to.
        report: what was written.
        open_report: open it in the browser, too.
        said: sentences of the answer that have been printed already.
    """
    output.say()
    for sentence in report.headline:
        output.tell(f"[bold]{escape(sentence)}[/]")
    output.say()
    before = " ".join(report.headline)
    for sentence in report.answer:
        if sentence not in before and sentence not in said:
            output.tell(escape(sentence))
    output.say()
    if report.arms.rows:
        output.print_text_table(report.arms)
    if report.blocks is not None:
        output.print_text_table(report.blocks)
    for table in report.secondary:
        output.print_text_table(table)
    page = report.folder / "report.html"
    output.say(f"Report: {page}")
    output.say(f"Tables: {report.folder}/*.csv")
    output.say(f"Plots:  {report.folder}/plots/")
    if open_report:
        webbrowser.open(page.absolute().as_uri())


def print_outcome(tools: Tools, request: Request, progress: Progress, open_report: bool) -> None:
    """Print what a run ends with: the answer, the paths, how to go on."""
    from ablation.storage import opened_storage

    with opened_storage(request.url) as opened:
        if not _is_reported(tools.output, opened, request, progress, open_report):
            tools.output.say("Writing the report …")
            report = tools.build_report(opened, request.study, request.results)
            print_report(tools.output, report, open_report)
    _print_next(tools.output, request, progress)


def _is_reported(
    output: Output, opened: RDBStorage, request: Request, progress: Progress, open_report: bool
) -> bool:
    """Whether nothing was to be done and a current report is there; then it has been named."""
    if not progress.idle:
        return False
    from ablation.dashboard.renewal import renew_pages
    from ablation.report.build import is_current

    others = {"failed": progress.failed, "diverged": progress.diverged}
    also = "".join(f", {count} {word}" for word, count in others.items() if count)
    of_these = f" with these seeds, of {progress.wanted + progress.others} in the study,"
    which = of_these if progress.others else ""
    complete = f"{progress.complete} of {progress.wanted} trials{which} are complete"
    settled = f" {settling.text}" if (settling := progress.settling) else ""
    output.say(f"Nothing to do: {complete}{also}.{settled}")
    renew_pages(opened, request.study, output.say)
    from ablation.folders import study_folder

    page = study_folder(request.results, request.study) / "report.html"
    if not page.exists() or not is_current(opened, request.study, request.results):
        return False
    output.say(f"Report: {page}")
    if open_report:
        webbrowser.open(page.absolute().as_uri())
    return True


def _print_next(output: Output, request: Request, progress: Progress) -> None:
    study = request.study
    status = escape(next_command("status", study))
    if progress.failed:
        output.print(f"[red]{progress.failed} failed[/]; why: {status}")
        # A search's failures count as tried; settled arms are not trained again.
        if request.plan.space.search is None and not progress.is_settled:
            again = same_command("--retry-failed")
            output.say(f"Once that is fixed, train them again: {again}")
    if progress.diverged:
        output.print(f"[yellow]{progress.diverged} diverged[/]; when: {status}")
    if left := progress.wanted - progress.ended:
        are, them = ("trial is", "it") if left == 1 else ("trials are", "them")
        most = "At most " if progress.is_at_most else ""
        output.say(f"{most}{left} {are} left; the same command goes on with {them}.")
    output.say(f"Watch it in optuna-dashboard: {next_command('dashboard')}")
    if study == "quick":
        output.say(f"The full study, hours of work: {next_command('plan', 'source')}")
        output.say(f"                               {next_command('run', 'source')}")


def print_weights(output: Output, opened: RDBStorage, study: str, results: Path) -> None:
    """Print where a study's weights are, and how many finished trials have none."""
    if lacking := _without_weights(output, opened, study, results):
        output.say(
            f"Without weights, because trained before --keep-weights: {lacking} trials. They are "
            "not trained again; another --study NAME would."
        )


def _without_weights(output: Output, opened: RDBStorage, study: str, results: Path) -> int:
    from ablation.folders import study_folder
    from ablation.storage import read_trials
    from ablation.storage.studies import confirmation_of

    lacking = 0
    for name in filter(None, (study, confirmation_of(opened, study))):
        folder = study_folder(results, name).absolute() / "weights"
        kept = {path.stem for path in folder.glob("trial-*.safetensors")}
        rows = read_trials(opened, name, ("arm", "duplicate_of", "diverged"))
        none = {"duplicate_of", "diverged"}  # which have no weights of their own
        own = [r for r in rows if r.state == "COMPLETE" and none.isdisjoint(r.attributes)]
        lacking += sum(f"trial-{row.number}" not in kept for row in own)
        if kept or name == study:
            output.say(f"Weights: {short_path(str(folder))}")
        if (averaged := folder / "averaged").is_dir():
            output.say(f"Averaged weights: {short_path(str(averaged))}")
            output.say(
                "Figures that begin with ema_ are of these, all others of the final weights."
            )
    return lacking
