"""What `check` has found of a space's code on a device, kept in the results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ablation.errors import UserError
from ablation.files import write_atomic
from ablation.planning.pace import Rate
from ablation.program import command
from ablation.space.schema import Space
from ablation.user_code.settings.setting import digest_of

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
        pace: the cost (`Objective.cost`) that a training gets through in a second; None where that
            is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trains: str
    device: str
    repeats: Repeats
    seeds: Varies
    arms: Varies | None
    resume: Resume
    reports: int
    pace: float | None = None

    @property
    def resumes(self) -> bool:
        """Whether a training may go on from a checkpoint."""
        return self.resume in ("exact", "starts over")


_CHECKS = TypeAdapter(dict[str, KeptCheck])


def keep_check(results: Path, space: Space, check: KeptCheck) -> Path:
    """Keep what was found, in place of what was found of the same on this device before.

    Args:
        results: the folder of results; made if need be.
        space: with the code and the baseline that were checked.
        check: what was found.

    Returns:
        The file.

    Raises:
        UserError: the file is there and is none of these.
        OSError: it cannot be written.
    """
    checks = {**_read(results), _key(space, check.device): check}
    results.mkdir(parents=True, exist_ok=True)
    return write_atomic(results / FILE, _CHECKS.dump_json(checks, indent=2))


def kept_check(results: Path, space: Space, device: str) -> KeptCheck | None:
    """What was found of a space's baseline on a device; None where it was not checked.

    Raises:
        UserError: the file is there and is none of these.
    """
    return _read(results).get(_key(space, device))


def checked_rate(results: Path, space: Space) -> Rate | None:
    """How fast a space's baseline trains, as a check has measured it; None where none has.

    Raises:
        UserError: the file of checks is damaged.
    """
    for check in _checks_of(results, space):
        if check.pace is not None:
            return Rate(check.pace, f"check, on {check.device}")
    return None


def kept_lines(results: Path, space: Space) -> list[str]:
    """What a study can count on, a line for each device that its space was checked on.

    Raises:
        UserError: the file of checks is damaged.
    """
    return [
        f"Checked on {check.device}: {', '.join(_promises(check))}."
        for check in _checks_of(results, space)
    ]


def _checks_of(results: Path, space: Space) -> list[KeptCheck]:
    """What was found of a space's baseline, on every device."""
    kept = _read(results).items()
    return [check for key, check in kept if key == _key(space, check.device)]


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


def _key(space: Space, device: str) -> str:
    """All that decides what a check finds: code and metric, the baseline's values, the device."""
    return f"{space.objective.digest} {digest_of(space.baseline.values())} {device}"


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
    space: Space,
    device: str,
    *,
    force: bool,
    is_new: bool,
    say: Callable[[str], None],
    check_command: str = "",
) -> bool:
    """Whether killed trainings go on from their checkpoints, as far as was checked.

    Args:
        results: the folder of results.
        space: whose baseline and arms are trained.
        device: where.
        force: go on all the same.
        is_new: whether the study begins.
        say: told of what a person should know.
        check_command: how to check this code; in general terms unless given.

    Raises:
        UserError: the file of checks is damaged.
    """
    objective = space.objective
    if not objective.beside_space:  # the project's own code, which its tests check
        return True
    check = kept_check(results, space, device)
    if check is None:
        if is_new:
            say(
                f"Not checked yet: whether {objective.name} repeats with a seed and resumes after "
                f"a kill. To find out: {check_command or command('check', 'SPACE')}"
            )
        return True
    if check.resumes or force:
        return True
    say(
        f"{objective.name} does not resume exactly, as check found: killed trainings start over. "
        "--force resumes them all the same."
    )
    return False
