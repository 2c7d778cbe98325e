"""Hydra: jobs of a multirun, whose overrides are settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ablation.errors import UserError
from ablation.runs.files.opening import shown

OVERRIDES = Path(".hydra/overrides.yaml")
ENDINGS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet")
ABOVE = 4  # folders between a job's folder and its figures: lightning_logs/version_0 are two


def sweep_of(folder: Path) -> Path | None:
    """The folder of a multirun's jobs: this one, or below it (``multirun/DATE/TIME``).

    Returns:
        None where there is none.

    Raises:
        UserError: there are several.
    """
    for depth in ("", "*", "*/*"):
        jobs = folder.glob(f"{depth}/*/{OVERRIDES}".lstrip("/"))
        found = sorted({job.parent.parent.parent for job in jobs})
        if len(found) > 1:
            raise UserError(
                f"{shown(folder)}: it holds {len(found)} multiruns; give one, such as "
                f"{shown(found[-1])}"
            )
        if found:
            return found[0]
    return None


def sweep_files(folder: Path) -> list[Path]:
    """The file of figures of each job, which all call it the same.

    Raises:
        UserError: a job has none, or all have several.
    """
    jobs = sorted(
        (job for job in folder.iterdir() if (job / OVERRIDES).is_file()),
        key=lambda job: (not job.name.isdecimal(), job.name.zfill(9)),
    )
    names = [_figures(job) for job in jobs]
    common = sorted(set.intersection(*names))
    if len(common) > 1:
        raise UserError(
            f"{shown(folder)}: its jobs have several files of figures ({', '.join(common[:5])}); "
            f"name one: {shown(folder / '*' / common[0])}"
        )
    if not common:
        lacking = [job.name for job, own in zip(jobs, names, strict=True) if not own]
        what = f"job {', '.join(lacking[:5])} has" if lacking else "its jobs have"
        raise UserError(
            f"{shown(folder)}: {what} no CSV or JSON file of figures that all jobs have; name "
            "the files of those that do"
        )
    return [job / common[0] for job in jobs]


def _figures(job: Path) -> set[str]:
    """The files of a job that may hold figures, by their paths in its folder."""
    paths = (path for ending in ENDINGS for path in job.rglob(f"*{ending}"))
    within = (path.relative_to(job) for path in paths if path.is_file())
    return {str(path) for path in within if not any(part[0] == "." for part in path.parts)}


def job_of(path: Path) -> Path | None:
    """The folder of the job that a file belongs to; None where it belongs to none."""
    above = list(path.absolute().parents)[:ABOVE]
    return next((folder for folder in above if (folder / OVERRIDES).is_file()), None)


def settings_of(jobs: list[Path]) -> list[Mapping[str, str]]:
    """What each job's overrides set; one that a job has not is what its configuration says.

    Args:
        jobs: their folders.

    Raises:
        UserError: a file of Hydra's is damaged.
    """
    overrides = [_overrides(job) for job in jobs]
    names = list(dict.fromkeys(name for each in overrides for name in each))
    return [
        {name: _value(job, name, own) for name in names}
        for job, own in zip(jobs, overrides, strict=True)
    ]


def _overrides(job: Path) -> dict[str, str]:
    """What was set, as in ``lr=0.1``, ``+model=large`` or ``~scheduler``."""
    listed = _yaml(job / OVERRIDES)
    if listed in (None, ""):
        return {}
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise UserError(f"{shown(job / OVERRIDES)}: not a list of overrides; it is damaged")
    pairs = (each.lstrip("+~").partition("=") for each in listed)
    found = {name.partition("@")[0].strip(): value.strip() for name, _, value in pairs}
    return {name: value for name, value in found.items() if not name.startswith("hydra.")}


def _value(job: Path, name: str, overrides: Mapping[str, str]) -> str:
    """A setting as the configuration has it, which writes 1e-3 and 0.001 alike."""
    config = _within(_configuration(job, "config.yaml"), name)
    if isinstance(config, str):
        return config
    if name in overrides:
        return overrides[name]
    choice = _within(_configuration(job, "hydra.yaml"), f"hydra.runtime.choices.{name}")
    return choice if isinstance(choice, str) else ""


def _configuration(job: Path, name: str) -> Any:
    path = job / ".hydra" / name
    return _yaml(path) if path.is_file() else {}


def _within(value: Any, name: str) -> Any:
    for part in name.replace("/", ".").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        raise UserError(f"{shown(path)}: not YAML that can be read; it is damaged") from None
