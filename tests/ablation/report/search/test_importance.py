"""Importance: Optuna's own figures, and in words what cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.importance import (
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.storages import RDBStorage

from ablation.report.data.loading import load_study
from ablation.report.search.importance import (
    COLUMNS,
    FORESTS,
    PRECISE,
    importance,
    mean_importance,
    ordered_alike,
    shown_order,
    study_of,
)
from ablation.report.search.trials import finished
from ablation.scheduling.search import SearchSource
from tests.helpers.made.report_studies import METRIC, study
from tests.helpers.made.studies import SEARCH, STUDY, begin, record, run_all

MADE = study("search", arms=40, epochs=1)
ROWS = finished(MADE.trials, MADE.arms, MADE.factors)
FEW = 12  # of them


@cache
def made(trials: int) -> tuple[pd.DataFrame, list[str]]:
    """The importance of the first trials, which takes seconds."""
    return importance(ROWS.head(trials), MADE.factors, METRIC)


QUICK = {"forests": 2, "resamples": 5}  # where it does not matter how precise a figure is


def figures(found: pd.DataFrame) -> dict[str, dict[str, float]]:
    """By method, the importance of each parameter."""
    return {
        str(method): dict(zip(group["parameter"], group["importance"], strict=True))
        for method, group in found.groupby("method")
    }


@pytest.mark.slow
def test_the_figures_are_those_of_optuna_on_the_study_itself(storage: RDBStorage) -> None:
    more = 'trials   = 25\nsampler  = { name = "random" }'
    source = SearchSource(
        storage, STUDY, begin(storage, record(SEARCH.replace("trials   = 6", more)))
    )
    run_all(source)
    table = load_study(storage, STUDY)
    rows = finished(table.trials, table.arms, table.factors)
    assert len(rows) == 25  # no setting twice, so Optuna sees the same trials
    ours_of_all, _ = importance(rows, table.factors, METRIC, **QUICK)
    found = figures(ours_of_all)
    theirs = optuna.load_study(study_name=STUDY, storage=storage)
    always = [name for name in table.factors if name != "dropout_count"]
    assert rows["dropout_count"].isna().any()
    ours = optuna.importance.get_param_importances(theirs, evaluator=PedAnovaImportanceEvaluator())
    assert set(found["PED-ANOVA"]) == set(table.factors) == set(ours)
    assert found["PED-ANOVA"] == pytest.approx(ours, rel=1e-6)
    forests = int(ours_of_all["forests"].max())
    shares = pd.DataFrame(
        [
            optuna.importance.get_param_importances(
                theirs, evaluator=FanovaImportanceEvaluator(seed=seed)
            )
            for seed in range(forests)
        ]
    )
    assert set(found["fANOVA"]) == set(always) == set(shares)
    assert found["fANOVA"] == pytest.approx(shares.mean().to_dict(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("trials", [len(ROWS), pytest.param(FEW, marks=pytest.mark.slow)])
def test_forests_are_added_until_a_share_is_known_to_a_point(trials: int) -> None:
    found, _ = made(trials)
    fanova = found[found["method"] == "fANOVA"]
    (forests,) = fanova["forests"].unique()
    assert 2 <= forests <= FORESTS
    assert forests == FORESTS or fanova["standard_error"].max() <= PRECISE
    assert fanova["importance"].sum() == pytest.approx(1)
    other = found[found["method"] != "fANOVA"]
    assert other[["standard_error", "forests"]].isna().all(axis=None)


def judged(ped: str, fanova: str) -> pd.DataFrame:
    """What two methods say of parameters of one letter each, the most important first."""
    return pd.DataFrame(
        [
            {"parameter": name, "method": method, "importance": 1 / (2 + order.index(name))}
            for method, order in (("PED-ANOVA", ped), ("fANOVA", fanova))
            for name in sorted(order)
        ]
    )


@pytest.mark.parametrize(
    ("ped", "fanova", "alike", "order"),
    [
        ("dcba", "dcba", True, "dcba"),
        ("dcbae", "dcbea", True, "dcbae"),
        ("dcba", "dcab", False, "abcd"),  # the third
        ("dcba", "cdba", False, "abcd"),
        ("ba", "ba", True, "ba"),
        ("cba", "ba", False, "abc"),  # one that a method cannot judge is first for the other
        ("cba", "", False, "abc"),
    ],
)
def test_only_what_both_methods_put_first_is_ranked(
    ped: str, fanova: str, alike: bool, order: str
) -> None:
    found = judged(ped, fanova)
    assert ordered_alike(found) is alike
    assert "".join(shown_order(found)) == order


@pytest.mark.slow
def test_a_methods_figures_add_up_and_name_what_matters() -> None:
    found, notes = made(len(ROWS))
    assert list(found.columns) == COLUMNS
    assert found.groupby("method")["importance"].sum().tolist() == pytest.approx([1.0, 1.0])
    assert mean_importance(found).index[0] in ("hidden_size", "pooling_count", "learning_rate")
    conditional = found[found["parameter"] == "dropout_count"]
    assert conditional["method"].tolist() == ["PED-ANOVA"]
    assert conditional["trials"].tolist() == [ROWS["dropout_count"].count()]
    assert any(note.startswith("dropout_count: drawn in") for note in notes)


@pytest.mark.slow
def test_resampled_trials_show_what_a_figure_is_worth() -> None:
    found, _ = made(len(ROWS))
    ped, other = found[found["method"] == "PED-ANOVA"], found[found["method"] == "fANOVA"]
    assert other[["low", "high"]].isna().all(axis=None)
    assert ((ped["low"] >= 0) & (ped["high"] <= 1) & (ped["low"] < ped["high"])).all()
    assert ((ped["low"] <= ped["importance"]) & (ped["importance"] <= ped["high"])).mean() > 0.5
    some = {"forests": 1, "resamples": 40}  # forests have no resamples
    # More trials of the same kind: less spread.
    more, _ = importance(pd.concat([ROWS] * 4, ignore_index=True), MADE.factors, METRIC, **some)
    more = more[more["method"] == "PED-ANOVA"]
    assert (more["high"] - more["low"]).mean() < 0.75 * (ped["high"] - ped["low"]).mean()


@pytest.mark.parametrize("seed", range(3))
def test_trials_that_are_not_copied_give_the_figures_of_those_that_are(seed: int) -> None:
    trials = [
        optuna.trial.create_trial(
            params={"x": x, "y": y},
            distributions={"x": FloatDistribution(0, 1), "y": IntDistribution(1, 9)},
            value=x + 0.1 * y,
        )
        for x, y in zip(
            np.linspace(0, 1, 20).tolist(), [*range(1, 10), *range(1, 10), 3, 4], strict=True
        )
    ]
    picked = [trials[at] for at in np.random.default_rng(seed).integers(20, size=20)]
    copied = optuna.create_study(direction="maximize")
    copied.add_trials(picked)
    ours, theirs = (
        get_param_importances(each, evaluator=PedAnovaImportanceEvaluator())
        for each in (study_of(picked, "maximize"), copied)
    )
    assert ours == theirs


@pytest.mark.slow
def test_twice_it_is_the_same() -> None:
    one, other = (importance(ROWS, MADE.factors, METRIC, **QUICK)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.slow
def test_where_less_is_better_the_best_tenth_is_the_lowest() -> None:
    less = replace(METRIC, direction="minimize")
    found, _ = importance(ROWS.assign(value=-ROWS["value"]), MADE.factors, less, **QUICK)
    wanted = figures(made(len(ROWS))[0])["PED-ANOVA"]
    assert figures(found)["PED-ANOVA"] == pytest.approx(wanted)


def test_few_trials_or_one_accuracy_have_none_and_say_why() -> None:
    found, notes = importance(ROWS.head(9), MADE.factors, METRIC)
    assert found.empty
    assert notes == ["Not shown: it takes 10 complete settings, and there are 9."]
    found, notes = importance(ROWS.assign(value=0.9), MADE.factors, METRIC)
    assert found.empty
    assert notes == ["Not shown: all complete settings have the same accuracy."]


@pytest.mark.slow
def test_a_hyperparameter_of_one_value_is_left_out() -> None:
    rows = ROWS.assign(hidden_size=128.0, dropout_count=np.nan)
    found, notes = importance(rows, MADE.factors, METRIC, **QUICK)
    assert not {"hidden_size", "dropout_count"} & set(found["parameter"])
    for name in ("hidden_size", "dropout_count"):
        assert f"{name}: left out, because fewer than two values of it were drawn." in notes
    nothing = {name: MADE.factors[name] for name in ("hidden_size", "dropout_count")}
    assert importance(rows, nothing, METRIC)[0].empty
