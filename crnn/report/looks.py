"""Looks at verdicts: noted in the storage wherever they are produced, stage by stage."""

from __future__ import annotations

from dataclasses import replace

from optuna.storages import RDBStorage

from crnn.ablation.record import note_look
from crnn.report.answer import all_ended
from crnn.report.effects import looked_at
from crnn.report.table import StudyTable


def note_looks(storage: RDBStorage, table: StudyTable, *, only_ended: bool = False) -> StudyTable:
    """Note that verdicts are produced from a study, and return it with all its looks.

    Args:
        storage: where the study is.
        table: the study; of a search it is the confirmation that has verdicts.
        only_ended: whether verdicts are shown of ended stages alone. A path has none before.

    Raises:
        StorageError: there is no such study any more.
    """
    if table.confirmation:
        confirmation = note_looks(storage, table.confirmation, only_ended=only_ended)
        return replace(table, confirmation=confirmation)
    if not only_ended or all_ended(table):
        looks = note_look(storage, table.name, looked_at(table.trials, table.arms))
        table = replace(table, looks=looks)
    if table.path and all_ended(table.path):
        trials = looked_at(table.path.trials, table.path.arms)
        looks = note_look(storage, table.name, trials, path=True)
        table = replace(table, path=replace(table.path, looks=looks))
    return table
