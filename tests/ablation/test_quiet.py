"""What libraries warn of stays out of the command line, unless a user asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys, warnings
from unittest import mock
import study

class ExperimentalWarning(Warning):
    pass

def app(**_):
    warnings.warn("constrained_layout not applied", UserWarning)
    warnings.warn("GPSampler may change", ExperimentalWarning)
    warnings.warn("this will be an error in pandas 4", FutureWarning)

with mock.patch("ablation.cli.main.app", app):
    study.main()
"""
WORKER = """
import os, warnings
from multiprocessing import Pipe
from unittest import mock
from ablation.running import worker
from ablation.running.executors.base import Wish

def find_offer(wish):
    warnings.warn("LSTM: dropout expects more than one layer", UserWarning)

(ours, orders), (channel, theirs) = Pipe(), Pipe()
ours.send(Wish("any"))
ours.close()
with mock.patch.object(worker, "find_offer", find_offer):
    worker.serve(orders, channel, os.getppid(), 1)
"""


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
