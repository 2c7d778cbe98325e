"""What a study in the storage is a study of, and what may be added to it."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from ablation.design.loading import build
from ablation.storage import (
    StorageError,
    display_url,
    save_study,
    study_attributes,
    study_names,
    url_of,
)
from ablation.storage.record import Record, find_record, load_record, merge, note_look
from ablation.storage.studies import latest_study, own_studies
from tests.helpers.made.studies import ONE_FACTOR, SEARCH, begin, document, record


def changed(**changes: Any) -> str:
    return document({**tomllib.loads(ONE_FACTOR), **changes})


@pytest.mark.parametrize(
    "written",
    [
        record(device="cuda", precision="bf16", threads=3, environments=({"cpu": "A"},)),
        record(SEARCH),
        Record(build("tiny", ONE_FACTOR, overrides={"epochs": 1, "train_size": 50}), seeds=(3, 1)),
    ],
    ids=["one-factor", "search", "overridden"],
)
def test_a_record_is_read_back_as_it_was(written: Record, storage: RDBStorage) -> None:
    begin(storage, written)
    assert find_record(storage, "tiny") == written
    assert load_record(storage, "tiny") == written


def test_a_study_keeps_its_space_and_conditions(storage: RDBStorage) -> None:
    begin(storage, record(threads=2, precision="bf16"))
    found = study_attributes(storage, "tiny")
    assert found["space"] == ONE_FACTOR
    assert found["space_digest"] == hashlib.sha256(ONE_FACTOR.encode()).hexdigest()
    assert found["question"] == "What is asked?"
    assert (found["threads"], found["precision"], found["device"]) == (2, "bf16", "cpu")


def test_how_many_trials_a_study_wants() -> None:
    assert record().wanted == 3 * 2
    assert record(seeds=(0, 1, 2, 3)).wanted == 3 * 4
    assert record(SEARCH).wanted == 6


def test_no_record_of_what_was_never_begun(storage: RDBStorage) -> None:
    assert find_record(storage, "tiny") is None
    begun = record().attributes()
    del begun["format"]  # the last that is written
    save_study(storage, "tiny", begun)
    assert find_record(storage, "tiny") is None
    assert own_studies(storage) == []


@pytest.mark.parametrize("written", range(4))
def test_a_study_killed_while_it_was_begun_is_begun_again(
    written: int, storage: RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_attribute, left = storage.set_study_user_attr, written

    def killed(study_id: int, key: str, value: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise InterruptedError
        set_attribute(study_id, key, value)

    monkeypatch.setattr(storage, "set_study_user_attr", killed)
    with pytest.raises(InterruptedError):
        begin(storage, record())
    monkeypatch.undo()
    assert find_record(storage, "tiny") is None
    assert own_studies(storage) == []
    begin(storage, record())
    assert find_record(storage, "tiny") == record()
    assert study_names(storage) == ["tiny"]


def test_a_study_of_another_program_is_left_alone(storage: RDBStorage) -> None:
    optuna.create_study(study_name="theirs", storage=storage)
    with pytest.raises(StorageError, match=r"^study theirs: not one of this program's; choose --s"):
        find_record(storage, "theirs")


def test_a_study_of_another_format_is_refused(storage: RDBStorage) -> None:
    save_study(storage, "tiny", {**record().attributes(), "format": 2})
    with pytest.raises(StorageError, match="study tiny: its format is 2, this version reads 1"):
        find_record(storage, "tiny")


def test_half_a_copy_is_no_study(storage: RDBStorage) -> None:
    begin(storage, record())
    begin(storage, record(), "tiny (being copied)")
    assert own_studies(storage) == ["tiny"]
    assert latest_study(storage) == "tiny"


def test_an_unknown_study_gets_the_nearest_names(storage: RDBStorage) -> None:
    begin(storage, record(), "source")
    begin(storage, record(), "joint")
    with pytest.raises(StorageError) as caught:
        load_record(storage, "sorce")
    assert str(caught.value).startswith(f"no study sorce in {display_url(url_of(storage))}")
    assert str(caught.value).endswith("did you mean source? Valid: source, joint")


def test_the_latest_study_is_the_one_begun_last(storage: RDBStorage) -> None:
    with pytest.raises(
        StorageError, match=r"no study in .* yet; start with: python -m ablation run"
    ):
        latest_study(storage)
    for name in ("b", "c", "a"):
        begin(storage, record(), name)
    begin(storage, record(), "b")
    optuna.create_study(study_name="theirs", storage=storage)
    assert latest_study(storage) == "a"


# Going on with a study


def test_a_new_study_is_as_it_is_wanted() -> None:
    wanted = record()
    assert merge("tiny", None, wanted) is wanted


def test_a_study_keeps_its_conditions_and_notes_where_it_goes_on() -> None:
    stored = record(device="cuda", precision="bf16", threads=4, environments=({"cpu": "A"},))
    wanted = record(environments=({"cpu": "A"}, {"cpu": "B"}))
    found = merge("tiny", stored, wanted)
    assert (found.device, found.precision, found.threads) == ("cuda", "bf16", 4)
    assert found.environments == ({"cpu": "A"}, {"cpu": "B"})


def test_seeds_and_arms_are_added() -> None:
    stored = record(seeds=(0, 1))
    assert merge("tiny", stored, record(seeds=(0, 1, 2))).seeds == (0, 1, 2)
    assert merge("tiny", stored, record(seeds=(5, 1))).seeds == (0, 1, 5)
    more = record(changed(factors={"hidden_size": [32, 64], "dropout": [0.1]}), seeds=(0,))
    found = merge("tiny", stored, more)
    assert found.seeds == (0, 1)
    assert [arm.name for arm in found.plan.arms] == [
        "baseline", "hidden_size=32", "hidden_size=64", "dropout=0.1",
    ]  # fmt: skip
    assert found.wanted == 4 * 2


def test_trials_of_a_search_are_raised_and_never_lowered() -> None:
    assert merge("tiny", record(SEARCH), record(SEARCH, trials=9)).trials == 9
    assert merge("tiny", record(SEARCH), record(SEARCH, trials=3)).trials == 6


def test_words_may_change() -> None:
    anew = record(changed(question="What else?", note="A remark."))
    assert merge("tiny", record(), anew).plan.space.question == "What else?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed(margin=0.01), "margin: was 0.005, is 0.01"),
        (changed(seeds=[0]), "seeds: 1 gone"),
        (changed(factors={"dropout": [0.1]}), "arm hidden_size=64: gone"),
        (changed(baseline={"epochs": 3, "train_size": 100}), "arm baseline: epochs was 2, is 3"),
    ],
)
def test_a_changed_space_is_refused_with_what_changed(text: str, expected: str) -> None:
    with pytest.raises(StorageError) as caught:
        merge("tiny", record(), record(text))
    assert str(caught.value).startswith("study tiny: its space has changed (")
    assert expected in str(caught.value)
    assert str(caught.value).endswith("run it as a study of its own with --study NAME")


def test_other_overrides_are_refused() -> None:
    shorter = replace(record(), plan=build("tiny", ONE_FACTOR, overrides={"epochs": 1}))
    with pytest.raises(StorageError, match=r"overrides: were {}, are {'epochs': 1}"):
        merge("tiny", record(), shorter)


def test_each_number_of_trials_is_one_look(storage: RDBStorage) -> None:
    begin(storage, record())
    assert note_look(storage, "tiny", 0) == ()  # nothing can be tested
    assert note_look(storage, "tiny", 3) == (3,)
    assert note_look(storage, "tiny", 3) == (3,)
    assert note_look(storage, "tiny", 5) == (3, 5)
    assert load_record(storage, "tiny").looks == (3, 5)
    assert merge("tiny", load_record(storage, "tiny"), record()).looks == (3, 5)
