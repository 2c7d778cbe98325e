"""What a check finds of training functions, right and wrong ones, and what it says of them."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from syrupy.assertion import SnapshotAssertion

from ablation.checking.checking import Check, run_check
from ablation.checking.prose import sentences
from ablation.checking.subject import file_subject
from ablation.checking.trainer import TrainingFailedError
from ablation.running.patience import Patience
from ablation.user_code.objective import UserObjective
from ablation.user_code.settings.schema import Description
from ablation.user_code.source.describing import describe_code
from ablation.user_code.source.importing import load_code
from tests.ablation.checking.walks import FAULTS, write
from tests.helpers.executors import PlayedExecutor
from tests.helpers.in_process import InProcessExecutor


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """What user code changes in its process is put back."""
    argv, path, folder = sys.argv, list(sys.path), Path.cwd()
    modules = set(sys.modules)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    sys.argv, sys.path[:] = argv, path
    os.chdir(folder)
    for name in set(sys.modules) - modules:
        if name.startswith("walk"):
            del sys.modules[name]
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def described(trains: str, folder: Path) -> Description:
    return describe_code(load_code(trains, folder))


def check(path: Path, executor: InProcessExecutor | None = None, metric: str = "height") -> Check:
    said: list[str] = []
    subject = file_subject(str(path), metric, described)
    return run_check(subject, said.append, executor=executor or InProcessExecutor())


OUTCOMES = {
    "all right": ("exact", "yes", "exact", "yes"),
    "short": ("exact", "yes", "exact", "yes"),
    "schedule not tracked": ("exact", "yes", "no", "yes"),
    "generator not tracked": ("exact", "yes", "no", "yes"),
    "no seed": ("exact", "no", "exact", "yes"),
    "not deterministic": ("no", "unknown", "unknown", "unknown"),
    "logged figures not repeated": ("no", "unknown", "unknown", "unknown"),
    "rounding": ("close", "yes", "close", "yes"),
    "nothing tracked": ("exact", "yes", "starts over", "yes"),
    "no use of a setting": ("exact", "yes", "exact", "no"),
    "other state, same figures": ("exact", "yes", "no", "yes"),
    "track with another object": ("exact", "yes", "no", "yes"),
}


FAST = ("no seed", "generator not tracked")


@pytest.mark.parametrize(
    "fault",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS],
)
def test_what_is_found_and_said(fault: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    checked = check(write(tmp_path, fault))
    found = checked.findings
    assert (found.repeats, found.seeds, found.resume, found.arms) == OUTCOMES[fault]
    assert found.hold == (fault in ("all right", "short", "rounding", "nothing tracked"))
    if "unknown" not in OUTCOMES[fault] and fault != "rounding":  # which never say the same
        assert sentences(checked) == snapshot


@pytest.mark.slow
def test_what_is_trained(tmp_path: Path) -> None:
    executor = InProcessExecutor()
    check(write(tmp_path), executor)
    killed = [("baseline", 0)] * 6  # by a kill after each of five reports
    arms = [("baseline", 0), ("baseline", 0), ("baseline", 1), *killed, ("stride=1", 0)]
    assert executor.submitted == arms
    assert executor.kills == 10  # all of those end at their sixth report
    assert {path.suffix for path in tmp_path.glob("*.*")} == {".py"}


@pytest.mark.slow
def test_a_short_training_is_killed_after_its_last_report_too(tmp_path: Path) -> None:
    executor = InProcessExecutor()
    found = check(write(tmp_path, "short"), executor).findings
    assert (found.reports, found.kills, found.ended) == (3, 3, True)


@pytest.mark.slow
def test_what_starts_over_is_killed_twice(tmp_path: Path) -> None:
    found = check(write(tmp_path, "nothing tracked")).findings
    assert found.kills == 2


@pytest.mark.slow
def test_a_variable_with_a_state_is_named(tmp_path: Path) -> None:
    found = check(write(tmp_path, "schedule not tracked")).findings
    assert found.untracked == ("schedule",)


@pytest.mark.slow
def test_a_fault_in_what_is_returned_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "short", "walk_best")
    text = path.read_text()
    text = text.replace("    for step", "    best = 9.0\n    for step")
    text = text.replace("        run.report", "        best = min(best, step)\n        run.report")
    path.write_text(text.replace('{"final": at["height"]}', '{"final": best}'))
    checked = check(path)
    assert checked.findings.resume == "no"
    assert "Undisturbed 1, killed and resumed 9 (final, as returned)" in sentences(checked)[3]


def test_a_training_that_fails_is_told_with_its_traceback(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(TrainingFailedError) as caught:
        check(path, metric="depth")
    assert (
        "baseline, seed 0: TrainingError: reported: height, stride, final; the space wants depth"
        in str(caught.value)
    )
    assert "Traceback" in caught.value.traceback


def test_a_training_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    subject = file_subject(str(write(tmp_path)), "height", described)
    executor, patience = PlayedExecutor(), Patience(startup=0.01)
    with pytest.raises(TrainingFailedError, match="baseline, seed 0: it has said nothing for"):
        run_check(subject, lambda line: None, executor=executor, patience=patience)
    assert executor.closed


def test_code_is_known_again_wherever_it_lies(tmp_path: Path) -> None:
    subject = file_subject(str(write(tmp_path)), "height", described)
    assert isinstance(subject.objective, UserObjective)
    definition = subject.objective.definition
    moved = definition.model_copy(update={"folder": "/a", "file": "/a/b.py", "code_folder": "/a"})
    changed = definition.model_copy(update={"code": {"walk.py": "0"}})
    assert moved.digest == subject.objective.digest
    assert changed.digest != subject.objective.digest


def test_the_other_arm_is_one_that_can_be_trained(tmp_path: Path) -> None:
    path = write(tmp_path, name="walk_bounds")
    text = path.read_text()
    text = text.replace(
        "    stride: float = Field(0.5, gt=0, le=2)",
        """    kind: str = "a"
    workers: int = Field(1, json_schema_extra={"identity": False})
    stride: float = Field(0.5, gt=0.3, le=0.8)""",
    )
    path.write_text(text)
    subject = file_subject(str(path), "", described)
    assert subject.other_arm is not None
    assert subject.other_arm.name == "stride=0.55"
    assert subject.objective.metric.name == "height"
    assert subject.metric_found
    assert [arm.name for arm in subject.plan.arms] == ["baseline", "stride=0.55"]
