"""What libraries warn of stays out of the command line, unless a user asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = """
import sys, warnings
import study

class ExperimentalWarning(Warning):
    pass

@study.app.command()
def warn():
    warnings.warn("constrained_layout not applied", UserWarning)
    warnings.warn("GPSampler may change", ExperimentalWarning)
    warnings.warn("this will be an error in pandas 4", FutureWarning)

sys.argv = ["study.py", "warn"]
study.main()
"""
WORKER = """
import os, warnings
from multiprocessing import Pipe
from ablation.running.executors.base import Wish
from ablation.running.worker import serve
from tests.helpers.valley import Valley

class Warned(Valley):
    def gpu_names(self):
        warnings.warn("LSTM: dropout expects more than one layer", UserWarning)
        return []

objective = Warned()
(ours, orders), (channel, theirs) = Pipe(), Pipe()
ours.send(Wish("__main__:objective"))
ours.close()
serve(orders, channel, os.getppid(), 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [COMMAND, WORKER])
def test_warnings_of_libraries_are_shown_only_where_asked_for(code: str) -> None:
    assert said(code) == ""
    assert "UserWarning" in said(code, "-W", "always")


def said(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return "\n".join(line for line in done.stderr.splitlines() if "Deprecat" not in line)
