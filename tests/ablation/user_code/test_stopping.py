"""Trainings of a user's code that hang, that do not stop, that are stopped, in real processes."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.ablation.user_code.processes import write
from tests.ablation.user_code.studies import call, run, trials
from tests.helpers.commands import cli
from tests.helpers.made.tiny import wait_for_epoch

pytestmark = pytest.mark.usefixtures("lean")

HEAD = """
import random, time
from pydantic import BaseModel
from ablation import Run

class Settings(BaseModel):
    width: int = 1
    epochs: int = 6

def train(settings: Settings, run: Run) -> None:
"""
SPACE = """
format = 1
trains = "my.py:train"
question = "What ends it?"
metric = "score"
margin = 1.0
budget = "epochs"
"""
DESIGN = 'design = "one-factor"\nseeds = 1\n'
FACTORS = "[factors]\nwidth = [2]\n"


def space(folder: Path, code: str, rest: str = "") -> Path:
    lines = "".join(f"    {line}\n" for line in code.strip("\n").splitlines())
    write(folder, "my.py", HEAD + lines)
    return write(folder, "my.toml", SPACE + (rest or DESIGN + FACTORS))


# Silence

HANGS = """
    hung = run.folder / "hung"
    if settings.width == 2 and not hung.exists():
        hung.touch()
        time.sleep(1000)
    run.report(score=settings.width)
"""


@pytest.mark.slow
def test_a_training_that_hangs_gets_another_process_after_its_silence(tmp_path: Path) -> None:
    path = space(tmp_path, HANGS, f'silence = "3s"\n{DESIGN}{FACTORS}')
    run(path)
    assert set(trials(path, "my")["state"]) == {"COMPLETE"}


@pytest.mark.slow
def test_one_that_always_hangs_fails_and_silence_is_named(tmp_path: Path) -> None:
    path = space(tmp_path, "time.sleep(1000)", f'silence = "1s"\n{DESIGN}{FACTORS}')
    answer = call("run", path)
    assert answer.code == 3
    (failure,) = set(trials(path, "my")["failure"])
    said = "lost its worker process 3 times (it said nothing for"
    assert re.match(re.escape(said) + r" \d s; silence = \"2h\" in the space allows more", failure)


@pytest.mark.parametrize(
    ("silence", "said"),
    [
        ('"10 minutes"', "silence: takes a time such as 90s, 30m, 2h or 1h30m"),
        ('"0s"', "silence: must be a second or more"),
        ("600", "silence: must be text"),
    ],
)
def test_a_silence_that_is_none(silence: str, said: str, tmp_path: Path) -> None:
    path = space(tmp_path, "pass", f"silence = {silence}\n{DESIGN}{FACTORS}")
    answer = call("plan", path)
    assert answer.code == 2
    assert said in re.sub(r"\s+", " ", answer.err)


def test_plan_says_the_silence(tmp_path: Path) -> None:
    path = space(tmp_path, "pass", f'silence = "1h30m"\n{DESIGN}{FACTORS}')
    out = re.sub(r"\s+", " ", call("plan", path).out)
    assert "A training that reports nothing for 1h30m gets a new process." in out


# A stop that is ignored

IGNORES = """
    for epoch in range(1, settings.epochs + 1):
        try:
            run.report(epoch, score=-settings.width)
        except:
            (run.folder / f"ignored {epoch}").touch()
    (run.folder / "end").touch()
"""
SEARCH = """
design = "search"
[factors]
width = [2, 3, 4]
[search]
trials = 4
sampler = { name = "random" }
pruner = { name = "median", n_startup_trials = 1, n_warmup_steps = 1 }
"""


@pytest.mark.slow
def test_a_training_that_ignores_its_stop_is_ended(tmp_path: Path) -> None:
    path = space(tmp_path, IGNORES, SEARCH)
    run(path)
    found = trials(path, "my").query("duplicate_of.isna()")
    pruned = found[found["state"] == "PRUNED"]
    assert len(pruned)
    assert set(found["state"]) == {"COMPLETE", "PRUNED"}
    for number in found["number"]:
        left = tmp_path / "results" / "my" / "trials" / f"trial-{number}"
        is_pruned = number in set(pruned["number"])
        assert (left / "end").exists() is not is_pruned
        assert len(list(left.glob("ignored *"))) == (2 if is_pruned else 0)


# A run that is stopped

TRACKS = """
    at = {"height": 0.0}
    for epoch in range(run.track(at=at) + 1, settings.epochs + 1):
        time.sleep(0.1)
        at["height"] += random.random()
        print("epoch", epoch)
        run.report(epoch, score=at["height"])
"""


def begun(path: Path) -> list[str]:
    """The epochs that a training has begun, each time that it has."""
    logs = sorted((path.parent / "results" / "my" / "trials").glob("*/train.log"))
    return logs[0].read_text(encoding="utf-8").split("\n")[:-1] if logs else []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_what_was_reported(
    number: signal.Signals, tmp_path: Path
) -> None:
    path = space(tmp_path, TRACKS, f"{DESIGN}[baseline]\nepochs = 25\n{FACTORS}")
    words = ["run", str(path), "--results", str(tmp_path / "results"), "--jobs", "1"]
    process = cli.start(*words, cwd=tmp_path)
    wait_for_epoch(process, 10)
    os.kill(process.pid, number)
    answer = cli.finish(process, timeout=60)
    assert answer.code == 128 + number, answer.err
    assert "nothing is lost" in answer.out
    kept = sorted(each.suffix for each in (tmp_path / "results" / "my" / "checkpoints").iterdir())
    assert kept == [".safetensors"]
    run(path)
    epochs = begun(path)
    assert len(set(epochs)) == 25
    assert len(epochs) - 25 <= 1  # the one under way
