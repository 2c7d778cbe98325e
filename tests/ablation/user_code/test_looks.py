"""Real studies that declare looks, from the command line: obeyed, shown, killed, gone on with."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ablation.design.settling import Settling
from ablation.storage import opened_storage, storage_url
from ablation.storage.record import load_record
from tests.ablation.user_code.studies import call, run, trials, write_walk
from tests.helpers.commands import cli

pytestmark = pytest.mark.usefixtures("lean")

CODE = '''
"""A walk that needs no library; how far it gets depends on the seed and the stride."""
import random, time
from pydantic import BaseModel
from ablation import Run

class Settings(BaseModel):
    stride: float = 0.5
    noise: float = 0.01
    steps: int = 2
    pause: float = 0.0

def train(settings: Settings, run: Run) -> None:
    at = {"far": random.Random(run.seed).gauss(0, 1)}
    done = run.track(at=at)
    for step in range(done + 1, settings.steps + 1):
        time.sleep(settings.pause)
        if settings.stride > 8 and run.seed == 1:
            raise ValueError("this seed cannot be walked")
        draw = random.Random(f"{run.seed} {settings.stride} {settings.noise} {step}")
        at["far"] = random.Random(run.seed).gauss(0, 1) + settings.stride
        at["far"] += settings.noise * draw.gauss(0, 1)
        run.report(step, far=at["far"])
'''
SPACE = """
format = 1
trains = "walk.py:train"
metric = "far"
question = "Which stride leads farthest?"
design = "one-factor"
seeds = 8
margin = 0.5
[settle]
looks = [3, 5, 8]
[factors]
stride = [3.0, 0.6]
noise = [2.0]
"""
MOST = 32


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """The file of a space beside the code that it names."""
    return write_walk(tmp_path, CODE, SPACE)


def settling(space: Path) -> Settling:
    """The looks of the study as they are stored."""
    with opened_storage(storage_url(None, space.parent / "results")) as storage:
        found = load_record(storage, "walk").settling
    assert found is not None
    return found


def by_arm(space: Path) -> dict[str, int]:
    """With how many seeds each arm has been trained."""
    return {str(arm): int(count) for arm, count in trials(space)["arm"].value_counts().items()}


def status(space: Path) -> dict[str, Any]:
    """What `status --json` says of the study."""
    answer = cli.call("status", "walk", "--json", "--results", str(space.parent / "results"))
    assert answer.code == 0, answer.err
    return dict(json.loads(answer.out))


def test_it_is_planned(walk: Path) -> None:
    out = call("plan", walk).out
    assert "4 arms x at most 8 seeds = at most 32 trainings" in out
    assert (
        "Looks at 3, 5 and 8 seeds: an arm stops at the first that settles it. At least 12 " in out
    )
    assert "The first look has 3 seeds, and fewer than 5 hardly show the spread" in out
    assert "4 arms x 8 seeds = 32 trainings" in call("plan", walk, "--no-settle").out


@pytest.mark.slow
def test_arms_stop_at_the_look_that_settles_them(walk: Path) -> None:
    out = run(walk)
    assert "Look 1 of 3, at 3 seeds: 2 of 3 comparisons settled. 1 open until the look at 5" in out
    assert "Look 3 of 3, at 8 seeds: 2 of 3 comparisons settled, 1 left open: 22 of at most" in out
    assert "(1/≤32" in out
    assert by_arm(walk) == {"baseline": 8, "noise=2": 8, "stride=3": 3, "stride=0.6": 3}
    found = settling(walk)
    assert {arm: (each.verdict, each.look) for arm, each in found.standings().items()} == {
        "stride=3": ("better", 1), "stride=0.6": ("equivalent", 1), "noise=2": ("inconclusive", 0),
    }  # fmt: skip
    again = run(walk)
    assert "Nothing to do: 22 of 22 trials are complete. 2 of 3 comparisons settled" in again
    told = status(walk)["settling"]
    assert (told["taken"], told["open"], told["most"], told["waits_for"]) == (3, 1, MOST, 0)
    for words, message in [
        (["--no-settle"], "look 3 has been taken, at 8 seeds, so its looks stay"),
        (["--seeds", "9"], "--seeds 9: the last look takes 8 seeds"),
    ]:
        answer = call("run", walk, *words)
        assert answer.code == 2
        assert message in answer.err


@pytest.mark.slow
def test_without_looks_every_arm_has_all_seeds_and_the_study_stays_so(walk: Path) -> None:
    run(walk, "--no-settle")
    assert set(by_arm(walk).values()) == {8}
    assert "Nothing to do: 32 of 32" in run(walk)
    answer = call("run", walk, "--settle", "3,5,8")
    assert answer.code == 2
    assert "verdicts were produced from 32 trials" in " ".join(answer.err.split())


@pytest.mark.slow
def test_a_failing_seed_does_not_keep_a_look_from_being_taken(walk: Path) -> None:
    text = walk.read_text(encoding="utf-8").replace("[3.0, 0.6]", "[9.0]")
    walk.write_text(text.replace("[3, 5, 8]", "[3, 8]"), encoding="utf-8")
    answer = call("run", walk, "--jobs", "1")
    assert answer.code == 3
    first = settling(walk).taken[0].figures
    assert (first["stride=9"].n, first["noise=2"].n) == (2, 3)
    fixed = (walk.parent / "walk.py").read_text(encoding="utf-8").replace("run.seed == 1", "False")
    (walk.parent / "walk.py").write_text(fixed, encoding="utf-8")
    before = settling(walk)
    answer = call("run", walk, "--jobs", "1", "--retry-failed", "--same-code")
    assert answer.code in (0, 3), answer.err
    assert settling(walk) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_kills_and_neighbours_change_no_look_and_no_table(
    walk: Path, tmp_path: Path, seed: int
) -> None:
    text = walk.read_text(encoding="utf-8")
    walk.write_text(text.replace("[factors]", "[baseline]\npause = 0.3\n[factors]"), "utf-8")
    run(walk)
    rng, kills, folder = random.Random(seed), 0, tmp_path / "disturbed"
    words = ["run", str(walk), "--results", str(folder), "--jobs", "3"]
    for _ in range(60):
        process = cli.start(*words, cwd=tmp_path)
        time.sleep(rng.uniform(0.5, 5.0))
        if process.poll() is None and kills < 6:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if cli.finish(process).code == 0:
            break
    assert kills > 1
    for name in ("effects.csv", "trials.csv"):
        one, other = (
            (where / "walk" / name).read_text(encoding="utf-8")
            for where in (walk.parent / "results", folder)
        )
        assert without_times(one) == without_times(other)
    with opened_storage(storage_url(None, folder)) as storage:
        assert load_record(storage, "walk").settling == settling(walk)


def without_times(table: str) -> list[list[str]]:
    """The cells of a table but for when and how long its trials were trained, and their numbers."""
    header, *rows = (line.split(",") for line in table.splitlines())
    dropped = {"seconds", "started", "finished", "number"} & set(header)
    kept = [place for place, name in enumerate(header) if name not in dropped]
    return [[row[place] for place in kept] for row in [header, *rows]]
