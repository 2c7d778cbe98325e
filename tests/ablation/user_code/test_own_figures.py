"""Figures with names of the user's, as cells of tables: pure functions of trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from ablation.objective import Objective
from ablation.report.analysis import Analysis
from ablation.report.data import own_figures
from ablation.report.data.trial_frames import epoch_frame
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.effects import mean_differences
from ablation.report.effects.health import SAME, same_seeds
from ablation.report.effects.selection import of_factor
from ablation.scheduling.distributions import LARGEST_FLOAT, LARGEST_INT, designed
from ablation.storage import TrialRow
from ablation.storage.attributes import trial_attributes_of
from ablation.user_code.definition import Definition
from ablation.user_code.objective import UserObjective
from ablation.user_code.settings.schema import SettingField, SettingsSchema, ValueType
from tests.helpers.made.report_studies import study

FIELDS = (
    SettingField(name="rate", kind="float", default=0.1),
    SettingField(name="depth", kind="int", default=3),
    SettingField(name="bounded", kind="int", low=1, high=9, default=3),
    SettingField(name="kind", kind="choice", choices=("a", "b"), default="a"),
    SettingField(name="tag", kind="text", default="x"),
    SettingField(name="widths", kind="tuple", items=(ValueType(kind="int"),), any_length=True,
                 default=(1, 2)),
    SettingField(name="warmup", kind="int", optional=True),
    SettingField(name="state", kind="bool", default=True),
    SettingField(name="epochs", kind="int", low=1, default=3),
)  # fmt: skip


def objective(*also: str, **changes: Any) -> UserObjective:
    fields = {"metric": "loss", "budget": "epochs", "direction": "minimize", **changes}
    schema = SettingsSchema(fields=FIELDS)
    return UserObjective(Definition(trains="a.py:train", also=also, settings=schema, **fields))


def epoch(number: int, **figures: float) -> dict[str, float]:
    return {"epoch": number, **figures, "seconds": 0.5}


def row(number: int = 0, state: str = "COMPLETE", **attributes: Any) -> TrialRow:
    own = {"stage": "ablation", "arm": "baseline", "seed": 0, **attributes}
    return TrialRow(number, number, state, None, None, 0.25, own)


def test_a_figure_called_as_a_column_has_a_prefix() -> None:
    rows = [row(history=[epoch(1, loss=0.5, arm=7, value=8, lr=0.1)], logged=[epoch(1, stage=9)])]
    frame = epoch_frame(objective(), rows)
    assert list(frame.loc[0, ["arm", "reported_arm", "reported_value", "lr", "value"]]) == [
        *("baseline", 7, 8, 0.1, 0.5)
    ]
    logged = epoch_frame(objective(), rows, "logged")
    assert list(logged.loc[0, ["stage", "reported_stage"]]) == ["ablation", 9]
    assert logged["value"].isna().all()


def test_what_was_returned_under_a_name_that_is_taken_has_a_prefix() -> None:
    rows = [row(returned={"epochs": 2.0, "size": 1.0, "loss": 0.2, "f1": 0.5})]
    found = own_figures.returned_columns(objective("f1"), rows, ["epochs", "number"])
    assert found == {"epochs": "returned.epochs", "size": "size"}


@pytest.mark.parametrize(
    ("attributes", "f1"),
    [
        ({"history": [epoch(1, loss=1, f1=0.1), epoch(2, loss=1)]}, 0.1),
        ({"history": [epoch(1, loss=1, f1=0.1), epoch(2, loss=1, f1=0.2)]}, 0.2),
        ({"history": [epoch(1, loss=1)], "logged": [epoch(1, f1=0.3)]}, 0.3),
        ({"history": [epoch(1, loss=1, f1=0.1)], "returned": {"f1": 0.9}}, 0.9),
        ({"history": [epoch(1, loss=1)]}, None),
    ],
)
def test_a_figure_beside_the_metric_is_as_returned_else_as_reported_last(
    attributes: dict[str, Any], f1: float | None
) -> None:
    assert own_figures.free_cells(objective("f1"), row(**attributes), {})["f1"] == f1


def test_a_training_that_did_not_end_has_no_figures() -> None:
    failed = row(state="FAIL", history=[epoch(1, loss=1, f1=0.1)])
    cells = own_figures.free_cells(objective("f1"), failed, {})
    assert cells == {"reports": 1, "as_returned": False, "given": ""}


def notes(*rows: TrialRow, also: str = "") -> list[str]:
    return list(own_figures.notes(objective(*filter(None, [also])), rows))


def test_code_that_changed_on_the_way_is_told() -> None:
    codes = [{"a.py": "1"}, {"a.py": "1", "late.py": "5"}, {"a.py": "2"}, {"a.py": "2"}]
    rows = [row(n, code=code) for n, code in enumerate(codes)]
    told = "a.py changed after 2 of 4 trainings; its author says that it computes the same"
    assert list(own_figures.code_notes(rows[::-1])) == [f"{told} (--same-code)."]
    assert list(own_figures.code_notes(rows[:2])) == []


@pytest.mark.parametrize(
    ("searched", "confirmed", "after"),
    [
        ("11", "22", "2 (all of the search) of 4"),
        ("12", "22", "1 of 4"),
        ("12", "32", "1 and 2 (all of the search) and 3 of 4"),
        ("11", "11", ""),
    ],
)
def test_code_that_changed_between_a_search_and_its_confirmation_is_told(
    searched: str, confirmed: str, after: str
) -> None:
    rows, later = (
        [row(number, code={"a.py": digest}) for number, digest in enumerate(digests)]
        for digests in (searched, confirmed)
    )
    told = [note.partition(" trainings")[0] for note in own_figures.code_notes(later, rows)]
    assert told == [f"a.py changed after {after}"] * bool(after)


def test_a_metric_as_returned_in_some_trainings_is_told() -> None:
    rows = [row(history=[epoch(1, loss=1), epoch(2, loss=1)], returned={"loss": 1.0}),
            row(1, history=[epoch(1, loss=1)])]  # fmt: skip
    (told,) = notes(*rows)
    assert told.startswith("loss is as train returned it in 1 of 2 trainings: the best of many")


# Seeds that give the same


def trials(**given: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"arm": arm, "seed": seed, "state": "COMPLETE", "value": float(seed), "given": digest}
            for arm, digests in given.items()
            for seed, digest in enumerate(digests)
            if digest
        ]
    )


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"base": ["x", "x", "x"], "other": ["y", "y", "y"]}, [0, 1, 2]),
        ({"base": ["x", "z", "x"], "other": ["y", "z", "y"]}, [0, 2]),
        ({"base": ["x", "x", "z"], "other": ["y", "u", "v"]}, []),
        ({"base": ["x", "x", "z"], "other": ["y", "", "v"]}, [0, 1]),
        ({"base": ["x"], "other": ["x"]}, []),
    ],
)
def test_seeds_are_the_same_where_all_arms_say_so(
    given: dict[str, list[str]], same: list[int]
) -> None:
    assert same_seeds(trials(**given)) == same
    assert same_seeds(trials(**given).drop(columns="given")) == []


def test_nothing_is_tested_where_some_seeds_are_the_same() -> None:
    rows = trials(base=["x", "z", "x"], other=["y", "u", "y"])
    rows.loc[rows["arm"] == "other", "value"] += [0.1, 0.5, 0.2]
    arms = pd.DataFrame({"arm": ["base", "other"], "against": ["", "base"], "changed": [{}, {}],
                         "kind": ["baseline", "level"], "a": ["1", "2"]})  # fmt: skip
    test = mean_differences(rows, arms)["other"]
    assert (test.why_not, test.n) == (SAME, 3)
    assert pd.isna(test.low)
    (contrast,) = contrasts(rows, arms, "factorial", ["a"]).to_dict("records")
    assert (contrast["reason"], contrast["n"]) == (SAME, 3)
    assert pd.isna(contrast["p_value"])
    assert pd.isna(contrast["ci_low"])


# Settings called like columns


def test_a_setting_has_a_prefix_only_where_its_name_is_taken_beside_it() -> None:
    schema = SettingsSchema(
        fields=tuple(
            SettingField(name=name, kind="int", default=1)
            for name in ("step", "rank", "name", "n", "seed", "kind")
        )
    )
    definition = Definition(trains="a.py:train", metric="loss", settings=schema)
    earlier = UserObjective(definition)
    now = UserObjective(definition.model_copy(update={"naming": 2}))
    assert list(now.fields) == ["step", "rank", "name", "n", "setting.seed", "setting.kind"]
    assert list(earlier.fields)[:2] == ["setting.step", "setting.rank"]
    assert earlier.setting_name("step") == "setting.step"
    assert now.digest == earlier.digest
    assert list(now.after(earlier).fields) == list(earlier.fields)  # a study goes on as it began
    assert now.after(now) is now


@pytest.mark.parametrize("design", ["one-factor", "factorial", "search"])
@pytest.mark.parametrize(
    "name", ["delta", "n", "group", "role", "change", "names", "step", "rank", "p_holm", "reason"]
)
def test_what_a_factor_is_called_changes_no_finding(name: str, design: str) -> None:
    table = study(design)
    called = {"hidden_size": name}
    other = replace(
        table,
        arms=table.arms.rename(columns=called),
        trials=table.trials.rename(columns=called),
        factors={called.get(own, own): factor for own, factor in table.factors.items()},
    )
    one, two = Analysis(table), Analysis(other)
    pd.testing.assert_frame_equal(one.effects, two.effects)
    assert list(one.contrasts["delta"]) == list(two.contrasts["delta"])
    if design == "search":
        found = two.finished.rename(columns={name: "hidden_size"})
        pd.testing.assert_frame_equal(one.finished, found)
    elif design == "factorial":
        pd.testing.assert_frame_equal(
            of_factor("hidden_size", table, one.effects)[["arm", "level"]],
            of_factor(name, other, two.effects)[["arm", "level"]],
        )


# In the storage


def test_optuna_has_numbers_alone_as_parameters_with_the_widest_ranges() -> None:
    own: Objective = objective()
    setting = own.setting({})
    params, distributions = designed(own, setting, list(own.fields))
    assert params == {**{"rate": 0.1, "depth": 3, "bounded": 3, "setting.state": True, "epochs": 3}}
    ends = {
        name: (each.low, each.high)  # type: ignore[attr-defined]
        for name, each in distributions.items()
        if name != "setting.state"
    }
    assert ends["rate"] == (-LARGEST_FLOAT, LARGEST_FLOAT)
    assert ends["depth"] == (-LARGEST_INT, LARGEST_INT)
    assert ends["bounded"] == (1, 9)


def test_what_is_stored_of_reports_is_checked() -> None:
    model = trial_attributes_of(objective("f1"))
    model.model_validate({"history": [epoch(0, loss=1.0, other=2.0)]})
    for wrong in ({"other": "much"}, {"loss": None}, {"epoch": -1}):
        with pytest.raises(ValidationError):
            model.model_validate({"history": [{**epoch(0, loss=1.0), **wrong}]})
