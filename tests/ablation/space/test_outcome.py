"""The section of a space on what comes of a training."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ablation.design.loading import build
from ablation.design.outcome import decision_lines, most_reports, shorter
from ablation.objective import LastReports
from ablation.space.errors import SpaceError
from ablation.space.outcome import is_mean, last_reports
from crnn.objective import objective
from tests.helpers.made.studies import ONE_FACTOR, SEARCH, document

AVERAGED = {**tomllib.loads(ONE_FACTOR), "baseline": {"epochs": 8, "averaging": 0.9}}
PROGRAM = {
    "format": 1,
    "question": "Which is lowest?",
    "command": ["python", "-c", "print({lr}, {seed})"],
    "code": [],
    "metric": "val_acc",
    "settings": {"lr": 0.1},
    "design": "one-factor",
    "seeds": 2,
    "margin": 0.1,
    "factors": {"lr": [0.2]},
}


def errors(space: dict[str, Any], **outcome: Any) -> list[str]:
    try:
        build("mine", document({**space, "outcome": outcome}), folder=Path())
    except SpaceError as error:
        return error.errors
    return []


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"best": True}, "outcome: best is not offered: the best of many noisy epochs is too high"),
        ({"over_last": 0}, "outcome.over_last: must be greater than or equal to 1"),
        ({"over": 5}, "outcome.over: unknown key; did you mean over_last?"),
        (
            {"of": "ema_val_acuracy"},
            "outcome.of: ema_val_acuracy cannot decide; did you mean ema_v",
        ),
        ({"of": "val_loss"}, "outcome.of: val_loss cannot decide; "),
        ({"also": ["val_los"]}, "outcome.also: no epoch has a val_los; did you mean val_loss"),
        ({"also": ["val_accuracy"]}, "outcome.also: val_accuracy is what decides; take it out"),
        ({"of": "ema_val_accuracy"}, "arm baseline has no ema_val_accuracy: averaging is 0 there"),
        ({"also": ["ema_val_accuracy"]}, "outcome.also: arm baseline has no ema_val_accuracy"),
    ],
)
def test_a_faulty_outcome_is_told(outcome: dict[str, Any], said: str) -> None:
    (error,) = errors(tomllib.loads(ONE_FACTOR), **outcome)
    assert said in error


def test_a_level_without_the_figure_is_told() -> None:
    space = {**AVERAGED, "factors": {"averaging": [0.0, 0.99]}}
    (error,) = errors(space, of="ema_val_accuracy")
    assert error.startswith("outcome.of: arm averaging=0 has no ema_val_accuracy")
    drawn = {**tomllib.loads(SEARCH), "baseline": {"epochs": 3, "averaging": 0.9}}
    drawn["factors"] = {"averaging": {"low": 0.0, "high": 0.9}}
    drawn["arms"] = {}
    (error,) = errors(drawn, of="ema_val_accuracy")
    assert error.startswith("outcome.of: factors.averaging = 0.0 has no ema_val_accuracy")


@pytest.mark.parametrize(
    ("keys", "outcome", "said"),
    [
        ({}, {"of": "val_loss"}, 'it does not sound so; give metric = "val_loss"'),
        ({"test": "test_acc"}, {"of": "val_f1"}, "test = test_acc goes with metric = val_acc"),
        ({"settings": {"lr": 0.1, "outcome": 1}}, {"over_last": 2}, "rename the setting outcome"),
        ({}, {"of": "seed"}, "outcome.of: tables have seed for themselves"),
        ({}, {"of": "outcome"}, "outcome.of: tables have outcome for themselves"),
        ({}, {"of": "lr"}, "outcome.of: lr is a setting, too"),
    ],
)
def test_a_faulty_outcome_of_own_code_is_told(
    keys: dict[str, Any], outcome: dict[str, Any], said: str
) -> None:
    assert any(said in error for error in errors({**PROGRAM, **keys}, **outcome))


def test_another_figure_decides() -> None:
    space = build("mine", document({**AVERAGED, "outcome": {"of": "ema_val_accuracy"}})).space
    metric = space.objective.metric
    assert (metric.name, metric.test) == ("ema_val_accuracy", "ema_test_accuracy")
    assert space.objective.beside_metric == ()
    assert space.objective.deciding_by("val_accuracy") is objective
    assert objective.deciding_by("ema_val_accuracy") is space.objective


def test_digests_of_arms_do_not_depend_on_the_outcome() -> None:
    plain = build("mine", document(AVERAGED))
    other = build("mine", document({**AVERAGED, "outcome": {"over_last": 3}}))
    assert [a.setting.digest for a in plain.arms] == [a.setting.digest for a in other.arms]


def test_a_search_takes_the_same_share_of_its_shorter_trainings() -> None:
    given = {**tomllib.loads(SEARCH), "outcome": {"over_last": 5}}
    given["baseline"] = {"epochs": 20, "train_size": 200}
    given["search"] = {"trials": 6, "training": {"epochs": 6}}
    plan = build("mine", document(given))
    assert last_reports(plan.space, plan.arms[0].setting) == LastReports(2, 5)
    assert most_reports(plan.space, plan.arms) == 2
    assert list(decision_lines(plan)) == [
        "Decided by mean validation accuracy of the last 5 epochs: more is better.",
        "The search's trainings are shorter: there the mean of the last 2 decides.",
    ]


def test_a_plan_says_which_figures_are_secondary() -> None:
    plan = build("mine", document({**AVERAGED, "outcome": {"also": ["ema_val_accuracy"]}}))
    (line,) = decision_lines(plan)
    assert line.endswith("each tested as a family of its own: EMA validation accuracy.")


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        (1, "Trainings have 1 epoch, so its value decides, whatever [outcome] over_last = 5 says."),
        (3, "Trainings have 3 epochs, so the mean of these decides, whatever [outcome] over_last"),
        (5, ""),
    ],
)
def test_trainings_of_fewer_epochs_are_told(epochs: int, said: str) -> None:
    given = {**AVERAGED, "outcome": {"over_last": 5}}
    plan = build("mine", document(given), overrides={"epochs": epochs})
    assert "".join(shorter(plan)).startswith(said)
    assert bool("".join(shorter(plan))) == bool(said)
    assert is_mean(plan.space) == (epochs > 1)
