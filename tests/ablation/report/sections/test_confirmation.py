"""What a report shows of a search's confirmation: found against confirmed, and the path."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from optuna.storages import RDBStorage
from scipy import stats

from ablation.folders import confirm_name
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study, load_trials
from ablation.report.data.study_table import StudyTable, all_trials, provenance
from ablation.report.effects.arm_names import short_names
from ablation.report.page import content
from ablation.report.path.effects import path_effects
from ablation.report.path.steps import is_step, never_taken_back
from ablation.report.rendering.formatting import records
from ablation.report.sections.confirmation import confirmed_parts
from ablation.report.text.answer import answer, at_the_edge
from ablation.report.text.confirmation import lead, sentences, step_verdict
from ablation.report.write import write_report
from ablation.scheduling.confirmation import confirmation, sentence
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.settings import text_of
from ablation.statistics.inference import holm, paired_test
from ablation.storage import opened_storage, read_trials, save_study, storage_url, url_of
from ablation.storage.record import load_record
from crnn.network.config import TrainConfig, chance_limit
from tests.helpers.commands import cli
from tests.helpers.figures import in_outline
from tests.helpers.made.prepared import prepared
from tests.helpers.made.report_studies import METRIC, origin
from tests.helpers.made.studies import SEARCH, STUDY, begin, end, new_storage, record, run_all

CONFIRM = f"{SEARCH}[confirm]\ntop = 2\nseeds = 3\n"
NAME = confirm_name(STUDY)


@pytest.fixture
def storage(sqlite_storage: RDBStorage) -> RDBStorage:
    """In SQLite alone: PostgreSQL gives a report the same, as the tests of looks and marks show."""
    return sqlite_storage


def confirmed(storage: RDBStorage, parts: int = 2, failing: str = "", text: str = CONFIRM) -> None:
    """A search that has run, and of its confirmation so many stages; trainings are made up."""

    def fill() -> None:
        search = begin(storage, record(text))
        run_all(SearchSource(storage, STUDY, search))
        for _ in range(parts):
            wanted = confirmation(storage, STUDY, search, search)
            assert wanted is not None
            begin(storage, wanted, NAME)
            source = DesignedSource(storage, NAME, wanted, wanted.stages)
            while task := source.next():
                end(source, task, "FAIL" if task.arm == failing else "COMPLETE")

    prepared(storage, (str(parts), failing, text), fill)


def path_source(storage: RDBStorage) -> DesignedSource:
    """What a path lacks, whose search is confirmed."""
    confirmed(storage, 1)
    wanted = confirmation(storage, STUDY, record(CONFIRM), record(CONFIRM))
    assert wanted is not None
    begin(storage, wanted, NAME)
    return DesignedSource(storage, NAME, wanted, wanted.stages)


def study(storage: RDBStorage) -> tuple[StudyTable, StudyTable]:
    """The search and its confirmation."""
    table = load_study(storage, STUDY)
    assert table.confirmation is not None
    return table, table.confirmation


@cache
def loaded(text: str = CONFIRM) -> tuple[StudyTable, StudyTable]:
    """A search that has run, and its confirmation, which has ended: for what changes neither."""
    with TemporaryDirectory() as folder:
        storage = new_storage(Path(folder))
        confirmed(storage, text=text)
        found = study(storage)
        storage.engine.dispose()
    return found


def path_of(main: StudyTable) -> StudyTable:
    assert main.path is not None
    return main.path


@pytest.mark.slow
def test_one_table_has_all_stages(storage: RDBStorage, tmp_path: Path) -> None:
    confirmed(storage)
    table, main = study(storage)
    trials = all_trials(table)
    arms = len(path_of(main).arms)
    assert trials["stage"].value_counts().to_dict() == {
        "search": 6,
        "confirm": 12,
        "path": 3 * arms,
    }
    assert trials.loc[trials["stage"] == "search", "test_value"].isna().all()
    assert trials.loc[trials["stage"] != "search", "test_value"].notna().all()
    by_stage = {stage: set(rows["seed"]) for stage, rows in trials.groupby("stage")}
    assert by_stage == {"search": {0}, "confirm": {1, 2, 3}, "path": {4, 5, 6}}
    write_report(table, tmp_path, figures=False)
    pd.testing.assert_frame_equal(
        load_trials(tmp_path / "trials.csv")[["stage", "number", "arm", "val_accuracy"]],
        trials[["stage", "number", "arm", "value"]].rename(columns={"value": "val_accuracy"}),
    )
    assert len(load_trials(url_of(storage), STUDY)) == len(trials)


def test_found_and_confirmed_effects_are_those_against_the_baseline() -> None:
    table, main = loaded()
    found = Analysis(table).found_against_confirmed
    searched = table.trials.set_index("arm")["value"]
    means = main.trials.groupby("arm")["value"].mean()
    assert set(found["arm"]) == set(main.arms["arm"])
    assert list(found["rank"]) == sorted(found["rank"])
    ranks = searched.rank(ascending=False)
    for row in records(found):
        arm = row["arm"]
        assert row["rank"] == ranks[arm]
        assert row["found"] == searched[arm]
        assert row["confirmed"] == pytest.approx(means[arm])
        if arm == "baseline":
            assert pd.isna(row["optimism"])
            continue
        found_effect = searched[arm] - searched["baseline"]
        assert row["found_effect"] == pytest.approx(found_effect)
        assert row["confirmed_effect"] == pytest.approx(means[arm] - means["baseline"])
        assert row["optimism"] == pytest.approx(found_effect - means[arm] + means["baseline"])


def test_an_arm_that_failed_has_no_optimism() -> None:
    table, main = loaded()
    lost = main.trials["arm"] == "wide"
    trials = main.trials.assign(
        state=main.trials["state"].mask(lost, "FAIL"), value=main.trials["value"].mask(lost)
    )
    unchosen = replace(main, trials=trials, chosen="", path=None)
    whole = Analysis(replace(table, confirmation=unchosen))
    row = whole.found_against_confirmed.set_index("arm").loc["wide"]
    assert row["n"] == 0
    assert pd.isna(row["optimism"])
    assert pd.isna(row["confirmed"])
    assert any("Not tested" in line for line in answer(whole.main, sentences(whole)))


def path_trials() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four arms of a path over five seeds: a (two changes), then its first change taken back."""
    names = {
        "baseline": ("", origin("baseline"), 0.0),
        "x=1": ("baseline", origin("step", {"x": 1}, path_step=1, without=(("y", "z"),)), 0.02),
        "x=1+y=2+z=3": ("x=1", origin("step", {"x": 1, "y": 2, "z": 3}, path_step=2), 0.05),
        "y=2+z=3": (
            "x=1+y=2+z=3",
            origin("without_change", {"y": 2, "z": 3}, without=(("x",),)),
            0.01,
        ),
    }
    arms = pd.DataFrame(
        [
            {"arm": arm, "against": against, "note": "step 1 of last spring", **where}
            for arm, (against, where, _) in names.items()
        ]
    ).assign(
        factor="",
        level="",
        reported_test_accuracy=float("nan"),
        reported_test_loss=float("nan"),
        sequence_length=[18, 18, 9, 9],
        parameters=1000,
    )
    noise = [0.001, -0.002, 0.0015, 0.0005, -0.001]
    trials = pd.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "state": "COMPLETE",
                "value": 0.8 + shift + noise[(seed * (place + 1)) % 5],
                "test_value": 0.8,
                "test_loss": 0.5,
            }
            for seed in range(5)
            for place, (arm, (*_, shift)) in enumerate(names.items())
        ]
    )
    return trials, arms


def test_each_step_is_tested_against_the_one_before() -> None:
    trials, arms = path_trials()
    rows = path_effects(trials, arms, 0.005)
    assert list(rows["step"]) == ["0", "1", "2", "leave-one-out", "leave-one-out"]
    assert list(rows["change"]) == ["", "x=1", "y=2+z=3", "x=1", "y=2+z=3"]
    assert list(rows["arm"]) == ["baseline", "x=1", "x=1+y=2+z=3", "y=2+z=3", "x=1"]
    assert list(rows["against"]) == ["", "baseline", "x=1", "x=1+y=2+z=3", "x=1+y=2+z=3"]
    wide = trials.pivot(index="seed", columns="arm", values="value")
    p_values = []
    for row in records(rows.iloc[1:]):
        expected = stats.ttest_rel(wide[row["arm"]], wide[row["against"]])
        assert row["p_value"] == pytest.approx(expected.pvalue)
        assert row["delta"] == pytest.approx((wide[row["arm"]] - wide[row["against"]]).mean())
        p_values.append(expected.pvalue)
    assert list(rows["p_holm"][1:3]) == pytest.approx(list(holm(p_values[:2])))
    assert list(rows["p_holm"][3:]) == pytest.approx(list(holm(p_values[2:])))
    assert list(rows["confounded"]) == [False, False, True, False, True]
    assert never_taken_back(arms) == []


def test_a_step_that_is_worth_less_at_the_end_depends_on_the_order() -> None:
    trials, arms = path_trials()
    rows = path_effects(trials, arms, 0.005)
    y = trials.pivot(index="seed", columns="arm", values="value")
    gap = (y["x=1"] - y["baseline"]) - (y["x=1+y=2+z=3"] - y["y=2+z=3"])
    test = stats.ttest_1samp(gap, 0)
    ends = test.confidence_interval(0.95)
    step = rows.iloc[1]
    assert step["interaction"] == pytest.approx(gap.mean())
    assert (step["interaction_ci_low"], step["interaction_ci_high"]) == pytest.approx(tuple(ends))
    assert step["interaction_p"] == step["interaction_p_holm"] == pytest.approx(test.pvalue)
    assert rows["interaction"].notna().sum() == 1  # of the last step both are the same
    assert list(rows["depends_on_order"]) == [False, True, True, False, False]
    assert step["other_order"] == pytest.approx((y["x=1+y=2+z=3"] - y["y=2+z=3"]).mean())
    assert step["other_where"] == "with y=2+z=3"
    assert rows["other_order"].iloc[2] == pytest.approx((y["y=2+z=3"] - y["baseline"]).mean())
    assert rows["other_where"].iloc[2] == "without x=1"
    assert step_verdict(records(rows)[1], METRIC).endswith(
        f"{METRIC.difference(step['other_order'])} with y=2+z=3"
    )


def test_an_untrained_arm_shows_no_dependence_on_the_order() -> None:
    trials, arms = path_trials()
    trials = trials.assign(chance_limit=chance_limit(TrainConfig(train_size=600)))
    back = trials["arm"] == "y=2+z=3"
    trials["value"] = trials["value"].mask(back, 0.1 + trials["seed"] / 1000)
    row = path_effects(trials, arms, 0.005).iloc[1]
    assert row["interaction"] < -0.5
    assert pd.isna([row["interaction_p"], row["interaction_p_holm"]]).all()
    assert not row["depends_on_order"]


def test_that_no_step_is_shown_to_depend_on_the_order_shows_nothing() -> None:
    trials, arms = path_trials()
    moved = trials["value"] + 0.02 * (trials["arm"] == "y=2+z=3")
    rows = path_effects(trials.assign(value=moved), arms, 0.005)
    assert rows["interaction_p_holm"].iloc[1] > 0.05
    assert not rows["depends_on_order"].any()
    said = [step_verdict(row, METRIC) for row in records(rows)[1:3]]
    assert all("where it stood" in text and "order" not in text for text in said)


def test_the_dependence_in_the_reference_study(tmp_path: Path) -> None:
    shutil.copy("results/reference/studies.db", tmp_path)
    with opened_storage(storage_url(str(tmp_path / "studies.db"), tmp_path)) as opened:
        table = load_study(opened, "joint")
    assert table.confirmation is not None
    path = path_of(table.confirmation)
    nuisances = ["schedule", "learning_rate", "weight_decay"]
    rows = path_effects(path.trials, path.arms, path.margin, nuisances).iloc[:6]
    tested = rows[rows["interaction_p"].notna()].set_index("change")
    assert list(tested.index) == ["filter_sizes=3,3,3", "pooling_count=1"]
    pooling = tested.loc["pooling_count=1"]
    figures = ["interaction", "interaction_ci_low", "interaction_ci_high"]
    assert [round(100 * pooling[name], 2) for name in figures] == [0.61, 0.26, 0.95]
    assert round(pooling["interaction_p"], 3) == 0.008
    assert round(pooling["interaction_p_holm"], 3) == 0.016
    assert list(rows["depends_on_order"]) == [False] * 4 + [True] * 2
    assert step_verdict(records(rows)[5], METRIC) == (
        "equivalent where it stood, depends on order: +0.82 points without pooling_count=1"
    )
    said = next(iter(lead(Analysis(table.confirmation).told)))
    assert said == (
        "On 5 fresh seeds #86 beats the baseline by 1.54 points (0.50 to 2.58). On the seeds that "
        "chose it the lead was 1.89 points, which is optimistic."
    )


def test_nuisances_are_in_no_family() -> None:
    trials, arms = path_trials()
    every = path_effects(trials, arms, 0.005)
    rows = path_effects(trials, arms, 0.005, ["y", "z", "w"])
    assert list(rows["role"]) == ["scientific", "scientific", "nuisance", "scientific", "nuisance"]
    tuned = rows[rows["role"] == "nuisance"]
    assert tuned[["p_value", "p_holm", "minimum_detectable"]].isna().all(axis=None)
    assert set(tuned["verdict"]) == {""}
    alone = rows[(rows["role"] == "scientific") & (rows["arm"] != "baseline")]
    assert list(alone["p_holm"]) == list(alone["p_value"])  # each the only one of its family
    shown = ["arm", "n", "pairs", "val_mean", "delta", "ci_low", "ci_high", "confounded"]
    pd.testing.assert_frame_equal(rows[shown], every[shown])
    some = path_effects(trials, arms, 0.005, ["y"])  # a step of both kinds is concluded on
    pd.testing.assert_frame_equal(some, every)
    assert step_verdict(records(rows)[2], METRIC).startswith(
        "tuned, not tested, depends on order: "
    )
    assert step_verdict(records(every)[2], METRIC).startswith("better where it stood *")


def test_the_whole_way_is_told_over_the_paths_own_seeds() -> None:
    _, main = loaded()
    trials, arms = path_trials()
    path = replace(path_of(main), trials=trials, arms=arms, wanted=20, seeds=list(range(5)))
    named = {main.chosen: "x=1+y=2+z=3"}
    told = next(iter(lead(Analysis(replace(main, path=path, chosen=named[main.chosen])))))
    wide = trials.pivot(index="seed", columns="arm", values="value")
    test = stats.ttest_rel(wide["x=1+y=2+z=3"], wide["baseline"])
    ends = test.confidence_interval(0.95)
    mean = (wide["x=1+y=2+z=3"] - wide["baseline"]).mean()
    sure = f"{METRIC.difference(mean)} ({METRIC.interval(ends.low, ends.high)})".replace("+", "")
    assert told == f"On 5 fresh seeds x=1+y=2+z=3 beats the baseline by {sure}."


def test_a_change_that_could_not_be_taken_back_alone_is_named() -> None:
    trials, arms = path_trials()
    fewer = arms.assign(without=pd.Series([(), (), (), (("x",),)], index=arms.index))
    assert never_taken_back(fewer) == ["y=2+z=3"]
    rows = path_effects(trials, fewer, 0.005)
    assert list(rows["step"]) == ["0", "1", "2", "leave-one-out"]


def test_the_paths_of_a_storage_are_told_step_by_step() -> None:
    _, main = loaded()
    path = path_of(main)
    rows = path_effects(path.trials, path.arms, path.margin)
    made = rows[is_step(rows)]
    assert made["arm"].iloc[0] == "baseline"
    assert made["arm"].iloc[-1] == main.chosen
    back = rows[rows["step"] == "leave-one-out"]
    assert set(back["change"]) == set(made["change"][1:])
    assert set(back["against"]) == {main.chosen}
    changed = set(made["change"].iloc[1:])
    best = path.arms.set_index("arm").loc[main.chosen, "changes"]
    assert {part for change in changed for part in change.split("+")} == set(str(best).split("+"))


@pytest.mark.slow
def test_the_report_of_a_confirmed_search_is_built_twice_the_same(
    storage: RDBStorage, tmp_path: Path
) -> None:
    confirmed(storage)
    written, again = (
        write_report(load_study(storage, STUDY), tmp_path / name) for name in ("one", "two")
    )
    for path, twin in zip(written.files, again.files, strict=True):
        assert path.read_bytes() == twin.read_bytes(), path.name


@pytest.mark.slow
def test_the_report_of_a_confirmed_search(storage: RDBStorage, tmp_path: Path) -> None:
    confirmed(storage)
    table, main = study(storage)
    written = write_report(table, tmp_path / "one", draw=in_outline)
    names = {path.name for path in written.files}
    assert {"confirmed.csv", "path.csv", "path.png"} <= names
    assert {"effects.png", "history.png", "factor_hidden_size.png"} <= names
    number = short_names(main)[main.chosen]
    first = f"Chosen, as the best of the confirmation: {number} ({main.chosen}), "
    assert written.answer[1].startswith(first)
    assert any(line.startswith("On the path there, change by change: ") for line in written.answer)
    trials = path_of(main).trials.pivot(index="seed", columns="arm", values="value")
    gained = paired_test(trials[main.chosen] - trials["baseline"])
    assert gained.why_not  # the made-up trainings of an arm differ by the same amount
    whole = f"On 3 fresh seeds {number} is {METRIC.difference(gained.mean)} from the baseline: "
    assert written.answer[0].startswith(whole)
    assert written.answer[0].endswith(", which is optimistic.")
    found = pd.read_csv(tmp_path / "one" / "effects.csv")
    assert list(found["arm"]) == list(main.arms["arm"])
    assert list(found["n"]) == [3] * len(main.arms)
    text = (tmp_path / "one" / "report.md").read_text(encoding="utf-8")
    for heading in ("## Found and confirmed", "## The path to the chosen", "## The search"):
        assert heading in text
    assert main.path
    for stage, part in (("search", table), ("confirmation", main), ("path", main.path)):
        assert f"{stage}: {part.wanted} of {part.wanted} trials finished" in text


@pytest.mark.slow
def test_people_are_told_of_what_was_drawn_by_its_number(tmp_path: Path) -> None:
    table, main = loaded()
    numbers = short_names(main)
    drawn = main.arms[main.arms["arm"] == main.arms["changes"]]["arm"]
    assert set(numbers) == set(drawn)
    assert len(numbers) == 2
    written = write_report(table, tmp_path, figures=False)
    said = " ".join(written.answer)
    for arm, number in numbers.items():
        assert said.count(arm) == (arm == main.chosen)  # spelled out once
        assert number in said
        assert f"{number} of the search: {arm}" in written.arms.note
        assert f"\n- {number}: {arm} (trial {number[1:]} of" in _text(tmp_path / "report.md")
    told = [row[0] for row in written.arms.rows]
    assert told == [numbers.get(arm, arm) for arm in main.arms["arm"]]
    (found, _) = confirmed_parts(Analysis(table))
    assert found.table
    assert {row[0] for row in found.table.rows} == set(told)
    for name in ("trials.csv", "epochs.csv", "effects.csv", "confirmed.csv"):
        assert set(drawn) <= set(pd.read_csv(tmp_path / name)["arm"]), name
    assert Analysis(main).told.labels == {
        number: f"{number} {arm}" for arm, number in numbers.items()
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.slow
def test_what_each_stage_ran_on_is_told_where_that_differs(
    storage: RDBStorage, tmp_path: Path
) -> None:
    confirmed(storage)
    table, main = study(storage)
    assert provenance(table) == table.environment == main.environment
    save_study(storage, NAME, {"device": "cuda", "environments": [{"gpu": "a GPU"}]})
    table, main = study(storage)
    write_report(table, tmp_path, figures=False)
    ran = {"search": table.environment, "confirmation": main.environment}
    assert json.loads((tmp_path / "environment.json").read_text()) == ran
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for line in ("| search.device | cpu |", "| confirmation.gpu | a GPU |"):
        assert line in text
    for device, more in (("cpu", " --no-confirm"), ("cuda", "")):
        assert f"--device {device} --precision fp32 --threads 1{more}`: " in text


OTHER = "[search]\ntraining = { epochs = 1, train_size = 300 }"
SAME = CONFIRM.replace("training = { epochs = 2, train_size = 100 }", "")
LENGTHS = [
    (SAME, ""),
    (SAME.replace("[search]", OTHER), "other"),
    (SAME.replace("[search]", "[search]\ntraining = { epochs = 3, train_size = 200 }"), ""),
    (SAME.replace("[search]", "[search]\ntraining = { train_size = 100 }"), "shorter"),
    (SAME.replace("[search]", "[search]\ntraining = { epochs = 4 }"), "longer"),
]


def check_lengths(table: StudyTable, length: str) -> None:
    """Whether the words on a confirmation say that the search's trainings had this length."""
    whole = Analysis(table)
    (luck,) = (line for line in sentences(whole) if line.startswith("In the search's single"))
    (found, _) = confirmed_parts(whole)
    optimism = whole.found_against_confirmed.set_index("arm")["optimism"]
    arms = whole.main.table.arms
    mean = float(optimism[arms.loc[arms["arm"] == arms["changes"], "arm"]].mean())
    how = "better" if mean > 0 else "worse"
    looked = f"looked {100 * abs(mean):.2f} points {how}, on average, than on fresh seeds"
    if alike := abs(mean) < 5e-5:
        looked = "looked as good, on average, as on fresh seeds"
    full = " at full length" if length == "shorter" else ""
    assert f"the 2 arms that it selected {looked}{full}." in luck
    assert (f"the {length} length" in luck.lower()) is (bool(length) and not alike)
    assert ("election" in luck) is (mean > 5e-5)
    told = {"": "training. ", "other": "training, of another length than confirmed. "}
    start = told.get(length, f"training, {length} than confirmed. ")
    assert found.lines[0].startswith(f"Found: the search's one {start}")
    assert "short training" not in " ".join([luck, *found.lines])


@pytest.mark.parametrize(
    ("epochs", "images", "length"),
    [(3, 200, ""), (2, 200, "shorter"), (4, 200, "longer"), (1, 300, "other")],
)
def test_a_length_is_said_to_differ_only_where_it_does(
    epochs: int, images: int, length: str
) -> None:
    table, _ = loaded()  # confirmed with 3 epochs on 200 images
    trials = table.trials.assign(epochs=epochs, train_size=images)
    check_lengths(replace(table, trials=trials), length)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "length"),
    [(CONFIRM, "shorter"), *(pytest.param(*each, marks=pytest.mark.slow) for each in LENGTHS)],
)
def test_lengths_are_said_to_differ_only_where_they_do(
    text: str, length: str, storage: RDBStorage
) -> None:
    confirmed(storage, text=text)
    table, _ = study(storage)
    check_lengths(table, length)
    record_of_search, record_of_it = load_record(storage, STUDY), load_record(storage, NAME)
    about = sentence(replace(record_of_it, path=None), record_of_search)
    assert ("at full length" in about) is (length == "shorter")


@pytest.mark.slow
def test_test_figures_are_not_shown_before_the_choice(storage: RDBStorage, tmp_path: Path) -> None:
    confirmed(storage, 1)
    table, main = study(storage)
    assert not main.chosen
    assert main.trials[["test_value", "test_loss"]].isna().all(axis=None)
    folder = write_report(table, tmp_path, figures=False).folder
    told = "Test figures are not shown before a setting has been chosen."
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text("utf-8")
        assert told in text
        assert "test accuracy" not in text
    assert pd.read_csv(folder / "trials.csv")["test_accuracy"].isna().all()
    assert pd.read_csv(folder / "effects.csv")["test_mean"].isna().all()
    assert not (folder / "confusion.csv").exists()
    assert all("test_accuracy" in row.attributes for row in read_trials(storage, NAME))  # kept
    begun = confirmation(storage, STUDY, load_record(storage, STUDY), load_record(storage, STUDY))
    assert begun is not None
    begin(storage, begun, NAME)
    table, main = study(storage)
    assert main.trials["test_value"].notna().all()
    folder = write_report(table, tmp_path, figures=False).folder
    text = (folder / "report.md").read_text("utf-8")
    assert told not in text
    assert "test accuracy" in text
    assert (folder / "confusion.csv").exists()


@pytest.mark.slow
def test_what_did_not_finish_is_told_stage_by_stage(storage: RDBStorage, tmp_path: Path) -> None:
    """Every stage numbers its own trials, so a number alone says nothing."""
    pruner = 'pruner = { name = "median" }'
    search = begin(storage, record(CONFIRM.replace("trials   = 6", f"trials   = 12\n{pruner}")))
    source = SearchSource(storage, STUDY, search)
    while task := source.next():
        end(source, task, "COMPLETE" if task.number < 4 else "PRUNED")
    wanted = confirmation(storage, STUDY, search, search)
    assert wanted is not None
    begin(storage, wanted, NAME)
    run_all(DesignedSource(storage, NAME, wanted, wanted.stages), 6)  # fewer than the search's
    table = load_study(storage, STUDY)
    stopped = table.trials["state"] == "PRUNED"
    assert table.confirmation is not None
    assert set(table.trials.loc[stopped, "number"]) - set(table.confirmation.epochs["number"])
    assert set(table.trials.loc[stopped, "number"]) & set(table.confirmation.epochs["number"])
    folder = write_report(table, tmp_path, figures=False).folder
    for page in ("report.md", "report.html"):
        text = (folder / page).read_text("utf-8")
        assert f"{stopped.sum()} stopped by the pruner." in text
        assert "no reason was recorded" not in text
    lines = (folder / "report.md").read_text("utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith("| PRUNED"))
    assert row.split(" | ")[1:3] == ["stopped early by the pruner", str(stopped.sum())]


@pytest.mark.slow
@pytest.mark.parametrize("parts", [0, 1])
def test_the_report_of_a_search_that_is_not_yet_confirmed(
    parts: int, storage: RDBStorage, tmp_path: Path
) -> None:
    confirmed(storage, parts)
    table = load_study(storage, STUDY)
    written = write_report(table, tmp_path, figures=False)
    names = {path.name for path in written.files}
    assert ("confirmed.csv" in names) is (parts == 1)
    assert "path.csv" not in names
    if parts:
        assert table.confirmation is not None
        assert table.confirmation.path is None
        assert written.answer[0].startswith("Not chosen yet")
    else:
        assert table.confirmation is None
        assert "Chosen" not in " ".join(written.answer)


@pytest.mark.slow
def test_a_confirmation_that_has_only_begun(storage: RDBStorage, tmp_path: Path) -> None:
    search = begin(storage, record(CONFIRM))
    run_all(SearchSource(storage, STUDY, search))
    wanted = confirmation(storage, STUDY, search, search)
    assert wanted is not None
    begin(storage, wanted, NAME)
    table = load_study(storage, STUDY)
    assert table.confirmation is None
    written = write_report(table, tmp_path, figures=False)
    assert "No trial has finished" not in " ".join(written.answer)
    assert written.answer[-1] == "What it found is being confirmed: 0 of 12 trainings have ended."
    assert "being confirmed: 0 of 12" in (tmp_path / "report.md").read_text()
    source = DesignedSource(storage, NAME, wanted, wanted.stages)
    task = source.next()
    assert task is not None
    end(source, task, "FAIL")
    assert load_study(storage, STUDY).confirmation is not None  # whose failures are told


@pytest.mark.slow
def test_a_path_that_is_under_way_is_preliminary(storage: RDBStorage) -> None:
    source = path_source(storage)
    run_all(source, 3)
    table, main = study(storage)
    (_, path) = confirmed_parts(Analysis(table))
    assert any(f"Preliminary: 3 of {path_of(main).wanted}" in line for line in path.lines)
    assert "On the path" not in " ".join(sentences(Analysis(table)))  # no seed has all of its steps
    run_all(source, 2 * len(path_of(main).arms) - 2)  # two whole seeds, and one training more
    table, main = study(storage)
    (told,) = (line for line in sentences(Analysis(table)) if line.startswith("On the path"))
    assert "(" not in told
    found = confirmed_parts(Analysis(table))[1].files["path.csv"]
    assert set(found["n"]) == {2}
    assert found["delta"].notna().sum() == len(found) - 1  # all but the baseline's
    assert found[["ci_low", "ci_high", "p_value", "p_holm"]].isna().all(axis=None)
    assert set(found["verdict"]) == {""}
    assert not any("optimistic" in line for line in sentences(Analysis(table))[:1])


@pytest.mark.slow
def test_a_path_ends_with_its_last_training_even_if_it_fails(storage: RDBStorage) -> None:
    source = path_source(storage)
    step = load_record(storage, NAME).stages[1].arms[1].name
    while task := source.next():
        end(source, task, "FAIL" if task.arm == step else "COMPLETE")
    table, main = study(storage)
    said = sentences(Analysis(table))
    assert any("(not tested)" in line for line in said)
    failures = f"3 of the path's {path_of(main).wanted} trainings failed; --retry-failed"
    assert any(line.startswith(failures) for line in said)
    assert not any("preliminary" in line for line in said)


def test_an_edge_is_that_of_the_chosen_setting() -> None:
    table, _ = loaded()
    assert not list(at_the_edge(Analysis(table), "baseline"))  # nobody drew it
    for arm, hidden in (table.arms.set_index("arm")["hidden_size"].iloc[1:]).items():
        said = [
            line
            for line in at_the_edge(Analysis(table), str(arm))
            if line.startswith("hidden_size")
        ]
        assert all("end of what was tried, 64 to 384." in line for line in said)
        ends = {text_of(table.factors["hidden_size"]["range"][end]) for end in ("low", "high")}
        assert bool(said) == (str(hidden) in ends), arm
        assert all("of the chosen setting" in line for line in said)


@pytest.mark.slow
def test_what_the_search_has_to_tell_stays_told(storage: RDBStorage) -> None:
    confirmed(storage)
    save_study(storage, STUDY, {"exhausted": 4})
    whole = Analysis(study(storage)[0])
    said = answer(whole.main.told, sentences(whole))
    assert said[-1].startswith("The search ended after 4 of 6 trials")
    assert content(whole, [])["table"].notes[-1] == said[-1]


NO_PATH = ["Not shown: the space asks for none."]


def test_without_a_path_it_is_said_why() -> None:
    table, main = loaded()
    (_, path) = confirmed_parts(Analysis(replace(table, confirmation=replace(main, path=None))))
    assert path.lines == NO_PATH


@pytest.mark.slow
def test_a_path_left_out_says_so(storage: RDBStorage) -> None:
    confirmed(storage, text=f"{CONFIRM}path_seeds = 0\n")
    table, main = study(storage)
    assert main.path is None
    (_, path) = confirmed_parts(Analysis(table))
    assert path.lines == NO_PATH


def test_the_table_to_paste_is_that_of_the_confirmation(
    storage: RDBStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(storage)
    _, main = study(storage)
    monkeypatch.chdir(tmp_path)
    words = ["report", NAME, "--table", "md", "--storage", url_of(storage)]
    answer = cli.call(*words)
    assert answer.code == 0, answer.err
    rows = [line for line in answer.out.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(main.arms)  # titles and the line below them
    assert "p (Holm)" in rows[0]
    assert any(main.chosen in row for row in rows)  # it has to stand alone
    assert f"{NAME} confirms what {STUDY} found; one report tells of both" in answer.out


def test_arms_that_looked_as_they_are_were_neither_better_nor_worse() -> None:
    table, main = loaded()
    flat = replace(main, trials=main.trials.assign(value=0.5))
    alike = replace(table, trials=table.trials.assign(value=0.5), confirmation=flat)
    said = sentences(Analysis(alike))
    (luck,) = (line for line in said if line.startswith("In the search's single"))
    assert luck.endswith("2 arms that it selected looked as good, on average, as on fresh seeds at "
                         "full length.")  # fmt: skip
    assert main.chosen
