"""What is computed of a study, each thing once: its effects, contrasts, order, names and path.

The words, tables and figures of a report and of optuna-dashboard are made from this.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt
import pandas as pd

from ablation.design.settling import Settling
from ablation.objective.metric import Direction, Metric
from ablation.report.data.study_table import StudyTable
from ablation.report.effects import arm_names, gains, health, selection, settling
from ablation.report.effects.arms import confounded
from ablation.report.effects.blocks import block_effects
from ablation.report.effects.confirmation import found_against_confirmed
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.differences import difference
from ablation.report.effects.effects import effects, mean_differences
from ablation.report.effects.progress import progress_text
from ablation.report.effects.replicates import pair_differences, replicates
from ablation.report.effects.secondary import secondary, secondary_figures
from ablation.report.path.effects import preliminary_path, tested_path, whole_path
from ablation.report.path.settled import settled_path
from ablation.report.search.trials import finished
from ablation.statistics.inference import MeanDifference, within
from ablation.statistics.settling import repeated


@dataclass(frozen=True, eq=False)
class Analysis:
    """One stage of a study, and what follows from its trials.

    Attributes:
        table: the stage; of a search with what confirms it, of a confirmation with its path.
    """

    table: StudyTable

    @property
    def metric(self) -> Metric:
        """What decides."""
        return self.table.metric

    @property
    def direction(self) -> Direction:
        """Whether more of it is better."""
        return self.table.metric.direction

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with, unless they say another."""
        return str(self.table.arms["arm"].iloc[0])

    @cached_property
    def confirmation(self) -> Analysis | None:
        """Of a search, what confirms what it found."""
        table = self.table.confirmation
        return None if table is None else Analysis(table)

    @cached_property
    def path(self) -> Analysis | None:
        """Of a confirmation, the way from the baseline to the chosen arm."""
        return None if self.table.path is None else Analysis(self.table.path)

    @cached_property
    def main(self) -> Analysis:
        """The stage that the verdicts rest on: of a search that is confirmed, its confirmation."""
        return self.confirmation or self

    @cached_property
    def stages(self) -> list[Analysis]:
        """This stage and those after it."""
        later = [stage for part in (self.confirmation, self.path) if part for stage in part.stages]
        return [self, *later]

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """The trials that count (`ablation.report.effects.replicates.replicates`)."""
        return replicates(self.trials)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The trials that count; where looks were declared, those that looks took.

        See `ablation.report.effects.settling.at_looks`.
        """
        return settling.at_looks(self.table)

    @property
    def settling(self) -> Settling | None:
        """The looks declared and taken; None where there are none."""
        return self.table.settling

    @cached_property
    def awaiting(self) -> tuple[str, ...]:
        """The arms that await a look: they have means alone."""
        return settling.awaiting(self.settling) if self.settling else ()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair's difference; none where runs are not paired.

        See `ablation.report.effects.replicates.pair_differences`.
        """
        if self.settling:
            return settling.pairs_at_looks(self.trials, self.table, self.settling)
        pairs = pair_differences(self.table.trials, self.table.arms)
        return pairs if self.table.comparison.is_paired else pairs[:0]

    @cached_property
    def effects(self) -> pd.DataFrame:
        """One row an arm (`ablation.report.effects.effects.effects`).

        Where looks were declared by `ablation.report.effects.settling`.
        """
        table = self.table
        if self.settling:
            return settling.settled_effects(table, self.settling, self.tests)
        return effects(table.trials, table.arms, table.margin, self.direction, table.comparison)

    @cached_property
    def block_effects(self) -> pd.DataFrame:
        """One row a block and arm (`ablation.report.effects.blocks.block_effects`)."""
        table = self.table
        return block_effects(
            table.blocks, table.arms, table.margin, self.direction, table.comparison
        )

    @property
    def is_by_block_alone(self) -> bool:
        """Whether arms are compared in each block and have no mean over them."""
        comparison = self.table.comparison
        return bool(comparison.blocks) and not comparison.has_mean

    @cached_property
    def tests(self) -> dict[str, MeanDifference]:
        """By arm, what its runs say (`ablation.report.effects.effects.mean_differences`).

        Where looks were declared what its last look says, at every look together.
        """
        table, direction = self.table, self.direction
        if self.settling:
            return settling.stored_tests(table, self.settling)
        return mean_differences(
            table.trials, table.arms, direction=direction, comparison=table.comparison
        )

    def tests_of(self, trials: pd.DataFrame) -> dict[str, MeanDifference]:
        """The same of other figures: what is unsound of the trials' own is of them, too."""
        table, direction = self.table, self.direction
        if self.settling:
            return settling.tests_of_other_figures(trials, table, self.settling)
        return mean_differences(
            trials, table.arms, table.trials, direction=direction, comparison=table.comparison
        )

    def difference(self, arm: str, against: str) -> MeanDifference:
        """How one arm differs from another, whatever it is compared with otherwise.

        Over the seeds that both have; where looks were declared, at every look together.
        """
        found = difference(self.trials, arm, against, self.table.comparison)
        return repeated(found, max(self.settling.factors, default=1)) if self.settling else found

    @property
    def common_epochs(self) -> pd.DataFrame:
        """The epochs; with declared looks those of the first one's seeds, which all arms have."""
        table = self.table
        if self.settling is None:
            return table.epochs
        seeds = list(table.seeds)[: self.settling.looks[0]]
        return table.epochs[table.epochs["seed"].isin(seeds)]

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Combinations of arms, which are by seed: none where arms are compared otherwise.

        See `ablation.report.effects.contrasts.contrasts`.
        """
        table = self.table
        rows = contrasts(self.trials, table.arms, table.design, list(table.factors), self.direction)
        is_shown = table.comparison.method == "paired" and not table.awaits_look
        return rows if is_shown else rows[:0]

    @cached_property
    def gains(self) -> pd.Series[float]:
        """By arm, by how much it is better than the baseline: the order of arms."""
        table = self.table
        by_arm = gains.gains(self.trials, table.arms, self.direction, table.comparison)
        return settling.settled_gains(by_arm, self.tests, table) if self.settling else by_arm

    @cached_property
    def by_gain(self) -> list[str]:
        """The arms that have a gain, the largest first."""
        return list(gains.by_gain(self.table.arms, self.gains)["arm"])

    @cached_property
    def may_be_better(self) -> pd.DataFrame:
        """The arms that may be better than the baseline by the margin."""
        table = self.table
        if self.settling:
            base, gone = self.baseline, gains.always_diverged(table.trials)
            against = dict(zip(table.arms["arm"], table.arms["against"], strict=True))
            own = {
                arm: test if against[arm] == base else self.difference(arm, base)
                for arm, test in self.tests.items()
            }
            return gains.not_ruled_out(own, gone, table.margin, self.direction)
        return gains.may_be_better(
            table.trials, table.arms, table.margin, self.direction, table.comparison
        )

    @cached_property
    def gaps_on_test(self) -> pd.DataFrame:
        """Where an effect is not the same on test data."""
        table = self.table
        if self.settling:
            scored = self.trials[self.trials["test_value"].notna()]
            both = map(self.tests_of, (gains.apart_on_test(self.trials), scored))
            return gains.gap_rows(*both)
        return gains.gaps_on_test(table.trials, table.arms, self.direction, table.comparison)

    @cached_property
    def untrained(self) -> dict[str, str]:
        """The arms that have learned nothing."""
        return health.untrained_arms(self.table.trials, self.direction)

    @cached_property
    def unlearned(self) -> str:
        """Which arms have learned nothing, where none can be compared with the baseline."""
        return health.unlearned(self.table.trials, self.table.arms, self.direction)

    @cached_property
    def secondary(self) -> pd.DataFrame:
        """The figures beside the metric (`ablation.report.effects.secondary.secondary`)."""
        figures = secondary_figures(self.table)
        waits = {arm: self.tests[arm].why_not for arm in self.awaiting}
        return secondary(self.trials, self.table.arms, figures, self.tests_of, waits)

    @cached_property
    def same_seeds(self) -> list[int]:
        """The seeds that gave the same figures as others."""
        return health.same_seeds(self.table.trials)

    @cached_property
    def collapsed(self) -> pd.DataFrame:
        """The trainings that fell back to guessing."""
        return health.collapsed(self.table.trials, self.direction)

    @cached_property
    def confounded(self) -> set[str]:
        """The arms that change the network's size or its steps as well."""
        return confounded(self.table.arms)

    @cached_property
    def progress(self) -> str:
        """How far the stage is if its trainings have not all ended; else empty."""
        return progress_text(self.table)

    @cached_property
    def found_against_confirmed(self) -> pd.DataFrame:
        """Of a search with a confirmation, each confirmed arm as it was found and as confirmed."""
        return found_against_confirmed(self.table.trials, self.main.effects, self.direction)

    @cached_property
    def path_rows(self) -> pd.DataFrame:
        """Of a path, the effects of its steps; with verdicts once all of it has ended.

        Where looks were declared, with the verdicts that looks have made.
        """
        if self.settling:
            return self.tested_path_rows
        return preliminary_path(self.table) if self.progress else self.tested_path_rows

    @cached_property
    def tested_path_rows(self) -> pd.DataFrame:
        """The same with verdicts, whatever has ended."""
        if self.settling:
            return settled_path(self.table, self.settling, self.effects, self.tests)
        return tested_path(self.table)

    @cached_property
    def whole_path(self) -> MeanDifference:
        """Of a path, all of its changes together; with declared looks at all of them."""
        found = whole_path(self.trials, self.table.arms, self.direction)
        return repeated(found, max(self.settling.factors, default=1)) if self.settling else found

    @cached_property
    def short_names(self) -> dict[str, str]:
        """By arm of a search, the number of its first trial."""
        return arm_names.short_names(self.table)

    @cached_property
    def labels(self) -> dict[str, str]:
        """By arm of a search or its confirmation, what a figure calls it."""
        return arm_names.labels(self.table)

    @cached_property
    def finished(self) -> pd.DataFrame:
        """Of a search, the trials that count, with their factors' values."""
        return finished(self.table.trials, self.table.arms, self.table.factors)

    @cached_property
    def told(self) -> Analysis:
        """The same as people are told of it: what the search drew by its number there."""
        if self.table.design != "confirmation":
            return self
        table, rows = arm_names.with_short_names(self.table, self.effects)
        analysis = Analysis(table)
        # Not to be computed again: the names do not matter to these.
        analysis.__dict__.update(effects=rows, contrasts=self.contrasts, path=self.path)
        return analysis

    def is_slight(self, rows: pd.DataFrame) -> list[bool]:
        """By row of effects, whether it is better or worse, but by less than the margin."""
        if not self.settling:
            return list(gains.slight(rows, self.table.margin))
        cells = zip(rows["arm"], rows["verdict"].isin(["better", "worse"]), strict=True)
        return [shown and within(self.tests[arm], self.table.margin) for arm, shown in cells]

    def with_shown_intervals(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of effects with the intervals that are shown: the repeated ones of looks."""
        if not self.settling:
            return rows
        return rows.assign(ci_low=rows["repeated_low"], ci_high=rows["repeated_high"])

    def leading(self, room: int | None = None, *, settled: bool = True) -> pd.DataFrame:
        """The effects of the arms that there is room for."""
        return selection.leading(self.table, self.effects, self.gains, room, settled)

    def shown_of(self, rows: pd.DataFrame, *, settled: bool = True) -> str:
        """How many arms are shown, and of what kind the others are; empty where all are."""
        return selection.shown_of(self.table, self.effects, rows, settled)

    @cached_property
    def best_challenger(self) -> str | None:
        """The best other arm of those scored on test data."""
        return selection.best_challenger(self.table, self.effects, self.gains)

    def is_at_chance(self, done: pd.DataFrame) -> npt.NDArray[Any]:
        """By finished training, whether its value is within chance of guessing."""
        return health.is_at_chance(done, self.direction).to_numpy(bool)
