"""`check` as a person uses it: what it prints, keeps and ends with, and what `run` makes of it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from ablation.running.kept_checks import FILE
from ablation.running.patience import Patience
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


def call(command: str, what: Path, *words: str, **tools: Patience) -> cli.Answer:
    results = str(what.parent / "results")
    return cli.call(command, str(what), "--results", results, *words, **tools)


def space_of(code: Path) -> Path:
    path = code.with_suffix(".toml")
    path.write_text(SPACE.replace("{name}", code.name), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_space_whose_promises_hold(tmp_path: Path) -> None:
    space = space_of(write(tmp_path, name="walk"))
    answer = call("run", space, "--jobs", "1")
    assert "Not checked yet: whether walk.py:train repeats" in answer.out
    told = next(line for line in answer.out.splitlines() if "To find out: " in line)
    words = shlex.split(told.partition("To find out: ")[2])
    assert words[-4:] == ["check", str(space), "--results", str(tmp_path / "results")]
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
def test_a_plan_has_its_times_from_a_check_then_from_trainings(tmp_path: Path) -> None:
    space = space_of(write(tmp_path, name="walk"))
    guess = "Times from a guess, a second a step; check, or a first training, measures them;"
    assert guess in re.sub(r"\s+", " ", call("plan", space).out)
    assert call("check", space).code == 0
    assert "Times from check, on cpu;" in call("plan", space).out
    assert call("run", space, "--jobs", "1").code == 0
    assert "Times from 2 trainings in this storage;" in call("plan", space).out
    code = space.with_suffix(".py")  # times outlive a change of the code
    code.write_text(code.read_text("utf-8").replace("- 0.8", "- 0.7"), encoding="utf-8")
    assert "Times from 2 trainings in this storage;" in call("plan", space).out


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
    answer = call("run", space, "--jobs", "1", "--set", "steps=8")
    assert answer.code == 0, answer.err
    assert "walk.py:train does not resume exactly, as check found" in answer.out
    answer = call("run", space, "--jobs", "1", "--set", "steps=8", "--seeds", "2", "--force")
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
def test_a_training_that_hangs_is_ended_and_told(tmp_path: Path) -> None:
    code = write(tmp_path, name="walk")
    hangs = "    for step in range(done + 1, settings.steps + 1):\n"
    text = code.read_text().replace(
        hangs,
        f"{hangs}        if step == 2:\n            import time\n            time.sleep(600)\n",
    )
    code.write_text(text)
    answer = call("check", code, patience=Patience(stall=1.0, epochs=0))
    assert answer.code == 2
    said = re.sub(r"\s+", " ", answer.err)
    assert "baseline, seed 0: it has said nothing for 1 s, as long as a run waits" in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_metric_that_is_never_reported(tmp_path: Path) -> None:
    answer = call("check", write(tmp_path, name="walk"), "--metric", "depth")
    assert answer.code == 2
    said = re.sub(r"\s+", " ", answer.err)
    assert "reported: height, stride, final; the space wants depth" in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_of_a_training_that_fails_only_its_own_lines_are_shown(tmp_path: Path) -> None:
    code = write(tmp_path, name="walk")
    text = code.read_text(encoding="utf-8")
    head = "import json\n"
    for at in range(6):
        head += f"def deep_{at}(x):\n    return {f'deep_{at - 1}(x)' if at else 'json.loads(x)'}\n"
    code.write_text(
        head + text.replace("    run.report(", "    deep_5('no')\n        run.report(", 1)
    )
    answer = call("check", code, "--metric", "height")
    assert answer.code == 2
    shown = answer.out[answer.out.index("Traceback") :].splitlines()
    assert len(shown) == 10
    assert [line.rpartition(" ")[2] for line in shown[1:-1:2]] == [
        f"deep_{n}" for n in (3, 2, 1, 0)
    ]
    assert shown[-2] == "    return json.loads(x)"
    assert shown[-1].startswith("json.decoder.JSONDecodeError: Expecting value")
