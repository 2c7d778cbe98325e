"""`check` as a person uses it: what it prints, keeps and ends with, and what `run` makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ablation.running.kept_checks import FILE
from ablation.storage import opened_storage, read_trials, storage_url
from tests.ablation.checking.walks import write
from tests.helpers.commands import cli

pytestmark = pytest.mark.usefixtures("lean")

SPACE = """
format = 1
trains = "{name}:train"
metric = "height"
direction = "min"
budget = "steps"
question = "Which step leads down fastest?"
design = "one-factor"
seeds = 1
margin = 0.05

[baseline]
steps = 3

[factors]
stride = [1.0]
"""


def call(command: str, what: Path, *words: str) -> cli.Answer:
    return cli.call(command, str(what), "--results", str(what.parent / "results"), *words)


def space_of(code: Path) -> Path:
    path = code.with_suffix(".toml")
    path.write_text(SPACE.replace("{name}", code.name), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_space_whose_promises_hold(tmp_path: Path) -> None:
    space = space_of(write(tmp_path, name="walk"))
    answer = call("run", space, "--jobs", "1")
    assert "Not checked yet: whether walk.py:train repeats" in answer.out
    answer = call("check", space)
    assert answer.code == 0, answer.out + answer.err
    assert "Training baseline, seed 0, killed after each report …" in answer.out
    paragraphs = answer.out.partition("\n\n")[2]
    assert max(map(len, paragraphs.splitlines())) <= 80
    assert "Resume: holds. Killed and resumed 3 times" in paragraphs
    kept = json.loads((tmp_path / "results" / FILE).read_text())
    assert [each["resume"] for each in kept.values()] == ["exact"]
    with opened_storage(storage_url(None, tmp_path / "results")) as storage:
        assert len(read_trials(storage, "walk")) == 2
    again = call("run", space, "--jobs", "1", "--seeds", "2")
    assert "checked" not in again.out


@pytest.mark.slow
def test_a_file_that_resumes_wrongly_and_its_runs(tmp_path: Path) -> None:
    code = write(tmp_path, "schedule not tracked", "walk")
    answer = call("check", code, "--json")
    assert answer.code == 3, answer.err
    found = json.loads(answer.out)
    assert (found["holds"], found["resume"], found["repeats"]) == (False, "no", "exact")
    assert found["untracked"] == ["schedule"]
    assert found["resumed"]["shown"]["figure"] == "height"
    assert found["metric"] == "height"
    space = space_of(code)
    answer = call("check", space, "--set", "steps=8")
    assert answer.code == 3
    assert "is everything that changes tracked?" in re.sub(r"\s+", " ", answer.out)
    answer = call("run", space, "--jobs", "1")
    assert answer.code == 0, answer.err
    assert "walk.py:train does not resume exactly, as check found" in answer.out
    answer = call("run", space, "--jobs", "1", "--seeds", "2", "--force")
    assert "does not resume" not in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["walk.py", "--set", "steps=1"], "--set: belongs to a space"),
        (["wolk.py"], "wolk.py"),
        (["walk.py:trian"], 'walk.py has no function "trian"; it has: train'),
        (["quick", "--metric", "loss"], "--metric: a space names its own; leave it out"),
        (["quack"], "no such space; did you mean quick?"),
    ],
)
def test_what_cannot_be_checked(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, name="walk")
    monkeypatch.chdir(tmp_path)
    answer = cli.call("check", *words)
    assert answer.code == 2
    assert said in re.sub(r"\s+", " ", answer.err)
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_metric_that_is_never_reported(tmp_path: Path) -> None:
    answer = call("check", write(tmp_path, name="walk"), "--metric", "depth")
    assert answer.code == 2
    said = re.sub(r"\s+", " ", answer.err)
    assert "reported: height, stride, final; the space wants depth" in said
    assert not (tmp_path / "results").exists()
