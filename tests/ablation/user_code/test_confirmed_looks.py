"""A real search whose confirmation and path declare looks, from the command line, with kills."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from ablation.folders import confirm_name
from ablation.storage import opened_storage, storage_url
from ablation.storage.record import load_record
from tests.ablation.user_code.studies import call, run, write_walk
from tests.ablation.user_code.test_looks import without_times
from tests.helpers.commands import cli

pytestmark = pytest.mark.usefixtures("lean")

CODE = '''
"""A walk that needs no library; how far it gets depends on the seed, the stride and the turn."""
import random, time
from pydantic import BaseModel
from ablation import Run

class Settings(BaseModel):
    stride: float = 0.5
    noise: float = 0.1
    turn: int = 0

def train(settings: Settings, run: Run) -> dict[str, float]:
    time.sleep(0.1)
    draw = random.Random(f"{run.seed} {settings.stride} {settings.noise} {settings.turn}")
    far = random.Random(run.seed).gauss(0, 1) + settings.stride + 0.05 * settings.turn
    return {"far": far + settings.noise * draw.gauss(-1, 1)}
'''
SPACE = """
format = 1
trains = "walk.py:train"
metric = "far"
question = "Which stride leads farthest?"
design = "search"
margin = 0.5
[search]
trials = 8
sampler = { name = "random" }
seed = 1
[confirm]
top = 2
seeds = 8
path_seeds = 5
looks = [3, 5, 8]
[factors]
stride = { low = 0.1, high = 3.0 }
turn = [0, 1, 2, 3]
noise = { low = 0.05, high = 1.0, role = "nuisance" }
[arms]
loud = { set = { noise = 0.9 } }
"""


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """The file of a space beside the code that it names."""
    return write_walk(tmp_path, CODE, SPACE)


def test_it_is_planned(walk: Path) -> None:
    out = " ".join(call("plan", walk).out.split())
    assert "Looks at 3, 5 and 8 seeds: an arm stops at the first that settles it." in out
    assert "The confirmation takes at least 12 trainings" in out
    assert "at most 32 trainings" in out
    assert "The path has looks of its own, at 3 and 5 seeds." in out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_and_neighbours_change_no_look_no_choice_and_no_table(
    walk: Path, tmp_path: Path
) -> None:
    folders, words = [walk.parent / "results", tmp_path / "disturbed"], ["--jobs", "3"]
    out = " ".join(run(walk).split())
    assert "In the confirmation, settled at look " in out
    assert "Chosen, as the best of the confirmation" in out
    one = cli.call("run", str(walk), "--results", str(folders[1]), "--no-confirm", "--jobs", "1")
    assert one.code == 0, one.err
    rng, kills = random.Random(1), 0
    for _ in range(60):
        process = cli.start("run", str(walk), "--results", str(folders[1]), *words, cwd=tmp_path)
        time.sleep(rng.uniform(1.0, 4.0))
        if process.poll() is None and kills < 6:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if cli.finish(process).code == 0:
            break
    assert kills > 1
    for name in ("confirmed.csv", "effects.csv", "path.csv", "looks.csv"):
        quiet, disturbed = (
            without_times((folder / "walk" / name).read_text(encoding="utf-8"))
            for folder in folders
        )
        assert quiet == disturbed, name
    records = []
    for folder in folders:
        with opened_storage(storage_url(None, folder)) as storage:
            records.append(load_record(storage, confirm_name("walk")))
    assert records[0].settling == records[1].settling
    assert (records[0].chosen, records[0].path) == (records[1].chosen, records[1].path)
    for refused in (["--no-settle"], ["--settle", "3,8"]):
        answer = call("run", walk, *refused)
        assert answer.code == 2, answer.out
        assert "look" in answer.err
