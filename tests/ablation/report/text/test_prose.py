"""What reports say as a whole, as snapshots: a better sentence is one look at a difference.

``pytest --snapshot-update tests/ablation/report/text/test_prose.py`` writes them anew. What figures
and conditions are right is tested elsewhere; here it is the words, also of a metric of which less
is better and which is no fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.page import content, markdown
from ablation.report.search.importance import COLUMNS, FANOVA, PED_ANOVA
from ablation.report.search.trials import Factors
from ablation.report.sections.arms import gallery, searched
from ablation.report.sections.confirmation import confirmed_parts
from ablation.report.sections.figure import Picture
from ablation.report.sections.search import parts
from ablation.report.text.answer import answer
from ablation.report.text.confirmation import sentences
from ablation.report.text.headline import headline
from tests.helpers.made.report_studies import BASELINE, SEARCHED, origin, study

LOSS = Metric("val_loss", direction="minimize")


def minimized(table: StudyTable) -> StudyTable:
    """The study by a metric of which less is better: what it was of 1 before, it lacks now."""
    trials, epochs = (
        rows.drop(columns="val_loss").assign(
            **{name: 1 - rows[name] for name in ("value", "best_value", "chance") if name in rows}
        )
        for rows in (table.trials, table.epochs)
    )
    if "chance_limit" in trials:
        trials["chance_limit"] = 1 - trials["chance_limit"]
    return replace(
        table,
        metric=LOSS,
        figures=("train_loss", "val_loss"),
        scores=(),
        trials=trials.assign(test_value=np.nan, test_loss=np.nan),
        epochs=epochs,
        arms=table.arms.assign(reported_test_accuracy=np.nan, reported_test_loss=np.nan),
        confirmation=table.confirmation and minimized(table.confirmation),
        path=table.path and minimized(table.path),
    )


def with_values(
    table: StudyTable, shifts: Mapping[str, float], noise: float = 0.0015
) -> StudyTable:
    """The study with 0.88 and an arm's shift as values, and some noise; their curves likewise."""
    draw = np.random.default_rng(3)
    trials = table.trials
    values = 0.88 + trials["arm"].map(shifts).fillna(0.0) + draw.normal(0, noise, len(trials))
    moved = dict(zip(trials["number"], values - trials["value"], strict=True))
    epochs = table.epochs.assign(value=table.epochs["value"] + table.epochs["number"].map(moved))
    tested = trials["test_value"] + (values - trials["value"])
    return replace(table, trials=trials.assign(value=values, test_value=tested), epochs=epochs)


def one_factor() -> StudyTable:
    shifts = {"hidden_size=256": 0.02, "conv_layers=2": -0.03, "dropout=0.1": 0.006}
    return with_values(study(arms=10, seeds=5, epochs=12), shifts)


def undecided() -> StudyTable:
    """Few seeds and much noise: the baseline is neither kept nor left."""
    table = study(arms=4, seeds=3, epochs=12, notes=["The author's own note."])
    return with_values(table, {"conv_layers=2": 0.004}, noise=0.004)


def kept() -> StudyTable:
    """Nothing is better, and one is worse."""
    shifts = {"conv_layers=2": -0.02, "pooling_count=2": -0.004}
    return with_values(study(arms=4, seeds=8, epochs=12), shifts, noise=0.0005)


def factorial() -> StudyTable:
    table = study("factorial", arms=4, seeds=6, epochs=12)
    return with_values(table, dict(zip(table.arms["arm"], (0, 0.012, 0.01, 0.04), strict=True)))


def search() -> StudyTable:
    return study("search", arms=32, epochs=12)


def unfinished() -> StudyTable:
    table = study(arms=4, seeds=3, missing=(("conv_layers=2", 1),), epochs=12, looks=(4, 8))
    return with_values(table, {"pooling_count=2": -0.02})


def unsound() -> StudyTable:
    """A training collapsed, an arm is untrained, one diverged, and the last epoch still helped."""
    table = with_values(study(arms=5, seeds=5, epochs=3), {"dropout=0.1": 0.02})
    trials, epochs = table.trials.assign(chance_limit=0.12), table.epochs
    arm, seed = trials["arm"], trials["seed"]
    lost = (arm == "filter_sizes=2,2,2") & (seed == 1)
    trials["value"] = trials["value"].mask((arm == "conv_layers=2") & (seed == 2), 0.1)
    trials["value"] = trials["value"].mask(arm == "pooling_count=2", 0.1 + seed / 1000).mask(lost)
    trials["state"] = trials["state"].mask(lost, "FAIL")
    trials["diverged"] = pd.Series(pd.NA, trials.index, "Int64").mask(lost, 2)
    trials["failure"] = trials["failure"].mask(lost, "the training loss is not finite at epoch 2")
    last = epochs["epoch"] == 3
    return replace(table, trials=trials, epochs=epochs.assign(value=epochs["value"] + 0.01 * last))


CHOSEN = {"hidden_size": "384", "pooling_count": "2", "learning_rate": "0.002"}
OTHER = {"hidden_size": "320", "dropout": "0.1"}


def confirmed(by: Mapping[str, float] | None = None) -> StudyTable:
    """A search that is confirmed, and its path; trained with more epochs than the search."""
    found = study("search", arms=32, epochs=6)
    best, second = (_text(changed) for changed in (CHOSEN, OTHER))
    drawn = list(found.arms["arm"][2:4])
    names = {drawn[0]: best, drawn[1]: second}
    settings = {drawn[0]: SEARCHED | CHOSEN, drawn[1]: SEARCHED | OTHER}
    arms = found.arms.copy()
    for old, setting in settings.items():
        arms.loc[arms["arm"] == old, list(setting)] = list(setting.values())
    arms = arms.assign(arm=arms["arm"].replace(names), changes=arms["changes"].replace(names))
    values = found.trials["value"].mask(found.trials["arm"] == drawn[0], 0.94)
    values = values.mask(found.trials["arm"] == drawn[1], 0.945)
    trials = found.trials.assign(arm=found.trials["arm"].replace(names), value=values)
    for old, setting in settings.items():
        trials.loc[trials["arm"] == names[old], list(setting)] = list(setting.values())
    found = replace(found, name="joint", arms=arms, trials=trials)

    shifts = {best: 0.03, second: 0.028, "source-best": 0.01}
    origins = [
        origin("baseline"),
        origin("named", {"hidden_size": "256"}),
        origin("drawn", CHOSEN, trial=2, search_rank=2),
        origin("drawn", OTHER, trial=3, search_rank=1),
    ]
    main = _stage("confirm", 1, ["baseline", "source-best", best, second], origins)
    main = with_values(main, shifts)

    steps = [_text(dict(list(CHOSEN.items())[:count])) for count in (1, 2, 3)]
    without = [_text({k: v for k, v in CHOSEN.items() if k != name}) for name in CHOSEN]
    names_of = dict.fromkeys(["baseline", *steps, *without[:2]])
    of_path = [
        origin("baseline"),
        *(
            origin("step", dict(list(CHOSEN.items())[:count]), path_step=count)
            for count in (1, 2, 3)
        ),
        *(
            origin("without_change", {k: v for k, v in CHOSEN.items() if k != name},
                   without=((name,),))
            for name in list(CHOSEN)[:2]
        ),
    ]  # fmt: skip
    against = ["", "baseline", steps[0], steps[1], best, best]
    path = _stage("path", 7, list(names_of), of_path, against)
    gained = by or {
        steps[0]: 0.02,
        steps[1]: 0.03,
        best: 0.031,
        without[0]: 0.027,
        without[1]: 0.02,
    }
    main = replace(main, name="joint-confirm", chosen=best, path=with_values(path, gained))
    return replace(found, confirmation=main)


def _text(changed: Mapping[str, str]) -> str:
    return "+".join(f"{name}={value}" for name, value in changed.items())


def _stage(
    stage: str,
    first_seed: int,
    arms: list[str],
    origins: list[dict[str, object]],
    against: list[str] | None = None,
) -> StudyTable:
    """A stage of a confirmation: these arms over six seeds."""
    settings = {}
    for arm, where in zip(arms, origins, strict=True):
        changed = where["changed"]
        assert isinstance(changed, dict)
        settings[arm] = BASELINE | changed
    table = study(settings=settings, seeds=6, epochs=12, design="one-factor")
    columns = {key: pd.Series([each[key] for each in origins], dtype=object) for key in origins[0]}
    frame = table.arms.assign(**columns, reported_test_accuracy=np.nan, reported_test_loss=np.nan)
    if against:
        frame = frame.assign(against=against)
    frame = frame.astype({"path_step": "Int64", "trial": "Int64", "search_rank": "Int64"})
    roles = {**table.factors, "learning_rate": {"role": "nuisance", "levels": ["0.001", "0.002"]}}
    return replace(
        table,
        design="confirmation",
        arms=frame,
        trials=table.trials.assign(stage=stage, seed=table.trials["seed"] + first_seed),
        epochs=table.epochs.assign(stage=stage, seed=table.epochs["seed"] + first_seed),
        confusion=table.confusion.assign(seed=table.confusion["seed"] + first_seed),
        seeds=[int(seed) + first_seed for seed in table.seeds],
        factors=roles,
        reported_curves=table.reported_curves[:0],
    )


STUDIES: dict[str, Callable[[], StudyTable]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        one_factor, undecided, kept, factorial, search, unfinished, unsound, confirmed,
    )
}  # fmt: skip


@cache
def made(name: str, less: bool) -> Analysis:
    table = STUDIES[name]()
    return Analysis(minimized(table) if less else table)


def made_up(rows: pd.DataFrame, factors: Factors, metric: Metric) -> tuple[pd.DataFrame, list[str]]:
    """Importances: what a forest comes to is no matter of words, and takes seconds."""
    shares = [(name, 2.0**-place) for place, name in enumerate(factors, 1)]
    cells = [
        (name, method, share, *ends, len(rows), error, forests)
        for method, ends, error, forests in (
            (PED_ANOVA, (0.01, 0.6), np.nan, pd.NA),
            (FANOVA, (np.nan, np.nan), 0.008, 10),
        )
        for name, share in shares
    ]
    return pd.DataFrame(cells, columns=COLUMNS).astype({"forests": "Int64"}), []


@pytest.mark.parametrize("less", [False, True], ids=["more", "less"])
@pytest.mark.parametrize("name", STUDIES)
def test_the_answer(name: str, less: bool, snapshot: SnapshotAssertion) -> None:
    whole = made(name, less)
    told = whole.main.told
    assert [*headline(told), "", *answer(told, sentences(whole))] == snapshot


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "less"),
    [
        *(("one-factor", False), ("factorial", True), ("unsound", False), ("unsound", True)),
        *(("confirmed", False), ("confirmed", True)),
    ],
)
def test_the_page(name: str, less: bool, snapshot: SnapshotAssertion) -> None:
    whole = made(name, less)
    confirmed, found = confirmed_parts(whole), parts(whole, made_up)
    plots = [*gallery(whole.main.told), *(searched(whole) if whole.confirmation else ())]
    plots += [plot for part in (*confirmed, *found) for plot in part.plots()]
    pictures = [
        Picture(plot.name, plot.section, plot.title, plot.caption, width=6.4, svg=b"", png=b"")
        for plot in plots
    ]
    assert markdown(content(whole, pictures, found, confirmed)) == snapshot
