"""Effects of studies that declared looks: from what is stored of each, whatever the trials are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.effects import COLUMNS
from ablation.report.effects.looks import look_rows, taken_again
from ablation.report.effects.progress import all_ended
from ablation.report.effects.settling import LOOK_COLUMNS, awaited, ended
from ablation.statistics.settling import LookFigures
from tests.helpers.made.settled import Differences, settled

BIG = [3.1, 2.8, 3.2, 2.9, 3.0, 3.1]
NULL = [0.1, -0.2, 0.05, 0, 0.1, -0.1, 0.2, 0, -0.05, 0.1]
FAILED = [1.0, None, 0.9, 1.2, 1.1, 0.8, 1.0, 1.1, 0.9, 1.3]  # one training failed
DRAW = np.random.default_rng(4)
HALF, NOISY = list(DRAW.normal(0.5, 0.4, 20)), list(DRAW.normal(0.1, 1.4, 20))
SOME: Differences = {"big": BIG, "null": NULL, "half": HALF, "noisy": NOISY}


def rows_of(table: StudyTable) -> pd.DataFrame:
    """Its effects by arm, the baseline's aside."""
    return Analysis(table).effects.set_index("arm").iloc[1:]


def cells(rows: pd.DataFrame, arm: str, *columns: str) -> list[Any]:
    """Some cells of an arm's row."""
    return [rows[column][arm] for column in columns]


def test_arms_end_at_the_look_that_settles_them() -> None:
    rows = rows_of(settled({"big": BIG, "null": NULL, "failed": FAILED}))
    assert list(rows["verdict"]) == ["better", "equivalent", "better"]
    assert list(rows["settled_look"]) == [1, 1, 1]
    assert list(rows["settled_seeds"]) == [5, 5, 5]
    assert list(rows["pairs"]) == [5, 5, 4]
    assert cells(rows, "big", "p_looks")[0] == pytest.approx(7.38005e-06, rel=1e-5)
    assert cells(rows, "null", "e_looks")[0] == pytest.approx(0.00183922, rel=1e-5)
    assert cells(rows, "failed", "p_looks")[0] == pytest.approx(0.00202194, rel=1e-5)


def test_one_look_at_all_seeds_is_a_study_without_looks() -> None:
    table = settled({**SOME, "null": [*NULL, *NULL]}, looks=(20,))
    today = Analysis(replace(table, settling=None)).effects
    now = Analysis(table).effects
    assert set(today["verdict"]) >= {"better", "equivalent", "inconclusive"}
    pd.testing.assert_frame_equal(now[COLUMNS], today[COLUMNS], rtol=1e-11, check_dtype=False)
    one = now.iloc[1:]
    for column, same in (("repeated_low", "ci_low"), ("repeated_high", "ci_high")):
        np.testing.assert_allclose(one[column].astype(float), one[same].astype(float), rtol=1e-11)
    np.testing.assert_allclose(one["p_looks"].astype(float), one["p_value"].astype(float))


def test_an_arm_all_of_whose_trainings_failed_counts_in_the_family() -> None:
    rows = rows_of(settled({"half": HALF, "gone": [None] * 20}))
    assert cells(rows, "gone", "verdict", "p_looks", "pairs") == ["inconclusive", 1.0, 0]
    assert cells(rows, "half", "p_holm")[0] == pytest.approx(2 * cells(rows, "half", "p_looks")[0])


def test_what_an_open_arm_is_compared_with_goes_on_and_its_verdict_stays() -> None:
    differences = {"y": BIG, "x": NOISY}
    table = settled(differences, against={"x": "y"})
    own = rows_of(table)
    assert cells(own, "y", "n", "pairs", "settled_seeds") == [20, 5, 5]
    assert cells(own, "x", "pairs")[0] == 20
    alone = rows_of(settled({"y": BIG, "z": NOISY}))
    same = ["delta", "p_value", "p_looks", "verdict", "repeated_low"]
    assert cells(own, "y", *same) == cells(alone, "y", *same)


def test_seeds_beyond_a_look_do_not_enter_it() -> None:
    whole = settled(SOME)
    more = settled(SOME, looks=(20,), most=0, begun=20)  # as if all had been trained
    trials = pd.concat([whole.trials, more.trials]).drop_duplicates(["arm", "seed"])
    beyond = replace(whole, trials=trials.reset_index(drop=True))
    assert len(trials) == 5 * 20 > len(whole.trials)
    pd.testing.assert_frame_equal(Analysis(beyond).effects, Analysis(whole).effects)


def test_a_training_that_finishes_after_its_look_changes_no_figure() -> None:
    table = settled({"failed": FAILED, "noisy": NOISY})
    lost = (table.trials["arm"] == "failed") & (table.trials["seed"] == 1)
    base = table.trials.loc[table.trials["arm"] == "baseline"].set_index("seed")["value"]
    again = table.trials[lost].assign(state="COMPLETE", value=base[1] - 0.5, number=999)
    later = replace(table, trials=pd.concat([table.trials, again], ignore_index=True))
    same = ["delta", "p_value", "p_holm", "pairs", "verdict"]
    assert cells(rows_of(later), "failed", *same) == cells(rows_of(table), "failed", *same)
    counts = [int(rows_of(each)["n"]["failed"]) for each in (table, later)]
    assert counts == [4, 5]
    assert Analysis(later).gains["failed"] == rows_of(table)["delta"]["failed"]


@pytest.mark.parametrize("begun", [0, 3])
def test_an_arm_that_awaits_a_look_has_a_mean_and_nothing_else(begun: int) -> None:
    study = Analysis(settled(SOME, most=1, begun=begun))
    rows, waits = study.effects.set_index("arm"), ["half", "noisy"]
    assert list(study.awaiting) == waits
    assert rows.loc[waits, ["n", "val_mean", "delta"]].notna().all(axis=None)
    hidden = [*COLUMNS[COLUMNS.index("ci_low") : COLUMNS.index("verdict")], *LOOK_COLUMNS]
    assert rows.loc[waits, [*hidden, "val_sd", "test_sd"]].isna().all(axis=None)
    assert (rows.loc[waits, "verdict"] == "").all()
    assert set(study.pairs["arm"]) == {"big", "null"}
    assert study.contrasts.empty
    assert not all_ended(study.table)


def test_what_a_look_has_settled_stays_while_others_train() -> None:
    columns = ["delta", "p_value", "p_looks", "verdict", "settled_look", "pairs", "n"]
    frames = [rows_of(settled(SOME, most=most)).loc[["big", "null"], columns]
              for most in (1, 2, 4)]  # fmt: skip
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_trainings_that_a_look_waits_for_are_those_of_open_arms_and_the_baseline() -> None:
    table = settled(SOME, most=1, begun=2)
    assert table.settling is not None
    assert awaited(table, table.settling) == 3 * 3  # seeds 7 to 9 of half, noisy, baseline
    assert ended(table) == 5 * 5 + 3 * 2


def test_arms_are_ordered_by_their_effects_and_not_by_means_over_other_seeds() -> None:
    """Later seeds are easier, and only what is open has them."""
    table = settled({"early": BIG, "late": HALF})
    easier = 0.1 * (table.trials["seed"] >= 5)
    table = replace(table, trials=table.trials.assign(value=table.trials["value"] + easier))
    study = Analysis(table)
    means = study.effects.set_index("arm")["val_mean"]
    assert means["late"] > means["early"]
    assert study.by_gain == ["early", "late", "baseline"]
    lead = study.difference("early", "late")
    assert lead.n == 5
    assert lead.mean == pytest.approx(np.mean(BIG[:5]) / 100 - np.mean(HALF[:5]) / 100)


def test_the_baseline_is_kept_only_where_repeated_intervals_rule_every_arm_out() -> None:
    barely = {"a": [0.30, 0.15, 0.45, 0.20, 0.30]}
    assert Analysis(settled(barely, looks=(5,))).may_be_better.empty
    assert list(Analysis(settled(barely, looks=(5, 6), most=2)).effects["verdict"])[1]
    ends = [Analysis(settled(barely, looks=looks)).tests["a"].inner_high
            for looks in ((5,), (5, 6, 7, 8))]  # fmt: skip
    assert ends[1] > ends[0]


def test_looks_taken_again_at_the_same_trials_say_the_same() -> None:
    table = settled({**SOME, "failed": FAILED})
    assert table.settling is not None
    again = taken_again(table.settling, table.trials, table)
    for was, now in zip(table.settling.taken, again.taken, strict=False):
        assert list(was.figures) == list(now.figures)
        for arm, figures in was.figures.items():
            assert now.figures[arm] == pytest.approx(figures) or figures == now.figures[arm]


def test_a_reason_of_the_look_is_the_verdicts() -> None:
    table = settled({"big": BIG, "half": HALF}, most=1)
    assert table.settling is not None
    look = table.settling.taken[0]
    odd = {**look.figures, "half": replace(look.figures["half"], p=1.0, e=1.0, reason="diverged")}
    settling = replace(table.settling, looks=(5,), taken=(replace(look, figures=odd),))
    row = rows_of(replace(table, settling=settling)).loc["half"]
    assert list(row[["verdict", "reason", "p_looks"]]) == ["inconclusive", "diverged", 1.0]
    assert np.isfinite(row["repeated_low"])


def test_an_untrained_arm_has_no_verdict() -> None:
    table = settled({"big": BIG, "flat": [-80.0, -80.1, -79.9, -80.0, -80.2]}, looks=(5,))
    table = replace(table, trials=table.trials.assign(chance_limit=0.12))
    row = rows_of(table).loc["flat"]
    assert (row["verdict"], row["reason"]) == ("", "untrained: at chance level")
    assert np.isnan(row["p_holm"])


def test_an_arm_called_equivalent_may_be_found_better_later() -> None:
    small = LookFigures(5, 0.002, 0.001, p=0.009, e=0.001)
    other = LookFigures(5, 0.03, 0.03, p=0.02, e=1.0)
    later = LookFigures(10, 0.03, 0.01, p=1e-6, e=1.0)
    table = settled({"small": NULL, "a": NOISY, "b": NOISY[::-1]}, looks=(5, 10), most=2)
    assert table.settling is not None
    first, second = ({"small": small, "a": other, "b": other}, {"a": later, "b": later})
    taken = tuple(
        replace(look, figures=figures)
        for look, figures in zip(table.settling.taken, (first, second), strict=True)
    )
    study = Analysis(replace(table, settling=replace(table.settling, taken=taken)))
    row = study.effects.set_index("arm").loc["small"]
    assert (row["verdict"], row["settled_look"], row["pairs"]) == ("better", 1, 5)
    assert study.is_slight(study.effects) == [False, True, False, False]


def test_every_look_and_arm_has_a_row() -> None:
    table = settled(SOME)
    assert table.settling is not None
    rows = look_rows(table, table.settling)
    assert list(rows["look"]) == [
        look.number for look in table.settling.taken for _ in look.figures
    ]
    last = rows.groupby("arm").tail(1).set_index("arm")
    effects = rows_of(table)
    for column, same in (("delta", "delta"), ("p", "p_value"), ("e_looks", "e_looks")):
        pd.testing.assert_series_equal(
            last[column].astype(float), effects[same].astype(float)[last.index], check_names=False
        )


def verdicts_by_hand(trials: pd.DataFrame, looks: list[int], margin: float) -> pd.DataFrame:
    """A whole study's verdicts from its trials, with numpy and scipy alone.

    Args:
        trials: columns ``arm``, ``seed``, ``state`` and ``val_accuracy``; the baseline is the
            first arm, and the seeds count up from 0.
        looks: the numbers of seeds.
        margin: in the units of the accuracy.
    """
    done = trials[trials["state"] == "COMPLETE"]
    wide = done.pivot(index="seed", columns="arm", values="val_accuracy")
    names = list(dict.fromkeys(trials["arm"]))
    base, arms = names[0], names[1:]
    p_all, e_all = dict.fromkeys(arms, 1.0), dict.fromkeys(arms, 1.0)
    found: dict[str, int] = {}
    mean, count = dict.fromkeys(arms, np.nan), dict.fromkeys(arms, 0)
    verdict = dict.fromkeys(arms, "inconclusive")
    for number, seeds in enumerate(looks, 1):
        for arm in arms:
            if arm in found:
                continue
            inside = wide[wide.index < seeds]
            d = (inside[arm] - inside[base]).dropna() if arm in wide else pd.Series(dtype=float)
            mean[arm], count[arm] = d.mean(), len(d)
            if len(d) < 2 or np.ptp(d) == 0:
                continue
            p = stats.ttest_1samp(d, 0).pvalue
            above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
            below = stats.ttest_1samp(d, margin, alternative="less").pvalue
            p_all[arm] = min(p_all[arm], len(looks) * p)
            e_all[arm] = min(e_all[arm], len(looks) * max(above, below))
        order, worst = sorted(arms, key=p_all.__getitem__), 0.0
        adjusted = {}
        for place, arm in enumerate(order):
            worst = max(worst, (len(arms) - place) * p_all[arm])
            adjusted[arm] = min(1.0, worst)
        for arm in arms:
            verdict[arm] = "equivalent" if e_all[arm] < 0.05 else "inconclusive"
            if adjusted[arm] < 0.05:
                verdict[arm] = "better" if mean[arm] > 0 else "worse"
            if verdict[arm] != "inconclusive":
                found.setdefault(arm, number)
        if len(found) == len(arms):
            break
    columns = {"verdict": verdict, "pairs": count, "delta": mean, "settled_look": found}
    return pd.DataFrame({**columns, "p_looks": p_all, "p_holm": adjusted, "e_looks": e_all})


@pytest.mark.parametrize("draw", range(4))
def test_verdicts_are_those_of_a_computation_of_its_own(draw: int) -> None:
    rng = np.random.default_rng(draw)
    shifts = [0, 0.4, -0.4, 0.8, -3, 0.1]
    differences: dict[str, list[float | None]] = {
        f"arm {place}": [None if rng.random() < 0.05 else float(d) for d in rng.normal(s, 0.5, 12)]
        for place, s in enumerate(shifts)
    }
    table = settled(differences, looks=(4, 8, 12))
    trials = table.trials.rename(columns={"value": "val_accuracy"})
    trials = trials.sort_values("arm", key=lambda arms: arms != "baseline", kind="stable")
    by_hand, own = verdicts_by_hand(trials, [4, 8, 12], table.margin), rows_of(table)
    assert by_hand["settled_look"].nunique() > 1
    for column in by_hand:
        ours = own[column].reindex(by_hand.index)
        if column == "verdict":
            assert ours.to_dict() == by_hand[column].to_dict()
        else:
            np.testing.assert_allclose(ours.astype(float), by_hand[column].astype(float), rtol=1e-9)
