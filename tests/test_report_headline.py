"""What an answer begins with: three sentences at most, each of which the data bear out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crnn.ablation.storage import opened_storage, storage_url
from crnn.report.contrasts import contrasts
from crnn.report.effects import effects
from crnn.report.headline import _steps, headline
from crnn.report.page import content, html
from crnn.report.selection import numbered
from crnn.report.table import StudyTable, load_study
from tests.report_studies import study

REFERENCE = Path(__file__).parents[1] / "results" / "reference" / "studies.db"


def of(table: StudyTable) -> list[str]:
    rows = effects(table.trials, table.arms, table.margin)
    more = contrasts(table.trials, table.arms, table.design, list(table.factors))
    told, rows = numbered(table, rows)
    return headline(told, rows, more)


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
    trials = trials.assign(val_accuracy=values)
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


def test_a_factorial_begins_with_its_averages() -> None:
    table = study("factorial", arms=4, seeds=6, epochs=1)
    found = contrasts(table.trials, table.arms, table.design, list(table.factors))
    shown = found[found["p_holm"] < 0.05]
    told = of(table)
    assert told[0].startswith("On average over the other factors: ") is bool(len(shown))


def test_a_search_is_exploratory() -> None:
    table = study("search", arms=12, epochs=2)
    told = of(table)
    best = table.trials.nlargest(1, "val_accuracy").iloc[0]
    assert told[0].startswith(
        f"Best found: #{best['number']}, {100 * best['val_accuracy']:.2f} %, "
    )
    assert told[1] == "It is one training, the best of 12 settings: exploratory."


def steps(*verdicts: str) -> pd.DataFrame:
    rows = [(f"x={place}", "scientific", verdict) for place, verdict in enumerate(verdicts)]
    return pd.DataFrame(rows, columns=["change", "role", "verdict"])


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["equivalent"], "1 tested step none is shown to help"),
        (["better"], "1 tested step x=0 is shown to help"),
        (["better", "", "worse"], "2 tested steps only x=0 is shown to help"),
        (["better", "better"], "2 tested steps x=0 and x=1 are shown to help"),
    ],
)
def test_it_says_which_steps_of_a_path_help(verdicts: list[str], said: str) -> None:
    assert list(_steps(steps(*verdicts))) == [f"Of the path's {said}, where it stood."]


def test_a_path_without_a_test_says_nothing_of_its_steps() -> None:
    assert list(_steps(steps("", ""))) == []


@pytest.mark.parametrize("name", ["quick", "source", "joint"])
def test_of_the_reference_studies(name: str, tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    path.write_bytes(REFERENCE.read_bytes())
    with opened_storage(storage_url(str(path), tmp_path)) as storage:
        table = load_study(storage, name)
    assert (
        of(table.confirmation or table)
        == {
            "quick": [
                "Better than baseline: dropout=0.1 (+7.26 points).",
                "Recommended: dropout=0.1.",
            ],
            "source": [
                "Preliminary: 55 of 100 trials have finished (look 3, so error rates are not "
                "controlled).",
                "Worse: filter_sizes=2,2,2 (−2.91 points).",
                "Not settled: concluded, dropout=0.1 and 4 more may be better.",
            ],
            "joint": [
                "Best found: #86, +1.54 points against baseline on 5 fresh seeds (+0.50 to +2.58).",
                "Of the path's 4 tested steps only pooling_count=1 is shown to help, where it "
                "stood.",
                "Not shown: that #86 beats #43 (+0.44 points, −0.36 to +1.24).",
            ],
        }[name]
    )


def test_nothing_finished_is_said() -> None:
    names = study(arms=3, seeds=1).arms["arm"]
    table = study(arms=3, seeds=1, failed=tuple((arm, 0) for arm in names))
    assert of(table) == ["No trial has finished yet (0 of 3)."]


@pytest.mark.parametrize("design", ["one-factor", "factorial", "search"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_it_is_short_and_the_page_folds_the_rest(design: str, seeds: int) -> None:
    table = study(design, arms=9, seeds=seeds, epochs=2)
    told = of(table)
    assert 1 <= len(told) <= 3
    assert all(len(sentence) < 160 for sentence in told)
    rows = effects(table.trials, table.arms, table.margin)
    more = contrasts(table.trials, table.arms, design, list(table.factors))
    page = html(content(table, rows, more, []))
    lead = page[page.index('class="answer"') : page.index("<details>")]
    assert lead.count('<p class="lead">') == len(told)
    assert "<li>" not in lead
    assert "<summary>Everything that was found</summary>" in page
