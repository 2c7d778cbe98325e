"""What verdicts would be without a training that collapsed, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.effects import effects
from ablation.report.path.effects import path_effects
from ablation.report.text.answer import first_said
from ablation.report.text.cautions import cautions
from tests.helpers.made.report_studies import METRIC, origin, study

LEAD = "Sensitivity, not a verdict: without it, "
NOISE = [0.0, 0.0011, -0.0017, 0.0009, -0.0004, 0.0013]


def made(shifts: Mapping[str, float], grid: bool = False, **changes: Any) -> StudyTable:
    """A study of six seeds in which these arms differ from 0.8 by so much, and by some noise."""
    table = study("factorial" if grid else "one-factor", arms=len(shifts), seeds=6, epochs=1)
    names = dict(zip(table.arms["arm"], shifts, strict=True))
    places = {arm: place for place, arm in enumerate(shifts)}
    trials = table.trials.assign(arm=table.trials["arm"].map(names))
    trials["value"] = [
        0.8 + shifts[arm] + NOISE[(seed * (places[arm] + 2)) % 7 % 6]
        for arm, seed in zip(trials["arm"], trials["seed"], strict=True)
    ]
    arms = table.arms.assign(arm=list(shifts))
    return replace(table, **{"arms": arms, "trials": trials, **changes})


def collapse(table: StudyTable, arm: str, seed: int = 2) -> tuple[StudyTable, pd.DataFrame]:
    """The study with one training at chance level, and its trials without that training."""
    hit = (table.trials["arm"] == arm) & (table.trials["seed"] == seed)
    trials = table.trials.assign(value=table.trials["value"].mask(hit, 0.1))
    return replace(table, trials=trials), trials[~hit]


def said(table: StudyTable) -> list[str]:
    return [line for line in cautions(Analysis(table)) if line.startswith("Sensitivity")]


def grown(count: int) -> dict[str, float]:
    return {"baseline": 0.0} | {f"a{place}": 0.01 * place for place in range(1, count)}


@pytest.mark.parametrize("arms", [4, 14])
def test_of_an_arm_its_changed_verdict_comes_first(arms: int) -> None:
    table, kept = collapse(made(grown(arms)), "a3")
    delta = effects(kept, table.arms, table.margin).set_index("arm")["delta"]
    (line,) = said(table)
    changed = f"{LEAD}a3 {METRIC.difference(delta['a3'])}, better instead of inconclusive; "
    assert line.startswith(changed)
    rest = f"a1 {METRIC.difference(delta['a1'])}, better; a2 +2.0"
    assert line.removeprefix(changed).startswith(rest) is (arms == 4)
    assert line.endswith("; the same for 12 other comparisons.") is (arms == 14)


def test_of_the_baseline_all_verdicts_change() -> None:
    table, _ = collapse(made(grown(14)), "baseline")
    line, _ = said(table)  # the other one is of effects that are summed
    assert line.count(" instead of inconclusive") == 9
    assert line.endswith("; and 4 more.")


def test_where_no_verdict_changes_that_is_all() -> None:
    table, _ = collapse(made({"baseline": 0.0, "a": 0.0, "b": 0.02}), "a")
    noisy = table.trials["value"].where(
        ~((table.trials["arm"] == "a") & (table.trials["seed"] == 3)), 0.7
    )
    table = replace(table, trials=table.trials.assign(value=noisy))
    assert said(table) == [f"{LEAD}every verdict is the same."]


def test_a_study_that_is_under_way_has_it_as_it_has_verdicts() -> None:
    table, _ = collapse(made(grown(4)), "a3")
    assert said(replace(table, wanted=table.wanted + 1)) == said(table) != []


def test_of_a_factorial_the_contrasts_that_change() -> None:
    names = list(study("factorial", arms=4, seeds=2).arms["arm"])
    whole = made(dict(zip(names, (0.0, 0.02, 0.01, 0.05), strict=True)), grid=True)
    table, kept = collapse(whole, names[1])
    arms, combined = said(table)
    assert f"{names[1]} +2." in arms
    rows = contrasts(kept, table.arms, "factorial", list(table.factors))
    assert set(rows["kind"]) == {"main", "interaction"}
    for term, delta in zip(rows["term"], rows["delta"], strict=True):
        assert (
            f"{term} {METRIC.difference(delta)}, significant instead of not significant" in combined
        )
    # One that no weight changes is not among them.
    level = made(dict(zip(names, (0.0, 0.02, 0.0, 0.02), strict=True)), grid=True)
    arms, combined = said(collapse(level, names[1])[0])
    (kind,) = (term for term in rows["term"] if " with " in term)
    assert kind not in combined
    assert combined.count("instead of not significant") == 1


def test_of_a_search_there_is_none() -> None:
    table = study("search", arms=8, epochs=2)
    table.trials.loc[table.trials["arm"] == table.arms["arm"].iloc[-1], "value"] = 0.1
    assert list(cautions(Analysis(table))) == []


def test_of_a_confirmation_its_arms_and_what_would_be_the_best() -> None:
    main = made({"baseline": 0.0, "wide": 0.02, "deep": 0.03}, design="confirmation", chosen="wide")
    table, kept = collapse(main, "deep")
    delta = effects(kept, table.arms, table.margin).set_index("arm")["delta"]
    search = study("search", arms=6, epochs=1)
    lines = [
        line for line in first_said(Analysis(replace(search, confirmation=table))) if LEAD in line
    ]
    assert len(lines) == 2
    assert lines[0] == (
        f"{LEAD}deep {METRIC.difference(delta['deep'])}, better instead of inconclusive; wide "
        f"{METRIC.difference(delta['wide'])}, better."
    )
    assert lines[1] == f"{LEAD}deep would be the best of the confirmation instead of wide."


def path(shifts: Sequence[float]) -> StudyTable:
    """Of two steps, x and y; then x taken back, and an arm that has been named."""
    names = ["baseline", "x=1", "x=1+y=2", "y=2", "wide"]
    origins = [
        origin("baseline"),
        origin("step", {"x": 1}, path_step=1, without=(("y",),)),
        origin("step", {"x": 1, "y": 2}, path_step=2),
        origin("without_change", {"y": 2}, without=(("x",),)),
        origin("named", {"z": 3}),
    ]
    table = made(dict(zip(names, shifts, strict=True)), design="confirmation", chosen="x=1+y=2")
    arms = table.arms.assign(
        **{key: pd.Series([each[key] for each in origins], dtype=object) for key in origins[0]},
        against=["", "baseline", "x=1", "x=1+y=2", "baseline"],
    )
    return replace(table, arms=arms.astype({"path_step": "Int64"}), factors={})


@pytest.mark.slow
def test_of_a_path_its_steps_and_whether_they_depend_on_the_order() -> None:
    table, kept = collapse(path([0.0, 0.02, 0.05, 0.01, 0.03]), "x=1")
    rows = path_effects(kept, table.arms, table.margin)
    main = replace(study(arms=3, epochs=1), path=table)
    steps, orders = (line for line in first_said(Analysis(main)) if line.startswith(LEAD))
    first, second = rows["delta"].iloc[1:3]
    assert f"x=1 {METRIC.difference(first)}, better instead of inconclusive" in steps
    assert f"y=2 {METRIC.difference(second)}, better instead of inconclusive" in steps
    assert "taking back y=2" in steps
    assert "wide +3.0" in steps
    excess = rows["interaction"].iloc[1]
    assert orders == (
        f"{LEAD}x=1 where it stood less at the end {METRIC.difference(excess)}, significant "
        "instead of not significant."
    )
