"""What an answer begins with: three sentences at most, each of which the data bear out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.data.study_table import StudyTable
from ablation.report.page import content, html
from ablation.report.text.answer import answer
from ablation.report.text.headline import _steps, headline
from ablation.storage import opened_storage, storage_url
from crnn.network.config import TrainConfig, chance_limit
from tests.helpers.made.report_studies import METRIC, study

REFERENCE = Path(__file__).parents[4] / "results" / "reference" / "studies.db"


def of(table: StudyTable) -> list[str]:
    return headline(Analysis(table).told)


def made(accuracies: dict[str, list[float]], **changes: Any) -> StudyTable:
    """A one-factor study with these validation accuracies, by arm and seed."""
    seeds = len(next(iter(accuracies.values())))
    table = study(arms=len(accuracies), seeds=seeds, epochs=1)
    names = dict(zip(table.arms["arm"], accuracies, strict=True))
    arms = table.arms.assign(arm=list(accuracies))
    trials = table.trials.assign(arm=table.trials["arm"].map(names))
    values = [
        accuracies[arm][seed] for arm, seed in zip(trials["arm"], trials["seed"], strict=True)
    ]
    trials = trials.assign(value=values)
    return replace(table, arms=arms, trials=trials, **changes)


BASE = [0.900, 0.902, 0.898, 0.901, 0.899]


def shifted(by: float, noise: float = 0.0005) -> list[float]:
    return [x + by + noise * (-1) ** place * place for place, x in enumerate(BASE)]


def test_it_names_what_is_better_and_worse_and_recommends() -> None:
    table = made({"baseline": BASE, "a": shifted(0.02), "b": shifted(-0.03), "c": shifted(0.01)})
    assert of(table) == [
        "Better than baseline: a (+2.02 points) and c (+1.02 points); worse: b (−2.98 points).",
        "Recommended: a.",
    ]


def test_many_are_counted() -> None:
    arms = {name: shifted(0.02 + 0.001 * place) for place, name in enumerate("abcd")}
    first, _ = of(made({"baseline": BASE, **arms}))
    assert first == "Better than baseline: d (+2.32 points), c (+2.22 points) and 2 more."


def test_the_baseline_is_kept_only_where_no_arm_may_be_better() -> None:
    alike = made({"baseline": BASE, "a": shifted(0.0, 0.0002), "b": shifted(-0.001, 0.0002)})
    assert of(alike)[1] == "Keep baseline: no arm is better by 0.50 points or more."
    open_ = made({"baseline": BASE, "a": shifted(0.004, 0.004)})
    assert of(open_) == [
        "No arm is shown to differ from baseline.",
        "Not settled: a may be better.",
    ]


def test_what_it_may_not_be_relied_on_for_comes_first() -> None:
    whole = made({"baseline": BASE, "a": shifted(0.02)})
    first, *rest = of(replace(whole, looks=(4, 7, 10)))
    assert first == "This is look 3, so error rates are not controlled."
    assert rest == of(whole)
    part = replace(whole, trials=whole.trials.iloc[:-1], looks=(4, 9))
    assert of(part)[0] == (
        "Preliminary: 9 of 10 trials have finished (look 2, so error rates are not controlled)."
    )
    assert of(replace(part, looks=(9,)))[0] == "Preliminary: 9 of 10 trials have finished."


def factorial(*gains: float, arms: int = 4) -> StudyTable:
    """A grid of sizes and dropout rates whose arms differ from the baseline by so much."""
    table = study("factorial", arms=arms, seeds=5, epochs=1)
    noise = [0.0002, -0.0002, 0.0004, -0.0004, 0.0]
    values = {
        (arm, seed): BASE[seed] + gain + noise[seed] * place**2
        for place, (arm, gain) in enumerate(zip(table.arms["arm"], (0.0, *gains), strict=True))
        for seed in range(5)
    }
    keys = table.trials[["arm", "seed"]].itertuples(index=False, name=None)
    return replace(table, trials=table.trials.assign(value=[values[key] for key in keys]))


DROPOUT, SIZE = "dropout 0.1 instead of 0.25", "hidden_size 256 instead of 128"


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        pytest.param(
            (0.02, 0.03, 0.05),
            [
                f"On average over the other factor: {SIZE} (+3.00 points) and {DROPOUT} "
                "(+2.00 points).",
                "Recommended: hidden_size=256+dropout=0.1, better than baseline (+5.00 points).",
                "Also better than baseline: hidden_size=256 (+3.00 points) and dropout=0.1 "
                "(+2.00 points).",
            ],
            id="additive",
        ),
        pytest.param(
            (0.02, 0.03, 0.04),
            [
                f"On average over the other factor: {SIZE} (+2.50 points) and {DROPOUT} "
                "(+1.50 points); the interaction is −1.00 points.",
                "Recommended: hidden_size=256+dropout=0.1, better than baseline (+4.00 points).",
                "Also better than baseline: hidden_size=256 (+3.00 points) and dropout=0.1 "
                "(+2.00 points).",
            ],
            id="interaction",
        ),
        pytest.param(
            (-0.02, 0.03, 0.01),
            [
                f"On average over the other factor: {SIZE} (+3.00 points) and {DROPOUT} "
                "(−2.00 points).",
                "Recommended: hidden_size=256, better than baseline (+3.00 points).",
                "Also better than baseline: hidden_size=256+dropout=0.1 (+1.00 points); worse: "
                "dropout=0.1 (−2.00 points).",
            ],
            id="one-harms",
        ),
        pytest.param(
            (-0.02, -0.03, -0.05),
            [
                f"On average over the other factor: {SIZE} (−3.00 points) and {DROPOUT} "
                "(−2.00 points).",
                "Worse: hidden_size=256+dropout=0.1 (−5.00 points), hidden_size=256 "
                "(−3.00 points) and 1 more.",
                "Keep baseline: no arm is better by 0.50 points or more.",
            ],
            id="both-harm",
        ),
        pytest.param(
            (0.02, 0.02, 0.0),
            [
                "Interaction: hidden_size 256 with dropout 0.1 (−4.00 points).",
                "Recommended: dropout=0.1, better than baseline (+2.00 points).",
                "Also better than baseline: hidden_size=256 (+2.00 points).",
            ],
            id="crossed",
        ),
    ],
)
def test_a_factorial_begins_with_its_averages(gains: tuple[float, ...], said: list[str]) -> None:
    assert of(factorial(*gains)) == said


def test_the_interactions_of_a_larger_factorial_are_counted() -> None:
    first, *_ = of(factorial(0.01, 0.02, 0.05, 0.03, 0.09, arms=6))
    assert first == (
        "On average over the other factor: hidden_size 64 instead of 128 (+5.50 points), "
        "dropout 0.1 instead of 0.25 (+3.33 points) and 1 more; besides, 2 interactions."
    )


def test_a_search_is_exploratory() -> None:
    table = study("search", arms=12, epochs=2)
    told = of(table)
    best = table.trials.nlargest(1, "value").iloc[0]
    assert told[0].startswith(f"Best found: #{best['number']}, {METRIC.value(best['value'])}, ")
    assert told[1] == "It is one training, the best of 12 settings: exploratory."


def steps(*verdicts: str) -> pd.DataFrame:
    rows = [(f"x={place}", "scientific", verdict) for place, verdict in enumerate(verdicts)]
    return pd.DataFrame(rows, columns=["change", "role", "verdict"])


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["equivalent"], "1 tested step none is shown to help, where it stood"),
        (["better"], "1 tested step x=0 is shown to help, where it stood"),
        (["better", "", "worse"], "2 tested steps only x=0 is shown to help, where it stood"),
        (["better", "better"], "2 tested steps x=0 and x=1 are shown to help, where they stood"),
    ],
)
def test_it_says_which_steps_of_a_path_help(verdicts: list[str], said: str) -> None:
    assert list(_steps(steps(*verdicts))) == [f"Of the path's {said}."]


def test_a_path_without_a_test_says_nothing_of_its_steps() -> None:
    assert list(_steps(steps("", ""))) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick", "pilot", "joint"])
def test_of_the_reference_studies(name: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    path = tmp_path / "studies.db"
    path.write_bytes(REFERENCE.read_bytes())
    with opened_storage(storage_url(str(path), tmp_path)) as storage:
        table = load_study(storage, name)
    assert of(table.confirmation or table) == snapshot


def test_nothing_finished_is_said() -> None:
    names = study(arms=3, seeds=1).arms["arm"]
    table = study(arms=3, seeds=1, failed=tuple((arm, 0) for arm in names))
    assert of(table) == ["No trial has a result: all 3 failed."]
    assert of(replace(table, wanted=9)) == ["No trial has finished yet (0 of 9; 3 failed)."]


@pytest.mark.parametrize("design", ["one-factor", "factorial", "search"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_it_is_short_and_the_page_folds_the_rest(design: str, seeds: int) -> None:
    table = study(design, arms=9, seeds=seeds, epochs=2)
    told = of(table)
    assert 1 <= len(told) <= 3
    assert all(len(sentence) < 160 for sentence in told)
    page = html(content(Analysis(table), []))
    lead = page[page.index('class="answer"') : page.index("<details>")]
    assert lead.count('<p class="lead">') == len(told)
    assert "<li>" not in lead
    assert "<summary>Everything that was found</summary>" in page


ADVICE = "Try more epochs or another learning rate."
ALL = "Nothing was learned: all arms are at chance level, so nothing is compared."
BASELINE = "Nothing is compared with baseline: it is at chance level, so it has learned nothing."
OTHERS = (
    "Only baseline has learned anything: all other arms are at chance level, so nothing is "
    "compared with it."
)


def untrained(table: StudyTable, *arms: str) -> StudyTable:
    """The study with 180 validation images a training, and these arms near 10 % of them right."""
    trials = table.trials.assign(chance_limit=chance_limit(TrainConfig(train_size=600)))
    guessed = 0.1 + 0.001 * trials["seed"]
    trials["value"] = trials["value"].mask(trials["arm"].isin(arms), guessed)
    return replace(table, trials=trials)


def everything(table: StudyTable) -> str:
    return "\n".join(answer(Analysis(table)))


@pytest.mark.parametrize(
    ("arms", "said"),
    [(("baseline", "a", "b"), ALL), (("baseline",), BASELINE), (("a", "b"), OTHERS)],
)
@pytest.mark.parametrize("chosen", ["", pytest.param("a", marks=pytest.mark.slow)])
def test_where_nothing_was_learned_that_is_all(
    arms: tuple[str, ...], said: str, chosen: str
) -> None:
    """Also of a confirmation."""
    design = "confirmation" if chosen else "one-factor"
    whole = made({"baseline": BASE, "a": shifted(0.02), "b": shifted(0.01)}, design=design)
    table = untrained(replace(whole, chosen=chosen), *arms)
    assert of(table) == [said, ADVICE]
    text = everything(table)
    assert text.startswith("With one epoch") or text.startswith(f"{said} {ADVICE}")
    assert "may be better" not in text
    part = replace(table, wanted=16)
    assert of(part) == ["Preliminary: 15 of 16 trials have finished.", said, ADVICE]


def test_an_untrained_arm_beside_others_is_named() -> None:
    table = untrained(made({"baseline": BASE, "a": shifted(0.02), "b": shifted(0.01)}), "a")
    assert of(table)[0] == "Untrained, at chance level: a; no verdict on that."
    assert "Untrained, at chance level: a. There is no verdict" in everything(table)


def test_what_is_not_compared_with_an_untrained_baseline_keeps_its_verdict() -> None:
    arms = {"baseline": BASE, "a": shifted(0.02), "b": shifted(0.05, 0.0004)}
    table = untrained(made(arms), "baseline")
    table = replace(table, arms=table.arms.assign(against=["", "baseline", "a"]))
    assert of(table) == [BASELINE, ADVICE, "Better than baseline: b against a (+3.00 points)."]


def test_arms_that_have_not_finished_are_not_said_to_have_learned_nothing() -> None:
    table = untrained(made({"baseline": BASE, "a": shifted(0.02)}), "baseline", "a")
    part = replace(table, trials=table.trials[table.trials["arm"] == "baseline"])
    assert of(part)[1] == (
        "Nothing was learned: all arms that have finished are at chance level, so nothing is "
        "compared."
    )


def test_a_single_arm_may_have_learned_nothing() -> None:
    table = untrained(made({"baseline": BASE}), "baseline")
    assert of(table) == ["Nothing was learned: baseline is at chance level.", ADVICE]


def test_a_search_that_learned_nothing() -> None:
    table = study("search", arms=6, epochs=1)
    base, *others = (str(arm) for arm in table.arms["arm"])
    every = untrained(table, base, *others)
    assert of(every) == [ALL.replace("arms", "trials"), ADVICE]
    text = everything(every)
    assert "Best found" not in text
    assert "No trial was above" not in text
    best = table.trials[table.trials["arm"] != base].nlargest(1, "value").iloc[0]
    alone = untrained(table, base)
    found = f"{100 * best['value']:.2f} %."
    assert of(alone) == [BASELINE, ADVICE, f"Best found: #{best['number']}, {found}"]
    assert f"({best['arm']}), {found}" in everything(alone)
    assert of(untrained(table, *others))[:2] == [OTHERS.replace("arms", "trials"), ADVICE]


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (("baseline", "a", "b"), "Nothing was learned on the path: all arms are at chance level, "),
        (("baseline",), "Nothing is compared with baseline on the path: it is at chance level, "),
        (("a", "b"), "Only baseline has learned anything on the path: all other arms are at "),
    ],
)
def test_a_path_that_learned_nothing(arms: tuple[str, ...], said: str) -> None:
    main = made({"baseline": BASE, "b": shifted(0.02)}, design="confirmation", chosen="b")
    own = made({"baseline": BASE, "a": shifted(0.01), "b": shifted(0.02)}, design="confirmation")
    steps = own.arms.assign(
        path_step=pd.array([pd.NA, 1, 2], dtype="Int64"),
        changed=pd.Series([{}, {"x": 1}, {"x": 1, "y": 2}], dtype=object),
        against=["", "baseline", "a"],
    )
    path = untrained(replace(own, arms=steps, factors={}), *arms)
    first, advice, found = of(replace(main, path=path))
    assert first.startswith(said)
    assert advice == ADVICE
    assert found.startswith("Not shown to be better: b, ")
    assert found.endswith("untrained: at chance level.")


def test_a_step_that_diverged_is_not_the_best_found() -> None:
    main = made({"baseline": BASE, "b": shifted(0.02)}, design="confirmation", chosen="b")
    own = made({"baseline": BASE, "b": shifted(0.02)}, design="confirmation")
    steps = own.arms.assign(
        path_step=pd.array([pd.NA, 1], dtype="Int64"),
        changed=pd.Series([{}, {"x": 1}], dtype=object),
        against=["", "baseline"],
    )
    lost = (own.trials["arm"] == "b") & (own.trials["seed"] == 0)
    trials = own.trials.assign(diverged=pd.Series(pd.NA, own.trials.index, "Int64").mask(lost, 1))
    trials["state"] = trials["state"].mask(lost, "FAIL")
    path = replace(own, arms=steps, trials=trials, factors={})
    (first, *_) = of(replace(main, path=path))
    assert first.startswith("Not shown to be better: b, +2.0")
    assert first.endswith("; diverged in 1 of 5 seeds.")
