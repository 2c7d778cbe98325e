"""Effects, pairs and the answer in words, against numbers worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats

from crnn.report.answer import answer, counts
from crnn.report.contrasts import contrasts
from crnn.report.effects import (
    COLUMNS,
    best_so_far,
    class_differences,
    confounds,
    confusion_shares,
    effects,
    last_epochs,
    on_test,
    pair_differences,
    paired,
    replicates,
)
from crnn.report.table import StudyTable
from crnn.report.tables import arms_table, brief_table, details_table
from tests.report_studies import study

MARGIN = 0.005


def arms_frame(*names: str, against: dict[str, str] | None = None) -> pd.DataFrame:
    base = names[0]
    compared = {name: "" if name == base else base for name in names} | (against or {})
    return pd.DataFrame(
        {
            "arm": names,
            "against": [compared[name] for name in names],
            "factor": [name.partition("=")[0] if "=" in name else "" for name in names],
            "level": [name.partition("=")[2] for name in names],
            "changes": [name if "=" in name else "" for name in names],
            "reported_test_accuracy": np.nan,
            "reported_test_loss": np.nan,
        }
    )


def trials_frame(*rows: tuple[str, int, float], state: str = "COMPLETE") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["arm", "seed", "val_accuracy"])
    return frame.assign(
        number=range(len(frame)),
        state=state,
        test_accuracy=frame["val_accuracy"] - 0.01,
        test_loss=1 - frame["val_accuracy"],
    )


def test_effects_by_hand() -> None:
    trials = trials_frame(
        *(("baseline", 0, 0.90), ("x=1", 0, 0.92)), *(("baseline", 1, 0.91), ("x=1", 1, 0.92))
    )
    table = effects(trials, arms_frame("baseline", "x=1"), MARGIN)
    assert list(table.columns) == COLUMNS
    base, other = table.iloc[0], table.iloc[1]
    assert (base["n"], other["n"]) == (2, 2)
    assert base["val_mean"] == pytest.approx(0.905)
    assert base["val_sd"] == pytest.approx(0.01 / np.sqrt(2))  # ddof 1
    assert other["test_mean"] == pytest.approx(0.91)
    assert other["test_loss_mean"] == pytest.approx(0.08)
    assert np.isnan(base["delta"])
    assert other["delta"] == pytest.approx(0.015)


def test_delta_rests_on_the_seeds_that_both_sides_finished() -> None:
    trials = trials_frame(
        *(("baseline", 0, 0.90), ("baseline", 1, 0.80)), *(("x=1", 1, 0.85), ("x=1", 2, 0.99))
    )
    arms = arms_frame("baseline", "x=1")
    assert effects(trials, arms, MARGIN)["delta"].iloc[1] == pytest.approx(0.05)
    pairs = pair_differences(trials, arms)
    assert pairs.to_dict("records") == [
        {"arm": "x=1", "seed": 1, "difference": pytest.approx(0.05)}
    ]


def test_an_arm_is_compared_with_the_one_it_names() -> None:
    trials = trials_frame(("baseline", 0, 0.5), ("x=1", 0, 0.6), ("both", 0, 0.65))
    arms = arms_frame("baseline", "x=1", "both", against={"both": "x=1"})
    assert effects(trials, arms, MARGIN)["delta"].iloc[2] == pytest.approx(0.05)


@pytest.mark.parametrize("state", ["FAIL", "RUNNING", "PRUNED"])
def test_only_complete_trials_count(state: str) -> None:
    table = effects(trials_frame(("baseline", 0, 0.9), state=state), arms_frame("baseline"), MARGIN)
    assert table["n"].tolist() == [0]
    assert table[["val_mean", "val_sd", "test_mean", "delta"]].isna().all(axis=None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_accuracy_that_is_not_finite_does_not_count(value: float) -> None:
    trials = trials_frame(("baseline", 0, value), ("baseline", 1, 0.9))
    assert replicates(trials)["seed"].tolist() == [1]


def test_a_setting_drawn_twice_is_one_replicate() -> None:
    trials = trials_frame(("baseline", 0, 0.9), ("x=1", 0, 0.8), ("x=1", 0, 0.8))
    table = effects(trials, arms_frame("baseline", "x=1"), MARGIN)
    assert table["n"].tolist() == [1, 1]
    assert table["val_sd"].isna().all()  # one replicate has no spread


def test_no_trial_at_all() -> None:
    table = study(arms=3)
    nothing = effects(table.trials.iloc[:0], table.arms, MARGIN)
    assert nothing["n"].tolist() == [0, 0, 0]
    assert pair_differences(table.trials.iloc[:0], table.arms).empty
    assert nothing["verdict"].tolist() == ["", "", ""]
    assert nothing["p_holm"].isna().all()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_the_trials_changes_nothing(order: list[int]) -> None:
    table = study(arms=4, seeds=3)
    shuffled = table.trials.iloc[order]
    assert_frame_equal(
        effects(shuffled, table.arms, MARGIN), effects(table.trials, table.arms, MARGIN)
    )
    assert_frame_equal(
        pair_differences(shuffled, table.arms), pair_differences(table.trials, table.arms)
    )


def test_the_input_is_left_as_it_was() -> None:
    table = study(arms=4, seeds=2)
    trials, arms = table.trials.copy(), table.arms.copy()
    effects(table.trials, table.arms, MARGIN)
    confounds(table.arms)
    assert_frame_equal(table.trials, trials)
    assert_frame_equal(table.arms, arms)


def test_paired_is_signed_and_by_seed() -> None:
    trials = trials_frame(("a", 1, 0.5), ("a", 0, 0.6), ("b", 0, 0.4), ("b", 1, 0.6))
    assert paired(trials, "a", "b").round(9).to_dict() == {0: 0.2, 1: -0.1}


def test_confounds_name_what_else_changed() -> None:
    arms = arms_frame("baseline", "x=1", "x=2").assign(
        sequence_length=[18, 18, 2], parameters=[1000, 1099, 500]
    )
    found = confounds(arms)
    assert found["arm"].tolist() == ["x=2", "x=2"]
    assert found["what"].tolist() == ["sequence_length", "parameters"]
    assert found["change"].tolist() == pytest.approx([2 / 18 - 1, -0.5])


def test_no_lstm_is_no_division_by_zero() -> None:
    arms = arms_frame("baseline", "x=1").assign(sequence_length=[0, 18], parameters=[1000, 1000])
    assert confounds(arms).empty


def test_best_so_far_and_shares() -> None:
    trials = trials_frame(("baseline", 0, 0.5), ("x=1", 0, 0.4), ("x=2", 0, 0.7))
    assert best_so_far(trials)["best"].tolist() == [0.5, 0.5, 0.7]
    counted = pd.DataFrame(
        {"arm": "a", "true": ["c", "c", "d"], "predicted": ["c", "d", "c"], "count": [3, 1, 0]}
    )
    shares = confusion_shares(counted)["share"]
    assert shares.tolist()[:2] == [0.75, 0.25]
    assert np.isnan(shares.iloc[2])  # a class without an image


def test_the_last_epochs_and_the_test_set_stand_in_for_the_last_epoch() -> None:
    trials = trials_frame(("baseline", 0, 0.9), ("x=1", 0, 0.8))
    epochs = pd.DataFrame(
        [("ablation", n, e, 0.1 * n + 0.01 * e) for n in (0, 1) for e in (7, 3, 1, 2, 6, 4, 5)]
        + [("search", 0, e, 0.9) for e in range(8, 13)],  # another stage's trial of that number
        columns=["stage", "number", "epoch", "val_accuracy"],
    )
    trials = trials.assign(stage="ablation")
    assert last_epochs(trials, epochs)["val_accuracy"].tolist() == pytest.approx([0.05, 0.15])
    assert on_test(trials)["val_accuracy"].tolist() == pytest.approx([0.89, 0.79])


def test_a_failed_arm_counts_in_the_family() -> None:
    table = study(arms=4, seeds=5)
    both = effects(table.trials, table.arms, MARGIN)
    failed = table.trials[table.trials["arm"] != table.arms["arm"].iloc[3]]
    fewer = effects(failed, table.arms, MARGIN)
    p = fewer["p_value"].iloc[1:3]
    assert p.tolist() == both["p_value"].iloc[1:3].tolist()
    assert fewer["p_holm"].min() == pytest.approx(min(1.0, 3 * p.min()))
    assert np.isnan(fewer["p_holm"].iloc[3])


def test_an_effect_rests_on_pairs_not_on_replicates() -> None:
    table = study(arms=3, seeds=4, missing=(("baseline", 0), ("baseline", 1)))
    rows = effects(table.trials, table.arms, MARGIN)
    assert rows["n"].tolist() == [2, 4, 4]
    assert rows["pairs"].tolist() == [pd.NA, 2, 2]
    shown = arms_table(table, rows)
    assert [row[shown.titles.index("pairs")] for row in shown.rows] == ["–", "2", "2"]
    assert "pairs" in brief_table(table, rows).titles
    whole = study(arms=3, seeds=4)
    rows = effects(whole.trials, whole.arms, MARGIN)
    assert "pairs" not in arms_table(whole, rows).titles  # where it says no more than n


def test_the_console_shows_the_best_of_a_search() -> None:
    table = study("search", arms=12)
    rows = effects(table.trials, table.arms, MARGIN)
    shown = brief_table(table, rows)
    assert shown.titles == ["trial", "arm", "validation", "effect", "MMACs"]
    best = rows["val_mean"].iloc[2:].nlargest(5)
    assert [row[2] for row in shown.rows[2:]] == [f"{100 * x:.2f} %" for x in best]
    assert shown.note == "7 of 12 arms, the best that have finished; all in effects.csv."
    few = study("search", arms=7)
    assert not brief_table(few, effects(few.trials, few.arms, MARGIN)).note


def test_no_difference_beyond_100_points_is_promised() -> None:
    table = study(arms=3, seeds=2)
    fine = (table.trials["seed"] == 0) | (table.trials["arm"] == "baseline")
    spread = table.trials["val_accuracy"].where(fine, 0.1)
    wild = replace(table, trials=table.trials.assign(val_accuracy=spread))
    details = details_table(wild, effects(wild.trials, wild.arms, MARGIN))
    assert details
    place = details.titles.index("minimum detectable")
    assert {row[place] for row in details.rows} == {"more than 100"}


def test_classes_are_compared_by_seed() -> None:
    rows = [
        *(("baseline", seed, "Bag", x) for seed, x in enumerate([0.90, 0.92, 0.94, 0.96])),
        *(("x=1", seed, "Bag", x) for seed, x in enumerate([0.92, 0.93, 0.97])),
        *(("baseline", seed, "Coat", 0.5) for seed in range(4)),
        ("x=1", 0, "Coat", 0.6),
        ("x=2", 0, "Coat", 0.0),
    ]
    counts = [
        (arm, seed, true, predicted, round(100 * share))
        for arm, seed, true, right in rows
        for predicted, share in ((true, right), ("Shirt", 1 - right))
    ]
    columns = ["arm", "seed", "true", "predicted", "count"]
    found = class_differences(pd.DataFrame(counts, columns=columns), "x=1", "baseline")
    assert found["true"].tolist() == ["Bag", "Coat"]
    assert found["n"].tolist() == [3, 1]
    assert found["against"].tolist() == pytest.approx([0.92, 0.5])  # over the pairs
    assert found["arm"].tolist() == pytest.approx([0.94, 0.6])
    assert found["delta"].tolist() == pytest.approx([0.02, 0.1])
    ends = stats.t.interval(0.95, 2, 0.02, 0.01 / np.sqrt(3))  # of 0.02, 0.01, 0.03
    assert found.iloc[0][["ci_low", "ci_high"]].tolist() == pytest.approx(ends)
    assert np.isnan(found["ci_low"].iloc[1])


def sentences(table: StudyTable) -> list[str]:
    together = contrasts(table.trials, table.arms, table.design, list(table.factors))
    return answer(table, effects(table.trials, table.arms, MARGIN), together)


def said(table: StudyTable) -> str:
    return "\n".join(sentences(table))


def with_accuracies(values: dict[str, list[float]]) -> StudyTable:
    """A study of these arms with these accuracies, by seed."""
    table = study(arms=len(values), seeds=len(values["baseline"]))
    names = dict(zip(table.arms["arm"], values, strict=True))
    trials = table.trials.assign(arm=table.trials["arm"].map(names))
    accuracy = [values[a][s] for a, s in zip(trials["arm"], trials["seed"], strict=True)]
    arms = table.arms.assign(arm=list(values))
    return replace(table, arms=arms, trials=trials.assign(val_accuracy=accuracy))


NOISE = [0.0, 0.001, -0.001, 0.0005]


def around(mean: float) -> list[float]:
    return [mean + 0.9 + x for x in NOISE]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (around(0.02), "Better than baseline: x=1 +2.01 points (95 % interval +1.88 to +2.15, 4 s"),
        (around(-0.02), "Worse than baseline: x=1 −1.99 points (95 % interval −2.12 to −1.85, 4 s"),
        (around(0.0), "Equivalent to baseline, within ±0.50 points: x=1 +0.01 points"),
        (around(0.003), ", 4 seeds, by less than the margin)."),
        ([0.93, 0.93, 0.89, 0.9], "Inconclusive: x=1 +1.25 points"),
        ([0.92] * 4, "Not tested, because all pairs differ by the same amount: x=1 +2.00 points."),
    ],
)
def test_every_verdict_has_its_words(other: list[float], words: str) -> None:
    assert words in said(with_accuracies({"baseline": [0.90] * 4, "x=1": other}))


def test_the_recommended_setting_is_one_that_was_shown_to_be_better() -> None:
    values = {"baseline": [0.9] * 4, "x=1": around(0.02), "x=2": [0.99, 0.8, 0.99, 0.99]}
    text = said(with_accuracies(values))
    assert "Recommended: x=1, 92.01 % over 4 seeds, the highest mean of what has been" in text
    assert "Its distance from x=2 is −2.24 points (95 % interval" in text
    assert "Recommended: keep baseline; no arm has been shown" in said(
        with_accuracies({"baseline": [0.9] * 4, "x=1": around(-0.02)})
    )


def test_where_nothing_has_a_verdict_nothing_is_recommended() -> None:
    text = said(with_accuracies({"baseline": [0.9] * 4, "x=1": [0.93, 0.93, 0.89, 0.9]}))
    assert "No recommendation yet: every comparison is inconclusive or untested." in text


def test_better_than_something_worse_is_not_better_than_the_baseline() -> None:
    values = {"baseline": [0.9] * 4, "x=1": around(-0.05), "y": around(-0.01)}
    values["y"] = [x + 0.0001 * seed for seed, x in enumerate(values["y"])]
    table = with_accuracies(values)
    against = table.arms["against"].mask(table.arms["arm"] == "y", "x=1")
    table = replace(table, arms=table.arms.assign(against=against))
    text = said(table)
    assert "Better than x=1: y +4.02 points" in text
    assert "Worse than baseline: x=1 −4.99 points" in text
    assert "Recommended: keep baseline; no arm has been shown to be better." in text


def test_what_was_not_tested_is_named_by_what_it_is_compared_with() -> None:
    table = study(arms=3, seeds=1)
    last = table.arms["arm"].iloc[-1]
    against = table.arms["against"].mask(table.arms["arm"] == last, table.arms["arm"].iloc[1])
    text = said(replace(table, arms=table.arms.assign(against=against)))
    assert f"{last} against {table.arms['arm'].iloc[1]} " in text


def test_what_changes_give_together_is_told() -> None:
    told = said(study(arms=10, seeds=4))
    words = "concluded beyond the sum of the single effects of hidden_size=256 and dropout=0.1: "
    assert words in told
    assert "4 seeds, 95 % interval" in told.split(words)[1].splitlines()[0]


def test_a_single_arm_has_nothing_to_be_compared_with() -> None:
    (text,) = sentences(with_accuracies({"baseline": [0.9, 0.92]}))
    assert text.startswith("baseline: 91.00 % over 2 seeds. It is the only arm")


def test_what_is_inconclusive_says_what_would_settle_it() -> None:
    text = said(with_accuracies({"baseline": [0.90] * 4, "x=1": [0.91, 0.905, 0.9, 0.895]}))
    assert "1 of 1 comparison is inconclusive; at the spread between pairs about " in text
    assert "seeds would settle it, whatever the true differences; large ones take fewer." in text
    wide = said(with_accuracies({"baseline": [0.90] * 4, "x=1": [0.96, 0.84, 0.93, 0.895]}))
    assert re.search(r"about [\d,]+ to \d,\d{3} seeds would settle it", wide)


def test_what_changes_more_than_it_says_is_marked() -> None:
    table = with_accuracies({"baseline": [0.90] * 4, "x=1": around(0.02), "x=2": around(0.02)})
    wider = table.arms.assign(sequence_length=18, parameters=[100_000, 111_000, 109_000])
    text = said(replace(table, arms=wider))
    assert "Marked *: x=1. It also changes the number of parameters by more than 10 %" in text
    assert "Marked" not in said(replace(table, arms=wider.assign(parameters=100_000)))


def test_where_the_test_set_would_say_otherwise_it_is_said() -> None:
    table = with_accuracies({"baseline": [0.90] * 4, "x=1": around(0.02)})
    same = replace(table, trials=table.trials.assign(test_accuracy=table.trials["val_accuracy"]))
    assert "test set" not in said(same)
    tested = table.trials["val_accuracy"].where(table.trials["arm"] == "baseline", 0.9)
    noisy = tested + table.trials["seed"] * 0.0001 * (table.trials["arm"] != "baseline")
    text = said(replace(table, trials=table.trials.assign(test_accuracy=noisy)))
    assert "decides nothing, would say otherwise of: x=1 equivalent instead of better." in text


def test_an_interval_without_0_is_no_verdict() -> None:
    spread = [0.004, 0.001, 0.006, 0.005]
    values = {"baseline": [0.90] * 4} | {f"x={k}": [0.9 + x for x in spread] for k in range(1, 6)}
    text = said(with_accuracies(values))
    assert (
        "Taken alone, the 95 % intervals of x=1; x=2; x=3; x=4; x=5 exclude 0; adjusted for" in text
    )
    assert "5 comparisons (Holm) they are not significant." in text
    assert "Better" not in text


def test_one_seed_claims_nothing() -> None:
    text = said(study(arms=3, seeds=1))
    assert "Not tested, because one pair shows no spread" in text
    assert "Recommended" not in text


def test_an_unfinished_study_says_so_first() -> None:
    table = study(arms=3, seeds=2, missing=(("conv_layers=2", 1),), failed=(("baseline", 0),))
    first = sentences(table)[0]
    assert first == (
        "Preliminary: 4 of 6 trials have finished and 1 failed (--retry-failed trains them once "
        "more), so the answer may change."
    )


def test_a_search_makes_no_good_for_a_draw_that_failed() -> None:
    table = study("search", arms=6)
    last = table.trials["number"] == table.trials["number"].max()
    trials = table.trials.assign(
        state=table.trials["state"].mask(last, "FAIL"),
        val_accuracy=table.trials["val_accuracy"].mask(last),
    )
    ended = replace(table, trials=trials, wanted=len(trials))
    assert not any("Preliminary" in line for line in sentences(ended))
    assert "Preliminary" in sentences(replace(ended, wanted=len(trials) + 1))[0]


def test_the_same_network_under_another_name_is_no_further_replicate() -> None:
    trials = study("search", arms=6).trials
    again = trials.tail(1).assign(arm="alias", number=99, duplicate_of=5)
    assert list(replicates(pd.concat([trials, again]))["arm"]) == list(replicates(trials)["arm"])


def test_a_second_look_says_that_its_error_rate_is_not_controlled() -> None:
    table = replace(study(arms=3, seeds=5), looks=(9, 1015))
    text = said(table)
    assert (
        "Look 2, error rate not controlled: verdicts were produced at 9 and 1,015 finished" in text
    )
    assert "Look" not in said(replace(table, looks=(5,)))


def test_nothing_finished_is_no_answer() -> None:
    failed = tuple((arm, 0) for arm in study(arms=3, seeds=1).arms["arm"])
    assert said(study(arms=3, seeds=1, failed=failed)).startswith(
        "No trial has finished yet (0 of 3)"
    )


def test_arms_without_a_pair_are_named() -> None:
    table = study(arms=3, seeds=2, failed=(("baseline", 0), ("baseline", 1)))
    assert "Not tested, because no seed was finished on both sides" in said(table)


def test_a_factorial_tells_its_average_effects() -> None:
    text = said(study("factorial", arms=4, seeds=3))
    assert "Averaged over the levels of the other factors: hidden_size 256 instead of 128 " in text
    assert "Together, beyond the sum of both: hidden_size 256 with dropout 0.1 " in text


def test_a_search_is_exploratory() -> None:
    text = said(study("search", arms=12))
    assert "Best found: trial" in text
    assert "optimistic because it was selected" in text
    assert "Better" not in text


def test_a_search_whose_baseline_failed() -> None:
    text = said(study("search", arms=12, failed=(("baseline", 0),)))
    assert "the baseline has no finished trial" in text


def test_notes_come_last() -> None:
    table = study(arms=3, seeds=2, notes=["Short trainings do not predict long ones."])
    assert sentences(table)[-1] == table.notes[0]


def test_a_pruned_search_trial_counts_and_an_infeasible_draw_does_not() -> None:
    table = study("search", arms=6, epochs=2)
    trials = table.trials.copy()
    trials.loc[[2, 3], "state"] = "PRUNED"
    table = replace(table, trials=trials, epochs=table.epochs[table.epochs["number"] != 3])
    assert counts(table) == {"finished": 5, "stopped early": 1, "infeasible": 1}
