"""What a study decides by: the metric, and how its values and their differences are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Direction = Literal["maximize", "minimize"]
MISSING = "–"
FRACTION, PERCENT = "fraction", "percent"


@dataclass(frozen=True)
class Metric:
    """What decides.

    Attributes:
        name: of the figure among an epoch's.
        text: in words, as in ``validation accuracy``; the name unless given.
        noun: one of its values, as in ``accuracy``; the text unless given.
        plural: several of them.
        unit: of its values; ``fraction`` for what is shown in percent, and its differences in
            points; ``percent`` for numbers that are percent already; empty for plain numbers.
        direction: whether more or less of it is better.
        chance: the value of guessing; None where there is none.
        test: the name of the score that is the same on test data; empty where there is none.
        test_text: in words; of the noun unless given, else the name.
        about: a sentence on what it is, where its text says too little.
    """

    name: str
    text: str = ""
    noun: str = ""
    plural: str = ""
    unit: str = ""
    direction: Direction = "maximize"
    chance: float | None = None
    test: str = ""
    test_text: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        text = self.text or self.name
        noun = self.noun or text
        words = {"text": text, "noun": noun, "plural": self.plural or f"{noun} values"}
        test = self.test if noun == self.name else f"test {noun}"
        words["test_text"] = self.test_text or (test if self.test else "")
        for name, value in words.items():
            object.__setattr__(self, name, value)

    @property
    def is_fraction(self) -> bool:
        """Whether its values are fractions, which are shown in percent."""
        return self.unit == FRACTION

    @property
    def in_percent(self) -> bool:
        """Whether it is shown in percent, and its differences in points."""
        return self.unit in (FRACTION, PERCENT)

    @property
    def scale(self) -> float:
        """What its values are multiplied by where they are shown."""
        return 100.0 if self.is_fraction else 1.0

    @property
    def sign(self) -> int:
        """1 where more of it is better, else -1."""
        return sign_of(self.direction)

    @property
    def largest(self) -> float:
        """The largest difference that there can be."""
        return 1.0 if self.is_fraction else math.inf

    @property
    def improving(self) -> str:
        """What it does as long as a training gets better."""
        return "rising" if self.sign > 0 else "falling"

    @property
    def label(self) -> str:
        """What an axis of its values is called; percents have the unit at their numbers."""
        return f"{self.text}, {self.unit}" if self.unit and not self.in_percent else self.text

    @property
    def heading(self) -> str:
        """The unit of differences in brackets, for a title: `` (points)``; empty where none."""
        return f" ({self.difference_unit})" if self.difference_unit else ""

    @property
    def difference_unit(self) -> str:
        """The unit of differences: ``points`` of percents; empty for plain numbers."""
        return "points" if self.in_percent else self.unit

    def number(self, value: float) -> str:
        """A value without its unit: ``0.9123`` as ``91.23``; a dash where there is no number."""
        if not math.isfinite(value):
            return MISSING
        return _minus(f"{self.scale * value:z.2f}" if self.in_percent else _plain(value, 4))

    def value(self, value: float) -> str:
        """``0.9123`` as ``91.23 %``; a dash where there is no number."""
        return f"{self.number(value)}{self._after}" if math.isfinite(value) else MISSING

    def spread(self, mean: float, sd: float) -> str:
        """``90.12 ± 0.31 %``; without the spread where one training has none."""
        if math.isnan(sd):
            return self.value(mean)
        return f"{self.number(mean)} ± {self.number(sd)}{self._after}"

    def signed(self, difference: float) -> str:
        """A difference, always signed, without its unit: ``0.0084`` as ``+0.84``."""
        if not math.isfinite(difference):
            return MISSING
        if not self.in_percent:
            sign = "+" if difference > 0 else ""
            return _minus(f"{sign}{_plain(difference, 3)}") if difference else "0"
        text = _minus(f"{self.scale * difference:+.2f}")
        return "0.00" if text in ("+0.00", "−0.00") else text

    def difference(self, difference: float) -> str:
        """A difference with its unit: ``0.0084`` as ``+0.84 points``."""
        return f"{self.signed(difference)}{self._apart}"

    def unsigned(self, difference: float) -> str:
        """How large a difference is, without its unit: ``-0.0084`` as ``0.84``."""
        return self.signed(abs(difference)).lstrip("+")

    def size(self, difference: float) -> str:
        """How large a difference is: ``-0.0084`` as ``0.84 points``."""
        return f"{self.unsigned(difference)}{self._apart}"

    def margin(self, margin: float) -> str:
        """A margin as its author has written it: ``0.005`` as ``0.50 points``."""
        return self.size(margin) if self.in_percent else f"{margin:g}{self._apart}"

    def interval(self, low: float, high: float) -> str:
        """The ends of an interval of differences, without unit: ``+0.72 to +1.34``."""
        return f"{self.signed(low)} to {self.signed(high)}"

    def gain(self, difference: float) -> str:
        """How much better, whatever the direction: a fall of a loss is above 0, too."""
        return self.difference(self.sign * difference)

    def gains(self, low: float, high: float) -> str:
        """The ends of an interval of differences, as gains: the smaller one first."""
        return self.interval(*sorted((self.sign * low, self.sign * high)))

    @property
    def _after(self) -> str:
        unit = "%" if self.in_percent else self.unit
        return f" {unit}" if unit else ""

    @property
    def _apart(self) -> str:
        return f" {self.difference_unit}" if self.difference_unit else ""


def sign_of(direction: Direction) -> int:
    """1 where more is better, else -1."""
    return 1 if direction == "maximize" else -1


def _plain(number: float, digits: int) -> str:
    """A number with so many digits; a large one whole."""
    if abs(number) >= 10**digits - 0.5:  # which would be rounded to a power of ten
        return f"{number:,.0f}"
    return f"{number:z#.{digits}g}".rstrip(".")


def _minus(text: str) -> str:
    return text.replace("-", "−")
