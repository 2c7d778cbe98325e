"""Real studies on real data, as a person runs them: each command a process of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ablation.folders import ENVIRONMENT_VARIABLE
from ablation.report import mark
from ablation.report.data.loading import load_trials
from ablation.report.data.trial_frames import epoch_columns, trial_columns
from ablation.storage import TrialRow, opened_storage, read_trials, storage_url
from crnn.objective import objective
from tests.helpers import postgres
from tests.helpers.commands import cli
from tests.helpers.made.tiny import (
    SPACE,
    assert_gone,
    edited,
    options,
    processes,
    tables,
    wait_for_epoch,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("lean")]
in_both = pytest.mark.usefixtures("default_storage")


def test_what_a_run_leaves(undisturbed: Path, space: Path) -> None:
    folder = undisturbed / "tiny"
    trials = pd.read_csv(folder / "trials.csv")
    absent = objective.optional  # what only a study with averaged weights has
    assert list(trials.columns) == [c for c in trial_columns(objective) if c not in absent]
    assert list(trials["state"]) == ["COMPLETE"] * 4
    assert list(trials["number"]) == list(range(4))
    assert list(trials["arm"]) == ["baseline", "hidden_size=32"] * 2
    assert trials["test_accuracy"].between(0.05, 1).all()
    epochs = pd.read_csv(folder / "epochs.csv")
    assert list(epochs.columns) == [c for c in epoch_columns(objective) if c not in absent]
    assert len(epochs) == 16
    assert (folder / "space.toml").read_text(encoding="utf-8") == space.read_text(encoding="utf-8")
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert {"torch", "cpu", "precision", "device"} <= environment.keys()
    for name in ("report.html", "report.md", "plots/arms.png", "plots/factor_hidden_size.svg"):
        assert (folder / name).stat().st_size > 1000


def stored_in(results: Path, study: str = "tiny") -> pd.DataFrame:
    """The trials in the storage of commands that name none."""
    return load_trials(storage_url(None, results), study)


def trials_of(folder: Path, study: str) -> list[TrialRow]:
    with opened_storage(storage_url(None, folder / "results")) as storage:
        return read_trials(storage, study)


@pytest.fixture
def finished(default_storage: str, undisturbed: Path, tmp_path: Path) -> Path:
    """A results folder like `undisturbed`, its study in either storage."""
    folder = tmp_path / "results"
    shutil.copytree(undisturbed, folder)
    if default_storage == "postgresql":
        (folder / "studies.db").rename(tmp_path / "file.db")
        words = ["copy", "tiny", os.environ[ENVIRONMENT_VARIABLE]]
        copied = cli.run(*words, "--storage", "file.db", cwd=tmp_path)
        assert copied.code == 0, copied.err
        (folder / "tiny" / mark.NAME).unlink()  # of another storage
    return folder


def test_a_notebook_gets_the_same_table(finished: Path) -> None:
    from_file = pd.read_csv(finished / "tiny" / "trials.csv", keep_default_na=False, dtype=str)
    loaded = stored_in(finished)
    assert list(loaded.columns) == list(from_file.columns)
    assert list(loaded["val_accuracy"]) == [float(v) for v in from_file["val_accuracy"]]
    assert list(loaded["filter_sizes"]) == list(from_file["filter_sizes"])


def test_a_finished_study_trains_nothing(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    shutil.copytree(undisturbed, tmp_path / "results")
    before = cli.files(tmp_path / "results")
    again = cli.run(*command, cwd=tmp_path)
    assert again.code == 0
    assert "Nothing to do: 4 of 4 trials are complete." in again.out
    assert cli.files(tmp_path / "results") == before


def test_a_report_is_a_function_of_the_storage(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.WAY, "forked")  # with figures
    before = cli.files(finished / "tiny")
    shutil.rmtree(finished / "tiny")
    assert cli.run("report", "tiny", cwd=finished.parent).code == 0
    assert cli.files(finished / "tiny") == before


def test_two_at_a_time_give_the_same(undisturbed: Path, command: list[str], tmp_path: Path) -> None:
    answer = cli.run(*command, "--jobs", "2", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_replicates_trained_side_by_side_end_exactly_as_alone(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    answer = cli.run(*command, "--pack", "3", cwd=tmp_path)
    assert answer.code == 0, answer.err
    together = pd.read_csv(tmp_path / "results" / "tiny" / "trials.csv")
    assert together["fused"].tolist() == [3, 3, 3, 1]
    own = ("fused",)
    assert tables(tmp_path / "results", but=own) == tables(undisturbed, but=own)


@in_both
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_and_gone_on_with_it_ends_the_same(
    signum: signal.Signals,
    code: int,
    undisturbed: Path,
    command: list[str],
    tmp_path: Path,
) -> None:
    words = [*command, "--jobs", "2"]
    process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 3)
    process.send_signal(signum)
    stopped = cli.finish(process, timeout=30)
    assert stopped.code == code
    assert "nothing is lost. Go on with:" in stopped.out
    waiting = json.loads(cli.run("status", "tiny", "--json", cwd=tmp_path).out)
    assert waiting["running"] == 0
    assert waiting["complete"] < 4
    assert_gone(process.pid)
    assert cli.run(*words, cwd=tmp_path).code == 0
    assert tables(tmp_path / "results") == tables(undisturbed)


def test_more_seeds_add_only_the_new_ones(
    undisturbed: Path, default_storage: str, command: list[str], tmp_path: Path
) -> None:
    target = os.environ.get(ENVIRONMENT_VARIABLE, str(tmp_path / "results" / "studies.db"))
    words = ["copy", "tiny", target, "--storage", str(undisturbed / "studies.db")]
    copied = cli.run(*words, cwd=tmp_path)
    assert copied.code == 0, copied.err
    words = [*command, "--seeds", "3", "--jobs", "2"]
    assert cli.run(*words, cwd=tmp_path).code == 0
    before = load_trials(undisturbed / "studies.db", "tiny")
    after = stored_in(tmp_path / "results")
    assert list(after["seed"]) == [0, 0, 1, 1, 2, 2]
    pd.testing.assert_frame_equal(after[:4], before)


def test_a_diverged_training_is_told_and_the_others_go_on(full_data: Path, tmp_path: Path) -> None:
    space = tmp_path / "bad.toml"
    text = edited(SPACE, ("epochs      = 4", "epochs      = 1"))
    values = "learning_rate = 10.0, weight_decay = 10.0, optimizer = 'sgd'"  # weights x -99 a step
    space.write_text(f"{text}[arms]\nwild = {{ set = {{ {values} }} }}\n", encoding="utf-8")
    words = ["run", str(space), *options(full_data), "--seeds", "1"]
    first = cli.run(*words, cwd=tmp_path)
    assert first.code == 0
    assert "1 diverged" in first.out
    found = json.loads(cli.run("status", "bad", "--json", cwd=tmp_path).out)
    assert (found["complete"], found["failed"], found["diverged"]) == (2, 0, 1)
    assert found["failures"] == []
    assert [(each["arm"], each["epoch"]) for each in found["divergences"]] == [("wild", 1)]
    failed = [row for row in trials_of(tmp_path, "bad") if row.state == "FAIL"]
    assert "DivergedError: the loss is" in failed[0].attributes["traceback"]
    trials = pd.read_csv(tmp_path / "results" / "bad" / "trials.csv")
    assert trials["failure"].str.contains("DivergedError").sum() == 1
    assert list(trials["diverged"].dropna()) == [1]
    assert "wild" in (tmp_path / "results" / "bad" / "report.md").read_text(encoding="utf-8")
    assert cli.run(*words, cwd=tmp_path).out.startswith("Nothing to do")
    again = cli.run(*words, "--retry-failed", cwd=tmp_path)
    assert again.code == 0
    assert len(trials_of(tmp_path, "bad")) == 3


def test_failed_trials_are_told_and_made_good_on_request(full_data: Path, tmp_path: Path) -> None:
    space = tmp_path / "bad.toml"
    text = edited(SPACE, ("epochs      = 4", "epochs      = 1"))
    space.write_text(text, encoding="utf-8")
    in_the_way = tmp_path / "results" / "bad" / "weights"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    words = ["run", str(space), *options(full_data), "--seeds", "1", "--keep-weights"]
    first = cli.run(*words, cwd=tmp_path)
    assert first.code == 3
    assert "2 failed" in first.out
    found = json.loads(cli.run("status", "bad", "--json", cwd=tmp_path).out)
    assert (found["complete"], found["failed"]) == (0, 2)
    assert "weights" in found["failures"][0]["reason"]
    assert cli.run(*words, cwd=tmp_path).out.startswith("Nothing to do")
    in_the_way.unlink()
    again = cli.run(*words, "--retry-failed", cwd=tmp_path)
    assert again.code == 0
    states = [row.state for row in trials_of(tmp_path, "bad")]
    assert states == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]


def test_a_timeout_starts_nothing_new(command: list[str], tmp_path: Path) -> None:
    words = [*command, "--jobs", "1"]
    answer = cli.run(*words, "--timeout", "1s", cwd=tmp_path)
    assert answer.code == 0
    assert "3 trials are left; the same command goes on with them." in answer.out


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_search_ends_with_the_trials_asked_for(
    sampler: str, full_data: Path, tmp_path: Path
) -> None:
    text = (cli.ROOT / "search_spaces" / "joint.toml").read_text(encoding="utf-8")
    text = text.replace('{ name = "tpe", n_startup_trials = 20 }', f'{{ name = "{sampler}" }}')
    space = tmp_path / "joint.toml"
    space.write_text(text, encoding="utf-8")
    words = ["run", str(space), "--trials", "5", "--epochs", "1", "--train-size", "500"]
    answer = cli.run(*words, "--no-confirm", *options(full_data), cwd=tmp_path)
    assert answer.code == 0, answer.err
    trials = stored_in(tmp_path / "results", "joint-epochs1-images500")
    tried = trials[trials["state"] != "PRUNED"]
    assert len(tried) == 5
    assert list(tried["arm"][:2]) == ["baseline", "source-best"]
    assert tried["test_accuracy"].isna().all()
    assert set(tried["stage"]) == {"search"}


def test_a_shortened_study_has_its_own_name(full_data: Path, tmp_path: Path) -> None:
    answer = cli.run("run", "smoke", "--train-size", "300", *options(full_data), cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert (tmp_path / "results" / "smoke-images300" / "report.html").exists()


def test_printed_commands_work_when_pasted(
    undisturbed: Path, command: list[str], tmp_path: Path
) -> None:
    shutil.copytree(undisturbed, tmp_path / "results")
    again = cli.run(*command, cwd=tmp_path)
    (printed,) = re.findall(r"optuna-dashboard: (.*)", again.out)
    words = shlex.split(printed)  # quoted where the project's own path needs it
    assert words[1].endswith("study.py")
    assert words[2:] == ["dashboard", "--results", "results"]
    pasted = subprocess.run(["sh", "-c", f"{printed} --help"], cwd=tmp_path, check=False)
    assert pasted.returncode == 0


def test_kept_weights_and_the_walk_through_a_trial(
    command: list[str], undisturbed: Path, full_data: Path, tmp_path: Path
) -> None:
    words = [*command, "--seeds", "1", "--jobs", "1"]
    first = cli.run(*words, "--timeout", "1s", cwd=tmp_path)
    assert first.code == 0, first.err
    unkept = cli.run("trace", "--trial", "tiny:0", *options(full_data), cwd=tmp_path)
    assert unkept.code == 2
    assert "trial 0 kept no weights" in unkept.err
    answer = cli.run(*words, "--keep-weights", cwd=tmp_path)
    assert answer.code == 0, answer.err
    kept = sorted(path.name for path in (tmp_path / "results" / "tiny" / "weights").iterdir())
    assert kept, "nothing was trained after the first run"
    lacking = 2 - len(kept)
    assert (
        f"Without weights, because trained before --keep-weights: {lacking} trials." in answer.out
    )
    number = re.findall(r"\d+", kept[-1])[0]
    walked = cli.run("trace", "--trial", f"tiny:{number}", *options(full_data), cwd=tmp_path)
    assert walked.code == 0, walked.err
    assert f"Trained: trial {number} of study tiny" in walked.out
    assert (tmp_path / "results" / "tiny" / "trace" / f"trial-{number}" / "trace.html").is_file()
    # Keeping weights changes nothing else.
    mine = stored_in(tmp_path / "results")
    theirs = load_trials(undisturbed / "studies.db", "tiny")
    theirs = theirs[theirs["seed"] == 0]
    assert mine["val_accuracy"].tolist() == theirs["val_accuracy"].tolist()


def test_a_storages_password_is_nowhere(
    full_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.WAY, "new")  # whose words are seen among the processes
    with postgres.server() as server:
        url = server.fresh()
        assert postgres.PASSWORD in url
        words = ["run", "smoke", "--train-size", "300", *options(full_data)]
        process = cli.start(*words, cwd=tmp_path, CRNN_STUDY_STORAGE=url)
        wait_for_epoch(process, 1)
        listed = "\n".join(processes(process.pid).values())
        process.send_signal(signal.SIGINT)
        stopped = cli.finish(process)
        assert stopped.code == 130
        again = cli.run(*words, "--storage", url, cwd=tmp_path)
        assert again.code == 0, again.err
        status = cli.run("status", "smoke-images300", "--json", "--storage", url, cwd=tmp_path)
    assert "spawn_main" in listed
    assert (
        "--storage 'postgresql+psycopg://crnn:***@/" in again.out
    )  # of the commands to go on with
    said = [answer.out + answer.err for answer in (stopped, again, status)]
    files = cli.files(tmp_path)
    assert "results/smoke-images300/environment.json" in files
    texts = [listed, *said, *(content.decode("latin-1") for content in files.values())]
    assert not [text for text in texts if postgres.PASSWORD in text]


CONFIRMED = """
format   = 1
question = "Which settings work best together?"
design   = "search"
[baseline]
hidden_size = 16
lstm_layers = 1
epochs      = 2
train_size  = 600
[factors]
hidden_size   = { low = 16, high = 48, step = 16 }
learning_rate = { low = 1e-3, high = 1e-2, log = true, role = "nuisance" }
[search]
trials   = 4
sampler  = { name = "random" }
training = { epochs = 1, train_size = 300 }
[confirm]
top   = 1
seeds = 2
"""


@in_both
def test_a_search_is_confirmed_and_its_path_trained(full_data: Path, tmp_path: Path) -> None:
    """In pieces: the search alone, a kill in the middle of its confirmation, then the rest."""
    (tmp_path / "tiny.toml").write_text(CONFIRMED, encoding="utf-8")
    words = ["run", "tiny.toml", *options(full_data), "--jobs", "1"]
    for folder in ("through", "pieces"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tiny.toml").write_text(CONFIRMED, encoding="utf-8")
    own = ["--storage", "results/studies.db"]
    through = cli.run(*words, *own, cwd=tmp_path / "through")
    assert through.code == 0, through.err
    assert "Confirming what the search found: 2 arms at full length x 2 fresh seeds" in through.out
    assert "Chosen, as the best of the confirmation: " in through.out
    trials = load_trials(tmp_path / "through" / "results" / "studies.db", "tiny")
    assert list(trials["stage"].unique())[:2] == ["search", "confirm"]
    assert (trials["state"] == "COMPLETE").all()
    assert (trials["epochs"] == trials["stage"].map({"search": 1}).fillna(2)).all()

    pieces = tmp_path / "pieces"
    alone = cli.run(*words, "--no-confirm", cwd=pieces)
    assert alone.code == 0, alone.err
    assert "Confirming" not in alone.out
    process = cli.start(*words, cwd=pieces)
    wait_for_epoch(process, 3)
    process.kill()
    process.communicate()
    again = cli.run(*words, cwd=pieces)
    assert again.code == 0, again.err
    names = ("trials.csv", "epochs.csv", "effects.csv", "confirmed.csv")
    assert tables(pieces / "results", names=names) == tables(
        tmp_path / "through" / "results", names=names
    )
    idle = cli.run(*words, cwd=pieces)
    assert "Nothing to do: " in idle.out
    assert not (pieces / "results" / "tiny" / "confirm").exists()
    more = cli.run(*words, "--trials", "9", cwd=pieces)
    assert more.code == 2
    assert "is being confirmed, so 9 trials would come too late" in more.err


def test_a_confirmation_can_run_elsewhere_than_its_search(full_data: Path, tmp_path: Path) -> None:
    space = tmp_path / "tiny.toml"
    space.write_text(CONFIRMED, encoding="utf-8")
    words = ["run", "tiny.toml", *options(full_data), "--jobs", "1"]
    search = cli.run(*words, "--no-confirm", "--threads", "1", cwd=tmp_path)
    assert search.code == 0, search.err
    confirm = cli.run(*words, "--threads", "2", cwd=tmp_path)
    assert confirm.code == 0, confirm.err
    trials = stored_in(tmp_path / "results")
    assert (trials["threads"] == trials["stage"].map({"search": 1}).fillna(2)).all()
    assert "Nothing to do: " in cli.run(*words, cwd=tmp_path).out
    space.write_text(f"{CONFIRMED}path_seeds = 3\n", encoding="utf-8")  # more to train
    other = cli.run(*words, "--threads", "1", cwd=tmp_path)
    assert other.code == 2
    assert "study tiny.confirm was begun with threads 2: leave --threads out" in other.err
