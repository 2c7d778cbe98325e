"""What a storage may hold that no version wrote: one line each, and no commands for terminals."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ablation.errors import printable
from ablation.storage import UnreadableError
from ablation.storage.attributes import checked_trials
from ablation.storage.record import load_record
from crnn.objective import objective
from tests.helpers.commands import cli
from tests.helpers.made.studies import (
    ONE_FACTOR,
    STUDY,
    designed,
    finished_study,
    new_storage,
    outcome,
    record,
    run_all,
)

pytestmark = pytest.mark.usefixtures("lean")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[RDBStorage]:
    """The storage of a results folder, with a study that has ended."""
    opened = finished_study(tmp_path / "results")
    yield opened
    opened.engine.dispose()


def change(storage: RDBStorage, query: str, **values: object) -> None:
    with storage.engine.begin() as connection:
        assert connection.execute(sqlalchemy.text(query), values).rowcount


ATTRIBUTE = "UPDATE trial_user_attributes SET value_json = :value WHERE key = :key AND trial_id = 1"
FAULTS = [
    ("UPDATE trials SET state = 'LOST' WHERE number = 0", {}, "its state is LOST; there are"),
    ("UPDATE trials SET datetime_start = 'noon' WHERE number = 0", {}, "a trial's start or end: "),
    ("UPDATE trials SET datetime_complete = '' WHERE number = 0", {}, "a trial's start or end: "),
    ("UPDATE trials SET datetime_start = 5 WHERE number = 0", {}, "a trial's start or end: "),
    ("UPDATE trials SET datetime_complete = 1e999 WHERE number = 0", {}, "a trial's start or end"),
    ("UPDATE trial_values SET value = ' ' WHERE trial_id = 1", {}, "its value is ' ', which is no"),
    (ATTRIBUTE, {"key": "macs", "value": "9" * 400}, "attribute macs: must be"),
    (ATTRIBUTE, {"key": "parameters", "value": str(10**16)}, "attribute parameters: must be"),
    (ATTRIBUTE, {"key": "seconds", "value": "1e300"}, "attribute seconds: must be"),
    (ATTRIBUTE, {"key": "seed", "value": "1e400"}, "attribute seed: must be"),
]


@pytest.mark.parametrize(("query", "values", "expected"), FAULTS)
def test_what_cannot_be_is_one_line(
    query: str, values: dict[str, str], expected: str, stored: RDBStorage, tmp_path: Path
) -> None:
    change(stored, query, **values)
    words = ["--results", str(tmp_path / "results")]
    with pytest.raises(UnreadableError, match=f"study {STUDY}.*{expected}"):
        checked_trials(stored, STUDY)
    answer = cli.call("report", STUDY, *words)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert expected in line
    assert "another version wrote it, or somebody changed it" in line


@pytest.mark.slow
def test_a_history_of_more_epochs_than_the_setting_has(stored: RDBStorage, tmp_path: Path) -> None:
    (first, *_) = checked_trials(stored, STUDY)
    epoch = first.attributes["history"][0]
    history = [{**epoch, "epoch": number + 1} for number in range(100_000)]
    change(stored, ATTRIBUTE, key="history", value=json.dumps(history))
    begun = time.monotonic()
    answer = cli.call("report", STUDY, "--results", str(tmp_path / "results"))
    assert time.monotonic() - begun < 30
    assert "trial 0: attribute history: more epochs than its setting has" in answer.err


OF_OPTUNA = [
    ("UPDATE study_directions SET direction = 'x'", ["copy"]),
    ("DELETE FROM study_directions", ["copy"]),
    ("UPDATE trials SET state = 'LOST' WHERE number = 0", ["run", "copy"]),
    ("UPDATE trials SET datetime_start = 5 WHERE number = 0", ["run", "copy", "status"]),
    pytest.param(
        "UPDATE trial_values SET value = ' ' WHERE trial_id = 1",
        ["run", "copy", "status"],
        marks=pytest.mark.slow,
    ),
    ("UPDATE trial_values SET value_type = 'x' WHERE trial_id = 1", ["copy"]),
    ("UPDATE trial_params SET distribution_json = '{' WHERE trial_id = 1", ["copy"]),
    ("UPDATE trial_user_attributes SET value_json = '{' WHERE trial_id = 1", ["copy", "status"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("query", "commands"), OF_OPTUNA)
def test_what_optuna_could_not_read_is_one_line(
    query: str, commands: list[str], stored: RDBStorage, tmp_path: Path
) -> None:
    change(stored, query)
    stored.engine.dispose()
    space = tmp_path / "tiny.toml"
    space.write_text(ONE_FACTOR, encoding="utf-8")
    words = {
        "copy": ["copy", STUDY, str(tmp_path / "copy.db")],
        "run": ["run", str(space), "--seeds", "3", "--executor", "debug"],
        "status": ["status"],
    }
    for command in commands:
        answer = cli.call(*words[command], "--results", str(tmp_path / "results"))
        assert (command, answer.code, answer.err.count("\n")) == (command, 2, 1)
        assert f"study {STUDY}" in answer.err


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_storage(kind: str, stored: RDBStorage, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    (os.mkfifo if kind == "pipe" else Path.mkdir)(target)
    answer = cli.call("copy", STUDY, str(target), "--results", str(tmp_path / "results"))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert str(target) in answer.err


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt\x9b31m"


@pytest.mark.slow
def test_a_terminal_is_sent_no_commands(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    opened = new_storage(results)
    source = designed(opened)
    task = source.next()
    assert task
    state, _, found = outcome(task, "FAIL")
    source.finish(task, state, None, {**found, "failure": f"ValueError: {HOSTILE}"})
    run_all(source)
    assert load_record(opened, STUDY)
    study_id = opened.get_study_id_from_name(STUDY)
    opened.set_study_user_attr(study_id, "environments", [{"cpu": HOSTILE}])
    opened.engine.dispose()
    for words in (["status", STUDY], ["report", STUDY], ["report", STUDY, "--table", "md"],
                  ["report", STUDY, "--table", "tex"]):  # fmt: skip
        answer = cli.call(*words, "--results", str(results))
        assert answer.code == 0, answer.err
        assert not [c for c in answer.out if not c.isprintable() and c != "\n"]
    assert "\\x1b]0;owned" in cli.call("status", STUDY, "--results", str(results)).out


def test_what_is_printed_of_a_text() -> None:
    assert printable("a\x1bb\nc\x9bé실\u202e") == "a\\x1bb\nc\\x9bé실\\u202e"


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "postgres//person:secret@host/studies",
        "postgresql:/person:secret@host/studies",
        "postgresql+psycopg;//person:secret@host",
        "person:secret@host/studies",
        "postgresql://person:secret@host:secret/x",
        "postgre sql://person:secret@host/x",
        "://person:secret@host",
    ],
)
@pytest.mark.parametrize("words", [["status"], ["dashboard"], ["plan", "quick"], ["run", "smoke"]])
def test_of_a_url_that_is_none_nothing_is_shown(
    words: list[str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in (["--storage", url], [f"--storage={url}"]):
        answer = cli.call(*words, *given)
        assert answer.code == 2
        assert "--storage: not a URL" in answer.err
        assert "secret" not in answer.err + answer.out
    monkeypatch.setenv("CRNN_STUDY_STORAGE", url)
    assert "secret" not in cli.call(*words).err
    assert not list(tmp_path.iterdir())


URL = "postgresql://person:secret@127.0.0.1:1/none"


def test_a_password_among_the_words_of_a_command_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["--storage", URL], [f"--storage={URL}"], ["--storage", f"{URL}?password=x"]):
        err = cli.call("status", *words).err
        assert err.startswith("note: whoever lists this machine's processes sees the password;")
        assert "CRNN_STUDY_STORAGE" in err
        assert "secret" not in err
    monkeypatch.setenv("CRNN_STUDY_STORAGE", URL)
    assert "note:" not in cli.call("status").err
    monkeypatch.delenv("CRNN_STUDY_STORAGE")
    assert "note:" not in cli.call("status", "--storage", URL.replace(":secret", "")).err


# Names that pandas takes for something else

NAMES = ["NA", "nan", "null", "None", "1e5", "007", "True", "Inf", "2024-01-02", "N_A"]


@pytest.mark.slow
def test_arms_that_are_named_as_no_value_is(tmp_path: Path) -> None:
    from ablation.report.data.csv_file import read_csv
    from ablation.report.data.loading import load_trials
    from ablation.report.data.trial_frames import text_columns

    arms = "\n".join(
        f'"{n}" = {{ set = {{ hidden_size = {20 + i} }} }}' for i, n in enumerate(NAMES)
    )
    results = tmp_path / "results"
    results.mkdir()
    opened = new_storage(results)
    run_all(designed(opened, record(f"{ONE_FACTOR}[arms]\n{arms}\n")))
    opened.engine.dispose()
    assert cli.call("report", STUDY, "--results", str(results)).code == 0
    expected = ["baseline", "hidden_size=64", "dropout=0.1", *NAMES] * 2
    assert list(load_trials(results / "studies.db", STUDY)["arm"]) == expected
    assert list(load_trials(results / STUDY / "trials.csv")["arm"]) == expected
    assert list(read_csv(results / STUDY / "trials.csv")["arm"]) == expected
    effects = read_csv(
        results / STUDY / "effects.csv", ["arm", "against", *text_columns(objective)]
    )
    assert set(effects["arm"]) == set(expected)
    page = (results / STUDY / "report.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| {name.replace('_', '_')} |" in page
