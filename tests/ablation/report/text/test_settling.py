"""What is said of studies that declared looks, as snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from ablation.dashboard.note import note
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.sections.arms import gallery
from ablation.report.sections.settling import look_parts
from ablation.report.text.answer import answer
from ablation.report.text.caveats import caveats
from ablation.report.text.headline import headline
from ablation.report.text.latex import as_latex, as_markdown
from ablation.report.text.sensitivity import without
from ablation.report.text.tables.arms import brief_table
from ablation.report.text.tables.details import about_details, details_table
from tests.ablation.report.effects.test_settling import BIG, FAILED, HALF, NOISY, NULL, SOME
from tests.helpers.made.settled import settled


def before_the_first() -> StudyTable:
    return settled(SOME, most=0, begun=3)


def between() -> StudyTable:
    return settled({**SOME, "failed": FAILED}, most=1, begun=2)


def due() -> StudyTable:
    """All trainings have ended, and the look has not been taken: its coordinator has died."""
    return settled(SOME, most=1, begun=5)


def whole() -> StudyTable:
    return settled({"big": BIG, "null": NULL, "half": HALF})


def open_at_the_end() -> StudyTable:
    return settled({"big": BIG, "noisy": NOISY, "gone": [None]})


def with_a_reserve() -> StudyTable:
    return settled({"big": BIG, "noisy": NOISY}, reserve=True)


def saved_nothing() -> StudyTable:
    return settled({"noisy": NOISY}, looks=(5,))


def against_another() -> StudyTable:
    return settled({"y": BIG, "x": HALF}, against={"x": "y"})


MADE: list[Callable[[], StudyTable]] = [
    before_the_first, between, due, whole, open_at_the_end, with_a_reserve, saved_nothing,
    against_another,
]  # fmt: skip


def plain(study: Analysis) -> str:
    """The answer and the console's table."""
    table = brief_table(study)
    cells = [" | ".join(row) for row in (table.titles, *table.rows)]
    return "\n".join(
        [*(f"** {line}" for line in headline(study)), *answer(study), *cells, table.note]
    )


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_the_answer(make: Callable[[], StudyTable], snapshot: SnapshotAssertion) -> None:
    assert plain(Analysis(make())) == snapshot


@pytest.mark.parametrize("make", [between, open_at_the_end], ids=lambda make: make.__name__)
def test_the_tables(make: Callable[[], StudyTable], snapshot: SnapshotAssertion) -> None:
    study = Analysis(make())
    details = details_table(study)
    assert details is not None
    behind = [" | ".join(row) for row in (details.titles, *details.rows)]
    (part,) = look_parts(study)
    assert part.table is not None
    parts = [*part.lines, *(" | ".join(row) for row in part.table.rows)]
    captions = [plot.caption for plot in gallery(study)]
    texts = [*behind, about_details(study), *parts, *captions, *caveats(study.table)]
    assert "\n".join([*texts, as_markdown(study), as_latex(study)]) == snapshot


@pytest.mark.parametrize("make", [before_the_first, between], ids=lambda make: make.__name__)
def test_the_note_in_the_dashboard(
    make: Callable[[], StudyTable], snapshot: SnapshotAssertion
) -> None:
    assert note(Analysis(make()).told) == snapshot


@pytest.mark.parametrize("make", [before_the_first, between, due])
def test_of_what_awaits_a_look_nothing_but_means_is_said(make: Callable[[], StudyTable]) -> None:
    study = Analysis(make())
    lines = [line for line in plain(study).splitlines() if "half" in line or "noisy" in line]
    assert lines
    for word in ("interval", "better", "worse", "inconclusive", "equivalent", "Recommended"):
        assert not any(word in line for line in lines)


def test_what_a_training_that_collapsed_has_decided_is_said_by_the_same_looks() -> None:
    table = whole()
    row = table.trials[(table.trials["arm"] == "big") & (table.trials["seed"] == 0)]
    lost = replace(table, trials=table.trials.assign(chance_limit=0.12))
    said = list(without(Analysis(lost), row))
    assert said == ["Sensitivity, not a verdict: without it, every verdict is the same."]
    few = table.trials[(table.trials["arm"] == "big") & (table.trials["seed"] < 4)]
    assert "big +3.00 points, inconclusive instead of better" in " ".join(
        without(Analysis(lost), few)
    )


def test_between_looks_no_verdict_without_a_training_is_told() -> None:
    table = between()
    assert list(without(Analysis(table), table.trials.head(1))) == []


def test_a_training_that_finished_after_its_look_is_told() -> None:
    table = settled({"failed": FAILED, "noisy": NOISY})
    lost = (table.trials["arm"] == "failed") & (table.trials["seed"] == 1)
    again = table.trials[lost].assign(state="COMPLETE", value=0.91, number=999)
    trials = pd.concat([table.trials, again], ignore_index=True)
    said = answer(Analysis(replace(table, trials=trials)))
    assert any("not in figures and verdict: a training of failed" in line for line in said)


def test_an_arm_that_no_look_can_test_is_open_too() -> None:
    wavy = [2.0, -2.0, 1.5, -1.0, 0.5, 1.0, -0.5, 2.0, -1.5, 1.0]
    text = " ".join(answer(Analysis(settled({"a": wavy, "b": [None]}, (5, 10)))))
    assert "Open after look 2 (10 seeds), the last: a, b." in text
    assert "2 of 2 comparisons are open after the last look" in text
    assert "or more in the one that has a test (by the largest spread" in text
