"""A study's note: what it says while trials lack, and at the end; and nothing that runs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ablation.dashboard.note import OURS, fenced, note
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.text.answer import VERDICTS
from tests.ablation.report.sections.test_confirmation import loaded
from tests.helpers.made.report_studies import NASTY, nasty, study


def written(table: StudyTable) -> str:
    return note(Analysis(table))


def test_before_the_last_trial_it_has_means_and_no_verdict() -> None:
    text = written(study(missing=(("baseline", 9),)))
    assert "99 of 100 trials finished." in text
    assert "Preliminary: no verdict before the last trial" in text
    assert "`python -m ablation report made-one-factor`" in text
    assert "| arm | n | validation | effect |" in text
    body = text.partition("## The space")[0]
    assert not [word for word in (*VERDICTS, "interval", "significant", "p (Holm)") if word in body]


def test_after_the_last_trial_it_has_the_answer() -> None:
    text = written(study())
    assert "## The answer\n" in text
    assert "Preliminary" not in text
    assert "Recommended: " in text
    assert "| arm | n | validation | effect | 95 % interval | verdict |" in text


def test_a_search_always_tells_its_best_trial() -> None:
    table = study("search", arms=30)
    for found in (table, replace(table, wanted=60)):
        text = written(found)
        assert "Best found: trial " in text
        assert text.count("\n| #") == 11  # the baseline and the ten best
        assert "verdict" not in text


def test_long_names_have_blanks_to_break_the_line_at() -> None:
    text, table = written(study("search", arms=30)), study("search", arms=30)
    longest = max(table.arms["arm"], key=len)
    assert "+" in longest
    body, _, _ = text.partition("## The space")
    assert not re.search(r"\w\+\w+=", body)
    best = next(line for line in body.splitlines() if line.startswith("- Best found"))
    assert " + " in best
    assert "+x=1" in written(study("search", arms=3, space_text="note = 'a+x=1'\n"))  # as it is


@pytest.mark.slow
def test_a_search_and_what_confirms_it_tell_of_the_choice() -> None:
    table, main = loaded()
    assert f"Confirmed in {main.name}." in written(table)
    assert "Chosen, as the best of the confirmation: " in written(table)
    number = short_names(main)[main.chosen]
    text = note(Analysis(main).told)
    assert f"- Chosen, as the best of those above: {number}." in text
    settings = main.chosen.replace("+", " + ")  # to break the line at
    assert f"\n- {number} of the search: {settings}\n" in text.replace("\\", "")


def test_it_has_the_question_what_failed_and_the_space() -> None:
    text = written(study(failed=(("baseline", 3),), space_text='format = 1\nquestion = "Which?"\n'))
    assert text.startswith("**Which single change to the write-up's CRNN moves its accuracy?**")
    assert "1 failed" in text
    assert (
        "| FAIL | the training loss is not finite at epoch 3 | 1 | 0 | baseline (seed 3) |" in text
    )
    assert '```toml\nformat = 1\nquestion = "Which?"\n```' in text
    assert OURS in text


def test_before_the_first_trial_it_is_there_already() -> None:
    table = study()
    text = written(replace(table, trials=table.trials[:0], epochs=table.epochs[:0]))
    assert "0 of 100 trials finished." in text


@pytest.mark.parametrize("design", ["one-factor", "search"])
def test_no_markup_of_a_user_counts(design: str) -> None:
    text = written(nasty(study(design, arms=4, seeds=3, failed=(("conv_layers=2", 1),))))
    before, _, space = text.partition("## The space")
    assert "<script" not in before
    assert "<img" not in before
    assert "\\*b\\*" in before
    assert "\n# title" not in before
    assert space.strip().startswith("```toml\n</pre>" + NASTY.splitlines()[0])


@pytest.mark.parametrize("text", ["a = 1\n", "```\nb", 'x = """\n`````\n"""', ""])
def test_no_space_ends_its_block_early(text: str) -> None:
    first, *lines = fenced(text).splitlines()
    fence = first.removesuffix("toml")
    assert set(fence) == {"`"}
    assert [line for line in lines if line.startswith(fence)] == [lines[-1]] == [fence]
    assert lines[:-1] == (text.rstrip().splitlines() or [""])
