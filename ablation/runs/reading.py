"""Files of runs that were trained elsewhere as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ablation.errors import UserError
from ablation.files import from_home
from ablation.runs.exports import hydra, mlflow, optuna, wandb
from ablation.runs.exports.recognition import recognised
from ablation.runs.files.csv_file import CsvFile
from ablation.runs.files.json_file import JsonFile
from ablation.runs.files.opening import content_hash, kind_of, regular_file, shown
from ablation.runs.files.parquet_file import ParquetFile
from ablation.runs.options import Options
from ablation.runs.tables.flattening import text_of
from ablation.runs.tables.joining import file_table, frame_table
from ablation.runs.tables.naming import NamePattern
from ablation.runs.tables.source import Source, text_frame
from ablation.runs.tables.table import Roles, Table

MOST_FILES = 10_000
SOURCES: dict[str, Callable[[Path], Source]] = {
    "csv": CsvFile,
    "json": JsonFile,
    "parquet": ParquetFile,
}


def read_table(files: Sequence[str], options: Options) -> Table:
    """A table, whatever files it comes in.

    Args:
        files: CSV, JSON or Parquet, of which several are one table, with their names in the column
            ``file``; an Optuna storage; or a folder of MLflow's or of Hydra's multirun.
        options: what a person says of it: ``wide``, ``name``, ``study`` of a storage, and the
            columns named.

    Returns:
        It; its rows are read when they are asked for.

    Raises:
        UserError: a file cannot be read, or holds no table of runs.
    """
    if not files:
        raise UserError("no file was given; name the file of a table")
    if len(files) == 1 and (known := _known(files[0], options)):
        return recognised(known, options)
    paths = _paths(files, options)
    sources = [_source(path) for path in paths]
    hashes = _hashes(paths)
    table: Table = file_table(sources, [{} for _ in paths])
    if len(paths) > 1 or (options.name and not wandb.is_chart(table)):
        table = _with_names(paths, sources, options)
    if table.head.empty:
        raise UserError(f"{shown(files[0])}: a header without rows; give one row a run")
    return recognised(replace(table, files=hashes), options)


def read_frame(frame: pd.DataFrame, options: Options | None = None) -> Table:
    """A DataFrame as the table that a file with its cells would give.

    Args:
        frame: one row a run, or what else a file may hold; an index with names is columns.
        options: what a person says of it.

    Raises:
        UserError: it has no rows, or two columns of one name.
    """
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame]
    if len(set(names)) < len(names):
        raise UserError("two columns of the DataFrame have the same name; rename one of them")
    cells = [[_cell(cell) for cell in frame.iloc[:, place]] for place in range(len(names))]
    if frame.empty:
        raise UserError("the DataFrame has no rows; give one row a run")
    table = frame_table(text_frame(names, cells, range(1, len(frame) + 1)))
    return recognised(table, options or Options())


def _cell(value: object) -> str:
    """A value as a CSV file has it."""
    is_missing = value is None or value is pd.NA or value is pd.NaT or value != value
    if isinstance(value, Mapping):
        return json.dumps(value, default=str, skipkeys=True)
    return "" if is_missing is True else text_of(value)


def _known(name: str, options: Options) -> Table | None:
    """A storage or a store as a table; None for anything else."""
    path = Path(from_home(name.removeprefix("sqlite:///")))
    if path.is_dir():
        if not mlflow.is_store(path):
            return None
        table = mlflow.read_store(path)
        return replace(table, files={path.absolute().name: _row_hash(table)})
    if not name.startswith("sqlite:///") and (
        "://" in name or kind_of(regular_file(name)) != "sqlite"
    ):
        return None
    file = regular_file(str(path))
    return replace(
        optuna.read_storage(str(file), options.study), files={file.name: content_hash(file)}
    )


def _paths(files: Sequence[str], options: Options) -> list[Path]:
    """The files that are to be read, those of known folders among them."""
    paths = list[str | Path]()
    for name in files:
        folder = Path(from_home(name))
        if folder.is_dir() and (sweep := hydra.sweep_of(folder)):
            paths += hydra.sweep_files(sweep)
        elif folder.is_dir() and options.name:
            pattern = NamePattern(options.name)
            within = sorted(path for path in folder.rglob("*") if path.is_file())
            paths += [path for path in within if pattern.matches(str(path))]
        else:
            paths.append(name)
    if len(paths) > MOST_FILES:
        raise UserError(f"{len(paths):,} files; {MOST_FILES:,} are the most that are read")
    if not paths:
        raise UserError(f"{shown(files[0])}: no file in it matches --name {shown(options.name)}")
    return [regular_file(str(path)) for path in paths]


def _source(path: Path) -> Source:
    kind = kind_of(path)
    if kind not in SOURCES:
        raise UserError(f"{shown(path)}: an SQLite file; give it alone")
    return SOURCES[kind](path)


def _with_names(paths: list[Path], sources: list[Source], options: Options) -> Table:
    """The table of several files, with what their names, or Hydra, say of each."""
    names = [str(path) for path in paths]
    said: list[Mapping[str, str]] = [{"file": name} for name in names]
    roles = Roles()
    jobs = [job for path in paths if (job := hydra.job_of(path))]
    if len(jobs) == len(paths):
        settings = hydra.settings_of(jobs)
        said = [{**each, **own} for each, own in zip(said, settings, strict=True)]
        seeds = [name for name in settings[0] if name.split(".")[-1] == "seed"]
        roles = Roles(
            exporter="Hydra's multirun", seed=seeds[0] if len(seeds) == 1 else "",
            settings=tuple(name for name in settings[0] if name not in seeds),
        )  # fmt: skip
    if options.name:
        pattern = NamePattern(options.name)
        _refuse_doubles(pattern, sources, paths)
        said = [{**each, **own} for each, own in zip(said, pattern.read(names), strict=True)]
        known = {name: name for name in ("arm", "seed") if name in pattern.fields}
        roles = replace(roles, **known)  # type: ignore[arg-type]
    roles = replace(roles, others=("file",))
    return replace(file_table(sources, said), roles=roles)


def _refuse_doubles(pattern: NamePattern, sources: list[Source], paths: list[Path]) -> None:
    for source, path in zip(sources, paths, strict=True):
        double = [name for name in pattern.fields if name in source.names]
        if double:
            raise UserError(
                f"{shown(path)}: it has a column {double[0]} already; call it otherwise in --name"
            )


def _hashes(paths: list[Path]) -> dict[str, str]:
    """Each file's SHA-256, by its name; with as many folders before it as tell all apart."""
    parts = 1
    names = [path.name for path in paths]
    while len(set(names)) < len(set(paths)) and parts < max(len(path.parts) for path in paths):
        parts += 1
        names = [str(Path(*path.parts[-parts:])) for path in paths]
    return {name: content_hash(path) for name, path in zip(names, paths, strict=True)}


def _row_hash(table: Table) -> str:
    """The SHA-256 of a table's rows, for a folder of many files."""
    return hashlib.sha256(table.read(table.names).to_csv().encode()).hexdigest()
