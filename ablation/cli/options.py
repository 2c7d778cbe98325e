"""What commands take: their options and arguments, each once."""

from __future__ import annotations

import re
import sys
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ablation.cli.console import new_console
from ablation.errors import UserError
from ablation.files import from_home
from ablation.space.durations import seconds_in

RESULTS = Path("results")


class Precision(StrEnum):
    """What `--precision` takes."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class ExecutorName(StrEnum):
    """What `--executor` takes."""

    local = "local"
    debug = "debug"


class Paste(StrEnum):
    """What `report --table` takes."""

    md = "md"
    tex = "tex"


def path_from_home(given: Path | None) -> Path | None:
    """A path as given, ``~`` expanded where the shell has left it."""
    return None if given is None else Path(from_home(str(given)))


def text_from_home(given: str | None) -> str | None:
    """A text as given, ``~`` expanded where the shell has left it."""
    return None if given is None else from_home(given)


def storage_as_given(given: str | None) -> str | None:
    """A storage as given; a password in it is not for everybody who lists processes."""
    if given is None or "://" not in given:
        if given and not Path(given).exists() and LIKE_A_URL.match(given):
            raise UserError(NO_URL)  # and nothing of it, for it may hold a password
        return text_from_home(given)
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        secret = make_url(given).password is not None or "password=" in given
    except (ArgumentError, ValueError):
        raise UserError(NO_URL) from None
    if secret and any(given in word for word in sys.argv):
        new_console(stderr=True).print(PASSWORD_SEEN, soft_wrap=True)
    return text_from_home(given)


LIKE_A_URL = re.compile(r".*:.*@|(postgres|mysql|mariadb|sqlite)\w*(\+\w+)?[:;/]", re.IGNORECASE)
NO_URL = (
    "--storage: not a URL; one is written postgresql://USER@HOST/DATABASE or sqlite:///FILE, "
    "in a password @ as %40, : as %3A and / as %2F"
)
PASSWORD_SEEN = (
    "note: whoever lists this machine's processes sees the password; give the URL in "
    "CRNN_STUDY_STORAGE instead, or leave the password to ~/.pgpass or PGPASSFILE"
)

Storage = Annotated[
    str | None,
    typer.Option(
        callback=storage_as_given,
        help="Optuna storage: a URL or an SQLite file. Default: studies.db in the results folder. "
        "A URL's password is seen in the list of processes: keep it in the variable, or in "
        "~/.pgpass (PGPASSFILE).",
        envvar="CRNN_STUDY_STORAGE",
        show_envvar=True,
        show_default=False,
    ),
]
Results = Annotated[
    Path, typer.Option(callback=path_from_home, help="Folder that results are written to.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        callback=path_from_home,
        help="Folder of the data. Default: the space's folder; of the CRNN a cache folder, which "
        "Fashion-MNIST is fetched to.",
        show_default=False,
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Space = Annotated[
    str,
    typer.Argument(
        callback=text_from_home, help="A shipped space's name, or a path to a TOML file."
    ),
]
StudyName = Annotated[
    str | None, typer.Argument(help="The study's name. Default: the latest.", show_default=False)
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Number of seeds: the first of those that the space lists, else from 0 on; "
        "of a search: of its confirmation.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(help="The setting epochs for all arms, in a study of its own name.")
]
TrainSize = Annotated[
    int | None,
    typer.Option(help="Of the CRNN: images to train with, in a study of its own name."),
]
Trials = Annotated[int | None, typer.Option(min=1, help="Trials of a search.")]
Executor = Annotated[
    ExecutorName,
    typer.Option(help="Where to train: local, in processes of this machine; debug, in this one."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of each worker.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PrecisionName = Annotated[Precision, typer.Option(help="Of the CRNN: its arithmetic.")]
Pack = Annotated[
    str,
    typer.Option(
        metavar="auto|off|N",
        help="Of the CRNN: trainings that a worker packs together, at most; auto: 32 on CUDA, one "
        "on a CPU.",
    ),
]
Timeout = Annotated[str | None, typer.Option(help="Start nothing new after this: 90s, 30m, 2h.")]
RetryFailed = Annotated[bool, typer.Option(help="Train failed replicates again.")]
NoConfirm = Annotated[
    bool, typer.Option("--no-confirm", help="Of a search: stop after it, confirm nothing.")
]
KeepWeights = Annotated[
    bool,
    typer.Option("--keep-weights", help="Of the CRNN: keep the final weights of what is trained."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="A setting for all arms, in a study of its own name; repeatable.",
        show_default=False,
    ),
]
SameCode = Annotated[
    bool,
    typer.Option(
        "--same-code",
        help="Go on although your code has changed, since it computes the same; reports say so.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Resume killed trainings although `check` found that they then end otherwise.",
    ),
]
NewStudy = Annotated[str | None, typer.Option(help="The study's name. Default: the space's.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings at a time. Default: one a core, or one a GPU."),
]


def overrides(settings: list[str] | None, **options: Any) -> dict[str, Any]:
    """The settings that a person wants for all arms, by name.

    Args:
        settings: as `--set` takes them, the value as in TOML, or text without quotes.
        options: the settings that have options of their own; None where not given.

    Raises:
        UserError: one is not written so, or given twice.
    """
    found = {name: value for name, value in options.items() if value is not None}
    for text in settings or []:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UserError(f"--set {text}: is written SETTING=VALUE, as in --set batch_size=64")
        if (name := name.strip()) in found:
            raise UserError(f"--set {text}: {name} is given twice; keep one")
        found[name] = _toml_value(value.strip())
    return found


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:  # text without quotes
        return text


def seconds_of(text: str | None) -> float | None:
    """``90``, ``90s``, ``30m``, ``2h`` or ``1h30m`` in seconds."""
    if text is None:
        return None
    try:
        return seconds_in(text)
    except ValueError as error:
        raise UserError(f"--timeout {text}: {error}") from None
