"""Studies from Python, in the words of the command line.

from ablation import analyse, effects, load_trials, run_study

run_study("source", seeds=3, results="results")
effects("source")["verdict"]
analyse("runs.csv", arm="method", seed="seed", metric="val_acc", against="none")["verdict"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.design.loading import load
from ablation.errors import UserError
from ablation.running.launch import launch
from ablation.running.request import Request
from ablation.scheduling.source import Progress
from ablation.settings import Value
from ablation.storage import opened_storage, settle, storage_url
from ablation.storage.studies import confirmed_by, latest_study

if TYPE_CHECKING:
    import pandas as pd

    from ablation.report.data.study_table import StudyTable
    from ablation.running.events import Event
    from ablation.running.executors.base import Executor


def run_study(
    space: str | Path,
    *,
    study: str | None = None,
    storage: str | None = None,
    results: str | Path = "results",
    data: str | Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    say: Callable[[str], None] = print,
    executor: Executor | None = None,
    overrides: dict[str, Value] | None = None,
    **options: Any,
) -> Progress:
    """Train what a study lacks, as `run` does, without its report.

    Args:
        space: a shipped space's name, or a path to a TOML file.
        study: the study's name; the space's unless given.
        storage: an Optuna storage's URL, or an SQLite file; ``studies.db`` in the results folder
            unless given.
        results: the folder that checkpoints are written to.
        data: the folder of the data; the objective's own unless given.
        on_event: told of everything that happens.
        say: told of what a person should know.
        executor: trains, in place of processes of this machine.
        overrides: settings that replace the space's own in every arm, such as ``{"epochs": 1}``.
        options: those of `ablation.running.request.Request`: ``seeds``, ``trials``, ``confirm``,
            ``device``, ``precision``, ``threads``, ``jobs``, ``pack``, ``retry_failed``,
            ``timeout`` (seconds), ``keep_weights``, ``same_code``, ``force``.

    Returns:
        How far the study is.

    Raises:
        UserError: the request cannot be met; nothing has been changed.
        InterruptedRunError: Ctrl-C or SIGTERM; the next call goes on.
    """
    plan = load(str(space), overrides or {})
    request = Request(
        plan=plan,
        study=plan.study_name if study is None else study,
        url=storage_url(storage, Path(results)),
        results=Path(results),
        data=None if data is None else Path(data),
        **options,
    )
    return launch(request, lambda name: nullcontext(on_event), say, executor=executor)


def load_trials(
    study: str | None = None, *, storage: str | None = None, results: str | Path = "results"
) -> pd.DataFrame:
    """The trials of a study: the DataFrame of ``trials.csv``.

    Args:
        study: its name, or the path of its ``trials.csv``; the latest one's unless given.
        storage: as in `run_study`.
        results: as in `run_study`.

    Raises:
        StorageError: there is no such storage, or no such study in it.
        OSError: the CSV cannot be read.
    """
    from ablation.report.data import loading

    if study is not None and study.endswith(".csv"):
        return loading.load_trials(study)
    return loading.load_trials(storage_url(storage, Path(results)), study)


def effects(
    study: str | None = None, *, storage: str | None = None, results: str | Path = "results"
) -> pd.DataFrame:
    """The effects of a study: the DataFrame of ``effects.csv``; of a search, its confirmation's.

    This look at the verdicts is noted in the study, as a report's is.

    Args:
        study: its name; the latest one's unless given.
        storage: as in `run_study`.
        results: as in `run_study`.

    Raises:
        StorageError: there is no such storage, or no such study in it.
    """
    from ablation.report.build import load_with_looks

    with opened_storage(storage_url(storage, Path(results))) as opened:
        name = latest_study(opened) if study is None else confirmed_by(opened, study)
        return _effects(load_with_looks(opened, name, print))


def _effects(table: StudyTable) -> pd.DataFrame:
    """The DataFrame of ``effects.csv``."""
    from ablation.report.analysis import Analysis
    from ablation.report.data.trial_frames import as_in_files

    return as_in_files(Analysis(table).main.effects, table.metric, table.absent)


def analyse(
    runs: pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    study: str | None = None,
    storage: str | None = None,
    results: str | Path = "results",
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> pd.DataFrame:
    """The effects of runs that were trained elsewhere, as the command `analyse` has them.

    Nothing is stored and no report is written, unless a study or a storage is named: then the runs
    are kept there, and `report STUDY` tells of them.

    Args:
        runs: a DataFrame with a row a run (or an epoch of one), or the files of one.
        study: the name of the study to keep the runs as.
        storage: where to, as in `run_study`.
        results: as in `run_study`.
        say: told what was done with the table, a line each.
        options: those of `ablation.runs.options.Options`: ``arm``, ``settings``, ``seed``,
            ``metric``, ``against``, ``compare``, ``test``, ``by``, ``folds``, ``where``,
            ``reduce``, ``early_stopping``, ``keep``, ``direction``, ``unit``, ``margin``, ``sd``,
            ``n``, ``wide``, ``name``. Where several texts are taken, one may stand alone.

    Returns:
        One row an arm, the baseline first; the DataFrame of ``effects.csv``.

    Raises:
        UserError: why the table cannot be analysed so, every reason a line, or the study is of
            something else; nothing is stored.
    """
    from ablation.report.build import load_with_looks
    from ablation.report.data.imported import table_of
    from ablation.runs.options import options_of
    from ablation.runs.reading import read_frame, read_table
    from ablation.runs.selection import select_runs
    from ablation.runs.storing import store_runs

    asked, files = options_of(study=study or "", **options), list[str]()
    if isinstance(runs, str | Path | Sequence):
        files = [str(runs)] if isinstance(runs, str | Path) else list(map(str, runs))
        table = read_table(files, asked)
    elif storage is not None and study is None:
        raise UserError("study: name it, for a DataFrame has no file's name")
    else:
        table = read_frame(runs)
    selected = select_runs(table, asked, files)
    for line in selected.lines:
        say(line)
    if study is None and storage is None:
        return _effects(table_of(selected))
    with opened_storage(storage_url(storage, Path(results)), create=True) as opened:
        store_runs(opened, selected)
        found = _effects(load_with_looks(opened, selected.study, say))
        settle(opened, say)
        return found
