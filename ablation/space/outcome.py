"""The keys of a space of a user's code that say which of its figures decides, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from ablation.errors import did_you_mean
from ablation.objective.columns import OWN_COLUMNS
from ablation.objective.metric import Direction
from ablation.space.errors import message
from ablation.space.part import Part, Text
from ablation.user_code.settings.schema import SettingsSchema

KEYS = ("metric", "direction", "unit", "test", "budget", "outcome")
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


class Outcome(Part):
    """What comes of a training beside the metric.

    Attributes:
        also: figures that reports show beside it.
    """

    also: list[Text] = Field(default_factory=list)


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
        if figure in OWN_COLUMNS:
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
    if "outcome" in document:
        try:
            Outcome.model_validate(document["outcome"])
        except ValidationError as error:
            for one in error.errors():
                path = ".".join(["outcome", *map(str, one["loc"])])
                yield f"{path}: {message(one, Outcome)}"


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


def _figures(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures that the document names, each with its key; only what is text."""
    named = [(key, document.get(key)) for key in ("metric", "test")]
    outcome = document.get("outcome")
    also = outcome.get("also") if isinstance(outcome, Mapping) else None
    named += [("outcome.also", name) for name in (also if isinstance(also, list) else ())]
    yield from ((key, name) for key, name in named if isinstance(name, str))


def outcome_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys as parts of a definition; there is no error in them."""
    return {
        "metric": document["metric"],
        "direction": DIRECTIONS[document.get("direction", "max")],
        "unit": document.get("unit", ""),
        "test": document.get("test", ""),
        "budget": document.get("budget", ""),
        "also": tuple(document.get("outcome", {}).get("also", ())),
    }
