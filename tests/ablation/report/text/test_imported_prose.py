"""What reports say of runs that were trained elsewhere, as snapshots of whole answers and pages.

``pytest --snapshot-update tests/ablation/report/text/test_imported_prose.py`` writes them anew.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from ablation.cli.console import Output
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.page import content, markdown
from ablation.report.sections.arms import gallery
from ablation.report.sections.blocks import block_parts
from ablation.report.sections.figure import Picture
from ablation.report.text.answer import answer
from ablation.report.text.blocks import brief_block_table
from ablation.report.text.headline import headline
from ablation.report.text.latex import as_latex
from ablation.report.text.tables.arms import brief_table
from ablation.statistics.comparison import Comparison
from tests.helpers.made.imported import imported, rows, summary

ACC = Metric("val_acc", unit="fraction", test="test_acc")
POINTS = Metric("acc", unit="percent")
RMSE = Metric("rmse", direction="minimize")
SHIFTS = {"plain": 0.0, "wide": 0.02, "deep": -0.015, "norm": 0.0005, "mixup": 0.004}


def values(
    seeds: int = 5, noise: float = 0.002, base: float = 0.88, sign: int = 1
) -> dict[str, list[float]]:
    """Runs of five arms: one better, one worse, one alike, one of which little is known."""
    draw = np.random.default_rng(4)
    of_seed = draw.normal(0, 0.003, seeds)
    spread = {"mixup": 4.0}
    return {
        arm: list(base + sign * shift + of_seed + draw.normal(0, noise * spread.get(arm, 1), seeds))
        for arm, shift in SHIFTS.items()
    }


def paired() -> StudyTable:
    frame = rows(values())
    frame = frame.assign(test_value=frame["value"] - 0.01)
    frame["value"] = frame["value"].mask((frame["arm"] == "deep") & (frame["seed"] == 3))
    return imported(frame, ACC, 0.005)


def unpaired() -> StudyTable:
    frame = rows(values(seeds=3))
    frame["value"] = frame["value"].mask((frame["arm"] == "wide") & (frame["seed"] == 0))
    return imported(frame, ACC, 0.005, Comparison("welch", of="run"))


def folds() -> StudyTable:
    return imported(rows(values()), ACC, 0.005, Comparison("folds", folds=5, of="fold"))


def summaries() -> StudyTable:
    means = {"plain": (70.1, 0.9, 5), "wide": (71.6, 0.6, 5), "deep": (66.0, 1.1, 3)}
    means |= {"norm": (70.0, 0.3, 3)}
    return imported(summary(means), POINTS, 0.5, Comparison("summaries"))


def by_task(comparison: Comparison, metric: Metric = ACC, margin: float = 0.005) -> StudyTable:
    hard = values(base=0.6)
    hard["wide"] = [x - 0.03 for x in hard["wide"]]
    hard["norm"] = [0.6] * 5
    frame = pd.concat([rows(values(), "easy"), rows(hard, "hard")], ignore_index=True)
    lost = (frame["arm"] == "mixup") & (frame["seed"] == 2) & (frame["block"] == "hard")
    frame["value"] = frame["value"].mask(lost)
    return imported(frame, metric, margin, comparison)


def blocks() -> StudyTable:
    return by_task(Comparison(blocks="dataset"))


def blocks_alone() -> StudyTable:
    return by_task(
        Comparison(blocks="task", no_mean="metric says that they measure different things"),
        RMSE,
        margin=0.0,
    )


def less() -> StudyTable:
    return imported(rows(values(base=2.5, sign=-1)), RMSE, 0.005)


def no_margin() -> StudyTable:
    return imported(rows(values(noise=0.01)), Metric("score"), 0.0)


def one_run() -> StudyTable:
    return imported(rows(values(seeds=1)), ACC, 0.005)


def history() -> StudyTable:
    """A study of epochs, whose values still rise."""
    frame = rows(values(seeds=4))
    epochs = frame.loc[frame.index.repeat(8), ["arm", "seed", "value"]]
    epochs = epochs.assign(epoch=list(range(8)) * len(frame))
    steps = 0.02 + np.random.default_rng(5).normal(0, 0.002, len(epochs))
    epochs["value"] -= steps * (7 - epochs["epoch"])
    return imported(frame, ACC, 0.005, history=epochs, looks=(12, 20))


STUDIES: dict[str, Callable[[], StudyTable]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        paired, unpaired, folds, summaries, blocks, blocks_alone, less, no_margin, one_run, history,
    )
}  # fmt: skip


def on_console(study: Analysis) -> str:
    """The tables as a terminal of 80 columns shows them."""
    text = io.StringIO()
    output = Output(Console(file=text, width=80))
    for table in (brief_table(study), brief_block_table(study)):
        if table and table.rows:
            output.print_text_table(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


@pytest.mark.parametrize("name", STUDIES)
def test_the_answer(name: str, snapshot: SnapshotAssertion) -> None:
    study = Analysis(STUDIES[name]())
    assert [*headline(study), "", *answer(study)] == snapshot
    assert on_console(study) == snapshot


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unpaired", "folds", "summaries", "blocks", "blocks-alone"])
def test_the_page(name: str, snapshot: SnapshotAssertion) -> None:
    study = Analysis(STUDIES[name]())
    parts = block_parts(study)
    plots = [*gallery(study), *(plot for part in parts for plot in part.plots())]
    pictures = [
        Picture(plot.name, plot.section, plot.title, plot.caption, width=6.4, svg=b"", png=b"")
        for plot in plots
    ]
    assert markdown(content(study, pictures, confirmed=parts)) == snapshot
    assert as_latex(study).splitlines()[3] == snapshot


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_is_said_of_trainings_of_our_own(name: str) -> None:
    study = Analysis(STUDIES[name]())
    parts = block_parts(study)
    page = markdown(content(study, [], confirmed=parts))
    said = " ".join([*headline(study), *answer(study), page]).lower()
    for word in ("retry", "training has", "trainings", "trial has", "trial that", "budget"):
        assert word not in said
    if study.table.comparison.method in ("welch", "summaries"):
        assert "seed" not in said


@pytest.mark.parametrize(
    ("name", "mark"),
    [("unpaired", "unpaired"), ("folds", "corrected for folds"), ("summaries", "unpaired")],
)
def test_the_test_stands_beside_each_verdict(name: str, mark: str) -> None:
    study = Analysis(STUDIES[name]())
    verdicts = [row[-1] for row in brief_table(study).rows[1:]]
    assert len(verdicts) >= 3
    assert all(mark in verdict for verdict in verdicts)
    page = markdown(content(study, []))
    table = [line for line in page.splitlines() if line.startswith("| ") and " ± " in line]
    assert sum(mark in line for line in table) == len(verdicts)
    shown = [line for line in headline(study) if line.startswith(("Better", "Worse"))]
    assert all(mark in line for line in shown)
