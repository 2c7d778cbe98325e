"""What `trace` shows: which network, in which folder, or why none; and which weights were kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.storages import RDBStorage

from ablation.cli.console import Output
from ablation.cli.outcome import print_weights
from ablation.errors import UserError
from ablation.scheduling.search import SearchSource
from crnn.trace.forward import network
from crnn.trace.subject import finished, untrained
from tests.helpers.commands import cli
from tests.helpers.made.prepared import prepared
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, end, record, run_all

LONG = {
    "filter_sizes": "[[5, 5, 5]]", "channels": "[[16, 32, 64]]", "hidden_size": "[256]",
    "embedding_dim": "[32]", "learning_rate": "[0.0003]", "pooling_count": "[2]",
}  # fmt: skip


@pytest.fixture
def mixed(sqlite_storage: RDBStorage) -> RDBStorage:
    """A study whose first trials are complete, failed and begun."""

    def fill() -> None:
        source = designed(sqlite_storage)
        for state in ("COMPLETE", "FAIL", None):
            task = source.next()
            assert task is not None
            if state:
                end(source, task, state)

    prepared(sqlite_storage, ("mixed",), fill)
    return sqlite_storage


def space(tmp_path: Path, design: str, parts: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(f'format = 1\nquestion = "?"\ndesign = "{design}"\nseeds = 2\n{parts}')
    return str(path)


@pytest.mark.slow
def test_an_arm_is_the_one_asked_for_with_the_first_seed() -> None:
    subject = untrained("source", "conv_layers=2")
    assert (subject.study, subject.name, subject.seed) == ("source", "conv_layers=2", 10)
    assert subject.setting.model.conv_layers == 2
    assert subject.number is None
    assert subject.state.startswith("Not trained: the initial values of seed 10")


def test_an_unknown_arm_gets_the_valid_ones() -> None:
    with pytest.raises(UserError, match=r"--arm deep: space quick has none; .*Valid: baseline, "):
        untrained("quick", "deep")


def test_an_arm_never_has_the_folder_of_a_trial(tmp_path: Path) -> None:
    arm = "[arms.trial-1]\nset = { hidden_size = 64 }\n"
    path = space(tmp_path, "one-factor", "[factors]\ndropout = [0.1]\n" + arm)
    name = untrained(path, "trial-1").name
    assert name.startswith("trial-1-")
    assert "/" not in name


def test_a_long_arm_has_a_folder_that_a_file_system_takes(tmp_path: Path) -> None:
    """Joined over all factors, an arm's name may be longer than a file's may be."""
    factors = "\n".join(f"{name} = {levels}" for name, levels in LONG.items())
    path = space(tmp_path, "factorial", f"[factors]\n{factors}\n")
    arm = "+".join(f"{name}={levels.strip('[]').replace(' ', '')}" for name, levels in LONG.items())
    assert len(arm) > 100
    subject = untrained(path, arm)
    (tmp_path / subject.name).mkdir()
    assert len(subject.name) <= 100
    assert subject.setting.digest in subject.name


def test_a_finished_trial_says_whose_it_is(mixed: RDBStorage) -> None:
    subject = finished(mixed, f"{STUDY}:0")
    assert (subject.name, subject.number, subject.seed) == ("trial-0", 0, 0)
    assert subject.state.startswith("Trained: trial 0 of study tiny, arm baseline, seed 0, ")
    assert subject.command == "python study.py trace --trial tiny:0"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, r"--trial tiny:1: it is FAIL; .* run SPACE --retry-failed --keep-weights$"),
        (2, r"--trial tiny:2: it is RUNNING; .* run SPACE --keep-weights$"),
        (3, r"--trial tiny:3: no such trial; there are 0 to 2$"),
    ],
)
def test_a_trial_that_has_not_finished_is_refused(
    number: int, expected: str, mixed: RDBStorage
) -> None:
    with pytest.raises(UserError, match=expected):
        finished(mixed, f"{STUDY}:{number}")


def test_a_trial_without_weights_says_how_to_get_some(mixed: RDBStorage, tmp_path: Path) -> None:
    subject = finished(mixed, f"{STUDY}:0")
    with pytest.raises(UserError, match=r"kept no weights; .* --study NAME --keep-weights$"):
        network(subject.setting, subject.seed, tmp_path, subject.number)


def test_only_complete_trials_are_told_to_lack_weights(
    mixed: RDBStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / STUDY / "weights"
    weights.mkdir(parents=True)
    (weights / "trial-1.safetensors").touch()  # of one that failed: not another's
    print_weights(Output(), mixed, STUDY, tmp_path)
    assert "trained before --keep-weights: 1 trials." in capsys.readouterr().out
    (weights / "trial-0.safetensors").touch()
    print_weights(Output(), mixed, STUDY, tmp_path)
    told = capsys.readouterr().out
    assert "Without weights" not in told
    assert "Averaged" not in told


def test_where_there_are_averaged_weights_it_is_told_whose_figures_are_whose(
    mixed: RDBStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STUDY / "weights" / "averaged").mkdir(parents=True)
    print_weights(Output(), mixed, STUDY, tmp_path)
    told = capsys.readouterr().out
    assert "weights/averaged\nFigures that begin with ema_ are of these, all others of the" in told


def test_trials_pruned_in_a_search_lack_none(
    sqlite_storage: RDBStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SearchSource(sqlite_storage, STUDY, begin(sqlite_storage, record(SEARCH)))
    (kept,) = run_all(source, 1)
    weights = tmp_path / STUDY / "weights"
    weights.mkdir(parents=True)
    (weights / f"trial-{kept.number}.safetensors").touch()
    task = source.next()
    assert task is not None
    end(source, task, "PRUNED")
    print_weights(Output(), sqlite_storage, STUDY, tmp_path)
    assert "Without weights" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_write_ups_walk_from_the_command_line(full_data: Path, tmp_path: Path) -> None:
    options = ["--arm", "conv_layers=2", "--results", str(tmp_path), "--data", str(full_data)]
    answer = cli.call("trace", *options)
    assert answer.code == 0, answer.err
    assert "No space given: source" in answer.out
    assert "Not trained" in answer.out
    assert "reproduces the write-up's stage-by-stage walk" in answer.out
    assert "2 x 9 x 128" in answer.out
    page = (tmp_path / "source" / "trace" / "conv_layers=2" / "trace.html").read_text()
    assert "Not trained" in page
    assert "its 9 LSTM steps" in page


@pytest.mark.usefixtures("one_thread")
def test_a_folder_that_cannot_be_written_is_told_in_a_line(full_data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = cli.call("trace", "--results", str(tmp_path / "file"), "--data", str(full_data))
    assert answer.code == 2
    assert "error: " in answer.err
    assert "Not a directory; mend that and try again, or name another --results" in answer.err
