"""What is said of outcomes that are means, of other figures, and of secondary ones: snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from ablation.dashboard.note import note
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.arms import gallery
from ablation.report.sections.secondary import secondary_parts
from ablation.report.text.answer import answer
from ablation.report.text.caveats import caveats
from ablation.report.text.headline import headline
from ablation.report.text.latex import as_latex, as_markdown
from ablation.report.text.tables.arms import arms_table, brief_table
from ablation.report.text.tables.details import about_details, details_table
from ablation.report.text.tables.secondary import brief_secondary_tables
from ablation.storage.outcomes import LAST
from crnn.metrics import METRICS
from tests.ablation.report.effects.test_secondary import beside
from tests.ablation.report.effects.test_settling import SOME
from tests.helpers.made.report_studies import study
from tests.helpers.made.settled import settled


def over_last(table: StudyTable, count: int = 5) -> StudyTable:
    """The study with means over the last epochs for values."""
    return replace(
        table, over_last=count, trials=table.trials.assign(**{LAST: table.trials["value"] + 0.001})
    )


def mean_of_five() -> StudyTable:
    return over_last(study(arms=4, seeds=5))


def averaged_weights() -> StudyTable:
    """Averaged weights decide, and the last ones are shown."""
    last = METRICS["val_accuracy"]
    table = beside(over_last(study(arms=4, seeds=5)), last)
    metric = METRICS["ema_val_accuracy"]
    epochs = table.epochs.assign(val_accuracy=table.epochs["value"] - 0.1)
    figures = (metric.name, "val_accuracy")
    return replace(table, metric=metric, metrics=METRICS, epochs=epochs, figures=figures)


def less_is_better() -> StudyTable:
    """A loss of a user's code, by steps, with a figure of which nothing is known."""
    metric = Metric("val_loss", direction="minimize", test="test_loss_here")
    table = beside(over_last(study(arms=4, seeds=5), 3), Metric("f1"), known=False)
    words, epochs = replace(table.words, epoch="step"), table.epochs.drop(columns="val_loss")
    figures = (metric.name,)
    return replace(table, metric=metric, margin=0.01, words=words, epochs=epochs, figures=figures)


def between_looks() -> StudyTable:
    return beside(over_last(settled(SOME, most=1, begun=2)))


def after_the_looks() -> StudyTable:
    return beside(over_last(settled(SOME)))


MADE: list[Callable[[], StudyTable]] = [
    mean_of_five, averaged_weights, less_is_better, between_looks, after_the_looks,
]  # fmt: skip


def lines(table: TextTable | None) -> list[str]:
    """A table, a row a line."""
    if table is None:
        return []
    rows = [" | ".join(row) for row in (table.titles, *table.rows)]
    return [*rows, *filter(None, [table.note]), ""]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_the_console(make: Callable[[], StudyTable], snapshot: SnapshotAssertion) -> None:
    study = Analysis(make())
    tables = [brief_table(study), *brief_secondary_tables(study)]
    said = [*(f"** {line}" for line in headline(study)), *answer(study)]
    assert "\n".join([*said, *(line for table in tables for line in lines(table))]) == snapshot


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_the_page(make: Callable[[], StudyTable], snapshot: SnapshotAssertion) -> None:
    study = Analysis(make())
    parts = [line for part in secondary_parts(study) for line in (*part.lines, *lines(part.table))]
    captions = [f"{plot.title}: {plot.caption}" for plot in gallery(study)]
    details = [*lines(details_table(study)), about_details(study)]
    texts = [*lines(arms_table(study)), *details, *parts, *captions, *caveats(study.table)]
    assert "\n".join(texts) == snapshot


@pytest.mark.parametrize("make", [averaged_weights, less_is_better], ids=lambda make: make.__name__)
def test_what_is_pasted_elsewhere(
    make: Callable[[], StudyTable], snapshot: SnapshotAssertion
) -> None:
    study = Analysis(make())
    assert "\n".join([as_markdown(study), as_latex(study), note(study.told)]) == snapshot


@pytest.mark.parametrize("make", [averaged_weights, less_is_better], ids=lambda make: make.__name__)
def test_axes_have_the_outcome_on_them(
    make: Callable[[], StudyTable], snapshot: SnapshotAssertion
) -> None:
    labels = {
        f"{plot.name}: {text}"
        for plot in gallery(Analysis(make()))
        for axes in plot.draw().axes
        for text in (axes.get_xlabel(), axes.get_ylabel(), axes.get_title())
        if text
    }
    assert sorted(labels) == snapshot
