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

STUDY = "What is trained"
TRAINING = "How it is trained"


def option(text: str, metavar: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """An option as the help shows it: its kind in a word, its default in the text."""
    return typer.Option(
        *names, help=text, metavar=metavar, rich_help_panel=panel, show_default=False, **more
    )


def flag(text: str, name: str, panel: str | None = None) -> Any:
    """An option that takes no value."""
    return option(text, "", name, panel=panel)


Storage = Annotated[
    str | None,
    option(
        "Optuna storage: an SQLite file, or a URL without its password, which others would see "
        "(put that into the variable or ~/.pgpass). Default: studies.db in the results folder.",
        "FILE|URL",
        callback=storage_as_given,
        envvar="CRNN_STUDY_STORAGE",
        show_envvar=True,
    ),
]
Results = Annotated[
    Path, option("Results folder. Default: results.", "FOLDER", callback=path_from_home)
]
Data = Annotated[
    Path | None,
    option(
        "Data folder. Default: the space's; of the CRNN a cache, which Fashion-MNIST is fetched "
        "to.",
        "FOLDER",
        callback=path_from_home,
    ),
]
Open = Annotated[bool, flag("Open it in the browser.", "--open")]
Json = Annotated[bool, flag("Print JSON.", "--json")]
Space = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        callback=text_from_home,
        help="A shipped space's name, or a path to a TOML file.",
    ),
]
StudyName = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY",
        help="The study's name, or the file of its space. Default: the latest.",
        show_default=False,
    ),
]
Seeds = Annotated[
    int | None,
    option(
        "Number of seeds: the first of the space's list, else 0, 1, and so on. Of a search: "
        "those of its confirmation.",
        "N",
        panel=STUDY,
        min=1,
        max=10_000,
    ),
]
Looks = Annotated[
    str | None,
    option(
        "Looks: numbers of seeds at which verdicts are made, and arms that have one stop.",
        "N,N",
        "--settle",
        panel=STUDY,
    ),
]
NoLooks = Annotated[
    bool,
    flag("Train every arm with all seeds, whatever is declared.", "--no-settle", panel=STUDY),
]
Epochs = Annotated[
    int | None,
    option("Override epochs, in a study of its own: NAME-epochsN.", "N", panel=STUDY),
]
TrainSize = Annotated[
    int | None,
    option("Of the CRNN: override the number of training images.", "N", panel=STUDY),
]
Trials = Annotated[int | None, option("Trials of a search.", "N", panel=STUDY, min=1)]
Executor = Annotated[
    ExecutorName,
    option(
        "Where to train: in processes of this machine (local, the default), or in this very one "
        "(debug).",
        "local|debug",
        panel=TRAINING,
    ),
]
Threads = Annotated[int | None, option("Threads of each worker.", "N", panel=TRAINING, min=1)]
Device = Annotated[
    str, option("auto (the default), cpu, cuda or cuda:N.", "DEVICE", panel=TRAINING)
]
PrecisionName = Annotated[
    Precision,
    option(
        "Of the CRNN: numeric precision. Default: auto, which is bf16 where the device has it.",
        "auto|fp32|bf16",
        panel=TRAINING,
    ),
]
Pack = Annotated[
    str,
    option(
        "Of the CRNN: trainings that a worker packs together, at most. Default: auto, which is "
        "32 on CUDA and 1 on a CPU.",
        "auto|off|N",
        panel=TRAINING,
    ),
]
Timeout = Annotated[
    str | None,
    option("Start no training after this time: 90s, 30m, 2h.", "TIME", panel=TRAINING),
]
RetryFailed = Annotated[bool, flag("Train failed replicates again.", "--retry-failed", STUDY)]
NoConfirm = Annotated[bool, flag("Search only; skip the confirmation.", "--no-confirm", STUDY)]
KeepWeights = Annotated[
    bool,
    flag("Of the CRNN: save each trial's final weights.", "--keep-weights", TRAINING),
]
Set = Annotated[
    list[str] | None,
    option(
        "Override a setting for all arms, in a study of its own; repeatable.",
        "NAME=VALUE",
        "--set",
        panel=STUDY,
    ),
]
SameCode = Annotated[
    bool,
    flag(
        "Continue although your code has changed: it computes the same. Reports say so.",
        "--same-code",
        TRAINING,
    ),
]
Force = Annotated[
    bool,
    flag(
        "Resume killed trainings although `check` found that they then end differently.",
        "--force",
        TRAINING,
    ),
]
NewStudy = Annotated[
    str | None,
    option("The study's name. Default: the space's.", "NAME", "--study", panel=STUDY),
]
Jobs = Annotated[
    int | None,
    option("Trainings at a time. Default: one a core, or one a GPU.", "N", panel=TRAINING, min=1),
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
            raise UserError(f"--set {text}: is written NAME=VALUE, as in --set batch_size=64")
        if (name := name.strip()) in found:
            raise UserError(f"--set {text}: {name} is given twice; keep one")
        found[name] = _toml_value(value.strip())
    return found


def looks_of(text: str | None, *, none: bool = False) -> tuple[int, ...] | None:
    """``5,10,15,20`` as numbers of seeds; empty for none, None where neither was asked for."""
    if text is None:
        return () if none else None
    if none:
        raise UserError("--settle and --no-settle: they contradict each other; leave one out")
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise UserError(
            f"--settle {text}: is written as numbers of seeds, as in --settle 5,10,15,20"
        ) from None


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
