"""An Optuna study as pandas tables: the one place where that happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ablation.design.settling import Settling
from ablation.objective.metric import Metric
from ablation.objective.outcome import mean_text
from ablation.objective.words import Words
from ablation.statistics.comparison import Comparison
from ablation.storage.attributes import IMPORTED

AS_RETURNED, GIVEN = "as_returned", "given"
HIDDEN = (AS_RETURNED, GIVEN)
"""Columns of trials of a user's code that no file has: whether the metric is as the code returned
it; a digest of all figures that it gave."""


@dataclass(frozen=True)
class StudyTable:
    """Everything that a report needs of one study.

    Attributes:
        name: the study's name.
        question: the space's question, plain text.
        design: ``one-factor``, ``factorial``, ``search``, ``confirmation`` or ``imported``.
        metric: what decides.
        margin: the smallest difference of the metric that matters.
        notes: sentences of the space's author that the report repeats (may be empty).
        seeds: the seeds that the study wants, in order; of runs that were trained elsewhere
            what pairs them, whole numbers or text.
        looks: the numbers of finished trials at which verdicts were produced, in order.
        sampler: of a search, what draws its trials; else empty.
        wanted: the number of trials that the study wants (replicates; for a search, trials).
        factors: by name of the factor: its ``role`` (``scientific`` or ``nuisance``), its
            ``levels`` as text, the baseline's among them; of a search also its ``range`` (None
            where it has a list: ``low``, ``high``, ``step``, ``log``, and ``whole`` where only
            whole numbers are drawn) and its ``limits``, the lowest and highest number that the
            setting may have to any effect (None where it is no number).
        fixed: what is no factor, by name, as text: what the conclusions are conditional on.
        arms: one row an arm in the order of the design, the baseline first; columns ``arm``,
            ``against`` (the arm it is compared with, empty for the baseline), ``factor`` and
            ``level`` (empty for the baseline and for arms that change several), ``changes``
            (what differs from the baseline, joined by ``+``) and ``changed`` (the same by setting),
            ``kind`` (where it comes from: ``baseline``, ``level``, ``named``, ``drawn``, ``step``
            or ``without_change``; see `ablation.design.origin`), ``trial`` and ``rank`` of what a
            search drew, ``named`` (whether the author has named it; a step may be, too), ``step``
            (its number) and ``without`` (of the chosen setting of a path
            without a change: the names of the settings taken back; a tuple for each such change)
            on a path, ``note``,
            ``reported_test_accuracy``, ``reported_test_loss`` (NaN where none),
            ``sequence_length``, ``parameters``, ``macs``, and one text column a factor (empty
            where it has no effect, or its condition is not met so that it is not drawn).
        trials: one row a trial, the columns of ``trials.csv``, but the metric is ``value``, and on
            test data ``test_value`` (see `ablation.report.data.trial_frames.within_reports`).
        epochs: one row an epoch of a trial, the columns of ``epochs.csv``, likewise.
        confusion: one row a pair of classes of a finished trial: ``arm``, ``seed``, ``true``,
            ``predicted``, ``count`` of test examples; arm by arm in the order of the design.
        reported_curves: one row an epoch that somebody else logged of an arm: ``arm``, ``epoch``,
            ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy`` (NaN where not).
        metrics: of figures that could decide as well, by name: how their values are written.
        over_last: over how many of its last reports a training's outcome is a mean; fewer in
            trainings that have fewer.
        figures: what an epoch has figures of, by their own names.
        words: what things of its objective are called.
        scores: what a finished training is scored by beside the metric, columns of ``trials``.
        length: the setting that is a training's length; empty where none is.
        amounts: that and the settings that say how much data a training has.
        logged: figures that came without the metric, a row a report, as ``epochs``.
        secondary: figures that are shown beside the metric, and decide nothing.
        absent: the columns of files that nothing of the objective has a value in.
        free_figures: whether it is of a user's code, whose figures have any names; when they are
            taken is not known.
        comparison: how arms are compared.
        optimism: why its figures favour some arms, so that none is recommended by them; empty where
            they do not.
        blocks: where the runs of several blocks, such as data sets, are averaged by seed: all of
            them, one row a run, columns of ``trials`` and ``block``; else empty.
        settling: the looks declared and taken, at which arms with a verdict stop; None where every
            arm has all seeds.
        environment: versions, hardware, precision, thread count, commit; text by name.
        space_text: the space file as it was run.
        command: what the program is given to go on with the study.
        reuses: whether a search counts a setting drawn again as one of its trials.
        chosen: of a confirmation, the arm that was best in it; empty before that is known.
        confirmation: of a search, the study that confirms what it found; None before the first of
            its trainings has ended.
        path: of a confirmation, the way from the baseline to the chosen arm: each arm is compared
            with the step before it, or, taken back from the chosen one, with that; None before it
            is known, or where there is none.
    """

    name: str
    question: str
    design: str
    metric: Metric
    margin: float
    notes: list[str]
    seeds: Sequence[Any]
    wanted: int
    factors: dict[str, dict[str, Any]]
    fixed: dict[str, str]
    arms: pd.DataFrame
    trials: pd.DataFrame
    epochs: pd.DataFrame
    confusion: pd.DataFrame
    reported_curves: pd.DataFrame
    environment: dict[str, Any] = field(default_factory=dict)
    space_text: str = ""
    command: str = ""
    looks: tuple[int, ...] = ()
    reuses: bool = False
    chosen: str = ""
    confirmation: StudyTable | None = None
    path: StudyTable | None = None
    sampler: str = ""
    figures: tuple[str, ...] = ()
    words: Words = field(default_factory=Words)
    scores: tuple[str, ...] = ()
    length: str = ""
    amounts: tuple[str, ...] = ()
    logged: pd.DataFrame = field(default_factory=pd.DataFrame)
    secondary: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
    free_figures: bool = False
    comparison: Comparison = field(default_factory=Comparison)
    optimism: str = ""
    blocks: pd.DataFrame = field(default_factory=pd.DataFrame)
    settling: Settling | None = None
    over_last: int = 1
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def outcome_text(self, what: str) -> str:
        """The metric's values that decide: ``mean validation accuracy of the last 5 epochs``.

        Args:
            what: what they are called.
        """
        if self.over_last > 1:
            return mean_text(what, self.over_last, self.words.epoch)
        return f"{what} {self.moment}"

    @property
    def awaits_look(self) -> bool:
        """Whether looks were declared, and one is still to be taken: till then no verdicts."""
        return self.settling is not None and not self.settling.is_over

    @property
    def can_continue(self) -> bool:
        """Whether trainings that it lacks can still be run: not those of a table of runs."""
        return self.design != IMPORTED

    @property
    def knows_trainings(self) -> bool:
        """Whether it is known how trials were trained; a table of runs has their figures alone."""
        return self.design != IMPORTED

    @property
    def moment(self) -> str:
        """Which of a training's values of the metric decides: ``after the last epoch``."""
        if self.words.moment:
            return self.words.moment
        returned = as_returned(self.trials)
        is_all = returned.any() and returned[self.trials["state"] == "COMPLETE"].all()
        return "as returned by train" if is_all else f"after the last {self.words.epoch}"


def as_returned(trials: pd.DataFrame) -> pd.Series[bool]:
    """By trial, whether its metric is as a user's code returned it."""
    if AS_RETURNED not in trials:
        return pd.Series(False, index=trials.index)
    return trials[AS_RETURNED].astype(bool)


def all_trials(table: StudyTable) -> pd.DataFrame:
    """The trials of all stages of a study, those of a search first."""
    return pd.concat([stage.trials for stage in stages(table)], ignore_index=True)


def all_epochs(table: StudyTable) -> pd.DataFrame:
    """The epochs of all stages of a study."""
    return pd.concat([stage.epochs for stage in stages(table)], ignore_index=True)


def all_reports(table: StudyTable) -> pd.DataFrame:
    """The epochs of all stages, and what was reported without the metric, in their order."""
    return pd.concat([_reports(stage) for stage in stages(table)], ignore_index=True)


def all_absent(table: StudyTable) -> frozenset[str]:
    """The columns of files that no stage of a study has a value in."""
    return frozenset.intersection(*(stage.absent for stage in stages(table)))


def _reports(stage: StudyTable) -> pd.DataFrame:
    if stage.logged.empty:
        return stage.epochs
    order = {number: place for place, number in enumerate(stage.trials["number"])}
    rows = pd.concat([stage.logged, stage.epochs], ignore_index=True)
    placed = rows.assign(place=rows["number"].map(order))
    return placed.sort_values(["place", "epoch"], kind="stable").drop(columns="place")


def stages(table: StudyTable) -> list[StudyTable]:
    """A study stage by stage: itself, what confirms it, and the path."""
    later = (table.confirmation, table.path)
    return [table, *(stage for part in later if part for stage in stages(part))]


def provenance(table: StudyTable) -> dict[str, Any]:
    """What a study ran on; the search and what confirms it apart, where that differs."""
    confirmation = table.confirmation
    if confirmation is None or confirmation.environment == table.environment:
        return table.environment
    return {"search": table.environment, "confirmation": confirmation.environment}
