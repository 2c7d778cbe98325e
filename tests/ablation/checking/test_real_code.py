"""A check of real code in real processes: the examples, PyTorch's schedules, the CRNN."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.checking.checking import Conditions, run_check
from ablation.checking.findings import Findings
from ablation.checking.subject import find_subject
from tests.helpers.commands.cli import ROOT

pytestmark = pytest.mark.slow

TINY = """
format   = 1
question = "?"
design   = "one-factor"
seeds    = 2
[baseline]
hidden_size = 16
lstm_layers = 1
epochs      = 3
train_size  = 500
[factors]
hidden_size = [32]
"""

SCHEDULED = """
import torch
from pydantic import BaseModel, Field
from torch import nn
from ablation import Run

class Settings(BaseModel):
    width: int = Field(8, ge=1)
    epochs: int = Field(6, ge=1)

def train(settings: Settings, run: Run) -> None:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(run.stream("data")))
    y = x.prod(1, keepdim=True)
    net = nn.Sequential(nn.Linear(4, settings.width), nn.Tanh(), nn.Linear(settings.width, 1))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    done = run.track(net=net, optimizer=optimizer, TRACKED)
    for epoch in range(done + 1, settings.epochs + 1):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        run.report(epoch, loss=loss)
"""


def check(source: str | Path, conditions: Conditions = Conditions()) -> Findings:  # noqa: B008
    return run_check(find_subject(str(source)), lambda line: None, conditions).findings


def outcomes(found: Findings) -> tuple[str, str, str, str | None]:
    return found.repeats, found.seeds, found.resume, found.arms


@pytest.mark.parametrize(("name", "resume"), [("digits", "starts over"), ("loop", "exact")])
def test_the_examples_keep_their_promises(name: str, resume: str) -> None:
    found = check(ROOT / "examples" / f"{name}.toml")
    assert outcomes(found) == ("exact", "yes", resume, "yes")
    assert found.hold


@pytest.mark.parametrize("epochs", [2, 6])
def test_a_schedule_that_is_not_tracked(epochs: int, tmp_path: Path) -> None:
    path = tmp_path / "scheduled.py"
    text = SCHEDULED.replace("Field(6", f"Field({epochs}").replace(", TRACKED", "")
    path.write_text(text, encoding="utf-8")
    found = check(path)
    assert (found.resume, found.untracked) == ("no", ("scheduler",))
    assert found.resumed.state == 2
    assert (found.resumed.shown is None) == (epochs == 2)  # by then no figure shows it


def test_a_schedule_that_is_tracked(tmp_path: Path) -> None:
    path = tmp_path / "scheduled.py"
    path.write_text(SCHEDULED.replace("TRACKED", "scheduler=scheduler"), encoding="utf-8")
    found = check(path)
    assert (found.resume, found.untracked) == ("exact", ())


def test_the_crnn_keeps_its_promises(full_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    found = check(path, Conditions(data=full_data))
    assert outcomes(found) == ("exact", "yes", "exact", "yes")
    assert (found.reports, found.kills, found.ended, found.tracks) == (3, 3, True, True)
