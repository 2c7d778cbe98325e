"""What `check` has found of code on a device: kept in the results folder, for later runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ablation.errors import UserError
from ablation.files import write_atomic
from ablation.objective import Objective
from ablation.program import command

FILE = "_checks.json"  # no study can be called so


Repeats = Literal["exact", "close", "no"]
Resume = Literal["exact", "close", "no", "starts over", "unknown"]
Varies = Literal["yes", "no", "unknown"]


class KeptCheck(BaseModel):
    """What a check has found.

    Attributes:
        trains: the code, as people call it.
        device: where it was trained.
        repeats: ``exact``, ``close`` or ``no``.
        seeds: whether other seeds give other figures: ``yes``, ``no`` or ``unknown``.
        arms: the same of another arm; None where there was none.
        resume: ``exact``, ``close``, ``no``, ``starts over`` or ``unknown``.
        reports: over how many of a training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trains: str
    device: str
    repeats: Repeats
    seeds: Varies
    arms: Varies | None
    resume: Resume
    reports: int

    @property
    def resumes(self) -> bool:
        """Whether a training may go on from a checkpoint."""
        return self.resume in ("exact", "starts over")


_CHECKS = TypeAdapter(dict[str, KeptCheck])


def keep_check(results: Path, objective: Objective, check: KeptCheck) -> Path:
    """Keep what was found of code, in place of what was found of it on this device before.

    Args:
        results: the folder of results; made if need be.
        objective: with the code.
        check: what was found.

    Returns:
        The file.

    Raises:
        UserError: the file is there and is none of these.
        OSError: it cannot be written.
    """
    checks = {**_read(results), _key(objective, check.device): check}
    results.mkdir(parents=True, exist_ok=True)
    return write_atomic(results / FILE, _CHECKS.dump_json(checks, indent=2))


def kept_check(results: Path, objective: Objective, device: str) -> KeptCheck | None:
    """What was found of code on a device; None where it was not checked.

    Raises:
        UserError: the file is there and is none of these.
    """
    return _read(results).get(_key(objective, device))


def kept_lines(results: Path, objective: Objective) -> list[str]:
    """What a study of code can count on, a line for each device that it was checked on.

    Raises:
        UserError: the file of checks is damaged.
    """
    own = f"{objective.digest} "
    checks = [check for key, check in _read(results).items() if key.startswith(own)]
    return [f"Checked on {check.device}: {', '.join(_promises(check))}." for check in checks]


def _promises(check: KeptCheck) -> Iterator[str]:
    yield {
        "exact": "the same seed repeats",
        "close": "the same seed repeats closely",
        "no": "the same seed does not repeat",
    }[check.repeats]
    if check.seeds == "no":
        yield "all seeds are the same"
    what = "goes on" if check.resume == "exact" else "starts over"
    yield f"a killed training {what}"


def _key(objective: Objective, device: str) -> str:
    return f"{objective.digest} {device}"


def _read(results: Path) -> Mapping[str, KeptCheck]:
    path = results / FILE
    try:
        return _CHECKS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValidationError, OSError) as error:
        reason = getattr(error, "strerror", None) or "not what check writes"
        raise UserError(f"{path}: {reason}; delete it, then check again") from None


def may_resume(
    results: Path,
    objective: Objective,
    device: str,
    *,
    force: bool,
    is_new: bool,
    say: Callable[[str], None],
) -> bool:
    """Whether killed trainings go on from their checkpoints, as far as was checked.

    Args:
        results: the folder of results.
        objective: what is trained.
        device: where.
        force: go on all the same.
        is_new: whether the study begins.
        say: told of what a person should know.

    Raises:
        UserError: the file of checks is damaged.
    """
    if not objective.beside_space:  # the project's own code, which its tests check
        return True
    check = kept_check(results, objective, device)
    if check is None:
        if is_new:
            say(
                f"Not checked yet: whether {objective.name} repeats with a seed and resumes after "
                f"a kill. {command('check', 'SPACE')} finds out."
            )
        return True
    if check.resumes or force:
        return True
    say(
        f"{objective.name} does not resume exactly, as check found: killed trainings start over. "
        "--force resumes them all the same."
    )
    return False
