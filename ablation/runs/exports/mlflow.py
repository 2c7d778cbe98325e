"""MLflow: what ``search_runs`` and the page's CSV have, and a store in a folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ablation.errors import UserError
from ablation.runs.exports.prefixes import with_prefixes
from ablation.runs.files.opening import LARGEST, shown
from ablation.runs.tables.joining import frame_table
from ablation.runs.tables.source import text_frame
from ablation.runs.tables.table import Roles, Table

EXPORTER = "MLflow's runs"
PARENTS = ("tags.mlflow.parentRunId", "mlflow.parentRunId")
STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
BOOKKEEPING = (
    "run_id", "experiment_id", "experiment", "status", "artifact_uri", "start_time", "end_time",
    "run_name", "Run ID", "Run Name", "Name", "Start Time", "Duration", "Source Type",
    "Source Name", "User", "Status", "Version", "Models", "Dataset", "Created",
)  # fmt: skip
META = "meta.yaml"
MANY = 100_000  # runs


def runs_table(table: Table) -> Table | None:
    """Runs as MLflow exports them; those that only hold averages of others are left out.

    Returns:
        The table; None for another one.
    """
    names = set(table.names)
    of_page = {"Run ID", "Source Type"} <= names
    of_frame = "run_id" in names and any(name.startswith(("metrics.", "params.")) for name in names)
    if not (of_page or of_frame):
        return None
    roles = Roles(
        exporter=EXPORTER, state=_there(names, "status", "Status"),
        created=_there(names, "start_time", "Start Time", "Created"),
        run="run_id" if of_frame else "Run ID",
        others=tuple(name for name in table.names if name in BOOKKEEPING or name in PARENTS),
    )  # fmt: skip
    return _without_parents(with_prefixes(replace(table, roles=roles)))


def _there(names: set[str], *wanted: str) -> str:
    return next((name for name in wanted if name in names), "")


def _without_parents(table: Table) -> Table:
    """Leave out runs that others name as their parent: their figures are averages of those."""
    parent = _there(set(table.names), *PARENTS)
    if not parent:
        return table
    frame = table.read(table.names)
    run = table.roles.run
    is_parent = frame[run].isin(set(frame[parent]) - {""})
    if not is_parent.any():
        return table
    count = int(is_parent.sum())
    some = ", ".join(frame.loc[is_parent, run].str.slice(0, 12).head(3))
    runs = "1 run is the parent" if count == 1 else f"{count} runs are parents"
    line = f"{runs} of others ({some}{', …' if count > 3 else ''}): left out, their children count"
    return frame_table(frame[~is_parent], table, roles=table.roles, lines=[line])


def is_store(folder: Path) -> bool:
    """Whether a folder is a store of MLflow's (``mlruns``), or one experiment of it."""
    return _is_experiment(folder) or any(_is_experiment(each) for each in _folders(folder))


def _is_experiment(folder: Path) -> bool:
    return (folder / META).is_file() and any(_is_run(each) for each in _folders(folder))


def _is_run(folder: Path) -> bool:
    return (folder / META).is_file() and (folder / "metrics").is_dir()


def _folders(folder: Path) -> list[Path]:
    return sorted(
        each for each in folder.iterdir()
        if each.is_dir() and not each.is_symlink() and not each.name.startswith(".")
    )  # fmt: skip


def read_store(folder: Path) -> Table:
    """The runs of a store, each with its last figures, as ``search_runs`` gives them.

    Raises:
        UserError: a file of it is damaged.
    """
    experiments = [folder] if _is_experiment(folder) else _folders(folder)
    rows = list[dict[str, str]]()
    deleted = 0
    for experiment in filter(_is_experiment, experiments):
        about = _meta(experiment / META)
        for run in filter(_is_run, _folders(experiment)):
            meta = _meta(run / META)
            if meta.get("lifecycle_stage", "active") != "active":
                deleted += 1
                continue
            rows.append({"experiment": about.get("name", experiment.name), **_row(run, meta)})
    if not rows:
        raise UserError(f"{shown(folder)}: a store of MLflow's without a run")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[row.get(name, "") for row in rows] for name in names]
    lines = [f"{deleted} deleted {'run' if deleted == 1 else 'runs'} left out"] if deleted else []
    return frame_table(text_frame(names, cells, range(1, len(rows) + 1)), lines=lines)


def _row(run: Path, meta: dict[str, str]) -> dict[str, str]:
    status = meta.get("status", "1")
    return {
        "run_id": meta.get("run_id") or meta.get("run_uuid") or run.name,
        "run_name": meta.get("run_name", ""),
        "status": STATUS.get(status, status),
        "start_time": meta.get("start_time", ""),
        **{f"metrics.{name}": _last(path) for name, path in _files(run / "metrics")},
        **{f"params.{name}": _text(path).strip() for name, path in _files(run / "params")},
        **{
            f"tags.{name}": _text(path).strip()
            for name, path in _files(run / "tags")
            if not name.startswith("mlflow.") or f"tags.{name}" in PARENTS
        },
    }


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Regular files below a folder, by their names, which may have slashes."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def _last(path: Path) -> str:
    """A metric's value at its last step, of several the one written last."""
    best, value = (-math.inf, -math.inf), ""
    for number, line in enumerate(_text(path).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            step = int(parts[2]) if len(parts) > 2 else 0
            place = (float(step), float(parts[0]))
            float(parts[1])
        except (ValueError, IndexError):
            raise UserError(
                f"{shown(path)}, line {number}: not a time, a value and a step; MLflow's files are "
                "damaged"
            ) from None
        if place >= best:
            best, value = place, parts[1]
    return value


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{shown(path)}: too large")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)}: cannot be read: {error}") from None


def _meta(path: Path) -> dict[str, str]:
    """A file of YAML, its values as text."""
    try:
        value: Any = yaml.load(_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        raise UserError(f"{shown(path)}: not YAML; MLflow's files are damaged") from None
    if not isinstance(value, dict):
        raise UserError(f"{shown(path)}: not what MLflow writes; its files are damaged")
    return {str(name): each for name, each in value.items() if isinstance(each, str)}
