"""Bad input: one clear line with the fix, status 2, nothing trained, nothing changed on disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers.commands import cli
from tests.helpers.made import tiny
from tests.helpers.made.studies import new_storage

SPACE = """
format   = 1
question = "?"
design   = "one-factor"
seeds    = 1
[baseline]
hidden_size = 16
lstm_layers = 1
epochs      = 1
train_size  = 100
[factors]
hidden_size = [32]
"""


HERE = ["--executor", "debug"]  # no process has to start to find that it cannot be trained


def edited(*changes: tuple[str, str]) -> str:
    return tiny.edited(SPACE, *changes)


BAD_SPACES = {
    "not TOML": ("format = 1\nquestion = what?\n", ["space.toml: not valid TOML", "line 2"]),
    "unknown key": (edited(("seeds ", "sedes ")), ["sedes: unknown key; did you mean seeds"]),
    "unknown setting": (
        edited(("hidden_size = [32]", "hiden_size = [32]")),
        ["factors.hiden_size: no such setting; did you mean hidden_size", "lstm_layers"],
    ),
    "wrong type": (
        edited(("[32]", '["32"]')),
        ['factors.hidden_size: level "32" is not an integer from 1 to 4096'],
    ),
    "out of range": (
        edited(("[32]", "[0]")),
        ["factors.hidden_size: level 0 is not an integer from 1 to 4096"],
    ),
    "two levels alike": (edited(("[32]", "[32, 32]")), ["two levels alike: 32"]),
    "an arm that equals another": (
        edited(("[factors]", "[arms]\nwide = { set = { hidden_size = 32 } }\n[factors]")),
        ["arm wide: the same network and training as hidden_size=32; drop one"],
    ),
    "infeasible: does not divide": (
        edited(("hidden_size = [32]", "embedding_dim = [100]")),
        ["arm embedding_dim=100: infeasible, block 3", "1152 features does not divide"],
    ),
    "infeasible: the map vanishes": (
        edited(("hidden_size = [32]", "strides = [[4, 4, 4]]")),
        ["arm strides=4,4,4: infeasible, block 2: the map vanishes"],
    ),
    "a nuisance outside a search": (
        edited(("[32]", '{ role = "nuisance", levels = [32] }')),
        ["factors.hidden_size: a nuisance belongs to a search"],
    ),
    "no seeds": (edited(("seeds    = 1", "seeds    = 0")), ["seeds: no seeds; give a count"]),
    "several at once": (
        edited(("seeds    = 1", "seeds    = []"), ("[32]", "[0]"), ("epochs ", "epoch ")),
        ["seeds: no seeds", "level 0", "baseline.epoch: no such setting; did you mean epochs"],
    ),
}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("case", BAD_SPACES)
def test_a_bad_space_is_refused(case: str, command: str, tmp_path: Path) -> None:
    text, expected = BAD_SPACES[case]
    space = tmp_path / "space.toml"
    space.write_text(text, encoding="utf-8")
    refused(tmp_path, expected, command, str(space), "--results", str(tmp_path / "results"))


def refused(folder: Path, expected: list[str], *words: str) -> None:
    """`words` ends with status 2 and one line for each thing expected; `folder` stays as it is."""
    before = cli.files(folder)
    answer = cli.call(*words)
    assert answer.code == 2, answer
    lines = answer.err.splitlines()
    if any(re.search(r"://\w+:\w", word) for word in words):  # a password that others can see
        assert lines.pop(0).startswith("note: whoever lists this machine's processes sees")
    assert all(line.startswith("error: ") for line in lines)
    for words_expected in expected:
        assert any(words_expected in line for line in lines), answer.err
    assert "Traceback" not in answer.err
    assert cli.files(folder) == before


@pytest.fixture
def space(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(SPACE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_unknown_space(command: str, tmp_path: Path) -> None:
    refused(tmp_path, ["sourse: no such space; did you mean source"], command, "sourse")
    missing = str(tmp_path / "mine.toml")
    refused(tmp_path, ["mine.toml: no such file"], command, missing)


@pytest.mark.parametrize("name", ["../escape", "a/b", "/absolute", "", ".hidden", "reference"])
def test_a_study_name_that_is_none(name: str, space: str, tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    refused(tmp_path, ["takes letters"], "run", space, "--study", name, "--results", results)


def test_results_that_cannot_be_written(space: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "results")
    refused(tmp_path, ["cannot be written; choose another"], "run", space, "--results", folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("executor", ["debug", pytest.param("local", marks=pytest.mark.slow)])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_asked_for_and_absent(device: str, executor: str, space: str, tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    expected = [f"--device {device}: this machine has no CUDA device; use --device auto or cpu"]
    words = ["run", space, "--device", device, "--results", results, "--executor", executor]
    refused(tmp_path, expected, *words)


def test_a_device_that_is_none(space: str, tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    words = ["run", space, "--device", "gpu", "--results", results]
    refused(tmp_path, ["--device gpu: "], *words, *HERE)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense://x", "cannot open the storage"),
        ("postgresql://person:secret@127.0.0.1:1/none", "person:***@127.0.0.1:1/none: cannot open"),
    ],
)
def test_a_storage_that_cannot_be_opened(
    url: str, expected: str, space: str, full_data: Path, tmp_path: Path
) -> None:
    words = ["run", space, "--storage", url, "--results", str(tmp_path / "results")]
    refused(tmp_path, [expected], *words, "--data", str(full_data))
    assert "secret" not in cli.call(*words, "--data", str(full_data)).err


def test_a_file_that_is_no_storage(space: str, full_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, and long enough to be looked at" * 100, encoding="utf-8")
    words = ["--storage", str(path), "--results", str(tmp_path / "results")]
    refused(tmp_path, ["notes.db: cannot open the storage: file is not a database"],
            "run", space, *words, "--data", str(full_data))  # fmt: skip


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_data_that_is_damaged(damage: str, space: str, full_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    copy = folder / "fashion-mnist.npy"
    shutil.copy(full_data / "fashion-mnist.npy", copy)
    with copy.open("r+b") as file:
        if damage == "truncated":
            file.truncate(1_000_000)
        else:
            file.seek(1_000_000)
            file.write(b"damage")
    words = ["run", space, "--data", str(folder), "--results", str(tmp_path / "results")]
    refused(tmp_path, ["fashion-mnist.npy", "expected", "found"], *words, *HERE)


@pytest.mark.parametrize("command", ["report", "status"])
def test_an_unknown_study(command: str, stored: Path) -> None:
    words = [command, "tyni", "--results", str(stored)]
    refused(stored, ["no study tyni in", "did you mean tiny"], *words)
    refused(stored, ["has no study tyni"], "copy", "tyni", "x.db", "--results", str(stored))


@pytest.mark.parametrize("name", ["\udcff", "a\x1b[31mb", "a/b", "x" * 5000])
def test_a_study_that_none_can_be_called(name: str, stored: Path) -> None:
    refused(stored, ["no study "], "status", name, "--results", str(stored))
    refused(stored, [" has no study "], "copy", name, "x.db", "--results", str(stored))


@pytest.mark.parametrize("command", ["report", "status", "dashboard"])
def test_no_storage_yet(command: str, tmp_path: Path) -> None:
    refused(tmp_path, ["no such storage; start with"], command, "--results", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["source", "--arm", "conv_layer=2"], "--arm conv_layer=2: space source has none; did you"),
        (["sourc"], "no such space; did you mean source"),
        (["--trial", "tiny"], "--trial tiny: takes STUDY:NUMBER, such as source:0"),
        (["--trial", "tyni:0"], "did you mean tiny"),
        (["--trial", "tiny:0"], "--trial tiny:0: no such trial; there are none yet"),
        (["source", "--trial", "tiny:0"], "--trial: it says which arm itself; leave SPACE and"),
        (["--arm", "both", "--trial", "tiny:0"], "--trial: it says which arm itself"),
    ],
)
def test_what_cannot_be_traced(words: list[str], expected: str, stored: Path) -> None:
    refused(stored, [expected], "trace", *words, "--results", str(stored))


@pytest.fixture
def stored(tmp_path: Path, space: str) -> Path:
    """A results folder whose storage has a begun study ``tiny``."""
    from ablation.design.loading import load
    from ablation.storage import save_study
    from ablation.storage.record import Record

    results = tmp_path / "results"
    results.mkdir()
    storage = new_storage(results)
    record = Record(load(space), seeds=(0,), precision="fp32")
    save_study(storage, "tiny", record.attributes())
    storage.engine.dispose()
    return results


def test_a_space_that_has_changed(stored: Path, space: str) -> None:
    Path(space).write_text(edited(("hidden_size = 16", "hidden_size = 24")), encoding="utf-8")
    expected = ["its space has changed", "hidden_size was 16, is 24", "--study NAME"]
    refused(stored, expected, "run", space, "--results", str(stored))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--precision", "bf16"], "was begun with precision fp32: leave --precision out"),
        (["--threads", "2"], "was begun with threads 1: leave --threads out"),
    ],
)
def test_conditions_that_a_study_was_not_begun_with(
    words: list[str], expected: str, stored: Path, space: str
) -> None:
    refused(stored, [expected], "run", space, "--results", str(stored), *words, *HERE)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--timeout", "soon"], "--timeout soon: takes a time such as"),
        (["--epochs", "0"], "--epochs: 0 is not an integer from 1"),
        (["--train-size", "5"], "--train-size: 5 is not an integer from 10"),
        (["--trials", "3"], "--trials: belongs to a search"),
        (["--epochs", "9" * 500], "999 … is not an integer from 1 to 10000"),
    ],
)
def test_options_that_do_not_fit(
    words: list[str], expected: str, space: str, tmp_path: Path
) -> None:
    refused(tmp_path, [expected], "run", space, "--results", str(tmp_path / "results"), *words)


@pytest.mark.parametrize("value", ["all", "0", "-1", "1001", "2.5", ""])
def test_fuse_takes_auto_off_or_a_number(value: str, tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    expected = f"--pack {value}: takes auto, off, or a number from 1 to 1000"
    refused(tmp_path, [expected], "run", "smoke", "--results", results, "--pack", value)


@pytest.mark.parametrize("words", [["--seeds", "3"], ["--retry-failed"], ["--pack", "2"]])
def test_options_that_a_search_has_not(words: list[str], tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    given = ["run", "joint", "--no-confirm", "--results", results, *words]
    refused(tmp_path, [f"{words[0]}: a search"], *given)


def test_new_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine", encoding="utf-8")
    refused(tmp_path, ["mine.toml: exists already"], "new", str(path))
