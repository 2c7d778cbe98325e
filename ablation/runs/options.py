"""What a person says of a table of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ablation.objective.metric import Direction


@dataclass(frozen=True)
class Options:
    """What a person says of a table of runs; what is empty or None was not said.

    Attributes:
        arm: the column that names the arms.
        settings: the columns of settings, whose values together make an arm.
        seed: the column whose values pair the runs of different arms.
        metric: the column of the figure that decides.
        against: the baseline: an arm's name, or ``NAME=VALUE`` for each setting.
        compare: ``ARM=OTHER`` each: an arm that is compared with another than the baseline.
        test: the column of the figure on test data, which decides nothing.
        by: the column of blocks, such as data sets.
        where: ``COLUMN=VALUE`` or ``COLUMN!=VALUE`` each: the rows to keep.
        folds: K of a cross-validation that was repeated; its number of folds unless given.
        reduce: how a history becomes a figure: ``last``, ``mean:K`` or ``best``.
        early_stopping: whether runs that end earlier than others are finished all the same.
        keep: ``latest``: of several runs of one arm and seed the one created last counts.
        direction: whether more or less of the metric is better.
        unit: of the metric: ``fraction``, ``percent`` or any text.
        margin: the smallest difference that matters, in the column's own numbers.
        sd: the column of standard deviations, where each row is an arm's mean.
        n: the column of the number of runs behind such a mean, or the number itself.
        wide: ``seeds`` where the columns are seeds, ``arms`` where they are arms.
        name: a pattern of file names, such as ``runs/{arm}-s{seed}.csv``.
        study: the name that the study gets; made of the first file's unless given.
    """

    arm: str = ""
    settings: tuple[str, ...] = ()
    seed: str = ""
    metric: str = ""
    against: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    test: str = ""
    by: str = ""
    folds: int | None = None
    where: tuple[str, ...] = ()
    reduce: str = "last"
    early_stopping: bool = False
    keep: str = ""
    direction: Direction | None = None
    unit: str | None = None
    margin: float | None = None
    sd: str = ""
    n: str = ""
    wide: str = ""
    name: str = ""
    study: str = ""

    def words(self) -> list[str]:
        """What was said, as the words of a command line; the study's name is not among them."""
        return [word for field in fields(self) for word in self._words(field.name)]

    def _words(self, name: str) -> Iterator[str]:
        value, option = getattr(self, name), OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if name == "direction":
            option = "--lower-is-better" if value == "minimize" else "--higher-is-better"
            yield from [option] if value else []
        elif isinstance(value, bool):
            yield from [option] if value else []
        elif isinstance(value, tuple):
            yield from (word for each in value for word in (option, each))
        elif value not in ("", None) and name != "study" and (name, value) != ("reduce", "last"):
            yield from (option, format_number(value) if isinstance(value, int | float) else value)


def said(words: Sequence[str], option: str) -> str:
    """The value of an option among the words of a command line; empty where it is not there."""
    places = [place for place, word in enumerate(words[:-1]) if word == option]
    return words[places[0] + 1] if places else ""


def options_of(**said: Any) -> Options:
    """What a person says, given loosely: one text for several, a number for text.

    Args:
        said: by attribute of `Options`.

    Raises:
        TypeError: there is no such attribute.
    """
    given = dict(said)
    for name in (field.name for field in fields(Options) if field.default == ()):
        if name in given:
            value = given[name]
            given[name] = (value,) if isinstance(value, str) else tuple(value)
    if "n" in given:
        given["n"] = str(given["n"])
    return Options(**given)


OPTIONS = {"settings": "--setting"}
"""The options that are not called as their attributes are."""


def format_number(value: float) -> str:
    """A number as people write it, with all of its digits: ``0.005``, ``1``."""
    return repr(float(value)).removesuffix(".0")
