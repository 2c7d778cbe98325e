"""Looks at verdicts: noted in the storage wherever they are produced, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
from optuna.storages import RDBStorage

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.blocks import block_effects
from ablation.report.effects.progress import all_ended
from ablation.report.effects.replicates import trials_behind_verdicts
from ablation.storage import ReadOnlyError, imported
from ablation.storage.attributes import IMPORTED
from ablation.storage.record import note_look


def note_looks(
    storage: RDBStorage,
    table: StudyTable,
    *,
    only_ended: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> StudyTable:
    """Note that verdicts are produced from a study, and return it with all its looks.

    Args:
        storage: where the study is.
        table: the study; of a search it is the confirmation that has verdicts.
        only_ended: whether verdicts are shown of ended stages alone. A path has none before.
        say: told of a look that cannot be noted, since the storage cannot be written.

    Raises:
        StorageError: there is no such study any more.
    """
    if table.confirmation:
        confirmation = note_looks(storage, table.confirmation, only_ended=only_ended, say=say)
        return replace(table, confirmation=confirmation)

    def noted(stage: StudyTable, path: bool) -> StudyTable:
        if stage.settling is not None:  # its looks were declared, and are counted
            return stage
        trials = _behind_verdicts(stage)
        try:
            if stage.design == IMPORTED:
                looks = imported.note_look(storage, table.name, trials)
            else:
                looks = note_look(storage, table.name, trials, path=path)
        except ReadOnlyError as error:
            say(f"This look at {trials} finished trials could not be noted in the study. {error}")
            looks = (*stage.looks, trials)
        return replace(stage, looks=looks)

    study = table
    if not only_ended or all_ended(table):
        study = noted(table, path=False)
    if table.path and all_ended(table.path):
        study = replace(study, path=noted(table.path, path=True))
    return study


def _behind_verdicts(stage: StudyTable) -> int:
    """The number of finished trials that verdicts rest on; 0 where nothing can be tested yet."""
    if stage.design != IMPORTED:
        return trials_behind_verdicts(stage.trials, stage.arms)
    rows, runs = Analysis(stage).effects, stage.trials
    if stage.comparison.blocks:
        arms, comparison = stage.arms, stage.comparison
        by_block = block_effects(
            stage.blocks, arms, stage.margin, stage.metric.direction, comparison
        )
        rows, runs = pd.concat([rows, by_block]), stage.blocks
    tested = (rows["verdict"] != "").any()
    return int((runs["state"] == "COMPLETE").sum()) if tested else 0
