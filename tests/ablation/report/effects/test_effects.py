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

from ablation.dashboard.note import best_arms
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounds
from ablation.report.effects.confusion import class_differences, confusion_shares
from ablation.report.effects.effects import COLUMNS, effects, mean_differences
from ablation.report.effects.gains import by_gain, gains, gaps_on_test, may_be_better
from ablation.report.effects.progress import counts
from ablation.report.effects.replicates import (
    best_so_far,
    last_epochs,
    on_test,
    pair_differences,
    paired,
    replicates,
)
from ablation.report.text.answer import answer
from ablation.report.text.tables.arms import arms_table, brief_table
from ablation.report.text.tables.details import details_table
from ablation.statistics.power import minimum_detectable, upper_spread
from tests.helpers.made.report_studies import study

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
            "changed": [dict([name.split("=")]) if "=" in name else {} for name in names],
            "kind": ["baseline", *("level" if "=" in name else "named" for name in names[1:])],
            "reported_test_accuracy": np.nan,
            "reported_test_loss": np.nan,
        }
    )


def trials_frame(*rows: tuple[str, int, float], state: str = "COMPLETE") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    return frame.assign(
        number=range(len(frame)),
        state=state,
        test_value=frame["value"] - 0.01,
        test_loss=1 - frame["value"],
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


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
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
        columns=["stage", "number", "epoch", "value"],
    )
    trials = trials.assign(stage="ablation")
    assert last_epochs(trials, epochs)["value"].tolist() == pytest.approx([0.05, 0.15])
    assert on_test(trials)["value"].tolist() == pytest.approx([0.89, 0.79])


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
    shown = arms_table(Analysis(table))
    assert [row[shown.titles.index("pairs")] for row in shown.rows] == ["–", "2", "2"]
    assert "pairs" in brief_table(Analysis(table)).titles
    whole = study(arms=3, seeds=4)
    assert "pairs" not in arms_table(Analysis(whole)).titles  # where it says no more than n


def test_the_console_shows_the_best_of_a_search() -> None:
    table = study("search", arms=12)
    rows = effects(table.trials, table.arms, MARGIN)
    shown = brief_table(Analysis(table))
    assert shown.titles == ["trial", "arm", "validation", "effect", "MMACs"]
    best = rows["val_mean"].iloc[2:].nlargest(5)
    assert [row[2] for row in shown.rows[2:]] == [f"{100 * x:.2f} %" for x in best]
    assert shown.note == "7 of 12 arms, the best that have finished; all in effects.csv."
    few = study("search", arms=7)
    assert not brief_table(Analysis(few)).note


def test_no_difference_beyond_100_points_is_promised() -> None:
    table = study(arms=3, seeds=2)
    fine = (table.trials["seed"] == 0) | (table.trials["arm"] == "baseline")
    spread = table.trials["value"].where(fine, 0.1)
    wild = replace(table, trials=table.trials.assign(value=spread))
    details = details_table(Analysis(wild))
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
    return answer(Analysis(table))


def said(table: StudyTable) -> str:
    return "\n".join(sentences(table))


def with_accuracies(values: dict[str, list[float]]) -> StudyTable:
    """A study of these arms with these accuracies, by seed."""
    table = study(arms=len(values), seeds=len(values["baseline"]))
    names = dict(zip(table.arms["arm"], values, strict=True))
    trials = table.trials.assign(arm=table.trials["arm"].map(names))
    accuracy = [values[a][s] for a, s in zip(trials["arm"], trials["seed"], strict=True)]
    arms = table.arms.assign(arm=list(values))
    return replace(table, arms=arms, trials=trials.assign(value=accuracy))


NOISE = [0.0, 0.001, -0.001, 0.0005]


def around(mean: float) -> list[float]:
    return [mean + 0.9 + x for x in NOISE]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (around(0.02), "Better than baseline: x=1 +2.01 points (95 % interval +1.88 to +2.15, 4 s"),
        (around(-0.02), "Worse than baseline: x=1 −1.99 points (95 % interval −2.12 to −1.85, 4 s"),
        (
            around(0.0),
            "Equivalent to baseline, each 90 % interval within ±0.50 points: x=1 +0.01 points (90 ",
        ),
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
    assert "Recommended: x=1, +2.01 points against baseline over 4 seeds, the largest eff" in text
    assert (
        "x=2, not shown to be better than baseline, has a mean 2.24 points higher over the 4 seeds "
        "that both have (95 % interval −12.97 to +17.45, for this pair alone); the data cannot "
        "tell the two apart." in text
    )


def test_the_baseline_is_kept_only_if_no_arm_may_be_better_by_the_margin() -> None:
    worse, open_ = around(-0.02), [0.93, 0.93, 0.89, 0.9]
    text = said(with_accuracies({"baseline": [0.9] * 4, "x=1": worse, "x=2": around(0.0)}))
    assert (
        "Recommended: keep baseline; no arm is better by 0.50 points or more: each 90 % interval "
        "against baseline ends below that." in text
    )
    text = said(with_accuracies({"baseline": [0.9] * 4, "x=1": worse, "x=2": open_}))
    assert "Worse than baseline: x=1" in text  # from which nothing follows for x=2
    assert "Recommended" not in text
    assert (
        "Not settled whether to keep baseline. These may be better by 0.50 points or more: x=2 "
        "(+1.25 points, 90 % interval up to +3.68 points)." in text
    )


@pytest.mark.slow
def test_an_untested_arm_keeps_the_question_open_and_one_that_always_diverged_does_not() -> None:
    table = with_accuracies({"baseline": [0.9] * 4, "x=1": around(-0.02), "x=2": [0.9] * 4})
    gone = table.trials["arm"] == "x=2"
    failed = table.trials.assign(
        state=table.trials["state"].mask(gone, "FAIL"),
        value=table.trials["value"].mask(gone),
    )
    text = said(replace(table, trials=failed))
    assert "Not compared with it, so not ruled out: x=2 (too few pairs)." in text
    diverged = failed.assign(diverged=pd.Series(1, failed.index).where(gone).astype("Int64"))
    assert "Recommended: keep baseline" in said(replace(table, trials=diverged))
    once = diverged.assign(diverged=diverged["diverged"].mask(diverged["seed"] == 2))
    assert "x=2 (diverged in 3 of 3 seeds)." in said(replace(table, trials=once))


def test_the_baseline_is_not_kept_for_arms_that_were_compared_with_others() -> None:
    values = {"baseline": [0.9] * 4, "x=1": around(0.004), "y": around(0.004)}
    values["y"] = [x + 0.0001 * seed for seed, x in enumerate(values["y"])]
    table = with_accuracies(values)
    against = table.arms["against"].mask(table.arms["arm"] == "y", "x=1")
    table = replace(table, arms=table.arms.assign(against=against))
    rows = effects(table.trials, table.arms, MARGIN)
    assert rows["verdict"].iloc[2] == "equivalent"
    assert may_be_better(table.trials, table.arms, MARGIN)["arm"].tolist() == ["y", "x=1"]


def unequal_seeds() -> StudyTable:
    """x=1 is better than x=2 by pairs; its mean is lower, for it lacks the seed of high results."""
    seeds = [0.0, 0.01, 0.02, 0.10]
    values = {
        "baseline": [0.7 + s for s in seeds],
        "x=1": [0.74 + s + e for s, e in zip(seeds, NOISE, strict=True)],
        "x=2": [0.73 + s + e for s, e in zip(seeds, reversed(NOISE), strict=True)],
    }
    table = with_accuracies(values)
    lost = (table.trials["arm"] == "x=1") & (table.trials["seed"] == 3)
    return replace(table, trials=table.trials[~lost])


@pytest.mark.slow
def test_arms_with_other_seeds_are_ordered_by_pairs_and_never_by_means() -> None:
    table = unequal_seeds()
    rows = effects(table.trials, table.arms, MARGIN).set_index("arm")
    assert rows["val_mean"]["x=1"] < rows["val_mean"]["x=2"]  # which misleads
    gain = gains(table.trials, table.arms)
    assert gain.to_dict() == pytest.approx({"baseline": 0.0, "x=1": 0.04, "x=2": 0.030125})
    text = said(table)
    assert "Recommended: x=1, +4.00 points against baseline over 3 seeds" in text
    assert "Its lead over x=2 is +0.98 points" in text
    assert "Means are over each arm's own seeds; effects only over seeds that both have." in text
    assert "own seeds" not in said(with_accuracies({"baseline": [0.9] * 4, "x=1": around(0.02)}))
    scored = pd.DataFrame({"arm": ["baseline", "x=1", "x=2"]})
    assert Analysis(replace(table, confusion=scored)).best_challenger == "x=1"
    assert arms_table(Analysis(table)).strong == {1}
    assert best_arms(Analysis(table), 1)["arm"].tolist() == ["baseline", "x=1"]
    renamed = table.trials["arm"].replace({"x=1": "#1", "x=2": "#2"})
    drawn = replace(table, trials=table.trials.assign(arm=renamed), design="search",
                    arms=table.arms.assign(arm=["baseline", "#1", "#2"]))  # fmt: skip
    assert Analysis(drawn).leading(1)["arm"].tolist() == ["baseline", "#1"]


def test_without_the_baseline_arms_are_ordered_within_their_seeds() -> None:
    table = unequal_seeds()
    left = table.trials[table.trials["arm"] != "baseline"]
    gain = gains(left, table.arms)
    assert np.isnan(gain["baseline"])
    assert gain["x=1"] > gain["x=2"]


def negated(table: StudyTable) -> StudyTable:
    """The study by a metric of which less is better, whose values are those of before negated."""
    trials = table.trials.assign(
        value=-table.trials["value"], test_value=-table.trials["test_value"]
    )
    return replace(table, trials=trials, metric=replace(table.metric, direction="minimize"))


EVERY = {
    "baseline": [0.9] * 4,
    "x=1": around(0.02),
    "x=2": around(-0.02),
    "x=3": around(0.0),
    "x=4": [0.93, 0.93, 0.89, 0.9],
    "x=5": around(0.03),
}
VERDICTS = ["", "better", "worse", "equivalent", "inconclusive", "better"]


def test_where_less_is_better_a_verdict_is_turned_and_nothing_else() -> None:
    table = with_accuracies(EVERY)
    more = effects(table.trials, table.arms, MARGIN)
    assert more["verdict"].tolist() == VERDICTS
    turned = {"better": "worse", "worse": "better"}
    less = effects(table.trials, table.arms, MARGIN, "minimize")
    assert less["verdict"].tolist() == [turned.get(verdict, verdict) for verdict in VERDICTS]
    assert_frame_equal(less.drop(columns="verdict"), more.drop(columns="verdict"))
    mirrored = negated(table).trials
    assert effects(mirrored, table.arms, MARGIN, "minimize")["verdict"].tolist() == VERDICTS


def test_where_less_is_better_the_order_of_arms_is_that_of_gains() -> None:
    table = with_accuracies(EVERY)
    mirrored = negated(table)
    gain = gains(mirrored.trials, table.arms, "minimize")
    assert gain.to_dict() == pytest.approx(gains(table.trials, table.arms).to_dict())
    order = ["x=5", "x=1", "x=4", "x=3", "baseline", "x=2"]
    assert by_gain(table.arms, gain)["arm"].tolist() == Analysis(mirrored).by_gain == order
    alone = mirrored.trials[mirrored.trials["arm"] != "baseline"]
    assert gains(alone, table.arms, "minimize").idxmax() == "x=5"
    scored = pd.DataFrame({"arm": list(EVERY)})
    assert Analysis(replace(mirrored, confusion=scored)).best_challenger == "x=5"
    assert best_arms(Analysis(mirrored), 2)["arm"].tolist() == ["baseline", "x=5", "x=1"]
    first = trials_frame(("baseline", 0, 0.5), ("x=1", 0, 0.6), ("x=2", 0, 0.4))
    assert best_so_far(first, "minimize")["best"].tolist() == [0.5, 0.5, 0.4]


def test_where_less_is_better_an_arm_is_ruled_out_by_the_lower_end_of_its_interval() -> None:
    table = with_accuracies(EVERY)
    more = may_be_better(table.trials, table.arms, MARGIN)
    less = may_be_better(negated(table).trials, table.arms, MARGIN, "minimize")
    assert less["arm"].tolist() == more["arm"].tolist() == ["x=5", "x=1", "x=4"]
    assert less["best"].tolist() == pytest.approx((-more["best"]).tolist())
    assert (less["best"] < less["delta"]).all()


def test_where_nothing_has_a_verdict_nothing_is_recommended() -> None:
    text = said(with_accuracies({"baseline": [0.9] * 4, "x=1": [0.93, 0.93, 0.89, 0.9]}))
    assert "Recommended" not in text


def test_better_than_something_worse_is_not_better_than_the_baseline() -> None:
    values = {"baseline": [0.9] * 4, "x=1": around(-0.05), "y": around(-0.01)}
    values["y"] = [x + 0.0001 * seed for seed, x in enumerate(values["y"])]
    table = with_accuracies(values)
    against = table.arms["against"].mask(table.arms["arm"] == "y", "x=1")
    table = replace(table, arms=table.arms.assign(against=against))
    text = said(table)
    assert "Better than x=1: y +4.02 points" in text
    assert "Worse than baseline: x=1 −4.99 points" in text
    assert "Recommended: keep baseline; no arm is better by 0.50 points or more" in text


def test_what_was_not_tested_is_named_by_what_it_is_compared_with() -> None:
    table = study(arms=3, seeds=1)
    last = table.arms["arm"].iloc[-1]
    against = table.arms["against"].mask(table.arms["arm"] == last, table.arms["arm"].iloc[1])
    text = said(replace(table, arms=table.arms.assign(against=against)))
    assert f"{last} against {table.arms['arm'].iloc[1]} " in text


def test_what_changes_give_together_is_told() -> None:
    told = said(study(arms=10, seeds=4))
    words = "Together, beyond the sum of the single effects: "
    words += "concluded less hidden_size=256 and dropout=0.1, "
    assert words in told
    assert "4 seeds, 95 % interval" in told.split(words)[1].splitlines()[0]


def test_a_single_arm_has_nothing_to_be_compared_with() -> None:
    (text,) = sentences(with_accuracies({"baseline": [0.9, 0.92]}))
    assert text.startswith("baseline: 91.00 % over 2 seeds. It is the only arm")


def test_what_is_inconclusive_says_what_to_plan_for() -> None:
    noise = [0.012, -0.004, 0.015, -0.003, 0.006, -0.012, 0.011]
    pairs = {"baseline": [0.9] * 7, "x=1": [0.9 + x for x in noise]}
    text = said(with_accuracies(pairs))
    rows = effects(*frames(pairs), MARGIN)
    most = rows["seeds_to_settle_high"].iloc[1]
    assert 100 < most < 110
    assert (
        "1 of 1 comparison is inconclusive. To settle even a difference near the margin, plan for "
        "up to about 110 seeds." in text
    )


def frames(values: dict[str, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = with_accuracies(values)
    return table.trials, table.arms


def test_few_seeds_say_what_five_and_ten_find() -> None:
    """Three seeds, pairs around 30 points below, and six comparisons that all stay open."""
    pairs = [-0.38, -0.25, -0.33]
    values = {"baseline": [0.8] * 3}
    values |= {f"x={k}": [0.8 + d + 0.001 * k * s for s, d in enumerate(pairs)] for k in range(6)}
    table = with_accuracies(values)
    rows = effects(table.trials, table.arms, MARGIN)
    assert set(rows["verdict"].iloc[1:]) == {"inconclusive"}
    text = said(table)
    wide = max(upper_spread(x.sd, 3) for x in mean_differences(table.trials, table.arms).values())
    five, ten = (100 * minimum_detectable(wide, n, 6) for n in (5, 10))
    assert (
        "3 seeds cannot carry 6 comparisons: four times in five, 5 seeds find a difference of "
        f"{five:.2f} points or more, and 10 seeds a difference of {ten:.2f} points or more (at the "
        "upper 80 % bound of the spread between pairs)." in text
    )
    assert "10,000" not in text
    assert ten < 30 < five  # ten seeds would probably find them


def test_arms_of_few_seeds_are_named_where_others_have_more() -> None:
    noise = [0.012, -0.004, 0.015, -0.003, 0.006, -0.012, 0.011]
    pairs = {"baseline": [0.9] * 7, "x=1": [0.9 + x for x in noise], "x=2": [0.911, 0.9, 0.897] * 3}
    whole = with_accuracies(pairs)
    lacks = (whole.trials["arm"] == "x=2") & (whole.trials["seed"] > 2)
    table = replace(whole, trials=whole.trials[~lacks])
    text = said(table)
    assert "2 of 2 comparisons are inconclusive. 3 seeds of x=2 cannot carry 2 comp" in text
    found = mean_differences(table.trials, table.arms)["x=2"]
    five = 100 * minimum_detectable(upper_spread(found.sd, 3), 5, 2)
    assert f"5 seeds find a difference of {five:.2f} points or more" in text
    assert " seeds (for x=2)." in text


def test_a_large_effect_that_is_inconclusive_says_what_five_and_ten_seeds_find() -> None:
    pairs = [0.06, 0.02, 0.045, 0.015, 0.05]
    values = {"baseline": [0.8] * 5}
    values |= {f"x={k}": [0.8 + d + 0.0001 * k * s for s, d in enumerate(pairs)] for k in range(9)}
    text = said(with_accuracies(values))
    assert "9 of 9 comparisons are inconclusive. Four times in five, 5 seeds find a diff" in text


def test_only_hopeless_spreads_say_that_no_number_of_seeds_is_enough() -> None:
    noise = [0.3, -0.4, 0.25, -0.1, 0.05, 0.1]
    text = said(with_accuracies({"baseline": [0.5] * 6, "x=1": [0.5 + x for x in noise]}))
    assert "Not even 10,000 seeds are sure to settle a difference near the margin of ±0." in text


def test_what_changes_more_than_it_says_is_marked() -> None:
    table = with_accuracies({"baseline": [0.90] * 4, "x=1": around(0.02), "x=2": around(0.02)})
    wider = table.arms.assign(sequence_length=18, parameters=[100_000, 111_000, 109_000])
    text = said(replace(table, arms=wider))
    assert "Marked *: x=1. It also changes the number of parameters by more than 10 %" in text
    assert "Marked" not in said(replace(table, arms=wider.assign(parameters=100_000)))


def test_an_effect_that_differs_on_the_test_images_is_said_where_it_is_significant() -> None:
    table = with_accuracies({"baseline": [0.90] * 4, "x=1": around(0.02), "x=2": around(0.01)})
    same = replace(table, trials=table.trials.assign(test_value=table.trials["value"]))
    assert "test images" not in said(same)
    shift = {
        "baseline": [0.0] * 4,
        "x=1": [0.012, 0.011, 0.013, 0.0125],
        "x=2": [0.0, 0.02, -0.02, 0],
    }
    gap = [shift[a][s] for a, s in zip(table.trials["arm"], table.trials["seed"], strict=True)]
    moved = table.trials.assign(test_value=table.trials["value"] - gap)
    found = gaps_on_test(moved, table.arms).set_index("arm")
    theirs = stats.ttest_1samp(shift["x=1"], 0)
    assert found.loc["x=1", "gap"] == pytest.approx(0.012125)
    assert found.loc["x=1", "p_value"] == pytest.approx(theirs.pvalue)
    assert found.loc["x=1", "p_holm"] == pytest.approx(2 * theirs.pvalue)  # of two arms
    text = said(replace(table, trials=moved))
    assert (
        "On these test images an effect differs from that on the validation images: x=1 +0.80 "
        "points instead of +2.01 points (95 % interval of the difference −1.35 to −1.08). All "
        "seeds are scored on the same test images, so this says nothing of other images." in text
    )
    assert "would say otherwise" not in text


def test_verdicts_that_differ_by_chance_alone_are_not_said() -> None:
    """The same truth on both: one is significant and the other not, and the gap is noise."""
    values = {"baseline": [0.90] * 4, "x=1": around(0.02)}
    table = with_accuracies(values)
    noisy = [0.0, 0.045, 0.01, 0.05]
    tested = [0.9 + noisy[s] * (a == "x=1") for a, s in
              zip(table.trials["arm"], table.trials["seed"], strict=True)]  # fmt: skip
    table = replace(table, trials=table.trials.assign(test_value=tested))
    assert effects(on_test(table.trials), table.arms, MARGIN)["verdict"].iloc[1] == "inconclusive"
    assert "test images" not in said(table)


def test_what_is_cut_is_counted_by_kind_and_the_significant_come_first() -> None:
    """A 4 x 3 factorial whose one real effect and one real interaction come last in the design."""
    table = study("factorial", arms=12, seeds=5)
    draw = np.random.default_rng(2)
    of_arm = table.arms.set_index("arm")
    last = {name: list(dict.fromkeys(of_arm[name]))[-1] for name in ("hidden_size", "dropout")}
    accuracy = [
        0.8
        - 0.03 * (of_arm.loc[arm, "dropout"] == last["dropout"])
        - 0.05 * all(of_arm.loc[arm, name] == level for name, level in last.items())
        + draw.normal(0, 0.004)
        for arm in table.trials["arm"]
    ]
    text = sentences(replace(table, trials=table.trials.assign(value=accuracy)))
    (main,) = [line for line in text if line.startswith("Main effects, each averaged over")]
    first = main.split("factor: ")[1]
    assert first.startswith(f"dropout {last['dropout']} instead of 0.25 −")
    (both,) = [line for line in text if line.startswith("Interactions (the effect of either")]
    assert both.split("without it): ")[1].startswith(
        f"hidden_size {last['hidden_size']} with dropout {last['dropout']} −"
    )
    assert re.search(r"; and \d+ more, all not significant\.$", both)
    shown = [
        part for part in both.split("without it): ")[1].split("; ") if "(95 % interval" in part
    ]
    signs = ["not significant" in part for part in shown]
    assert signs == sorted(signs)


def test_of_many_arms_with_a_verdict_the_largest_are_told_and_the_others_counted() -> None:
    values = {"baseline": [0.9] * 4}
    values |= {f"x={k}": around(-0.02 - 0.001 * k) for k in range(8)}
    text = said(with_accuracies(values))
    assert "Worse than baseline: x=7 −2.69 points" in text
    assert "; and 2 more." in text


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
        "Preliminary: 4 of 6 trials have finished and 1 failed (--retry-failed trains it once "
        "more), so the answer may change."
    )


def test_a_search_makes_no_good_for_a_draw_that_failed() -> None:
    table = study("search", arms=6)
    last = table.trials["number"] == table.trials["number"].max()
    trials = table.trials.assign(
        state=table.trials["state"].mask(last, "FAIL"),
        value=table.trials["value"].mask(last),
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
    assert said(study(arms=3, seeds=1, failed=failed)).startswith("There is no answer. Fix the")
    begun = replace(study(arms=3, seeds=1, failed=failed[:1]), wanted=5)
    assert "There is no answer" not in said(begun)


def test_arms_without_a_pair_are_named() -> None:
    table = study(arms=3, seeds=2, failed=(("baseline", 0), ("baseline", 1)))
    assert "Not tested, because no seed was finished on both sides" in said(table)


def test_a_factorial_tells_its_average_effects_first() -> None:
    main, both, *_ = sentences(study("factorial", arms=4, seeds=3))
    assert main.startswith(
        "Main effects, each averaged over the levels of the other factor: hidden_size 256 instead "
        "of 128 "
    )
    assert both.startswith(
        "Interaction (the effect of either change with the other, minus its effect without it): "
        "hidden_size 256 with dropout 0.1 "
    )


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


def test_how_much_is_rounding_goes_by_the_arms_that_are_compared() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (arm, seed, float(np.float32(mean * (1 + 0.01 * rng.normal()))))
        for arm, mean in (("baseline", 0.4), ("good", 0.3), ("blown", 2e6))
        for seed in range(5)
    ]
    found = effects(
        trials_frame(*rows), arms_frame("baseline", "good", "blown"), MARGIN, "minimize"
    )
    assert list(found["verdict"][1:]) == ["better", "worse"]
