"""A study's own page in optuna-dashboard: its note and graphs, written into the storage."""

from __future__ import annotations

import optuna
import plotly.graph_objects as go
from optuna.storages import RDBStorage
from optuna_dashboard import get_note, save_note, save_plotly_graph_object

from ablation.dashboard import state, study_graphs
from ablation.dashboard.note import OURS, best_arms, note
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.effects.progress import all_ended
from ablation.report.effects.replicates import mean_curves
from ablation.report.looks import note_looks
from ablation.report.text.recommendation import about_choice
from ablation.storage.studies import confirmed_by, fingerprint

BEST = 8  # arms whose learning curves are shown beside the baseline's


def refresh(storage: RDBStorage, study: str) -> None:
    """Bring the study's note and graphs up to date.

    Once every trial of a stage has ended they have its verdicts, which is a look like the report's.

    Raises:
        StorageError: there is no such study, or another program has changed it.
    """
    shown = fingerprint(storage, study)  # before the look: what comes after it is not shown
    table = note_looks(storage, load_study(storage, study), only_ended=True)
    analysis = Analysis(table).told
    opened = optuna.load_study(study_name=study, storage=storage)
    present = get_note(opened)
    text = note(analysis)
    if text != present and (not present.strip() or OURS in present):
        save_note(opened, text)
    for name, figure in drawn_graphs(analysis).items():
        save_plotly_graph_object(opened, figure, graph_object_id=name)
    state.mark(storage, study, shown)
    if (search := confirmed_by(storage, study)) != study:  # whose note tells what confirms it
        refresh(storage, search)


def drawn_graphs(study: Analysis) -> dict[str, go.Figure]:
    """The graphs that there is something to show in, by id; each replaces the one before.

    A search's history, importances and slices are optuna-dashboard's own.
    """
    graphs, table = {}, study.table
    settled = all_ended(table) or bool(table.settling and table.settling.taken)
    rows = study.leading(settled=settled)
    cut = study.shown_of(rows, settled=settled)
    rows = rows[(rows["against"] != "") & rows["delta"].notna()]
    rows = study.with_shown_intervals(rows)
    if table.design != "search" and len(rows):
        graphs["effects"] = study_graphs.forest(
            rows, table.margin, table.metric, settled=settled, cut=cut or about_choice(table)
        )
    if len(table.epochs):
        # An arm of a search has a long name, and one trial, by whose number its own page knows it.
        arms, numbers = best_arms(study, BEST)["arm"], {}
        if table.design == "search":
            numbers = study.short_names
        names = {str(arm): numbers.get(arm, str(arm)) for arm in arms}
        graphs["learning-curves"] = study_graphs.curves(
            mean_curves(study.common_epochs), names, table.metric, table.words.epoch
        )
    return graphs
