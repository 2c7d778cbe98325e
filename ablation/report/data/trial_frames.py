"""Trials, their epochs and their confusions as DataFrames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from ablation.design.arms import arm_name, full_length
from ablation.objective import Objective
from ablation.objective.metric import Metric
from ablation.report.data.own_figures import figure_columns, free_cells, returned_columns
from ablation.report.data.secondary_figures import is_hidden, over_last, secondary_cells
from ablation.report.data.study_table import HIDDEN
from ablation.settings import text_of
from ablation.space.outcome import COLUMN, is_mean
from ablation.space.schema import Space
from ablation.storage import TrialRow
from ablation.storage.attributes import diverged_epoch
from ablation.storage.outcomes import LAST, outcome_of
from ablation.storage.record import Record


def setting_columns(objective: Objective) -> list[str]:
    """The settings that are columns of trials, but for the training's length and its precision."""
    return [name for name in objective.fields if name not in (objective.length, *objective.kept)]


def trial_columns(objective: Objective, returned: Iterable[str] = ()) -> list[str]:
    """The columns of ``trials.csv``.

    Args:
        objective: what is trained.
        returned: the columns of what trainings returned, where that can have any name.
    """
    metric = objective.metric.name
    others = objective.columns or (*objective.scores, *objective.figures)
    figures = dict.fromkeys([metric, *others])
    return [
        *("stage", "number", "state", "arm", "is_baseline", "replicate", "seed"),
        *setting_columns(objective),
        *figures,
        *returned,
        *(f"best_{metric}", "best_epoch"),
        *(["reports"] if objective.free_figures else []),
        *filter(None, [objective.length]),
        *("sequence_length", "parameters", "macs", "seconds", "device", "precision", "threads"),
        *("fused", "started", "finished", "failure", "duplicate_of", "diverged"),
        *("chance", "chance_limit"),
    ]


def taken_columns(space: Space) -> list[str]:
    """The columns of trials that no figure which a user's code returns can have."""
    return [*trial_columns(space.objective), *([COLUMN] if is_mean(space) else [])]


def text_columns(objective: Objective) -> list[str]:
    """Those of them that hold text."""
    fields = objective.fields.items()
    return [
        *("stage", "state", "arm", "device", "precision", "started", "finished", "failure"),
        *(name for name, field in fields if isinstance(field.default, str | tuple)),
    ]


def epoch_columns(objective: Objective) -> list[str]:
    """The columns of ``epochs.csv``."""
    return ["stage", "number", "arm", "seed", "epoch", *objective.figures, "seconds"]


def unused_columns(
    objective: Objective, trials: pd.DataFrame, epochs: pd.DataFrame
) -> frozenset[str]:
    """The optional columns of a study: settings that are all at their defaults, figures of none.

    Args:
        objective: what was trained.
        trials: of `trial_frame`.
        epochs: of `epoch_frame`.
    """

    def is_used(name: str) -> bool:
        cells = pd.concat([frame[name] for frame in (trials, epochs) if name in frame]).dropna()
        field = objective.fields.get(name)
        return bool((cells != field.default).any()) if field else len(cells) > 0

    decides = (objective.metric.name, objective.metric.test)
    return frozenset(n for n in objective.optional if n not in decides and not is_used(n))


def place_of(record: Record, places: dict[str, int], row: TrialRow) -> tuple[int, int, int]:
    """Where a trial stands in the design: seed by seed, arm by arm; a search by number."""
    if record.plan.space.search:
        return (0, 0, row.number)
    seed = row.attributes["seed"]
    return (record.seeds.index(seed), places[row.attributes["arm"]], row.number)


def trial_frame(record: Record, rows: list[TrialRow]) -> pd.DataFrame:
    """One row a trial: `trial_columns`, as `within_reports` has them."""
    objective = record.plan.space.objective
    returned = {}
    if objective.free_figures:
        returned = returned_columns(objective, rows, taken_columns(record.plan.space))
    columns = trial_columns(objective, returned.values())
    cells = [_trial(record, row, columns) for row in rows]
    if is_mean(record.plan.space):
        columns.insert(columns.index(objective.metric.name) + 1, LAST)
        columns += map(over_last, record.plan.space.outcome.also)
    if objective.free_figures:
        free = [free_cells(objective, row, returned) for row in rows]
        cells = [{**own, **more} for own, more in zip(cells, free, strict=True)]
        columns += HIDDEN
    frame = pd.DataFrame(cells, columns=columns)
    frame = frame.astype({"duplicate_of": "Int64", "diverged": "Int64"})  # which may be empty
    return within_reports(frame, objective.metric)


def epoch_frame(
    objective: Objective, rows: list[TrialRow], attribute: str = "history"
) -> pd.DataFrame:
    """One row an epoch of a trial: `epoch_columns`, as `within_reports` has them.

    Args:
        objective: what is trained.
        rows: the trials.
        attribute: the one that has the epochs; ``logged`` for figures without the metric.
    """
    named = figure_columns(objective, rows) if objective.free_figures else {}
    cells = [epoch for row in rows for epoch in _epoch_rows(row, attribute, named)]
    columns = epoch_columns(objective)
    more = [name for name in named.values() if name not in columns]
    frame = pd.DataFrame(cells, columns=[*columns[:-1], *more, columns[-1]])
    return within_reports(frame, objective.metric)


def within_reports(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Rows with the metric called ``value``, as Optuna calls it, whatever its own name is.

    Its best is ``best_value``, and its score on test data ``test_value`` (NaN where it has none).
    Where the value of a trial is a mean over several reports, the last of these is ``last_value``.
    """
    renamed = rows.rename(columns={own: name for name, own in _own_names(metric).items()})
    if "number" in renamed and "state" in renamed and "test_value" not in renamed:
        return renamed.assign(test_value=float("nan"))
    return renamed


def as_in_files(rows: pd.DataFrame, metric: Metric, absent: Collection[str] = ()) -> pd.DataFrame:
    """Rows of a report with the metric under its own name, as files and the Python API have it.

    Args:
        rows: with the metric called ``value``.
        metric: what decides.
        absent: the columns that nothing of the study can have a value in.
    """
    hidden = [name for name in rows if name in absent or name in HIDDEN or is_hidden(str(name))]
    rows = rows.drop(columns=hidden)
    if not metric.test:
        rows = rows.drop(columns="test_value", errors="ignore")
    named = _own_names(metric)
    if LAST in rows:
        named |= {"value": COLUMN, LAST: metric.name}
    return rows.rename(columns=named)


def _own_names(metric: Metric) -> dict[str, str]:
    kinds = {f"{kind}_value": f"{kind}_{metric.name}" for kind in ("best", "mean", "expected")}
    return {"value": metric.name, **kinds, **({"test_value": metric.test} if metric.test else {})}


def _trial(record: Record, row: TrialRow, columns: list[str]) -> dict[str, Any]:
    attributes = row.attributes
    plan, values = record.plan, attributes.get("setting", {})
    objective = plan.space.objective
    seeds = record.seeds or (plan.space.search.seed if plan.space.search else 0,)
    diverged, history = diverged_epoch(attributes), attributes.get("history", [])
    arm = attributes.get("arm") or (
        arm_name(plan.space, full_length(plan.space, values)) if values else ""
    )
    return {
        **{name: attributes.get(name) for name in columns if name not in objective.fields},
        "stage": attributes.get("stage", "search"),  # a draw that was never trained has none
        "arm": arm,
        "seed": attributes.get("seed", seeds[0]),
        **{name: _cell(value) for name, value in values.items() if name in objective.fields},
        "diverged": diverged,
        "number": row.number,
        "state": row.state,
        "is_baseline": arm == plan.arms[0].name,
        "replicate": seeds.index(attributes.get("seed", seeds[0])),
        **(
            {
                **_final(objective, history, outcome_of(plan.space, row)),
                **secondary_cells(plan.space, row),
            }
            if history and row.state == "COMPLETE" and diverged is None
            else {}
        ),
        "chance": objective.metric.chance,
        "chance_limit": objective.chance_limit(objective.setting(values)) if values else None,
        "started": _time(row.started),
        "finished": _time(row.finished),
    }


def _final(
    objective: Objective, history: list[dict[str, Any]], value: float | None
) -> dict[str, Any]:
    """The figures after the last epoch, and the best epoch's (shown, never used to conclude).

    The metric is the trial's own, which is not always that of its last epoch.
    """
    metric = objective.metric
    pick = max if metric.sign > 0 else min
    best = pick(history, key=lambda epoch: epoch[metric.name])
    return {
        **{name: history[-1].get(name) for name in objective.figures},
        metric.name: value,
        LAST: history[-1][metric.name],
        f"best_{metric.name}": best[metric.name],
        "best_epoch": best["epoch"],
    }


def _epoch_rows(
    row: TrialRow, attribute: str, named: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A trial's epochs: `epoch_columns`, figures under the names that they have there."""
    attributes = row.attributes
    same = {name: attributes.get(name) for name in ("stage", "arm", "seed")}
    for epoch in attributes.get(attribute, []):
        figures = {named.get(name, name): cell for name, cell in epoch.items()}
        yield {**figures, **same, "number": row.number}


def confusion_frame(
    classes: Sequence[str], rows: list[TrialRow], places: dict[str, int]
) -> pd.DataFrame:
    """One row a pair of classes of a trial; see ``StudyTable.confusion``."""
    cells = [
        (row.attributes["arm"], row.attributes["seed"], classes[true], classes[predicted], count)
        for row in sorted(rows, key=lambda row: places.get(row.attributes.get("arm", ""), 0))
        if row.state == "COMPLETE"
        for true, line in enumerate(row.attributes.get("confusion") or [])
        for predicted, count in enumerate(line)
    ]
    return pd.DataFrame(cells, columns=["arm", "seed", "true", "predicted", "count"])


def _cell(value: Any) -> Any:
    return text_of(value) if value is None or isinstance(value, list | tuple) else value


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
