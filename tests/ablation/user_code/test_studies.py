"""Studies of a user's code from the command line: planned, run, gone on with, reported."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.storage import opened_storage, read_trials, storage_url
from ablation.storage.record import load_record
from tests.ablation.user_code.studies import call, run, trials, write_walk
from tests.helpers.commands import cli

pytestmark = pytest.mark.usefixtures("lean")

CODE = '''
"""A walk that needs no library."""
import random
from pydantic import BaseModel, Field
from ablation import Run

class Settings(BaseModel):
    stride: float = Field(0.5, gt=0, le=2)
    shape: str = "round"
    seed: int = 0
    steps: int = Field(4, ge=1, le=100)

def train(settings: Settings, run: Run) -> dict[str, float]:
    at = {"height": 1.0, "drift": 0.1 if settings.shape == "round" else 0.3}
    done = run.track(at=at)
    for step in range(done + 1, settings.steps + 1):
        at["height"] += at["drift"] * settings.stride * (random.random() - 0.8) + settings.seed
        run.report(step, height=at["height"], slope=-settings.stride)
    (run.folder / "notes.txt").write_text(f"{run.seed} {at['height']}")
    print("walked", settings.steps)
    return {"final": at["height"]}
'''
SPACE = """
format = 1
trains = "walk.py:train"
metric = "height"
direction = "min"
unit = "m"
test = "final"
budget = "steps"
question = "Which step leads down fastest?"
design = "one-factor"
seeds = 3
margin = 0.05

[factors]
stride = [1.0]
shape = ["narrow"]
"""


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """The file of a space beside the code that it names."""
    return write_walk(tmp_path, CODE, SPACE)


def refusal(command: str, space: Path, *words: str) -> str:
    answer = call(command, space, *words)
    assert answer.code == 2, answer.out + answer.err
    return re.sub(r"\s+", " ", answer.err)


def attributes(space: Path, study: str = "walk") -> list[dict[str, Any]]:
    url = storage_url(None, space.parent / "results")
    with opened_storage(url) as storage:
        return [row.attributes for row in read_trials(storage, study)]


def edit(space: Path, *changes: tuple[str, str], file: str = "walk.py") -> None:
    path = space.parent / file
    text = path.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def test_it_is_planned(walk: Path) -> None:
    answer = call("plan", walk)
    assert answer.code == 0, answer.err
    assert "shape=narrow" in answer.out
    assert "3 arms x 3 seeds = 9 trainings" in answer.out
    assert "Decided by height: less is better." in answer.out
    assert "Held fixed: setting.seed=0, steps=4" in answer.out


@pytest.mark.slow
def test_it_is_run_reported_and_nothing_is_left_to_do(walk: Path) -> None:
    out = run(walk, "--seeds", "2")
    assert "6/6" in out
    found = trials(walk)
    assert set(found["state"]) == {"COMPLETE"}
    assert (found["height"] == found["final"]).all()
    assert list(found["setting.seed"].unique()) == [0]
    assert sorted(found["seed"].unique()) == [0, 1]
    for number in range(6):
        folder = walk.parent / "results" / "walk" / "trials" / f"trial-{number}"
        assert (folder / "notes.txt").exists()
        assert (folder / "train.log").read_text() == "walked 4\n"
    pages = [path.read_bytes() for path in (walk.parent / "results" / "_artifacts").iterdir()]
    assert pages.count(b"walked 4\n") == 6
    assert all((folder / "notes.txt").read_bytes() in pages for folder in folder.parent.iterdir())
    assert "Nothing to do: 6 of 6 trials are complete." in run(walk, "--seeds", "2")


@pytest.mark.slow
def test_one_gone_on_with_ends_as_an_undisturbed_one(walk: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("walk.py", "walk.toml"):
        shutil.copy(tmp_path / name, whole)
    run(whole / "walk.toml")
    run(walk, "--seeds", "1")
    run(walk, "--seeds", "2")
    run(walk)
    kept = ["arm", "seed", "height", "best_height", "best_epoch", "final"]
    pd.testing.assert_frame_equal(trials(walk)[kept], trials(whole / "walk.toml")[kept])


@pytest.mark.slow
def test_a_setting_for_all_arms_makes_a_study_of_its_own(walk: Path) -> None:
    run(walk, "--seeds", "1", "--set", "steps=2", "--set", "seed=1")
    found = trials(walk, "walk-steps2-seed1")
    assert set(found["steps"]) == {2}
    assert set(found["setting.seed"]) == {1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "steps"], "--set steps: is written NAME=VALUE"),
        (["--set", "stepz=2"], "--set stepz: walk.py:train has no such setting; did you mean"),
        (["--set", "steps=0"], "--set steps: 0 is not an integer from 1 to 100"),
        (["--set", "stride=1.0"], "--set stride: the space varies stride itself"),
        (["--set", "seed=1", "--set", "seed=2"], "seed is given twice"),
        (["--pack", "4"], "--pack: walk.py:train is trained one at a time"),
        (["--keep-weights"], "--keep-weights: what a training leaves in its folder is kept anyway"),
    ],
)
def test_what_cannot_be_asked_for(walk: Path, words: list[str], said: str) -> None:
    assert said in refusal("run", walk, *words)
    assert not (walk.parent / "results").exists()


ERRORS: list[tuple[list[tuple[str, str]], str]] = [
    ([('metric = "height"', "")], "metric: missing; name the figure that decides"),
    ([('direction = "min"', 'direction = "down"')], "direction: there is no 'down'"),
    ([('direction = "min"', ""), ('"height"', '"val_loss"')], "direction: missing; val_loss"),
    ([('budget = "steps"', 'budget = "shape"')], "budget: shape is no setting"),
    ([("margin = 0.05", "")], "margin: missing"),
    ([('metric = "height"', 'metric = "seed"')], "metric: tables have seed for themselves"),
    ([('metric = "height"', 'metric = "stride"')], "metric: stride is a setting, too"),
    (
        [("margin = 0.05", 'margin = 1\noutcome.also = ["arm"]')],
        "tables have arm for themselves",
    ),
    ([("margin = 0.05", 'margin = 1\noutcome.also = ["shape"]')], "shape is a setting, too"),
    ([('"walk.py:train"', '"wlk.py:train"')], "did you mean walk.py?"),
    ([('"walk.py:train"', '"walk.py:trian"')], 'walk.py has no function "trian"'),
    ([("stride = [1.0]", "strid = [1.0]")], "factors.strid: no such setting; did you mean"),
    ([("stride = [1.0]", "stride = [3.0]")], "level 3.0 is not a number above 0, to 2"),
    ([('trains = "walk.py:train"', "")], "metric: belongs to a space of your own code"),
    ([("format = 1", 'format = 1\nobjective = "a:b"')], "objective: trains says what"),
]


@pytest.mark.parametrize(("changes", "said"), ERRORS)
def test_an_error_in_the_space_is_told_by_a_plan(
    walk: Path, changes: list[tuple[str, str]], said: str
) -> None:
    edit(walk, *changes, file="walk.toml")
    assert said in refusal("plan", walk)


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "said"), ERRORS)
def test_an_error_in_the_space_is_told_before_anything_is_trained(
    walk: Path, changes: list[tuple[str, str]], said: str
) -> None:
    edit(walk, *changes, file="walk.toml")
    assert said in refusal("run", walk)
    assert not (walk.parent / "results").exists()


def test_a_setting_without_a_default_needs_a_value(walk: Path) -> None:
    edit(walk, ('shape: str = "round"', "shape: str"))
    assert "baseline.shape: missing; it has no default" in refusal("plan", walk)
    edit(walk, ("[factors]", '[baseline]\nshape = "round"\n[factors]'), file="walk.toml")
    assert call("plan", walk).code == 0


# The code's identity


@pytest.mark.slow
def test_other_code_is_refused_unless_it_computes_the_same(walk: Path) -> None:
    run(walk, "--seeds", "1")
    edit(walk, ("import random", "import random  # of Python"))
    run(walk, "--seeds", "2")  # a comment changes nothing
    edit(walk, ("- 0.8)", "- 0.7)"))
    told = run(walk, "--seeds", "2")
    assert "Note: walk.py has changed since 6 of these trainings" in told
    assert "Nothing to do: 6 of 6" in told
    said = refusal("run", walk)
    assert "study walk: walk.py has changed since 6 of 6 trainings" in said
    assert "--same-code" in said
    assert len(trials(walk)) == 6
    run(walk, "--same-code")
    assert len({json.dumps(each["code"]) for each in attributes(walk)}) == 2
    report = (walk.parent / "results" / "walk" / "report.md").read_text(encoding="utf-8")
    assert "walk.py changed after 6 of 9 trainings; its author says" in report


SEARCH = """
[search]
trials = 3
sampler = { name = "random" }
[confirm]
top = 1
seeds = 2
"""


@pytest.mark.slow
def test_code_that_changed_between_a_search_and_its_confirmation_is_told(walk: Path) -> None:
    edit(walk, ('design = "one-factor"\nseeds = 3\n', 'design = "search"\n'),
         ("[1.0]", "{ low = 0.1, high = 2.0 }"), file="walk.toml")  # fmt: skip
    walk.write_text(walk.read_text(encoding="utf-8") + SEARCH, encoding="utf-8")
    run(walk, "--no-confirm")
    edit(walk, ("- 0.8)", "- 0.7)"))
    assert "walk.py has changed since 3 of" in refusal("run", walk)
    out = run(walk, "--same-code")
    told = r"walk.py changed after 3 \(all of the search\) of \d+ trainings; its author says"
    for text in (out, (walk.parent / "results" / "walk" / "report.md").read_text("utf-8")):
        assert len(re.findall(told, re.sub(r"\s+", " ", text))) == 1


@pytest.mark.slow
def test_code_that_changes_while_it_runs_stops_the_run(walk: Path) -> None:
    change = 'run.folder.joinpath(__file__).write_text("x = 1")'
    edit(walk, ('    print("walked"', f'    {change}\n    print("walked"'))
    answer = call("run", walk, "--jobs", "1")
    assert answer.code == 2
    assert "walk.py has changed while the study ran" in answer.err
    states = [each.get("code") for each in attributes(walk)]
    assert states == [None]


# Without the code


@pytest.mark.slow
def test_a_stored_study_needs_no_code(walk: Path) -> None:
    run(walk)
    before = trials(walk)
    (walk.parent / "walk.py").unlink()
    results = str(walk.parent / "results")
    for words in (["report", "walk"], ["status", "walk"], ["status"]):
        answer = cli.call(*words, "--results", results)
        assert answer.code == 0, answer.err
    pd.testing.assert_frame_equal(trials(walk), before)
    other = str(walk.parent / "other.db")
    assert cli.call("copy", "walk", other, "--results", results).code == 0
    with opened_storage(storage_url(other, walk.parent)) as storage:
        record = load_record(storage, "walk")
    assert record.plan.space.objective.name == "walk.py:train"
    assert str(walk.parent) not in record.plan.space.objective.spec


JUDGES = """
    def effective(self) -> dict:
        used = self.model_dump()
        if self.shape == "round":
            del used["seed"]
        return used

    def size(self) -> dict:
        return {"parameters": 10 * self.steps, "macs": 100}

    @model_validator(mode="after")
    def _check(self):
        if self.shape == "flat" and self.stride > 1.5:
            raise ValueError("a flat walk takes small steps")
        return self
"""


@pytest.mark.slow
def test_what_only_the_code_can_say_of_a_setting_stands_in_the_record(walk: Path) -> None:
    edit(
        walk,
        ("import BaseModel, Field", "import BaseModel, Field, model_validator"),
        (
            "    steps: int = Field(4, ge=1, le=100)\n",
            f"    steps: int = Field(4, ge=1, le=100)\n{JUDGES}",
        ),
    )
    run(walk, "--seeds", "2")
    before = trials(walk)
    assert set(before["parameters"]) == {40}
    (walk.parent / "walk.py").unlink()
    assert cli.call("report", "walk", "--results", str(walk.parent / "results")).code == 0
    pd.testing.assert_frame_equal(trials(walk), before)
    with opened_storage(storage_url(None, walk.parent / "results")) as storage:
        space = load_record(storage, "walk").plan.space
    assert space.objective.idle(space.baseline) == {"setting.seed"}
    assert space.objective.size(space.baseline).macs == 100


def test_what_the_code_refuses_is_infeasible(walk: Path) -> None:
    edit(
        walk,
        ("import BaseModel, Field", "import BaseModel, Field, model_validator"),
        (
            "    steps: int = Field(4, ge=1, le=100)\n",
            f"    steps: int = Field(4, ge=1, le=100)\n{JUDGES}",
        ),
    )
    edit(walk, ("[factors]", '[baseline]\nshape = "flat"\n[factors]'),
         ("[1.0]", "[1.0, 1.75]"), file="walk.toml")  # fmt: skip
    assert "arm stride=1.75: infeasible, a flat walk takes small steps" in refusal("plan", walk)


@pytest.mark.slow
def test_a_setting_that_was_added_later_makes_no_other_arms_at_its_default(walk: Path) -> None:
    run(walk, "--seeds", "1")
    edit(walk, ("    steps: int", "    rank: float = 0.0\n    calm: bool = True\n    steps: int"))
    assert "has changed since 3 of 3 trainings" in refusal("run", walk, "--seeds", "1")
    assert "6/6" in run(walk, "--seeds", "2", "--same-code")
    found = trials(walk)
    assert sorted(found["seed"]) == [0, 0, 0, 1, 1, 1]
    edit(walk, ("shape = ", "rank = [0.5]\nshape = "), file="walk.toml")
    run(walk, "--seeds", "2", "--same-code")
    assert set(trials(walk)["arm"]) == {"baseline", "stride=1", "shape=narrow", "rank=0.5"}
    assert len(trials(walk)) == 8


@pytest.mark.slow
def test_after_a_misspelled_metric_the_command_that_goes_on_is_told(walk: Path) -> None:
    edit(walk, ("height=at", "heigth=at"))
    results = str(walk.parent / "results")
    answer = call("run", walk, "--jobs", "1")
    assert answer.code == 3
    said = re.sub(r"\s+", " ", answer.out)
    assert "the space wants height; did you mean heigth?" in said
    assert said.count("No trial has finished yet (0 of 9; 5 failed).") == 1
    assert "There is no answer yet. Fix the cause, " in said
    assert "then run it with --retry-failed" in said
    (told,) = (line for line in answer.out.splitlines() if "train them again: " in line)
    words = shlex.split(told.partition("train them again: ")[2])
    again = ["run", str(walk), "--results", results, "--jobs", "1", "--retry-failed"]
    assert words[-len(again) :] == again
    edit(walk, ("heigth=at", "height=at"))
    answer = cli.call(*again)
    assert answer.code == 0, answer.err
    assert "9/9" in answer.out


@pytest.mark.slow
def test_a_relative_path_that_is_missing_is_told_where_it_was_looked_for(walk: Path) -> None:
    edit(walk, ("    at = {", '    open("data.csv")\n    at = {'))
    answer = call("run", walk, "--jobs", "1", "--seeds", "1")
    assert answer.code == 3
    trace = attributes(walk)[0]["traceback"]
    assert "data.csv was looked for in " in trace
    assert "a file beside the space is at run.data / its name" in trace
