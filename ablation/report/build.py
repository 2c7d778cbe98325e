"""From a storage to a study's folder: load, note the look, write, mark as whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.storages import RDBStorage

from ablation.errors import UserError
from ablation.folders import study_folder
from ablation.report import mark
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.data.study_table import StudyTable
from ablation.report.looks import note_looks
from ablation.report.text.latex import as_latex, as_markdown
from ablation.report.write import Report, write_report
from ablation.storage.studies import fingerprint

Say = Callable[[str], None]


def build_report(
    storage: RDBStorage, study: str, results: Path, say: Say, *, figures: bool = True
) -> Report:
    """Write everything under ``results/<study>/`` that can be told from the storage.

    Args:
        storage: where the study is.
        study: its name.
        results: the folder of results.
        say: told of a look that could not be noted in the study.
        figures: draw them; without them it takes a tenth of the time.

    Raises:
        StorageError: there is no such study.
        UserError: the folder cannot be written.
    """
    state = fingerprint(storage, study)  # before the look: what comes after it is not in the report
    table = load_with_looks(storage, study, say)
    with writing():
        folder = study_folder(results, study)
        mark.remove(folder)
        written = write_report(table, folder, figures=figures)
        mark.write(folder, state)
    return written


def is_current(storage: RDBStorage, study: str, results: Path) -> bool:
    """Whether the report is a whole one of what this storage has now."""
    return mark.is_current(study_folder(results, study), fingerprint(storage, study))


def table_to_paste(storage: RDBStorage, study: str, kind: str, say: Say) -> str:
    """The table of arms: ``md`` as Markdown, ``tex`` as LaTeX; of a search its confirmation's."""
    form = as_markdown if kind == "md" else as_latex
    return form(Analysis(load_with_looks(storage, study, say)).main)


def load_with_looks(storage: RDBStorage, study: str, say: Say) -> StudyTable:
    """A study, and noted in the storage that verdicts were produced from it."""
    return note_looks(storage, load_study(storage, study), say=say)


@contextmanager
def writing() -> Iterator[None]:
    """What cannot be written is the user's to mend, and nothing of the study is lost with it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:  # not of a file
            raise
        raise UserError(
            f"{error.filename}: {error.strerror}; mend that and try again, or name another "
            "--results"
        ) from None
