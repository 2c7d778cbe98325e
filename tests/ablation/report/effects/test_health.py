"""An arm that diverged is no finding, in whatever a report shows of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from ablation.dashboard import study_graphs as graphs
from ablation.dashboard.note import note
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.effects import effects
from ablation.report.effects.health import collapsed, unlearned, untrained_arms
from ablation.report.effects.progress import all_ended, counts
from ablation.report.path.effects import path_effects
from ablation.report.text.answer import answer, incomplete
from ablation.report.text.cautions import cautions, last_gain
from ablation.report.text.latex import as_latex, as_markdown
from ablation.report.text.tables.arms import arms_table, brief_table
from crnn.network.config import TrainConfig, chance_limit
from tests.helpers.made.report_studies import METRIC, study

ARM = "hidden_size=256"


def diverging(*seeds: int, arm: str = ARM, design: str = "one-factor", n: int = 10) -> StudyTable:
    """A study of which one arm diverged in some seeds, and is far better in the others."""
    table = study(
        design,
        arms=4 if design == "factorial" else 5,
        seeds=n,
        failed=tuple((arm, seed) for seed in seeds),
    )
    trials = table.trials
    gone = trials["state"] == "FAIL"
    trials["diverged"] = pd.Series(pd.NA, trials.index, "Int64").mask(gone, 3)
    trials.loc[(trials["arm"] == ARM) & ~gone, "value"] += 0.05
    return table


def judged(table: StudyTable) -> pd.DataFrame:
    return effects(table.trials, table.arms, table.margin).set_index("arm")


def test_an_arm_that_diverged_is_never_better() -> None:
    assert judged(diverging()).loc[ARM, "verdict"] == "better"
    row = judged(diverging(1, 4)).loc[ARM]
    assert (row["verdict"], row["reason"]) == ("inconclusive", "diverged in 2 of 10 seeds")
    assert (row["diverged"], row["pairs"], row["p_value"], row["p_holm"]) == (2, 8, 1.0, 1.0)
    assert row["delta"] > 0.04  # described all the same


def test_what_is_compared_with_an_arm_that_diverged_has_no_finding() -> None:
    found = judged(diverging(0, arm="baseline"))
    assert set(found["verdict"].iloc[1:]) == {"inconclusive"}
    assert set(found["reason"].iloc[1:]) == {"baseline diverged in 1 of 10 seeds"}


def test_a_seed_that_was_trained_to_its_end_since_did_not_diverge() -> None:
    table = diverging(1)
    done = table.trials[(table.trials["arm"] == ARM) & (table.trials["seed"] == 2)]
    trials = pd.concat([table.trials, done.assign(seed=1, number=999)], ignore_index=True)
    found = effects(trials, table.arms, table.margin).set_index("arm")
    assert (found.loc[ARM, "diverged"], found.loc[ARM, "reason"]) == (0, "")


def test_every_output_says_so() -> None:
    table = diverging(1, 4)
    shown = Analysis(table)
    said = "inconclusive: diverged in 2 of 10 seeds"
    for text in (arms_table(shown), brief_table(shown)):
        assert any(cell.startswith(said) for row in text.rows for cell in row)
    lines = answer(shown)
    assert not any(ARM in line for line in lines if line.startswith("Better than"))
    words = " ".join(lines)
    assert "diverged in 2 of 10 seeds" in words
    assert f"Recommended: {ARM}" not in words
    for page in (as_markdown(shown), as_latex(shown)):
        assert said in page
    assert said in note(shown)
    figure = graphs.forest(shown.effects.iloc[1:], table.margin, METRIC, settled=True).to_json()
    assert "diverged in 2 of 10 seeds" in figure


def test_a_divergence_is_an_end() -> None:
    table = diverging(0, 1, 2, n=3)
    assert counts(table) == {"finished": 12, "diverged": 3}
    assert all_ended(table)
    assert incomplete(table) == []
    words = answer(Analysis(table))
    assert f"Not tested, because diverged in 3 of 3 seeds: {ARM}." in words


@pytest.mark.parametrize("kind", ["main", "interaction"])
def test_a_contrast_of_a_cell_that_diverged_is_not_significant(kind: str) -> None:
    table = diverging(1, design="factorial")
    found = contrasts(table.trials, table.arms, "factorial", list(table.factors))
    assert set(found.loc[found["kind"] == kind, "p_holm"]) == {1.0}


def test_a_step_that_diverged_has_no_finding() -> None:
    table = diverging(3)
    arms = table.arms[table.arms["arm"].isin(["baseline", ARM])].assign(
        path_step=[float("nan"), 1.0]
    )
    rows = path_effects(table.trials, arms, table.margin)
    assert list(rows["verdict"]) == ["", "inconclusive"]
    assert rows["reason"].iloc[1] == "diverged in 1 of 10 seeds"


def with_sizes(table: StudyTable, **accuracies: float) -> StudyTable:
    """The study with settings of 180 validation images, and some arms at these accuracies."""
    trials = table.trials.assign(chance_limit=chance_limit(TrainConfig(train_size=600)))
    for arm, accuracy in accuracies.items():
        trials.loc[trials["arm"] == arm, "value"] = accuracy
    return replace(table, trials=trials)


def test_the_limit_of_what_has_learned_is_that_of_its_validation_images() -> None:
    limit = chance_limit(TrainConfig(train_size=600, train_fraction=0.7))
    assert limit == pytest.approx(0.1 + 3 * (0.1 * 0.9 / 180) ** 0.5)
    table = study(arms=5, seeds=4)
    assert untrained_arms(with_sizes(table, baseline=0.168).trials) == {}
    assert set(untrained_arms(with_sizes(table, baseline=0.166).trials)) == {"baseline"}


def test_an_untrained_arm_has_no_verdict() -> None:
    table = with_sizes(study(arms=5, seeds=10), **{ARM: 0.0972})
    found = judged(table)
    row = found.loc[ARM]
    assert (row["verdict"], row["reason"]) == ("", "untrained: at chance level")
    assert pd.isna(row["p_holm"])
    assert set(found["verdict"].drop([ARM, "baseline"])) != {""}
    lines = answer(Analysis(table))
    assert lines[0].startswith(f"Untrained, at chance level: {ARM}.")
    assert any("Not tested, because untrained: at chance level" in line for line in lines)
    assert "untrained: at chance level" in as_latex(Analysis(table))


def test_what_is_compared_with_an_untrained_arm_has_no_verdict() -> None:
    found = judged(with_sizes(study(arms=5, seeds=10), baseline=0.0972))
    assert set(found["verdict"]) == {""}
    assert set(found["reason"].iloc[1:]) == {"baseline untrained: at chance level"}


@pytest.mark.parametrize(("rise", "said"), [(0.02, True), (0.001, False), (-0.02, False)])
def test_a_rise_in_the_last_epoch_is_said(rise: float, said: bool) -> None:
    table = study(arms=3, seeds=4, epochs=2)
    epochs = table.epochs
    noise = 0.0005 * (epochs["seed"] - 1.5)
    epochs["value"] = 0.8 + (epochs["epoch"] == 2) * (rise + noise)
    lines = list(cautions(Analysis(table)))
    assert any("still rising after the last epoch" in line for line in lines) is said


def stepping(steps: npt.NDArray[np.float64]) -> StudyTable:
    """A study whose trainings rise by these steps in their last epoch, (arms, seeds)."""
    table = study(arms=len(steps), seeds=steps.shape[1], epochs=2)
    place = {arm: at for at, arm in enumerate(table.arms["arm"])}
    epochs = table.epochs
    rows = zip(epochs["arm"], epochs["seed"], epochs["epoch"], strict=True)
    epochs["value"] = [0.8 + (n == 2) * steps[place[arm], seed] for arm, seed, n in rows]
    return table


def test_steps_of_one_seed_are_one_value() -> None:
    """Else what a seed does to all arms would be taken for a rise, the oftener the more arms."""
    rng, shape = np.random.default_rng(0), (20_000, 8, 5)
    steps = rng.standard_normal(shape) + rng.standard_normal((shape[0], 1, shape[2]))

    def low(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        count = values.shape[1]
        half = stats.t.ppf(0.975, count - 1) * values.std(1, ddof=1) / count**0.5
        return np.asarray(values.mean(1) - half)

    by_seed = low(steps.mean(1))
    assert (by_seed > 0).mean() == pytest.approx(0.025, abs=0.004)
    assert (low(steps.reshape(len(steps), -1)) > 0).mean() > 0.15
    for place in range(5):
        test = last_gain(Analysis(stepping(steps[place] / 100)))
        assert test.n == 5
        assert test.low == pytest.approx(by_seed[place] / 100)


def test_with_one_seed_each_arm_is_a_value() -> None:
    table = stepping(np.array([[0.02], [0.03], [0.025], [0.02]]))
    assert last_gain(Analysis(table)).n == 4
    (line,) = cautions(Analysis(table))
    assert "still rising after the last epoch (+2.38 points in the last one)" in line
    assert (
        list(cautions(Analysis(stepping(np.array([[0.02]]))))) == []
    )  # one training shows no spread


def test_a_rise_that_is_not_shown_is_said_as_such() -> None:
    (line,) = cautions(Analysis(stepping(np.array([[0.04, 0.0, 0.02], [0.05, 0.01, 0.0]]))))
    assert line == (
        "Accuracies may still be rising after the last epoch (+2.00 points in the last one, "
        "95 % interval −3.41 to +7.41): the order may change with more epochs."
    )


@pytest.mark.parametrize(
    ("length", "epochs", "first", "said"),
    [
        ("epochs", 2, 1, True),
        ("epochs", 2, 0, True),  # counted from 0
        ("", 2, 1, False),  # folds, say: no budget
        ("epochs", 5, 1, False),  # folds beside a budget, or an early end
        ("epochs", 1, 1, False),  # finer than the budget
    ],
)
def test_only_the_steps_of_a_budget_are_a_learning_curve(
    length: str, epochs: int, first: int, said: bool
) -> None:
    table = stepping(np.array([[0.02], [0.03], [0.025]]))
    reports = table.epochs.assign(epoch=table.epochs["epoch"] - 1 + first)
    trials = table.trials.assign(epochs=epochs)
    lines = cautions(Analysis(replace(table, length=length, epochs=reports, trials=trials)))
    assert any("still rising" in line for line in lines) is said


def test_without_a_budget_one_report_leaves_nothing_open() -> None:
    table = replace(study(arms=3, seeds=3, epochs=1), length="")
    assert list(cautions(Analysis(table))) == []


def test_one_epoch_does_not_show_a_rise() -> None:
    (line,) = cautions(Analysis(study(arms=3, seeds=3, epochs=1)))
    assert "not known" in line


def test_a_collapsed_training_is_named_first_with_the_answer_without_it() -> None:
    table = study(arms=5, seeds=10)
    sound = judged(table)["verdict"]
    hit = (table.trials["arm"] == "baseline") & (table.trials["seed"] == 3)
    table.trials.loc[hit, "value"] = 0.1
    assert list(collapsed(table.trials).index) == list(table.trials.index[hit])
    found = judged(table)
    assert set(found["verdict"].iloc[1:]) == {"inconclusive"} != set(sound.iloc[1:])
    lines = answer(Analysis(table))
    assert "baseline seed 3 (10.00 %)" in lines[0]
    rest = judged(replace(table, trials=table.trials[~hit]))
    for arm, row in rest.iloc[1:].iterrows():
        assert f"{arm} {METRIC.difference(row['delta'])}, {row['verdict']}" in lines[1]
    assert not any(line.startswith("Better than") for line in lines)


def test_a_collapsed_training_is_none_where_all_seeds_are_alike() -> None:
    assert collapsed(study(arms=5, seeds=10).trials).empty
    assert collapsed(with_sizes(study(arms=5, seeds=10), baseline=0.1).trials).empty


def losses(**values: list[float]) -> pd.DataFrame:
    """Trials of a metric of which less is better: guessing gives 2.3, by chance 2.2."""
    rows = [(arm, seed, x) for arm, own in values.items() for seed, x in enumerate(own)]
    trials = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    return trials.assign(number=range(len(rows)), state="COMPLETE", chance=2.3, chance_limit=2.2)


def test_where_less_is_better_an_untrained_arm_is_above_the_limit() -> None:
    trials = losses(baseline=[0.4, 0.5, 0.4], a=[2.25, 2.3, 2.21], b=[2.1, 2.0, 2.19])
    assert set(untrained_arms(trials, "minimize")) == {"a"}
    arms = pd.DataFrame({"arm": ["baseline", "a", "b"], "against": ["", "baseline", "baseline"]})
    assert unlearned(trials, arms, "minimize") == ""
    assert unlearned(trials[trials["arm"] != "b"], arms, "minimize") == "others"
    assert unlearned(losses(baseline=[2.3, 2.4], a=[0.3, 0.4]), arms, "minimize") == "baseline"


def test_where_less_is_better_a_collapsed_training_is_far_above_the_others() -> None:
    trials = losses(baseline=[0.4, 0.5, 2.2, 0.4], a=[1.4, 0.01, 1.5, 1.4])
    found = collapsed(trials, "minimize")
    assert found[["arm", "seed"]].to_numpy().tolist() == [["baseline", 2]]  # and not a's best


def test_where_less_is_better_a_fall_in_the_last_epoch_is_said() -> None:
    table = stepping(np.array([[-0.02], [-0.03], [-0.025], [-0.02]]))
    less = replace(table, metric=replace(METRIC, direction="minimize"))
    (line,) = cautions(Analysis(less))
    assert "still falling after the last epoch (−2.38 points in the last one)" in line
    assert list(cautions(Analysis(table))) == []
