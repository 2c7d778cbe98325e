"""The keys of a space that say which function trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ablation.errors import UserError
from ablation.objective import Objective, load_objective
from ablation.objective.columns import NAMING
from ablation.space.figure_keys import names_errors, outcome_errors, outcome_of
from ablation.user_code.definition import Definition
from ablation.user_code.settings.schema import Description
from ablation.user_code.source.code_identity import digests
from ablation.user_code.source.description import describe


def training_code(
    document: Mapping[str, Any],
    folder: Path,
    errors: list[str],
    describe: Callable[[str, Path], Description] = describe,
) -> Objective | None:
    """The objective that the keys of a document describe; None where an error is in the way.

    The code is imported, in a process of its own.

    Args:
        document: what a space's file holds.
        folder: that of the file.
        errors: to which those are added that are found.
        describe: describes the code; `ablation.user_code.source.description.describe` unless given.
    """
    before = len(errors)
    errors += outcome_errors(document, "trains")
    trains = document.get("trains")
    if not isinstance(trains, str):
        errors.append('trains: must be text, as in trains = "my.py:train"')
    if len(errors) > before:
        return None
    try:
        found = describe(str(trains), folder)
    except UserError as error:
        errors += str(error).splitlines()
        return None
    errors += names_errors(document, found.schema)
    if len(errors) > before:
        return None
    definition = Definition(
        trains=str(trains),
        folder=str(folder.absolute()),
        file=str(found.file),
        code_folder=str(found.folder),
        code=digests(found.folder, found.modules),
        libraries=() if found.threads_started else found.libraries,
        settings=found.schema,
        naming=NAMING,
        **outcome_of(document),
    )
    return load_objective(definition.spec)
