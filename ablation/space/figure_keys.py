"""The keys of a space of a user's code that say which of its figures decides, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ablation.errors import did_you_mean
from ablation.objective.columns import OWN_COLUMNS
from ablation.objective.metric import Direction
from ablation.space.errors import message
from ablation.space.outcome import COLUMN
from ablation.space.outcome_section import Outcome
from ablation.user_code.settings.schema import SettingsSchema

KEYS = ("metric", "direction", "unit", "test", "budget")
DIRECTIONS: dict[str, Direction] = {
    "max": "maximize",
    "min": "minimize",
    "maximize": "maximize",
    "minimize": "minimize",
}


LOSSES = re.compile(r"loss|err|perplex|ppl|mse|mae|seconds|time|latency", re.IGNORECASE)


def is_loss(figure: str) -> bool:
    """Whether a figure is called like one that less of is better."""
    return bool(LOSSES.search(figure))


def outcome_errors(document: Mapping[str, Any], key: str) -> Iterator[str]:
    """What is wrong with these keys of a document by themselves, a line each.

    Args:
        document: what a space's file holds.
        key: the one that says what is trained: ``trains`` or ``command``.
    """
    if "objective" in document:
        yield f"objective: {key} says what is trained; take one of them out"
    for name in ("metric", "direction", "unit", "test", "budget"):
        if not isinstance(document.get(name, ""), str):
            yield f"{name}: must be text"
    if not document.get("metric"):
        how = "as train reports it" if key == "trains" else "as the program prints it"
        yield f"metric: missing; name the figure that decides, {how}"
    for name, figure in _figures(document):
        if figure in OWN_COLUMNS or (figure == COLUMN and "outcome" in document):
            yield f"{name}: tables have {figure} for themselves; report another name"
    direction, metric = document.get("direction", "max"), document.get("metric")
    if isinstance(direction, str) and direction not in DIRECTIONS:
        yield f"direction: there is no {direction!r}; {did_you_mean(direction, ('max', 'min'))}"
    if "direction" not in document and isinstance(metric, str) and is_loss(metric):
        yield (
            f"direction: missing; {metric} sounds as if less of it were better: "
            'give "min", or "max" if not'
        )
    if "margin" not in document and document.get("unit") != "fraction":
        yield "margin: missing; give the smallest difference of the metric that matters to you"
    yield from _section_errors(document)


def _section_errors(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the section on the outcome."""
    try:
        part = Outcome.model_validate(document.get("outcome", {}))
    except ValidationError as error:
        for one in error.errors():
            path = ".".join(["outcome", *map(str, one["loc"])])
            yield f"{path}: {message(one, Outcome)}"
        return
    metric, test = document.get("metric"), document.get("test")
    if not part.of or part.of == metric or not isinstance(metric, str):
        return
    if is_loss(part.of) != is_loss(metric):
        more = "more" if DIRECTIONS.get(document.get("direction", "max")) == "maximize" else "less"
        yield (
            f"outcome.of: of {part.of}, as of {metric}, {more} would be better, and it does not "
            f'sound so; give metric = "{part.of}" and its direction instead'
        )
    if test:
        yield (
            f"outcome.of: test = {test} goes with metric = {metric}; to decide by {part.of}, make "
            "it the metric, with a test of its own, or take test out"
        )


def names_errors(document: Mapping[str, Any], schema: SettingsSchema) -> Iterator[str]:
    """What is wrong with the keys beside the settings: a budget that is none, a figure that is one.

    Args:
        document: what a space's file holds.
        schema: the settings.
    """
    budget = document.get("budget", "")
    kinds = {field.name: field.kind for field in schema.fields}
    if budget and isinstance(budget, str) and kinds.get(budget) != "int":
        whole = [name for name, kind in kinds.items() if kind == "int"]
        near = did_you_mean(budget, whole)
        yield f"budget: {budget} is no setting that is a whole number; {near}"
    for key, name in _figures(document):
        if name in kinds:
            yield f"{key}: {name} is a setting, too; report another name"
    outcome = document.get("outcome", {})
    if COLUMN in kinds and isinstance(outcome, Mapping) and outcome.get("over_last", 1) != 1:
        yield f"outcome.over_last: tables then have a column {COLUMN}; rename the setting {COLUMN}"


def _figures(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures that the document names, each with its key; only what is text."""
    named = [(key, document.get(key)) for key in ("metric", "test")]
    outcome = document.get("outcome")
    also = outcome.get("also") if isinstance(outcome, Mapping) else None
    named += [("outcome.also", name) for name in (also if isinstance(also, list) else ())]
    named += [("outcome.of", outcome.get("of"))] if isinstance(outcome, Mapping) else []
    yield from ((key, name) for key, name in named if isinstance(name, str))


def outcome_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys as parts of a definition; there is no error in them."""
    outcome = document.get("outcome", {})
    return {
        "metric": outcome.get("of") or document["metric"],
        "direction": DIRECTIONS[document.get("direction", "max")],
        "unit": document.get("unit", ""),
        "test": document.get("test", ""),
        "budget": document.get("budget", ""),
        "also": tuple(dict.fromkeys(outcome.get("also", ()))),
    }
