"""The code of the page on frameworks: what the page says of it holds."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from ablation.checking.checking import run_check
from ablation.checking.subject import find_subject
from tests.ablation.user_code.processes import ROOT, alive
from tests.helpers.commands import cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

STEPS = 'self.log("val_accuracy"'
LOGGED_STEPS = f'self.log("steps", float(self.global_step))\n        {STEPS}'
BATCH = "        x, y = batch\n        loss = "
WAITING = """        if index == 0:
            with open("epochs.txt", "a") as file:
                file.write(f"{self.current_epoch} ")
            waits = os.path.join(os.path.dirname(__file__), "waits")
            if self.current_epoch == 3 and not os.path.exists(waits):
                os.mkdir(waits)
                time.sleep(1000)
"""


def lightning(folder: Path, *changes: tuple[str, str]) -> Path:
    """Lightning's part of the page as files; the space's path."""
    page = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
    part = page.partition("\n## PyTorch Lightning\n")[2].partition("\n## ")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", part, re.DOTALL))
    (space,) = re.findall(r"```toml\n(.*?)```", part, re.DOTALL)
    for before, after in changes:
        assert before in code
        code = code.replace(before, after, 1)
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(code, encoding="utf-8")
    (folder / "net.toml").write_text(space, encoding="utf-8")
    return folder / "net.toml"


def test_lightning_repeats_and_resumes_exactly(tmp_path: Path) -> None:
    path = lightning(tmp_path, (STEPS, LOGGED_STEPS))
    found = run_check(find_subject(str(path)), lambda line: None).findings
    assert (found.repeats, found.seeds, found.resume, found.arms) == (
        "exact",
        "yes",
        "exact",
        "yes",
    )
    assert (found.reports, found.kills, found.ended, found.untracked) == (6, 6, True, ())


def test_a_killed_study_of_lightning_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    words = ["--jobs", "1", "--seeds", "1"]
    whole = lightning(tmp_path / "whole")
    answer = cli.call("run", str(whole), "--results", str(whole.parent / "results"), *words,
                      figures=False)  # fmt: skip
    assert answer.code == 0, answer.err

    killed = lightning(tmp_path / "killed", ("import torch\n", "import os, time, torch\n"),
                       (BATCH, WAITING + BATCH))  # fmt: skip
    words = ["run", str(killed), "--results", str(killed.parent / "results"), *words]
    process = cli.start(*words, cwd=killed.parent)
    folder = killed.parent / "results" / "net" / "trials" / "trial-0"
    while not (killed.parent / "waits").exists():
        assert process.poll() is None, cli.finish(process).err
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    cli.finish(process)
    assert not alive(process.pid)
    answer = cli.call(*words, figures=False)
    assert answer.code == 0, answer.err

    resumed = (folder / "epochs.txt").read_text().split()
    assert (resumed[:4], resumed.count("0"), resumed[-1]) == (["0", "1", "2", "3"], 1, "5")
    for name, kept in (
        ("trials", ["arm", "seed", "state", "val_accuracy"]),
        ("epochs", ["arm", "seed", "epoch", "val_accuracy", "loss"]),
    ):
        found, wanted = (
            pd.read_csv(space.parent / "results" / "net" / f"{name}.csv")[kept]
            for space in (killed, whole)
        )
        pd.testing.assert_frame_equal(found, wanted)
        assert len(found) == (4 if name == "trials" else 24)
