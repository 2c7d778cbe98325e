"""Where an arm comes from, and that names and notes are only shown; trainings are made up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.storages import RDBStorage

from ablation.design.arms import Arm
from ablation.design.origin import (
    Baseline,
    Drawn,
    Level,
    Named,
    Origin,
    Step,
    WithoutChange,
    having,
    kind,
)
from ablation.folders import confirm_name
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.data.study_table import StudyTable, stages
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.arms import grid_arms
from ablation.report.effects.confirmation import found_against_confirmed
from ablation.report.effects.contrasts import contrasts
from ablation.report.effects.effects import effects
from ablation.report.effects.replicates import replicates
from ablation.report.figures.cost import draw_cost
from ablation.report.write import Report, write_report
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.settings import text_of
from ablation.storage import UnreadableError, read_trials, save_study, study_attributes
from ablation.storage.record import Record, find_record, load_record
from ablation.storage.status import status
from tests.helpers.made.prepared import prepared
from tests.helpers.made.report_studies import METRIC
from tests.helpers.made.report_studies import study as made_study
from tests.helpers.made.studies import (
    HEAD,
    ONE_FACTOR,
    SEARCH,
    STUDY,
    begin,
    new_storage,
    record,
    run_all,
)

pytestmark = pytest.mark.usefixtures("lean")

NAME = confirm_name(STUDY)
NOTED = SEARCH.replace(
    "dropout = 0.1 } }",
    'dropout = 0.1 }, note = "trial 6 of the search of last spring" }\n'
    'small = { set = { hidden_size = 64 }, note = "step 2" }\n'
    'plain = { set = { dropout = 0.0 }, note = "leave-one-out: dropout" }',
)
CONFIRM = f"{NOTED.replace('trials   = 6', 'trials   = 9')}[confirm]\ntop = 2\nseeds = 3\n"
ALIKE = f"""{HEAD}
design = "search"
[baseline]
learning_rate = 0.0012345675
epochs     = 3
train_size = 200
[factors]
learning_rate = {{ low = 0.0012345671, high = 0.0012345679, log = true }}
hidden_size   = [128, 64]
[search]
trials   = 6
sampler  = {{ name = "random" }}
training = {{ epochs = 2, train_size = 100 }}
[confirm]
top = 3
seeds = 2
"""


def run(storage: RDBStorage, text: str) -> Record:
    """A search with its confirmation and path, to the end."""
    search = record(text)

    def fill() -> None:
        begin(storage, search)
        run_all(SearchSource(storage, STUDY, search))
        for _ in range(2):
            wanted = confirmation(storage, STUDY, search, search)
            assert wanted is not None
            begin(storage, wanted, NAME)
            run_all(DesignedSource(storage, NAME, wanted, wanted.stages))

    prepared(storage, (text,), fill)
    return search


def confirmed(storage: RDBStorage) -> tuple[StudyTable, StudyTable]:
    table = load_study(storage, STUDY)
    assert table.confirmation is not None
    return table, table.confirmation


def without_origins(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in arm.items() if key != "origins"} for arm in arms]


def as_before(storage: RDBStorage) -> None:
    """Make the confirmation one that was written before arms kept where they come from."""
    found = study_attributes(storage, NAME)
    notes = ["step 7; leave-one-out: nothing"] * len(found["path"]["arms"])
    arms = [{**a, "note": n} for a, n in zip(found["path"]["arms"], notes, strict=True)]
    path = {**found["path"], "arms": without_origins(arms)}
    save_study(storage, NAME, {"arms": without_origins(found["arms"]), "path": path})


# What each design gives


def test_every_arm_says_where_it_comes_from() -> None:
    named = "[arms]\nboth = { set = { hidden_size = 64, dropout = 0.1 } }\n"
    arms = record(ONE_FACTOR + named).plan.arms
    assert [arm.origins for arm in arms] == [(Baseline(),), (Level(),), (Level(),), (Named(),)]
    assert arms[-1].changes == {"hidden_size": 64, "dropout": 0.1}
    assert [kind(arm.origins) for arm in arms] == ["baseline", "level", "level", "named"]
    assert kind(()) == ""
    factorial = record(ONE_FACTOR.replace("one-factor", "factorial")).plan.arms
    assert {arm.origins for arm in factorial[1:]} == {(Level(),)}


@pytest.mark.slow
def test_a_confirmation_keeps_them_in_the_storage(storage: RDBStorage) -> None:
    search = run(storage, CONFIRM)
    stored = find_record(storage, NAME)
    assert stored is not None
    assert stored.path is not None
    assert [kind(arm.origins) for arm in stored.plan.arms] == [
        *("baseline", "named", "named", "named", "drawn", "drawn"),
    ]
    ranked = sorted(read_trials(storage, STUDY), key=lambda row: -(row.value or 0))
    for arm in stored.plan.arms[4:]:
        (draw,) = having(arm.origins, Drawn)
        assert draw.rank is not None
        assert ranked[draw.rank - 1].number == draw.trial
    steps = [step.number for arm in stored.path.arms for step in having(arm.origins, Step)]
    assert steps == list(range(1, len(steps) + 1))
    assert any(having(arm.origins, WithoutChange) for arm in stored.path.arms)
    again = confirmation(storage, STUDY, search, search)
    assert again == stored


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "fault"),
    [
        ({"kind": "found"}, "origins.0"),
        ({"kind": "drawn", "trial": -1, "rank": 1}, "trial"),
        ({"kind": "step", "number": 0}, "number"),
        ({"kind": "without_change", "names": []}, "names"),
    ],
)
def test_a_stored_origin_that_is_none_is_told(
    origin: dict[str, Any], fault: str, storage: RDBStorage
) -> None:
    run(storage, CONFIRM)
    arms = study_attributes(storage, NAME)["arms"]
    save_study(storage, NAME, {"arms": [{**arms[0], "origins": [origin]}, *arms[1:]]})
    with pytest.raises(UnreadableError, match=fault):
        load_record(storage, NAME)


# Notes and names are only shown


@dataclass(frozen=True)
class Reported:
    """A confirmed search, what its report says, and the folder with its files."""

    table: StudyTable
    report: Report
    folder: Path


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The report of a search whose arms have notes, without figures; not to be changed."""
    folder = tmp_path_factory.mktemp("reported")
    storage = new_storage(folder)
    run(storage, CONFIRM)
    table = load_study(storage, STUDY)
    storage.engine.dispose()
    return Reported(table, write_report(table, folder / "one", figures=False), folder / "one")


def test_an_authors_note_is_not_read(reported: Reported) -> None:
    main = reported.table.confirmation
    assert main is not None
    arms = main.arms.set_index("arm")
    assert list(arms["kind"][1:4]) == ["named"] * 3
    assert set(short_names(main)) == set(arms.index[arms["kind"] == "drawn"])
    shown = [row[0] for row in reported.report.arms.rows]
    assert shown[:4] == ["baseline", "wide", "small", "plain"]
    text = (reported.folder / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "(trial 6 of the search of last spring)" in text
    path = pd.read_csv(reported.folder / "path.csv")
    made = path[path["step"].str.isdigit()]
    assert list(path.loc[path["step"] == "named", "arm"]) == ["wide", "small", "plain"]
    assert list(made["step"]) == [str(place) for place in range(len(made))]
    assert made["arm"].iloc[-1] == main.chosen


def renamed(table: StudyTable, names: dict[str, str]) -> StudyTable:
    """A study and its later stages with arms called otherwise."""

    def called(rows: pd.DataFrame) -> pd.DataFrame:
        columns = [column for column in ("arm", "against") if column in rows]
        return rows.assign(**{column: rows[column].replace(names) for column in columns})

    later: dict[str, Any] = {
        name: renamed(stage, names)
        for name in ("confirmation", "path")
        if (stage := getattr(table, name)) is not None
    }
    return replace(
        table,
        arms=called(table.arms),
        trials=called(table.trials),
        epochs=called(table.epochs),
        confusion=called(table.confusion),
        chosen=names.get(table.chosen, table.chosen),
        **later,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["a+b=c", *(pytest.param(name, marks=pytest.mark.slow) for name in ("#4", "x less y"))]
)
def test_a_name_is_not_read(name: str, reported: Reported, tmp_path: Path) -> None:
    again = write_report(renamed(reported.table, {"wide": name}), tmp_path, figures=False)
    assert [row[0] for row in again.arms.rows][1] == name
    assert [line.replace("wide", name) for line in reported.report.answer] == again.answer
    for file in ("effects.csv", "confirmed.csv", "path.csv"):
        one, two = (pd.read_csv(folder / file) for folder in (reported.folder, tmp_path))
        pd.testing.assert_frame_equal(one.replace({"wide": name}), two)


def test_a_named_arm_is_one_whatever_it_is_called() -> None:
    one = made_study("one-factor", arms=10, seeds=3)
    two = renamed(one, {"concluded": "a+b=c"})
    sums = [contrasts(t.trials, t.arms, t.design, list(t.factors)) for t in (one, two)]
    assert list(sums[0]["term"]) == ["concluded less hidden_size=256 and dropout=0.1"]
    assert list(sums[1]["term"]) == ["a+b=c less hidden_size=256 and dropout=0.1"]
    grid = made_study("factorial", arms=4)
    named = grid.arms.assign(kind=["baseline", "named", *["level"] * (len(grid.arms) - 2)])
    assert list(grid_arms(named)["arm"]) == [*grid.arms["arm"][:1], *grid.arms["arm"][2:]]
    search = renamed(made_study("search", arms=40), {"source-best": "a+b=c"})
    found = Analysis(search)
    assert list(found.leading()["arm"][:2]) == ["baseline", "a+b=c"]
    costs = found.effects.assign(parameters=1, macs=1, seconds=1.0).head(3)
    drawn = set(search.arms.loc[search.arms["kind"] == "drawn", "arm"])
    figure = draw_cost(costs, found.short_names, METRIC, "image", drawn)
    assert any("a+b=c" in text.get_text() for text in figure.legends[0].get_texts())


# Storages of before


@pytest.mark.slow
def test_what_a_storage_of_before_lacks_is_found_without_its_notes(
    reported: Reported, sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    search = run(sqlite_storage, CONFIRM)
    whole = load_record(sqlite_storage, NAME)
    as_before(sqlite_storage)
    assert all(
        not arm.origins for stage in load_record(sqlite_storage, NAME).stages for arm in stage.arms
    )
    found = confirmation(sqlite_storage, STUDY, search, search)
    assert found is not None
    assert [arm.origins for arm in found.plan.arms] == [arm.origins for arm in whole.plan.arms]
    assert found.path is not None
    assert whole.path is not None
    kept = [first_of(arm) for arm in whole.path.arms]  # steps were no named arms as well
    assert [first_of(arm) for arm in found.path.arms] == kept
    write_report(load_study(sqlite_storage, STUDY), tmp_path, figures=False)
    for file in ("effects.csv", "confirmed.csv"):
        assert (tmp_path / file).read_text() == (reported.folder / file).read_text(), file
    one, two = (pd.read_csv(folder / "path.csv") for folder in (reported.folder, tmp_path))
    pd.testing.assert_frame_equal(one[one["step"] != "named"], two[two["step"] != "named"])


def first_of(arm: Arm) -> list[Origin]:
    """Where an arm of a path comes from, but for names that the steps have, too."""
    own: list[Origin] = [origin for origin in arm.origins if not isinstance(origin, Named)]
    return own or list(arm.origins)


def test_without_its_search_a_confirmation_has_its_path_and_no_numbers(
    storage: RDBStorage,
) -> None:
    run(storage, CONFIRM)
    as_before(storage)
    storage.delete_study(storage.get_study_id_from_name(STUDY))
    main = load_study(storage, NAME)
    assert list(main.arms["kind"]) == ["baseline", *["named"] * 3, "drawn", "drawn"]
    assert short_names(main) == {}
    assert main.path is not None
    assert main.path.arms["path_step"].max() >= 1


# Two settings of one name


def alike(storage: RDBStorage) -> list[str]:
    """The names of what the search drew."""
    return [row.attributes["arm"] for row in read_trials(storage, STUDY)[1:]]


@pytest.mark.slow
def test_two_settings_equal_to_six_digits_are_two_arms(
    sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    run(sqlite_storage, ALIKE)
    names = alike(sqlite_storage)
    assert len(set(names)) == len(names) == 5
    short = [name for name in names if name in ("learning_rate=0.00123457",)]
    assert len(short) == 1  # the first that was drawn
    table, main = confirmed(sqlite_storage)
    assert len(replicates(table.trials)) == 6
    assert len(replicates(main.trials)) == 4 * 2
    assert len(set(main.arms["arm"])) == 4
    rows = effects(main.trials, main.arms, main.margin)
    assert list(rows["n"]) == [2] * 4
    merged = found_against_confirmed(table.trials, rows)
    numbers = dict(zip(table.trials["arm"], table.trials["number"], strict=True))
    assert [numbers[arm] for arm in merged["arm"]] == list(merged["trial"])
    assert len(set(short_names(main).values())) == 3
    write_report(table, tmp_path, figures=False)
    assert len({row["arm"] for row in status(sqlite_storage, STUDY)["arms"]}) == 6
    for stage in stages(table):
        assert stage.arms["arm"].is_unique


@pytest.mark.slow
def test_a_storage_that_gave_them_one_name_tells_them_apart(
    sqlite_storage: RDBStorage, tmp_path: Path
) -> None:
    """As earlier versions wrote it: search, confirmation and its trials."""
    run(sqlite_storage, ALIKE)
    write_report(load_study(sqlite_storage, STUDY), tmp_path / "one", figures=False)
    long = {name for name in alike(sqlite_storage) if len(name.split("+")[0]) > 24}
    names = {name: "+".join(map(rounded, name.split("+"))) for name in long}
    assert names
    for study in (STUDY, NAME):
        for trial in sqlite_storage.get_all_trials(sqlite_storage.get_study_id_from_name(study)):
            arm = trial.user_attrs["arm"]
            set_arm(sqlite_storage, trial._trial_id, names.get(arm, arm))
    found = study_attributes(sqlite_storage, NAME)

    def called(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**arm, "name": names.get(arm["name"], arm["name"]),
             "against": names.get(arm["against"], arm["against"])}
            for arm in without_origins(arms)
        ]  # fmt: skip

    chosen = names.get(found["path"]["chosen"], found["path"]["chosen"])
    path = {**found["path"], "chosen": chosen, "arms": called(found["path"]["arms"])}
    save_study(sqlite_storage, NAME, {"arms": called(found["arms"]), "path": path})
    table, main = confirmed(sqlite_storage)
    assert len(replicates(table.trials)) == 6
    assert len(replicates(main.trials)) == 8
    write_report(table, tmp_path / "two", figures=False)
    for file in ("trials.csv", "effects.csv", "confirmed.csv", "path.csv", "report.md"):
        assert (tmp_path / "two" / file).read_text() == (tmp_path / "one" / file).read_text(), file
    assert len(status(sqlite_storage, STUDY)["arms"]) == 6
    assert not run_all(SearchSource(sqlite_storage, STUDY, load_record(sqlite_storage, STUDY)))


def rounded(part: str) -> str:
    name, value = part.split("=")
    return f"{name}={text_of(float(value)) if '.' in value else value}"


def set_arm(storage: RDBStorage, trial_id: int, arm: str) -> None:
    """Change an ended trial's attribute, which Optuna itself refuses."""
    from optuna.storages._rdb import models

    with storage.scoped_session() as session:
        row = (
            session.query(models.TrialUserAttributeModel)
            .filter_by(trial_id=trial_id, key="arm")
            .one()
        )
        row.value_json = f'"{arm}"'
