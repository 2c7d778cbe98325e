"""A real study that declares looks: what its report says is what its trials say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.dashboard.study_page import drawn_graphs
from ablation.report.analysis import Analysis
from ablation.report.write import write_report
from ablation.storage import opened_storage, storage_url
from ablation.storage.record import load_record
from tests.ablation.report.effects.test_settling import SOME, verdicts_by_hand
from tests.ablation.user_code.studies import call, trials
from tests.helpers.made.settled import settled

CODE = """
import random
from pydantic import BaseModel
from ablation import Run

class Settings(BaseModel):
    stride: float = 0.5
    noise: float = 0.1

def train(settings: Settings, run: Run) -> dict[str, float]:
    draw = random.Random(f"{run.seed} {settings.stride} {settings.noise}")
    if settings.stride == 0.6 and run.seed == 1:
        raise ValueError("this seed cannot be walked")
    base = random.Random(run.seed).gauss(0, 1)
    return {"far": base + settings.stride + settings.noise * draw.gauss(0, 1)}
"""
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


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_a_real_study_is_reported_as_its_trials_are(tmp_path: Path) -> None:
    (tmp_path / "walk.py").write_text(CODE, encoding="utf-8")
    space = tmp_path / "walk.toml"
    space.write_text(SPACE, encoding="utf-8")
    answer = call("run", space, "--jobs", "1")
    assert "1 failed; why" in answer.out
    out = answer.out
    done = trials(space).rename(columns={"far": "val_accuracy"})
    done = done.sort_values("arm", key=lambda arms: arms != "baseline", kind="stable")
    by_hand = verdicts_by_hand(done, [3, 5, 8], 0.5)
    own = pd.read_csv(tmp_path / "results/walk/effects.csv").set_index("arm").loc[by_hand.index]
    assert own["verdict"].to_dict() == by_hand["verdict"].to_dict()
    for column in ("pairs", "delta", "p_looks", "p_holm", "e_looks", "settled_look"):
        np.testing.assert_allclose(
            own[column].astype(float), by_hand[column].astype(float), rtol=1e-9
        )
    ended = len(done)
    assert f"{ended} of at most 32 trainings (4 arms with 8 seeds each)" in out
    with opened_storage(storage_url(None, tmp_path / "results")) as storage:
        assert load_record(storage, "walk").looks == ()  # a report is no look


@pytest.mark.slow
def test_files_of_looks_go_with_them(tmp_path: Path) -> None:
    table = settled(SOME)
    written = write_report(table, tmp_path, figures=False)
    assert tmp_path / "looks.csv" in written.files
    write_report(replace(table, settling=None), tmp_path, figures=False)
    assert not (tmp_path / "looks.csv").exists()
    assert "repeated" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_dashboard_shows_repeated_intervals_of_what_is_settled() -> None:
    figure = drawn_graphs(Analysis(settled(SOME, most=1, begun=2)))["effects"]
    by_kind = {trace["name"]: trace for trace in figure.data}
    assert set(by_kind) == {"better", "equivalent", "not tested"}
    rows = Analysis(settled(SOME, most=1, begun=2)).effects.set_index("arm")
    width = 100 * (rows["repeated_high"]["big"] - rows["delta"]["big"])
    assert by_kind["better"]["error_x"]["array"][0] == pytest.approx(width, rel=1e-4)
    assert by_kind["not tested"]["error_x"]["array"] == (None, None)
    assert "repeated 95 % interval" in figure.layout.xaxis.title.text
