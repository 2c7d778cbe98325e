"""Studies of a program from the command line: planned, run, gone on with, pruned, killed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.ablation.user_code.processes import ROOT, all_gone, write
from tests.ablation.user_code.studies import call, run, trials
from tests.helpers.commands import cli

pytestmark = pytest.mark.usefixtures("lean")

CODE = """
import json, random, sys
words = dict(word[2:].split("=", 1) for word in sys.argv[1:])
random.seed(int(words["seed"]))
height = 1.0
for step in range(1, int(words["steps"]) + 1):
    height += (0.1 if words["shape"] == "round" else 0.3) * float(words["stride"]) * (
        random.random() - 0.8)
    print(json.dumps({"step": step, "height": height}))
print(json.dumps({"final": height}))
open("notes.txt", "w").write(words["shape"])
"""
SPACE = """
format = 1
command = ["python", "walk.py", "--stride={stride}", "--shape={shape}", "--steps={steps}",
           "--seed={seed}"]
code = ["walk.py"]
metric = "height"
direction = "min"
unit = "m"
test = "final"
budget = "steps"
question = "Which step leads down fastest?"
design = "one-factor"
seeds = 3
margin = 0.05

[settings]
stride = { default = 0.5, above = 0, high = 2 }
shape = { choices = ["round", "narrow"], default = "round" }
steps = 4

[factors]
stride = [1.0]
shape = ["narrow"]
"""


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """The file of a space beside the program that it names."""
    write(tmp_path, "walk.py", CODE)
    return write(tmp_path, "walk.toml", SPACE)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_it_is_planned(walk: Path) -> None:
    answer = call("plan", walk)
    assert answer.code == 0, answer.err
    assert "3 arms x 3 seeds = 9 trainings" in answer.out
    assert "A training that is killed starts over, unless the program itself" in answer.out


def test_an_error_is_told_before_anything_is_trained(walk: Path) -> None:
    edit(walk, '"--seed={seed}"', '"--seed={sed}"')
    for command in ("plan", "run"):
        answer = call(command, walk)
        assert answer.code == 2
        assert "walk.toml: command: there is no {sed}; did you mean seed" in answer.err
    assert not (walk.parent / "results").exists()


@pytest.mark.slow
def test_it_is_run_reported_and_gone_on_with(walk: Path) -> None:
    run(walk, "--seeds", "1")
    run(walk)
    found = trials(walk)
    assert set(found["state"]) == {"COMPLETE"}
    assert len(found) == 9
    assert (found["height"] == found["final"]).all()
    assert found.groupby("seed")["height"].nunique().to_list() == [3, 3, 3]
    folder = walk.parent / "results" / "walk" / "trials"
    narrow = found.loc[found["shape"] == "narrow", "number"]
    for number in found["number"]:
        text = (folder / f"trial-{number}" / "notes.txt").read_text()
        assert text == ("narrow" if number in set(narrow) else "round")
        log = (folder / f"trial-{number}" / "train.log").read_text()
        assert len(log.splitlines()) == 5
    assert "Nothing to do: 9 of 9 trials are complete." in run(walk)


@pytest.mark.slow
def test_a_stored_study_needs_no_code(walk: Path) -> None:
    run(walk, "--seeds", "2")
    before = trials(walk)
    (walk.parent / "walk.py").unlink()
    results = str(walk.parent / "results")
    for words in (["report", "walk"], ["status", "walk"]):
        answer = cli.call(*words, "--results", results)
        assert answer.code == 0, answer.err
    pd.testing.assert_frame_equal(trials(walk), before)


@pytest.mark.slow
def test_a_changed_program_is_refused(walk: Path) -> None:
    run(walk, "--seeds", "1")
    edit(walk.parent / "walk.py", "- 0.8", "- 0.7")
    answer = call("run", walk, "--seeds", "2")
    assert answer.code == 2
    assert "walk.py has changed since 3 of" in " ".join(answer.err.split())
    run(walk, "--seeds", "2", "--same-code")
    assert len(trials(walk)) == 6


@pytest.mark.slow
def test_one_that_fails_says_why(walk: Path) -> None:
    edit(walk.parent / "walk.py", "height = 1.0", "raise ValueError('no way down')")
    answer = call("run", walk, "--jobs", "1", "--seeds", "1")
    assert answer.code == 3, answer.out
    said = 'walk.py ended with status 1; it printed last: "ValueError: no way down"'
    assert said in " ".join(answer.out.split())
    assert "no way down" in (walk.parent / "results/walk/trials/trial-0/train.log").read_text()


@pytest.mark.slow
def test_a_pruned_one_is_stopped(walk: Path) -> None:
    slowly = "    import time; time.sleep(0.3)\nprint("
    edit(walk.parent / "walk.py", '\nprint(json.dumps({"final"', f'\n{slowly}json.dumps({{"final"')
    edit(walk, 'design = "one-factor"\nseeds = 3', 'design = "search"')
    edit(walk, "stride = [1.0]", "stride = { low = 0.1, high = 2.0 }")
    pruner = 'pruner = { name = "median", n_startup_trials = 1, n_warmup_steps = 0 }'
    with walk.open("a") as file:
        file.write(f'[search]\ntrials = 8\nsampler = {{ name = "random" }}\n{pruner}\n')
    run(walk, "--no-confirm")
    found = trials(walk)
    pruned = found[found["state"] == "PRUNED"]
    assert len(pruned)
    for number in pruned["number"]:
        folder = walk.parent / "results" / "walk" / "trials" / f"trial-{number}"
        assert not (folder / "notes.txt").exists()


@pytest.mark.slow
def test_killed_it_leaves_no_process_and_starts_over(walk: Path) -> None:
    results = walk.parent / "results"
    code = "import os, pathlib, subprocess, time\nhere = pathlib.Path('pids')\n"
    code += "if not here.exists():\n    child = subprocess.Popen(['sleep', '1000'])\n"
    code += "    here.write_text(f'{os.getpid()} {child.pid} \\n')\n    time.sleep(1000)\n"
    edit(walk.parent / "walk.py", 'print(json.dumps({"final"', f'{code}print(json.dumps({{"final"')
    words = ["run", str(walk), "--results", str(results), "--jobs", "1", "--seeds", "1"]
    process = cli.start(*words, cwd=walk.parent)
    pids = results / "walk" / "trials" / "trial-0" / "pids"
    while not (pids.exists() and pids.read_text().endswith("\n")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    cli.finish(process)
    assert all_gone([int(pid) for pid in pids.read_text().split()])
    edit(walk.parent / "walk.py", "    time.sleep(1000)", "    pass")
    run(walk, "--seeds", "1", "--same-code")
    log = (pids.parent / "train.log").read_text()
    assert len(log.splitlines()) == 4 + 5
    assert set(trials(walk)["state"]) == {"COMPLETE"}


@pytest.mark.slow
def test_the_example_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples" / "command", folder)
    words = ["--set", "epochs=2", "--seeds", "1", "--results", str(tmp_path / "results")]
    answer = cli.call("run", str(folder / "command.toml"), *words)
    assert answer.code == 0, answer.err
    found = trials(folder, "command-epochs2")
    assert set(found["state"]) == {"COMPLETE"}
    assert found["test_accuracy"].between(0, 1).all()
