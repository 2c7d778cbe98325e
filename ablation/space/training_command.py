"""The keys of a space that say which program trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ablation.errors import UserError, did_you_mean
from ablation.objective import Objective, load_objective
from ablation.objective.columns import NAMING, OWN_COLUMNS
from ablation.space.figure_keys import names_errors, outcome_errors, outcome_of
from ablation.space.program_settings import program_settings
from ablation.user_code.command.patterns import STEPS, pattern_error
from ablation.user_code.command.words import (
    file_words,
    is_file,
    placeholders,
    program_error,
    word_errors,
)
from ablation.user_code.definition import CommandDefinition
from ablation.user_code.settings.schema import SettingsSchema
from ablation.user_code.source.code_identity import file_digest

KEYS = ("command", "code", "settings", "read")
EXAMPLE = 'command = ["python", "train.py", "--lr={lr}", "--seed={seed}"]'


def training_command(
    document: Mapping[str, Any], folder: Path, errors: list[str]
) -> Objective | None:
    """The objective that the keys of a document describe; None where an error is in the way.

    Args:
        document: what a space's file holds.
        folder: that of the file.
        errors: to which those are added that are found.
    """
    before = len(errors)
    schema = program_settings(document.get("settings", {}), errors)
    errors += outcome_errors(document, "command")
    known = [field.name for field in schema.fields]
    if document.get("budget") not in [name for name in _names(document) if name not in known]:
        errors += names_errors(document, schema)
    errors += _command_errors(document, folder, schema)
    code = _code(document, folder, errors)
    errors += _read_errors(document)
    errors += _name_errors(document, schema)
    if len(errors) > before:
        return None
    definition = CommandDefinition(
        program=next(iter(code)),
        command=tuple(document["command"]),
        folder=str(folder.absolute()),
        code_folder=str(folder.absolute()),
        code=code,
        read=document.get("read", {}),
        settings=schema,
        naming=NAMING,
        **outcome_of(document),
    )
    return load_objective(definition.spec)


def _texts(value: object) -> list[str]:
    """The texts of a list; empty where it is none, or has something else in it."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    return []


def _names(document: Mapping[str, Any]) -> list[str]:
    """The settings that a document names, those with errors too."""
    table = document.get("settings", {})
    return list(table) if isinstance(table, Mapping) else []


def _command_errors(
    document: Mapping[str, Any], folder: Path, schema: SettingsSchema
) -> Iterator[str]:
    words = _texts(document["command"])
    if not words or not words[0]:
        yield f"command: must be a list of texts, the program's name first, as in {EXAMPLE}"
        return
    if any("\0" in word for word in words):
        yield "command: has a NUL character, which no program can be given; take it out"
        return
    yield from word_errors(words, _names(document))
    yield from filter(None, [program_error(words, folder)])
    for word in file_words(words, folder):
        if not _lists(document.get("code"), word):
            yield (
                f"code: {word} is a file of this folder that command names; put it into code, so "
                "that a change of it is noticed"
            )
    named = {name for word in words for name in placeholders(word)}
    for field in schema.fields:
        if field.identity and field.name not in named:
            yield (
                f"settings.{field.name} has no effect: no word of command has {{{field.name}}}; "
                "put it there, or give it identity = false"
            )


def _lists(code: object, word: str) -> bool:
    return Path(word) in [Path(name) for name in _texts(code)]


def _code(document: Mapping[str, Any], folder: Path, errors: list[str]) -> dict[str, str]:
    """The files of the program, with their digests."""
    given = document.get("code")
    if given is None:
        errors.append(
            "code: missing; list the files that the program is made of, as in "
            'code = ["train.py"], so that a change of them is noticed'
        )
        return {}
    if not _texts(given):
        errors.append('code: must be a list of files, as in code = ["train.py"]')
        return {}
    found = {}
    for name in _texts(given):
        path = folder / name
        if not is_file(path):
            beside = sorted(each.name for each in folder.iterdir() if each.is_file())
            errors.append(f"code: no file {name} in {folder}; {did_you_mean(name, beside)}")
            continue
        try:
            found[name] = file_digest(path)
        except UserError as error:
            errors.append(f"code: {error}")
    return found


def _read_errors(document: Mapping[str, Any]) -> Iterator[str]:
    if "read" not in document:
        return
    read = document["read"]
    if not isinstance(read, Mapping) or not read:
        yield "read: must be a table, [read], of a regular expression a figure"
        return
    for name, pattern in read.items():
        if name in OWN_COLUMNS and name not in STEPS:
            yield f"read.{name}: tables have {name} for themselves; call the figure otherwise"
        if why := pattern_error(pattern):
            yield f"read.{name}: {why}"
    for key, name in _figures(document):
        if name not in read:
            yield f"{key}: [read] has no pattern for {name}; {did_you_mean(name, read)}"


def _figures(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures that a document names, after the key that does."""
    for key in ("metric", "test"):
        if (name := document.get(key)) and isinstance(name, str):
            yield key, name
    outcome = document.get("outcome")
    if isinstance(outcome, Mapping):
        if (name := outcome.get("of")) and isinstance(name, str):
            yield "outcome.of", name
        for name in _texts(outcome.get("also")):
            yield "outcome.also", name


def _name_errors(document: Mapping[str, Any], schema: SettingsSchema) -> Iterator[str]:
    """A name that is a setting's and a figure's."""
    read = document.get("read")
    named = [name for _, name in _figures(document)]
    figures = [*named, *(read if isinstance(read, Mapping) else ())]
    for name in dict.fromkeys(figures):
        if any(field.name == name for field in schema.fields):
            yield f"settings.{name}: is the name of a figure, too; give one of them another name"
