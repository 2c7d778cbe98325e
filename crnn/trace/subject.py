"""What `trace` is to show: an arm as its training begins, or a finished trial as it ended."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.loading import load
from ablation.errors import UserError, did_you_mean
from ablation.program import command as command_of
from ablation.storage import TrialRow
from ablation.storage.attributes import checked_trials, is_diverged
from ablation.storage.record import load_record
from crnn.network.config import Setting

WRITE_UP = "source"
SCRIPT = "python study.py"  # which alone has the command `trace`


@dataclass(frozen=True)
class Subject:
    """A network to be traced.

    Attributes:
        study: the study or space that it belongs to.
        name: the folder below ``trace/``: after the arm, or ``trial-N``.
        setting: its setting.
        seed: of its initial values and its split.
        state: how far it is trained, a sentence.
        title: what it is, in a few words.
        command: what traces it again.
        number: of its trial; None where it is not trained.
    """

    study: str
    name: str
    setting: Setting
    seed: int
    state: str
    title: str
    command: str
    number: int | None = None


def untrained(space: str, arm: str) -> Subject:
    """An arm of a space, as a training with its first seed begins.

    Raises:
        UserError: no such space or arm.
    """
    plan = load(space)
    names = [each.name for each in plan.arms]
    if arm not in names:
        raise UserError(
            f"--arm {arm}: space {plan.space.name} has none; {did_you_mean(arm, names)}"
        )
    seed = plan.space.search.seed if plan.space.search else plan.space.seeds[0]
    state = (
        f"Not trained: the initial values of seed {seed}, so its prediction means nothing. With "
        "the weights of a finished trial: run --keep-weights, then trace --trial STUDY:NUMBER."
    )
    title = f"{plan.space.name}, {arm}"
    command = command_of("trace", shlex.quote(space), "--arm", shlex.quote(arm), otherwise=SCRIPT)
    setting = plan.arm(arm).setting
    if not isinstance(setting, Setting):
        raise UserError(f"{space}: not a space of the CRNN; only its way can be shown")
    return Subject(plan.space.name, _folder(arm, setting), setting, seed, state, title, command)


def _folder(arm: str, setting: Setting) -> str:
    """The arm's name, short enough for a file system, and not one that a trial's folder has."""
    if len(arm) <= 100 and not re.fullmatch(r"trial-\d+", arm):
        return arm
    return f"{arm[:80]}-{setting.digest}"


def finished(storage: RDBStorage, trial: str) -> Subject:
    """A finished trial, given as ``STUDY:NUMBER``.

    Raises:
        UserError: it is not written so, there is no such trial, or it has not finished.
    """
    study, number = _parsed(trial)
    load_record(storage, study)
    row = _row(checked_trials(storage, study), study, number)
    attributes: dict[str, Any] = row.attributes
    arm, seed = attributes["arm"], attributes["seed"]
    state = (
        f"Trained: trial {number} of study {study}, arm {arm}, seed {seed}, "
        f"{100 * attributes['history'][-1]['val_accuracy']:.2f} % of its validation images right."
    )
    setting = Setting.of(attributes["setting"])
    title = f"{study}, {arm}, seed {seed}"
    command = command_of("trace", "--trial", shlex.quote(trial), otherwise=SCRIPT)
    name = f"trial-{number}"
    return Subject(study, name, setting, seed, state, title, command, number)


def _parsed(trial: str) -> tuple[str, int]:
    if not (match := re.fullmatch(r"(.+):(\d+)", trial)):
        raise UserError(f"--trial {trial}: takes STUDY:NUMBER, such as source:0")
    return match[1], int(match[2])


def _row(rows: list[TrialRow], study: str, number: int) -> TrialRow:
    row = next((row for row in rows if row.number == number), None)
    if row is None:
        numbers = f"0 to {len(rows) - 1}" if rows else "none yet"
        raise UserError(f"--trial {study}:{number}: no such trial; there are {numbers}")
    if "arm" not in row.attributes:
        raise UserError(f"--trial {study}:{number}: no trial of this program's; choose another")
    if is_diverged(row.attributes):
        raise UserError(f"--trial {study}:{number}: it diverged; choose one that is COMPLETE")
    if row.state != "COMPLETE":
        again = " --retry-failed" if row.state == "FAIL" else ""
        raise UserError(
            f"--trial {study}:{number}: it is {row.state}; choose one that is COMPLETE, or first: "
            f"run SPACE{again} --keep-weights"
        )
    return row
