"""What the page says beside the figures is looked up: nothing is said of what is not there."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import also_changed
from ablation.report.page import content
from ablation.report.sections.arms import _curves, _history
from ablation.report.text.answer import findings
from ablation.report.text.caveats import caveats
from ablation.report.text.tables.arms import about_reported, arms_table
from ablation.report.text.tables.study import confounds_table
from tests.helpers.made.report_studies import study


def without_lstm(table: StudyTable) -> StudyTable:
    return replace(table, arms=table.arms.assign(sequence_length=0))


def test_geometry_is_warned_of_where_it_is_varied_and_changes_more() -> None:
    every = study(arms=10, seeds=2, epochs=1)
    said = " ".join(caveats(every))
    assert re.search(r"(filter sizes|[Pp]ooling).* also changes? the number of LSTM steps", said)
    names = [name for name in every.factors if name in ("hidden_size", "dropout")]
    kept = every.arms[every.arms["factor"].isin(["", *names])]
    wide = replace(every, arms=kept, factors={name: every.factors[name] for name in names})
    said = " ".join(caveats(wide))
    for word in ("ilter sizes", "ooling", "trides", "onvolution", "LSTM"):
        assert word not in said
    alike = every.arms.assign(sequence_length=18, parameters=1000)
    assert "several things at once" not in " ".join(caveats(replace(every, arms=alike)))


def test_a_network_without_an_lstm_has_no_steps() -> None:
    table = without_lstm(study(arms=10, seeds=2, epochs=1))
    whole = Analysis(table)
    assert also_changed(table) == "the number of parameters"
    told = [*caveats(table), *findings(whole)]
    told += [*arms_table(whole).titles, *confounds_table(whole).titles]
    assert "Marked *" in " ".join(told)
    assert "LSTM" not in " ".join(told)
    assert "LSTM" in " ".join(arms_table(Analysis(study(arms=3, seeds=2, epochs=1))).titles)


@pytest.mark.parametrize(("design", "words"), [("one-factor", "chose nothing"), ("search", "not")])
def test_test_figures_are_told_of_where_there_are_some(design: str, words: str) -> None:
    table = study(design, arms=5, seeds=2, epochs=1)
    scored = table.trials.assign(test_value=0.8)
    unscored = table.trials.assign(test_value=float("nan"))
    for trials, is_scored in ((scored, True), (unscored, False)):
        said = " ".join(caveats(replace(table, trials=trials)))
        assert ("Test figures are shown for the record and chose nothing." in said) is is_scored
        not_scored = design == "search" and not is_scored
        assert ("The test set was not scored" in said) is not_scored
    assert words in " ".join(caveats(table))


def test_one_arm_alone_has_neither_pairs_nor_a_highest_mean() -> None:
    table = study(arms=1, seeds=2, epochs=1)
    said = " ".join(caveats(table))
    assert "Pairs share a seed" not in said
    assert "highest of several means" not in said


def test_captions_look_at_what_was_trained() -> None:
    table = study("search", arms=8, epochs=2)
    trials = table.trials.assign(epochs=[1, *[2] * (len(table.trials) - 1)])
    assert "A training is 2 epochs on 12,000 images" in _history(Analysis(table)).caption
    caption = _history(Analysis(replace(table, trials=trials))).caption
    assert "A training is 1 to 2 epochs on 12,000 images" in caption
    assert "sampler drew" not in caption
    assert "with dropout on" in next(_curves(Analysis(table))).caption
    dry = replace(table, trials=table.trials.assign(dropout="0"))
    assert "dropout" not in next(_curves(Analysis(dry))).caption


def test_one_of_many_reported_figures_is_outside_by_chance() -> None:
    table = study(arms=10, seeds=3, epochs=1)
    arms = table.arms.assign(reported_test_accuracy=[0.9] * 8 + [float("nan")] * 2)
    eight = Analysis(replace(table, arms=arms))
    told = about_reported(eight.effects)
    assert "Of 8 figures, at least one lies outside by chance in about 34 % of studies." in told
    page: dict[str, Any] = content(eight, [])
    assert page["about_reported"] == told
    one = replace(table, arms=table.arms.assign(reported_test_accuracy=[0.9] + [float("nan")] * 9))
    assert "by chance" not in about_reported(Analysis(one).effects)


def test_a_best_trial_that_was_confirmed_is_not_called_unrepeated() -> None:
    table = study("search", arms=6, epochs=1)
    done = table.trials.sort_values("value", ascending=False)
    confirmation = replace(table, design="confirmation", trials=done.head(1))
    said = " ".join(findings(Analysis(table)))
    assert "until it has been repeated on fresh seeds" in said
    assert "not tuned" not in said
    said = " ".join(findings(Analysis(replace(table, confirmation=confirmation))))
    assert "repeated on fresh seeds" not in said
