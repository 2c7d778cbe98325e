"""What a user's program prints, read as figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ablation.user_code.command.patterns import STEPS
from ablation.user_code.training.run import TrainingError


@dataclass(frozen=True)
class Printed:
    """Figures that belong together.

    Attributes:
        figures: by name.
        step: which step they are of; None for the next one.
    """

    figures: dict[str, float]
    step: int | None = None


class Reader(Protocol):
    """Reads what a program prints, line by line."""

    def read(self, line: str) -> Iterator[Printed]:
        """The figures that are complete with this line.

        Raises:
            TrainingError: what stands there for a number is none.
        """

    def end(self) -> Iterator[Printed]:
        """The figures that were waiting for others when the program ended."""


class JsonReader:
    """Takes each line that is a JSON object; its numbers are the figures.

    Args:
        metric: the name of the figure that must be a number.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def read(self, line: str) -> Iterator[Printed]:
        """See `Reader`."""
        found = _object(line)
        figures = {name: _float(value) for name, value in found.items() if _is_number(value)}
        if self.metric in found and self.metric not in figures:
            text = json.dumps(found[self.metric])
            raise TrainingError(f"{self.metric}: the program printed {text}; print a number")
        if figures:
            yield _with_step(figures)

    def end(self) -> Iterator[Printed]:
        """See `Reader`: a line is complete."""
        return iter(())


class PatternReader:
    """Finds each figure by a regular expression of one group, the last time in a line.

    Figures belong together until there is one of each (but for the test figure), or until one of
    them comes again after the metric has come.

    Args:
        patterns: by figure.
        metric: the name of the one that decides.
        test: the name of the one that comes at the end; empty where there is none.
    """

    def __init__(self, patterns: Mapping[str, str], metric: str, test: str = "") -> None:
        self.patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self.metric = metric
        self.wanted = self.patterns.keys() - {test}
        self.waiting: dict[str, float] = {}

    def read(self, line: str) -> Iterator[Printed]:
        """See `Reader`."""
        found = {}
        for name, pattern in self.patterns.items():
            texts = [match[1] for match in pattern.finditer(line) if match[1] is not None]
            if texts:
                found[name] = _parsed(name, texts[-1])
        if self.metric in self.waiting and self.waiting.keys() & found:
            yield from self.end()
        self.waiting |= found
        if self.waiting.keys() >= self.wanted:
            yield from self.end()

    def end(self) -> Iterator[Printed]:
        """See `Reader`."""
        figures, self.waiting = self.waiting, {}
        if figures:
            yield _with_step(figures)


def _object(line: str) -> dict[str, Any]:
    """The JSON object that a line is; empty where it is none."""
    text = line.strip()
    if not text.startswith("{"):
        return {}
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _parsed(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise TrainingError(
            f"read.{name}: found {text!r}, which is no number; make the group take the number alone"
        ) from None


def _with_step(figures: dict[str, float]) -> Printed:
    """Figures of which one says the step, which is then none of them."""
    for name in STEPS:
        if (number := figures.get(name)) is not None and number.is_integer():
            others = {each: value for each, value in figures.items() if each != name}
            return Printed(others, int(number))
    return Printed(figures)
