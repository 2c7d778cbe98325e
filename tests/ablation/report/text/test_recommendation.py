"""What is recommended, and that no line of an answer says more than the others bear out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from ablation.dashboard.study_page import drawn_graphs
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.gains import always_diverged, gaps_on_test, may_be_better
from ablation.report.effects.selection import leading, shown_of
from ablation.report.path.steps import last_step
from ablation.report.search.trials import levels
from ablation.report.sections.arms import gallery
from ablation.report.text.answer import answer
from ablation.report.text.cautions import cautions, improving_arms
from ablation.report.text.confirmation import sentences
from ablation.report.text.headline import headline
from ablation.report.text.latex import as_latex, as_markdown
from ablation.report.text.recommendation import path_lead, recommended
from ablation.report.text.tables.arms import arms_table, brief_table
from ablation.report.text.tables.study import failures_table
from ablation.statistics.collapse import is_collapsed
from crnn.network.config import TrainConfig, chance_limit
from tests.ablation.report.effects.test_health import ARM, diverging
from tests.ablation.report.sections.test_confirmation import CONFIRM, loaded, path_of
from tests.ablation.report.text.test_headline import BASE, made, of, shifted
from tests.helpers.made.report_studies import METRIC
from tests.helpers.made.report_studies import study as made_study

FIVE = f"{CONFIRM}path_seeds = 5\n"


def noise(count: int, size: float = 0.001, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, size, count)


def chosen_with(shift: float, scatter: float = 0.001) -> tuple[StudyTable, StudyTable]:
    """A search, and its confirmation, of which the chosen setting is better by 2 points.

    On the path's seeds it is so by `shift`.
    """
    table, main = loaded(FIVE)
    assert main.chosen != main.arms["arm"].iloc[0]
    gain = 0.02 * (main.trials["arm"] == main.chosen)
    trials = main.trials.assign(value=0.8 + gain + noise(len(main.trials)))
    path = path_of(main)
    gain = shift * (path.trials["arm"] == last_step(path.arms))
    moved = path.trials.assign(value=0.8 + gain + noise(len(path.trials), scatter))
    main = replace(main, trials=trials, path=replace(path, trials=moved))
    return replace(table, confirmation=main), main


def footnote(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def lines(table: StudyTable, main: StudyTable) -> tuple[str, str]:
    """The headline and the answer."""
    whole = Analysis(replace(table, confirmation=main))
    told = whole.main.told
    return "\n".join(headline(told)), "\n".join(answer(told, sentences(whole)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "scatter", "first", "take"),
    [
        (0.01, 0.001, "Best found: #", "Recommended: #{}, better than baseline on 5 fresh seeds "),
        (-0.02, 0.001, "Worse than the baseline: #", "Not recommended: #{}, worse than baseline "),
        (0.001, 0.03, "Not shown to be better: #", "Not settled whether to take #{}: it is not "),
    ],
)
def test_the_seeds_that_chose_nothing_decide(
    shift: float, scatter: float, first: str, take: str
) -> None:
    table, main = chosen_with(shift, scatter)
    number = main.arms.set_index("arm").loc[main.chosen, "trial"]
    head, text = lines(table, main)
    assert head.startswith(first)
    assert take.format(number) in text
    assert text.count("Recommended: ") == (shift == 0.01)
    test, path = path_lead(Analysis(main)), path_of(main)
    assert test is not None
    wide = path.trials.pivot_table(index="seed", columns="arm", values="value")
    found = stats.ttest_rel(wide[last_step(path.arms)], wide[path.arms["arm"].iloc[0]])
    ends = found.confidence_interval()
    assert (test.low, test.high) == pytest.approx((ends.low, ends.high), rel=1e-9)


@pytest.mark.slow
def test_one_that_diverged_on_the_path_is_not_recommended() -> None:
    table, main = chosen_with(0.02)
    path = path_of(main)
    lost = (path.trials["arm"] == last_step(path.arms)) & (
        path.trials["seed"] == path.trials["seed"].min()
    )
    trials = path.trials.assign(
        state=path.trials["state"].mask(lost, "FAIL"),
        value=path.trials["value"].mask(lost),
        diverged=path.trials["diverged"].mask(lost, 1),
    )
    main = replace(main, path=replace(path, trials=trials))
    _, text = lines(table, main)
    assert "diverged in 1 of 5 seeds" in text
    assert "Not recommended: #" in text
    assert "Recommended: " not in text


@pytest.mark.slow
def test_without_a_path_the_figure_is_said_to_be_optimistic() -> None:
    table, main = chosen_with(0.02)
    main = replace(main, path=None)
    head, text = lines(replace(table, confirmation=main), main)
    assert "which is optimistic" in head
    (line,) = (line for line in text.splitlines() if line.startswith("Recommended: "))
    assert line.endswith("; optimistic: these seeds chose it.")
    told = Analysis(main).told
    note = f"{told.table.chosen} was chosen by these seeds: its effect is optimistic."
    assert note in brief_table(told).note
    assert note in footnote(next(gallery(told)).draw())
    assert note.partition(":")[0] in drawn_graphs(told)["effects"].layout.title.text
    for paste in (as_markdown, as_latex):
        assert note.removeprefix("#") in " ".join(paste(Analysis(main)).split())


def test_nothing_is_recommended_before_a_setting_is_chosen() -> None:
    table, main = chosen_with(0.02)
    main = replace(main, path=None, chosen="")
    head, text = lines(replace(table, confirmation=main), main)
    assert head.endswith("Not chosen yet: that takes all of the confirmation's trainings.")
    assert "Not chosen yet: " in text
    assert "Recommended" not in text


@pytest.mark.slow
def test_a_baseline_that_was_chosen_is_kept_only_where_no_arm_may_be_better() -> None:
    table, main = chosen_with(0.0)
    base = str(main.arms["arm"].iloc[0])
    others = main.trials["arm"] != base

    def head(by: float, scatter: float, arms: int) -> str:
        values = 0.8 - by * others + noise(len(others), scatter)
        trials = main.trials.assign(value=values)
        kept = main.arms.iloc[:arms]
        trials = trials[trials["arm"].isin(kept["arm"])]
        found = replace(main, arms=kept, trials=trials, path=None, chosen=base)
        found = replace(found, wanted=len(trials))
        return lines(replace(table, confirmation=found), found)[0]

    assert head(0.002, 0.01, 9).startswith(
        "Chosen: baseline, the best of the confirmation.\nNot settled: "
    )
    assert head(0.1, 0.001, 9).startswith(
        "Chosen: baseline, the best of the confirmation.\nKeep baseline: no arm is better"
    )
    assert head(0.1, 0.001, 1).startswith("Chosen: baseline; nothing else was confirmed.")


# Trainings that are at chance level, or below it


def test_only_what_is_below_the_others_collapses() -> None:
    assert is_collapsed(0.1, [0.9, 0.89], 0.1)
    assert is_collapsed(0.0722, [0.9, 0.0722, 0.9], 0.1)
    for value, others in ((0.9, [0.0722]), (0.9, [0.0722, 0.0722, 0.9]), (0.9, [0.1, 0.1])):
        assert not is_collapsed(value, others, 0.1)
    assert not is_collapsed(0.1, [], 0.1)
    assert not is_collapsed(0.1, [0.9, 0.89], None)


def sized(accuracies: dict[str, list[float]]) -> StudyTable:
    """A study whose trials say on how many images they were trained."""
    table = made(accuracies)
    return replace(table, trials=table.trials.assign(chance_limit=chance_limit(TrainConfig())))


def test_seeds_of_an_untrained_arm_that_have_learned_are_counted() -> None:
    said = " ".join(cautions(Analysis(sized({"baseline": [0.1, 0.1, 0.9], "a": [0.9, 0.91, 0.9]}))))
    assert "with baseline: it is at chance level (1 of 3 seeds above it)." in said
    three = {"baseline": [0.9, 0.91, 0.9], "a": [0.1, 0.1, 0.9], "b": [0.91, 0.9, 0.9]}
    said = " ".join(cautions(Analysis(sized(three))))
    assert "Untrained, at chance level: a (1 of 3 seeds above it). There" in said


@pytest.mark.slow
def test_what_is_not_compared_is_not_said_to_be_better() -> None:
    table = sized({"baseline": BASE, "a": [0.1] * 5, "b": shifted(-0.02)})
    assert of(table)[-1] == "Not settled: a is not compared."
    (line,) = recommended(Analysis(table))
    assert line == (
        "Not settled whether to keep baseline. Not compared with it, so not ruled out: a "
        "(untrained: at chance level)."
    )


# Divergences


def test_no_difference_on_the_test_images_is_found_of_an_arm_that_diverged() -> None:
    def adjusted(*lost: int) -> float:
        table = diverging(*lost, n=6)
        moved = table.trials["value"] - 0.02 * (table.trials["arm"] == ARM)
        trials = table.trials.assign(test_value=moved + noise(len(moved)))
        gaps = gaps_on_test(trials, table.arms)
        return float(gaps.loc[gaps["arm"] == ARM, "p_holm"].iloc[0])

    assert adjusted() < 0.05
    assert adjusted(1) == 1.0


@pytest.mark.parametrize("lost", [(1,), (0, 1, 2)])
def test_a_baseline_that_diverged_is_said_first(lost: tuple[int, ...]) -> None:
    table = diverging(*lost, n=3, arm="baseline")
    said = f"baseline diverged in {len(lost)} of 3 seeds: no comparison with it is a finding."
    assert of(table) == [said]
    assert bool(arms_table(Analysis(table)).strong) is (len(lost) < 3)


def test_that_all_diverged_is_said_first_and_counted_as_such() -> None:
    table = diverging(*range(3), n=3, arm="baseline")
    trials = table.trials[table.trials["arm"] == "baseline"]
    alone = replace(table, trials=trials, arms=table.arms.iloc[:1], wanted=3)
    assert of(alone) == ["No trial has a result: all 3 diverged."]
    assert failures_table(alone).note == "3 diverged."


def test_an_arm_of_which_seeds_are_outstanding_has_not_always_diverged() -> None:
    table = diverging(*range(4), n=4)
    assert always_diverged(table.trials) == {ARM}
    outstanding = table.trials[(table.trials["arm"] != ARM) | (table.trials["seed"] == 0)]
    assert always_diverged(outstanding) == set()
    assert ARM in set(may_be_better(outstanding, table.arms, table.margin)["arm"])


# The last epoch


def test_an_arm_that_still_rises_alone_is_named() -> None:
    table = made_study(arms=8, seeds=5, epochs=3)
    arm = table.arms["arm"].iloc[2]
    is_last = table.epochs["epoch"] == 3
    flat = table.epochs.groupby(["stage", "number"])["value"].transform("first")
    step = is_last * (noise(len(flat), 0.0003) + 0.03 * (table.epochs["arm"] == arm))
    table = replace(table, epochs=table.epochs.assign(value=flat + step))
    assert list(improving_arms(Analysis(table))) == [arm]
    (line,) = (line for line in cautions(Analysis(table)) if "rising" in line)
    rise = METRIC.difference(float(step[is_last & (table.epochs["arm"] == arm)].mean()))
    assert line.startswith(f"Still rising after the last epoch: {arm} ({rise} in the last one, ")
    assert f"Still rising after the last epoch: {arm}; the order may change." in of(table)


def test_one_epoch_of_some_arms_is_said_of_these() -> None:
    table = made_study(arms=3, seeds=3, epochs=2)
    arm = str(table.arms["arm"].iloc[1])
    epochs = table.epochs[(table.epochs["arm"] != arm) | (table.epochs["epoch"] == 1)]
    trials = table.trials.assign(epochs=2 - (table.trials["arm"] == arm))
    text = " ".join(cautions(Analysis(replace(table, epochs=epochs, trials=trials))))
    assert f"With one epoch it is not known whether accuracies of {arm} were still rising." in text


@pytest.mark.parametrize(("epochs", "first", "said"), [(1, 0, True), (1, 1, True), (2, 0, False)])
def test_one_epoch_is_one_wherever_its_number_begins(epochs: int, first: int, said: bool) -> None:
    table = made_study(arms=3, seeds=2, epochs=epochs)
    reports = table.epochs.assign(epoch=table.epochs["epoch"] - 1 + first)
    text = " ".join(cautions(Analysis(replace(table, epochs=reports))))
    assert ("With one epoch" in text) is said


def test_two_epochs_of_which_none_ended_are_not_one() -> None:
    table = made_study(arms=3, seeds=2, epochs=2)
    nothing = replace(table, trials=table.trials.assign(state="RUNNING"))
    assert "With one epoch" not in " ".join(cautions(Analysis(nothing)))


# Factorials, ranges, and what is cut


def test_an_interaction_is_no_average() -> None:
    table = made_study("factorial", arms=4, seeds=5)
    values = dict(zip(table.arms["arm"], (0.9, 0.885, 0.885, 0.9), strict=True))
    moved = table.trials["arm"].map(values) + noise(len(table.trials), 0.003, seed=1)
    first = of(replace(table, trials=table.trials.assign(value=moved)))[0]
    assert first.startswith("Interaction: ")
    assert "On average" not in first


@pytest.mark.parametrize(("low", "high"), [(1000, 1020), (0.001, 0.0010001), (1e-5, 1e-1)])
def test_parts_of_a_narrow_range_are_told_apart(low: float, high: float) -> None:
    values = pd.Series(np.linspace(low, high, 30))
    factor = {"levels": [], "range": {"low": low, "high": high, "step": None, "log": True}}
    found = levels(values, factor)
    assert found.cat.categories.nunique() == 6
    assert found.notna().all()


def test_more_significant_arms_than_there_is_room_for_are_said_to_be_cut() -> None:
    table = made_study(arms=31, seeds=3, epochs=1)
    whole = Analysis(table)
    rows = whole.effects.assign(verdict=["", *["worse"] * 30])
    said = shown_of(table, rows, leading(table, rows, whole.gains, 25))
    assert said == "25 of 31 arms: the largest significant effects. Not shown: 6 worse."


@pytest.mark.slow
def test_a_challenger_that_diverged_is_named_as_such() -> None:
    table, main = chosen_with(0.02)
    second = main.arms["arm"].iloc[1:][main.arms["arm"] != main.chosen].iloc[0]
    base = str(main.arms["arm"].iloc[0])
    gain = 0.02 * (main.trials["arm"] == main.chosen) + 0.019 * (main.trials["arm"] == second)
    values = 0.8 + gain + noise(len(main.trials), 0.004) * (main.trials["arm"] != base)
    lost = (main.trials["arm"] == second) & (main.trials["seed"] == main.trials["seed"].min())
    trials = main.trials.assign(
        value=values.mask(lost),
        state=main.trials["state"].mask(lost, "FAIL"),
        diverged=main.trials["diverged"].mask(lost, 1),
    )
    main = replace(main, trials=trials)
    head, _ = lines(replace(table, confirmation=main), main)
    name = {arm: f"#{n}" for arm, n in zip(main.arms["arm"], main.arms["trial"], strict=True)}
    called = second if second == "wide" else name[second]
    assert f"beats {called} (" in head
    assert f"; {called} diverged in 1 of 3 seeds)." in head
